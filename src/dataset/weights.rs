//! Weights of samples and of classes.

use super::{Dataset, to_single};
use crate::error::{Result, invalid_data, invalid_shape};
use crate::memory::{self, FEWER};
use std::sync::Arc;

impl Dataset {
    /// The same samples with a weight for each, `[len]`, instead of the weights they have. A sample's
    /// weight multiplies its loss and its gradient. A sample of weight 2 counts as two samples, one of
    /// weight 0 does not count. A mean loss is divided by the number of samples, as in Keras, and not by
    /// the sum of the weights.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Loss, Network, evaluate};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [0.0]], &[[1.0], [3.0]])?;
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// network.set_parameters(&[0.0, 0.0])?;
    /// let loss = |samples: &Dataset| {
    ///     evaluate(&ReferenceEngine::new(), &network, Loss::MeanSquaredError, samples)
    /// };
    /// assert_eq!(loss(&samples)?, (1.0 + 9.0) / 2.0);
    /// assert_eq!(loss(&samples.with_weights(&[3.0, 0.5])?)?, (3.0 * 1.0 + 0.5 * 9.0) / 2.0);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Another number of weights than samples, or a weight that is not a number of at least 0 in the
    /// range of f32, or too little memory.
    pub fn with_weights(&self, weights: &[f64]) -> Result<Self> {
        if weights.len() != self.len() {
            return invalid_shape(format!(
                "{} weights do not fit a dataset of {} samples",
                weights.len(),
                self.len()
            ));
        }
        check("sample", weights)?;
        let given = to_single("weight", weights, 1)?;
        // By the position among all samples, of which this may be a part.
        let what = format_args!("weights of {} samples", self.samples.len());
        let mut stored = memory::room(self.samples.len(), what, FEWER)?;
        stored.resize(self.samples.len(), 1.0);
        for (index, weight) in given.into_iter().enumerate() {
            stored[self.position(index)] = weight;
        }
        Ok(Self { weights: Some(Arc::new(stored)), ..self.clone() })
    }

    /// The same samples with shared weights, `[len]`, each finite and at least 0. This must be all samples, not a part of them.
    #[cfg(feature = "pictures")]
    pub(crate) fn with_shared_weights(&self, weights: &Arc<Vec<f32>>) -> Self {
        debug_assert_eq!(weights.len(), self.samples.len());
        Self { weights: Some(Arc::clone(weights)), ..self.clone() }
    }

    /// The same samples, each with the weight of its class as its [weight](Self::with_weights). The
    /// targets are 1 for the class of a sample and 0 for the others, and `weights` has one number for
    /// each class; or the target is a single 0 or 1, and `weights` are those of 0 and of 1.
    ///
    /// ```
    /// let dataset = impasto::Dataset::from_rows(&[[0.0], [1.0], [2.0]], &[[0.0], [0.0], [1.0]])?;
    /// // Twice as many samples of class 0: each counts half as much.
    /// let balanced = dataset.with_class_weights(&[0.5, 1.0])?;
    /// assert_eq!(balanced.weights(0..3), [0.5, 0.5, 1.0]);
    /// assert!(balanced.has_weights() && !dataset.has_weights());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Another number of weights than classes, a weight that is not a number of at least 0 in the range
    /// of f32, a sample whose targets are not a single class, or too little memory.
    pub fn with_class_weights(&self, weights: &[f64]) -> Result<Self> {
        let width = self.target_width();
        let classes = width.max(2);
        if weights.len() != classes {
            return invalid_shape(format!(
                "{} class weights do not fit {classes} classes",
                weights.len()
            ));
        }
        check("class", weights)?;
        let mut targets = vec![0.0; width];
        let mut of_samples = memory::room(self.len(), "the weights of samples", FEWER)?;
        for index in 0..self.len() {
            self.read_targets(index, &mut targets);
            let Some(class) = class_of(&targets) else {
                return invalid_data(format!(
                    "sample {index} belongs to no single class: class weights take targets of 1 for \
                     the class of a sample and 0 for the others, or a single target of 0 or 1"
                ));
            };
            of_samples.push(weights[class]);
        }
        self.with_weights(&of_samples)
    }

    /// Whether the samples have weights of their own.
    pub fn has_weights(&self) -> bool {
        self.weights.is_some()
    }

