//! Standardization of inputs and targets: means of 0 and standard deviations of 1.

use crate::dataset::Dataset;
use crate::error::{Result, invalid_data, invalid_setting, invalid_shape};
use crate::memory::{self, FEWER};
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Shifts and scales each input, or each target, to mean 0 and standard deviation 1 over some samples.
///
/// Networks learn faster from such inputs, and regressions from such targets. After training,
/// [`fold_into`](Self::fold_into) makes the standardizer a part of the network. The network then takes
/// inputs, or gives outputs, in their own units, also after it was saved and loaded:
///
/// ```
/// use impasto::reference::ReferenceEngine;
/// use impasto::{Activation, Dataset, Engine, Network, Standardizer, Trainer};
///
/// // The price of a house by its year.
/// let raw = Dataset::from_rows(&[[1950.0], [1980.0], [2010.0]], &[[1e5], [2e5], [3e5]])?;
/// let (inputs, targets) = (Standardizer::fit(&raw), Standardizer::fit_targets(&raw));
/// let samples = targets.apply(&inputs.apply(&raw)?)?;
///
/// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
/// let trainer = Trainer { epochs: 300, learning_rate: 0.02, ..Trainer::default() };
/// let engine = Engine::from(ReferenceEngine::new());
/// trainer.fit(&engine, &mut network, &samples)?;
///
/// inputs.fold_into(&mut network)?;
/// targets.fold_into(&mut network)?;
/// let price = engine.predict(&network, &[1995.0])?[0];
/// assert!((price - 2.5e5).abs() < 1e4);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// `fold_into` refuses some networks, such as those with an encoding. For them, write the standardizer as
/// JSON into the file of the network:
///
#[cfg_attr(feature = "safetensors", doc = "```")]
#[cfg_attr(not(feature = "safetensors"), doc = "```ignore")]
/// use impasto::{Activation, Dataset, Encoding, Network, Standardizer};
///
/// let raw = Dataset::from_rows(&[[1950.0], [1980.0], [2010.0]], &[[1e5], [2e5], [3e5]])?;
/// let standardizers = (Standardizer::fit(&raw), Standardizer::fit_targets(&raw));
/// // The encoding is before the first layer.
/// let builder = Network::builder(1).encoding(Encoding::FREQUENCY);
/// let network = builder.output(1, Activation::Identity).build()?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("prices.safetensors");
/// let text = serde_json::to_string(&standardizers)?;
/// network.save_with(&path, [("standardizers", text)])?;
///
/// // Later, in another program:
/// let (network, texts) = Network::load_with(&path)?;
/// let (inputs, targets): (Standardizer, Standardizer) =
///     serde_json::from_str(&texts["standardizers"])?;
/// assert_eq!((&inputs, &targets), (&standardizers.0, &standardizers.1));
///
/// let engine = impasto::Engine::open(impasto::Backend::Cpu)?;
/// let mut numbers = [1995.0];
/// inputs.apply_to(&mut numbers)?;
/// let mut prices = engine.predict(&network, &numbers)?;
/// targets.invert(&mut prices)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Standardizer {
    of: Side,
    means: Vec<f64>,
    deviations: Vec<f64>,
}

/// What a standardizer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Inputs,
    Targets,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inputs => "inputs",
            Self::Targets => "targets",
        })
    }
}

/// What was read, before it is checked.
#[derive(Deserialize)]
#[serde(expecting = "a standardizer")]
struct Unchecked {
    of: Side,
    means: Vec<f64>,
    deviations: Vec<f64>,
}

impl TryFrom<Unchecked> for Standardizer {
    type Error = String;
    fn try_from(read: Unchecked) -> std::result::Result<Self, String> {
        let Unchecked { of, means, deviations } = read;
        if means.is_empty() || means.len() != deviations.len() {
            return Err(format!(
                "a standardizer has as many means as deviations, at least 1, not {} and {}",
                means.len(),
                deviations.len()
            ));
        }
        if let Some(mean) = means.iter().find(|mean| !mean.is_finite()) {
            return Err(format!("a mean of a standardizer is {mean}"));
        }
        if let Some(deviation) = deviations.iter().find(|d| !(d.is_finite() && **d > 0.0)) {
            return Err(format!(
                "a deviation of a standardizer is {deviation}: it must be above 0"
            ));
        }
        Ok(Self { of, means, deviations })
    }
}

