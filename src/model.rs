//! [`Model`]: a network prepared for predictions.

use crate::activation::Activation;
use crate::device::Device;
use crate::engine::{Engine, Output, Pending, Prepared};
use crate::error::{Result, invalid_shape, unsupported};
use crate::network::{Network, whole_samples};
use std::fmt;
use std::sync::Arc;

/// A network that an engine has prepared for many predictions.
///
/// Its parameters are where the engine computes, in the engine's order, and the memory of a prediction is
/// kept for the next one. It owns all of that. Later changes of the network do not change it.
///
/// Inputs are f32, `[samples, inputs()]`, one sample after the other. Outputs are f32,
/// `[samples, outputs()]`. Nothing is dropped, whatever the layers' [`dropout`](crate::Layer::dropout).
///
/// A clone is another handle to the same model and costs nothing. Except on WebAssembly, threads can share
/// it and call it at the same time: on the CPU such calls run beside each other, a GPU runs them in turn.
///
/// On the CPU engine, [`predict_into`](Self::predict_into) of a few samples computes on the calling thread
/// and allocates nothing after the first calls; many samples are divided among the engine's threads. The
/// outputs of a sample are the same to the bit, whatever samples are beside it and however many threads
/// call. On a GPU that holds for calls of the same number of samples; calls of other numbers may use
/// another kernel, whose last bits may differ.
///
/// ```
/// use impasto::{Activation, Engine, Network, cpu::CpuEngine};
///
/// let engine = Engine::from(CpuEngine::new(None)?);
/// let network =
///     Network::builder(8).hidden(&[64, 64], Activation::Relu).output(1, Activation::Identity).build()?;
/// let model = engine.prepare(&network)?;
///
/// let (mut inputs, mut outputs) = ([0.0; 8], [0.0; 1]);
/// for i in 0..1_000 {
///     inputs[0] = i as f32 / 1_000.0;
///     model.predict_into(&inputs, &mut outputs)?;
/// }
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    prepared: Box<dyn Prepared>,
    device: Device,
    inputs: usize,
    outputs: usize,
    /// Of the last layer.
    activation: Activation,
}

impl Engine {
    /// Prepares a network for many predictions. Blocks.
    ///
    /// ```
    /// use impasto::{Activation, Engine, Network, reference::ReferenceEngine};
    ///
    /// let engine = Engine::from(ReferenceEngine::new());
    /// let network = Network::builder(2).output(3, Activation::Softmax).build()?;
    /// let model = engine.prepare(&network)?;
    /// assert_eq!((model.inputs(), model.outputs()), (2, 3));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A network that the device cannot hold or whose kernels its driver refuses, or a device that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn prepare(&self, network: &Network) -> Result<Model> {
        pollster::block_on(self.prepare_async(network))
    }

    /// Prepares a network for many predictions.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # async fn example() -> Result<(), impasto::Error> {
    /// let engine = Engine::from(CpuEngine::new(None)?);
    /// let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// let model = engine.prepare_async(&network).await?;
    /// let outputs = model.predict_async(&[0.5, -1.0]).await?;
    /// # assert_eq!(outputs.len(), 1);
    /// # Ok(())
    /// # }
    /// # pollster::block_on(example()).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_async(&self, network: &Network) -> Result<Model> {
        let prepared = match self.compute().prepare(network).await? {
            Some(prepared) => prepared,
            None => Box::new(Unprepared { engine: self.clone(), network: network.clone() }),
        };
        Ok(Model(Arc::new(Inner {
            prepared,
            device: self.device().clone(),
            inputs: network.inputs(),
            outputs: network.outputs(),
            activation: network.output_layer().activation,
        })))
    }
}

impl Model {
    /// Numbers in a sample's inputs.
    pub fn inputs(&self) -> usize {
        self.0.inputs
    }

    /// Numbers in a sample's outputs.
    pub fn outputs(&self) -> usize {
        self.0.outputs
    }

