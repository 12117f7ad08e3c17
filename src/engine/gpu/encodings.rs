//! Writes the kernels of a network's encodings, where these are more than one set of waves.

use super::kernels::{FIXED_POINT, GRID, KernelKey, PERMUTATION, PLACE, SINE, STEP, Source, WAVES};
use super::specialize::Samples;
use crate::encoding::Computation;
use crate::error::Result;
use crate::grid::{Grid, Interpolation, Level};
use crate::input_encoding::{Leaf, Leaves, Node, Reduction};
use crate::network::Network;
use crate::template::{self, Values};
use crate::wgsl::names::suffixed;
use std::fmt::Write;

/// Where the inputs of a batch's samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Inputs {
    /// In a buffer, `[rows, inputs]`.
    Gathered,
    /// In the dataset, in the order of the step.
    Ordered(Samples),
}

/// What a kernel computes with the leaves.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Encode,
    /// In workgroups of so many invocations.
    Scatter(usize),
    /// The gradient of the inputs.
    Return,
}

/// Invocations of a workgroup of `grid_gradient`. Any number gives the same bits.
pub(super) const SCATTERING: usize = 128;

/// In how many units an encoding is computed.
fn units(leaf: &Leaf) -> usize {
    match leaf.encoding.computation() {
        Computation::Identity | Computation::Direct => leaf.columns.len(),
        Computation::Waves => leaf.columns.len() / 2,
        Computation::Grid(grid) => grid.levels,
    }
}

/// Units of all encodings.
pub(super) fn all_units(leaves: &Leaves) -> usize {
    leaves.all.iter().map(units).sum()
}

/// Units of all grids.
pub(super) fn grid_units(leaves: &Leaves) -> usize {
    leaves.all.iter().filter(|leaf| leaf.grid().is_some()).map(units).sum()
}

/// Where the frequencies of each leaf begin among those of all, and all of them.
pub(super) fn frequencies(leaves: &Leaves) -> (Vec<usize>, Vec<f32>) {
    let mut all = Vec::new();
    let begin = |leaf: &Leaf| {
        let first = all.len();
        all.extend(leaf.encoding.frequencies(leaf.inputs.len()).unwrap_or_default());
        first
    };
    (leaves.all.iter().map(begin).collect(), all)
}

/// The kernel that computes the columns of all encodings; where `scatters`, before a backward pass that needs the
/// gradient of grids.
pub(super) fn encode(network: &Network, inputs: Inputs, scatters: bool) -> Result<KernelKey> {
    kernel("encode", network, inputs, Task::Encode, scatters)
}

/// The kernel that computes the gradient of the inputs.
pub(super) fn encoding_gradient(network: &Network) -> Result<KernelKey> {
    kernel("encoding_gradient", network, Inputs::Gathered, Task::Return, false)
}

/// The kernel that adds up the gradients of all grids, in workgroups of so many invocations.
pub(super) fn grid_gradient(
    network: &Network,
    inputs: Inputs,
    workgroup: usize,
) -> Result<KernelKey> {
    kernel("grid_gradient", network, inputs, Task::Scatter(workgroup), true)
}

