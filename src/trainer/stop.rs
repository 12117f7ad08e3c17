//! `StopHandle`, which stops a run from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops a run from elsewhere, such as another thread; see [`Training::stop_handle`](crate::Training::stop_handle).
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// Stops the run as soon as possible, as a watcher that answers [`Break`](std::ops::ControlFlow::Break)
    /// does. If the run is paused, it stops as soon as it continues. Each call stops the run once.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the run was asked to stop. The request is then forgotten.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
