//! A thread that runs jobs one after the other, so that the caller does not wait.

use crate::engine::Pending;
use crate::error::Error;
use futures_intrusive::channel::shared::oneshot_channel;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Does jobs in the order in which they were started. The thread ends after the last of them.
pub(super) struct Jobs {
    /// To the thread; `None` where the system has none to give, as in WebAssembly.
    thread: Option<mpsc::Sender<Job>>,
    /// Jobs that the thread has not finished yet.
    unfinished: Arc<AtomicUsize>,
}

impl Jobs {
    pub(super) fn new() -> Self {
        let (sender, jobs) = mpsc::channel::<Job>();
        let work = move || jobs.into_iter().for_each(|job| job());
        let begun = thread::Builder::new().name("impasto-cpu-0".into()).spawn(work);
        Self { thread: begun.ok().map(|_| sender), unfinished: Arc::default() }
    }

    /// Does `work` after all jobs started before, and returns a future of its result. It is done on the
    /// thread, or before this returns if it is `short` and no other job is under way, since handing a
    /// job over takes some 20 µs.
    ///
    /// A panic in `work` goes on where the future is awaited.
    pub(super) fn start<T: Send + 'static>(
        &self,
        short: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<'static, T> {
        let idle = || self.unfinished.load(Ordering::Acquire) == 0;
        let Some(thread) = self.thread.as_ref().filter(|_| !(short && idle())) else {
            return Box::pin(std::future::ready(Ok(work())));
        };
        let (answer, result) = oneshot_channel();
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = Arc::clone(&self.unfinished);
        let job = move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            unfinished.fetch_sub(1, Ordering::Release);
            // The caller may have dropped the future.
            let _ = answer.send(done);
        };
        // Cannot fail: the thread ends after this sender only.
        let _ = thread.send(Box::new(job));
        Box::pin(async move {
            match result.receive().await {
                Some(Ok(done)) => Ok(done),
                Some(Err(panic)) => resume_unwind(panic),
                None => Err(Error::Internal("a thread of the CPU engine ended early".into())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;
    use std::sync::Mutex;
    use std::time::Duration;

    #[test]
    fn jobs_are_done_in_their_order() {
        let (jobs, done) = (Jobs::new(), Arc::new(Mutex::new(Vec::new())));
        let numbers = 0..20;
        let results: Vec<_> = numbers
            .clone()
            .map(|number| {
                let done = Arc::clone(&done);
                jobs.start(number % 3 == 0, move || {
                    // Short ones come while long ones are under way.
                    thread::sleep(Duration::from_millis(number % 2));
                    done.lock().expect("no panic").push(number);
                    number
                })
            })
            .collect();
        // Also when the last is awaited first.
        let mut results: Vec<_> =
            results.into_iter().rev().map(|r| block_on(r).expect("done")).collect();
        results.reverse();
        assert!(results.iter().copied().eq(numbers.clone()));
        assert!(done.lock().expect("no panic").iter().copied().eq(numbers));
    }

    #[test]
    fn a_short_job_is_done_at_once_and_a_panic_reaches_the_caller() {
        let jobs = Jobs::new();
        let here = thread::current().id();
        let on = |short| block_on(jobs.start(short, || thread::current().id())).expect("done");
        assert_eq!(on(true), here);
        assert_ne!(on(false), here);
        assert_eq!(on(true), here);
        let panicking = jobs.start(false, || -> u32 { panic!("as a test") });
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(panicking))).is_err());
        // The thread is still there.
        assert_ne!(on(false), here);
    }
}
