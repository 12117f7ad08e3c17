//! `ActivationFn`: an activation of the caller's.

use crate::custom_formula::{CustomFormula, CustomKind};

/// An activation of the caller's; see [`Activation::custom`](crate::Activation::custom).
///
/// ```
/// use impasto::cpu::CpuEngine;
/// use impasto::{Activation, ActivationFn, Dataset, Engine, Network, Trainer};
///
/// /// Snake, `z + sin²(a·z)/a`, for functions that repeat. Ziyin et al. 2020.
/// struct Snake(f64);
///
/// impl ActivationFn for Snake {
///     fn value(&self, z: f64) -> f64 {
///         z + (self.0 * z).sin().powi(2) / self.0
///     }
///
///     fn slope(&self, z: f64) -> f64 {
///         1.0 + (2.0 * self.0 * z).sin()
///     }
///
///     // For the GPU engine.
///     fn wgsl(&self) -> Option<String> {
///         Some(format!(
///             "const A = {:?};
///             fn activation(z: f32) -> f32 {{
///                 let s = sin(A * z);
///                 return z + s * s / A;
///             }}
///             fn activation_slope(z: f32) -> f32 {{ return 1.0 + sin(2.0 * A * z); }}",
///             self.0 as f32
///         ))
///     }
/// }
///
/// let inputs: Vec<f32> = (0..100).map(|i| i as f32 / 50.0 - 1.0).collect();
/// let targets: Vec<f32> = inputs.iter().map(|x| (9.0 * x).sin()).collect();
/// let samples = Dataset::new(inputs, targets, 1, 1)?;
/// let snake = Activation::custom(Snake(5.0));
/// let mut network = Network::builder(1)
///     .hidden(&[16, 16], snake)
///     .output(1, Activation::Identity)
///     .build()?;
/// let trainer = Trainer { learning_rate: 0.01, epochs: 300, ..Trainer::default() };
/// let engine = Engine::from(CpuEngine::new(None)?);
/// let summary = trainer.fit(&engine, &mut network, &samples)?;
/// assert!(summary.history.last().is_some_and(|epoch| epoch.loss < 0.01), "{summary:?}");
/// # Ok::<(), impasto::Error>(())
/// ```
pub trait ActivationFn: Send + Sync + 'static {
    /// `f(z)` of the weighted sum of one neuron. `z` may be any number, infinite and NaN included. The CPU
    /// engine calls this function from several threads at a time and rounds the result to f32.
    fn value(&self, z: f64) -> f64;

    /// `f′(z)`. The backward pass multiplies the gradient by it.
    fn slope(&self, z: f64) -> f64;

    /// The formula in WGSL. The GPU engine needs it; the default is `None`. The text defines
    /// `fn activation(z: f32) -> f32` and `fn activation_slope(z: f32) -> f32`. It may declare other
    /// functions, constants and structures. Their names do not collide with those of the engine or of another
    /// activation. The kernels are then compiled with checks of indices, so a step takes longer than with an
    /// activation of the library.
    fn wgsl(&self) -> Option<String> {
        None
    }
}

impl CustomKind for dyn ActivationFn {
    const WHAT: &'static str = "an activation";
}

impl CustomFormula<dyn ActivationFn> {
    /// The default formula: `z`.
    pub(crate) const IDENTITY: Self = Self::default_of(&Identity);
}

/// The default formula: `z`.
struct Identity;

impl ActivationFn for Identity {
    fn value(&self, z: f64) -> f64 {
        z
    }

    fn slope(&self, _: f64) -> f64 {
        1.0
    }
}
