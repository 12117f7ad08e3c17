//! Threads of the CPU engine, as many as the operating system starts, and the notes on those it did not start.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

/// Starts thread `number` in a scope.
///
/// # Errors
/// The operating system starts no more threads.
pub(super) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    number: usize,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    #[cfg(test)]
    if number >= most::get() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    thread::Builder::new().name(format!("impasto-cpu-{number}")).spawn_scoped(scope, work)
}

/// What the user should know of an engine. Its clones and its runs share it.
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

/// How many threads the operating system has for a test.
#[cfg(test)]
pub(super) mod most {
    use std::cell::Cell;

    thread_local! {
        static MOST: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub(in super::super) fn get() -> usize {
        MOST.get()
    }

    /// Calls `work`, in which the calling thread can start so many threads in a scope or a pool, itself among them.
    pub(in super::super) fn with<T>(most: usize, work: impl FnOnce() -> T) -> T {
        MOST.set(most);
        let done = work();
        MOST.set(usize::MAX);
        done
    }
}
