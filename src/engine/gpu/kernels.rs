//! The table of the kernels: the file and the bindings of each.

use super::arguments::{self, Arguments};
use super::product_tile::ProductTile;
use crate::activation::{Activation, Backward};
use crate::checksum::fnv;
use crate::error::Result;
use crate::loss::Loss;
use std::sync::Arc;

/// How a kernel uses a storage buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Which shared pieces of WGSL a kernel is put together with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// `shared/index.wgsl` only.
    Index,
    /// The tile of a product too.
    Tile,
    /// `shared/step.wgsl` too, and so the bind group of the current step.
    Step,
    /// The order of samples too.
    Order,
    /// The order of samples and a picture's pixels too.
    Pixels,
    /// `shared/dropout.wgsl` and what it needs too.
    Dropout,
    /// The formula of an activation or a loss too.
    Formula,
    /// A template: `update.rs` fills it in for an optimizer and what surrounds it.
    Optimizer,
    /// `shared/sine.wgsl` too.
    Sine,
    /// `shared/fixed_point.wgsl` too.
    FixedPoint,
    /// What calls the kernel's function for each row.
    SoftmaxRows,
    SoftmaxGradientRows,
    /// A template: `specialize.rs` writes the whole text.
    Specialization,
}

/// A kernel as it is in its file.
pub(super) struct Source {
    pub(super) name: &'static str,
    text: &'static str,
    /// The name of its arguments and their size in bytes. They are its `shape`, a read-only buffer at
    /// binding 0; a kernel without arguments has no binding 0.
    pub(super) arguments: &'static str,
    pub(super) argument_bytes: usize,
    /// What the arguments are, for the test that compares them with the file.
    #[cfg(test)]
    pub(super) fields: &'static [arguments::Field],
    /// The storage buffers, from binding 1 on.
    pub(super) bindings: &'static [Access],
    pub(super) needs: Needs,
}

macro_rules! sources {
    ($($name:literal: $needs:ident, $Arguments:ty, [$($access:ident),*];)*) => {
        &[$(Source {
            name: $name,
            text: include_str!(concat!("../../../shaders/", $name, ".wgsl")),
            arguments: <$Arguments as Arguments>::NAME,
            argument_bytes: size_of::<$Arguments>(),
            #[cfg(test)]
            fields: <$Arguments as Arguments>::FIELDS,
            bindings: &[$(Access::$access),*],
            needs: Needs::$needs,
        }),*]
    };
}

/// Every kernel of the engine.
pub(super) static SOURCES: &[Source] = sources! {
    "gather": Order, arguments::Gather, [Read, Write];
    "gather_pixels": Pixels, arguments::GatherPixels, [Read, Write, Write];
    "fourier_encoding": Sine, arguments::FourierEncoding, [Read, Read, Write];
    "fourier_encoding_gradient": Index, arguments::FourierEncoding, [Read, Read, Read, Write];
    "encode": Specialization, arguments::Encode, [Read, Read, Read, Read, Write, Write];
    "combine": Specialization, arguments::Encode, [Read, Write];
    "combine_gradient": Specialization, arguments::Encode, [Read, Read, Write];
    "encoding_gradient": Specialization, arguments::Encode, [Read, Read, Read, Read, Read, Write];
    "largest_delta": Index, arguments::LargestDelta, [Read, Write];
    "grid_gradient": Specialization, arguments::GridGradient, [Read, Read, Read, Read, Write];
    "scattered_gradient": FixedPoint, arguments::ScatteredGradient, [Write, Read, Write];
    "matmul": Tile, arguments::Matmul, [Read, Read, Write];
    "matmul_nt": Tile, arguments::Matmul, [Read, Read, Write];
    "matmul_tn": Tile, arguments::MatmulTn, [Read, Read, Write];
    "bias_add": Index, arguments::BiasAdd, [Read, Write];
    "bias_gradient": Index, arguments::BiasGradient, [Read, Write];
    "activation": Formula, arguments::Activation, [Write];
    "activation_with_slopes": Formula, arguments::Activation, [Write, Write];
    "activation_gradient": Formula, arguments::Activation, [Read, Write];
    "softmax": SoftmaxRows, arguments::Softmax, [Write];
    "softmax_gradient": SoftmaxGradientRows, arguments::Softmax, [Read, Write];
    "dropout": Dropout, arguments::Dropout, [Write, Write];
    "loss": Formula, arguments::Loss, [Read, Read, Write, Write, Read];
    "loss_sum": Step, arguments::LossSum, [Read, Write, Write];
    "gradient_norms": Optimizer, arguments::Update, [Read, Read, Write, Read];
    "update": Optimizer, arguments::Update, [Read, Write, Write, Write, Write, Read, Write];
    "fused_step": Specialization, (), [Read, Read, Read, Read, Write, Write, Write, Write];
    "fused_step_split": Specialization, (), [Read, Read, Read, Read, Write, Write, Write];
    "weight_gradients": Specialization, (), [Read, Read, Read, Write, Write, Write];
    "mixed_parameters": Specialization, (), [Read, Write];
    "mixed_step": Specialization, (), [Read, Read, Read, Read, Read, Write, Write, Write, Write];
    "mixed_gradients": Specialization, (), [Read, Read, Read, Write, Write, Write];
};

