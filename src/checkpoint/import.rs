//! Networks that another program saved: [`Import`].

use super::description::{Description, Ranges};
use super::header::Tensors;
use super::names::Names;
use crate::activation::Activation;
use crate::encoding::Encoding;
use crate::input_encoding::InputEncoding;
use crate::segment::weight_name;
use std::fmt::Display;

/// What to do about activations that nothing gives.
pub(super) const NO_ACTIVATION: &str = "so nothing says which activation its hidden layers have: give it \
                                        (Network::import, or --activation of paint)";

/// What a file does not say of its network if another program than this library wrote it.
///
/// A file that PyTorch wrote has the weights and biases alone. A file that this library wrote says the rest
/// itself. What is given here must then be the same.
///
/// See [`Network::import`](crate::Network::import) for an example.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The activation of the hidden layers. Needed for a file that does not say it and has hidden layers.
    pub activation: Option<Activation>,
    /// The activation of the last layer; [`Activation::Identity`] by default.
    pub output: Option<Activation>,
    /// The encoding of the inputs; [`Encoding::Identity`] by default.
    pub encoding: Option<InputEncoding>,
    /// Numbers in a sample, before the encoding. By default they follow from the inputs of the first layer.
    /// Needed for an encoding that gives as many numbers for samples of any size, such as
    /// [`Encoding::Fourier`].
    pub inputs: Option<usize>,
}

impl Import {
    /// An error unless a file's own description agrees.
    pub(super) fn check(&self, description: &Description) -> Result<(), String> {
        let Description { activations, encoding, inputs, .. } = description;
        let (output, hidden) =
            activations.split_last().map_or((None, &[][..]), |(o, h)| (Some(o), h));
        for own in hidden {
            agree("the activation of a hidden layer", self.activation.as_ref(), own)?;
        }
        output.map_or(Ok(()), |own| {
            agree("the activation of the last layer", self.output.as_ref(), own)
        })?;
        agree("the encoding", self.encoding.as_ref(), encoding)?;
        agree("the number of inputs", self.inputs.as_ref(), inputs)
    }

    /// The description of a file that has none.
    pub(super) fn describe(
        &self,
        names: &Names,
        tensors: Tensors<'_>,
    ) -> Result<Description, String> {
        let layers = names.layers();
        let mut activations = match (layers, self.activation) {
            (..2, _) => Vec::new(),
            (_, Some(activation)) => vec![activation; layers - 1],
            _ => return Err(format!("its metadata has no 'impasto' entry, {NO_ACTIVATION}")),
        };
        activations.push(self.output.unwrap_or(Activation::Identity));
        let encoding = self.encoding.clone().unwrap_or(Encoding::Identity.into());
        let first = names.find(&weight_name(0)).and_then(|name| tensors.tensor(name));
        // What is no matrix is refused with its shape.
        let width = first.and_then(|first| first.shape().last().copied()).unwrap_or_default();
        Ok(Description {
            format: 1,
            inputs: self.inputs_for(&encoding, width)?,
            encoding,
            activations,
            dropout: Vec::new(),
            frozen: Vec::new(),
            epochs: 0,
            ranges: Ranges::new(),
        })
    }

    /// Numbers in a sample, of which the encoding makes `width`.
    fn inputs_for(&self, encoding: &InputEncoding, width: usize) -> Result<usize, String> {
        if let Some(inputs) = self.inputs {
            return Ok(inputs);
        }
        if encoding.is_identity() {
            return Ok(width);
        }
        let each = encoding.outputs(1);
        if each == encoding.outputs(2) {
            return Err(format!(
                "the encoding {encoding} gives {each} numbers for samples of any size: give the number of \
                 inputs"
            ));
        }
        match width.checked_div(each) {
            Some(inputs) if inputs > 0 && encoding.outputs(inputs) == width => Ok(inputs),
            _ => Err(format!(
                "its first layer has {width} inputs, and the encoding {encoding} gives {each} for each \
                 number of a sample"
            )),
        }
    }
}

fn agree<T: Display + PartialEq>(what: &str, given: Option<&T>, own: &T) -> Result<(), String> {
    match given {
        Some(given) if given != own => {
            Err(format!("{what} is {own} by its own metadata, not {given}"))
        }
        _ => Ok(()),
    }
}
