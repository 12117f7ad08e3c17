//! The threads that share the work of a prediction.

use crate::engine::notes::Notes;
use crate::error::{Result, invalid_setting};
use crate::real::Real;
use rayon::prelude::*;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

/// The environment variable with which rayon is given a number of threads.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// The most threads where there are no more cores. Each takes memory, and those beyond the cores only wait.
const MOST_THREADS: usize = 256;

/// The number of threads in this value of the variable. None, or 0, which rayon takes for none, is no number.
fn from_environment(value: &str) -> Result<Option<usize>> {
    match value.trim().parse() {
        Ok(0) => Ok(None),
        Ok(threads) => Ok(Some(threads)),
        Err(_) if value.trim().is_empty() => Ok(None),
        Err(_) => invalid_setting(format!(
            "the environment variable {VARIABLE} is '{value}': set it to a number of threads, or unset it"
        )),
    }
}

/// Some threads. A clone shares them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    threads: usize,
    /// If there is more than one thread: a browser's worker has no others.
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Pool {
    /// So many threads, or as many as the operating system starts; `None` takes as many as the environment says, or
    /// one for each core that the process may use.
    pub(super) fn new(threads: Option<usize>, notes: &Notes) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let wanted = match threads {
            Some(threads) => threads,
            None => match from_environment(&std::env::var(VARIABLE).unwrap_or_default())? {
                Some(threads) => threads,
                None => cores,
            },
        };
        let most = wanted.min(MOST_THREADS.max(cores));
        if most < wanted {
            notes.add(format!(
                "{most} threads instead of {wanted}: more only wait for the {cores} cores"
            ));
        }
        let pool = if most > 1 { started(most) } else { None };
        let threads = pool.as_ref().map_or(1, rayon::ThreadPool::current_num_threads);
        notes.add_fewer(threads, most);
        Ok(Self { threads, pool: pool.map(Arc::new) })
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` with each item, on as many threads as there are items, if there are several.
    pub(super) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(&mut T) + Send + Sync) {
        match &self.pool {
            Some(pool) if items.len() > 1 => pool.install(|| items.par_iter_mut().for_each(work)),
            _ => items.iter_mut().for_each(work),
        }
    }

    /// Calls `work` with each `wide_in` inputs and the `wide_out` outputs that belong to them, on so many
    /// threads if there are several.
    pub(super) fn for_each<R: Real>(
        &self,
        threads: usize,
        (inputs, wide_in): (&[R], usize),
        (outputs, wide_out): (&mut [R], usize),
        work: impl Fn(&[R], &mut [R]) + Send + Sync,
    ) {
        match &self.pool {
            Some(pool) if threads > 1 => pool.install(|| {
                let parts = inputs.par_chunks(wide_in).zip(outputs.par_chunks_mut(wide_out));
                parts.for_each(|(inputs, outputs)| work(inputs, outputs));
            }),
            _ => {
                let parts = inputs.chunks(wide_in).zip(outputs.chunks_mut(wide_out));
                parts.for_each(|(inputs, outputs)| work(inputs, outputs));
            }
        }
    }
}

/// A pool of at most so many threads, if the operating system starts more than one.
///
/// The threads are started first and then given to rayon, which would end all if one could not be started.
fn started(most: usize) -> Option<rayon::ThreadPool> {
    let (sender, work) = mpsc::channel::<rayon::ThreadBuilder>();
    let work = Arc::new(Mutex::new(work));
    let start = |number: &usize| {
        #[cfg(test)]
        if *number >= super::threads::most::get() {
            return false;
        }
        let work = Arc::clone(&work);
        let run = move || {
            let given = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
            // There is nothing to do where no pool is made.
            if let Ok(thread) = given {
                thread.run();
            }
        };
        thread::Builder::new().name(format!("impasto-cpu-{number}")).spawn(run).is_ok()
    };
    let threads = (0..most).take_while(start).count();
    let give = |thread| sender.send(thread).map_err(|_| io::ErrorKind::Other.into());
    let build = || rayon::ThreadPoolBuilder::new().num_threads(threads).spawn_handler(give).build();
    if threads > 1 { build().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::threads::most;
    use super::*;

    #[test]
    fn there_are_as_many_threads_as_the_system_starts() {
        for (available, expected) in [(0, 1), (1, 1), (2, 2), (3, 3), (9, 4)] {
            let notes = Notes::default();
            let pool = most::with(available, || Pool::new(Some(4), &notes)).expect("a number");
            assert_eq!(pool.threads(), expected);
            let lines = notes.lines();
            assert_eq!(lines.len(), usize::from(expected < 4), "{lines:?}");
            assert!(lines.iter().all(|line| line.contains(&format!("{expected} thread"))));
            let mut numbers: Vec<u32> = (0..100).collect();
            pool.each(&mut numbers, |number| *number += 1);
            assert!(numbers.into_iter().eq(1..101));
        }
    }

    #[test]
    fn too_many_threads_are_lowered() {
        let notes = Notes::default();
        let pool = Pool::new(Some(100_000), &notes).expect("fewer");
        assert!((2..100_000).contains(&pool.threads()));
        assert!(notes.lines()[0].contains("instead of 100000"), "{:?}", notes.lines());
    }

    #[test]
    fn the_environment_names_a_number_of_threads() {
        for (value, expected) in [("", None), ("0", None), ("3", Some(3)), (" 12 ", Some(12))] {
            assert_eq!(from_environment(value).expect("a number or nothing"), expected, "{value}");
        }
        for wrong in ["many", "-1", "1.5"] {
            let error = from_environment(wrong).expect_err("no number").to_string();
            assert!(error.contains(wrong) && error.contains("RAYON_NUM_THREADS"), "{error}");
        }
    }
}
