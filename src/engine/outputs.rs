//! Outputs of a network by an engine, in f32 and f64, for callers that may block.

use super::{Engine, Output};
use crate::error::Result;
use crate::network::Network;

impl Engine {
    /// The network's outputs for `inputs`, `[samples, network.inputs()]`, as
    /// `[samples, network.outputs()]`. No sample gives no output. Blocks; see [`forward`](Self::forward).
    /// A [`Model`](crate::Model) answers many calls with the same parameters faster.
    ///
    /// ```
    /// use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    ///
    /// let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// let output = engine.predict(&network, &[0.5, -1.0])?[0];
    /// assert!(output > 0.0 && output < 1.0);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Inputs that are no whole samples, or a device that failed.
    pub fn predict(&self, network: &Network, inputs: &[f32]) -> Result<Vec<f32>> {
        pollster::block_on(self.compute().forward_f32(network, inputs, Output::Activated))
    }

    /// The network's logits, the last layer's weighted sums, for `inputs`; see
    /// [`predict`](Self::predict).
    ///
    /// ```
    /// use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    ///
    /// let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// let logit = engine.logits(&network, &[0.5, -1.0])?[0];
    /// let output = engine.predict(&network, &[0.5, -1.0])?[0];
    /// assert!((output - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn logits(&self, network: &Network, inputs: &[f32]) -> Result<Vec<f32>> {
        pollster::block_on(self.compute().forward_f32(network, inputs, Output::Logits))
    }

    /// [`predict`](Self::predict) in f64. The reference computes in f64; the other engines round `inputs` to
    /// f32.
    ///
    /// ```
    /// use impasto::{Activation, Engine, Network, reference::ReferenceEngine};
    ///
    /// let engine = Engine::from(ReferenceEngine::new());
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// network.set_parameters(&[0.1, 0.2])?;
    /// assert_eq!(engine.predict_f64(&network, &[1.0])?, [0.1 + 0.2]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_f64(&self, network: &Network, inputs: &[f64]) -> Result<Vec<f64>> {
        pollster::block_on(self.compute().forward(network, inputs, Output::Activated))
    }

    /// [`logits`](Self::logits) in f64; see [`predict_f64`](Self::predict_f64).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn logits_f64(&self, network: &Network, inputs: &[f64]) -> Result<Vec<f64>> {
        pollster::block_on(self.compute().forward(network, inputs, Output::Logits))
    }
}
