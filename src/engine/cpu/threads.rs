//! Threads of the CPU engine, as many as the operating system starts.

use std::io;
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
