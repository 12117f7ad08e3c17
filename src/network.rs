//! `Network`: layers, and all parameters in one flat vector.

pub(crate) mod builder;

use crate::activation::Backward;
use crate::error::{Result, invalid_data, invalid_setting, invalid_shape};
use crate::input_encoding::{InputEncoding, Leaves};
use crate::layer::Layer;
use crate::memory;
#[cfg(feature = "gpu")]
use crate::segment::SegmentKind;
use crate::segment::{Segment, SegmentTable};
use std::ops::Range;

/// A multilayer perceptron and its parameters.
///
/// ```
/// use impasto::{Activation, Network};
///
/// // 2 inputs, ten hidden layers of 100, 3 outputs.
/// let network = Network::builder(2)
///     .hidden(&[100; 10], Activation::Relu)
///     .output(3, Activation::Identity)
///     .build()?;
/// assert_eq!((network.inputs(), network.outputs(), network.layers().len()), (2, 3, 11));
/// assert_eq!(network.parameters().len(), 91_503); // 90,500 weights and 1,003 biases
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    inputs: usize,
    encoding: InputEncoding,
    layers: Vec<Layer>,
    segments: SegmentTable,
    parameters: Vec<f64>,
    epochs_trained: u64,
}

impl PartialEq for Network {
    /// Whether both compute the same from the same parameters.
    fn eq(&self, other: &Self) -> bool {
        self.inputs == other.inputs
            && self.encoding == other.encoding
            && self.layers == other.layers
            && self.parameters == other.parameters
    }
}

impl Network {
    /// Numbers in the input of each sample, before the encoding.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers in the output of each sample.
    pub fn outputs(&self) -> usize {
        self.output_layer().fan_out
    }

    /// The encoding before the first layer.
    pub fn encoding(&self) -> &InputEncoding {
        &self.encoding
    }

    /// The encodings without the tree in which they are, with the places of their parameters.
    pub(crate) fn leaves(&self) -> Leaves {
        self.encoding.leaves(self.inputs)
    }

    /// Where the tables of the encoding are among the [`parameters`](Self::parameters). They come first.
    #[cfg(feature = "gpu")]
    pub(crate) fn tables(&self) -> impl Iterator<Item = Range<usize>> {
        let segments = self.segments.all().iter();
        let tables = segments.take_while(|segment| segment.kind == SegmentKind::Scattered);
        tables.map(|segment| segment.range.clone())
    }

    /// How many of the [`parameters`](Self::parameters) are the encoding's. They come first.
    pub(crate) fn encoding_parameters(&self) -> usize {
        self.segments.encoding()
    }

    /// The layers, from the first hidden one to the output; at least one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The last layer.
    pub(crate) fn output_layer(&self) -> Layer {
        self.layers[self.layers.len() - 1]
    }

    /// Inputs of the first layer, then the outputs of each: `[2, 100, …, 3]`.
    pub fn widths(&self) -> Vec<usize> {
        let first = self.layers.iter().take(1).map(|layer| layer.fan_in);
        first.chain(self.layers.iter().map(|layer| layer.fan_out)).collect()
    }

    /// The network of the first `count` layers, at least 1. Its outputs are those of the last of these
    /// layers.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).hidden(&[16, 8], Activation::Relu);
    /// let network = network.output(3, Activation::Softmax).build()?;
    /// // What the last hidden layer makes of a sample.
    /// let features = network.first_layers(2)?;
    /// assert_eq!(features.widths(), [2, 16, 8]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// No layer, or more than there are, or too little memory.
    pub fn first_layers(&self, count: usize) -> Result<Self> {
        if !(1..=self.layers.len()).contains(&count) {
            return invalid_shape(format!(
                "the first {count} layers of a network of {}: take 1 or more of them",
                self.layers.len()
            ));
        }
        let mut layers = self.layers[..count].to_vec();
        // What they put out is the output now, which nothing drops.
        layers[count - 1].dropout = 0.0;
        let segments = self.segments.first(count);
        let parameters = memory::copy(&self.parameters[..segments.len()])?;
        Ok(Self {
            inputs: self.inputs,
            encoding: self.encoding.clone(),
            layers,
            segments,
            parameters,
            epochs_trained: self.epochs_trained,
        })
    }

