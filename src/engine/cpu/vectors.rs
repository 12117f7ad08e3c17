//! Choice of the vector instructions that the engine uses.

use crate::error::{Result, invalid_setting};
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

/// Whether the environment chooses instructions that there are.
///
/// # Errors
/// Its variable is set to something else.
pub(super) fn check() -> Result<()> {
    match std::env::var_os(VARIABLE) {
        Some(value) => check_value(&value.to_string_lossy()),
        None => Ok(()),
    }
}

fn check_value(value: &str) -> Result<()> {
    if ["", "avx2", "none"].contains(&value) {
        return Ok(());
    }
    invalid_setting(format!(
        "the environment variable {VARIABLE} is '{value}': set it to avx2 or none, or unset it"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_choice_of_vectors_is_an_error() {
        for value in ["", "avx2", "none"] {
            assert!(check_value(value).is_ok(), "{value}");
        }
        for value in ["AVX2", "avx512", "avx2 ", "0"] {
            let error = check_value(value).expect_err("an unknown choice").to_string();
            assert!(error.contains(value) && error.contains("avx2 or none"), "{error}");
        }
    }
}
