//! The module `pool` without the feature `threads`: the calling thread.

use crate::engine::notes::Notes;
use crate::error::{Result, unsupported};
use crate::real::Real;

/// The calling thread.
#[derive(Clone, Debug)]
pub(super) struct Pool;

impl Pool {
    pub(super) fn new(threads: Option<usize>, _: &Notes) -> Result<Self> {
        if let Some(threads @ 2..) = threads {
            return unsupported(format!(
                "this program was built without threads, so the CPU engine has one instead of {threads}: \
                 build it with impasto's feature 'threads'"
            ));
        }
        Ok(Self)
    }

    #[allow(clippy::unused_self, reason = "as with threads")]
    pub(super) fn threads(&self) -> usize {
        1
    }

    /// Calls `work` with each item.
    #[allow(clippy::unused_self, reason = "as with threads")]
    pub(super) fn each<T>(&self, items: &mut [T], work: impl Fn(&mut T)) {
        items.iter_mut().for_each(work);
    }

    /// Calls `work` with each `wide_in` inputs and the `wide_out` outputs that belong to them.
    #[allow(clippy::unused_self, reason = "as with threads")]
    pub(super) fn for_each<R: Real>(
        &self,
        _threads: usize,
        (inputs, wide_in): (&[R], usize),
        (outputs, wide_out): (&mut [R], usize),
        work: impl Fn(&[R], &mut [R]),
    ) {
        let parts = inputs.chunks(wide_in).zip(outputs.chunks_mut(wide_out));
        parts.for_each(|(inputs, outputs)| work(inputs, outputs));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_are_an_error() {
        assert_eq!(Pool::new(None, &Notes::default()).expect("one thread").threads(), 1);
        assert!(Pool::new(Some(1), &Notes::default()).is_ok());
        let error = Pool::new(Some(2), &Notes::default()).expect_err("only one").to_string();
        assert!(error.contains("feature 'threads'"), "{error}");
    }
}
