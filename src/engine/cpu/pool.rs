//! The threads that share the work of a prediction.

use crate::error::{Error, Result};
use crate::real::Real;
use rayon::prelude::*;
use std::sync::Arc;

/// Some threads. A clone shares them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    threads: usize,
    /// If there is more than one thread: a browser's worker has no others.
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Pool {
    /// So many threads; `None` takes one for each core that the process may use.
    pub(super) fn new(threads: Option<usize>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or(cores).max(1);
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
