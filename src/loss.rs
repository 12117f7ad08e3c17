//! Losses: value and gradient.
//!
//! The cross-entropies are computed from the last layer's weighted sums (its *logits*), so that
//! they and their gradients stay finite however sure the network is; the network's own output
//! activation then only matters for prediction. The others are computed from its outputs.

use crate::activation::Activation;
use crate::error::{Result, invalid};
use serde::{Deserialize, Serialize};

/// What training makes small. `y` are the outputs, `z` the logits, `t` the targets, all
/// `[batch, outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `Σ (y − t)² / (batch · outputs)`: PyTorch's `MSELoss`.
    MeanSquaredError,
    /// `Σ (y − t)²`, neither averaged nor halved.
    SquaredErrorSum,
    /// `−Σ [t ln σ(z) + (1 − t) ln(1 − σ(z))] / (batch · outputs)`: PyTorch's
    /// `BCEWithLogitsLoss`. Targets lie in [0, 1].
    BinaryCrossEntropy,
    /// `−Σ t ln softmax(z) / batch`: PyTorch's `CrossEntropyLoss` with probabilities (or
    /// one-hot rows) as targets.
    SoftmaxCrossEntropy,
}

impl Loss {
    /// Every loss.
    pub const ALL: [Self; 4] = [
        Self::MeanSquaredError,
        Self::SquaredErrorSum,
        Self::BinaryCrossEntropy,
        Self::SoftmaxCrossEntropy,
    ];

    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanSquaredError => "mean squared error",
            Self::SquaredErrorSum => "squared error sum",
            Self::BinaryCrossEntropy => "binary cross-entropy",
            Self::SoftmaxCrossEntropy => "softmax cross-entropy",
        }
    }

    /// The output activation whose gradient this loss folds into its own, reading logits.
    /// `None`: the loss reads outputs, and the activation's derivative is applied after it.
    pub(crate) fn folded_activation(self) -> Option<Activation> {
        match self {
            Self::MeanSquaredError | Self::SquaredErrorSum => None,
            Self::BinaryCrossEntropy => Some(Activation::Sigmoid),
            Self::SoftmaxCrossEntropy => Some(Activation::Softmax),
        }
    }

    /// What the sum over samples and outputs is multiplied by, for `batch` samples.
    pub(crate) fn scale(self, batch: usize, outputs: usize) -> f64 {
        match self {
            Self::MeanSquaredError | Self::BinaryCrossEntropy => 1.0 / (batch * outputs) as f64,
            Self::SquaredErrorSum => 1.0,
            Self::SoftmaxCrossEntropy => 1.0 / batch as f64,
        }
    }

    /// Whether the loss of several batches is the mean of theirs (else it is their sum).
    pub(crate) fn is_mean(self) -> bool {
        self != Self::SquaredErrorSum
    }

    /// Whether this loss can train a network that ends in `output`.
    pub(crate) fn check(self, output: Activation) -> Result<()> {
        match self.folded_activation() {
            Some(folded) if output != folded && output != Activation::Identity => invalid(format!(
                "{} is computed from logits, so the output layer must be {folded} or identity, \
                 not {output}",
                self.name()
            )),
            _ => Ok(()),
        }
    }
}
