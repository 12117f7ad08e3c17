//! Gradients as values, with the parameters of a run.

use super::GpuSession;
use crate::engine::choice::Kernels;
use crate::engine::gpu::backpropagation::Results;
use crate::engine::gpu::run_buffers::divergence;
use crate::engine::gpu::{fused, layerwise};
use crate::engine::not_finite;
use crate::error::Result;
use crate::gradients::{self, Gradients, Wanted};

impl GpuSession {
    /// The gradients with the parameters that the next step changes.
    pub(super) async fn gradients(
        &mut self,
        [inputs, output_gradient]: [&[f32]; 2],
        wanted: Wanted,
    ) -> Result<Gradients> {
        self.gpu.check()?;
        let samples = gradients::check(&self.network, inputs, output_gradient)?;
        if samples == 0 {
            return Gradients::of_no_sample(self.parameters, wanted);
        }
        let is_fused = self.lowering.kernels() == Kernels::Fused;
        // Kernels that store the parameters in another order than the run receive a copy of them.
        let shares = !is_fused || fused::gradients::fits(&self.gpu, &self.network, samples, wanted);
        let known = self.learned.gradients.take();
        let known = known.filter(|(count, of, _)| (*count, *of) == (samples, wanted));
        let pass = if let Some((_, _, pass)) = known {
            pass
        } else {
            let (gpu, network) = (&self.gpu, &self.network.plain());
            let shared = shares.then_some(&self.state.parameters);
            if is_fused && shares {
                fused::gradients::gradients(gpu, network, shared, samples).await?
            } else {
                layerwise::gradients::gradients(gpu, network, shared, samples, wanted).await?
            }
        };
        let own = if shares { None } else { Some(self.read_parameters().await?) };
        self.flush_copies();
        let status = Some(&self.state.status);
        let results = pass.start(&self.gpu, own.as_deref(), [inputs, output_gradient], status)?;
        let Results { parameters, inputs, status } = results.await?;
        self.learned.gradients = Some((samples, wanted, pass));
        if divergence(status).is_some_and(|diverged| !diverged.in_loss) {
            return not_finite();
        }
        Gradients::new(parameters, inputs)
    }
}
