//! See [`impasto_fuzz::configuration`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    impasto_fuzz::configuration(bytes);
});
