//! The threads that share the work of a prediction.

use crate::error::{Error, Result};
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

    /// Calls `work` with each `wide_in` inputs and the `wide_out` outputs that belong to them, and with
    /// what `initial` makes once for some of these calls.
    pub(super) fn for_each<T>(
        &self,
        (inputs, wide_in): (&[f64], usize),
        (outputs, wide_out): (&mut [f64], usize),
        initial: impl Fn() -> T + Send + Sync,
        work: impl Fn(&mut T, (&[f64], &mut [f64])) + Send + Sync,
    ) {
        if let Some(pool) = &self.pool {
            pool.install(|| {
                let parts = inputs.par_chunks(wide_in).zip(outputs.par_chunks_mut(wide_out));
                parts.for_each_init(initial, work);
            });
        } else {
            let mut with = initial();
            let parts = inputs.chunks(wide_in).zip(outputs.chunks_mut(wide_out));
            parts.for_each(|part| work(&mut with, part));
        }
    }
}