    /// A clone, or [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn copy(&self) -> Result<Self> {
        // All layers are as they are: the output layer drops nothing in any network.
        self.first_layers(self.layers.len())
    }

    /// All parameters: those of the encoding, if it has any, then layer by layer the weights
    /// `[fan_in, fan_out]` and the biases `[fan_out]`, if the layer has any.
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// Replaces all parameters, in the order of [`parameters`](Self::parameters).
    ///
    /// # Errors
    /// A wrong length, or a number that is not finite.
    pub fn set_parameters(&mut self, parameters: &[f64]) -> Result<()> {
        if parameters.len() != self.parameters.len() {
            return invalid_shape(format!(
                "{} parameters for a network of {}",
                parameters.len(),
                self.parameters.len()
            ));
        }
        if let Some(position) = parameters.iter().position(|p| !p.is_finite()) {
            return invalid_data(format!("parameter {position} is {}", parameters[position]));
        }
        self.parameters.copy_from_slice(parameters);
        Ok(())
    }

    /// Freezes some layers, counted from 0: training leaves their weights and biases as they are. Runs that
    /// are under way do not change. Files contain which layers are frozen.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).hidden(&[8], Activation::Tanh);
    /// let mut network = network.output(1, Activation::Identity).build()?;
    /// let before = network.clone();
    /// network.freeze(0..1)?;
    /// let trainer = Trainer { epochs: 10, ..Trainer::default() };
    /// trainer.fit(ReferenceEngine::new(), &mut network, &samples)?;
    /// // 8 weights and 8 biases of the hidden layer are as before.
    /// assert_eq!(network.parameters()[..16], before.parameters()[..16]);
    /// assert_ne!(network.parameters()[16..], before.parameters()[16..]);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Layers that there are not.
    pub fn freeze(&mut self, layers: Range<usize>) -> Result<()> {
        self.set_frozen(layers, true)
    }

    /// Lets training change these layers again; see [`freeze`](Self::freeze).
    ///
    /// ```
    /// # use impasto::{Activation, Network};
    /// # let network = Network::builder(1).hidden(&[8], Activation::Tanh);
    /// # let mut network = network.output(1, Activation::Identity).build()?;
    /// network.freeze(0..1)?;
    /// network.unfreeze(0..1)?;
    /// assert!(!network.layers()[0].frozen);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// Layers that there are not.
    pub fn unfreeze(&mut self, layers: Range<usize>) -> Result<()> {
        self.set_frozen(layers, false)
    }

    fn set_frozen(&mut self, layers: Range<usize>, frozen: bool) -> Result<()> {
        let count = self.layers.len();
        let Some(some) = self.layers.get_mut(layers.clone()) else {
            return invalid_shape(format!(
                "layers {layers:?} of a network of {count}: they are counted from 0"
            ));
        };
        for layer in some {
            layer.frozen = frozen;
        }
        Ok(())
    }

    /// The places of the parameters of frozen layers.
    pub(crate) fn frozen(&self) -> impl Iterator<Item = Range<usize>> {
        let layers = self.layers.iter().enumerate().filter(|(_, layer)| layer.frozen);
        layers.flat_map(|(l, _)| {
            let segments = std::iter::once(self.weight_segment(l)).chain(self.bias_segment(l));
            segments.map(|segment| segment.range.clone())
        })
    }

    /// Epochs that the network was trained for, in all runs. The next run takes the samples in other orders
    /// than those epochs did. Files contain it.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let mut network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let trainer = Trainer { epochs: 5, ..Trainer::default() };
    /// trainer.fit(ReferenceEngine::new(), &mut network, &samples)?;
    /// trainer.fit(ReferenceEngine::new(), &mut network, &samples)?;
    /// assert_eq!(network.epochs_trained(), 10);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn epochs_trained(&self) -> u64 {
        self.epochs_trained
    }

    /// Sets [`epochs_trained`](Self::epochs_trained).
    pub(crate) fn set_epochs_trained(&mut self, epochs: u64) {
        self.epochs_trained = epochs;
    }

    /// The number of its parameters. It is the same for its [`shape`](Self::shape).
    pub(crate) fn count(&self) -> usize {
        self.segments.len()
    }

    /// The parts of [`parameters`](Self::parameters) by name, in their order.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).output(3, Activation::Identity).build()?;
    /// let names: Vec<&str> = network.segments().iter().map(|s| s.name.as_str()).collect();
    /// assert_eq!(names, ["layers.0.weight", "layers.0.bias"]);
    /// assert_eq!(network.segments()[1].range, 6..9);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn segments(&self) -> &[Segment] {
        self.segments.all()
    }

    /// Where the weights of a layer (from 0) are. Panics if there is no such layer.
    pub(crate) fn weight_segment(&self, layer: usize) -> &Segment {
        self.segments.weights(layer)
    }

    /// Where the biases of a layer are, if it has any. Panics if there is no such layer.
    pub(crate) fn bias_segment(&self, layer: usize) -> Option<&Segment> {
        self.segments.biases(layer)
    }

    /// The weights of a layer (from 0), `[fan_in, fan_out]`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn weights(&self, layer: usize) -> &[f64] {
        &self.parameters[self.segments.weights(layer).range.clone()]
    }

    /// The weights of a layer, to be changed.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn weights_mut(&mut self, layer: usize) -> &mut [f64] {
        &mut self.parameters[self.segments.weights(layer).range.clone()]
    }

    /// The biases of a layer (from 0), `[fan_out]`, or nothing if it has none.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn biases(&self, layer: usize) -> &[f64] {
        match self.segments.biases(layer) {
            Some(segment) => &self.parameters[segment.range.clone()],
            None => &[],
        }
    }

    /// The biases of a layer, to be changed.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn biases_mut(&mut self, layer: usize) -> &mut [f64] {
        match self.segments.biases(layer) {
            Some(segment) => &mut self.parameters[segment.range.clone()],
            None => &mut [],
        }
    }

    /// The same network without its parameters, for what asks for its layers alone.
    pub(crate) fn shape(&self) -> Self {
        Self {
            inputs: self.inputs,
            encoding: self.encoding.clone(),
            layers: self.layers.clone(),
            segments: self.segments.clone(),
            parameters: Vec::new(),
            epochs_trained: self.epochs_trained,
        }
    }

    /// The same network without dropout and frozen layers.
    pub(crate) fn plain(&self) -> Self {
        let mut network = self.clone();
        for layer in &mut network.layers {
            *layer = layer.plain();
        }
        network
    }

    /// An error if the network cannot be trained.
    pub(crate) fn check_trainable(&self) -> Result<()> {
        if self.layers.iter().all(|layer| layer.frozen) {
            return invalid_setting(
                "every layer is frozen, so there is nothing to train: unfreeze one",
            );
        }
        self.check_differentiable()
    }

    /// An error if an activation of the network has no gradient.
    pub(crate) fn check_differentiable(&self) -> Result<()> {
        match self.layers.iter().position(|l| l.activation.backward() == Backward::None) {
            Some(layer) => invalid_setting(format!(
                "layer {} uses the {} activation, which has no gradient to train with: use \
                 sigmoid instead, or the perceptron's own learning rule",
                layer + 1,
                self.layers[layer].activation
            )),
            None => Ok(()),
        }
    }

    /// Checks that `inputs` are whole samples; returns how many.
    pub(crate) fn samples_in<R>(&self, inputs: &[R]) -> Result<usize> {
        whole_samples(inputs, self.inputs)
    }
}

