//! What a metric is computed from.

use super::{Metric, Metrics};
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::family;
use crate::loss::Loss;

impl Metric {
    /// The loss that it is computed from, for a network that ends in `output` and is trained with `trained`.
    fn loss(self, trained: Loss, output: Activation) -> Loss {
        match self {
            Self::Accuracy => {
                let logits = trained.folded_activation().is_some() && output.is_identity();
                Loss::ZeroOne { threshold: if logits { 0.0 } else { 0.5 } }
            }
            Self::MeanAbsoluteError => Loss::L1,
            Self::R2 | Self::Psnr => Loss::MeanSquaredError,
        }
    }

    /// The metric for a weighted mean of its loss, and the targets' variance.
    fn of(self, loss: f64, variance: f64) -> f64 {
        match self {
            Self::Accuracy => 1.0 - loss,
            Self::MeanAbsoluteError => loss,
            Self::R2 if variance == 0.0 => f64::from(loss == 0.0),
            Self::R2 => 1.0 - loss / variance,
            Self::Psnr => -10.0 * loss.log10(),
        }
    }
}

impl std::str::FromStr for Metric {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        family::by_name("metric", Self::ALL, Self::name, name)
    }
}

/// What the metrics of some samples are computed from, apart from the network.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    metrics: Vec<Metric>,
    trained: Loss,
    output: Activation,
    /// What a loss is multiplied by to be a mean by weight.
    factor: f64,
    /// The variance of the targets, if it is needed.
    variance: f64,
}

impl Measure {
    /// For `metrics` of a network that ends in `output` and is trained with `trained`, on `dataset`.
    pub(crate) fn new(
        metrics: &[Metric],
        trained: Loss,
        output: Activation,
        dataset: &Dataset,
    ) -> Self {
        let count = dataset.len() as f64;
        let weight = if dataset.has_weights() && !metrics.is_empty() {
            (0..dataset.len()).map(|sample| f64::from(dataset.weight(sample))).sum()
        } else {
            count
        };
        let variance =
            if metrics.contains(&Metric::R2) { variance(dataset, weight) } else { f64::NAN };
        let metrics = metrics.to_vec();
        Self { metrics, trained, output, factor: count / weight, variance }
    }

    /// The losses to compute.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        let mut losses: Vec<Loss> = Vec::new();
        for metric in &self.metrics {
            let loss = metric.loss(self.trained, self.output);
            if !losses.contains(&loss) {
                losses.push(loss);
            }
        }
        losses
    }

    /// The metrics for the values of these [`losses`](Self::losses).
    pub(crate) fn metrics(&self, values: &[(Loss, f64)]) -> Metrics {
        let mut found = Metrics::default();
        for metric in &self.metrics {
            let wanted = metric.loss(self.trained, self.output);
            if let Some((_, value)) = values.iter().find(|(loss, _)| *loss == wanted) {
                found.set(*metric, metric.of(value * self.factor, self.variance));
            }
        }
        found
    }
}

/// The mean over outputs of the targets' variance, with samples of so much weight in all.
fn variance(dataset: &Dataset, weight: f64) -> f64 {
    let width = dataset.target_width();
    let mut targets = vec![0.0; width];
    let mut sums = |shift: &[f64], power: i32| {
        let mut sums = vec![0.0; width];
        for sample in 0..dataset.len() {
            dataset.read_targets(sample, &mut targets);
            let weight = f64::from(dataset.weight(sample));
            for ((sum, target), shift) in sums.iter_mut().zip(&targets).zip(shift) {
                *sum += weight * (f64::from(*target) - shift).powi(power);
            }
        }
        sums
    };
    let means: Vec<f64> = sums(&vec![0.0; width], 1).iter().map(|sum| sum / weight).collect();
    sums(&means, 2).iter().sum::<f64>() / weight / width as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_they_are_read() {
        for metric in Metric::ALL.iter().copied() {
            assert_eq!(metric.to_string().parse::<Metric>().expect("its name"), metric);
            assert_eq!(serde_json::to_value(metric).expect("a name"), metric.name());
            let mut metrics = Metrics::default();
            metrics.set(metric, f64::INFINITY);
            let text = serde_json::to_string(&metrics).expect("plain data");
            assert!(text.contains(metric.name()), "{text}");
            assert_eq!(serde_json::from_str::<Metrics>(&text).expect("as written"), metrics);
        }
        let error = "recall".parse::<Metric>().expect_err("unknown").to_string();
        assert!(error.contains("choose one of accuracy, mean-absolute-error, r2, psnr"), "{error}");
    }

    #[test]
    fn r2_is_weighted_by_samples_and_variance() {
        // By hand: errors of 2.25 + 2.5, and variances of 27/7 + 69/7.
        let targets = [[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]];
        let outputs = [[1.5, 2.0], [2.0, 4.0], [4.0, 2.0]];
        let weights = [1.0, 2.0, 0.5];
        let dataset = Dataset::from_rows([[0.0]; 3], targets).expect("three samples");
        let dataset = dataset.with_weights(&weights).expect("three weights");
        let (loss, output) = (Loss::MeanSquaredError, Activation::Identity);
        let measure = Measure::new(&[Metric::R2, Metric::Psnr], loss, output, &dataset);
        assert_eq!(measure.losses(), [Loss::MeanSquaredError]);
        let squares: f64 = (targets.iter().flatten().zip(outputs.iter().flatten()).enumerate())
            .map(|(i, (t, y))| weights[i / 2] * (t - y) * (t - y))
            .sum();
        let metrics = measure.metrics(&[(Loss::MeanSquaredError, squares / 6.0)]);
        let r2 = metrics.get(Metric::R2).expect("asked for");
        assert!((r2 - (1.0 - 4.75 * 7.0 / 96.0)).abs() < 1e-12, "{r2}");
        assert_eq!(metrics.get(Metric::Accuracy), None);
        assert_eq!(metrics.iter().count(), 2);
        // Targets without variance.
        let constant = Dataset::from_rows([[0.0]; 2], [[3.0]; 2]).expect("two samples");
        let measure = Measure::new(&[Metric::R2], loss, output, &constant);
        for (squares, expected) in [(0.0, 1.0), (0.5, 0.0)] {
            let metrics = measure.metrics(&[(Loss::MeanSquaredError, squares)]);
            assert_eq!(metrics.get(Metric::R2), Some(expected));
        }
    }
}