/// A number that changes when a fused kernel does, or what writes it, or which shapes are tried.
pub(super) fn fingerprint() -> u64 {
    let texts = [
        Source::file("fused_step"),
        Source::file("fused_step_split"),
        PASS,
        TILE_SAMPLES,
        ROW_LOSSES,
        Source::file("weight_gradients"),
        GRADIENT_PRODUCTS,
        ADD_LOSSES,
        PACKED,
        include_str!("specialize.rs"),
        include_str!("products.rs"),
        include_str!("split.rs"),
        include_str!("shape.rs"),
        include_str!("candidates.rs"),
    ];
    fnv(texts.iter().flat_map(|text| text.bytes()))
}

/// What changes from step to step.
pub(super) const STEP: &str = include_str!("../../../shaders/shared/step.wgsl");

/// What both kernels of a fused pass have in common, a template.
pub(super) const PASS: &str = include_str!("../../../shaders/shared/pass.wgsl");

/// The samples of a tile, a template. `${memory}` comes before the names of workgroup memory.
pub(super) const TILE_SAMPLES: &str = include_str!("../../../shaders/shared/tile_samples.wgsl");

/// How the losses of a tile meet, a template with `${memory}`.
pub(super) const ROW_LOSSES: &str = include_str!("../../../shaders/shared/row_losses.wgsl");

/// How the losses of a batch are added up behind the gradients, a template.
pub(super) const ADD_LOSSES: &str = include_str!("../../../shaders/shared/add_losses.wgsl");

/// The loop of `weight_gradients`, a template.
pub(super) const GRADIENT_PRODUCTS: &str =
    include_str!("../../../shaders/shared/gradient_products.wgsl");

/// Numbers as f16 in words.
pub(super) const PACKED: &str = include_str!("../../../shaders/shared/packed.wgsl");

/// The words of the status buffer where f16 is stored, and what changes them.
pub(super) const LOSS_SCALE: &str = include_str!("../../../shaders/shared/loss_scale.wgsl");

/// The order of samples.
pub(super) const PERMUTATION: &str = include_str!("../../../shaders/shared/permutation.wgsl");

/// A picture's pixels as samples.
pub(super) const PIXELS: &str = include_str!("../../../shaders/shared/pixels.wgsl");

/// Which outputs dropout drops.
pub(super) const DROPOUT: &str = include_str!("../../../shaders/shared/dropout.wgsl");

/// The sine of a number of turns.
pub(super) const SINE: &str = include_str!("../../../shaders/shared/sine.wgsl");

/// A grid as a leaf of the encodings of a network, a template.
pub(super) const GRID: &str = include_str!("../../../shaders/shared/grid.wgsl");

/// Waves as a leaf of the encodings of a network, a template.
pub(super) const WAVES: &str = include_str!("../../../shaders/shared/waves.wgsl");

/// The sample of an invocation of the kernels of encodings.
pub(super) const PLACE: &str = include_str!("../../../shaders/shared/place.wgsl");

/// How sums of whole numbers are scaled.
pub(super) const FIXED_POINT: &str = include_str!("../../../shaders/shared/fixed_point.wgsl");

/// The shared files that a formula may name in a line `#import NAME`.
const IMPORTS: [(&str, &str); 4] = [
    ("sine", SINE),
    ("erf", include_str!("../../../shaders/shared/erf.wgsl")),
    ("exp_m1", include_str!("../../../shaders/shared/exp_m1.wgsl")),
    ("ln_1p", include_str!("../../../shaders/shared/ln_1p.wgsl")),
];

