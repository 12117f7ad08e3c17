//! Standardization of inputs: means of 0 and standard deviations of 1.

use crate::dataset::Dataset;
use crate::encoding::Encoding;
use crate::error::{Result, invalid_setting, invalid_shape};
use crate::network::Network;

/// Shifts and scales each input so that it has mean 0 and standard deviation 1 over the samples that it was
/// fitted to. Networks learn faster from such inputs.
///
/// After training, [`fold_into`](Self::fold_into) makes it a part of the network, which then takes inputs as
/// they were before, and is saved that way.
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Engine, Network, Standardizer, Trainer};
///
/// let raw = Dataset::from_rows(&[[1950.0], [1980.0], [2010.0]], &[[0.1], [0.2], [0.3]])?;
/// let standardizer = Standardizer::fit(&raw);
/// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let trainer = Trainer { epochs: 300, learning_rate: 0.02, ..Trainer::default() };
/// let engine = Engine::from(ReferenceEngine::new());
/// let samples = standardizer.apply(&raw)?;
/// trainer.fit(&engine, &mut network, &samples)?;
/// standardizer.fold_into(&mut network)?;
/// let output = engine.predict(&network, &[1995.0])?[0];
/// assert!((output - 0.25).abs() < 1e-2);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

impl Standardizer {
    /// Computes the mean and the standard deviation of each input, as scikit-learn's `StandardScaler` does:
    /// without the weights of samples, divided by the number of samples, and 1 for an input that is
    /// constant.
    pub fn fit(dataset: &Dataset) -> Self {
        let width = dataset.input_width();
        let (mut inputs, mut targets) = (vec![0.0; width], vec![0.0; dataset.target_width()]);
        let mut mean_of = |term: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; width];
            for sample in 0..dataset.len() {
                dataset.read(sample, &mut inputs, &mut targets);
                for (place, (sum, input)) in sums.iter_mut().zip(&inputs).enumerate() {
                    *sum += term(place, f64::from(*input));
                }
            }
            sums.iter().map(|sum| sum / dataset.len() as f64).collect::<Vec<_>>()
        };
        let means = mean_of(&|_, input| input);
        let squares = mean_of(&|place, input| (input - means[place]).powi(2));
        let deviations = squares.into_iter().zip(&means).map(|(square, mean)| {
            let deviation = square.sqrt();
            // What is left of a constant input after its mean was rounded.
            if deviation <= 10.0 * f64::EPSILON * mean.abs() { 1.0 } else { deviation }
        });
        let deviations = deviations.collect();
        Self { means, deviations }
    }

    /// The mean of each input.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The standard deviation of each input, above 0.
    pub fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// The same samples with standardized inputs, in memory of their own. Weights are kept.
    ///
    /// # Errors
    /// Samples of another width, or a number that leaves the range of f32.
    pub fn apply(&self, dataset: &Dataset) -> Result<Dataset> {
        self.check(dataset.input_width())?;
        let (mut inputs, targets) = dataset.rows(0..dataset.len());
        self.apply_to(&mut inputs)?;
        let applied = Dataset::new(inputs, targets, dataset.input_width(), dataset.target_width())?;
        if !dataset.has_weights() {
            return Ok(applied);
        }
        let weights = dataset.weights(0..dataset.len());
        applied.with_weights(&weights.into_iter().map(f64::from).collect::<Vec<_>>())
    }

    /// Standardizes `inputs`, `[samples, width]`, in place.
    ///
    /// # Errors
    /// Inputs that are no whole samples.
    pub fn apply_to(&self, inputs: &mut [f32]) -> Result<()> {
        let width = self.means.len();
        if !inputs.len().is_multiple_of(width) {
            return invalid_shape(format!(
                "{} numbers are no whole samples of {width} inputs",
                inputs.len()
            ));
        }
        for row in inputs.chunks_exact_mut(width) {
            for (input, (mean, deviation)) in
                row.iter_mut().zip(self.means.iter().zip(&self.deviations))
            {
                *input = ((f64::from(*input) - mean) / deviation) as f32;
            }
        }
        Ok(())
    }

    /// Changes the first layer of `network`, which was trained on standardized inputs, so that it takes inputs
    /// as they were before and computes the same.
    ///
    /// # Errors
    /// A network of other inputs, with an encoding, or without biases in its first layer. Nothing is changed
    /// then.
    pub fn fold_into(&self, network: &mut Network) -> Result<()> {
        self.check(network.inputs())?;
        if network.encoding() != Encoding::Identity {
            return invalid_setting(format!(
                "a standardizer cannot become part of a network with the {} encoding: standardize the \
                 inputs of its predictions",
                network.encoding()
            ));
        }
        let layer = network.layers()[0];
        if !layer.bias {
            return invalid_setting(
                "a standardizer cannot become part of a network whose first layer has no biases",
            );
        }
        let mut parameters = network.parameters().to_vec();
        let (weights, rest) = parameters.split_at_mut(layer.fan_in * layer.fan_out);
        let biases = &mut rest[..layer.fan_out];
        let rows = weights.chunks_exact_mut(layer.fan_out);
        for (row, (mean, deviation)) in rows.zip(self.means.iter().zip(&self.deviations)) {
            for (weight, bias) in row.iter_mut().zip(biases.iter_mut()) {
                *weight /= deviation;
                *bias -= *weight * mean;
            }
        }
        network.set_parameters(&parameters)
    }

    fn check(&self, width: usize) -> Result<()> {
        if width == self.means.len() {
            return Ok(());
        }
        invalid_shape(format!("a standardizer of {} inputs does not fit {width}", self.means.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::engine::Engine;
    use crate::engine::reference::ReferenceEngine;

    fn samples() -> Dataset {
        let inputs = vec![100.0, 5.0, 1.0, 300.0, 5.0, 2.0, 200.0, 5.0, 6.0];
        let samples = Dataset::new(inputs, vec![1.0, 2.0, 3.0], 3, 1).expect("three samples");
        samples.with_weights(&[1.0, 2.0, 3.0]).expect("three weights")
    }

    #[test]
    fn inputs_have_mean_0_and_deviation_1() {
        let standardizer = Standardizer::fit(&samples());
        assert_eq!(standardizer.means(), [200.0, 5.0, 3.0]);
        assert_eq!(standardizer.deviations()[1], 1.0);
        let applied = standardizer.apply(&samples()).expect("it fits");
        let again = Standardizer::fit(&applied);
        assert!(again.means().iter().all(|mean| mean.abs() < 1e-6), "{again:?}");
        assert!(again.deviations().iter().all(|d| (d - 1.0).abs() < 1e-6), "{again:?}");
        assert_eq!(applied.weights(0..3), [1.0, 2.0, 3.0]);
        assert_eq!(applied.rows(0..3).1, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_folded_network_computes_the_same_from_raw_inputs() {
        let network = || {
            let network = Network::builder(3).hidden(&[4], Activation::Tanh);
            network.output(2, Activation::Identity).seed(3)
        };
        let mut network = network().build().expect("a network");
        let standardizer = Standardizer::fit(&samples());
        let engine = Engine::from(ReferenceEngine::new());
        let raw: Vec<f64> = samples().rows(0..3).0.into_iter().map(f64::from).collect();
        let applied = standardizer.apply(&samples()).expect("it fits");
        let inputs: Vec<f64> = applied.rows(0..3).0.into_iter().map(f64::from).collect();
        let expected = engine.predict_f64(&network, &inputs).expect("three samples");
        standardizer.fold_into(&mut network).expect("it fits");
        let outputs = engine.predict_f64(&network, &raw).expect("three samples");
        for (output, expected) in outputs.iter().zip(&expected) {
            assert!((output - expected).abs() < 1e-6, "{output} {expected}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let standardizer = Standardizer::fit(&samples());
        let refused = |network: crate::Builder| {
            let mut network = network.build().expect("a network");
            let before = network.clone();
            let error = standardizer.fold_into(&mut network).expect_err("unfit").to_string();
            assert_eq!(network, before);
            error
        };
        let output = Activation::Identity;
        assert!(refused(Network::builder(2).output(1, output)).contains("3 inputs does not fit 2"));
        let encoded = Network::builder(3).encoding(Encoding::Frequency { octaves: 2 });
        assert!(refused(encoded.output(1, output)).contains("with the frequency"));
        let unbiased = Network::builder(3).without_biases().output(1, output);
        assert!(refused(unbiased).contains("no biases"));
        assert!(standardizer.apply_to(&mut [0.0; 4]).is_err());
    }
}
