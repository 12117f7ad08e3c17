//! `Prepared`, a network that an engine has prepared for predictions.

use super::outcome::Output;
use super::pending::Pending;
#[cfg(not(target_arch = "wasm32"))]
use crate::error::Result;
use crate::threads::{MaybeSend, MaybeSync};

/// A network that an engine has prepared for predictions ([`Compute::prepare`](crate::Compute::prepare)). It owns what it needs.
/// Users call it through a [`Model`](crate::Model).
///
/// ```
/// use impasto::{Activation, Compute, Network, Output, cpu::CpuEngine};
///
/// let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
/// let engine = CpuEngine::new(Some(1))?;
/// let mut outputs = [0.0; 1];
/// if let Some(prepared) = pollster::block_on(engine.prepare(&network))? {
///     prepared.forward_blocking(&[0.5, -1.0], Output::Activated, &mut outputs)?;
///     pollster::block_on(prepared.forward(&[0.5, -1.0], Output::Activated, &mut outputs))?;
/// }
/// assert!(outputs[0] > 0.0);
/// # Ok::<(), impasto::Error>(())
/// ```
pub trait Prepared: MaybeSend + MaybeSync {
    /// Writes the outputs (or logits) of `inputs`, `[samples, network.inputs()]`, to `outputs`,
    /// `[samples, network.outputs()]`. The caller has checked the lengths; there may be no sample.
    ///
    /// Fails on a device that failed; then `outputs` contains anything.
    fn forward<'a>(
        &'a self,
        inputs: &'a [f32],
        output: Output,
        outputs: &'a mut [f32],
    ) -> Pending<'a, ()>;

    /// The same for callers that may block.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    fn forward_blocking(&self, inputs: &[f32], output: Output, outputs: &mut [f32]) -> Result<()> {
        pollster::block_on(self.forward(inputs, output, outputs))
    }
}
