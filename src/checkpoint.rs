//! Networks in files: safetensors, with PyTorch's names and orientation, so that
//! `torch.nn.Linear` loads them. `layers.0.weight` is `[fan_out, fan_in]`, `layers.0.bias` is
//! `[fan_out]`, both f32 unless fewer bits are asked for ([`ParameterBits`]). A layer without biases has no
//! such tensor. The metadata contains the rest of the network as JSON under `impasto`.

pub(crate) mod bits;
mod checksum;
mod compact;
mod description;
mod header;
pub(crate) mod import;
mod names;
mod notes;
mod tensors;
#[cfg(test)]
mod tests;
mod training;

use crate::error::{Error, Result};
use crate::initialization::Initialization;
use crate::memory::{self, MORE, Need};
use crate::network::Network;
use crate::segment;
use bits::{ParameterBits, numbers_of_bytes};
use description::{Description, Ranges};
use header::{Header, MOST_HEADER_BYTES, Tensors, read_file};
use import::{Import, NO_ACTIVATION};
use names::Names;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
#[cfg(feature = "pictures")]
use std::io::Read;
use std::path::Path;
use tensors::{Tensor, check_range, numbers_of, places_in_file, tensors_of};

/// The metadata's key.
const KEY: &str = "impasto";

/// The most bytes a file may have: the largest network, and room for the header.
const MOST_BYTES: u64 = 4 * (1 << 28) + (100 << 20);

/// The most epochs that a network may have been trained for.
const MOST_EPOCHS: u64 = 1 << 53;

/// Bytes that a tensor takes in the header of a file, at most.
const ENTRY: usize = 256;

impl Network {
    /// Writes the network to a file, whole or not at all. PyTorch reads it too.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).output(1, Activation::Tanh).build()?;
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("network.safetensors");
    /// network.save(&path)?;
    /// assert_eq!(Network::load(&path)?.layers(), network.layers());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// The file cannot be written, there is too little memory, a parameter is outside the range of f32, or a layer has an activation of
    /// the caller's ([`Activation::custom`](crate::Activation::custom)), which no file can contain.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::files::write(path.as_ref(), &self.encode()?)
    }

    /// Reads a network that [`save`](Self::save) or the program `paint` wrote. Its parameters are
    /// those that were saved, rounded to f32. Another program may have saved the file again with the same
    /// metadata; see [`import`](Self::import) for the names and numbers it may then have.
    ///
    /// # Errors
    /// The file cannot be read, contains no such network, or there is too little memory.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::load_with(path)?.0)
    }

    /// [`save`](Self::save) with texts of the caller's in the metadata of the file, each under a key.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).output(1, Activation::Tanh).build()?;
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("network.safetensors");
    /// network.save_with(&path, [("inputs", "warmth in °C, light in hours")])?;
    /// let (network, texts) = Network::load_with(&path)?;
    /// assert_eq!(texts["inputs"], "warmth in °C, light in hours");
    /// # Ok::<(), impasto::Error>(())
    /// ```
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

    /// [`load`](Self::load) with the texts that were saved with the network.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(path: impl AsRef<Path>) -> Result<(Self, HashMap<String, String>)> {
        let (network, texts, _) = Self::load_with_notes(path)?;
        Ok((network, texts))
    }

    /// [`load_with`](Self::load_with) with a line for each thing that a user should know: tensors that are not used.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).output(1, Activation::Tanh).build()?;
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("network.safetensors");
    /// network.save(&path)?;
    /// let (_, _, notes) = Network::load_with_notes(&path)?;
    /// assert!(notes.is_empty());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_notes(
        path: impl AsRef<Path>,
    ) -> Result<(Self, HashMap<String, String>, Vec<String>)> {
        found_in_file(path.as_ref(), None)
    }

    /// Reads a network that another program saved as safetensors, such as PyTorch, with the texts of its
    /// metadata.
    ///
    /// The file has the weight `[fan_out, fan_in]` of each layer and perhaps its bias, in F64, F32, F16 or
    /// BF16. Their names have a number with one text before it, as in `layers.0.weight`, `0.weight`,
    /// `net.2.weight` or `fc1.weight`. The order of the numbers is that of the layers. Before all of them
    /// may be `module.` or `_orig_mod.`, and a file of one layer may have `weight` and `bias`. `import` gives
    /// what such a file does not say. A file of this library is read too, if `import` does not contradict it.
    ///
    /// ```
    /// use impasto::{Activation, Import, Network};
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("network.safetensors");
    /// # let network = Network::builder(2).hidden(&[3], Activation::Tanh);
    /// # network.output(1, Activation::Identity).build()?.save(&path)?;
    ///
    /// // torch.nn.Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
    /// let import = Import { activation: Some(Activation::Tanh), ..Import::default() };
    /// let (network, _) = Network::import(&path, &import)?;
    /// assert_eq!((network.inputs(), network.outputs()), (2, 1));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// The file cannot be read. Its tensors have other names, which the message lists, other shapes or other
    /// numbers. `import` lacks what the file does not say, or contradicts what it says. It is a file of
    /// `torch.save`, which is not read; the message says how to convert it.
    pub fn import(
        path: impl AsRef<Path>,
        import: &Import,
    ) -> Result<(Self, HashMap<String, String>)> {
        let (network, texts, _) = found_in_file(path.as_ref(), Some(import))?;
        Ok((network, texts))
    }

    /// [`import`](Self::import) from the bytes of a file. See [`import`](Self::import) for an example.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_bytes(bytes: &[u8], import: &Import) -> Result<(Self, HashMap<String, String>)> {
        network_from(bytes, Some(import))
            .map(|(network, texts, _)| (network, texts))
            .map_err(|reason| Error::Format(format!("this is no saved network: {reason}")))
    }

    /// The bytes of a file that [`save`](Self::save) would write.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).output(1, Activation::Tanh).build()?;
    /// let decoded = Network::decode(&network.encode()?)?;
    /// assert_eq!(decoded.layers(), network.layers());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// The network is too large for the format or for memory, a parameter is outside the range of f32, or a layer has an
    /// activation of the caller's.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.encode_with([("", ""); 0])
    }

    /// The network in the bytes of a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// The bytes contain no such network, or there is too little memory.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self::decode_with(bytes)?.0)
    }

    /// The bytes of a file that [`save_with`](Self::save_with) would write.
    ///
    /// ```
    /// use impasto::{Activation, Network};
    ///
    /// let network = Network::builder(2).output(1, Activation::Tanh).build()?;
    /// let bytes = network.encode_with([("inputs", "warmth in °C, light in hours")])?;
    /// let (_, texts) = Network::decode_with(&bytes)?;
    /// assert_eq!(texts["inputs"], "warmth in °C, light in hours");
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or a text has a key that this library uses itself, such as `impasto`.
    pub fn encode_with(
        &self,
        texts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Vec<u8>> {
        self.encode_compact(ParameterBits::ThirtyTwo, texts)
    }

    /// [`decode`](Self::decode) with the texts that were saved with the network.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with(bytes: &[u8]) -> Result<(Self, HashMap<String, String>)> {
        network_from(bytes, None)
            .map(|(network, texts, _)| (network, texts))
            .map_err(|reason| Error::Format(format!("this is no saved network: {reason}")))
    }
}

