//! Tests of networks in files.

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
        let bytes =
            to_bytes(&network, &HashMap::new(), &[], ParameterBits::ThirtyTwo).expect("written");
        network_from(&bytes, None).map(|(network, ..)| network.epochs_trained())
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
    let (back, metadata, notes) = network_from(&bytes, None).expect("read");
    assert_eq!((metadata, notes.len()), (extra.clone(), 0));
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
    let expected = "the network cannot be saved: the texts of the metadata take more than 16 MB: save \
                    them in a file of their own";
    // One that the header holds, one that it would hold alone, one that is twice as long in JSON, and a longer one.
    let network = network();
    let most = MOST_HEADER_BYTES;
    for (text, fits) in [
        ("x".repeat(most - 4096), true),
        ("x".repeat(most - 8), false),
        ("\n".repeat(most - 4096), false),
        ("x".repeat(100_000_000), false),
    ] {
        match network.encode_with([("text", text)]) {
            Ok(bytes) => assert!(fits && Network::decode(&bytes).is_ok()),
            Err(refused) => assert!(!fits && refused.to_string() == expected, "{refused}"),
        }
    }
}

#[test]
fn foreign_broken_and_hostile_files_are_refused() {
    let bytes =
        to_bytes(&network(), &HashMap::new(), &[], ParameterBits::ThirtyTwo).expect("written");
    for length in [0, 7, 8, 40, bytes.len() - 1] {
        assert!(network_from(&bytes[..length], None).is_err(), "{length} bytes");
    }
    // Every byte of the header in turn: an error or a network, never a panic.
    for position in 0..bytes.len().min(700) {
        let mut changed = bytes.clone();
        changed[position] ^= 0x15;
        let _ = network_from(&changed, None);
    }
    let view = |data| TensorView::new(Dtype::F32, vec![1, 1], data).expect("a tensor");
    let zero = [0_u8; 4];
    let description = |text: &str| {
        let metadata = HashMap::from([(KEY.to_string(), text.to_string())]);
        let tensors = [("layers.0.weight", view(&zero)), ("layers.0.bias", view(&zero))];
        let bytes = safetensors::serialize(tensors, Some(metadata)).expect("written");
        network_from(&bytes, None).expect_err("refused")
    };
    assert!(description("{}").contains("entry"));
    let huge = r#"{"format":1,"inputs":18446744073709551615,"encoding":{"fourier":{"features":9223372036854775807,"scale":1.0,"seed":1}},"activations":["relu"]}"#;
    assert!(description(huge).contains("layer 0"));
}
