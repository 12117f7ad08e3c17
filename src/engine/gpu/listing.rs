//! The text of the kernels, for tools that look at what a compiler makes of them.

use super::candidates;
use super::fused::{PREDICTED, usual};
use super::kernels::{self, KernelKey};
use super::layout::Layout;
use super::shape::{Abilities, Shape, Shapes};
use super::specialise::{self, Purpose, Samples};
use super::update::{UPDATED, Update};
use crate::engine::{Output, Plan};
use crate::error::Result;
use crate::network::Network;
use crate::optimizer::Optimizer;

/// A kernel as the engine compiles it.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The kernel's name, and its shape or activation.
    pub name: String,
    /// Its whole text, entry point `main`.
    pub wgsl: String,
    /// Pipeline-overridable constants that the text declares; the engine's own kernels declare none.
    pub constants: Vec<(String, f64)>,
    /// Whether it is compiled without checks of indices and loops.
    pub trusted: bool,
    /// How a training step dispatches it, if it does.
    pub dispatch: Option<Dispatch>,
}

/// One dispatch of a kernel.
#[derive(Clone, Debug, Default)]
pub struct Dispatch {
    /// How many workgroups.
    pub workgroups: [u32; 3],
    /// Products and sums that it computes, counted as 2 a multiplication with its addition.
    pub flops: f64,
    /// Bytes that it reads and writes at least, each buffer counted once.
    pub bytes: f64,
    /// Of each nest of loops in which it spends its time, in their order: how often each loop runs
    /// when it is entered, on average, the outermost first.
    pub trips: Vec<Vec<f64>>,
}

/// The fused kernels of a training step on a GPU with WebGPU's default limits: every pair of shapes
/// that is tried on one, the first being what is taken unmeasured. Each comes as the three
/// dispatches of a step, in their order.
///
/// # Errors
/// A network that the fused kernels cannot take.
pub fn listings(network: &Network, plan: &Plan) -> Result<Vec<Vec<Listing>>> {
    let candidates = candidates(&Layout::new(network, plan.batch_size));
    usual(&candidates)?;
    candidates.into_iter().map(|shapes| step(network, plan, shapes)).collect()
}

/// Every other kernel of the engine: what predicts with this network, and those that are not
/// written for one, with each activation. No training step of the fused kernels dispatches them,
/// but for the optimizer.
///
/// # Errors
/// A network that the fused kernels cannot take.
pub fn other_listings(network: &Network) -> Result<Vec<Listing>> {
    let layout = Layout::new(network, PREDICTED);
    let shape = usual(&candidates(&layout))?.step;
    let purpose = Purpose::Prediction(Output::Activated);
    let prediction = specialise::step(network, &layout, shape, Samples::TABLE, purpose)?;
    let name = format!("fused_step, predicting, {shape}");
    let updates = Optimizer::ALL.iter().map(|optimizer| Update::plain(*optimizer).key());
    let general = kernels::general()
        .chain(updates)
        .map(|key| key.map(|key| listing(key.to_string(), key, None)));
    std::iter::once(Ok(listing(name, prediction, None))).chain(general).collect()
}

/// The shapes that are tried on a GPU of which no more is known.
fn candidates(layout: &Layout) -> Vec<Shapes> {
    let abilities = Abilities {
        limits: wgpu::Limits::default(),
        software: false,
        broadcast: 0,
        vector: 8,
        most_turns: usize::MAX,
    };
    candidates::candidates(&abilities, layout)
}

fn listing(name: String, key: KernelKey, dispatch: Option<Dispatch>) -> Listing {
    Listing {
        name,
        constants: Vec::new(),
        trusted: key.is_trusted(),
        wgsl: key.into_text(),
        dispatch,
    }
}

/// The three dispatches of a training step.
fn step(network: &Network, plan: &Plan, shapes: Shapes) -> Result<Vec<Listing>> {
    let count = plan.batch_size;
    let tile = shapes.step.tile() as usize;
    // The last tile is whole, whatever the batch.
    let layout = Layout::new(network, count.next_multiple_of(tile));
    let slices = layout.rows.div_ceil(shapes.slice as usize);
    let pass = specialise::step(
        network,
        &layout,
        shapes.step,
        Samples::TABLE,
        Purpose::Training(plan.loss),
    )?;
    let (flops, numbers) = layout.pass_cost(count, true);
    let pass = listing(
        format!("fused_step, {}", shapes.step),
        pass,
        Some(Dispatch {
            workgroups: [count.div_ceil(tile) as u32, 1, 1],
            flops,
            bytes: 4.0 * numbers,
            trips: pass_trips(&layout, shapes.step),
        }),
    );

    let slice = shapes.slice as usize;
    let gradients = specialise::weight_gradients(&layout, shapes.gradients, slice, shapes.step)?;
    let (flops, numbers) = layout.gradient_cost(count, slices);
    let samples = specialise::samples_at_once(shapes.gradients);
    let gradients = listing(
        format!("weight_gradients, {}", shapes.gradients),
        gradients,
        Some(Dispatch {
            // One more adds up the losses.
            workgroups: [layout.all_blocks(shapes.gradients) as u32 + 1, slices as u32, 1],
            flops,
            bytes: 4.0 * numbers,
            trips: vec![vec![(slice.min(count) / samples) as f64]],
        }),
    );

    let update = Update::of(plan).key()?;
    let parameters = layout.parameters();
    let update = listing(
        update.to_string(),
        update,
        Some(Dispatch {
            workgroups: [parameters.div_ceil(UPDATED).div_ceil(256) as u32, 1, 1],
            // About ten operations, parameters, their copy and the state, read and written.
            flops: ((slices + 10) * parameters) as f64,
            bytes: 4.0 * ((slices + 7) * parameters) as f64,
            trips: vec![vec![UPDATED as f64, slices as f64]],
        }),
    );
    Ok(vec![pass, gradients, update])
}

/// Of `fused_step`, forward and back: over layers, over columns where no other invocation has them,
/// over the numbers of the level that goes in.
fn pass_trips(layout: &Layout, shape: Shape) -> Vec<Vec<f64>> {
    let layers = layout.layers();
    let widths = &layout.widths;
    let turns = |numbers: usize| numbers.div_ceil(specialise::at_once(shape));
    // Of each layer, the turns in which it reads, and what it puts out.
    let forward: Vec<_> = (0..layers).map(|l| (turns(widths[l] + 1), widths[l + 1] + 1)).collect();
    let back: Vec<_> = (1..layers).map(|l| (turns(widths[l + 1]), widths[l])).collect();
    let nest = |passes: Vec<(usize, usize)>| {
        let shared = shape.is_cooperative();
        let columns = |out: usize| if shared { 1 } else { out.div_ceil(shape.columns as usize) };
        let all: usize = passes.iter().map(|(read, out)| read * columns(*out)).sum();
        let chunks: usize = passes.iter().map(|(_, out)| columns(*out)).sum();
        let (layers, all, chunks) = (passes.len() as f64, all as f64, chunks as f64);
        if shared {
            vec![layers, all / layers]
        } else {
            vec![layers, chunks / layers, all / chunks]
        }
    };
    // A single layer has nothing to go back through.
    [forward, back].into_iter().filter(|passes| !passes.is_empty()).map(nest).collect()
}
