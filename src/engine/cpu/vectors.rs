//! Detection of the processor's vector instructions.

/// The widest vector instructions there are.
pub(super) fn available() -> pulp::Arch {
    // The page that loads this module has asked the browser for them; the module itself cannot.
    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    pulp::wasm::enable_relaxed_simd();
    pulp::Arch::new()
}

/// Their name, for people.
pub(super) fn name() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return ", AVX-512";
    } else if std::arch::is_x86_feature_detected!("fma") {
        return ", AVX2";
    }
    if cfg!(target_arch = "aarch64") {
        ", NEON"
    } else if cfg!(all(target_arch = "wasm32", feature = "relaxed-simd")) {
        ", relaxed SIMD"
    } else if cfg!(target_feature = "simd128") {
        ", SIMD128"
    } else {
        ""
    }
}