impl Standardizer {
    /// Computes the mean and the standard deviation of each input, as scikit-learn's `StandardScaler` does:
    /// without the weights of samples, divided by the number of samples, and 1 for an input that is
    /// constant.
    pub fn fit(dataset: &Dataset) -> Self {
        Self::of(Side::Inputs, dataset)
    }

    /// [`fit`](Self::fit) for the targets.
    pub fn fit_targets(dataset: &Dataset) -> Self {
        Self::of(Side::Targets, dataset)
    }

    fn of(of: Side, dataset: &Dataset) -> Self {
        let (mut inputs, mut targets) =
            (vec![0.0; dataset.input_width()], vec![0.0; dataset.target_width()]);
        let width = match of {
            Side::Inputs => inputs.len(),
            Side::Targets => targets.len(),
        };
        let mut mean_of = |term: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; width];
            for sample in 0..dataset.len() {
                dataset.read(sample, &mut inputs, &mut targets);
                let row = match of {
                    Side::Inputs => &inputs,
                    Side::Targets => &targets,
                };
                for (place, (sum, number)) in sums.iter_mut().zip(row).enumerate() {
                    *sum += term(place, f64::from(*number));
                }
            }
            sums.iter().map(|sum| sum / dataset.len() as f64).collect::<Vec<_>>()
        };
        let means = mean_of(&|_, number| number);
        let squares = mean_of(&|place, number| (number - means[place]).powi(2));
        let deviations = squares.into_iter().zip(&means).map(|(square, mean)| {
            let deviation = square.sqrt();
            // What is left of a constant after its mean was rounded.
            if deviation <= 10.0 * f64::EPSILON * mean.abs() { 1.0 } else { deviation }
        });
        let deviations = deviations.collect();
        Self { of, means, deviations }
    }

    /// The mean of each input, or of each target.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The standard deviation of each input, or of each target, above 0.
    pub fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// The same samples with standardized inputs, or standardized targets, in memory of their own. Weights
    /// are kept.
    ///
    /// # Errors
    /// Samples of another width, a number that leaves the range of f32, or too little memory.
    pub fn apply(&self, dataset: &Dataset) -> Result<Dataset> {
        let (mut inputs, mut targets) = dataset.all_rows()?;
        let (width, numbers) = match self.of {
            Side::Inputs => (dataset.input_width(), &mut inputs),
            Side::Targets => (dataset.target_width(), &mut targets),
        };
        self.check(width)?;
        self.apply_to(numbers)?;
        let applied = Dataset::new(inputs, targets, dataset.input_width(), dataset.target_width())?;
        if !dataset.has_weights() {
            return Ok(applied);
        }
        let weights = (0..dataset.len()).map(|index| f64::from(dataset.weight(index)));
        applied.with_weights(&memory::collect(weights, "the weights of samples", FEWER)?)
    }

    /// Standardizes `numbers`, `[samples, width]`, in place.
    ///
    /// ```
    /// use impasto::{Dataset, Standardizer};
    ///
    /// let raw = Dataset::from_rows(&[[10.0], [30.0]], &[[0.0], [1.0]])?;
    /// let standardizer = Standardizer::fit(&raw);
    /// assert_eq!((standardizer.means(), standardizer.deviations()), (&[20.0][..], &[10.0][..]));
    /// let mut inputs = [40.0];
    /// standardizer.apply_to(&mut inputs)?;
    /// assert_eq!(inputs, [2.0]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Numbers that are no whole samples, or a number that would leave the range of f32. Then nothing has
    /// changed.
    pub fn apply_to(&self, numbers: &mut [f32]) -> Result<()> {
        self.change(numbers, |number, mean, deviation| (number - mean) / deviation)
    }

    /// Undoes [`apply_to`](Self::apply_to), in place: standardized `numbers`, `[samples, width]`, get their
    /// own units again. It is for the outputs of a network that was trained on standardized targets.
    ///
    /// # Errors
    /// As [`apply_to`](Self::apply_to).
    pub fn invert(&self, numbers: &mut [f32]) -> Result<()> {
        self.change(numbers, |number, mean, deviation| number * deviation + mean)
    }

    /// Changes each number by `to`, with its mean and deviation, if all stay in the range of f32.
    fn change(&self, numbers: &mut [f32], to: impl Fn(f64, f64, f64) -> f64) -> Result<()> {
        let width = self.means.len();
        if !numbers.len().is_multiple_of(width) {
            return invalid_shape(format!(
                "{} numbers are no whole samples of {width} {}",
                numbers.len(),
                self.of
            ));
        }
        let changed = |place: usize, number: f32| {
            to(f64::from(number), self.means[place % width], self.deviations[place % width]) as f32
        };
        for (place, number) in numbers.iter().enumerate() {
            let found = changed(place, *number);
            if !found.is_finite() {
                return invalid_data(format!(
                    "number {place} of the {} is {number}, and would become {found}",
                    self.of
                ));
            }
        }
        for (place, number) in numbers.iter_mut().enumerate() {
            *number = changed(place, *number);
        }
        Ok(())
    }

    /// Makes the standardizer a part of `network`, computed in f64.
    ///
    /// A standardizer of inputs changes the first layer of a network that was trained on standardized inputs.
    /// The network then takes inputs in their own units. A standardizer of targets changes the last layer of
    /// a network that was trained on standardized targets. The outputs then have their own units. Otherwise
    /// the network computes the same.
    ///
    /// Engines compute in f32. Where a mean is larger than its deviation by many orders of magnitude, as in
    /// the seconds since 1970, f32 loses those digits. Then keep the standardizer beside the network.
    ///
    /// # Errors
    /// - A network with another number of inputs or outputs.
    /// - For inputs: an encoding, or a first layer without biases.
    /// - For targets: an output activation other than identity, or an output layer without biases.
    /// - A parameter that leaves the range of f32.
    ///
    /// Then nothing has changed.
    pub fn fold_into(&self, network: &mut Network) -> Result<()> {
        let mut folded = network.clone();
        match self.of {
            Side::Inputs => self.fold_into_first(&mut folded)?,
            Side::Targets => self.fold_into_last(&mut folded)?,
        }
        for (place, (before, after)) in
            network.parameters().iter().zip(folded.parameters()).enumerate()
        {
            // A GPU may take numbers below the smallest normal one as 0.
            let vanishes = after.abs() < f64::from(f32::MIN_POSITIVE);
            if !(*after as f32).is_finite()
                || (before != after
                    && vanishes
                    && before.abs() >= f64::from(f32::EPSILON)
                    && *after != 0.0)
            {
                return invalid_data(format!(
                    "parameter {place} would become {after:e}, outside the range of f32: use other units \
                     of the {}",
                    self.of
                ));
            }
        }
        *network = folded;
        Ok(())
    }

    fn fold_into_first(&self, network: &mut Network) -> Result<()> {
        self.check(network.inputs())?;
        if !network.encoding().is_identity() {
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
        let mut biases = network.biases(0).to_vec();
        let rows = network.weights_mut(0).chunks_exact_mut(layer.fan_out);
        for (row, (mean, deviation)) in rows.zip(self.means.iter().zip(&self.deviations)) {
            for (weight, bias) in row.iter_mut().zip(&mut biases) {
                *weight /= deviation;
                *bias -= *weight * mean;
            }
        }
        network.biases_mut(0).copy_from_slice(&biases);
        Ok(())
    }

    fn fold_into_last(&self, network: &mut Network) -> Result<()> {
        self.check(network.outputs())?;
        let (last, layer) = (network.layers().len() - 1, network.output_layer());
        if !layer.activation.is_identity() {
            return invalid_setting(format!(
                "a standardizer of targets cannot become part of a network whose output activation is {}: \
                 it must be identity",
                layer.activation
            ));
        }
        if !layer.bias {
            return invalid_setting(
                "a standardizer of targets cannot become part of a network whose output layer has no biases",
            );
        }
        for row in network.weights_mut(last).chunks_exact_mut(layer.fan_out) {
            for (weight, deviation) in row.iter_mut().zip(&self.deviations) {
                *weight *= deviation;
            }
        }
        let scales = self.means.iter().zip(&self.deviations);
        for (bias, (mean, deviation)) in network.biases_mut(last).iter_mut().zip(scales) {
            *bias = *bias * deviation + mean;
        }
        Ok(())
    }

    fn check(&self, width: usize) -> Result<()> {
        if width == self.means.len() {
            return Ok(());
        }
        invalid_shape(format!(
            "a standardizer of {} {} does not fit {width}",
            self.means.len(),
            self.of
        ))
    }
}

#[cfg(test)]
mod tests;
