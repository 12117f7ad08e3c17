//! The memory that a training run holds.

/// Bytes of memory that a session holds: on its device, or in the host's memory where the engine computes
/// there. Kernels and what is read back take a little more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resources {
    /// The samples; 0 where the session reads those of the dataset itself.
    pub samples: u64,
    /// The parameters, with the copies that a step needs.
    pub parameters: u64,
    /// The vectors of the optimizer and of what surrounds it.
    pub state: u64,
    /// Moments of the run that are kept.
    pub kept: u64,
    /// What a step computes in: values and deltas of all layers, gradients, losses.
    pub workspace: u64,
}

impl Resources {
    /// All of it.
    pub fn total(self) -> u64 {
        let Self { samples, parameters, state, kept, workspace } = self;
        samples + parameters + state + kept + workspace
    }
}