/// Checks that `inputs` are whole samples of so many numbers; returns how many.
pub(crate) fn whole_samples<T>(inputs: &[T], width: usize) -> Result<usize> {
    if inputs.len().is_multiple_of(width) {
        Ok(inputs.len() / width)
    } else {
        invalid_shape(format!(
            "{} numbers are no whole samples of a network with {width} inputs",
            inputs.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;
    use crate::activation::Activation;
    use crate::initialization::Initialization;

    #[test]
    fn the_first_layers_compute_what_the_whole_network_does() {
        let network = Network::builder(2)
            .hidden(&[5, 7], Activation::Tanh)
            .output(3, Activation::Identity)
            .build()
            .expect("a network");
        let inputs = [0.3, -0.7, 1.5, 0.2];
        let whole = crate::reference::forward(&network, &inputs);
        for count in 1..=3 {
            let part = network.first_layers(count).expect("some layers");
            let outputs = crate::reference::forward(&part, &inputs);
            assert_eq!(outputs.values.last(), whole.values.get(count), "{count}");
        }
        assert!(network.first_layers(0).is_err() && network.first_layers(4).is_err());
    }

    /// The largest weight and bias of a layer, by size.
    fn largest(network: &Network, layer: usize) -> [f64; 2] {
        let most = |values: &[f64]| values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        [most(network.weights(layer)), most(network.biases(layer))]
    }

    #[test]
    fn waves_start_as_their_papers_say() {
        // So many numbers are drawn that the largest is within a twentieth of the bound.
        let build = |name: &str| {
            let activation = name.parse().expect("an activation");
            let builder = Network::builder(2).hidden(&[96, 96], activation);
            builder.output(3, Activation::Identity)
        };
        let near = |got: f64, bound: f64, what: &str| {
            assert!(got <= bound && got > 0.95 * bound, "{what}: {got}, not {bound}");
        };
        for (name, omega, first_bias) in [
            ("sine", 30.0, 0.5_f64.sqrt()),
            ("sine:omega=5", 5.0, 0.5_f64.sqrt()),
            ("finer", 30.0, 5.0),
        ] {
            let network = build(name).build().expect("a network");
            let [weight, bias] = largest(&network, 0);
            near(weight, 0.5, name);
            near(bias, first_bias, name);
            for layer in 1..3 {
                let [weight, bias] = largest(&network, layer);
                near(weight, (6.0_f64 / 96.0).sqrt() / omega, name);
                // Three biases of the output layer are too few to come near.
                if layer == 1 {
                    near(bias, (1.0_f64 / 96.0).sqrt(), name);
                }
            }
            let chosen = build(name).weights(Initialization::Zeros).biases(Initialization::Zeros);
            let chosen = chosen.build().expect("a network");
            assert!(
                chosen.parameters().iter().all(|p| *p == 0.0),
                "{name}: what was chosen counts"
            );
        }
        // Other activations start as before.
        let network = build("gelu").build().expect("a network");
        near(largest(&network, 0)[0], (6.0_f64 / 98.0).sqrt(), "gelu");
        assert_eq!(largest(&network, 0)[1], 0.0);
    }

    #[test]
    fn initial_parameters_are_the_same_on_every_machine() {
        let network = Network::builder(2)
            .hidden(&[3], Activation::Tanh)
            .output(1, Activation::Identity)
            .weights(Initialization::He)
            .seed(7)
            .build()
            .expect("a small network");
        // Recorded once; a change here breaks every published seed.
        let first: Vec<u64> = network.parameters()[..3].iter().map(|p| p.to_bits()).collect();
        assert_eq!(
            first,
            [4_598_874_211_397_379_607, 13_820_729_710_129_756_948, 13_829_295_271_433_608_896]
        );
    }

    #[test]
    fn distributions_have_their_moments() {
        let network = Network::builder(200)
            .output(500, Activation::Identity)
            .biases(Initialization::Uniform { low: -1.0, high: 1.0 })
            .weights(Initialization::Normal { mean: 0.5, standard_deviation: 2.0 })
            .build()
            .expect("one layer");
        let n = 100_000.0;
        let mean = network.weights(0).iter().sum::<f64>() / n;
        let variance = network.weights(0).iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors.
        assert!((mean - 0.5).abs() < 5.0 * 2.0 / n.sqrt());
        assert!((variance - 4.0).abs() < 5.0 * 4.0 * (2.0 / n).sqrt());
        assert!(network.biases(0).iter().all(|b| (-1.0..1.0).contains(b)));
        assert!(
            network.biases(0).iter().any(|b| *b < -0.9)
                && network.biases(0).iter().any(|b| *b > 0.9)
        );
    }

    #[test]
    fn impossible_shapes_are_refused_before_anything_is_allocated() {
        let message = |builder: Builder| builder.build().expect_err("refused").to_string();
        let output = Activation::Identity;
        assert!(message(Network::builder(0).output(1, output)).contains("input"));
        assert!(message(Network::builder(2)).contains("output layer"));
        assert!(
            message(Network::builder(2).hidden(&[4, 0], Activation::Relu).output(1, output))
                .contains("layer 2")
        );
        assert!(
            message(Network::builder(2).hidden(&[4], Activation::Softmax).output(1, output))
                .contains("softmax")
        );
        assert!(
            message(Network::builder(2).hidden(&[1 << 40, 1 << 40], Activation::Relu))
                .contains("narrower")
        );
        assert!(
            message(Network::builder(2).hidden(&[usize::MAX], Activation::Relu))
                .contains("narrower")
        );
        let nan = Initialization::Uniform { low: f64::NAN, high: 1.0 };
        assert!(
            message(Network::builder(2).output(1, output).weights(nan)).contains("distribution")
        );
    }

    #[test]
    fn dropout_is_of_the_hidden_layers_added_last() {
        let hidden = || Network::builder(2).hidden(&[3, 4], Activation::Relu);
        let network = hidden().dropout(0.25).layer(5, Activation::Tanh, false).dropout(0.5);
        let network = network.output(1, Activation::Identity).build().expect("a network");
        let rates = |network: &Network| -> Vec<f64> {
            network.layers().iter().map(|layer| layer.dropout).collect()
        };
        assert_eq!(rates(&network), [0.25, 0.25, 0.5, 0.0]);
        assert_eq!(rates(&network.first_layers(2).expect("two")), [0.25, 0.0]);
        let message = |builder: Builder| builder.build().expect_err("unfit").to_string();
        let output = |builder: Builder| builder.output(1, Activation::Identity);
        assert_eq!(
            message(output(hidden()).dropout(0.5)),
            "dropout after the output layer: it is for hidden layers"
        );
        for rate in [1.0, -0.1, f64::NAN] {
            let expected = format!("layer 1 has a dropout rate of {rate}: it must be in [0, 1)");
            assert_eq!(message(output(hidden().dropout(rate))), expected);
        }
        assert!(output(hidden()).dropout(0.0).build().is_ok());
    }

    #[test]
    fn layers_can_be_set_and_read() {
        let mut network = Network::builder(2)
            .hidden(&[2], Activation::Sigmoid)
            .output(1, Activation::Sigmoid)
            .weights(Initialization::Zeros)
            .build()
            .expect("2-2-1");
        network.weights_mut(1).copy_from_slice(&[5.0, 6.0]);
        network.biases_mut(0).copy_from_slice(&[7.0, 8.0]);
        assert_eq!(network.parameters(), [0.0, 0.0, 0.0, 0.0, 7.0, 8.0, 5.0, 6.0, 0.0]);
        assert!(network.set_parameters(&[0.0; 8]).is_err());
        assert!(network.set_parameters(&[f64::NAN; 9]).is_err());
        assert_eq!(network.widths(), [2, 2, 1]);
    }
}
