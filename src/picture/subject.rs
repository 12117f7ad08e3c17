//! `Subject`: what a saved network paints.

use super::Picture;
use crate::activation::Activation;
use crate::dataset::Places;
use crate::error::{Result, invalid_format};
use crate::input_encoding::InputEncoding;
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The metadata's key under which a saved network carries its [`Subject`].
pub(super) const KEY: &str = "picture";

/// What a network paints: size, channels and range of a picture, and the kind of the network's inputs and
/// outputs.
///
/// ```
/// use impasto::{Activation, Encoding, Loss, Picture, Subject};
///
/// let picture = Picture::new(2, 1, 3, 255, vec![255, 0, 0, 255, 255, 255])?;
/// let encoding = Encoding::Frequency { octaves: 4 };
/// let subject = Subject::new(&picture, encoding, false);
/// assert_eq!((subject.outputs(), subject.output_activation()), (3, Activation::Identity));
///
/// let loss = Loss::MeanSquaredError;
/// let network = subject.builder(encoding, &[16, 16], Activation::Relu, loss).build()?;
/// assert_eq!(subject.dataset(&picture)?.len(), 2);
///
/// // Texts for the file of the network, from which the subject can be read again.
/// let texts = subject.to_metadata()?;
/// assert_eq!(Subject::from_metadata(&network, &texts)?, subject);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Channels of the picture, 1 to 4.
    pub channels: usize,
    /// The value of white, 255 or 65,535.
    pub maximum: u16,
    /// Whether places run over [-1, 1] instead of [0, 1].
    #[serde(alias = "centred")]
    pub centered: bool,
    /// Whether the network classifies ink and paper instead of painting colors.
    pub classify: bool,
    /// Width and height of the picture that was learned. Its pixels are square: places have one scale for
    /// both axes, and the longer one spans the range. `None` in files from before there was this field, whose
    /// axes both span the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<(usize, usize)>,
}

impl Subject {
    /// `picture`, for a network with this encoding. Without an encoding, places are in [-1, 1].
    pub fn new(picture: &Picture, encoding: impl Into<InputEncoding>, classify: bool) -> Self {
        Self {
            width: picture.width(),
            height: picture.height(),
            channels: picture.channels(),
            maximum: picture.maximum(),
            centered: encoding.into().is_identity(),
            classify,
            shape: Some((picture.width(), picture.height())),
        }
    }

    /// The places of a painting of this size: those of the picture that was learned, in any number of pixels.
    pub(super) fn places(&self, (width, height): (usize, usize)) -> Places {
        let stretched = Places::stretched(width, height, self.centered);
        self.shape.map_or(stretched, |(width, height)| stretched.of_shape(width, height))
    }

    /// Outputs of the network: 2 classes, or a number for each channel.
    pub fn outputs(&self) -> usize {
        if self.classify { 2 } else { self.channels }
    }

    /// The activation of its output layer.
    pub fn output_activation(&self) -> Activation {
        if self.classify { Activation::Softmax } else { Activation::Identity }
    }

    /// The texts to save with the network (`Network::save_with`).
    ///
    /// # Errors
    /// None; the type is that of the JSON library.
    pub fn to_metadata(&self) -> Result<HashMap<String, String>> {
        match serde_json::to_string(self) {
            Ok(text) => Ok(HashMap::from([(KEY.to_string(), text)])),
            Err(error) => invalid_format(error.to_string()),
        }
    }

    /// The subject that was saved with `network`.
    ///
    /// # Errors
    /// The texts do not contain a subject, or the network does not fit it.
    pub fn from_metadata(network: &Network, texts: &HashMap<String, String>) -> Result<Self> {
        let Some(text) = texts.get(KEY) else {
            return invalid_format(
                "it was not saved by paint --save or by the page, so nothing says how to paint with it".to_string(),
            );
        };
        let subject: Self = match serde_json::from_str(text) {
            Ok(subject) => subject,
            Err(error) => return invalid_format(format!("its '{KEY}' entry: {error}")),
        };
        subject.check(network)?;
        Ok(subject)
    }

