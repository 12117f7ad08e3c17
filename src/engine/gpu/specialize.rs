//! Writes the fused kernels for one network.

use super::kernels::{
    ADD_LOSSES, DROPOUT, KernelKey, LOSS_SCALE, PACKED, PASS, PERMUTATION, PIXELS, ROW_LOSSES,
    SINE, STEP, Source, TILE_SAMPLES, WEIGHTED_LOSS,
};
use super::layout::{ALIGNMENT, Layout};
use super::products::{Stored, products};
use super::shape::{Shape, TILE_SPACING};
use super::split::Split;
use super::tables::{block_table, table};
use crate::activation::{Activation, Backward};
use crate::dataset::{Grid, Packing};
use crate::dropout;
use crate::engine::Output;
use crate::error::{Result, internal};
use crate::layer::Layer;
use crate::loss::Loss;
use crate::network::Network;
use crate::template::{self, Function, Values};
use crate::wgsl::names::suffixed;
use std::fmt::Write;

/// What a batch's samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Samples {
    pub(super) kind: Kind,
    /// Whether they have weights.
    pub(super) weighted: bool,
}

/// Where a batch's samples come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Rows of numbers.
    Table,
    /// The pixels of a picture.
    Picture(Grid, Packing),
}

impl Samples {
    /// Rows of numbers without weights.
    pub(super) const TABLE: Self = Self { kind: Kind::Table, weighted: false };

    pub(super) fn text(self) -> String {
        let (text, weight) = match self.kind {
            Kind::Table => (
                format!(
                    "const TARGET_PITCH: u32 = OUTPUTS + {}u;\n{}",
                    u32::from(self.weighted),
                    include_str!("../../../shaders/shared/table.wgsl")
                ),
                "table_targets[sample * TARGET_PITCH + OUTPUTS]",
            ),
            Kind::Picture(
                Grid { width, scale: [x, y], origin: [left, top] },
                Packing { bits, pitch },
            ) => (
                format!(
                    "const PICTURE_BITS: u32 = {bits}u;\n\
                     const PICTURE_PITCH: u32 = {pitch}u;\n\
                     const PICTURE_WIDTH: u32 = {width}u;\n\
                     const PICTURE_SCALE: vec2<f32> = vec2<f32>({x:?}, {y:?});\n\
                     const PICTURE_ORIGIN: vec2<f32> = vec2<f32>({left:?}, {top:?});\n{PIXELS}\n{}",
                    include_str!("../../../shaders/shared/picture.wgsl")
                ),
                "pixel_weights[sample]",
            ),
        };
        let weight = if self.weighted { weight } else { "1.0" };
        format!("{text}fn sample_weight(sample: u32) -> f32 {{ return {weight}; }}\n")
    }
}

/// What the fused pass is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Training(Loss),
    /// The loss alone: nothing goes back.
    Evaluation(Loss),
    Prediction(Output),
}

/// How many terms of a sum `fused_step` reads before it multiplies the first: more, and fewer waits,
/// where registers are to spare. (With 32 sums in registers, Mesa 22's compiler spills for RDNA 3; in
/// the shape that is not cooperative, any Mesa's.)
pub(super) fn at_once(shape: Shape) -> usize {
    if shape.broadcast > 0 {
        terms_broadcast(shape)
    } else if shape.is_cooperative() && shape.rows * shape.columns <= 16 {
        ALIGNMENT
    } else {
        4
    }
}

/// Whether an invocation of `fused_step` has so many sums that hardly a register is left: 8 rows of 8
/// columns. (In the other order of reads, Mesa 22's compiler spills for RDNA 3.)
fn is_crowded(shape: Shape) -> bool {
    shape.is_cooperative() && (shape.rows, shape.columns) == (8, 8)
}

/// Samples that `weight_gradients` takes in one turn of its loop.
pub(super) fn samples_at_once(shape: Shape) -> usize {
    if shape.broadcast > 0 { terms_broadcast(shape) } else { 2 }
}

/// The same where one operand is broadcast: with long vectors one, since compiling takes long there.
fn terms_broadcast(shape: Shape) -> usize {
    if shape.broadcast < 8 { 4 } else { 1 }
}

