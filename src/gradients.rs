//! Gradients as values, for losses and penalties of the caller's.

use crate::dataset::Dataset;
use crate::engine::{Engine, Plan, Step, reference};
use crate::error::{Result, invalid_data, invalid_shape};
use crate::loss::Loss;
use crate::network::{Network, whole_samples};
use crate::optimizer::Optimizer;
use crate::wrappers::Wrappers;

impl Engine {
    /// Backpropagation from a gradient of the caller's: the gradient of each parameter, in the order of
    /// [`Network::parameters`], added up over the samples. `inputs` is `[samples, network.inputs()]`,
    /// `output_gradient` is the gradient of the caller's loss with respect to the network's outputs, after the
    /// output activation, `[samples, network.outputs()]`.
    ///
    /// With it and [`Session::apply`](crate::Session::apply), any loss, mask, penalty or clipping can be used
    /// for training. Here the loss is that of a quantile:
    ///
    /// ```
    /// use impasto::cpu::CpuEngine;
    /// use impasto::{Activation, Dataset, Engine, Network, Optimizer, Trainer};
    ///
    /// # fn main() -> Result<(), impasto::Error> {
    /// # pollster::block_on(async {
    /// // Of the targets of each input, nine in ten are below 9.
    /// let inputs = vec![0.5_f32; 100];
    /// let targets: Vec<f32> = (0..100).map(|i| (i % 10) as f32).collect();
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    ///
    /// let engine = Engine::from(CpuEngine::new(None)?);
    /// let dataset = Dataset::new(inputs.clone(), targets.clone(), 1, 1)?;
    /// let plan = Trainer { optimizer: Optimizer::ADAM, ..Trainer::default() }.plan(&dataset);
    /// let mut session = engine.start(&network, &plan, &dataset).await?;
    /// let double: Vec<f64> = inputs.iter().map(|input| f64::from(*input)).collect();
    /// for _ in 0..500 {
    ///     let outputs = session.predict(&double, impasto::Output::Activated).await?;
    ///     let slope = |(y, t): (f64, &f32)| if y < f64::from(*t) { -0.85 } else { 0.15 } / 100.0;
    ///     let output_gradient: Vec<f32> =
    ///         outputs.into_iter().zip(&targets).map(|pair| slope(pair) as f32).collect();
    ///     let gradient = engine.parameter_gradient_async(&network, &inputs, &output_gradient).await?;
    ///     session.apply(&gradient, 0.05).await?;
    ///     network.set_parameters(&session.parameters().await?)?;
    /// }
    /// let quantile = engine.predict(&network, &[0.5])?[0];
    /// assert!((quantile - 8.0).abs() < 0.3, "{quantile}");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    /// No sample, lengths that do not fit the network or each other, a number that is not finite, a gradient
    /// that leaves the range of f32, or a device that failed.
    pub async fn parameter_gradient_async(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f64>> {
        // By a session that trains with the linear loss. The optimizer's first vector is the gradient after
        // one step.
        check(network, inputs, output_gradient)?;
        let [input_width, target_width] = [network.inputs(), network.outputs()];
        // Of at most 1, by a power of 2, so that the linear loss stays in the range of f32.
        let largest = output_gradient.iter().fold(1.0_f32, |most, number| most.max(number.abs()));
        let scale = f64::from(largest).log2().ceil().exp2();
        let targets = output_gradient.iter().map(|number| (f64::from(*number) / scale) as f32);
        let (inputs, targets) = (inputs.to_vec(), targets.collect());
        let dataset = Dataset::new(inputs, targets, input_width, target_width)?;
        let plan = Plan {
            loss: Loss::Linear,
            optimizer: Optimizer::Sgd { momentum: 0.5, nesterov: false },
            l2: 0.0,
            batch_size: dataset.len(),
            shuffle: None,
            seed: 0,
            wrappers: Wrappers::default(),
        };
        // A prediction drops nothing, and neither does this; frozen layers have a gradient.
        let network = network.plain();
        let mut session = self.start(&network, &plan, &dataset).await?;
        let learning_rate = f64::from(f32::MIN_POSITIVE);
        let step = Step { number: 1, epoch: 1, first: 0, count: dataset.len(), learning_rate };
        let outcome = session.train(&[step])?.await?;
        if outcome.diverged.is_some() {
            return invalid_data("a gradient leaves the range of f32: scale the output gradient");
        }
        let state = session.state().await?;
        let gradient = state.vectors.into_iter().next().unwrap_or_default();
        Ok(gradient.into_iter().map(|number| scale * number).collect())
    }

    /// Blocking form of [`parameter_gradient_async`](Self::parameter_gradient_async).
    ///
    /// # Errors
    /// As [`parameter_gradient_async`](Self::parameter_gradient_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn parameter_gradient(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f64>> {
        pollster::block_on(self.parameter_gradient_async(network, inputs, output_gradient))
    }

    /// The gradient of each input, `[samples, network.inputs()]`, for the same arguments as
    /// [`parameter_gradient_async`](Self::parameter_gradient_async). On every engine the f64 reference
    /// computes it, on the processor.
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
    /// Lengths that do not fit the network or each other.
    pub fn input_gradient(
        &self,
        network: &Network,
        inputs: &[f32],
        output_gradient: &[f32],
    ) -> Result<Vec<f32>> {
        check(network, inputs, output_gradient)?;
        let double = |numbers: &[f32]| numbers.iter().map(|n| f64::from(*n)).collect::<Vec<_>>();
        let trace = reference::forward(network, &double(inputs));
        let gradient = reference::input_gradient(network, &trace, double(output_gradient));
        Ok(gradient.into_iter().map(|number| number as f32).collect())
    }
}

/// Whether the lengths fit.
fn check(network: &Network, inputs: &[f32], output_gradient: &[f32]) -> Result<()> {
    let samples = whole_samples(inputs, network.inputs())?;
    if Some(output_gradient.len()) != samples.checked_mul(network.outputs()) {
        return invalid_shape(format!(
            "an output gradient of {} numbers does not fit {samples} samples of {} outputs",
            output_gradient.len(),
            network.outputs()
        ));
    }
    for (name, numbers) in [("input", inputs), ("output gradient", output_gradient)] {
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            return invalid_data(format!("{name} {place} is {}", numbers[place]));
        }
    }
    Ok(())
}