    /// The device that it runs on.
    ///
    /// ```
    /// # use impasto::{Activation, Backend, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let network = Network::builder(2).output(3, Activation::Softmax).build()?;
    /// let model = engine.prepare(&network)?;
    /// assert_eq!((model.inputs(), model.outputs()), (2, 3));
    /// assert_eq!(model.device().backend, Backend::Cpu);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// The outputs of `inputs`, `[samples, inputs()]`, as `[samples, outputs()]`. No sample gives no
    /// output. Blocks.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let network = Network::builder(2).output(1, Activation::Identity).build()?;
    /// let model = engine.prepare(&network)?;
    /// let outputs = model.predict(&[0.1, 0.2, 0.3, 0.4])?;
    /// assert_eq!(outputs.len(), 2);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Inputs that are no whole samples, or a device that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn predict(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        self.computed(inputs, Output::Activated)
    }

    /// [`predict`](Self::predict) into a buffer of the caller, `[samples, outputs()]`. Blocks.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let network = Network::builder(2).output(3, Activation::Softmax).build()?;
    /// let model = engine.prepare(&network)?;
    /// let mut outputs = [0.0; 3];
    /// model.predict_into(&[0.1, 0.2], &mut outputs)?;
    /// assert!((outputs.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// - Inputs that are no whole samples, or an `outputs` of another length: then nothing is written.
    /// - A device that failed: then `outputs` contains anything.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn predict_into(&self, inputs: &[f32], outputs: &mut [f32]) -> Result<()> {
        self.check(inputs, outputs)?;
        self.0.prepared.forward_blocking(inputs, Output::Activated, outputs)
    }

    /// The logits of `inputs`: the last layer's weighted sums, before its activation. Else as
    /// [`predict`](Self::predict). Blocks.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let network = Network::builder(1).output(1, Activation::Sigmoid).build()?;
    /// let model = engine.prepare(&network)?;
    /// let (output, logit) = (model.predict(&[0.5])?[0], model.logits(&[0.5])?[0]);
    /// assert!((output - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-6);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn logits(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        self.computed(inputs, Output::Logits)
    }

    /// [`logits`](Self::logits) into a buffer of the caller, `[samples, outputs()]`. Blocks.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// # let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// # let model = engine.prepare(&network)?;
    /// let mut logits = [0.0; 2];
    /// model.logits_into(&[0.1, 0.2, 0.3, 0.4], &mut logits)?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_into`](Self::predict_into).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn logits_into(&self, inputs: &[f32], outputs: &mut [f32]) -> Result<()> {
        self.check(inputs, outputs)?;
        self.0.prepared.forward_blocking(inputs, Output::Logits, outputs)
    }

    /// The class of each of `inputs`, `[samples, inputs()]`: the number of its largest output, the first of
    /// equal ones. For a single output of a sigmoid or a step it is 1 where the output is above 0.5, else 0.
    /// Blocks.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// let mut network = Network::builder(1).output(2, Activation::Softmax).build()?;
    /// network.set_parameters(&[-1.0, 1.0, 0.0, 0.0])?; // the second output grows with the input
    /// let model = engine.prepare(&network)?;
    /// assert_eq!(model.predict_classes(&[-3.0, 2.0])?, [0, 1]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A single output of another activation, for which no boundary between two classes is known, and as
    /// [`predict`](Self::predict).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn predict_classes(&self, inputs: &[f32]) -> Result<Vec<usize>> {
        self.check_classes()?;
        Ok(self.classes(&self.predict(inputs)?))
    }

    /// [`predict`](Self::predict) for callers that must not block.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// # let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// # let model = engine.prepare(&network)?;
    /// # pollster::block_on(async {
    /// assert_eq!(model.predict_async(&[0.1, 0.2, 0.3, 0.4]).await?.len(), 2);
    /// # Ok::<(), impasto::Error>(())
    /// # })?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub async fn predict_async(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        self.computed_async(inputs, Output::Activated).await
    }

    /// [`predict_into`](Self::predict_into) for callers that must not block.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// # let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// # let model = engine.prepare(&network)?;
    /// # pollster::block_on(async {
    /// let mut outputs = [0.0; 2];
    /// model.predict_into_async(&[0.1, 0.2, 0.3, 0.4], &mut outputs).await?;
    /// # Ok::<(), impasto::Error>(())
    /// # })?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_into`](Self::predict_into).
    pub async fn predict_into_async(&self, inputs: &[f32], outputs: &mut [f32]) -> Result<()> {
        self.check(inputs, outputs)?;
        self.0.prepared.forward(inputs, Output::Activated, outputs).await
    }

    /// [`logits`](Self::logits) for callers that must not block.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// # let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// # let model = engine.prepare(&network)?;
    /// # pollster::block_on(async {
    /// assert_eq!(model.logits_async(&[0.1, 0.2]).await?.len(), 1);
    /// # Ok::<(), impasto::Error>(())
    /// # })?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub async fn logits_async(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        self.computed_async(inputs, Output::Logits).await
    }

    /// [`logits_into`](Self::logits_into) for callers that must not block.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// # let network = Network::builder(2).output(1, Activation::Sigmoid).build()?;
    /// # let model = engine.prepare(&network)?;
    /// # pollster::block_on(async {
    /// let mut logits = [0.0];
    /// model.logits_into_async(&[0.1, 0.2], &mut logits).await?;
    /// # Ok::<(), impasto::Error>(())
    /// # })?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_into`](Self::predict_into).
    pub async fn logits_into_async(&self, inputs: &[f32], outputs: &mut [f32]) -> Result<()> {
        self.check(inputs, outputs)?;
        self.0.prepared.forward(inputs, Output::Logits, outputs).await
    }

    /// [`predict_classes`](Self::predict_classes) for callers that must not block.
    ///
    /// ```
    /// # use impasto::{Activation, Engine, Network, cpu::CpuEngine};
    /// # let engine = Engine::from(CpuEngine::new(Some(1))?);
    /// # let network = Network::builder(2).output(3, Activation::Softmax).build()?;
    /// # let model = engine.prepare(&network)?;
    /// # pollster::block_on(async {
    /// assert!(model.predict_classes_async(&[0.1, 0.2]).await?[0] < 3);
    /// # Ok::<(), impasto::Error>(())
    /// # })?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict_classes`](Self::predict_classes).
    pub async fn predict_classes_async(&self, inputs: &[f32]) -> Result<Vec<usize>> {
        self.check_classes()?;
        Ok(self.classes(&self.predict_async(inputs).await?))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn computed(&self, inputs: &[f32], output: Output) -> Result<Vec<f32>> {
        let mut outputs = self.room_for(inputs)?;
        self.0.prepared.forward_blocking(inputs, output, &mut outputs)?;
        Ok(outputs)
    }

    async fn computed_async(&self, inputs: &[f32], output: Output) -> Result<Vec<f32>> {
        let mut outputs = self.room_for(inputs)?;
        self.0.prepared.forward(inputs, output, &mut outputs).await?;
        Ok(outputs)
    }

    /// Zeros, one for each output of `inputs`.
    fn room_for(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        Ok(vec![0.0; whole_samples(inputs, self.0.inputs)? * self.0.outputs])
    }

    fn check(&self, inputs: &[f32], outputs: &[f32]) -> Result<()> {
        let Inner { inputs: width_in, outputs: width_out, .. } = *self.0;
        let samples = whole_samples(inputs, width_in)?;
        if outputs.len() == samples * width_out {
            return Ok(());
        }
        invalid_shape(format!(
            "room for {} outputs, but {samples} samples of a network with {width_out} outputs have {}",
            outputs.len(),
            samples * width_out
        ))
    }

    fn check_classes(&self) -> Result<()> {
        let Inner { outputs, activation, .. } = *self.0;
        let known = matches!(activation, Activation::Sigmoid | Activation::Step);
        if outputs > 1 || known {
            return Ok(());
        }
        unsupported(format!(
            "a single output of the activation {activation} has no boundary between two classes: \
             compare the outputs of `predict` with one of your own"
        ))
    }

    fn classes(&self, outputs: &[f32]) -> Vec<usize> {
        outputs.chunks_exact(self.0.outputs).map(class).collect()
    }
}

