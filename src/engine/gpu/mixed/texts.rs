//! Writes the kernels of mixed precision for one network.

use super::layout::{BLOCK, CHUNK, MixedLayout, WORKGROUP};
use crate::engine::gpu::kernels::{
    ADD_LOSSES, KernelKey, LOSS_SCALE, PERMUTATION, ROW_LOSSES, SINE, STEP, Source, TILE_SAMPLES,
};
use crate::engine::gpu::specialize::{self, Purpose, Samples};
use crate::engine::gpu::tables::{block_table, table};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::template::{self, Values};
use std::fmt::Write;

/// The extensions of WGSL for f16 and matrices.
const ENABLED: &str = "enable f16;\nenable wgpu_cooperative_matrix;\n";

/// The copies of the weights.
const COPIES: &str = include_str!("../../../../shaders/shared/copies.wgsl");

/// The product of a layer, a template.
const PRODUCT: &str = include_str!("../../../../shaders/shared/matrix_product.wgsl");

/// The functions and constants of the layout.
fn places(layout: &MixedLayout) -> String {
    let base = &layout.base;
    let layers = base.layers();
    let depths: Vec<usize> = (0..layers).map(|layer| base.depth(layer)).collect();
    let ones: Vec<usize> = base.biases.iter().map(|bias| usize::from(*bias)).collect();
    let blocks = |numbers: &[usize]| numbers.iter().map(|n| n / BLOCK).collect::<Vec<_>>();
    let sizes: Vec<usize> = base.weights.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut text = [
        table("depth_of", &depths),
        table("ones_of", &ones),
        table("width_of", &base.widths[1..]),
        table("parameter_pitch_of", &base.pitches),
        table("weights_of", &base.weights[..layers]),
        table("pitch_of", &layout.pitches),
        table("blocks_of", &blocks(&layout.pitches)),
        table("copy_blocks_of", &blocks(&layout.weights[..layers])),
        table("values_of", &layout.values),
        table("deltas_of", &layout.deltas),
        table("gradients_of", &layout.gradients[..layers]),
        block_table(&sizes),
    ]
    .concat();
    let constants = [
        ("LAYERS", layers),
        ("T", layout.tile.matrix as usize),
        ("TILE", layout.tile.samples as usize),
        ("SLICE", layout.slice),
        ("CHUNK", CHUNK),
        ("LANES", layout.lanes()),
        ("LONGEST", layout.longest()),
        ("BACK", layout.copies() / BLOCK),
        ("GRADIENT", layout.gradient()),
        ("CAPACITY", base.rows),
        ("INPUT_PITCH", base.pitches[0]),
        ("PARAMETERS", base.parameters()),
        ("FIRST_BLOCKS", layout.first_blocks()),
    ];
    for (name, value) in constants {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    text
}

/// What a step computes with.
const BATCH: &str = "fn batch_count() -> u32 { return min(this_step.count, CAPACITY); }\n\
                     fn loss_factor() -> f32 { return this_step.loss_factor; }\n";

/// The kernel that takes samples through the network and back.
pub(in crate::engine::gpu) fn step(
    network: &Network,
    layout: &MixedLayout,
    samples: Samples,
    loss: Loss,
) -> Result<KernelKey> {
    let MixedLayout { tile, .. } = layout;
    let purpose = Purpose::Training(loss);
    let applied = specialize::applied(network, purpose);
    let text = [
        ENABLED,
        STEP,
        PERMUTATION,
        SINE,
        &samples.text(),
        LOSS_SCALE,
        &places(layout),
        BATCH,
        &format!(
            "const INPUTS: u32 = {}u;\nconst OUTPUTS: u32 = {}u;\nconst RESULT_PITCH: u32 = {}u;\n",
            network.inputs(),
            network.outputs(),
            network.outputs().next_multiple_of(4)
        ),
        &specialize::activations(&applied, true)?,
        &specialize::finish(network, purpose)?,
    ];
    let mut values = Values {
        conditions: vec![
            ("encoded", !network.encoding().is_identity()),
            ("given", false),
            ("computes_loss", true),
            ("unrolled", tile.unrolled),
        ],
        texts: vec![("t", tile.matrix.to_string()), ("memory", "memory.".into())],
        ranges: vec![
            ('i', 4),
            ('r', tile.samples / tile.matrix),
            ('k', layout.longest() as u32 / tile.matrix),
            ('q', (tile.samples as usize * layout.lanes()).div_ceil(WORKGROUP) as u32),
        ],
        ..Values::default()
    };
    for (name, start, depth) in [
        ("forward_product", "copy_blocks_of(layer)", "below"),
        ("backward_product", "BACK + copy_blocks_of(layer)", "above"),
    ] {
        let own =
            vec![("t", tile.matrix.to_string()), ("start", start.into()), ("depth", depth.into())];
        let product = Values {
            texts: own,
            conditions: values.conditions.clone(),
            ranges: values.ranges.clone(),
            ..Values::default()
        };
        let text = template::fill("matrix_product", PRODUCT, &product)?;
        values.texts.push((name, text));
    }
    let samples = template::fill("tile_samples", TILE_SAMPLES, &values)?;
    let losses = template::fill("row_losses", ROW_LOSSES, &values)?;
    let body = template::fill("mixed_step", Source::file("mixed_step"), &values)?;
    Ok(KernelKey::specialized("mixed_step", [text.join("\n"), samples, losses, body].concat()))
}

/// The kernel that computes the gradients of all layers.
pub(in crate::engine::gpu) fn gradients(layout: &MixedLayout) -> Result<KernelKey> {
    let MixedLayout { tile, pitches, .. } = layout;
    let layers = layout.layers();
    let count = "fn loss_count() -> u32 { return (batch_count() + TILE - 1u) / TILE; }\n";
    let text = [ENABLED, STEP, LOSS_SCALE, &places(layout), BATCH, count];
    let values = Values {
        // Layers of one width need no conditions between the products.
        conditions: vec![
            (
                "straight",
                tile.unrolled && pitches[1..layers].iter().all(|p| *p == layout.longest()),
            ),
            ("cooperative", true),
            ("scaled", true),
        ],
        texts: vec![
            ("t", tile.matrix.to_string()),
            ("own_sum", "memory.partial[local].x".into()),
            ("other_sum", "memory.partial[local + half].x".into()),
            ("whole_sum", "memory.partial[0].x".into()),
        ],
        ranges: vec![
            ('i', 4),
            ('k', CHUNK as u32 / tile.matrix),
            ('m', pitches[1..layers].iter().copied().max().unwrap_or(0) as u32 / tile.matrix),
            ('p', (CHUNK * layout.lanes()).div_ceil(WORKGROUP) as u32),
        ],
        ..Values::default()
    };
    let body = template::fill("mixed_gradients", Source::file("mixed_gradients"), &values)?;
    let losses = template::fill("add_losses", ADD_LOSSES, &values)?;
    Ok(KernelKey::specialized("mixed_gradients", [text.join("\n"), body, losses].concat()))
}

/// The kernel that writes the f16 copies of all weights.
pub(in crate::engine::gpu) fn parameters(layout: &MixedLayout) -> KernelKey {
    let text = ["enable f16;\n", &places(layout), COPIES, Source::file("mixed_parameters")];
    KernelKey::specialized("mixed_parameters", text.join("\n"))
}

/// What `update` needs to find the gradient of a parameter and its f16 copies.
pub(in crate::engine::gpu) fn of_update(layout: &MixedLayout) -> String {
    ["enable f16;\n", LOSS_SCALE, &places(layout), COPIES].join("\n")
}
