//! `Pending`, a result that may have to wait for a device.

use crate::error::Result;
use crate::threads::MaybeSend;
use std::pin::Pin;

/// A result that may have to wait for a device. It can be awaited on any thread, except on
/// WebAssembly.
#[cfg(not(target_arch = "wasm32"))]
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;
/// A result that may have to wait for a device.
#[cfg(target_arch = "wasm32")]
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A result that is there already.
pub(crate) fn ready<'a, T: MaybeSend + 'a>(result: Result<T>) -> Pending<'a, T> {
    Box::pin(std::future::ready(result))
}
