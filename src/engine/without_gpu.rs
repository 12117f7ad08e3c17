//! The module `gpu` without the feature `gpu`: an error in place of the engine.
//!
//! `Kernels` and `Precision` are here too, since [`Options`](crate::Options) contains them.

use super::Engine;
pub use super::choice::{Kernels, Precision};
use crate::error::{Result, unsupported};
use std::future::{Ready, ready};

/// Without adapters, none is named.
pub(crate) fn named_adapter() -> Option<(&'static str, String)> {
    None
}

/// Fails.
pub(crate) fn open(
    _name: Option<&str>,
    _kernels: Kernels,
    _precision: Precision,
    _tune: bool,
) -> Ready<Result<Engine>> {
    missing()
}

/// Fails.
pub(crate) fn open_real_gpu(
    _kernels: Kernels,
    _precision: Precision,
    _tune: bool,
) -> Ready<Result<Engine>> {
    missing()
}

fn missing() -> Ready<Result<Engine>> {
    ready(unsupported(
        "this program was built without the GPU engine: choose the cpu backend, or build it with \
         impasto's feature 'gpu'",
    ))
}

#[cfg(test)]
mod tests {
    use crate::{Backend, Options};

    #[test]
    fn the_gpu_engine_is_an_error_and_auto_is_the_cpu() {
        let error = Options { backend: Backend::Gpu, ..Options::default() }.open();
        let error = error.expect_err("no GPU engine").to_string();
        assert!(error.contains("feature 'gpu'"), "{error}");
        let engine = Options::default().open().expect("the CPU engine");
        assert_eq!(engine.device().backend, Backend::Cpu);
        assert!(engine.notes()[0].contains("without the GPU engine"));
    }
}