/// The kernel that takes samples through the network, and back if it is for training.
pub(super) fn step(
    network: &Network,
    layout: &Layout,
    shape: Shape,
    samples: Samples,
    purpose: Purpose,
) -> Result<KernelKey> {
    let mut text = [STEP, PERMUTATION, SINE, &samples.text()].join("\n");
    text += &constants(layout, shape);
    let cooperative = shape.is_cooperative();
    let _ = write!(
        text,
        "const INPUTS: u32 = {}u;\nconst OUTPUTS: u32 = {}u;\nconst LAYERS: u32 = {}u;\n",
        network.inputs(),
        network.outputs(),
        layout.layers(),
    );
    if !shape.split {
        let tile_pitch = layout.longest() + TILE_SPACING;
        let _ = write!(
            text,
            "const TILE_FOURS: u32 = {}u;\nconst AT_ONCE: u32 = {}u;\n",
            tile_pitch / 4,
            at_once(shape)
        );
    }
    text += &tables(layout);
    text += &packing(layout, shape);
    let training = matches!(purpose, Purpose::Training(_));
    let computes_loss = !matches!(purpose, Purpose::Prediction(_));
    let applied = applied(network, purpose);
    let stores_slopes = training && applied.iter().any(|applied| applied.stores_slope());
    let drops = training && network.layers().iter().any(|layer| layer.dropout > 0.0);
    if drops {
        text += &[DROPOUT, "\n", &rates(network)].concat();
    }
    text += &activations(&applied, training)?;
    if stores_slopes {
        text += &table("slopes_of", &layout.slopes);
    }
    // An invocation reads slopes of the output level that another one stored.
    let slopes_shared =
        stores_slopes && cooperative && applied.last().is_some_and(|a| a.stores_slope());
    text += &finish(network, purpose)?;
    let conditions = vec![
        ("cooperative", cooperative),
        ("training", training),
        ("computes_loss", computes_loss),
        ("stores_slopes", stores_slopes),
        ("drops", drops),
        ("slopes_shared", slopes_shared),
        ("subgroup", shape.broadcast > 0),
        ("crowded", is_crowded(shape)),
        ("encoded", !layout.is_given && !network.encoding().is_identity()),
        ("given", layout.is_given),
        ("packed", shape.packed),
    ];
    let key = if shape.split {
        let Purpose::Training(_) = purpose else {
            return internal("only training passes split sums");
        };
        let split = Split::new(layout, shape);
        text += &split.constants();
        let conditions =
            [conditions, vec![("whole", split.is_whole()), ("deep", layout.layers() > 1)]].concat();
        let values = Values {
            conditions,
            texts: [split.texts(), vec![("memory", String::new())]].concat(),
            ranges: split.ranges(),
            functions: split.functions(),
        };
        text += &template::fill("tile_samples", TILE_SAMPLES, &values)?;
        text += &template::fill("pass", PASS, &values)?;
        text += &template::fill("fused_step_split", Source::file("fused_step_split"), &values)?;
        KernelKey::specialized("fused_step_split", text)
    } else {
        let values = Values {
            conditions,
            texts: step_texts(shape),
            ranges: ranges(shape, at_once(shape) as u32),
            functions: vec![broadcast(shape)],
        };
        text += &template::fill("tile_samples", TILE_SAMPLES, &values)?;
        text += &template::fill("pass", PASS, &values)?;
        if cooperative && computes_loss {
            text += &template::fill("row_losses", ROW_LOSSES, &values)?;
        }
        text += &template::fill("fused_step", Source::file("fused_step"), &values)?;
        KernelKey::specialized("fused_step", text)
    };
    let custom_loss = match purpose {
        Purpose::Training(loss) | Purpose::Evaluation(loss) => loss.is_custom(),
        Purpose::Prediction(_) => false,
    };
    let is_custom = custom_loss || applied.iter().any(|applied| applied.activation.is_custom());
    Ok(if is_custom { key.checked() } else { key })
}

/// The names in `fused_step` that depend on the shape.
fn step_texts(shape: Shape) -> Vec<(&'static str, String)> {
    let cooperative = shape.is_cooperative();
    let [inputs, deltas] = if cooperative {
        ["tile[row_${r} * TILE_FOURS + k / 4u + ${v}u]"; 2]
    } else {
        ["values[(below_${r} + k) / 4u + ${v}u]", "deltas[(above_${r} + k) / 4u + ${v}u]"]
    };
    // Where something is broadcast, numbers are read one by one.
    let single = shape.broadcast > 0;
    let element = |array: &str, place: &str| {
        if single {
            format!("{array}[{place}(LAYERS, row) + j]")
        } else {
            format!("{array}[{place}(LAYERS, row) / 4u + j / 4u][j % 4u]")
        }
    };
    let (output_delta, needed) = if shape.packed {
        (
            "deltas[start_of(LAYERS, row) / 4u + j / 2u][j % 2u]".into(),
            "unpacked(values[needed_of(LAYERS, row) / 4u + j / 4u])[j % 4u]".into(),
        )
    } else {
        (element("deltas", "start_of"), element("values", "needed_of"))
    };
    vec![
        ("memory", String::new()),
        ("number", number_type(shape)),
        ("stored", stored_type(shape)),
        ("output_delta", output_delta),
        ("needed", needed),
        ("output", element("values", "start_of")),
        ("sync", if cooperative { "workgroupBarrier();" } else { "" }.into()),
        ("inputs", inputs.into()),
        ("input", "values[below_${r} + k + ${t}u]".into()),
        ("deltas", deltas.into()),
        ("delta", "deltas[above_${r} + k + ${t}u]".into()),
    ]
}