/// A kernel over samples and units of their encodings, or inputs.
fn kernel(
    name: &'static str,
    network: &Network,
    inputs: Inputs,
    task: Task,
    scatters: bool,
) -> Result<KernelKey> {
    let leaves = network.leaves();
    let mut text = STEP.to_string() + "\n";
    let sample = match inputs {
        Inputs::Gathered => {
            text += "@group(0) @binding(2) var<storage, read> gathered: array<f32>;\n\
                     fn input_of(sample: u32, j: u32) -> f32 { return gathered[sample * INPUTS + j]; }\n";
            "row"
        }
        Inputs::Ordered(samples) => {
            text += &[PERMUTATION, "\n", &samples.text()].concat();
            "sample_at(this_step.first + row)"
        }
    };
    let is_scattering = matches!(task, Task::Scatter(_));
    let units = if is_scattering { grid_units(&leaves) } else { all_units(&leaves) };
    let _ = write!(
        text,
        "const INPUTS: u32 = {}u;\nconst OUTPUTS: u32 = {}u;\nconst COLUMNS: u32 = {}u;\n\
         const UNITS: u32 = {units}u;\n",
        network.inputs(),
        network.outputs(),
        leaves.columns,
    );
    let (starts, all) = frequencies(&leaves);
    let waves = !all.is_empty() && !is_scattering;
    if waves {
        text += SINE;
    }
    text += PLACE;
    text += "// The number of the row's sample among those that input_of knows.\n\
             var<private> sample: u32;\n\
             fn input_at(j: u32) -> f32 { return input_of(sample, j); }\n";
    if is_scattering {
        text += FIXED_POINT;
    }
    let mut dispatch = String::new();
    let mut first = 0;
    for (number, (leaf, start)) in leaves.all.iter().zip(starts).enumerate() {
        if is_scattering && leaf.grid().is_none() {
            continue;
        }
        text += &suffixed(&leaf_text(leaf, start, task)?, &format!("_{number}"), &[]);
        let end = first + self::units(leaf);
        let _ = match task {
            Task::Encode => writeln!(
                dispatch,
                "    if unit < {end}u {{ encode_unit_{number}(unit - {first}u); return; }}"
            ),
            Task::Scatter(_) => writeln!(
                dispatch,
                "    if unit < {end}u {{ scatter_unit_{number}(unit - {first}u); return; }}"
            ),
            Task::Return => writeln!(
                dispatch,
                "    if input >= {}u && input < {}u {{ sum += leaf_gradient_{number}(input - {}u); }}",
                leaf.inputs.start, leaf.inputs.end, leaf.inputs.start
            ),
        };
        first = end;
    }
    let _ = match task {
        Task::Encode => writeln!(text, "fn encode_any(unit: u32) {{\n{dispatch}}}"),
        Task::Scatter(_) => writeln!(text, "fn scatter_any(unit: u32) {{\n{dispatch}}}"),
        Task::Return => writeln!(
            text,
            "fn input_gradient(input: u32) -> f32 {{\n    var sum = 0.0;\n{dispatch}    return sum;\n}}"
        ),
    };
    let tables = network.encoding_parameters() > 0;
    let workgroup = if let Task::Scatter(workgroup) = task { workgroup } else { 0 };
    let values = Values {
        conditions: vec![("tables", tables), ("waves", waves), ("scatters", scatters)],
        texts: vec![("sample", sample.into()), ("workgroup", workgroup.to_string())],
        ..Values::default()
    };
    text += &template::fill(name, Source::file(name), &values)?;
    Ok(KernelKey::specialized(name, text))
}

/// The functions of an encoding, without a number behind their names.
fn leaf_text(leaf: &Leaf, frequencies: usize, task: Task) -> Result<String> {
    let mut text =
        format!("fn x_of(j: u32) -> f32 {{ return input_at({}u + j); }}\n", leaf.inputs.start);
    let first = leaf.columns.start;
    match leaf.encoding.computation() {
        Computation::Grid(grid) => return Ok(text + &grid_text(leaf, grid, task)?),
        Computation::Waves => {
            let values = Values {
                conditions: vec![("encodes", task == Task::Encode)],
                texts: vec![
                    ("frequencies", frequencies.to_string()),
                    ("inputs", leaf.inputs.len().to_string()),
                    ("first", first.to_string()),
                    ("columns", leaf.columns.len().to_string()),
                ],
                ..Values::default()
            };
            text += &template::fill("waves", WAVES, &values)?;
        }
        Computation::Identity | Computation::Direct => {
            text += &leaf.encoding.wgsl()?;
            if task == Task::Encode {
                let _ = writeln!(
                    text,
                    "fn encode_unit(unit: u32) {{ put_column({first}u + unit, encoded(unit)); }}"
                );
            }
        }
    }
    if task == Task::Return {
        let _ = write!(
            text,
            "fn leaf_gradient(input: u32) -> f32 {{\n    var sum = 0.0;\n    \
             let range = columns_of(input);\n    \
             for (var column = range.x; column < range.y; column++) {{\n        \
             sum += delta_at({first}u + column) * encoded_slope(column, input);\n    }}\n    \
             return sum;\n}}\n"
        );
    }
    Ok(text)
}

fn grid_text(leaf: &Leaf, grid: Grid, task: Task) -> Result<String> {
    let inputs = leaf.inputs.len();
    let level = |(number, level): (usize, &Level)| {
        let Level { scale, strides: [x, y, z, w], hashed, first, entries } = *level;
        format!(
            "    if level == {number}u {{ return Level({scale:?}, vec4<u32>({x}u, {y}u, {z}u, {w}u), \
             {hashed}, {first}u, {entries}u); }}\n"
        )
    };
    let levels = grid.levels(inputs);
    let levels: String = levels.iter().enumerate().map(level).collect();
    let (weight, slope, corners) = match grid.interpolation {
        // The others have the weight 0.
        Interpolation::Nearest => ("0.0", "0.0", 1),
        Interpolation::Linear => ("w", "1.0", 1 << inputs),
        Interpolation::Smoothstep => {
            ("w * w * (3.0 - 2.0 * w)", "6.0 * w * (1.0 - w)", 1 << inputs)
        }
    };
    let values = Values {
        conditions: vec![
            ("encodes", task == Task::Encode),
            ("scatters", matches!(task, Task::Scatter(_))),
            ("returns", task == Task::Return),
        ],
        ranges: vec![('i', inputs as u32), ('f', grid.features as u32)],
        texts: vec![
            ("levels", levels + "    return Level();\n"),
            ("weight", weight.into()),
            ("slope", slope.into()),
            ("table", leaf.table.start.to_string()),
            ("features", grid.features.to_string()),
            ("corners", corners.to_string()),
            ("first", leaf.columns.start.to_string()),
            ("units", grid.levels.to_string()),
        ],
        ..Values::default()
    };
    template::fill("grid", GRID, &values)
}

