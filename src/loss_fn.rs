//! `LossFn`: a loss of the caller's.

use crate::custom_formula::{CustomFormula, CustomKind};

/// A loss of the caller's; see [`Loss::custom`](crate::Loss::custom).
///
/// ```
/// use impasto::cpu::CpuEngine;
/// use impasto::{Activation, Dataset, Engine, Loss, LossFn, Network, Trainer};
///
/// /// The loss of a quantile `q`: outputs below the target cost `q`, those above it `1 − q`.
/// struct Quantile(f64);
///
/// impl LossFn for Quantile {
///     fn row(&self, outputs: &[f64], targets: &[f64], gradient: &mut [f64]) -> f64 {
///         let mut loss = 0.0;
///         for ((y, t), gradient) in outputs.iter().zip(targets).zip(gradient) {
///             *gradient = if y < t { -self.0 } else { 1.0 - self.0 };
///             loss += *gradient * (y - t);
///         }
///         loss
///     }
///
///     // For the GPU engine.
///     fn wgsl(&self) -> Option<String> {
///         Some(format!(
///             "fn row_loss(row: u32, outputs: u32, scale: f32) -> f32 {{
///                 var loss = 0.0;
///                 for (var j = 0u; j < outputs; j++) {{
///                     let error = output_of(row, j) - target_of(row, j);
///                     let slope = select(1.0 - {0:?}, -{0:?}, error < 0.0);
///                     loss += scale * slope * error;
///                     set_delta(row, j, scale * slope);
///                 }}
///                 return loss;
///             }}",
///             self.0 as f32
///         ))
///     }
/// }
///
/// let targets: Vec<f32> = (0..100).map(|i| (i % 10) as f32).collect();
/// let samples = Dataset::new(vec![1.0; 100], targets, 1, 1)?;
/// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let trainer = Trainer {
///     loss: Loss::custom(Quantile(0.85)),
///     learning_rate: 0.05,
///     epochs: 300,
///     ..Trainer::default()
/// };
/// let engine = Engine::from(CpuEngine::new(None)?);
/// trainer.fit(&engine, &mut network, &samples)?;
/// let quantile = engine.predict(&network, &[1.0])?[0];
/// assert!((quantile - 8.0).abs() < 0.5, "{quantile}");
/// # Ok::<(), impasto::Error>(())
/// ```
pub trait LossFn: Send + Sync + 'static {
    /// The loss of one sample, from its outputs after the output activation and its targets, `[outputs]`
    /// each. Its gradient with respect to the outputs goes to `gradient`, `[outputs]`. The loss of a batch is
    /// the mean over its samples, by weight.
    fn row(&self, outputs: &[f64], targets: &[f64], gradient: &mut [f64]) -> f64;

    /// The formula in WGSL. The GPU engine needs it; the default is `None`. The text defines
    /// `fn row_loss(row: u32, outputs: u32, scale: f32) -> f32`, which returns the loss of a sample times
    /// `scale`. It reads `output_of(row, j)` and `target_of(row, j)`, and calls `set_delta(row, j, gradient)`
    /// with the gradient times `scale` for each output `j`. The text may declare other functions, constants
    /// and structures. Their names do not collide with those of the engine.
    fn wgsl(&self) -> Option<String> {
        None
    }
}

impl CustomKind for dyn LossFn {
    const WHAT: &'static str = "a loss";
}

impl CustomFormula<dyn LossFn> {
    /// The default formula: 0.
    pub(crate) const ZERO: Self = Self::default_of(&Zero);
}

/// The default formula: 0.
struct Zero;

impl LossFn for Zero {
    fn row(&self, _: &[f64], _: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        0.0
    }
}
