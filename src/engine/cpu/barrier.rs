//! The barrier at which the threads of a run wait for each other.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// How often a thread looks before it sleeps: some 20 to 100 µs.
const SPINS: u32 = 4_000;

/// A meeting point of a fixed number of threads, which they use again and again. They spin, since
/// they all come within microseconds, unless another program has taken the core of one: then they
/// sleep, and a sleeper is woken at once, where one that gives its core away waits until it is its
/// turn again.
pub(super) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    /// How often all have met.
    meetings: AtomicUsize,
    abandoned: AtomicBool,
    /// Those that sleep, or are about to.
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

/// A thread panicked, so that no thread should wait for it.
#[derive(Debug)]
pub(super) struct Abandoned;

impl Barrier {
    pub(super) fn new(threads: usize) -> Self {
        let zero = || AtomicUsize::new(0);
        Self {
            threads,
            arrived: zero(),
            meetings: zero(),
            abandoned: AtomicBool::new(false),
            sleepers: zero(),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    /// How many threads meet.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Returns when all threads are here. What each wrote before, all can read after.
    pub(super) fn wait(&self) -> Result<(), Abandoned> {
        if self.threads == 1 {
            return Ok(());
        }
        // Read before arriving: no thread can end this meeting before.
        let meeting = self.meetings.load(Ordering::Relaxed);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            // Those who wait look at the other number only, which publishes this one.
            self.arrived.store(0, Ordering::Relaxed);
            self.meetings.store(meeting.wrapping_add(1), Ordering::SeqCst);
            self.wake();
            return Ok(());
        }
        let met = || self.meetings.load(Ordering::SeqCst) != meeting;
        for _ in 0..SPINS {
            if met() {
                return Ok(());
            }
            if self.abandoned.load(Ordering::Relaxed) {
                return Err(Abandoned);
            }
            spin_loop();
        }
        // In one order for all: the thread that ends the meeting after this sees the sleeper, and after the
        // end of a meeting that did not see it, the sleeper sees the end.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        while !met() && !self.abandoned.load(Ordering::SeqCst) {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        drop(bed);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        if met() { Ok(()) } else { Err(Abandoned) }
    }

    /// Wakes the threads that sleep, after something changed that they wait for.
    fn wake(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            // A sleeper that has looked before the change sleeps once this is to be had.
            drop(self.bed.lock().unwrap_or_else(PoisonError::into_inner));
            self.bell.notify_all();
        }
    }

    /// Releases every thread that waits or will wait.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// A guard whose end by a panic releases every thread that waits or will wait.
    pub(super) fn guard(&self) -> Guard<'_> {
        Guard(self)
    }
}

/// See [`Barrier::guard`].
pub(super) struct Guard<'a>(&'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_is_ahead_of_the_others() {
        for threads in [1, 2, 3, 7] {
            let barrier = Barrier::new(threads);
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            thread::scope(|scope| {
                for own in 0..threads {
                    let (barrier, counts) = (&barrier, &counts);
                    scope.spawn(move || {
                        for round in 0..if cfg!(miri) { 20 } else { 2_000 } {
                            counts[own].store(round, Ordering::Relaxed);
                            barrier.wait().expect("no thread panics");
                            for count in counts {
                                assert_eq!(count.load(Ordering::Relaxed), round);
                            }
                            barrier.wait().expect("no thread panics");
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_panic_sends_the_others_home() {
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| barrier.wait())).collect();
            let panicking = scope.spawn(|| {
                let _guard = barrier.guard();
                panic!("as a test");
            });
            assert!(panicking.join().is_err());
            for thread in waiting {
                assert!(thread.join().expect("no panic of its own").is_err());
            }
        });
    }
}
