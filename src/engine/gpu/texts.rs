//! Tests of the kernel texts: every template in every configuration, bindings, golden files.
//! `translation` translates the same texts for every kind of driver.

use super::arguments::{Arguments, Field};
use super::candidates::{self, candidates};
use super::custom::tests as custom;
use super::encodings::{self, Inputs, SCATTERING};
use super::fused::{self, WIDEST};
use super::kernels::{self, Access, KernelKey, Source};
use super::layout::Layout;
use super::mixed::{
    self,
    layout::{MixedLayout, Tile},
};
use super::shape::{Abilities, Shapes, desktop_limits};
use super::specialize::{self, Kind, Purpose, Samples};
use super::step::StepData;
use super::twins::encodings::{ENCODINGS, network as encodings_network};
use super::update::{F16, Norms, Update};
use crate::activation::Activation;
use crate::dataset::{Grid, Packing};
use crate::encoding::Encoding;
use crate::engine::Output;
use crate::error::Result;
use crate::input_encoding::InputEncoding;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::wrapper::Wrapper;
use crate::wrappers::Wrappers;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{
    AddressSpace, ArraySize, Handle, Module, ScalarKind, StorageAccess, Type, TypeInner, front,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Devices on which other shapes are tried: GPUs with WebGPU's default limits and with more, without and with
/// subgroups, and software adapters without and with subgroups.
fn devices() -> Vec<Abilities> {
    let gpus = [wgpu::Limits::default(), desktop_limits()].map(Abilities::of_gpu);
    let split = gpus.clone().map(|gpu| Abilities { subgroup: 32, ..gpu });
    let software = [(0, 4), (0, 8), (4, 4), (8, 8)].map(|(broadcast, vector)| {
        let [gpu, _] = gpus.clone();
        Abilities { software: true, broadcast, vector, ..gpu }
    });
    gpus.into_iter().chain(software).chain(split).collect()
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
    let own = Network::builder(2).hidden(&[8], custom::activation(1.5));
    let own = own.hidden(&[5], custom::activation(2.5)).dropout(0.25);
    let own = own.output(3, custom::activation(3.5)).build().expect("a network");
    all.push((own, custom::loss(1.5)));
    let waves = Encoding::ALL.iter().copied().filter(|encoding| encoding.frequencies(2).is_some());
    let grid = "identity+grid:levels=3,log2_size=6".parse::<InputEncoding>().expect("an encoding");
    let grid = Network::builder(2).encoding(grid).hidden(&[8], Activation::Relu);
    let grid = grid.output(3, Activation::Identity).build().expect("a network");
    all.push((grid, Loss::MeanSquaredError));
    all.extend(waves.map(|encoding| {
        let builder = Network::builder(2).encoding(encoding).layer(16, Activation::Tanh, false);
        let network = builder.layer(1, Activation::Identity, true).build().expect("a network");
        (network, Loss::MeanSquaredError)
    }));
    all
}

/// The fused kernels of a network, training and predicting, in the first `most` shapes of each device.
fn fused(network: &Network, loss: Loss, most: usize) -> Vec<Result<KernelKey>> {
    let grid = Grid { width: 5, scale: [0.5, 0.25], origin: [-1.0, -0.5] };
    let picture = Kind::Picture(grid, Packing::BYTES);
    let each =
        [Kind::Table, picture].map(|kind| [false, true].map(|weighted| Samples { kind, weighted }));
    let purposes = [
        Purpose::Training(loss),
        Purpose::Evaluation(loss),
        Purpose::Prediction(Output::Logits),
        Purpose::Prediction(Output::Activated),
    ];
    let layout = Layout::new(network, 100);
    let mut seen = Vec::new();
    let mut keys = Vec::new();
    // As many of those with split sums.
    let tried = |device: &Abilities| {
        let is_split = |shapes: &Shapes| shapes.step.split;
        let (split, plain): (Vec<_>, Vec<_>) =
            candidates(device, &layout).into_iter().partition(is_split);
        plain.into_iter().take(most).chain(split.into_iter().take(most))
    };
    for shapes in devices().iter().flat_map(tried) {
        let Shapes { step, gradients, slice } = shapes;
        if seen.contains(&shapes) {
            continue;
        }
        seen.push(shapes);
        // Only training passes split sums.
        for purpose in if step.split { &purposes[..1] } else { &purposes[..] } {
            for samples in each.as_flattened().iter().copied() {
                keys.push(specialize::step(network, &layout, step, samples, *purpose));
            }
        }
        keys.push(specialize::weight_gradients(&layout, gradients, slice as usize, step));
    }
    keys
}

/// The fused kernels with every pair of an activation and a loss. Each pair is written for one device, so
/// that every activation and every loss is written for every device.
fn formulas() -> Vec<Result<KernelKey>> {
    let mut keys = Vec::new();
    for (i, activation) in Activation::ALL.iter().copied().enumerate() {
        for (j, loss) in Loss::ALL.iter().copied().enumerate() {
            let hidden = if activation.is_row() { Activation::Relu } else { activation };
            let network = network(2, &[8], hidden, activation);
            let layout = Layout::new(&network, 100);
            let devices = devices();
            let tried = candidates(&devices[(i + j) % devices.len()], &layout);
            // The devices with subgroups are there for the shapes with split sums.
            let split = tried.iter().find(|shapes| shapes.step.split);
            let step = split.unwrap_or(&tried[0]).step;
            let purpose = Purpose::Training(loss);
            keys.push(specialize::step(&network, &layout, step, Samples::TABLE, purpose));
        }
    }
    keys
}

/// The fused kernels in every shape that some network has on some of these devices, and in the first shape
/// of each device for every pitch of a layer.
fn shapes(devices: &[Abilities]) -> Vec<Result<KernelKey>> {
    let mut keys = Vec::new();
    let mut seen = BTreeSet::new();
    for width in 1..=WIDEST {
        let network = network(2, &[width], Activation::Relu, Activation::Identity);
        let layout = Layout::new(&network, 100);
        for device in devices {
            for (place, shapes) in candidates(device, &layout).into_iter().enumerate() {
                let Shapes { step, gradients, slice } = shapes;
                let pitch = if place == 0 { layout.longest() } else { 0 };
                if seen.insert(format!("{step:?}, {pitch}")) {
                    let purpose = Purpose::Training(Loss::MeanSquaredError);
                    keys.push(specialize::step(&network, &layout, step, Samples::TABLE, purpose));
                }
                if seen.insert(format!("{gradients:?}, {pitch}")) {
                    let slice = slice as usize;
                    keys.push(specialize::weight_gradients(&layout, gradients, slice, step));
                }
            }
        }
    }
    keys
}

/// The fused kernels that store f16, with every condition of their templates, in the first `most` shapes of each
/// device, and in every shape for layers of 100.
pub(super) fn packed(most: usize) -> Vec<KernelKey> {
    let grid = Grid { width: 5, scale: [0.5, 0.25], origin: [-1.0, -0.5] };
    let picture = Kind::Picture(grid, Packing::BYTES);
    let each = [Samples::TABLE, Samples { kind: picture, weighted: true }];
    let wide = network(2, &[100; 3], Activation::Relu, Activation::Identity);
    let few = networks().into_iter().map(|(network, loss)| (network, loss, most));
    let all = few.chain([(wide, Loss::MeanSquaredError, usize::MAX)]);
    let mut keys = Vec::new();
    for (network, loss, most) in all.filter(|(network, ..)| network.layers().len() > 1) {
        let mut seen = Vec::new();
        let tried = |device: &Abilities| candidates::packed(device, &Layout::new(&network, 100));
        for shapes in devices().iter().flat_map(|device| tried(device).into_iter().take(most)) {
            if seen.contains(&shapes) {
                continue;
            }
            seen.push(shapes);
            for samples in each {
                let purpose = Purpose::Training(loss);
                keys.push(fused::pass_kernel(&network, 100, shapes.step, samples, purpose));
            }
            keys.push(fused::gradients_kernel(&network, 100, shapes));
        }
    }
    for optimizer in Optimizer::ALL.iter().copied() {
        let update = Update { f16: F16::Storage, ..Update::plain(optimizer) };
        keys.extend([1, 2].map(|slices| update.key(slices)));
    }
    keys.into_iter().map(|key| key.expect("a template without mistakes")).collect()
}

/// The kernels of every optimizer, with every set of wrappers around it.
fn updates() -> Vec<Result<KernelKey>> {
    let mut keys = Vec::new();
    for optimizer in Optimizer::ALL.iter().copied() {
        for set in 0..1 << Wrapper::ALL.len() {
            let is_in = |(place, _): &(usize, &Wrapper)| set & (1 << place) != 0;
            let some = Wrapper::ALL.iter().enumerate().filter(is_in).map(|(_, wrapper)| *wrapper);
            let wrappers = Wrappers::new(some).expect("all different");
            let update =
                Update { optimizer, wrappers, frozen: &[0..7, 20..21], ..Update::plain(optimizer) };
            let slices = 1 + set % 2;
            for scattered in [None, Some(100)] {
                let update = Update { scattered, ..update };
                keys.push(update.key(slices));
                keys.extend(update.norms().map(|norms| update.norms_key(norms, slices)));
            }
        }
    }
    let clipped = Wrappers::new(["clip-norm".parse().expect("a wrapper")]).expect("one");
    let update = Update { wrappers: clipped, ..Update::plain(Optimizer::SGD) };
    keys.extend([Norms::Whole, Norms::Given].map(|norms| update.norms_key(norms, 2)));
    keys
}

/// The kernels of encodings, of each in every form.
fn encoding_kernels() -> Vec<Result<KernelKey>> {
    let grid = Grid { width: 5, scale: [0.5, 0.25], origin: [-1.0; 2] };
    let picture = Kind::Picture(grid, Packing::WORDS);
    let mut keys = Vec::new();
    for (inputs, encoding) in ENCODINGS {
        let network = encodings_network(inputs, encoding);
        let mut sources = vec![Inputs::Gathered, Inputs::Ordered(Samples::TABLE)];
        if inputs == 2 {
            sources.push(Inputs::Ordered(Samples { kind: picture, weighted: true }));
        }
        let tables = network.encoding_parameters() > 0;
        for source in sources {
            keys.push(encodings::encode(&network, source, false));
            if tables {
                keys.push(encodings::encode(&network, source, true));
                keys.push(encodings::grid_gradient(&network, source, SCATTERING));
            }
        }
        keys.push(encodings::encoding_gradient(&network));
        let combined = [encodings::combine(&network), encodings::combine_gradient(&network)];
        keys.extend(combined.into_iter().filter_map(Result::transpose));
    }
    keys
}

/// The kernels of mixed precision, with every condition of their templates.
pub(super) fn mixed() -> Vec<KernelKey> {
    let grid = Grid { width: 5, scale: [0.5, 0.25], origin: [-1.0, -0.5] };
    let picture = Kind::Picture(grid, Packing::BYTES);
    let each =
        [Kind::Table, picture].map(|kind| [false, true].map(|weighted| Samples { kind, weighted }));
    let waves = Network::builder(2).encoding(Encoding::Frequency { octaves: 3 });
    let waves = waves.layer(16, Activation::Tanh, false).layer(1, Activation::Identity, true);
    let networks = [
        (network(2, &[100; 3], Activation::Relu, Activation::Sigmoid), Loss::MeanSquaredError),
        (network(5, &[40, 128], Activation::Tanh, Activation::Softmax), Loss::SoftmaxCrossEntropy),
        (waves.build().expect("a network"), Loss::L1),
    ];
    let mut keys = Vec::new();
    for (network, loss) in networks {
        for (matrix, samples, unrolled) in [(16, 64, true), (16, 16, false), (8, 32, false)] {
            let layout = MixedLayout::new(&network, 100, Tile { matrix, samples, unrolled });
            keys.push(mixed::texts::gradients(&layout));
            keys.push(Ok(mixed::texts::parameters(&layout)));
            for samples in each.as_flattened() {
                keys.push(mixed::texts::step(&network, &layout, *samples, loss));
            }
        }
    }
    keys.into_iter().map(|key| key.expect("a template without mistakes")).collect()
}

/// Every kernel, those that are written for one network with every condition of the templates, in every
/// shape, and with every formula.
pub(super) fn every() -> Vec<KernelKey> {
    let more = formulas().into_iter().chain(shapes(&devices()));
    all(1).chain(more.map(|key| key.expect("a template without mistakes"))).collect()
}

/// The fused kernels in every shape for a device with WebGPU's default limits.
pub(super) fn for_default_limits() -> Vec<KernelKey> {
    let gpu = Abilities::of_gpu(wgpu::Limits::default());
    let all = shapes(&[gpu]).into_iter();
    all.map(|key| key.expect("a template without mistakes")).collect()
}

/// Every kernel of the engine, those that are written for one network for some, in the first `most`
/// shapes of each device.
fn all(most: usize) -> impl Iterator<Item = KernelKey> {
    let fused = networks().into_iter().flat_map(move |(network, loss)| fused(&network, loss, most));
    let all = kernels::general().chain(updates()).chain(encoding_kernels()).chain(fused);
    all.map(|key| key.expect("a template without mistakes"))
}

#[test]
fn every_template_can_be_filled() {
    let mut names = BTreeSet::new();
    for key in all(usize::MAX).chain(packed(1)).chain(mixed()) {
        names.insert(key.name);
        let text = key.clone().into_text();
        assert!(!text.contains("${"), "{key}:\n{text}");
    }
    assert!(kernels::SOURCES.iter().all(|source| names.contains(source.name)), "{names:?}");
}

/// The fused kernels of a small network, and those of a grid, beside the files in `texts/`. If they are meant to change, run
/// the test with `IMPASTO_WRITE_GOLDEN=1`, which writes the files, and review their difference.
#[test]
fn the_fused_kernels_are_those_that_were_reviewed() {
    let network = network(2, &[8], Activation::Tanh, Activation::Sigmoid);
    let layout = Layout::new(&network, 1024);
    let all = devices().into_iter().flat_map(|device| candidates(&device, &layout));
    let all: Vec<Shapes> = all.collect();
    let Shapes { step, gradients, slice } = all[0];
    let purpose = Purpose::Training(Loss::MeanSquaredError);
    let pass = specialize::step(&network, &layout, step, Samples::TABLE, purpose);
    let split = all.iter().find(|shapes| shapes.step.split).expect("one").step;
    let split = specialize::step(&network, &layout, split, Samples::TABLE, purpose);
    let gradients = specialize::weight_gradients(&layout, gradients, slice as usize, step);
    let packed = candidates::packed(&devices()[0], &layout)[0];
    let packed_pass = fused::pass_kernel(&network, 1024, packed.step, Samples::TABLE, purpose);
    let packed_gradients = fused::gradients_kernel(&network, 1024, packed);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/gpu/texts");
    let plain = [pass, split, gradients].map(|key| (key, ""));
    let packed = [packed_pass, packed_gradients].map(|key| (key, "_packed"));
    let grid = encodings_network(2, "grid:levels=3,base_resolution=3,log2_size=4,level_scale=1.7");
    let inputs = Inputs::Ordered(Samples::TABLE);
    let scattered = encodings::grid_gradient(&grid, inputs, SCATTERING);
    let encoded = [encodings::encode(&grid, inputs, true), scattered].map(|key| (key, "_grid"));
    for (key, ending) in plain.into_iter().chain(packed).chain(encoded) {
        let key = key.expect("a template without mistakes");
        let path = folder.join(format!("{}{ending}.wgsl", key.name));
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

/// The name of a type in WGSL.
fn name_of(module: &Module, handle: Handle<Type>) -> String {
    let scalar = |scalar: naga::Scalar| match scalar.kind {
        ScalarKind::Uint => "u32",
        ScalarKind::Float => "f32",
        other => panic!("no argument is of {other:?}"),
    };
    match &module.types[handle].inner {
        TypeInner::Scalar(inner) => scalar(*inner).into(),
        TypeInner::Vector { size, scalar: inner } => {
            format!("vec{}<{}>", *size as u8, scalar(*inner))
        }
        TypeInner::Array { base, size: ArraySize::Constant(count), .. } => {
            format!("array<{}, {count}>", name_of(module, *base))
        }
        other => panic!("no argument is of {other:?}"),
    }
}

/// The fields of a struct in a module as (name, type, offset), and its size.
fn fields_of(module: &Module, handle: Handle<Type>) -> (Vec<(String, String, usize)>, usize) {
    let TypeInner::Struct { members, span } = &module.types[handle].inner else {
        panic!("arguments are a struct");
    };
    let fields = members.iter().map(|member| {
        let name = member.name.clone().expect("a name");
        (name, name_of(module, member.ty), member.offset as usize)
    });
    (fields.collect(), *span as usize)
}

/// Fields in the same form, without what WGSL has no name for.
fn named(fields: &[Field]) -> Vec<(String, String, usize)> {
    let named = fields.iter().filter(|field| !field.kind.is_empty());
    named.map(|field| (field.name.into(), field.kind.into(), field.offset)).collect()
}

/// Compares what a kernel binds with its line in the table, and the types of its arguments and of the
/// step with those in Rust.
fn check_bindings(key: &KernelKey, source: &Source, module: &Module) {
    let mut bound = BTreeSet::new();
    for (_, global) in module.global_variables.iter() {
        let Some(binding) = &global.binding else { continue };
        let AddressSpace::Storage { access } = global.space else {
            panic!("{key}: what is bound is a storage buffer");
        };
        let access = match access {
            access if access == StorageAccess::LOAD => Access::Read,
            access if access == StorageAccess::LOAD | StorageAccess::STORE => Access::Write,
            other => panic!("{key}: {other:?}"),
        };
        let name = global.name.as_deref().unwrap_or_default();
        let place = binding.binding as usize;
        match (binding.group, place) {
            (0, 0) => {
                let (fields, size) = fields_of(module, global.ty);
                assert_eq!(fields, named(source.fields), "{key}: {}", source.arguments);
                assert_eq!(size, source.argument_bytes, "{key}: {}", source.arguments);
                assert!(access == Access::Read, "{key}");
            }
            (0, place) => {
                let expected = source.bindings.get(place - 1).copied();
                assert!(Some(access) == expected, "{key}: binding {place}, {name}");
                bound.insert(place);
            }
            (1, 0) => {
                let (fields, size) = fields_of(module, global.ty);
                assert_eq!(fields, named(StepData::FIELDS), "{key}");
                assert!(size <= size_of::<StepData>() && access == Access::Read, "{key}");
            }
            other => panic!("{key}: binding {other:?}"),
        }
    }
    // Some templates bind a buffer only where they need it.
    let all: BTreeSet<usize> = (1..=source.bindings.len()).collect();
    let missing: Vec<usize> = all.difference(&bound).copied().collect();
    let may_miss: &[usize] = match key.name {
        "loss" => &[5],
        "gradient_norms" => &[4],
        "update" => &[6, 7],
        "fused_step" => &[7, 8],
        "encode" => &[1, 3, 4, 6],
        "grid_gradient" => &[3],
        "encoding_gradient" => &[1, 3, 4],
        _ => &[],
    };
    let is_there = |binding: &usize| !may_miss.contains(binding);
    assert!(!missing.iter().any(is_there), "{key}: {missing:?} are not there");
    let has_arguments = module
        .global_variables
        .iter()
        .any(|(_, global)| global.binding.as_ref().is_some_and(|b| (b.group, b.binding) == (0, 0)));
    assert_eq!(has_arguments, source.argument_bytes > 0, "{key}");
}

#[test]
fn kernels_bind_what_the_table_and_the_types_say() {
    let mut checked = BTreeSet::new();
    let capabilities = Capabilities::all();
    for key in all(1).chain(packed(1)).chain(mixed()) {
        let text = key.clone().into_text();
        let options = front::wgsl::Options { parse_doc_comments: false, capabilities };
        let module = front::wgsl::Frontend::new_with_options(options)
            .parse(&text)
            .unwrap_or_else(|error| panic!("{key}: {}", error.emit_to_string(&text)));
        Validator::new(ValidationFlags::all(), capabilities)
            .subgroup_stages(naga::valid::ShaderStages::all())
            .subgroup_operations(naga::valid::SubgroupOperationSet::all())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{key}: {}", error.emit_to_string(&text)));
        check_bindings(&key, key.source().expect("in the table"), &module);
        checked.insert(key.name);
    }
    assert_eq!(checked.len(), kernels::SOURCES.len());
}
