//! `Resources`: the memory that a session uses, by kind.

/// Memory that a session holds, in bytes.
///
/// The memory is that of the device, or of the host for engines that compute there. Kernels and buffers of
/// results on their way to the host are not included. On a GPU, the memory that a prediction, an evaluation
/// or a backward pass keeps for the next one is not included either.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Engine, Network, Trainer};
///
/// # fn main() -> Result<(), impasto::Error> {
/// # pollster::block_on(async {
/// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
/// let network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let engine = Engine::from(ReferenceEngine::new());
/// let session = engine.start(&network, &Trainer::default().plan(&samples), &samples).await?;
/// // Two parameters in f64.
/// let resources = session.resources();
/// assert_eq!(resources.parameters, 2 * 8);
/// println!("{} bytes in all", resources.total());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resources {
    /// The samples; 0 where the session reads those of the dataset itself.
    pub samples: u64,
    /// The parameters, with the copies that a step needs.
    pub parameters: u64,
    /// The vectors of the optimizer and its wrappers.
    pub state: u64,
    /// Moments of the run that are kept.
    pub kept: u64,
    /// The buffers of a step: values and deltas of all layers, gradients, losses.
    pub workspace: u64,
}

impl Resources {
    /// The sum over all kinds, in bytes.
    pub fn total(self) -> u64 {
        let Self { samples, parameters, state, kept, workspace } = self;
        samples + parameters + state + kept + workspace
    }
}
