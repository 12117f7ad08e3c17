//! Choice of the vector instructions that the engine uses.

use pulp::Arch;
use std::sync::OnceLock;

/// The environment variable that chooses narrower vector instructions than the processor has: `avx2` or
/// `none`. It is for measurements and tests. The process reads it once.
const VARIABLE: &str = "IMPASTO_VECTORS";

/// The widest vector instructions there are, or the narrower ones that were chosen.
pub(super) fn available() -> Arch {
    static CHOSEN: OnceLock<Arch> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var(VARIABLE).as_deref() {
        #[cfg(target_arch = "x86_64")]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        Ok("none") => Arch::Scalar,
        _ => widest(),
    })
}

fn widest() -> Arch {
    // The page that loads this module has asked the browser for them; the module itself cannot.
    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    pulp::wasm::enable_relaxed_simd();
    Arch::new()
}

/// Their name, for people.
pub(super) fn name() -> &'static str {
    match available() {
        Arch::Scalar => "",
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => ", AVX-512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => ", AVX2",
        _ if cfg!(target_arch = "aarch64") => ", NEON",
        _ if cfg!(all(target_arch = "wasm32", feature = "relaxed-simd")) => ", relaxed SIMD",
        _ if cfg!(target_feature = "simd128") => ", SIMD128",
        _ => "",
    }
}