/// The kernel that computes the gradients of all layers, `slice` samples at a time.
pub(super) fn weight_gradients(
    layout: &Layout,
    shape: Shape,
    slice: usize,
    step_shape: Shape,
) -> Result<KernelKey> {
    let mut text = STEP.to_string();
    text += &constants(layout, shape);
    let _ = write!(
        text,
        "const BLOCKS: u32 = {}u;\nconst SLICE: u32 = {slice}u;\nconst PARAMETERS: u32 = {}u;\n\
         const AT_ONCE: u32 = {}u;\n",
        layout.all_blocks(shape),
        layout.parameters(),
        samples_at_once(shape),
    );
    text += &tables(layout);
    text += &packing(layout, shape);
    if shape.packed {
        let _ = writeln!(text, "const LAYERS: u32 = {}u;", layout.layers());
    }
    let blocks: Vec<usize> =
        (0..layout.layers()).map(|layer| layout.blocks(layer, shape)).collect();
    text += &block_table(&blocks);
    let (tile, sums) = (step_shape.tile(), tile_loss_sums(step_shape));
    let _ = writeln!(
        text,
        "fn loss_count() -> u32 {{ return (batch_count() + {}u) / {tile}u * {sums}u; }}",
        tile - 1
    );
    let ranges = ranges(shape, samples_at_once(shape) as u32);
    let hidden = if shape.packed { Stored::Packed } else { Stored::Vector };
    let values = Values {
        conditions: vec![
            ("subgroup", shape.broadcast > 0),
            ("cooperative", shape.is_cooperative()),
            ("packed", shape.packed),
            ("scaled", shape.packed),
        ],
        texts: vec![
            ("own_sum", "partial[local]".into()),
            ("other_sum", "partial[local + half]".into()),
            ("whole_sum", "partial[0]".into()),
            ("number", number_type(shape)),
            ("stored", stored_type(shape)),
            ("products", products([hidden, hidden], &ranges)?),
            ("first_products", products([Stored::Wide, hidden], &ranges)?),
            ("last_products", products([hidden, Stored::Wide], &ranges)?),
        ],
        ranges,
        functions: vec![broadcast(shape)],
    };
    text += &template::fill("weight_gradients", Source::file("weight_gradients"), &values)?;
    text += &template::fill("add_losses", ADD_LOSSES, &values)?;
    Ok(KernelKey::specialized("weight_gradients", text))
}

/// How many sums of losses `fused_step` leaves of a tile: one of its workgroup, or one of each lane.
fn tile_loss_sums(shape: Shape) -> u32 {
    if shape.is_cooperative() { 1 } else { shape.lanes }
}

/// How many sums of losses `fused_step` leaves of `rows` samples.
pub(super) fn loss_sums(rows: usize, shape: Shape) -> usize {
    rows.div_ceil(shape.tile() as usize) * tile_loss_sums(shape) as usize
}

/// What the kernels read and write at a time: one number where something is broadcast, so that each
/// lane can read another one, else four.
fn number_type(shape: Shape) -> String {
    if shape.broadcast > 0 { "f32" } else { "vec4<f32>" }.into()
}

/// What of values and deltas they read and write at a time.
fn stored_type(shape: Shape) -> String {
    if shape.packed { "vec2<u32>".into() } else { number_type(shape) }
}

/// What a kernel of a packed layout has besides.
fn packing(layout: &Layout, shape: Shape) -> String {
    if !shape.packed {
        return String::new();
    }
    [LOSS_SCALE, PACKED, &table("stored_pitch_of", &layout.stored_pitches())].concat()
}

