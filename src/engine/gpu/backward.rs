//! Gradients as values: the backward passes that an engine keeps between calls.

use super::backpropagation::{Backpropagation, Results};
use super::device::Gpu;
use super::lock::lock;
use super::{fused, layerwise};
use crate::engine::choice::Kernels;
use crate::error::Result;
use crate::gradients::{self, Gradients, Wanted};
use crate::network::Network;
use std::sync::{Arc, Mutex};

/// The most bytes of the passes that are kept.
const MOST_BYTES: u64 = 256 << 20;

/// The most passes that are kept.
const MOST: usize = 8;

/// The arguments of a call, without its samples.
pub(super) struct Call<'a> {
    pub(super) gpu: &'a Arc<Gpu>,
    pub(super) kernels: Kernels,
    pub(super) network: &'a Network,
    pub(super) wanted: Wanted,
}

/// What a pass was recorded for.
#[derive(PartialEq)]
struct Key {
    /// The network without its parameters.
    network: Network,
    samples: usize,
    wanted: Wanted,
    kernels: Kernels,
}

/// A recorded pass.
type Known = (Key, Arc<Backpropagation>);

/// The passes that were used most recently, the latest at the end. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<Known>>>);

impl Kept {
    /// The gradients of a network.
    pub(super) async fn gradients(
        &self,
        call: &Call<'_>,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Gradients> {
        let Call { gpu, network, wanted, .. } = *call;
        gpu.check()?;
        let samples = gradients::check(network, inputs, output_gradient)?;
        if samples == 0 {
            return Gradients::of_no_sample(network.count(), wanted);
        }
        let pass = self.pass(call, samples).await?;
        let (parameters, samples) = (Some(network.parameters()), [inputs, output_gradient]);
        let Results { parameters, inputs, .. } =
            pass.start(gpu, parameters, samples, None)?.await?;
        Gradients::new(parameters, inputs)
    }

    /// A pass that is kept, or a new one.
    async fn pass(&self, call: &Call<'_>, samples: usize) -> Result<Arc<Backpropagation>> {
        let Call { gpu, kernels, network, wanted } = *call;
        let key = Key { network: network.shape(), samples, wanted, kernels };
        {
            let mut kept = lock(&self.0);
            if let Some(place) = kept.iter().position(|(known, _)| *known == key) {
                let known = kept.remove(place);
                let pass = Arc::clone(&known.1);
                kept.push(known);
                return Ok(pass);
            }
        }
        let pass = Arc::new(build(gpu, &key).await?);
        gpu.check()?;
        gpu.remember().await;
        let mut kept = lock(&self.0);
        kept.push((key, Arc::clone(&pass)));
        let mut bytes: u64 = kept.iter().map(|(_, pass)| pass.bytes()).sum();
        while kept.len() > MOST || (!kept.is_empty() && bytes > MOST_BYTES) {
            bytes -= kept.remove(0).1.bytes();
        }
        Ok(pass)
    }
}

/// Records a pass with the fused kernels, if the choice of kernels allows it and they can take the network.
/// Otherwise the pass is recorded with the layerwise kernels, which take any network.
async fn build(gpu: &Arc<Gpu>, key: &Key) -> Result<Backpropagation> {
    // Without dropout, as in a prediction. Frozen layers have a gradient.
    let (network, samples, wanted) = (&key.network.plain(), key.samples, key.wanted);
    gpu.check_formulas(network, None).await?;
    if key.kernels != Kernels::Layerwise && fused::gradients::fits(gpu, network, samples, wanted) {
        match fused::gradients::gradients(gpu, network, None, samples).await {
            Ok(pass) => return Ok(pass),
            Err(error) => {
                let reason = gpu.refusal(error)?;
                gpu.note(format!("{reason}: the layerwise kernels compute gradients"));
            }
        }
    }
    layerwise::gradients::gradients(gpu, network, None, samples, wanted).await
}