/// The number of the largest of a sample's outputs, the first of equal ones, NaN only if all are; or
/// whether a single one is above 0.5.
fn class(outputs: &[f32]) -> usize {
    if let [output] = outputs {
        return usize::from(*output > 0.5);
    }
    let mut largest = 0;
    for (place, output) in outputs.iter().enumerate() {
        if *output > outputs[largest] || (outputs[largest].is_nan() && !output.is_nan()) {
            largest = place;
        }
    }
    largest
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("device", self.device())
            .field("inputs", &self.inputs())
            .field("outputs", &self.outputs())
            .finish_non_exhaustive()
    }
}

/// A network on an engine that has nothing to prepare.
struct Unprepared {
    engine: Engine,
    network: Network,
}

impl Prepared for Unprepared {
    fn forward<'a>(
        &'a self,
        inputs: &'a [f32],
        output: Output,
        outputs: &'a mut [f32],
    ) -> Pending<'a, ()> {
        Box::pin(async move {
            let engine = self.engine.compute();
            let computed = engine.forward_f32(&self.network, inputs, output).await?;
            if computed.len() != outputs.len() {
                let (got, expected) = (computed.len(), outputs.len());
                return invalid_shape(format!(
                    "the engine computed {got} outputs instead of {expected}"
                ));
            }
            outputs.copy_from_slice(&computed);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn the_class_is_the_first_of_the_largest_numbers() {
        let nan = f32::NAN;
        for (outputs, expected) in [
            (&[0.2, 0.5, 0.3][..], 1),
            (&[0.5, 0.5, 0.1], 0),
            (&[-3.0, -1.0], 1),
            (&[nan, 0.0, 1.0], 2),
            (&[0.0, nan, -1.0], 0),
            (&[nan, nan], 0),
            (&[0.5], 0),
            (&[0.51], 1),
            (&[nan], 0),
        ] {
            assert_eq!(class(outputs), expected, "{outputs:?}");
        }
    }
}
