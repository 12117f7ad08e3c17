//! Losses, one file each: the loss of a sample and its gradient.
//!
//! Users name them by [`Loss`]. The cross-entropies are computed from the last layer's weighted sums (its
//! *logits*), so that they and their gradients stay finite however sure the network is. The network's output
//! activation then matters only for predictions. The other losses are computed from its outputs.

// To add one: a file with its formula and its `About`, a line in the `family!` below, and
// `shaders/losses/NAME.wgsl`, the same in WGSL. The tests walk `Loss::ALL`.

use crate::activation::Activation;
use crate::custom_formula::CustomFormula;
use crate::error::{Result, invalid_setting, invalid_shape};
use crate::family::{self, About, family};
use crate::loss_fn::LossFn;
use crate::number::Number;

mod targets;

family! {
    /// What training makes small. `y` are the outputs, `z` the logits, `t` the targets, all
    /// `[batch, outputs]`.
    ///
    /// ```
    /// use impasto::{Activation, Loss};
    ///
    /// assert_eq!(Loss::from_name("huber:delta=0.5")?, Loss::Huber { delta: 0.5 });
    /// let loss = Loss::SoftmaxCrossEntropy;
    /// assert_eq!(loss.folded_activation(), Some(Activation::Softmax));
    /// assert_eq!((loss.has_gradient(), loss.least_outputs()), (true, 1));
    /// println!("{}: {}", loss.name(), loss.about().formula);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    Loss, "loss" {
        mean_squared_error: MeanSquaredError as "mean-squared-error";
        squared_error_sum: SquaredErrorSum as "squared-error-sum";
        binary_cross_entropy: BinaryCrossEntropy as "binary-cross-entropy";
        softmax_cross_entropy: SoftmaxCrossEntropy as "softmax-cross-entropy";
        huber: Huber as "huber" { delta: f64 } = HUBER;
        l1: L1 as "l1";
        log_cosh: LogCosh as "log-cosh";
        relative_l1: RelativeL1 as "relative-l1" { epsilon: f64 } = RELATIVE_L1;
        relative_l2: RelativeL2 as "relative-l2" { epsilon: f64 } = RELATIVE_L2;
        relative_l2_luminance: RelativeL2Luminance as "relative-l2-luminance" { epsilon: f64 } = RELATIVE_L2_LUMINANCE;
        mape: Mape as "mape" { epsilon: f64 } = MAPE;
        smape: Smape as "smape" { epsilon: f64 } = SMAPE;
        poisson: Poisson as "poisson" { log_input: bool } = POISSON;
    }
    unlisted {
        custom: Custom as "custom" { formula: CustomFormula<dyn LossFn> };
        linear: Linear as "linear";
        zero_one: ZeroOne as "zero-one" { threshold: f64 };
    }
}

/// The formula of a loss.
pub trait Formula: Copy {
    /// With its default parameters.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;
    /// Defines `row_loss(row, outputs, scale)`, the twin of [`row`](Self::row).
    const WGSL: &'static str;
    /// The divisor of the sum over samples and outputs.
    const MEAN: Mean = Mean::Elements;
    /// The output activation whose gradient this loss folds into its own, reading logits. `None`: the
    /// loss reads outputs, and the activation's derivative is applied after it.
    const FOLDED: Option<Activation> = None;
    /// The smallest number of outputs.
    const LEAST_OUTPUTS: usize = 1;
    /// Whether it has a gradient to train with. One without is for evaluation.
    const HAS_GRADIENT: bool = true;
    /// The valid targets. Other targets are an error before training.
    const TARGETS: Targets = Targets::Any;

    /// The loss of one sample, times `scale`. The gradient, times `scale`, with respect to `y`
    /// (outputs, or logits for a folded activation) goes to `delta`.
    fn row<N: Number + Into<f64>>(self, y: &[N], t: &[N], scale: N, delta: &mut [N]) -> N;
}

/// The divisor of the sum over samples and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mean {
    /// The number of samples times that of outputs.
    Elements,
    /// The number of samples.
    Samples,
    /// Nothing.
    Sum,
}

