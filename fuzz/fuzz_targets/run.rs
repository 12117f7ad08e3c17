//! See [`impasto_fuzz::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    impasto_fuzz::run(bytes);
});