/// Texts of the caller's, under keys that this library does not use.
fn own_texts(
    texts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> std::result::Result<HashMap<String, String>, String> {
    let texts = texts.into_iter();
    let texts: HashMap<String, String> =
        texts.map(|(key, text)| (key.as_ref().into(), text.as_ref().into())).collect();
    match [KEY, description::RUN_KEY, checksum::KEY].iter().find(|key| texts.contains_key(**key)) {
        Some(key) => Err(format!(
            "the key '{key}' of the metadata holds what this library writes about the network: choose another \
             key for a text of your own"
        )),
        None => Ok(texts),
    }
}

/// The file's bytes, or why there are none.
fn to_bytes(
    network: &Network,
    extra: &HashMap<String, String>,
    more: &[Tensor],
    size: ParameterBits,
) -> std::result::Result<Vec<u8>, String> {
    if let Some(place) =
        network.parameters().iter().position(|parameter| !(*parameter as f32).is_finite())
    {
        return Err(format!(
            "parameter {place} is {:e}, outside the range of f32",
            network.parameters()[place]
        ));
    }
    let (parameters, ranges) = match size {
        ParameterBits::Sixteen => (bits::halves(network)?, Ranges::new()),
        ParameterBits::Eight => bits::bytes(network)?,
        ParameterBits::ThirtyTwo => {
            let all = tensors_of(network.segments(), network.parameters(), "", Dtype::F32)?;
            (all, Ranges::new())
        }
    };
    let description = Description {
        format: 1,
        inputs: network.inputs(),
        encoding: network.encoding().clone(),
        activations: network.layers().iter().map(|layer| layer.activation).collect(),
        dropout: if network.layers().iter().any(|layer| layer.dropout > 0.0) {
            network.layers().iter().map(|layer| layer.dropout).collect()
        } else {
            Vec::new()
        },
        frozen: if network.layers().iter().any(|layer| layer.frozen) {
            network.layers().iter().map(|layer| layer.frozen).collect()
        } else {
            Vec::new()
        },
        epochs: network.epochs_trained(),
        ranges,
    };
    let mut metadata = extra.clone();
    metadata.insert(checksum::KEY.into(), checksum::ZEROS.into());
    metadata.insert(KEY.into(), serde_json::to_string(&description).map_err(|e| e.to_string())?);
    let mut views = Vec::new();
    for Tensor { name, shape, dtype, bytes } in parameters.iter().chain(more) {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| e.to_string())?;
        views.push((name, view));
    }
    // Before the crate `safetensors` refuses a header of 100 MB.
    let texts = metadata.iter().fold(0, |sum, (key, text)| sum + key.len() + text.len());
    if texts > MOST_HEADER_BYTES {
        return Err(too_long());
    }
    // The file, and once more with its header sorted.
    let all = parameters.iter().chain(more);
    let file = all.map(|tensor| tensor.bytes.len() + ENTRY).fold(texts, usize::saturating_add);
    check_room(file.saturating_mul(2), "the bytes of the file")?;
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())?;
    let mut bytes = with_sorted_header(&bytes)?;
    checksum::write(&mut bytes);
    Ok(bytes)
}