/// `terms`: how many turns of the innermost loop are taken as one.
fn ranges(shape: Shape, terms: u32) -> Vec<(char, u32)> {
    let reads = if shape.broadcast > 0 { shape.columns.div_ceil(shape.broadcast) } else { 0 };
    vec![
        ('r', shape.rows),
        ('q', shape.columns / 4),
        ('g', reads),
        ('u', 4),
        ('i', 4),
        ('t', terms),
        ('v', terms / 4),
        ('p', shape.rows / 4),
    ]
}

/// `${broadcast(t, q)}`: of term `t`, the four columns `q` of the common operand, which several lanes
/// have read.
fn broadcast(shape: Shape) -> Function<'static> {
    let text = move |numbers: &[u32]| {
        let [term, q] = *numbers else { return String::new() };
        let column = |column: u32| {
            let (read, lane) = (column / shape.broadcast, column % shape.broadcast);
            format!("subgroupBroadcast(read_{term}_{read}, {lane}u)")
        };
        format!("vec4<f32>({})", [0, 1, 2, 3].map(|i| column(4 * q + i)).join(", "))
    };
    Function { name: "broadcast", arguments: 2, text: Box::new(text) }
}

fn constants(layout: &Layout, shape: Shape) -> String {
    let mut text = String::new();
    let constants = [
        ("LANES", shape.lanes),
        ("GROUPS", shape.groups),
        ("ROWS", shape.rows),
        ("COLUMNS", shape.columns),
        ("BROADCAST", shape.broadcast),
        ("CAPACITY", layout.rows as u32),
    ];
    for (name, value) in constants {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    text + "fn batch_count() -> u32 { return min(this_step.count, CAPACITY); }\n\
            fn loss_factor() -> f32 { return this_step.loss_factor; }\n"
}

/// The functions of the sizes and places of a layer or level.
fn tables(layout: &Layout) -> String {
    let layers = layout.layers();
    let depths: Vec<usize> = (0..layers).map(|layer| layout.depth(layer)).collect();
    // No layer reads the 1 of the last level.
    let ones: Vec<usize> = layout.biases.iter().map(|bias| usize::from(*bias)).chain([1]).collect();
    [
        table("depth_of", &depths),
        table("ones_of", &ones),
        table("width_of", &layout.widths[1..]),
        table("pitch_of", &layout.pitches),
        table("weights_of", &layout.weights[..layers]),
        table("values_of", &layout.values[..=layers]),
    ]
    .concat()
}

/// The functions of a layer's rate of dropout.
fn rates(network: &Network) -> String {
    let of_layers = |head: &str, value: &dyn Fn(f64) -> String| {
        let mut text = format!("fn {head} {{\n");
        for (l, layer) in network.layers().iter().enumerate().filter(|(_, l)| l.dropout > 0.0) {
            let value = value(layer.dropout);
            let _ = writeln!(text, "    if layer == {l}u {{ return {value}; }}");
        }
        text + &format!("    return {};\n}}\n", value(0.0))
    };
    of_layers("threshold_of(layer: u32) -> u32", &|rate| format!("{}u", dropout::threshold(rate)))
        + &of_layers("factor_of(layer: u32) -> f32", &|rate| {
            format!("{:?}", dropout::factor(rate) as f32)
        })
}

/// What a layer applies to single numbers.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Applied {
    activation: Activation,
    /// What the backward pass needs.
    backward: Backward,
}

impl Applied {
    fn stores_slope(self) -> bool {
        self.backward == Backward::Slope
    }

    /// The WGSL of the activation, with the slope of what the backward pass needs.
    fn wgsl(self) -> Result<String> {
        if self.stores_slope() { self.activation.wgsl_with_slope() } else { self.activation.wgsl() }
    }
}

/// What the layers apply to single numbers.
pub(super) fn applied(network: &Network, purpose: Purpose) -> Vec<Applied> {
    let last = network.layers().len() - 1;
    let each = network.layers().iter().enumerate().map(|(l, layer)| {
        let activation = match purpose {
            // The loss or the prediction does that to whole rows, or works on logits.
            _ if layer.activation.is_row() => Activation::Identity,
            Purpose::Prediction(Output::Logits) if l == last => Activation::Identity,
            Purpose::Training(loss) | Purpose::Evaluation(loss)
                if l == last && loss.folded_activation().is_some() =>
            {
                Activation::Identity
            }
            _ => layer.activation,
        };
        Applied { activation, backward: Layer { activation, ..*layer }.backward() }
    });
    each.collect()
}

