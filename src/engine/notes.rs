//! What the user should know of an engine, in the order in which it was found out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Sentences. The clones of an engine and its runs share them.
#[derive(Debug, Default)]
pub(super) struct Notes {
    lines: Mutex<Vec<String>>,
    /// Whether one of them is on threads that were not started.
    has_fewer: AtomicBool,
}

impl Notes {
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add(&self, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Notes once that the operating system started fewer threads than `wanted`.
    pub(super) fn add_fewer(&self, started: usize, wanted: usize) {
        if started < wanted && !self.has_fewer.swap(true, Ordering::Relaxed) {
            let plural = if started == 1 { "" } else { "s" };
            self.add(format!(
                "{started} thread{plural} instead of {wanted}: the system started no more, since a limit of \
                 processes or memory is reached (ulimit -u, ulimit -v)"
            ));
        }
    }
}