/// So many zeros, for parameters or the like.
fn zeros(count: usize) -> std::result::Result<Vec<f64>, String> {
    let what = format_args!("a vector of {count} parameters");
    memory::zeros(count, what, MORE).map_err(|error| error.to_string())
}

/// An error, for `what`, if there is no memory for so many bytes.
fn check_room(bytes: usize, what: &str) -> std::result::Result<(), String> {
    let mut need = Need::default();
    need.add(1, bytes, MORE);
    need.check(what).map_err(|error| error.to_string())
}

/// The same file with the keys of its header in order, so that the same network always gives the
/// same bytes: safetensors writes the metadata in the order of a hash map.
fn with_sorted_header(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let (start, _) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let (header, data) = bytes[8..].split_at(start);
    // A JSON object of serde_json is a sorted map.
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|e| e.to_string())?;
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > MOST_HEADER_BYTES {
        return Err(too_long());
    }
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, data].concat())
}

/// Why texts cannot be saved: no file may have such a header.
fn too_long() -> String {
    format!(
        "the texts of the metadata take more than {} MB: save them in a file of their own",
        MOST_HEADER_BYTES >> 20
    )
}

/// The network in a file, its texts, and notes for the user.
pub(crate) type Found = (Network, HashMap<String, String>, Vec<String>);

/// [`Found`] in the file at `path`.
pub(crate) fn found_in_file(path: &Path, import: Option<&Import>) -> Result<Found> {
    let (bytes, header) = read_file(path, MOST_BYTES)?;
    found_in(&bytes, &header, import)
        .map_err(|reason| Error::Checkpoint { path: path.into(), reason })
}

/// [`Found`] in a stream, of which no more is read than a network may have.
#[cfg(feature = "pictures")]
pub(crate) fn found_in_stream(reader: impl Read, import: &Import) -> Result<Found> {
    let name = Path::new("the network");
    let (bytes, header) =
        header::read(reader, None, MOST_BYTES).map_err(|failure| failure.of(name))?;
    found_in(&bytes, &header, Some(import))
        .map_err(|reason| Error::Checkpoint { path: name.into(), reason })
}

/// [`Found`] in the bytes of a file.
fn network_from(bytes: &[u8], import: Option<&Import>) -> std::result::Result<Found, String> {
    found_in(bytes, &Header::of(bytes)?, import)
}

/// [`from_bytes`] without the description of a saved run among the texts.
fn found_in(
    bytes: &[u8],
    header: &Header,
    import: Option<&Import>,
) -> std::result::Result<Found, String> {
    let (network, mut texts, notes) = from_bytes(bytes, header, import)?;
    texts.remove(description::RUN_KEY);
    Ok((network, texts, notes))
}

