//! `LossFn`: a loss of the caller's.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

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

    /// The same in WGSL, for the GPU engine, which cannot compute the loss without it. It defines
    /// `fn row_loss(row: u32, outputs: u32, scale: f32) -> f32`, which returns the loss of a sample times
    /// `scale`. It reads `output_of(row, j)` and `target_of(row, j)`, and calls `set_delta(row, j, gradient)`
    /// with the gradient times `scale` for each output `j`.
    fn wgsl(&self) -> Option<String> {
        None
    }
}

/// The formula of a loss of the caller's. It is equal to itself alone.
#[derive(Clone, Copy)]
pub struct CustomFormula {
    number: u64,
    formula: &'static dyn LossFn,
}

impl CustomFormula {
    /// A formula that is kept for the life of the program.
    pub(crate) fn new(formula: impl LossFn) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, formula: Box::leak(Box::new(formula)) }
    }

    /// The loss of no formula: 0.
    pub(crate) const ZERO: Self = Self { number: 0, formula: &Zero };

    /// The loss of one sample; see [`LossFn::row`].
    pub(crate) fn row(self, outputs: &[f64], targets: &[f64], gradient: &mut [f64]) -> f64 {
        self.formula.row(outputs, targets, gradient)
    }

    /// Its WGSL, if it has any.
    #[cfg(feature = "gpu")]
    pub(crate) fn wgsl(self) -> Option<String> {
        self.formula.wgsl()
    }
}

impl fmt::Debug for CustomFormula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.number)
    }
}

impl PartialEq for CustomFormula {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// Why neither works.
const NO_TEXT: &str = "a loss of the caller's cannot be written or read";

impl Serialize for CustomFormula {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(NO_TEXT))
    }
}

impl<'de> Deserialize<'de> for CustomFormula {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(NO_TEXT))
    }
}

/// The loss of no formula: 0.
struct Zero;

impl LossFn for Zero {
    fn row(&self, _: &[f64], _: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        0.0
    }
}
