//! The engine's kernels, as dispatched in a training step.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Listing;
use crate::workspace::root;

/// Layers of the network that kernels are judged by: 2 → 10×100 → 3.
const WIDTHS: [u32; 12] = [2, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 3];

/// Every kernel of the engine, with the dispatches of a step of so many samples: ReLU, a sigmoid
/// at the end, squared error, Adam.
///
/// Kernels that such a step does not use are listed with no dispatch.
///
/// # Errors
///
/// When the folder of the shaders cannot be read.
pub fn listings(batch: u32) -> Result<Vec<Listing>> {
    let shaders = Shaders::read(&root().join("shaders"))?;
    let mut listings = Vec::new();
    for (name, text) in &shaders.kernels {
        let bodies: Vec<(String, String)> =
            if mentions(text, "activation") || mentions(text, "activation_derivative") {
                let of = |(activation, snippet): &(String, String)| {
                    (format!("{name} {activation}"), shaders.with_shared(text, snippet))
                };
                shaders.activations.iter().map(of).collect()
            } else {
                vec![(name.clone(), shaders.with_shared(text, ""))]
            };
        for (name, wgsl) in bodies {
            let uses = uses(&name, batch);
            if uses.is_empty() {
                listings.push(Listing { name, wgsl, ..Listing::default() });
                continue;
            }
            for (suffix, shape) in uses {
                let name =
                    if suffix.is_empty() { name.clone() } else { format!("{name} {suffix}") };
                listings.push(Listing { name, wgsl: wgsl.clone(), ..shape });
            }
        }
    }
    // `override activation_parameter` has no default.
    for listing in &mut listings {
        if listing.wgsl.contains("override activation_parameter") {
            listing.constants.push(("activation_parameter".into(), 0.01));
        }
    }
    Ok(listings)
}

/// The dispatches of a kernel in a step: what tells each apart, and all but its name and text.
fn uses(name: &str, batch: u32) -> Vec<(String, Listing)> {
    let hidden = WIDTHS.len() as u32 - 2;
    let b = batch as f64;
    let parameters: f64 =
        WIDTHS.windows(2).map(|pair| pair[0] as f64 * pair[1] as f64 + pair[1] as f64).sum();
    // One invocation an element, with so many operations and bytes each.
    let elements = |count: f64, flops: f64, bytes: f64, dispatches: u32| {
        let shape = Listing {
            workgroups: [(count / 256.0).ceil() as u32, 1, 1],
            flops: flops * count,
            bytes: bytes * count,
            dispatches,
            ..Listing::default()
        };
        vec![(String::new(), shape)]
    };
    let all_layers = [(2, 100, 1), (100, 100, hidden - 1), (100, 3, 1)];
    // Rows, depth and columns of each product.
    let products = |of: &dyn Fn(u32, u32) -> [u32; 3], layers: &[(u32, u32, u32)]| {
        let product = |&(fan_in, fan_out, dispatches): &(u32, u32, u32)| {
            let [m, k, n] = of(fan_in, fan_out);
            let [rows, depth, columns] = [m as f64, k as f64, n as f64];
            let shape = Listing {
                workgroups: [n.div_ceil(8), m.div_ceil(128), 1],
                flops: 2.0 * rows * depth * columns,
                bytes: 4.0 * (rows * depth + depth * columns + rows * columns),
                dispatches,
                trips: vec![depth],
                ..Listing::default()
            };
            (format!("{m}x{k}x{n}"), shape)
        };
        layers.iter().map(product).collect::<Vec<_>>()
    };
    match name {
        "gather" => {
            let mut inputs = elements(b, 0.0, 2.0 * 4.0 * 2.0, 1);
            inputs[0].1.trips = vec![2.0, 6.0];
            inputs
        }
        "matmul" => products(&|fan_in, fan_out| [batch, fan_in, fan_out], &all_layers),
        "matmul_nt" => products(&|fan_in, fan_out| [batch, fan_out, fan_in], &all_layers[1..]),
        "matmul_tn" => products(&|fan_in, fan_out| [fan_in, batch, fan_out], &all_layers),
        "bias_add" => elements(b * 100.0, 1.0, 8.0, hidden + 1),
        "bias_gradient" => {
            let mut sums = elements(100.0, b, 4.0 * b, hidden + 1);
            sums[0].1.trips = vec![b];
            sums
        }
        "activation relu" => elements(b * 100.0, 1.0, 8.0, hidden),
        "activation sigmoid" => elements(b * 3.0, 4.0, 8.0, 1),
        "activation_gradient relu" => elements(b * 100.0, 1.0, 12.0, hidden),
        "activation_gradient sigmoid" => elements(b * 3.0, 3.0, 12.0, 1),
        "squared_error" => {
            let mut rows = elements(b, 12.0, 40.0, 1);
            rows[0].1.trips = vec![3.0];
            rows
        }
        "loss_sum" => {
            let mut sum = elements(1.0, b, 4.0 * b, 1);
            sum[0].1.trips = vec![b / 256.0];
            sum
        }
        "adam" => elements(parameters, 16.0, 32.0, 1),
        _ => Vec::new(),
    }
}

/// The text of the folder `shaders`.
struct Shaders {
    /// Name and text.
    kernels: Vec<(String, String)>,
    activations: Vec<(String, String)>,
    shared: Vec<(String, String)>,
}

impl Shaders {
    fn read(folder: &Path) -> Result<Self> {
        Ok(Self {
            kernels: read_folder(folder)?,
            activations: read_folder(&folder.join("activations"))?,
            shared: read_folder(&folder.join("shared"))?,
        })
    }

    /// A kernel after `index.wgsl`, the pieces in `shared` of which it uses something, and its
    /// activation.
    fn with_shared(&self, text: &str, activation: &str) -> String {
        let uses =
            |piece: &str| piece.lines().filter_map(defined_name).any(|name| mentions(text, name));
        let mut parts: Vec<&str> = self
            .shared
            .iter()
            .filter(|(name, piece)| name == "index" || uses(piece))
            .map(|(_, piece)| piece.as_str())
            .collect();
        parts.extend([activation, text]);
        parts.join("\n")
    }
}

/// What a line at the outermost level defines: the name after `fn`, `const` or `var<…>`.
fn defined_name(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("fn ")
        .or_else(|| line.strip_prefix("const "))
        .or_else(|| line.split_once("var<")?.1.split_once("> ").map(|(_, rest)| rest))?;
    // Local variables are indented.
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (!line.starts_with(' ')).then_some(&rest[..end])
}

/// Whether the code, comments apart, uses a name.
fn mentions(text: &str, name: &str) -> bool {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .any(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name))
}

/// Name and text of each WGSL file, sorted.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wgsl") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, text));
        }
    }
    files.sort();
    Ok(files)
}
