//! Metrics: numbers that say how good a network is, beside its loss.
//!
//! A metric is computed from a loss, so that every engine computes it where it trains.

pub(crate) mod measure;

use crate::any_number;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How good a network is on some samples. Weights of samples count, as in scikit-learn.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Metric, Network, Trainer};
///
/// let inputs: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
/// let targets: Vec<f32> = inputs.iter().map(|x| 0.5 * x).collect();
/// let (training, validation) = Dataset::new(inputs, targets, 1, 1)?.split(0.2, 1)?;
/// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let trainer = Trainer {
///     epochs: 50,
///     batch_size: 10,
///     learning_rate: 0.05,
///     metrics: vec![Metric::R2],
///     ..Trainer::default()
/// };
/// let samples = (&training, &validation);
/// let summary = trainer.fit(ReferenceEngine::new(), &mut network, samples)?;
/// let last = summary.history.last().expect("50 epochs");
/// assert!(last.metrics.get(Metric::R2) > Some(0.99));
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Metric {
    /// The share of samples whose class is that of the targets, in [0, 1]. The class of several outputs
    /// is the position of the largest. A single output is of class 1 above 0.5; above 0 if it is a logit.
    Accuracy,
    /// The mean of |y − t| over samples and outputs, 0 or more.
    MeanAbsoluteError,
    /// R², the share of the targets' variance that the outputs explain, at most 1:
    /// `1 − Σ (y − t)² / Σ (t − mean)²`, over all outputs together (scikit-learn's `r2_score` with
    /// `variance_weighted`). If the targets are constant, it is 1 for exact outputs, else 0.
    R2,
    /// The peak signal-to-noise ratio in dB of targets in [0, 1]: `−10·log₁₀` of the mean squared error.
    Psnr,
}

impl Metric {
    /// All metrics.
    pub const ALL: &'static [Self] =
        &[Self::Accuracy, Self::MeanAbsoluteError, Self::R2, Self::Psnr];

    /// Its name: `accuracy`, `mean-absolute-error`, `r2` or `psnr`. See [`Metrics::iter`] for an example.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MeanAbsoluteError => "mean-absolute-error",
            Self::R2 => "r2",
            Self::Psnr => "psnr",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The values of some metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Metrics {
    #[serde(with = "any_number", skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    #[serde(with = "any_number", skip_serializing_if = "Option::is_none")]
    mean_absolute_error: Option<f64>,
    #[serde(with = "any_number", skip_serializing_if = "Option::is_none")]
    r2: Option<f64>,
    #[serde(with = "any_number", skip_serializing_if = "Option::is_none")]
    psnr: Option<f64>,
}

impl Metrics {
    /// The value of `metric`, if it was computed.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Accuracy => self.accuracy,
            Metric::MeanAbsoluteError => self.mean_absolute_error,
            Metric::R2 => self.r2,
            Metric::Psnr => self.psnr,
        }
    }

    /// The metrics that were computed, with their values, in the order of [`Metric::ALL`].
    ///
    /// ```
    /// # use impasto::reference::ReferenceEngine;
    /// # use impasto::{Activation, Dataset, Metric, Network, Trainer};
    /// # let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// # let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// # let mut training = Trainer::default().begin(ReferenceEngine::new(), &network, &samples)?;
    /// let metrics = training.metrics(&samples, &[Metric::R2, Metric::MeanAbsoluteError])?;
    /// for (metric, value) in metrics.iter() {
    ///     println!("{}: {value:.3}", metric.name());
    /// }
    /// assert_eq!(metrics.get(Metric::Accuracy), None);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> + '_ {
        Metric::ALL.iter().filter_map(|metric| Some((*metric, self.get(*metric)?)))
    }

    /// Sets the value of `metric`.
    pub(crate) fn set(&mut self, metric: Metric, value: f64) {
        let slot = match metric {
            Metric::Accuracy => &mut self.accuracy,
            Metric::MeanAbsoluteError => &mut self.mean_absolute_error,
            Metric::R2 => &mut self.r2,
            Metric::Psnr => &mut self.psnr,
        };
        *slot = Some(value);
    }
}
