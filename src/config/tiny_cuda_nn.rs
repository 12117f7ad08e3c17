//! The names of tiny-cuda-nn, its defaults, and what each is in this crate.
//!
//! The tables say what its documentation and source say. Names are in any case, keys are not.

pub(crate) mod encodings;
pub(crate) mod optimizers;

use super::keys::{Expected, Key, Kind, Section, is_same, kind_of};
use crate::activation::Activation;
use crate::error::{Result, invalid_setting};
use crate::input_encoding::InputEncoding;
use crate::loss::Loss;
use optimizers::Wrapped;

/// Its activations, and what each is here.
pub(crate) const ACTIVATIONS: &[(&str, Activation)] = &[
    ("None", Activation::Identity),
    ("ReLU", Activation::Relu),
    ("LeakyReLU", Activation::LeakyRelu { slope: 0.01 }),
    ("SiLU", Activation::Silu),
    ("Exponential", Activation::Exponential),
    ("Sine", Activation::Sine { omega: 1.0 }),
    ("Sigmoid", Activation::Sigmoid),
    // Both are steeper by its constant K_ACT, 10.
    ("Squareplus", Activation::Squareplus { b: 0.04 }),
    ("Softplus", Activation::Softplus { beta: 10.0 }),
    ("Tanh", Activation::Tanh),
];

/// Its networks.
pub(crate) const NETWORKS: &[Kind] = &[
    Kind {
        names: &["MLP", "FullyFusedMLP", "CutlassMLP", "MegakernelMLP"],
        keys: &[
            Key::new(
                "activation",
                Expected::AnyChoice(ACTIVATION_NAMES),
                "of the hidden layers; ReLU by default",
            ),
            Key::new(
                "output_activation",
                Expected::AnyChoice(ACTIVATION_NAMES),
                "of the output layer; None by default",
            ),
            Key::new("n_neurons", Expected::Count(128), "neurons of a hidden layer"),
            Key::new("n_hidden_layers", Expected::Count(5), "hidden layers"),
            Key::fixed(
                "feedback_alignment",
                Expected::Switch(false),
                "learning without transposed weights",
            ),
        ],
        ours: "layers without biases",
    },
    Kind { names: &["CutlassResNet", "ResNet"], keys: &[], ours: "" },
];

const ACTIVATION_NAMES: &[&str] = &[
    "None",
    "ReLU",
    "LeakyReLU",
    "SiLU",
    "Exponential",
    "Sine",
    "Sigmoid",
    "Squareplus",
    "Softplus",
    "Tanh",
];

/// A loss that this crate has.
const fn loss_of(names: &'static [&'static str], ours: &'static str) -> Kind {
    Kind { names, keys: &[], ours }
}

/// Its losses.
pub(crate) const LOSSES: &[Kind] = &[
    loss_of(&["L1"], "`l1`"),
    loss_of(&["RelativeL1"], "`relative-l1`"),
    loss_of(&["MAPE"], "`mape`"),
    loss_of(&["SMAPE"], "`smape`"),
    loss_of(&["L2"], "`mean-squared-error`"),
    loss_of(&["RelativeL2"], "`relative-l2`"),
    loss_of(&["RelativeL2Luminance"], "`relative-l2-luminance`"),
    loss_of(&["CrossEntropy"], ""),
    loss_of(&["Variance"], ""),
];

/// The most hidden layers.
const MOST_LAYERS: u64 = 1000;

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layers {
    pub(super) hidden: Vec<usize>,
    pub(super) activation: Activation,
    pub(super) output_activation: Activation,
    /// What the first weights of the first layer are multiplied by.
    pub(super) first_layer_scale: f64,
}

/// The network of a section.
pub(super) fn network(section: &Section<'_>) -> Result<Layers> {
    let kind = kind_of(section, "network", NETWORKS, "MLP")?;
    section.check(kind, &[])?;
    let layers = section.count_of(kind, "n_hidden_layers")?;
    if layers > MOST_LAYERS {
        return invalid_setting(format!(
            "{}.n_hidden_layers: it is {layers}: there can be {MOST_LAYERS}",
            section.path()
        ));
    }
    let neurons = section.size_of(kind, "n_neurons")?;
    let named = activation(section, "activation", "ReLU")?;
    // Sitzmann et al. 2020: sin(30·z) with weights of ±1/inputs is sin(z) with weights of ±30/inputs.
    let is_sine = matches!(named, Activation::Sine { .. });
    Ok(Layers {
        hidden: vec![neurons; layers as usize],
        activation: named,
        output_activation: activation(section, "output_activation", "None")?,
        first_layer_scale: if is_sine { 30.0 } else { 1.0 },
    })
}

/// The activation at a key.
fn activation(section: &Section<'_>, key: &str, default: &str) -> Result<Activation> {
    let name = section.choice(key, ACTIVATION_NAMES)?.unwrap_or(default);
    let found = ACTIVATIONS.iter().find(|(own, _)| is_same(own, name));
    Ok(found.map_or(Activation::Identity, |(_, activation)| *activation))
}

/// The encoding of a section, of so many inputs.
pub(super) fn encoding(section: &Section<'_>, inputs: usize) -> Result<InputEncoding> {
    encodings::encoding(section, inputs)
}

/// The loss of a section.
pub(super) fn loss(section: &Section<'_>) -> Result<Loss> {
    let kind = kind_of(section, "loss", LOSSES, "RelativeL2")?;
    section.check(kind, &[])?;
    let name = kind.ours.trim_matches('`');
    match Loss::from_name(name) {
        Ok(loss) => Ok(loss),
        Err(error) => invalid_setting(format!("{}: {error}", section.path())),
    }
}

/// The optimizer of a section, which may wrap others.
pub(super) fn optimizer(section: &Section<'_>) -> Result<Wrapped> {
    optimizers::optimizer(section)
}

/// Whether the section at a key is in the names of tiny-cuda-nn: an object without the key `name`.
pub(super) fn is_its(section: &Section<'_>, key: &str) -> bool {
    section
        .get(key)
        .and_then(|value| value.as_object())
        .is_some_and(|map| !map.contains_key("name"))
}
