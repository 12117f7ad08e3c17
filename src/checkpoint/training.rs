//! Training runs in files: a saved network with the state of its training.
//!
//! A saved run is a saved network with more tensors and metadata. [`Network::load`] reads what was learned
//! so far from it. The names of the other tensors are those of the segments behind a prefix:
//!
//! | prefix | contents |
//! |---|---|
//! | `training.vectors.K.` | vector K of the optimizer, then of its wrappers |
//! | `training.parameters.` | the parameters that training continues with, if they are not those learned (a moving average, or the best epoch's) |
//! | `training.learned.` | the parameters learned, if f32 cannot represent them |
//!
//! A tensor is F32 if that represents its numbers exactly, else F64. The metadata contains the rest as JSON
//! under `impasto-training`.

use super::bits::ParameterBits;
use super::description::{LEARNED, PARAMETERS, RUN_KEY as KEY};
use super::header::{Header, Tensors, read_file};
use super::tensors::{Tensor, numbers_of, places_in_file, shape_in_file, tensors_of};
use super::{MOST_BYTES, from_bytes, own_texts, to_bytes, zeros};
use crate::error::{Error, Result};
use crate::memory;
use crate::network::Network;
use crate::state::{LossScale, State};
use crate::summary::OpenEpoch;
use crate::summary::Summary;
use crate::trainer::Trainer;
#[cfg(not(target_arch = "wasm32"))]
use crate::trainer::training::Training;
use crate::trainer::training::saved::{Course, Memory, TrainingState};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The most bytes a file may have: a network with a dozen vectors beside it.
const MOST_RUN_BYTES: u64 = 16 * MOST_BYTES;

/// The prefix of a vector of state.
fn vector_prefix(place: usize) -> String {
    format!("training.vectors.{place}.")
}

/// The metadata's value.
#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    trainer: Trainer,
    course: Course,
    samples: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validating: Option<usize>,
    batches: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss_scale: Option<LossScale>,
    vectors: usize,
    best: Option<u64>,
    epoch: OpenEpoch,
    summary: Summary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
}

impl TrainingState {
    /// Writes the run to `path`, whole or not at all, as a saved network that also contains what the run
    /// needs to go on.
    ///
    /// # Errors
    /// The file cannot be written, or as [`encode`](Self::encode).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::files::write(path.as_ref(), &self.encode()?)
    }

    /// [`save`](Self::save) with texts of the caller's in the metadata of the file, each under a key. See
    /// [`encode_with`](Self::encode_with) for an example.
    ///
    /// # Errors
    /// As [`save`](Self::save), or a text has a key that this library uses itself, such as `impasto`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        texts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<()> {
        crate::files::write(path.as_ref(), &self.encode_with(texts)?)
    }

    /// Reads a run that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or contains no such run.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::load_with(path)?.0)
    }

    /// [`load`](Self::load) with the texts that were saved with the run.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(path: impl AsRef<Path>) -> Result<(Self, HashMap<String, String>)> {
        let path = path.as_ref();
        let (bytes, header) = read_file(path, MOST_RUN_BYTES)?;
        run_from(&bytes, &header).map_err(|reason| Error::Checkpoint { path: path.into(), reason })
    }

    /// The bytes of a file that [`save`](Self::save) would write.
    ///
    /// # Errors
    /// The run is too large for the format, a parameter is outside the range of f32, or the run has an
    /// activation, a loss or a schedule of the caller's, which no file can contain.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.encode_with([("", ""); 0])
    }

    /// The bytes of a file that [`save_with`](Self::save_with) would write.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer, TrainingState};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let mut training = Trainer::default().begin(ReferenceEngine::new(), &network, &samples)?;
    /// let bytes = training.state()?.encode_with([("samples", "warmth.csv")])?;
    /// let (state, texts) = TrainingState::decode_with(&bytes)?;
    /// assert_eq!((state.summary().steps, &*texts["samples"]), (0, "warmth.csv"));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or a text has a key that this library uses itself, such as `impasto`.
    pub fn encode_with(
        &self,
        texts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Vec<u8>> {
        own_texts(texts)
            .and_then(|texts| run_to_bytes(self, texts))
            .map_err(|reason| Error::Format(format!("the run cannot be saved: {reason}")))
    }

    /// The run in the bytes of a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// They are damaged, or contain no such run.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self::decode_with(bytes)?.0)
    }

    /// [`decode`](Self::decode) with the texts that were saved with the run. See
    /// [`encode_with`](Self::encode_with) for an example.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with(bytes: &[u8]) -> Result<(Self, HashMap<String, String>)> {
        let run = Header::of(bytes).and_then(|header| run_from(bytes, &header));
        run.map_err(|reason| Error::Format(format!("this is no saved run: {reason}")))
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Training {
    /// Writes the [state](Self::state) of the run to `path`, whole or not at all, with everything that it
    /// needs to go on but the samples: [`TrainingState::load`] reads it. [`Network::load`] reads what was learned
    /// so far from the same file.
    ///
    /// ```
    /// use impasto::reference::ReferenceEngine;
    /// use impasto::{Activation, Dataset, Network, Trainer, Training, TrainingState};
    ///
    /// let samples = Dataset::from_rows(&[[0.0], [1.0]], &[[1.0], [0.0]])?;
    /// let network = Network::builder(1).output(1, Activation::Identity).build()?;
    /// let engine = ReferenceEngine::new();
    /// let mut training = Trainer::default().begin(&engine, &network, &samples)?;
    /// training.step(10)?;
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("run.safetensors");
    /// training.save(&path)?;
    ///
    /// // Later, in another process:
    /// let mut resumed = Training::resume(&engine, &samples, &TrainingState::load(&path)?)?;
    /// resumed.step(10)?;
    /// training.step(10)?;
    /// assert_eq!(resumed.parameters()?, training.parameters()?);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`state`](Self::state) and [`TrainingState::save`].
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.state()?.save(path)
    }
}

