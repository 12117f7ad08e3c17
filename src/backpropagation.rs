//! Gradients as values, for losses and penalties of the caller's.

use crate::engine::{Engine, reference};
use crate::error::Result;
use crate::gradients::{Gradients, Wanted};
use crate::network::Network;

impl Engine {
    /// The gradients of the parameters and of the inputs, from a gradient with respect to the outputs. See
    /// [`backward`](Self::backward) for an example.
    ///
    /// `inputs` is `[samples, network.inputs()]`. `output_gradient` is the gradient of the caller's loss with
    /// respect to the network's outputs, after the output activation, `[samples, network.outputs()]`. Nothing
    /// is dropped, as in a prediction. Frozen layers have a gradient. Without a sample, every gradient of a
    /// parameter is 0.
    ///
    /// With these gradients and [`Session::apply`](crate::Session::apply), a program can train with any loss,
    /// mask, penalty or clipping. [`Session::backward`](crate::Session::backward) has an example of a whole
    /// run.
    ///
    /// The same arguments give the same bits on the same engine, on the CPU with any number of threads.
    ///
    /// An engine keeps its buffers for the next calls with the same layers and the same number of samples,
    /// which are then faster. On a GPU the layerwise kernels compute the gradients of inputs, whichever
    /// [`Kernels`](crate::gpu::Kernels) are chosen. The f64 reference computes the gradients for an engine of
    /// another crate that does not implement [`Compute::backward`](crate::Compute::backward).
    ///
    /// # Errors
    /// Lengths that do not fit the network or each other, a number that is not finite, an activation without
    /// a gradient (`step`), on a GPU an activation of the caller's without WGSL, a gradient that leaves the
    /// range of f32, or a device that failed.
    pub async fn backward_async(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Gradients> {
        self.gradients(network, inputs, output_gradient, Wanted::Both).await
    }

    /// Blocking form of [`backward_async`](Self::backward_async).
    ///
    /// ```
    /// use impasto::{Activation, Backend, Engine, Network};
    ///
    /// let mut network = Network::builder(2).output(1, Activation::Identity).build()?;
    /// network.set_parameters(&[3.0, -4.0, 0.5])?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// // Two samples. The loss is the sum of the outputs.
    /// let gradients = engine.backward(&network, &[0.5, 1.0, 0.25, 2.0], &[1.0, 1.0])?;
    /// assert_eq!(gradients.parameters, [0.75, 3.0, 2.0]);
    /// assert_eq!(gradients.inputs, [3.0, -4.0, 3.0, -4.0]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`backward_async`](Self::backward_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn backward(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Gradients> {
        pollster::block_on(self.backward_async(network, inputs, output_gradient))
    }

    /// [`backward_async`](Self::backward_async) without the gradients of the inputs: the gradient of each
    /// parameter, in the order of [`Network::parameters`], added up over the samples. On a GPU the fused
    /// kernels compute it where they can take the network, so the last bits may differ from those of
    /// `backward_async`. See [`parameter_gradient`](Self::parameter_gradient) for an example.
    ///
    /// # Errors
    /// As [`backward_async`](Self::backward_async).
    pub async fn parameter_gradient_async(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f64>> {
        let gradients = self.gradients(network, inputs, output_gradient, Wanted::Parameters);
        Ok(gradients.await?.parameters)
    }

    /// Blocking form of [`parameter_gradient_async`](Self::parameter_gradient_async).
    ///
    /// ```
    /// use impasto::{Activation, Backend, Engine, Network};
    ///
    /// let network = Network::builder(2).output(1, Activation::Identity).build()?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// // The gradients of two weights and a bias.
    /// let gradient = engine.parameter_gradient(&network, &[0.5, 1.0], &[2.0])?;
    /// assert_eq!(gradient, [1.0, 2.0, 2.0]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`backward_async`](Self::backward_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn parameter_gradient(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f64>> {
        pollster::block_on(self.parameter_gradient_async(network, inputs, output_gradient))
    }

    /// [`backward_async`](Self::backward_async) without the gradients of the parameters: the gradient of each
    /// input, `[samples, network.inputs()]`. See [`input_gradient`](Self::input_gradient) for an example.
    ///
    /// # Errors
    /// As [`backward_async`](Self::backward_async).
    pub async fn input_gradient_async(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f32>> {
        let gradients = self.gradients(network, inputs, output_gradient, Wanted::Inputs);
        Ok(gradients.await?.inputs)
    }

    /// Blocking form of [`input_gradient_async`](Self::input_gradient_async).
    ///
    /// ```
    /// use impasto::{Activation, Engine, Network};
    ///
    /// let mut network = Network::builder(2).output(1, Activation::Identity).build()?;
    /// network.set_parameters(&[3.0, -4.0, 0.5])?;
    /// let engine = Engine::open(impasto::Backend::Cpu)?;
    /// // How the output of each sample changes with its inputs.
    /// let gradient = engine.input_gradient(&network, &[0.1, 0.2, 0.3, 0.4], &[1.0, 1.0])?;
    /// assert_eq!(gradient, [3.0, -4.0, 3.0, -4.0]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`backward_async`](Self::backward_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn input_gradient(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f32>> {
        pollster::block_on(self.input_gradient_async(network, inputs, output_gradient))
    }

    async fn gradients(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
        wanted: Wanted,
    ) -> Result<Gradients> {
        match self.compute().backward(network, inputs, output_gradient, wanted).await? {
            Some(gradients) => Ok(gradients),
            None => reference::gradients(network, inputs, output_gradient, wanted),
        }
    }
}
