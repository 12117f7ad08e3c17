//! The module `jobs` without the feature `threads`: jobs are done before they are awaited.

use crate::engine::{Pending, ready};

/// Does jobs at once.
pub(super) struct Jobs;

impl Jobs {
    pub(super) fn new() -> Self {
        Self
    }

    /// Does `work` before this returns.
    #[allow(clippy::unused_self, reason = "as with threads")]
    pub(super) fn start<T: Send + 'static>(
        &self,
        _short: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<'static, T> {
        ready(Ok(work()))
    }
}
