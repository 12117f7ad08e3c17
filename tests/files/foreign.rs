//! Networks that other programs saved.

use super::fixture;
use impasto::{Activation, Encoding, Import, Network, Subject};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;
use std::fs;

/// What is not in a file that PyTorch wrote.
const RELU: Import =
    Import { activation: Some(Activation::Relu), output: None, encoding: None, inputs: None };

/// The bytes of a file with these tensors, of which each number is 1/8 more than the one before.
fn file(tensors: &[(&str, Dtype, &[usize])], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut next = 0;
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, dtype, shape)| {
            let count: usize = shape.iter().product();
            let numbers = (next..next + count).map(|i| i as f64 / 8.0);
            next += count;
            numbers.flat_map(|number| encoded(*dtype, number)).collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, dtype, shape), bytes)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
    });
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect();
    serialize(views, (!metadata.is_empty()).then_some(metadata)).unwrap()
}

fn encoded(dtype: Dtype, number: f64) -> Vec<u8> {
    let single = (number as f32).to_bits();
    match dtype {
        Dtype::F64 => number.to_le_bytes().to_vec(),
        Dtype::F32 => single.to_le_bytes().to_vec(),
        Dtype::BF16 => ((single >> 16) as u16).to_le_bytes().to_vec(),
        // Exponents of f16 have 5 bits and a bias of 15; those of f32 have 8 bits and a bias of 127.
        Dtype::F16 if number == 0.0 => vec![0, 0],
        Dtype::F16 => (((single >> 13) - (112 << 10)) as u16).to_le_bytes().to_vec(),
        other => vec![0; other.bitsize() / 8],
    }
}

fn imported(bytes: &[u8], import: &Import) -> Network {
    Network::import_bytes(bytes, import).unwrap().0
}

fn refused(bytes: &[u8], import: &Import) -> String {
    let reason = Network::import_bytes(bytes, import).unwrap_err().to_string();
    assert!(!reason.contains('\n'), "{reason}");
    reason
}

const F32: Dtype = Dtype::F32;

#[test]
fn what_users_reported_can_be_opened() {
    let names = ["no-metadata", "sequential-no-meta"];
    let [plain, sequential] = names.map(|name| {
        let path = fixture(&format!("{name}.safetensors"));
        let reason = Network::load(&path).unwrap_err().to_string();
        assert!(reason.contains("--activation"), "{reason}");
        let missing = Subject::import(&path, &RELU, None).unwrap_err().to_string();
        assert!(missing.contains("--size"), "{missing}");
        let (network, subject) = Subject::import(&path, &RELU, Some((48, 32))).unwrap();
        assert_eq!((subject.width, subject.height, subject.channels), (48, 32, 3));
        network
    });
    let (compiled, subject) = Subject::load(fixture("orig-mod.safetensors")).unwrap();
    assert_eq!((subject.width, subject.height, subject.channels), (48, 32, 3));
    let (half, _) = Subject::load(fixture("f16.safetensors")).unwrap();
    assert_eq!(plain, compiled);
    assert_eq!(plain, sequential);
    assert_eq!(plain.layers(), half.layers());
    for (half, full) in half.parameters().iter().zip(plain.parameters()) {
        assert!((half - full).abs() <= 2_f64.powi(-11) * full.abs() + 2_f64.powi(-25), "{full}");
    }
}

#[test]
fn every_kind_of_number_gives_the_same_network() {
    let networks = [Dtype::F64, F32, Dtype::F16, Dtype::BF16].map(|dtype| {
        let shapes: [(&str, Dtype, &[usize]); 3] = [
            ("net.0.weight", dtype, &[3, 2]),
            ("net.0.bias", dtype, &[3]),
            ("net.2.weight", dtype, &[1, 3]),
        ];
        imported(&file(&shapes, &[]), &RELU)
    });
    assert_eq!((networks[0].inputs(), networks[0].outputs()), (2, 1));
    assert!(networks[0].layers()[0].bias && !networks[0].layers()[1].bias);
    // [out, in] in the file: the first row has the weights of the first neuron.
    assert_eq!(networks[0].parameters()[..2], [0.0, 0.25]);
    assert!(networks.iter().all(|network| *network == networks[0]), "{networks:?}");
}

