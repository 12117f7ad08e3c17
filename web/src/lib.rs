//! Impasto in the browser. The [`painter`] knows no browser; what JavaScript calls is its shell in
//! `face`, which is compiled for WebAssembly alone.

pub mod options;
pub mod painter;
pub mod pixels;

#[cfg(target_arch = "wasm32")]
mod face;
