//! The CPU engine in place of a GPU that has no memory for a large picture.

use impasto::{Backend, Dataset, Engine, Error, Network, Result, Trainer};

/// Samples that may be too many for the memory of a GPU.
const MANY: usize = 1 << 26;

/// Whether the CPU engine may take over where `chosen` has no memory for so many samples.
fn may_take_over(wanted: Backend, chosen: Backend, samples: usize) -> bool {
    wanted == Backend::Auto && chosen == Backend::Gpu && samples > MANY
}

/// Why the CPU engine has to take over from `engine`, if it has to.
pub fn reason(
    wanted: Backend,
    engine: &Engine,
    trainer: &Trainer,
    network: &Network,
    dataset: &Dataset,
) -> Result<Option<String>> {
    if !may_take_over(wanted, engine.device().backend, dataset.len()) {
        return Ok(None);
    }
    note_if_out_of_memory(trainer.begin(engine, network, dataset).map(drop))
}

/// The note if training cannot begin for lack of memory.
fn note_if_out_of_memory(begun: Result<()>) -> Result<Option<String>> {
    match begun {
        Ok(()) => Ok(None),
        Err(error @ Error::OutOfMemory { .. }) => {
            Ok(Some(format!("note: {error}; the CPU engine is used")))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gpu_that_was_not_asked_for_gives_way() {
        assert!(may_take_over(Backend::Auto, Backend::Gpu, MANY + 1));
        assert!(!may_take_over(Backend::Auto, Backend::Gpu, MANY));
        assert!(!may_take_over(Backend::Gpu, Backend::Gpu, MANY + 1));
        assert!(!may_take_over(Backend::Auto, Backend::Cpu, MANY + 1));
        assert_eq!(note_if_out_of_memory(Ok(())).expect("it began"), None);
        let memory =
            Error::OutOfMemory { what: "samples".into(), needed: 9, advice: "take fewer".into() };
        let note = note_if_out_of_memory(Err(memory)).expect("the CPU takes over").expect("a note");
        assert!(note.starts_with("note: samples") && note.ends_with("the CPU engine is used"));
        assert!(note_if_out_of_memory(Err(Error::Setting("wrong".into()))).is_err());
    }
}