/// The text with what it imports before it, each file once.
fn imported(text: &str) -> String {
    let is_import = |line: &&str| line.starts_with("#import ");
    let wanted: Vec<&str> = text.lines().filter(is_import).map(|line| line[8..].trim()).collect();
    if wanted.is_empty() {
        return text.to_string();
    }
    let files = IMPORTS
        .into_iter()
        .filter(|(name, file)| wanted.contains(name) && !text.contains(file))
        .map(|(_, file)| file);
    let rest = text.lines().filter(|line| !is_import(line));
    let lines: Vec<&str> = files.chain(rest).collect();
    lines.join("\n") + "\n"
}

/// The loss of a row by the weight of its sample.
pub(super) const WEIGHTED_LOSS: &str = include_str!("../../../shaders/shared/weighted_loss.wgsl");

/// The text with the extensions that it enables before everything else, as WGSL wants it.
fn enabled_first(text: &str) -> String {
    let (enabled, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("enable "));
    if enabled.is_empty() {
        return text.to_string();
    }
    [enabled, rest].concat().join("\n") + "\n"
}

/// The weights of the samples of a batch, for the kernel `loss`.
const WEIGHTS: &str = "@group(0) @binding(5) var<storage, read> weights: array<f32>;\n\
                       fn weight_of(row: u32) -> f32 { return weights[row]; }\n";

/// Which kernel, specialized how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelKey {
    pub(super) name: &'static str,
    /// The name of the formula that it computes, if it is written for one.
    formula: &'static str,
    /// The WGSL of that formula, or the whole text of a kernel written for one network.
    text: Option<Arc<str>>,
    /// Whether wgpu leaves its checks out.
    pub(super) is_trusted: bool,
}

impl KernelKey {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, formula: "", text: None, is_trusted: false }
    }

    /// One of the three matrix products, in such tiles.
    pub(super) fn product(name: &'static str, tile: ProductTile) -> Self {
        Self::filled(name, tile.name(), tile.text().into())
    }

    /// A kernel that applies an activation or its slope.
    pub(super) fn activation(name: &'static str, activation: Activation) -> Result<Self> {
        Ok(Self::filled(name, activation.name(), activation.wgsl()?))
    }

    /// The kernel that applies an activation and stores its slopes.
    pub(super) fn with_slopes(activation: Activation) -> Result<Self> {
        let text = activation.wgsl_with_slope()?;
        Ok(Self::filled("activation_with_slopes", activation.name(), text))
    }

    /// The kernel that multiplies by slopes that the forward pass stored.
    pub(super) fn stored_slopes() -> Self {
        let text = "fn activation_slope(slope: f32) -> f32 { return slope; }\n";
        Self::filled("activation_gradient", "stored slopes", text.into())
    }

    /// The kernel that computes a loss, of samples with weights or without.
    pub(super) fn loss(loss: Loss, weighted: bool) -> Result<Self> {
        let weight =
            if weighted { WEIGHTS } else { "fn weight_of(row: u32) -> f32 { return 1.0; }\n" };
        let text = [loss.wgsl()?.as_str(), weight, WEIGHTED_LOSS].concat();
        Ok(Self::filled("loss", loss.name(), text))
    }

    /// A kernel whose template was filled in, or with the WGSL of its formula.
    pub(super) fn filled(name: &'static str, formula: &'static str, text: String) -> Self {
        Self { name, formula, text: Some(text.into()), is_trusted: false }
    }

    /// Whether it multiplies matrices.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn has_matrices(&self) -> bool {
        matches!(self.name, "mixed_step" | "mixed_gradients")
    }

    /// Whether it is written for one network.
    #[cfg(test)]
    pub(super) fn is_for_one_network(&self) -> bool {
        self.formula.is_empty() && self.text.is_some()
    }

    /// The file of a kernel as it is.
    pub(super) fn file(name: &str) -> &'static str {
        Source::file(name)
    }
}

