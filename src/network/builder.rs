//! `Builder`, which makes a network.

use super::Network;
use crate::activation::Activation;
use crate::dropout;
use crate::encoding::Encoding;
use crate::error::{Error, Result, invalid_setting};
use crate::initialization::Initialization;
use crate::input_encoding::InputEncoding;
use crate::layer::Layer;
use crate::memory;
use crate::segment::{SegmentKind, SegmentTable};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// The most parameters a network may have: 2 GiB of them on the host, and positions that stay
/// within 32 bits on every device.
const MOST_PARAMETERS: usize = 1 << 28;

impl Network {
    /// Starts a network that takes `inputs` numbers for each sample.
    pub fn builder(inputs: usize) -> Builder {
        Builder::new(inputs)
    }
}

/// A layer that was added.
#[derive(Clone, Copy, Debug)]
struct Added {
    width: usize,
    activation: Activation,
    bias: bool,
    dropout: f64,
}

/// Builds a [`Network`]; see [`Network::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    inputs: usize,
    encoding: InputEncoding,
    layers: Vec<Added>,
    /// The layers that the last call added.
    last: std::ops::Range<usize>,
    bias: bool,
    weights: Option<Initialization>,
    hidden_weights: Option<Initialization>,
    biases: Option<Initialization>,
    seed: u64,
}

impl Builder {
    /// Without layers yet.
    pub(super) fn new(inputs: usize) -> Self {
        Self {
            inputs,
            encoding: Encoding::Identity.into(),
            layers: Vec::new(),
            last: 0..0,
            bias: true,
            weights: None,
            hidden_weights: None,
            biases: None,
            seed: 0,
        }
    }

    /// The input encoding; [`Encoding::Identity`] by default.
    #[must_use]
    pub fn encoding(mut self, encoding: impl Into<InputEncoding>) -> Self {
        self.encoding = encoding.into();
        self
    }

    /// Adds hidden layers of these widths, each at least 1.
    #[must_use]
    pub fn hidden(self, widths: &[usize], activation: Activation) -> Self {
        self.add(widths, activation, true)
    }

    /// Adds the output layer, of at least 1 neuron.
    #[must_use]
    pub fn output(self, width: usize, activation: Activation) -> Self {
        self.hidden(&[width], activation)
    }

    /// Adds one layer, hidden or the output, with biases or without.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2)
    ///     .layer(16, Activation::Relu, false)
    ///     .layer(1, Activation::Identity, true)
    ///     .build()?;
    /// assert_eq!(network.layers()[0].parameters(), 2 * 16);
    /// assert_eq!(network.layers()[1].parameters(), 16 + 1);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    #[must_use]
    pub fn layer(self, width: usize, activation: Activation, bias: bool) -> Self {
        self.add(&[width], activation, bias)
    }

    fn add(mut self, widths: &[usize], activation: Activation, bias: bool) -> Self {
        let added = widths.iter().map(|&width| Added { width, activation, bias, dropout: 0.0 });
        let first = self.layers.len();
        self.layers.extend(added);
        self.last = first..self.layers.len();
        self
    }

    /// Adds dropout to the hidden layers that the last call added. In training, each of their outputs is
    /// set to 0 with probability `rate`, in [0, 1), and otherwise divided by 1 − `rate`. Predictions drop
    /// nothing. The run's seed and the step determine which outputs are dropped, on every engine alike.
    /// Srivastava et al. 2014.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(8)
    ///     .hidden(&[64, 64], Activation::Relu)
    ///     .dropout(0.2)
    ///     .hidden(&[16], Activation::Relu)
    ///     .output(1, Activation::Identity)
    ///     .build()?;
    /// let rates: Vec<f64> = network.layers().iter().map(|layer| layer.dropout).collect();
    /// assert_eq!(rates, [0.2, 0.2, 0.0, 0.0]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    #[must_use]
    pub fn dropout(mut self, rate: f64) -> Self {
        for layer in &mut self.layers[self.last.clone()] {
            layer.dropout = rate;
        }
        self
    }

    /// Leaves out the biases of all layers, wherever they are added.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2)
    ///     .hidden(&[16], Activation::Relu)
    ///     .output(3, Activation::Identity)
    ///     .without_biases()
    ///     .build()?;
    /// assert_eq!(network.parameters().len(), 2 * 16 + 16 * 3);
    /// assert!(network.biases(0).is_empty());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    #[must_use]
    pub fn without_biases(mut self) -> Self {
        self.bias = false;
        self
    }

    /// The distribution of the initial weights of all layers. By default, it is that of
    /// [`Activation::initialization`] for an activation that has one, else [`Initialization::Glorot`].
    #[must_use]
    pub fn weights(mut self, initialization: Initialization) -> Self {
        self.weights = Some(initialization);
        self
    }

    /// The distribution of the initial weights of all layers but the last, where none is chosen for all.
    pub(crate) fn hidden_weights(mut self, initialization: Initialization) -> Self {
        self.hidden_weights = Some(initialization);
        self
    }