fn run_to_bytes(
    run: &TrainingState,
    mut texts: HashMap<String, String>,
) -> std::result::Result<Vec<u8>, String> {
    let TrainingState {
        trainer,
        network,
        session,
        best,
        course,
        samples,
        validating,
        epoch,
        summary,
        memory,
    } = run;
    let description = Description {
        format: 1,
        trainer: trainer.clone(),
        course: *course,
        samples: *samples,
        validating: *validating,
        batches: session.batches,
        loss_scale: session.loss_scale,
        vectors: session.vectors.len(),
        best: *best,
        epoch: *epoch,
        summary: summary.clone(),
        memory: memory.clone(),
    };
    let text = serde_json::to_string(&description).map_err(|e| e.to_string())?;
    let mut more = Vec::new();
    if !is_single(network.parameters()) {
        more.extend(exact(network, network.parameters(), LEARNED)?);
    }
    if session.parameters != network.parameters() {
        more.extend(exact(network, &session.parameters, PARAMETERS)?);
    }
    for (place, vector) in session.vectors.iter().enumerate() {
        more.extend(exact(network, vector, &vector_prefix(place))?);
    }
    texts.insert(KEY.into(), text);
    to_bytes(network, &texts, &more, ParameterBits::ThirtyTwo)
}

/// Whether f32 represents all numbers exactly.
fn is_single(numbers: &[f64]) -> bool {
    numbers.iter().all(|number| f64::from(*number as f32).to_bits() == number.to_bits())
}

/// A vector as tensors that represent its numbers exactly.
fn exact(
    network: &Network,
    vector: &[f64],
    prefix: &str,
) -> std::result::Result<Vec<Tensor>, String> {
    let dtype = if is_single(vector) { Dtype::F32 } else { Dtype::F64 };
    tensors_of(network.segments(), vector, prefix, dtype)
}