/// Every kernel that is not written for one network, with each formula if it computes one.
pub(super) fn general() -> impl Iterator<Item = Result<KernelKey>> {
    let elementwise = Activation::ALL.iter().copied().filter(|activation| !activation.is_row());
    let activations = elementwise.flat_map(|activation| {
        let gradient =
            (activation.backward() != Backward::None).then(|| KernelKey::gradient(activation));
        let with_slopes = gradient.as_ref().map(|_| KernelKey::with_slopes(activation));
        [Some(KernelKey::activation("activation", activation)), with_slopes, gradient]
            .into_iter()
            .flatten()
    });
    let plain = SOURCES
        .iter()
        .filter(|source| {
            !matches!(source.needs, Needs::Specialization | Needs::Formula | Needs::Optimizer)
        })
        .flat_map(|source| {
            if source.needs == Needs::Tile {
                ProductTile::ALL.map(|tile| KernelKey::product(source.name, tile)).to_vec()
            } else {
                vec![KernelKey::new(source.name)]
            }
        })
        .map(Ok);
    let losses = Loss::ALL.iter().flat_map(|loss| [false, true].map(|w| KernelKey::loss(*loss, w)));
    plain.chain(activations).chain(losses)
}

impl KernelKey {
    /// The kernel that multiplies by the slopes of an activation, from its outputs or from the slopes
    /// that the forward pass stored.
    pub(super) fn gradient(activation: Activation) -> Result<Self> {
        if activation.stores_slope() {
            return Ok(Self::stored_slopes());
        }
        Self::activation("activation_gradient", activation)
    }

    pub(super) fn source(&self) -> Option<&'static Source> {
        SOURCES.iter().find(|source| source.name == self.name)
    }

    /// The kernel's whole text.
    pub(super) fn into_text(self) -> String {
        self.source().map_or(String::new(), |source| source.text(&self))
    }

    /// The same kernel with wgpu's checks, for one that contains WGSL of the caller's.
    pub(super) fn checked(self) -> Self {
        Self { is_trusted: false, ..self }
    }

    /// A kernel written for one network, of which no part is the caller's.
    pub(super) fn specialized(name: &'static str, text: String) -> Self {
        Self { name, formula: "", text: Some(text.into()), is_trusted: true }
    }
}

impl std::fmt::Display for KernelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if self.formula.is_empty() { Ok(()) } else { write!(f, " {}", self.formula) }
    }
}

/// A kernel ready to be dispatched.
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// Whether it reads the current step.
    pub(super) reads_step: bool,
    /// The name of its arguments.
    pub(super) arguments: &'static str,
    /// Whether it has any, at binding 0.
    pub(super) has_shape: bool,
    /// The bindings of its buffers.
    pub(super) bindings: Vec<u32>,
}

impl Source {
    pub(super) fn reads_step(&self) -> bool {
        matches!(
            self.needs,
            Needs::Step
                | Needs::Order
                | Needs::Pixels
                | Needs::Dropout
                | Needs::Optimizer
                | Needs::Specialization
        )
    }

    /// The file with the shared pieces it needs before it, or what was made of it for one network.
    pub(super) fn text(&self, key: &KernelKey) -> String {
        let index = include_str!("../../../shaders/shared/index.wgsl");
        let shared = match self.needs {
            Needs::Index => vec![index],
            Needs::Step => vec![index, STEP],
            Needs::Order => vec![index, STEP, PERMUTATION],
            Needs::Pixels => vec![index, STEP, PERMUTATION, PIXELS],
            Needs::Dropout => vec![index, STEP, DROPOUT],
            Needs::Sine => vec![index, SINE],
            Needs::FixedPoint => vec![index, FIXED_POINT],
            Needs::SoftmaxRows => {
                vec![index, include_str!("../../../shaders/shared/softmax_rows.wgsl")]
            }
            Needs::SoftmaxGradientRows => {
                vec![index, include_str!("../../../shaders/shared/softmax_gradient_rows.wgsl")]
            }
            Needs::Tile | Needs::Formula => vec![index, key.text.as_deref().unwrap_or_default()],
            Needs::Optimizer => {
                let own = key.text.as_deref().unwrap_or_default();
                return enabled_first(&imported(&[index, STEP, own].join("\n")));
            }
            Needs::Specialization => {
                return enabled_first(&imported(key.text.as_deref().unwrap_or_default()));
            }
        };
        imported(&[&shared[..], &[self.text]].concat().join("\n"))
    }

    /// The file as it is.
    pub(super) fn file(name: &str) -> &'static str {
        SOURCES.iter().find(|source| source.name == name).map_or("", |source| source.text)
    }
}
