//! What a run starts from: a new network, or a saved one.

use super::options::Options;
use super::streams::{is_standard, load_network};
use impasto::{Error, Loss, Network, Picture, Result, Subject};
use std::path::PathBuf;

/// A saved network to train on, if `--start` names one.
pub struct Start(Option<(PathBuf, Network, Subject)>);

impl Start {
    /// Reads the network that the options name.
    pub fn load(options: &Options) -> Result<Self> {
        let Some(path) = &options.start else { return Ok(Self(None)) };
        if is_standard(path) && options.image.as_ref().is_some_and(|image| is_standard(image)) {
            return Err(Error::Setting(
                "the picture and the network would both come from standard input: name a file for one of them"
                    .into(),
            ));
        }
        // The size is that of the picture.
        let (network, subject) =
            load_network(path, &options.import(), Some((1, 1)), options.quiet)?;
        Ok(Self(Some((path.clone(), network, subject))))
    }

    /// The options with what the saved network settles: its encoding, and what it learns.
    pub fn options(&self, options: &Options) -> Result<Options> {
        let mut options = options.clone();
        let Some((_, network, subject)) = &self.0 else { return Ok(options) };
        options.classify = subject.classify;
        options.set_activation(network.layers()[0].activation);
        options.set_encoding(network.encoding().clone());
        let output = network.layers()[network.layers().len() - 1].activation;
        if !subject.classify && Loss::BinaryCrossEntropy.folded_activation() == Some(output) {
            options.set_default_loss(Loss::BinaryCrossEntropy);
        }
        options.check().map_err(Error::Setting)?;
        Ok(options)
    }

    /// What is painted: `picture`, with the places that the saved network takes.
    pub fn subject(&self, options: &Options, picture: &Picture) -> Result<Subject> {
        let new = Subject::new(picture, options.encoding(), options.classify);
        let Some((path, _, saved)) = &self.0 else { return Ok(new) };
        if saved.channels != new.channels && !saved.classify {
            return Err(Error::Setting(format!(
                "the network in {} paints {} channels, and the picture has {}: convert the picture, or start \
                 anew without --start",
                path.display(),
                saved.channels,
                new.channels
            )));
        }
        let Subject { width, height, channels, maximum, .. } = new;
        Ok(Subject { width, height, channels, maximum, ..*saved })
    }

    /// The network to train.
    pub fn network(self, options: &Options, subject: Subject) -> Result<Network> {
        if let Some((_, network, _)) = self.0 {
            return Ok(network);
        }
        options.configuration().network(2, subject.outputs())
    }
}