    /// The weights of the samples of `range`, `[range.len()]`; 1 for each if the samples have no weights.
    ///
    /// # Panics
    /// If `range` ends beyond [`len`](Self::len), as slicing does.
    pub fn weights(&self, range: std::ops::Range<usize>) -> Vec<f32> {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "samples {range:?} of a dataset of {}",
            self.len()
        );
        range.map(|index| self.weight(index)).collect()
    }

    /// The weight of sample `index`.
    #[inline]
    pub(crate) fn weight(&self, index: usize) -> f32 {
        let position = || self.position(index);
        self.weights.as_ref().map_or(1.0, |weights| weights[position()])
    }

    /// The weights of all samples, of which this dataset may be a part, if there are any.
    #[cfg(feature = "gpu")]
    pub(crate) fn stored_weights(&self) -> Option<&[f32]> {
        self.weights.as_ref().map(|weights| weights.as_slice())
    }
}

/// Whether all `weights` of samples or classes are numbers of at least 0.
fn check(of: &str, weights: &[f64]) -> Result<()> {
    match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        None => Ok(()),
        Some(index) => invalid_data(format!(
            "the weight of {of} {index} is {}: it must be a number of at least 0",
            weights[index]
        )),
    }
}

/// The class that these targets name, if they name a single one.
fn class_of(targets: &[f32]) -> Option<usize> {
    if let [target] = targets {
        return [0.0, 1.0].iter().position(|class| class == target);
    }
    let class = targets.iter().position(|target| *target == 1.0)?;
    let others = targets.iter().filter(|target| **target == 0.0).count();
    (others + 1 == targets.len()).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Dataset {
        let samples: Vec<f32> = (0..count).map(|i| i as f32).collect();
        Dataset::new(samples.clone(), samples, 1, 1).expect("samples")
    }

    /// Each sample's weight is ten times its input.
    fn assert_follow(dataset: &Dataset) {
        let (inputs, _) = dataset.rows(0..dataset.len());
        for (input, weight) in inputs.into_iter().zip(dataset.weights(0..dataset.len())) {
            assert_eq!(weight, 10.0 * input);
        }
    }

    #[test]
    fn weights_follow_their_samples_through_splits() {
        let weights: Vec<f64> = (0..10).map(|i| f64::from(10 * i)).collect();
        let dataset = numbered(10).with_weights(&weights).expect("ten weights");
        let (rest, held_out) = dataset.split(0.3, 5).expect("3 of 10");
        let (first, second) = rest.split(0.5, 6).expect("4 of 7");
        for part in [&dataset, &rest, &held_out, &first, &second] {
            assert_follow(part);
        }
        // Weights for a part are in the order of the part.
        let (rest, held_out) = numbered(10).split(0.3, 5).expect("3 of 10");
        for part in [rest, held_out] {
            let (inputs, _) = part.rows(0..part.len());
            let weights: Vec<f64> = inputs.iter().map(|i| f64::from(10.0 * i)).collect();
            assert_follow(&part.with_weights(&weights).expect("as many"));
        }
    }

    #[test]
    fn class_weights_are_those_of_the_samples() {
        let rows = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let dataset = Dataset::from_rows([[0.0], [1.0], [2.0]], rows).expect("three classes");
        let weighted = dataset.with_class_weights(&[1.0, 2.0, 4.0]).expect("three weights");
        assert_eq!(weighted.weights(0..3), [2.0, 1.0, 4.0]);
        let message = |targets: &[[f64; 3]; 1], weights: &[f64]| {
            let dataset = Dataset::from_rows([[0.0]], targets).expect("a sample");
            dataset.with_class_weights(weights).expect_err("unfit").to_string()
        };
        assert_eq!(message(&[[0.0, 1.0, 0.0]], &[1.0; 2]), "2 class weights do not fit 3 classes");
        for targets in [[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1.0, 1.0, 0.0], [0.0, 2.0, 0.0]] {
            assert!(
                message(&[targets], &[1.0; 3]).starts_with("sample 0 belongs to no single class")
            );
        }
        let halves = Dataset::from_rows([[0.0]], [[0.5]]).expect("a sample");
        assert!(halves.with_class_weights(&[1.0, 1.0]).is_err());
    }

    #[test]
    fn unfit_weights_are_refused() {
        let message =
            |weights: &[f64]| numbered(2).with_weights(weights).expect_err("unfit").to_string();
        assert_eq!(message(&[1.0]), "1 weights do not fit a dataset of 2 samples");
        assert_eq!(
            message(&[1.0, -0.5]),
            "the weight of sample 1 is -0.5: it must be a number of at least 0"
        );
        assert!(message(&[f64::NAN, 1.0]).contains("sample 0 is NaN"));
        assert!(message(&[1e39, 1.0]).contains("outside the range of f32"));
    }
}