/// The functions that compute with the activations of the layers, of four numbers each: `activate`
/// from weighted sums, and for training `slope` from what the backward pass needs; `slope_of_sum` and
/// `stores_slope` where some layer stores its slopes.
pub(super) fn activations(applied: &[Applied], training: bool) -> Result<String> {
    let mut distinct: Vec<Applied> = Vec::new();
    for applied in applied {
        if !distinct.contains(applied) {
            distinct.push(*applied);
        }
    }
    let mut text = String::new();
    for (n, applied) in distinct.iter().enumerate() {
        text += &suffixed(&applied.wgsl()?, &format!("_{n}"), &[]);
    }
    let by_layer = |head: &str, value: &dyn Fn(Applied, usize) -> String| {
        let mut text = format!("fn {head} {{\n");
        let mut layer = 0;
        while layer < applied.len() {
            let here = applied[layer];
            let n = distinct.iter().position(|a| *a == here).unwrap_or(0);
            let next = (layer..applied.len()).find(|l| applied[*l] != here);
            let value = value(here, n);
            let _ = match next {
                Some(next) => writeln!(text, "    if layer < {next}u {{ return {value}; }}"),
                None => writeln!(text, "    return {value};"),
            };
            layer = next.unwrap_or(applied.len());
        }
        text + "}\n"
    };
    let four = |function: &str, n: usize| {
        let each = ["x", "y", "z", "w"].map(|c| format!("{function}_{n}(v.{c})"));
        format!("vec4<f32>({})", each.join(", "))
    };
    let vectors = |name: &str| format!("{name}(layer: u32, v: vec4<f32>) -> vec4<f32>");
    text += &by_layer(&vectors("activate"), &|_, n| four("activation", n));
    if !training {
        return Ok(text);
    }
    text += &by_layer(&vectors("slope"), &|applied, n| match applied.backward {
        Backward::Slope => "v".into(),
        Backward::None => "vec4<f32>()".into(),
        _ => four("activation_slope", n),
    });
    if applied.iter().any(|applied| applied.stores_slope()) {
        text += &by_layer(&vectors("slope_of_sum"), &|applied, n| {
            if applied.stores_slope() { four("activation_slope", n) } else { "v".into() }
        });
        text += &by_layer("stores_slope(layer: u32) -> bool", &|applied, _| {
            applied.stores_slope().to_string()
        });
    }
    Ok(text)
}

/// The function that does what is left to do for a row of the output level.
pub(super) fn finish(network: &Network, purpose: Purpose) -> Result<String> {
    let activation = network.output_layer().activation;
    let softmax = activation.is_row();
    let pad = "    for (var j = OUTPUTS; j < pitch_of(LAYERS); j++) { set_delta(row, j, 0.0); }\n";
    Ok(match purpose {
        Purpose::Prediction(output) => {
            let apply = softmax && output == Output::Activated;
            [
                if apply { Source::file("softmax") } else { "" },
                "fn finish_row(row: u32) {\n",
                if apply { "    row_softmax(row, OUTPUTS);\n" } else { "" },
                "}\n",
            ]
            .concat()
        }
        Purpose::Evaluation(loss) => {
            let apply = softmax && loss.folded_activation().is_none();
            [
                loss.wgsl()?.as_str(),
                WEIGHTED_LOSS,
                if apply { Source::file("softmax") } else { "" },
                "fn finish_row(row: u32, scale: f32) -> f32 {\n",
                if apply { "    row_softmax(row, OUTPUTS);\n" } else { "" },
                "    return weighted_loss(row, OUTPUTS, scale);\n}\n",
            ]
            .concat()
        }
        Purpose::Training(loss) => {
            let folded = loss.folded_activation().is_some();
            let (before, after) = match (folded, softmax) {
                (true, _) => ("", ""),
                (false, true) => (
                    "    row_softmax(row, OUTPUTS);\n",
                    "    row_softmax_gradient(row, OUTPUTS);\n",
                ),
                (false, false) => (
                    "",
                    "    for (var j = 0u; j < OUTPUTS; j++) {\n        \
                     let needed = vec4<f32>(needed_output(row, j));\n        \
                     set_delta(row, j, delta_of(row, j) * slope(LAYERS - 1u, needed).x);\n    }\n",
                ),
            };
            [
                loss.wgsl()?.as_str(),
                WEIGHTED_LOSS,
                if before.is_empty() { "" } else { Source::file("softmax") },
                if before.is_empty() { "" } else { Source::file("softmax_gradient") },
                "fn finish_row(row: u32, scale: f32) -> f32 {\n",
                before,
                "    let loss = weighted_loss(row, OUTPUTS, scale);\n",
                after,
                pad,
                "    return loss;\n}\n",
            ]
            .concat()
        }
    })
}
