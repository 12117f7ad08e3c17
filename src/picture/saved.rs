//! Networks that are saved with the subject that they paint.

use super::subject::{KEY, Subject};
use crate::checkpoint::bits::ParameterBits;
use crate::checkpoint::import::Import;
use crate::checkpoint::{found_in_file, found_in_stream};
use crate::error::{Error, Result, invalid_format};
use crate::network::Network;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

impl Subject {
    /// Reads a network that was saved with its subject.
    ///
    /// # Errors
    /// The file cannot be read, or contains no network or no subject.
    pub fn load(path: impl AsRef<Path>) -> Result<(Network, Self)> {
        let path = path.as_ref();
        let (network, texts) = Network::load_with(path)?;
        let subject = Self::from_metadata(&network, &texts);
        Ok((network, in_file(path, subject)?))
    }

    /// Reads a network that another program may have saved; see [`Network::import`]. A file without a subject
    /// paints a picture of `size`, its width and height.
    ///
    /// # Errors
    /// As [`Network::import`]; or the file has no subject and no `size` is given, or the network cannot
    /// paint.
    pub fn import(
        path: impl AsRef<Path>,
        import: &Import,
        size: Option<(usize, usize)>,
    ) -> Result<(Network, Self)> {
        let (network, subject, _) = Self::import_with_notes(path, import, size)?;
        Ok((network, subject))
    }

    /// [`import`](Self::import) with a line for each thing that a user should know: tensors that are not used. See
    /// [`Network::load_with_notes`] for an example.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_with_notes(
        path: impl AsRef<Path>,
        import: &Import,
        size: Option<(usize, usize)>,
    ) -> Result<(Network, Self, Vec<String>)> {
        let path = path.as_ref();
        let (network, texts, notes) = found_in_file(path, Some(import))?;
        let subject = in_file(path, Self::imported(&network, &texts, size))?;
        Ok((network, subject, notes))
    }

    /// [`import_with_notes`](Self::import_with_notes) from a stream. It is read no further than a network can be long. See
    /// [`Network::import`] for an example.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_from(
        reader: impl Read,
        import: &Import,
        size: Option<(usize, usize)>,
    ) -> Result<(Network, Self, Vec<String>)> {
        let (network, texts, notes) = found_in_stream(reader, import)?;
        let subject = in_file(Path::new("the network"), Self::imported(&network, &texts, size))?;
        Ok((network, subject, notes))
    }

    /// [`import`](Self::import) from the bytes of a file. See [`Network::import`] for an example.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_bytes(
        bytes: &[u8],
        import: &Import,
        size: Option<(usize, usize)>,
    ) -> Result<(Network, Self)> {
        let (network, texts) = Network::import_bytes(bytes, import)?;
        let subject = Self::imported(&network, &texts, size)?;
        Ok((network, subject))
    }

    /// The subject in these texts, or that of a picture of this size.
    fn imported(
        network: &Network,
        texts: &HashMap<String, String>,
        size: Option<(usize, usize)>,
    ) -> Result<Self> {
        match (texts.contains_key(KEY), size) {
            (true, _) => Self::from_metadata(network, texts),
            (false, Some((width, height))) => Self::of_network(network, width, height),
            (false, None) => invalid_format(
                "it was not saved by paint --save or by the page, so nothing says how large a picture it paints: give a \
                 size (--size of paint)",
            ),
        }
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

    /// [`encode`](Self::encode) with so many bits for each parameter. See [`Network::encode_compact`] for an example.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_compact(&self, network: &Network, bits: ParameterBits) -> Result<Vec<u8>> {
        network.encode_compact(bits, &self.to_metadata()?)
    }
}

/// What was found in the file at `path`, which an error names.
fn in_file<T>(path: &Path, found: Result<T>) -> Result<T> {
    found.map_err(|error| match error {
        Error::Format(reason) => Error::Checkpoint { path: path.into(), reason },
        other => other,
    })
}
