//! See [`impasto_fuzz::network`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    impasto_fuzz::network(bytes);
});
