//! `StopHandle`, which stops a run from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops a run from elsewhere, such as another thread; see [`Training::stop_handle`](crate::Training::stop_handle).
///
/// A clone is another handle to the same run.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// Whether the trainer has a request that it has not answered yet.
    asked: AtomicBool,
    /// Whether sessions are to abandon what is under way.
    stopping: AtomicBool,
}

impl StopHandle {
    /// Stops the run as soon as possible, as a watcher that answers [`Break`](std::ops::ControlFlow::Break)
    /// does. If the run is paused, it stops as soon as it continues. Each call stops the run once.
    ///
    /// The CPU engine and the reference abandon the step that is under way, as if it had not begun. On a GPU, the
    /// steps that were submitted are waited for.
    pub fn stop(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        self.0.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether a session that was given this handle is to abandon its steps. See
    /// [`Session::stop_with`](crate::Session::stop_with) for an example.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Has sessions take steps again. A [`Training`](crate::Training) calls this itself. See
    /// [`Session::stop_with`](crate::Session::stop_with) for an example.
    pub fn resume(&self) {
        self.0.stopping.store(false, Ordering::SeqCst);
    }

    /// Whether the run was asked to stop. The request is then forgotten.
    pub(crate) fn take(&self) -> bool {
        self.0.asked.swap(false, Ordering::SeqCst)
    }
}