/// The kernel that combines the columns, if that is more than to put them one after the other.
pub(super) fn combine(network: &Network) -> Result<Option<KernelKey>> {
    let leaves = network.leaves();
    let Some(root) = &leaves.root else { return Ok(None) };
    let mut nodes = Nodes::default();
    let number = nodes.add(root);
    let combined = format!("fn combined(output: u32) -> f32 {{ return node_{number}(output); }}\n");
    nodes.kernel("combine", &leaves, root, &combined).map(Some)
}

/// The kernel that computes the gradient of what [`combine`] combines.
pub(super) fn combine_gradient(network: &Network) -> Result<Option<KernelKey>> {
    let leaves = network.leaves();
    let Some(root) = &leaves.root else { return Ok(None) };
    let mut nodes = Nodes::default();
    let mut paths = String::new();
    nodes.paths(root, "", &mut paths);
    let gradient = format!("fn gradient_of(column: u32) -> f32 {{\n{paths}    return 0.0;\n}}\n");
    nodes.kernel("combine_gradient", &leaves, root, &gradient).map(Some)
}

/// The functions of nodes: `node_i(output)` is one of the outputs of node `i`.
#[derive(Default)]
struct Nodes {
    count: usize,
    text: String,
}

impl Nodes {
    /// Writes the function of a node, after those of its parts; its number.
    fn add(&mut self, node: &Node) -> usize {
        let body = match node {
            Node::Columns(columns) => {
                format!("    return column_at({}u + output);\n", columns.start)
            }
            Node::Reduced(Reduction::Concatenation, parts) => {
                let (mut body, mut first) = (String::new(), 0);
                for part in parts {
                    let number = self.add(part);
                    let end = first + part.outputs();
                    let _ = writeln!(
                        body,
                        "    if output < {end}u {{ return node_{number}(output - {first}u); }}"
                    );
                    first = end;
                }
                body + "    return 0.0;\n"
            }
            Node::Reduced(reduction, parts) => {
                let parts: Vec<String> =
                    parts.iter().map(|part| format!("node_{}(output)", self.add(part))).collect();
                let sign = if *reduction == Reduction::Sum { " + " } else { " * " };
                format!("    return {};\n", parts.join(sign))
            }
        };
        let number = self.count;
        self.count += 1;
        let _ = write!(self.text, "fn node_{number}(output: u32) -> f32 {{\n{body}}}\n");
        number
    }

    /// Writes how the gradient of each column follows from that of an output, from the column's node up. `above` is
    /// what comes from the parent of `node` on.
    fn paths(&mut self, node: &Node, above: &str, paths: &mut String) {
        match node {
            Node::Columns(columns) => {
                let _ = write!(
                    paths,
                    "    if column < {}u {{\n        var output = column - {}u;\n        \
                     var factor = 1.0;\n{above}        return delta_at(output) * factor;\n    }}\n",
                    columns.end, columns.start
                );
            }
            Node::Reduced(Reduction::Concatenation, parts) => {
                let mut first = 0;
                for part in parts {
                    self.paths(part, &format!("        output += {first}u;\n{above}"), paths);
                    first += part.outputs();
                }
            }
            Node::Reduced(Reduction::Sum, parts) => {
                for part in parts {
                    self.paths(part, above, paths);
                }
            }
            Node::Reduced(Reduction::Product, parts) => {
                let numbers: Vec<usize> = parts.iter().map(|part| self.add(part)).collect();
                for (place, part) in parts.iter().enumerate() {
                    let others = numbers.iter().enumerate().filter(|(other, _)| *other != place);
                    let mut path = String::new();
                    for (_, number) in others {
                        let _ = writeln!(path, "        factor *= node_{number}(output);");
                    }
                    self.paths(part, &(path + above), paths);
                }
            }
        }
    }

    fn kernel(
        &self,
        name: &'static str,
        leaves: &Leaves,
        root: &Node,
        function: &str,
    ) -> Result<KernelKey> {
        let mut text = format!(
            "const COLUMNS: u32 = {}u;\nconst FIRST: u32 = {}u;\n",
            leaves.columns,
            root.outputs()
        );
        text += &[PLACE, &self.text, function].concat();
        text += &template::fill(name, Source::file(name), &Values::default())?;
        Ok(KernelKey::specialized(name, text))
    }
}
