//! Configurations: a network and its training in a file, in the names of this crate or in those of tiny-cuda-nn.
//!
//! `docs/config.md` in the repository describes the format, and `docs/config.schema.json` is its
//! [schema](schema::schema).

mod keys;
mod own;
pub mod presets;
mod read;
pub mod schema;
mod text;
mod tiny_cuda_nn;
mod widths;
mod write;

use crate::activation::Activation;
use crate::encoding::Encoding;
use crate::error::{Result, invalid_setting};
use crate::initialization::Initialization;
use crate::input_encoding::InputEncoding;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::trainer::Trainer;
use crate::wrappers::Wrappers;
pub use widths::widths;

/// A network and how it is trained. The defaults are those of `paint`.
///
/// ```
/// use impasto::{Activation, Configuration, Encoding, Loss, Optimizer};
///
/// // A configuration of tiny-cuda-nn, for a network of 2 inputs.
/// let configuration = Configuration::from_json(
///     r#"{
///         "encoding": { "otype": "OneBlob", "n_bins": 64 }, // of each input
///         "network": { "otype": "FullyFusedMLP", "n_neurons": 32, "n_hidden_layers": 2 },
///         "optimizer": { "otype": "Adam", "learning_rate": 1e-2 },
///         "epochs": 5
///     }"#,
///     2,
/// )?;
/// assert_eq!(configuration.encoding, Encoding::OneBlob { bins: 64 }.into());
/// assert_eq!((configuration.hidden.len(), configuration.biases), (2, false));
/// assert_eq!(configuration.loss(), Loss::RELATIVE_L2);
///
/// let network = configuration.network(2, 3)?;
/// assert_eq!(network.widths(), [2 * 64, 32, 32, 3]);
/// let trainer = configuration.trainer(10_000);
/// assert_eq!((trainer.learning_rate, trainer.epochs), (1e-2, 5));
///
/// // The same in the names of this crate, with every default.
/// let text = configuration.to_json()?;
/// assert_eq!(Configuration::from_json(&text, 2)?, configuration);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// Widths of the hidden layers; ten layers of 100 by default.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers; [`Activation::Relu`] by default.
    pub activation: Activation,
    /// Activation of the output layer. `None`, the default, is softmax for classes, the activation that the loss
    /// [computes itself](Loss::folded_activation), or else the identity.
    pub output_activation: Option<Activation>,
    /// Whether layers have biases; true by default.
    pub biases: bool,
    /// The initial weights; [`Weights::Default`] by default.
    pub weights: Weights,
    /// What the initial weights of the first layer are multiplied by; 1 by default.
    pub first_layer_scale: f64,
    /// The input encoding; [`Encoding::Identity`] by default. Random waves have the seed of the run, unless they have
    /// one of their own.
    pub encoding: InputEncoding,
    /// The loss. `None`, the default, is the softmax cross-entropy for classes, else the mean squared error.
    pub loss: Option<Loss>,
    /// How gradients become updates; [`Optimizer::ADAM`] by default.
    pub optimizer: Optimizer,
    /// The wrappers of the optimizer; none by default.
    pub wrappers: Wrappers,
    /// Learning rate before the schedule; 0.002 by default.
    pub learning_rate: f64,
    /// How the learning rate changes; [`Schedule::Cosine`] by default.
    pub schedule: Schedule,
    /// Steps of warm-up; 0 by default.
    pub warm_up: u64,
    /// L2 penalty of weights and biases; 0 by default.
    pub l2: f64,
    /// Samples in a step. `None`, the default, is 200; `paint` takes up to 1,000 for large pictures.
    pub batch_size: Option<usize>,
    /// How long to train. `None`, the default, is 80 epochs; `paint` takes a number of steps that depends on the
    /// picture.
    pub length: Option<Length>,
    /// Seed of the initial parameters and of the order of samples; 0 by default.
    pub seed: u64,
    /// Whether a picture's two classes, ink and paper, are learned instead of its colors; false by default.
    pub classify: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            hidden: vec![100; 10],
            activation: Activation::Relu,
            output_activation: None,
            biases: true,
            weights: Weights::Default,
            first_layer_scale: 1.0,
            encoding: Encoding::Identity.into(),
            loss: None,
            optimizer: Optimizer::ADAM,
            wrappers: Wrappers::default(),
            learning_rate: 2e-3,
            schedule: Schedule::Cosine,
            warm_up: 0,
            l2: 0.0,
            batch_size: None,
            length: None,
            seed: 0,
            classify: false,
        }
    }
}

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Length {
    /// So many passes over the samples.
    Epochs(usize),
    /// So many steps, of which the last may be in the middle of an epoch.
    Steps(u64),
}

