//! Networks in files: safetensors, with PyTorch's names and orientation, so that
//! `torch.nn.Linear` loads them. `layers.0.weight` is `[fan_out, fan_in]`, `layers.0.bias` is
//! `[fan_out]`, both f32 unless fewer bits are asked for ([`ParameterBits`]). A layer without biases has no
//! such tensor. The metadata contains the rest of the network as JSON under `impasto`.

pub(crate) mod bits;
mod checksum;
mod compact;
mod description;
pub(crate) mod import;
mod names;
mod tensors;
mod training;

use crate::error::{Error, Result};
use crate::initialization::Initialization;
use crate::network::Network;
use crate::segment;
use bits::{ParameterBits, numbers_of_bytes};
use description::{Description, Ranges};
use import::{Import, NO_ACTIVATION};
use names::Names;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;
use tensors::{Tensor, check_range, numbers_of, places_in_file, tensors_of};

/// The metadata's key.
const KEY: &str = "impasto";

/// The most bytes a file may have: the largest network, and room for the header.
const MOST_BYTES: u64 = 4 * (1 << 28) + (100 << 20);

/// The most epochs that a network may have been trained for.
const MOST_EPOCHS: u64 = 1 << 53;

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
    /// The file cannot be written, a parameter is outside the range of f32, or a layer has an activation of
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
    /// The file cannot be read, or contains no such network.
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
        let path = path.as_ref();
        let bytes = read_file(path, MOST_BYTES)?;
        network_from(&bytes, None).map_err(|reason| Error::Checkpoint { path: path.into(), reason })
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
        let path = path.as_ref();
        let bytes = read_file(path, MOST_BYTES)?;
        network_from(&bytes, Some(import))
            .map_err(|reason| Error::Checkpoint { path: path.into(), reason })
    }

    /// [`import`](Self::import) from the bytes of a file. See [`import`](Self::import) for an example.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_bytes(bytes: &[u8], import: &Import) -> Result<(Self, HashMap<String, String>)> {
        network_from(bytes, Some(import))
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
    /// The network is too large for the format, a parameter is outside the range of f32, or a layer has an
    /// activation of the caller's.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.encode_with([("", ""); 0])
    }

    /// The network in the bytes of a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// The bytes contain no such network.
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

/// The bytes of a regular file of at most so many.
fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let unreadable = |source| Error::File { action: "read", path: path.into(), source };
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        let reason = "it is no regular file".into();
        return Err(Error::Checkpoint { path: path.into(), reason });
    }
    let size = found.len();
    if size > most {
        return Err(Error::TooLarge {
            what: path.display().to_string(),
            needed: size,
            limit: most,
            advice: "it is no network this version can read".into(),
        });
    }
    std::fs::read(path).map_err(unreadable)
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
        ParameterBits::Sixteen => (bits::halves(network), Ranges::new()),
        ParameterBits::Eight => bits::bytes(network),
        ParameterBits::ThirtyTwo => {
            let all = tensors_of(network.segments(), network.parameters(), "", Dtype::F32);
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
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| match error {
        SafeTensorError::HeaderTooLarge => {
            "the texts of the metadata take more than 100 MB: save them in a file of their own"
                .into()
        }
        other => other.to_string(),
    })?;
    let mut bytes = with_sorted_header(&bytes)?;
    checksum::write(&mut bytes);
    Ok(bytes)
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
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, data].concat())
}

/// [`from_bytes`] without the description of a saved run among the texts.
fn network_from(
    bytes: &[u8],
    import: Option<&Import>,
) -> std::result::Result<(Network, HashMap<String, String>), String> {
    let (network, mut texts) = from_bytes(bytes, import)?;
    texts.remove(description::RUN_KEY);
    Ok((network, texts))
}