#[test]
fn the_caller_says_what_the_file_does_not() {
    let tensors: [(&str, Dtype, &[usize]); 2] =
        [("0.weight", F32, &[5, 8]), ("2.weight", F32, &[2, 5])];
    let bytes = file(&tensors, &[]);
    assert!(refused(&bytes, &Import::default()).contains("which activation"));
    let import = Import {
        activation: Some(Activation::Tanh),
        output: Some(Activation::Softmax),
        encoding: Some(Encoding::Frequency { octaves: 2 }.into()),
        inputs: None,
    };
    let network = imported(&bytes, &import);
    assert_eq!(
        (network.inputs(), network.encoding()),
        (2, &Encoding::Frequency { octaves: 2 }.into())
    );
    assert_eq!(network.layers()[0].activation, Activation::Tanh);
    assert_eq!(network.layers()[1].activation, Activation::Softmax);
    assert!(Subject::of_network(&network, 4, 4).unwrap().classify);
    let fourier = Encoding::Fourier { features: 4, scale: 1.0, seed: 1 };
    let import = Import { encoding: Some(fourier.into()), ..import };
    assert!(refused(&bytes, &import).contains("give the number of inputs"));
    assert_eq!(imported(&bytes, &Import { inputs: Some(3), ..import }).inputs(), 3);
    let import = Import { encoding: Some(Encoding::Frequency { octaves: 3 }.into()), ..import };
    assert!(refused(&bytes, &import).contains("its first layer has 8 inputs"));
    // One layer has no hidden activation.
    let linear: [(&str, Dtype, &[usize]); 2] = [("weight", F32, &[1, 2]), ("bias", F32, &[1])];
    assert_eq!(imported(&file(&linear, &[]), &Import::default()).parameters(), [0.0, 0.125, 0.25]);
}

#[test]
fn a_file_that_describes_itself_may_not_be_contradicted() {
    let network = Network::builder(2).hidden(&[3], Activation::Tanh).output(1, Activation::Sigmoid);
    let network = network.build().unwrap();
    let bytes = network.encode().unwrap();
    for import in [
        Import::default(),
        Import { activation: Some(Activation::Tanh), ..Import::default() },
        Import { output: Some(Activation::Sigmoid), inputs: Some(2), ..Import::default() },
    ] {
        assert_eq!(imported(&bytes, &import).layers(), network.layers());
    }
    for (import, expected) in [
        (RELU, "the activation of a hidden layer is tanh by its own metadata, not relu"),
        (
            Import { output: Some(Activation::Tanh), ..Import::default() },
            "the activation of the last layer is sigmoid by its own metadata, not tanh",
        ),
        (
            Import {
                encoding: Some(Encoding::Frequency { octaves: 4 }.into()),
                ..Import::default()
            },
            "the encoding is identity by its own metadata, not frequency:octaves=4",
        ),
        (
            Import { inputs: Some(3), ..Import::default() },
            "the number of inputs is 2 by its own metadata, not 3",
        ),
    ] {
        assert!(refused(&bytes, &import).ends_with(expected), "{}", refused(&bytes, &import));
    }
}

#[test]
fn our_metadata_survives_other_names() {
    let description =
        r#"{"format":1,"inputs":2,"encoding":"identity","activations":["tanh","identity"]}"#;
    let renamed = |tensors: &[(&str, Dtype, &[usize])]| {
        file(tensors, &[("impasto", description), ("note", "a")])
    };
    let bytes = renamed(&[
        ("_orig_mod.module.net.0.weight", F32, &[3, 2]),
        ("_orig_mod.module.net.2.weight", F32, &[1, 3]),
    ]);
    let (network, texts) = Network::decode_with(&bytes).unwrap();
    assert_eq!((network.layers().len(), &*texts["note"]), (2, "a"));
    let short = renamed(&[("net.0.weight", F32, &[3, 2])]);
    assert!(refused(&short, &Import::default()).contains("lacks the tensor layers.1.weight"));
}