/// The network in a file's bytes, or why there is none. `import` completes a file that does not describe it.
fn from_bytes(
    bytes: &[u8],
    header: &Header,
    import: Option<&Import>,
) -> std::result::Result<Found, String> {
    let tensors = header.tensors(bytes);
    checksum::check(bytes)?;
    let mut metadata = header.texts();
    metadata.remove(checksum::KEY);
    let text = metadata.remove(KEY);
    let describes_itself = text.is_some();
    let all = tensors.names();
    // The state of a saved run is not part of its network.
    let of_network = |name: &&str| !describes_itself || !name.starts_with("training.");
    let own_names: Vec<&str> = all.iter().map(String::as_str).filter(of_network).collect();
    let names = Names::of(&own_names)?;
    let description = match (text, import) {
        (Some(text), import) => {
            let description: Description =
                serde_json::from_str(&text).map_err(|e| format!("its 'impasto' entry: {e}"))?;
            import.map_or(Ok(()), |import| import.check(&description))?;
            description
        }
        (None, Some(import)) => import.describe(&names, tensors)?,
        (None, None) => {
            return Err(format!("its metadata has no 'impasto' entry, {NO_ACTIVATION}"));
        }
    };
    if description.format != 1 {
        return Err(format!("its format is {}, from a later version", description.format));
    }
    let (layers, rates) = (description.activations.len(), description.dropout.len());
    if rates != 0 && rates != layers {
        return Err(format!("its 'impasto' entry has dropout rates of {rates} of {layers} layers"));
    }
    // The shapes in the file, whose size is known, are checked before a network is built.
    let mut builder = Network::builder(description.inputs)
        .encoding(description.encoding.clone())
        .weights(Initialization::Zeros);
    description.encoding.check(description.inputs).map_err(|e| e.to_string())?;
    for (number, leaf) in description.encoding.leaves(description.inputs).all.iter().enumerate() {
        if let Some(grid) = leaf.grid() {
            let shape = [leaf.table.len() / grid.features, grid.features];
            let (_, table) = tensor(tensors, &names, &segment::table_name(number))?;
            if table.shape() != shape {
                return Err(format!(
                    "encoding {number} has a table {:?}, not {shape:?}",
                    table.shape()
                ));
            }
        }
    }
    let mut fan_in = description.encoding.outputs(description.inputs);
    for (l, activation) in description.activations.iter().enumerate() {
        let (_, weight) = tensor(tensors, &names, &segment::weight_name(l))?;
        let &[fan_out, inputs] = weight.shape() else {
            return Err(format!("layer {l} has weights {:?}, which are no matrix", weight.shape()));
        };
        let name = segment::bias_name(l);
        let bias = names.find(&name).is_some();
        let biases =
            if bias { tensor(tensors, &names, &name)?.1.shape().to_vec() } else { vec![fan_out] };
        if inputs != fan_in || biases != [fan_out] {
            return Err(format!(
                "layer {l} has weights {:?} and biases {biases:?}, not [{fan_out}, {fan_in}] and \
                 [{fan_out}]",
                weight.shape()
            ));
        }
        builder = builder.layer(fan_out, *activation, bias);
        if let Some(rate) = description.dropout.get(l) {
            builder = builder.dropout(*rate);
        }
        fan_in = fan_out;
    }
    let mut network = builder.build().map_err(|e| e.to_string())?;
    let segments = || network.segments().iter().map(|segment| &*segment.name);
    let notes = if describes_itself {
        let is_run = metadata.contains_key(description::RUN_KEY);
        notes::of(names.unused(segments()), &all, segments, is_run, layers)
    } else {
        names.check_only(segments())?;
        Vec::new()
    };
    let mut parameters = zeros(network.parameters().len())?;
    for segment in network.segments() {
        let (name, tensor) = tensor(tensors, &names, &segment.name)?;
        let numbers = &mut parameters[segment.range.clone()];
        let read = numbers_of_bytes(name, &segment.name, &tensor, &description)?;
        let read = read.map_or_else(|| numbers_of(name, &tensor), Ok)?;
        check_range(name, &read)?;
        places_in_file(segment).zip(read).for_each(|(at, value)| numbers[at] = value);
    }
    network.set_parameters(&parameters).map_err(|e| e.to_string())?;
    if description.epochs > MOST_EPOCHS {
        return Err(format!("its 'impasto' entry counts {} epochs", description.epochs));
    }
    network.set_epochs_trained(description.epochs);
    freeze(&mut network, description.frozen)?;
    Ok((network, metadata, notes))
}

/// Freezes the layers of a file that has frozen ones.
fn freeze(network: &mut Network, all: Vec<bool>) -> std::result::Result<(), String> {
    let layers = network.layers().len();
    if !all.is_empty() && all.len() != layers {
        return Err(format!("its 'impasto' entry freezes or not {} of {layers} layers", all.len()));
    }
    for (layer, frozen) in all.into_iter().enumerate() {
        if frozen {
            network.freeze(layer..layer + 1).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// The tensor that has this name in files of this library, after its name in this file.
fn tensor<'a, 'b>(
    tensors: Tensors<'a>,
    names: &'b Names,
    own: &str,
) -> std::result::Result<(&'b str, TensorView<'a>), String> {
    let name = names.find(own).ok_or_else(|| format!("it lacks the tensor {own}"))?;
    Ok((name, tensors.tensor(name).ok_or_else(|| format!("it lacks the tensor {name}"))?))
}