impl Length {
    /// The most epochs, and the most steps if they are fewer, for so many samples and such batches.
    fn limits(self, samples: usize, batch_size: usize) -> (usize, Option<u64>) {
        match self {
            Self::Epochs(epochs) => (epochs, None),
            Self::Steps(steps) => {
                let of_epoch = samples.div_ceil(batch_size.max(1)).max(1) as u64;
                let epochs = usize::try_from(steps.div_ceil(of_epoch)).unwrap_or(usize::MAX);
                (epochs, Some(steps))
            }
        }
    }
}

/// The distribution of the initial weights of all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weights {
    /// That of the activation, if it has one, else [`Initialization::He`].
    Default,
    /// [`Initialization::Glorot`], also known as Xavier.
    Glorot,
    /// [`Initialization::He`].
    He,
}

impl Weights {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Default, Self::Glorot, Self::He];

    /// Their names.
    const NAMES: &'static [&'static str] = &["default", "glorot", "he"];

    /// The name in files.
    ///
    /// ```
    /// assert_eq!(impasto::config::Weights::Glorot.name(), "glorot");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => Self::NAMES[0],
            Self::Glorot => Self::NAMES[1],
            Self::He => Self::NAMES[2],
        }
    }
}

impl Configuration {
    /// The loss that training minimizes. See [`Configuration`] for an example.
    pub fn loss(&self) -> Loss {
        let default =
            if self.classify { Loss::SoftmaxCrossEntropy } else { Loss::MeanSquaredError };
        self.loss.unwrap_or(default)
    }

    /// The network, with its parameters drawn. See [`Configuration`] for an example.
    ///
    /// # Errors
    /// As those of [`Builder::build`](crate::Builder::build), and a `first_layer_scale` that is not finite.
    pub fn network(&self, inputs: usize, outputs: usize) -> Result<Network> {
        let default = if self.classify { Activation::Softmax } else { Activation::Identity };
        let default = self.loss().folded_activation().unwrap_or(default);
        let builder = Network::builder(inputs)
            .encoding(self.encoding.clone().seeded(self.seed))
            .hidden(&self.hidden, self.activation)
            .output(outputs, self.output_activation.unwrap_or(default))
            .seed(self.seed);
        let builder = if self.biases { builder } else { builder.without_biases() };
        let builder = match self.weights {
            Weights::Default if self.activation.initialization(inputs, true).is_some() => builder,
            Weights::Default if self.activation == Activation::Sigmoid => {
                builder.hidden_weights(Initialization::GlorotSigmoid)
            }
            Weights::Default | Weights::He => builder.weights(Initialization::He),
            Weights::Glorot => builder.weights(Initialization::Glorot),
        };
        if !self.first_layer_scale.is_finite() {
            return invalid_setting(format!(
                "first_layer_scale is {}: it must be a finite number",
                self.first_layer_scale
            ));
        }
        let mut network = builder.build()?;
        for weight in network.weights_mut(0) {
            *weight *= self.first_layer_scale;
        }
        Ok(network)
    }

    /// The settings of training on so many samples. See [`Configuration`] for an example.
    pub fn trainer(&self, samples: usize) -> Trainer {
        let batch_size = self.batch_size.unwrap_or(200);
        let length = self.length.unwrap_or(Length::Epochs(80));
        let (epochs, steps) = length.limits(samples, batch_size);
        Trainer {
            epochs,
            steps,
            batch_size,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            warm_up: self.warm_up,
            loss: self.loss(),
            optimizer: self.optimizer,
            wrappers: self.wrappers,
            l2: self.l2,
            seed: self.seed,
            ..Trainer::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_as_many_epochs_as_they_need() {
        assert_eq!(Length::Epochs(3).limits(1000, 200), (3, None));
        for (steps, epochs) in [(1, 1), (5, 1), (6, 2), (10, 2)] {
            assert_eq!(Length::Steps(steps).limits(1000, 200), (epochs, Some(steps)));
        }
        assert_eq!(Length::Steps(7).limits(0, 0), (7, Some(7)));
    }

    #[test]
    fn the_weights_have_names() {
        let names: Vec<_> = Weights::ALL.iter().map(|weights| weights.name()).collect();
        assert_eq!(names, Weights::NAMES);
    }
}