/// A file with the description of the fixture's network, and these tensors more.
fn with_more(more: &[(&str, Dtype, &[usize])], texts: &[(&str, &str)]) -> Vec<u8> {
    let network = Network::builder(2).hidden(&[3], Activation::Relu);
    let network = network.output(1, Activation::Identity).build().unwrap();
    let bytes = network.encode().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let description = header.metadata().as_ref().unwrap()["impasto"].clone();
    let own: [(&str, Dtype, &[usize]); 4] = [
        ("layers.0.weight", F32, &[3, 2]),
        ("layers.0.bias", F32, &[3]),
        ("layers.1.weight", F32, &[1, 3]),
        ("layers.1.bias", F32, &[1]),
    ];
    let texts = [&[("impasto", description.as_str())][..], texts].concat();
    file(&[&own[..], more].concat(), &texts)
}

#[test]
fn tensors_that_are_not_used_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    let notes = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (network, _, notes) = Network::load_with_notes(&path).unwrap();
        assert_eq!(network.layers().len(), 2);
        // They are reported where the file describes itself, and refused where nothing does.
        assert!(Network::import(&path, &Import::default()).is_ok());
        notes
    };
    assert!(notes(&with_more(&[], &[])).is_empty());
    let layer = [("layers.2.weight", F32, &[1, 1][..]), ("layers.2.bias", F32, &[1])];
    let found = notes(&with_more(&layer, &[]));
    assert_eq!(
        found,
        [
            "2 tensors of the file are not used, since its metadata describes a network of 2 layers without them: \
          layers.2.bias, layers.2.weight"
        ]
    );
    let names = ["a", "b", "c", "d", "e"];
    let found = notes(&with_more(&names.map(|name| (name, F32, &[1][..])), &[]));
    assert!(
        found[0].starts_with("5 tensors") && found[0].ends_with(": a, b, c and 2 more"),
        "{found:?}"
    );
    // The state of a run, in a file with a run and in one without.
    let state = [
        ("training.vectors.0.layers.0.bias", F32, &[3][..]),
        ("training.vectors.0.layers.7.bias", F32, &[3]),
    ];
    let found = notes(&with_more(&state, &[("impasto-training", "{}")]));
    assert!(
        found[0].starts_with("1 tensor of the file is") && found[0].contains("layers.7"),
        "{found:?}"
    );
    assert!(notes(&with_more(&state, &[]))[0].starts_with("2 tensors of the file"));
}

#[test]
fn what_is_no_such_network_is_refused_with_a_reason() {
    let tensors = |tensors: &[(&str, Dtype, &[usize])]| refused(&file(tensors, &[]), &RELU);
    for (reason, expected) in [
        (
            tensors(&[("0.weight", F32, &[3, 2]), ("1.weight", F32, &[3])]),
            "weights [3], which are no matrix",
        ),
        (tensors(&[("0.weight", F32, &[3, 2]), ("2.weight", F32, &[1, 4])]), "not [1, 3]"),
        (tensors(&[("0.weight", F32, &[3, 2]), ("0.bias", F32, &[2])]), "biases [2]"),
        (tensors(&[("0.weight", Dtype::I64, &[3, 2])]), "0.weight is I64"),
        (
            tensors(&[("conv.weight", F32, &[3, 2]), ("head.weight", F32, &[1, 3])]),
            "it has the tensors conv.weight, head.weight",
        ),
        (
            tensors(&[("layers.0.weight", F32, &[3, 2]), ("layers.0.scale", F32, &[3])]),
            "layers.0.scale is not the weight or bias",
        ),
        (refused(&file(&[], &[]), &RELU), "no tensors"),
        (refused(b"PK\x03\x04 and so on", &RELU), "safetensors.torch.save_file"),
        (refused(b"\x80\x02\x8a\x0al\xfc", &RELU), "torch.load('network.pt', weights_only=True)"),
    ] {
        assert!(reason.contains(expected), "{reason}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.pt");
    fs::write(&path, b"PK\x03\x04 and so on").unwrap();
    let reason = Network::load(&path).unwrap_err().to_string();
    assert!(reason.contains("network.pt") && reason.contains("convert it in Python"), "{reason}");
}