fn run_from(
    bytes: &[u8],
    header: &Header,
) -> std::result::Result<(TrainingState, HashMap<String, String>), String> {
    let (mut network, mut texts, _) = from_bytes(bytes, header, None)?;
    let text = texts.remove(KEY).ok_or(
        "it contains a network, but no run that could go on: train it with a warm-up instead",
    )?;
    let Description {
        format,
        trainer,
        course,
        samples,
        validating,
        batches,
        loss_scale,
        vectors,
        best,
        epoch,
        mut summary,
        memory,
    } = serde_json::from_str(&text).map_err(|e| format!("its '{KEY}' entry: {e}"))?;
    if format != 1 {
        return Err(format!("its run has format {format}, and this version reads format 1"));
    }
    if summary.epochs == 0 {
        // Older files have every epoch, and no number of them.
        summary.epochs = summary.history.len() as u64;
        summary.thin();
    }
    let tensors = header.tensors(bytes);
    if let Some(learned) = vector(tensors, &network, LEARNED)? {
        // The network in the file is the same in f32.
        let rounded = learned.iter().map(|p| f64::from(*p as f32));
        if !rounded.eq(network.parameters().iter().copied()) {
            return Err(format!("its tensors {LEARNED}… are not the parameters of its network"));
        }
        network.set_parameters(&learned).map_err(|e| e.to_string())?;
    }
    let parameters = vector(tensors, &network, PARAMETERS)?;
    let parameters = match parameters {
        Some(parameters) => parameters,
        None => memory::copy(network.parameters()).map_err(|e| e.to_string())?,
    };
    // No more than there are tensors, so that a broken number allocates nothing.
    if vectors > tensors.len() {
        return Err(format!(
            "its '{KEY}' entry names {vectors} vectors of optimizer state, and it has {} tensors",
            tensors.len()
        ));
    }
    let mut all = Vec::with_capacity(vectors);
    for place in 0..vectors {
        let found = vector(tensors, &network, &vector_prefix(place))?;
        all.push(found.ok_or(format!("it lacks vector {place} of the optimizer's state"))?);
    }
    let session = State { parameters, vectors: all, batches, loss_scale };
    let state = TrainingState {
        trainer,
        network,
        session,
        best,
        course,
        samples,
        validating,
        epoch,
        summary,
        memory,
    };
    Ok((state, texts))
}

/// The vector whose tensors have a prefix, in the network's order, if they are in the file.
fn vector(
    tensors: Tensors<'_>,
    network: &Network,
    prefix: &str,
) -> std::result::Result<Option<Vec<f64>>, String> {
    let mut vector = zeros(network.parameters().len())?;
    let mut found = 0;
    for segment in network.segments() {
        let name = format!("{prefix}{}", segment.name);
        let Some(tensor) = tensors.tensor(&name) else { continue };
        found += 1;
        if tensor.shape() != shape_in_file(segment) {
            return Err(format!(
                "{name} is {:?}, not {:?}",
                tensor.shape(),
                shape_in_file(segment)
            ));
        }
        let numbers = numbers_of(&name, &tensor)?;
        let own = &mut vector[segment.range.clone()];
        places_in_file(segment).zip(numbers).for_each(|(place, number)| own[place] = number);
    }
    match found {
        0 => Ok(None),
        _ if found == network.segments().len() => Ok(Some(vector)),
        _ => Err(format!("it lacks some of the tensors {prefix}…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::ReferenceEngine;
    use crate::{Activation, Dataset};
    use safetensors::SafeTensors;

    #[test]
    fn parameters_that_are_not_those_of_the_network_are_refused() {
        let network = Network::builder(1).output(1, Activation::Identity).build();
        let dataset = Dataset::from_rows([[0.0], [1.0]], [[1.0], [0.0]]).expect("samples");
        let training = Trainer::default().begin(
            ReferenceEngine::new(),
            &network.expect("a network"),
            &dataset,
        );
        let mut training = training.expect("begins");
        training.step(3).expect("no device to fail");
        let mut bytes = training.state().expect("a state").encode().expect("bytes");
        assert!(TrainingState::decode(&bytes).is_ok());
        let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
        let tensor = tensors.tensor("training.learned.layers.0.weight").expect("not f32");
        let exponent = tensor.data().as_ptr_range().end.addr() - bytes.as_ptr().addr() - 1;
        // About 1e300, which no longer fits the network and could not be saved again.
        bytes[exponent] ^= 0x40;
        let refused = TrainingState::decode(&bytes).expect_err("refused").to_string();
        assert!(refused.contains("it is damaged"), "{refused}");
        // As in a file that has no checksum.
        let key = bytes.windows(16).position(|key| key == b"impasto-checksum").expect("a checksum");
        bytes[key] = b'I';
        let refused = TrainingState::decode(&bytes).expect_err("refused").to_string();
        assert!(refused.contains("are not the parameters of its network"), "{refused}");
    }
}