    /// The subject of a network that was saved without one: it paints a picture of this size with 8 bits a
    /// channel, or classes if its last layer is a softmax.
    ///
    /// ```
    /// use impasto::{Activation, Network, Subject};
    ///
    /// let network = Network::builder(2).output(3, Activation::Identity).build()?;
    /// let subject = Subject::of_network(&network, 48, 32)?;
    /// assert_eq!((subject.width, subject.channels, subject.maximum), (48, 3, 255));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// The network cannot paint: it needs 2 inputs, and 1 to 4 outputs or 2 classes.
    pub fn of_network(network: &Network, width: usize, height: usize) -> Result<Self> {
        let classify = network.output_layer().activation == Activation::Softmax;
        let subject = Self {
            width,
            height,
            channels: if classify { 3 } else { network.outputs() },
            maximum: 255,
            centered: network.encoding().is_identity(),
            classify,
            shape: Some((width, height)),
        };
        subject.check(network)?;
        Ok(subject)
    }

    /// An error unless `network` can paint this.
    fn check(&self, network: &Network) -> Result<()> {
        self.check_kind()?;
        if network.inputs() != 2 || network.outputs() != self.outputs() {
            return invalid_format("the network does not fit the picture it is said to paint");
        }
        Ok(())
    }

    /// An error unless this is a picture.
    pub(super) fn check_kind(&self) -> Result<()> {
        let subject = self;
        Picture::check_size(subject.width, subject.height)?;
        if let Some((width, height)) = subject.shape {
            Picture::check_size(width, height)?;
        }
        if !(1..=4).contains(&subject.channels) || ![255, 65_535].contains(&subject.maximum) {
            return invalid_format(format!(
                "it is said to paint {} channels up to {}: pictures have 1 to 4, up to 255 or 65535",
                subject.channels, subject.maximum
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;

    #[test]
    fn files_with_the_name_centred_are_read() {
        let network = Network::builder(2).output(3, Activation::Identity).build();
        let network = network.expect("a network");
        let picture = Picture::new(1, 1, 3, 255, vec![0; 3]).expect("a pixel");
        let subject = Subject::new(&picture, Encoding::Identity, false);
        assert!(subject.centered);
        let mut texts = subject.to_metadata().expect("JSON");
        let text = texts.get_mut(KEY).expect("a subject");
        assert!(text.contains(r#""centered":true"#), "{text}");
        *text = text.replace("centered", "centred");
        assert_eq!(Subject::from_metadata(&network, &texts).expect("an old file"), subject);
    }

    #[test]
    fn files_without_a_shape_keep_their_places() {
        let network = Network::builder(2).output(1, Activation::Identity).build();
        let network = network.expect("a network");
        let picture = Picture::new(4, 2, 1, 255, vec![0; 8]).expect("a picture");
        let subject = Subject::new(&picture, Encoding::Identity, false);
        // The same places in more pixels.
        assert_eq!(subject.places((4, 2)).at(0), [-0.75, -0.25]);
        assert_eq!(subject.places((2, 2)).at(0), [-0.5, -0.25]);
        let mut texts = subject.to_metadata().expect("JSON");
        let text = texts.get_mut(KEY).expect("a subject");
        let with_shape = text.clone();
        *text = text.replace(r#","shape":[4,2]"#, "");
        assert_ne!(*text, with_shape);
        let old = Subject::from_metadata(&network, &texts).expect("an old file");
        assert_eq!((old.shape, old.places((4, 2)).at(0)), (None, [-0.75, -0.5]));
        let targets = |subject: &Subject| subject.dataset(&picture).expect("samples").rows(0..1).0;
        assert_eq!((targets(&subject), targets(&old)), (vec![-0.75, -0.25], vec![-0.75, -0.5]));
        texts.insert(KEY.into(), with_shape.replace("[4,2]", "[0,2]"));
        assert!(Subject::from_metadata(&network, &texts).is_err());
    }
}