/// The valid targets of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Targets {
    /// Any numbers.
    Any,
    /// Numbers of 0 or more.
    NotNegative,
    /// Numbers in [0, 1].
    UnitInterval,
    /// The probability of each class: numbers of 0 or more that sum to 1.
    Distribution,
}

/// A function of any formula.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

/// The row of a loss that is a sum over outputs: `pair` gives the loss of one output and its
/// derivative, `(l(y, t), ∂l/∂y)`.
#[inline(always)]
pub(crate) fn elementwise<N: Number>(
    y: &[N],
    t: &[N],
    scale: N,
    delta: &mut [N],
    pair: impl Fn(N, N) -> (N, N),
) -> N {
    let mut loss = scale.of(0.0);
    let (y, t) = (&y[..delta.len()], &t[..delta.len()]);
    // By number, since the compiler leaves parts of a chain of iterators as calls.
    for i in 0..delta.len() {
        let (value, slope) = pair(y[i], t[i]);
        loss = loss + scale * value;
        delta[i] = scale * slope;
    }
    loss
}

impl Loss {
    /// The output activation whose gradient this loss folds into its own, reading logits.
    /// `None`: the loss reads outputs, and the activation's derivative is applied after it.
    pub fn folded_activation(self) -> Option<Activation> {
        struct Folded;
        impl Visitor for Folded {
            type Output = Option<Activation>;
            fn visit<F: Formula>(self, _: F) -> Self::Output {
                F::FOLDED
            }
        }
        self.visit(Folded)
    }

    /// Whether it has a gradient to train with. [`ZeroOne`](Self::ZeroOne) has none and is for
    /// evaluation.
    pub fn has_gradient(self) -> bool {
        struct HasGradient;
        impl Visitor for HasGradient {
            type Output = bool;
            fn visit<F: Formula>(self, _: F) -> bool {
                F::HAS_GRADIENT
            }
        }
        self.visit(HasGradient)
    }

    /// The smallest number of outputs.
    pub fn least_outputs(self) -> usize {
        struct Least;
        impl Visitor for Least {
            type Output = usize;
            fn visit<F: Formula>(self, _: F) -> usize {
                F::LEAST_OUTPUTS
            }
        }
        self.visit(Least)
    }

    /// The divisor of the sum over samples and outputs.
    fn mean(self) -> Mean {
        struct Divisor;
        impl Visitor for Divisor {
            type Output = Mean;
            fn visit<F: Formula>(self, _: F) -> Mean {
                F::MEAN
            }
        }
        self.visit(Divisor)
    }

    /// The factor of the sum over samples and outputs, for `batch` samples.
    pub(crate) fn scale(self, batch: usize, outputs: usize) -> f64 {
        match self.mean() {
            Mean::Elements => 1.0 / (batch * outputs) as f64,
            Mean::Samples => 1.0 / batch as f64,
            Mean::Sum => 1.0,
        }
    }

    /// Whether the loss of several batches is the mean of theirs (else it is their sum).
    pub(crate) fn is_mean(self) -> bool {
        self.mean() != Mean::Sum
    }

    /// Whether it is a formula of the caller's.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_custom(self) -> bool {
        matches!(self, Self::Custom { .. })
    }

    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        family::check(self.name(), &self.about(), &self)?;
        family::check_single(self.name(), &self)
    }

    /// Whether this loss can train a network that ends in so many `outputs` with the activation `output`.
    pub(crate) fn check_trainable(self, output: Activation, outputs: usize) -> Result<()> {
        if !self.has_gradient() {
            return invalid_setting(format!(
                "{self} has no gradient to train with: it is for evaluation"
            ));
        }
        self.check_output(output, outputs)
    }

    /// Whether this loss makes sense for a network that ends in so many `outputs` with the activation
    /// `output`.
    pub(crate) fn check_output(self, output: Activation, outputs: usize) -> Result<()> {
        self.check()?;
        let least = self.least_outputs();
        if outputs < least {
            return invalid_shape(format!(
                "{self} is computed from at least {least} outputs, and the network has {outputs}"
            ));
        }
        match self.folded_activation() {
            Some(folded) if output != folded && !output.is_identity() => invalid_setting(format!(
                "{self} is computed from logits, so the output layer must be {folded} or identity, \
                 not {output}"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
