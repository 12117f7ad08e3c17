//! See [`impasto_fuzz::shapes`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    impasto_fuzz::shapes(bytes);
});
