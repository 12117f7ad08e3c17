//! The texts of the kernels: every template filled in every configuration, and one generated text
//! beside the file in which it was last reviewed.

use super::candidates::candidates;
use super::kernels::{self, KernelKey};
use super::layout::Layout;
use super::shape::{Abilities, Shapes};
use super::specialise::{self, Kind, Purpose, Samples};
use super::update::{Norms, Update};
use crate::activation::Activation;
use crate::dataset::Grid;
use crate::encoding::Encoding;
use crate::engine::Output;
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::wrapper::Wrapper;
use crate::wrappers::Wrappers;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Devices on which other shapes are tried: GPUs, and software adapters without and with subgroups.
fn devices() -> Vec<Abilities> {
    let kinds = [(false, 0, 8), (true, 0, 4), (true, 0, 8), (true, 4, 4), (true, 8, 8)];
    let device = |(software, broadcast, vector)| Abilities {
        limits: wgpu::Limits::default(),
        software,
        broadcast,
        vector,
        most_turns: usize::MAX,
    };
    kinds.map(device).to_vec()
}

/// A network with these hidden layers and three outputs.
fn network(inputs: usize, hidden: &[usize], activation: Activation, output: Activation) -> Network {
    let builder = hidden
        .iter()
        .fold(Network::builder(inputs), |builder, width| builder.layer(*width, activation, true));
    builder.layer(3, output, true).build().expect("a network")
}

/// Networks and losses that meet every condition of the templates.
fn networks() -> Vec<(Network, Loss)> {
    let mut all = vec![
        (network(2, &[8], Activation::Tanh, Activation::Sigmoid), Loss::MeanSquaredError),
        (network(5, &[40, 33], Activation::Relu, Activation::Softmax), Loss::L1),
        (network(7, &[], Activation::Tanh, Activation::Gelu), Loss::Huber { delta: 0.5 }),
        (network(7, &[128], Activation::Gelu, Activation::Identity), Loss::SoftmaxCrossEntropy),
    ];
    let dropping = Network::builder(2).hidden(&[8, 5], Activation::Relu).dropout(0.25);
    let dropping = dropping.output(3, Activation::Identity).build().expect("a network");
    all.push((dropping, Loss::MeanSquaredError));
    let waves = Encoding::ALL.iter().copied().filter(|encoding| *encoding != Encoding::Identity);
    all.extend(waves.map(|encoding| {
        let builder = Network::builder(2).encoding(encoding).layer(16, Activation::Tanh, false);
        let network = builder.layer(1, Activation::Identity, true).build().expect("a network");
        (network, Loss::MeanSquaredError)
    }));
    all
}

/// The fused kernels of a network, training and predicting, in every shape.
fn fused(network: &Network, loss: Loss) -> Vec<Result<KernelKey>> {
    let picture = Kind::Picture(Grid { width: 5, scale: [0.5, 0.25], origin: -1.0 });
    let each =
        [Kind::Table, picture].map(|kind| [false, true].map(|weighted| Samples { kind, weighted }));
    let purposes = [
        Purpose::Training(loss),
        Purpose::Prediction(Output::Logits),
        Purpose::Prediction(Output::Activated),
    ];
    let layout = Layout::new(network, 100);
    let mut seen = Vec::new();
    let mut keys = Vec::new();
    for shapes in devices().iter().flat_map(|device| candidates(device, &layout)) {
        let Shapes { step, gradients, slice } = shapes;
        if seen.contains(&shapes) {
            continue;
        }
        seen.push(shapes);
        for purpose in purposes {
            for samples in each.as_flattened().iter().copied() {
                keys.push(specialise::step(network, &layout, step, samples, purpose));
            }
        }
        keys.push(specialise::weight_gradients(&layout, gradients, slice as usize, step));
    }
    keys
}

/// The kernels of every optimizer, with every set of wrappers around it.
fn updates() -> Vec<Result<KernelKey>> {
    let mut keys = Vec::new();
    for optimizer in Optimizer::ALL.iter().copied() {
        for set in 0..1 << Wrapper::ALL.len() {
            let is_in = |(place, _): &(usize, &Wrapper)| set & (1 << place) != 0;
            let some = Wrapper::ALL.iter().enumerate().filter(is_in).map(|(_, wrapper)| *wrapper);
            let wrappers = Wrappers::new(some).expect("all different");
            let update = Update { optimizer, wrappers };
            keys.push(update.key());
            keys.extend(update.norms().map(|norms| update.norms_key(norms)));
        }
    }
    let clipped = Wrappers::new(["clip-norm".parse().expect("a wrapper")]).expect("one");
    let update = Update { wrappers: clipped, ..Update::plain(Optimizer::SGD) };
    keys.extend([Norms::Whole, Norms::Given].map(|norms| update.norms_key(norms)));
    keys
}

/// Every kernel of the engine, those that are written for one network for some.
pub(super) fn all() -> impl Iterator<Item = KernelKey> {
    let fused = networks().into_iter().flat_map(|(network, loss)| fused(&network, loss));
    let all = kernels::general().chain(updates()).chain(fused);
    all.map(|key| key.expect("a template without mistakes"))
}

#[test]
fn every_template_can_be_filled() {
    let mut names = BTreeSet::new();
    for key in all() {
        names.insert(key.name);
        let text = key.clone().into_text();
        assert!(!text.contains("${"), "{key}:\n{text}");
    }
    assert!(kernels::SOURCES.iter().all(|source| names.contains(source.name)), "{names:?}");
}

/// The fused kernels of a small network, beside the files in `texts/`. If they are meant to change, run
/// the test with `IMPASTO_WRITE_GOLDEN=1`, which writes the files, and review their difference.
#[test]
fn the_fused_kernels_are_those_that_were_reviewed() {
    let network = network(2, &[8], Activation::Tanh, Activation::Sigmoid);
    let layout = Layout::new(&network, 1024);
    let Shapes { step, gradients, slice } = candidates(&devices()[0], &layout)[0];
    let purpose = Purpose::Training(Loss::MeanSquaredError);
    let pass = specialise::step(&network, &layout, step, Samples::TABLE, purpose);
    let gradients = specialise::weight_gradients(&layout, gradients, slice as usize, step);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/gpu/texts");
    for key in [pass, gradients] {
        let key = key.expect("a template without mistakes");
        let path = folder.join(format!("{}.wgsl", key.name));
        let text = key.into_text();
        if std::env::var("IMPASTO_WRITE_GOLDEN").is_ok_and(|value| value == "1") {
            fs::write(&path, &text).expect("the file is written");
        }
        let reviewed = fs::read_to_string(&path).expect("the file is there");
        let differs = text.lines().zip(reviewed.lines()).zip(1..).find(|((a, b), _)| a != b);
        assert!(differs.is_none(), "{}, line {differs:?}", path.display());
        assert_eq!(text.lines().count(), reviewed.lines().count(), "{}", path.display());
    }
}
