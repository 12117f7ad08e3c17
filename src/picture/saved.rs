//! Networks that are saved with the subject that they paint.

use super::subject::Subject;
use crate::error::{Error, Result};
use crate::network::Network;
use std::path::Path;

impl Subject {
    /// Reads a network that was saved with its subject.
    ///
    /// # Errors
    /// The file cannot be read, or contains no network or no subject.
    pub fn load(path: impl AsRef<Path>) -> Result<(Network, Self)> {
        let path = path.as_ref();
        let (network, texts) = Network::load_with(path)?;
        let subject = Self::from_metadata(&network, &texts).map_err(|error| match error {
            Error::Format(reason) => Error::Checkpoint { path: path.into(), reason },
            other => other,
        })?;
        Ok((network, subject))
    }

    /// The network and the subject in the bytes of such a file.
    ///
    /// # Errors
    /// They contain no network or no subject.
    pub fn decode(bytes: &[u8]) -> Result<(Network, Self)> {
        let (network, texts) = Network::decode_with(bytes)?;
        let subject = Self::from_metadata(&network, &texts)?;
        Ok((network, subject))
    }

    /// Writes `network`, which paints this, to a file that [`load`](Self::load) reads, whole or not at
    /// all.
    ///
    /// # Errors
    /// The file cannot be written.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save(&self, path: impl AsRef<Path>, network: &Network) -> Result<()> {
        network.save_with(path, &self.to_metadata()?)
    }

    /// The bytes of a file that [`save`](Self::save) would write.
    ///
    /// ```
    /// use impasto::{Activation, Encoding, Loss, Picture, Subject};
    ///
    /// let picture = Picture::new(1, 1, 1, 255, vec![0])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// let loss = Loss::MeanSquaredError;
    /// let network = subject.builder(Encoding::Identity, &[8], Activation::Relu, loss).build()?;
    /// let (_, decoded) = Subject::decode(&subject.encode(&network)?)?;
    /// assert_eq!(decoded, subject);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// The network is too large for the format.
    pub fn encode(&self, network: &Network) -> Result<Vec<u8>> {
        network.encode_with(&self.to_metadata()?)
    }
}
