//! The threads that share the work of a prediction.

use crate::error::{Error, Result, invalid_setting};
use crate::real::Real;
use rayon::prelude::*;
use std::sync::Arc;

/// The environment variable with which rayon is given a number of threads.
const VARIABLE: &str = "RAYON_NUM_THREADS";

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
    /// So many threads; `None` takes as many as the environment says, or one for each core that the process may use.
    pub(super) fn new(threads: Option<usize>) -> Result<Self> {
        let threads = match threads {
            Some(threads) => threads,
            None => match from_environment(&std::env::var(VARIABLE).unwrap_or_default())? {
                Some(threads) => threads,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
        };
        let start = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|i| format!("impasto-cpu-{i}"))
                .build()
                .map_err(|error| Error::threads(threads, error))
        };
        Ok(Self { threads, pool: (threads > 1).then(start).transpose()?.map(Arc::new) })
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

#[cfg(test)]
mod tests {
    use super::*;

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