    /// The distribution of the initial biases of all layers. By default, it is that of
    /// [`Activation::initialization`] for an activation that has one, else [`Initialization::Zeros`].
    #[must_use]
    pub fn biases(mut self, initialization: Initialization) -> Self {
        self.biases = Some(initialization);
        self
    }

    /// Seed of the initial parameters; 0 by default. The same seed gives the same parameters on
    /// every machine.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The distributions of the weights and the biases of layer `l`.
    fn initializations(&self, layers: &[Layer], l: usize) -> [Initialization; 2] {
        let layer = layers[l];
        // An output layer without an initialization of its own reads the activation before it.
        let before = l.checked_sub(1).map(|below| layers[below].activation);
        let own = layer.activation.initialization(layer.fan_in, l == 0);
        let own = own.or_else(|| before?.initialization(layer.fan_in, false));
        let (weights, biases) = own.unwrap_or((Initialization::Glorot, Initialization::Zeros));
        let hidden = self.hidden_weights.filter(|_| l + 1 < layers.len());
        [self.weights.or(hidden).unwrap_or(weights), self.biases.unwrap_or(biases)]
    }

    /// The network, with its parameters drawn.
    ///
    /// # Errors
    /// No inputs, no layer, a layer of width 0, softmax anywhere but in the output layer, dropout after the
    /// output layer, more than 2²⁸ parameters, too little memory for them, or a parameter of an activation, an encoding or
    /// an initialization that is out of its range.
    pub fn build(self) -> Result<Network> {
        if self.inputs == 0 {
            return invalid_setting("a network needs at least 1 input");
        }
        if self.layers.is_empty() {
            return invalid_setting("a network needs at least an output layer");
        }
        self.encoding.check(self.inputs)?;
        for chosen in [self.weights, self.biases].into_iter().flatten() {
            chosen.check()?;
        }
        let mut layers = Vec::with_capacity(self.layers.len());
        let mut fan_in = self.encoding.outputs(self.inputs);
        let mut total = self.encoding.parameters(self.inputs);
        if total > MOST_PARAMETERS {
            return Err(Error::TooLarge {
                what: format!("an encoding of {total} parameters"),
                needed: (total as u64).saturating_mul(8),
                limit: 8 * MOST_PARAMETERS as u64,
                advice: "take a smaller log2_size, or fewer levels or features".into(),
            });
        }
        for (position, &added) in self.layers.iter().enumerate() {
            let Added { width: fan_out, activation, bias, dropout } = added;
            let bias = bias && self.bias;
            let number = position + 1;
            if fan_out == 0 {
                return invalid_setting(format!(
                    "layer {number} has width 0: a layer needs at least 1 neuron"
                ));
            }
            if activation.is_row() && number < self.layers.len() {
                return invalid_setting(format!(
                    "layer {number} is a hidden layer with {activation}, which is for the output \
                     layer only: choose relu, leaky-relu, tanh or sigmoid"
                ));
            }
            activation.check()?;
            dropout::check(number, dropout)?;
            if dropout > 0.0 && number == self.layers.len() {
                return invalid_setting("dropout after the output layer: it is for hidden layers");
            }
            let before = total;
            total = fan_in
                .saturating_add(usize::from(bias))
                .saturating_mul(fan_out)
                .saturating_add(total);
            if total > MOST_PARAMETERS {
                let before = if before == 0 { "" } else { ", with what is before it," };
                return Err(Error::TooLarge {
                    what: format!("layer {number} ({fan_in} × {fan_out}){before}"),
                    needed: (total as u64).saturating_mul(8),
                    limit: 8 * MOST_PARAMETERS as u64,
                    advice: "make the layers narrower".into(),
                });
            }
            layers.push(Layer { fan_in, fan_out, activation, bias, dropout, frozen: false });
            fan_in = fan_out;
        }
        let drawn: Vec<_> = (0..layers.len()).map(|l| self.initializations(&layers, l)).collect();
        let leaves = self.encoding.leaves(self.inputs);
        let segments = SegmentTable::new(&leaves.all, &layers, &drawn);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let what = format_args!("a network of {} parameters", segments.len());
        let mut parameters: Vec<f64> = memory::zeros(segments.len(), what, memory::NARROWER)?;
        for segment in segments.all().iter().filter(|s| s.kind == SegmentKind::Scattered) {
            let values = &mut parameters[segment.range.clone()];
            segment.initialization.draw([1, 1], &mut random, values);
        }
        for (l, layer) in layers.iter().enumerate() {
            for segment in std::iter::once(segments.weights(l)).chain(segments.biases(l)) {
                let values = &mut parameters[segment.range.clone()];
                segment.initialization.draw([layer.fan_in, layer.fan_out], &mut random, values);
            }
        }
        let (inputs, encoding) = (self.inputs, self.encoding);
        Ok(Network { inputs, encoding, layers, segments, parameters, epochs_trained: 0 })
    }
}
