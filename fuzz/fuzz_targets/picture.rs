//! See [`impasto_fuzz::picture`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    impasto_fuzz::picture(bytes);
});