/// The network in a file's bytes, or why there is none. `import` completes a file that does not describe it.
fn from_bytes(
    bytes: &[u8],
    import: Option<&Import>,
) -> std::result::Result<(Network, HashMap<String, String>), String> {
    refuse_pickles(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    checksum::check(bytes)?;
    let mut metadata = header.metadata().clone().unwrap_or_default();
    metadata.remove(checksum::KEY);
    let text = metadata.remove(KEY);
    let names = tensors.names();
    // The state of a saved run is not part of its network.
    let of_network = |name: &&&str| text.is_none() || !name.starts_with("training.");
    let names = Names::of(&names.iter().filter(of_network).copied().collect::<Vec<_>>())?;
    let description = match (text, import) {
        (Some(text), import) => {
            let description: Description =
                serde_json::from_str(&text).map_err(|e| format!("its 'impasto' entry: {e}"))?;
            import.map_or(Ok(()), |import| import.check(&description))?;
            description
        }
        (None, Some(import)) => import.describe(&names, &tensors)?,
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
            let (_, table) = tensor(&tensors, &names, &segment::table_name(number))?;
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
        let (_, weight) = tensor(&tensors, &names, &segment::weight_name(l))?;
        let &[fan_out, inputs] = weight.shape() else {
            return Err(format!("layer {l} has weights {:?}, which are no matrix", weight.shape()));
        };
        let name = segment::bias_name(l);
        let bias = names.find(&name).is_some();
        let biases =
            if bias { tensor(&tensors, &names, &name)?.1.shape().to_vec() } else { vec![fan_out] };
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
    if import.is_some() {
        names.check_only(network.segments().iter().map(|segment| &*segment.name))?;
    }
    let mut parameters = vec![0.0; network.parameters().len()];
    for segment in network.segments() {
        let (name, tensor) = tensor(&tensors, &names, &segment.name)?;
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
    if !description.frozen.is_empty() && description.frozen.len() != layers {
        return Err(format!(
            "its 'impasto' entry freezes or not {} of {layers} layers",
            description.frozen.len()
        ));
    }
    for (layer, frozen) in description.frozen.into_iter().enumerate() {
        if frozen {
            network.freeze(layer..layer + 1).map_err(|e| e.to_string())?;
        }
    }
    Ok((network, metadata))
}

/// The tensor that has this name in files of this library, after its name in this file.
fn tensor<'a, 'b>(
    tensors: &SafeTensors<'a>,
    names: &'b Names,
    own: &str,
) -> std::result::Result<(&'b str, TensorView<'a>), String> {
    let name = names.find(own).ok_or_else(|| format!("it lacks the tensor {own}"))?;
    Ok((name, tensors.tensor(name).map_err(|e| format!("{name}: {e}"))?))
}

/// An error if these are the bytes of a file that PyTorch wrote with Python's pickle.
fn refuse_pickles(bytes: &[u8]) -> std::result::Result<(), String> {
    // A ZIP archive, or the older format: a pickle of protocol 2 alone. In a file of safetensors, these bytes are the
    // length of the header, whose upper half is 0.
    let is_length = bytes.get(4..8) == Some(&[0; 4]);
    if !is_length && [&b"PK\x03\x04"[..], b"\x80\x02"].iter().any(|s| bytes.starts_with(s)) {
        return Err("it is a file of torch.save, which is not read: convert it in Python with \
             safetensors.torch.save_file(torch.load('network.pt', weights_only=True), \
             'network.safetensors')"
            .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::encoding::Encoding;

    fn network() -> Network {
        Network::builder(2)
            .encoding(Encoding::Frequency { octaves: 2 })
            .hidden(&[3], Activation::LeakyRelu { slope: 0.25 })
            .output(2, Activation::Identity)
            .build()
            .expect("a small network")
    }

    #[test]
    fn more_epochs_than_there_can_be_are_refused() {
        let read = |epochs| {
            let mut network = network();
            network.set_epochs_trained(epochs);
            let bytes = to_bytes(&network, &HashMap::new(), &[], ParameterBits::ThirtyTwo)
                .expect("written");
            from_bytes(&bytes, None).map(|(network, _)| network.epochs_trained())
        };
        assert_eq!(read(MOST_EPOCHS), Ok(MOST_EPOCHS));
        let error = read(u64::MAX).expect_err("refused");
        assert!(error.contains("counts 18446744073709551615 epochs"), "{error}");
    }

    #[test]
    fn a_network_comes_back_as_it_was_to_single_precision() {
        let network = network();
        let extra = HashMap::from([("picture".to_string(), "of a duck".to_string())]);
        let bytes = to_bytes(&network, &extra, &[], ParameterBits::ThirtyTwo).expect("written");
        let (back, metadata) = from_bytes(&bytes, None).expect("read");
        assert_eq!(metadata, extra);
        for _ in 0..8 {
            assert_eq!(
                to_bytes(&network, &extra, &[], ParameterBits::ThirtyTwo).expect("written"),
                bytes
            );
        }
        assert_eq!((back.layers(), back.encoding()), (network.layers(), network.encoding()));
        let rounded: Vec<f64> = network.parameters().iter().map(|p| f64::from(*p as f32)).collect();
        assert_eq!(back.parameters(), rounded);
        let tensors = SafeTensors::deserialize(&bytes).expect("read");
        let weight = tensors.tensor("layers.0.weight").expect("there");
        assert_eq!(weight.shape(), [3, 8]);
        // PyTorch's weight[out = 1, in = 2] is our weights[in = 2, out = 1].
        let flat: Vec<f64> = numbers_of("weight", &weight).expect("numbers");
        assert_eq!(flat[8 + 2], rounded[2 * 3 + 1]);
    }

    #[test]
    fn dropout_is_saved_where_there_is_any() {
        let builder = || Network::builder(2).hidden(&[3, 4], Activation::Relu);
        let network = |builder: crate::Builder| {
            builder.output(1, Activation::Identity).build().expect("a network")
        };
        let dropping = network(builder().dropout(0.25));
        let bytes = dropping.encode().expect("encodes");
        assert_eq!(Network::decode(&bytes).expect("decodes").layers(), dropping.layers());
        let header = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(header(&bytes).contains("[0.25,0.25,0.0]"));
        let bytes = network(builder()).encode().expect("encodes");
        assert!(!header(&bytes).contains("dropout"));
    }

    #[test]
    fn layers_without_biases_have_no_tensor_of_them() {
        let network = Network::builder(2)
            .layer(3, Activation::Tanh, false)
            .layer(4, Activation::Tanh, true)
            .layer(1, Activation::Identity, false)
            .biases(Initialization::Uniform { low: -1.0, high: 1.0 })
            .build()
            .expect("a small network");
        let bytes = network.encode().expect("written");
        let tensors = SafeTensors::deserialize(&bytes).expect("read");
        let mut names = tensors.names();
        names.sort_unstable();
        let weights = ["layers.0.weight", "layers.1.weight", "layers.2.weight"];
        assert_eq!(names, [weights[0], "layers.1.bias", weights[1], weights[2]]);
        let back = Network::decode(&bytes).expect("read");
        assert_eq!(back.layers(), network.layers());
        let rounded: Vec<f64> = network.parameters().iter().map(|p| f64::from(*p as f32)).collect();
        assert_eq!(back.parameters(), rounded);
    }

    #[test]
    fn metadata_under_the_key_of_the_description_is_refused() {
        let extra = HashMap::from([(KEY.to_string(), "of a duck".to_string())]);
        let message = network().encode_with(&extra).expect_err("refused").to_string();
        assert!(message.contains("the key 'impasto'") && message.contains("another"), "{message}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("duck.safetensors");
        let refused = network().save_with(&path, &extra).expect_err("refused");
        assert_eq!(refused.to_string(), message);
        assert!(!path.exists());
    }

    #[test]
    fn texts_that_are_too_long_for_a_file_are_refused() {
        let long = "x".repeat(100_000_000);
        let message = network().encode_with([("text", long)]).expect_err("refused").to_string();
        let expected = "the network cannot be saved: the texts of the metadata take more than 100 MB: save \
                        them in a file of their own";
        assert_eq!(message, expected);
    }

    #[test]
    fn foreign_broken_and_hostile_files_are_refused() {
        let bytes =
            to_bytes(&network(), &HashMap::new(), &[], ParameterBits::ThirtyTwo).expect("written");
        for length in [0, 7, 8, 40, bytes.len() - 1] {
            assert!(from_bytes(&bytes[..length], None).is_err(), "{length} bytes");
        }
        // Every byte of the header in turn: an error or a network, never a panic.
        for position in 0..bytes.len().min(700) {
            let mut changed = bytes.clone();
            changed[position] ^= 0x15;
            let _ = from_bytes(&changed, None);
        }
        let view = |data| TensorView::new(Dtype::F32, vec![1, 1], data).expect("a tensor");
        let zero = [0_u8; 4];
        let description = |text: &str| {
            let metadata = HashMap::from([(KEY.to_string(), text.to_string())]);
            let tensors = [("layers.0.weight", view(&zero)), ("layers.0.bias", view(&zero))];
            let bytes = safetensors::serialize(tensors, Some(metadata)).expect("written");
            from_bytes(&bytes, None).expect_err("refused")
        };
        assert!(description("{}").contains("entry"));
        let huge = r#"{"format":1,"inputs":18446744073709551615,"encoding":{"fourier":{"features":9223372036854775807,"scale":1.0,"seed":1}},"activations":["relu"]}"#;
        assert!(description(huge).contains("layer 0"));
    }
}
