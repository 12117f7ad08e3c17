//! The text of every kernel and the dispatches of a step, for tools.

use super::candidates;
use super::fused::{self, Keys, PREDICTED, usual};
use super::kernels::{self, KernelKey};
use super::layout::Layout;
use super::mixed::layout::{BLOCK, CHUNK, MixedLayout, Tile};
use super::mixed::{step as mixed, texts};
use super::recorder::{Cost, Work};
use super::shape::{Abilities, Shape, Shapes, desktop_limits};
use super::specialize::{self, Purpose, Samples};
use super::split::Split;
use super::update::{self, F16, Update};
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

/// The slices of a gradient for which the kernels of other optimizers are listed.
const SLICES: usize = 16;

/// Lanes of a subgroup on GPUs of NVIDIA, and the fewest on most of AMD's.
const SUBGROUP: u32 = 32;

/// The fused kernels of a training step on a GPU with subgroups, workgroups of up to 1,024 invocations and
/// 32 KiB of memory: every pair of shapes that is tried on one, the first being what is taken unmeasured. Each comes
/// as the dispatches of a step, in their order.
///
/// # Errors
/// A network that the fused kernels cannot take.
pub fn listings(network: &Network, plan: &Plan) -> Result<Vec<Vec<Listing>>> {
    let candidates = candidates(&Layout::new(network, plan.batch_size));
    usual(&candidates)?;
    candidates.into_iter().map(|shapes| step(network, plan, shapes)).collect()
}

/// As [`listings`], with the values and deltas of hidden layers in f16.
///
/// # Errors
/// A network that the fused kernels cannot take.
pub fn packed_listings(network: &Network, plan: &Plan) -> Result<Vec<Vec<Listing>>> {
    let abilities = Abilities::of_gpu(desktop_limits());
    let candidates = candidates::packed(&abilities, &Layout::new(network, plan.batch_size));
    usual(&candidates)?;
    candidates.into_iter().map(|shapes| step(network, plan, shapes)).collect()
}

/// The kernels of a training step in mixed precision, for matrices of 16 rows: a step for each tile. They
/// are for GPUs that multiply such matrices.
///
/// # Errors
/// A template that cannot be filled for the network.
pub fn mixed_listings(network: &Network, plan: &Plan) -> Result<Vec<Vec<Listing>>> {
    let step = |samples| -> Result<Vec<Listing>> {
        let tile = Tile { matrix: 16, samples, unrolled: true };
        let layout = MixedLayout::new(network, plan.batch_size, tile);
        let count = plan.batch_size;
        let pass = texts::step(network, &layout, Samples::TABLE, plan.loss)?;
        let gradients = texts::gradients(&layout)?;
        let places = texts::of_update(&layout);
        let update = Update { f16: F16::Mixed(&places), ..Update::of(plan) };
        let slices = layout.slices();
        let parameters = layout.base.parameters();
        let updated = update::updated(false, parameters);
        let calls = update::calls(update, [parameters, updated], slices, 0)?;
        // A workgroup has four waves of 64. Forward and back, the products of a layer are one turn.
        let turns = (layout.longest() / BLOCK).div_ceil(4) as f64;
        let of_pass = vec![vec![(layout.layers() - 1) as f64, turns, 1.0]; 2];
        let of_gradients = vec![vec![turns, (layout.slice.min(count) / CHUNK) as f64]];
        let name = format!("mixed_step, tile of {samples}");
        let work = mixed::pass_work(&layout, count);
        let mut listings = vec![listing(name, pass, Some(dispatch(work, of_pass)))];
        let work = mixed::gradients_work(&layout, count);
        let name = format!("mixed_gradients, slices of {}", layout.slice);
        listings.push(listing(name, gradients, Some(dispatch(work, of_gradients))));
        let (key, work) = calls.update;
        let trips = vec![vec![updated as f64, (slices / 4) as f64]];
        let name = format!("{key}, mixed");
        listings.push(listing(name, key, Some(dispatch(work, trips))));
        let name = "mixed_parameters".to_string();
        listings.push(listing(name, texts::parameters(&layout), None));
        Ok(listings)
    };
    [16, 32, 64].into_iter().map(step).collect()
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
    let prediction = fused::pass_kernel(network, PREDICTED, shape, Samples::TABLE, purpose)?;
    let name = format!("fused_step, predicting, {shape}");
    let updates = Optimizer::ALL.iter().map(|optimizer| Update::plain(*optimizer).key(SLICES));
    let general = kernels::general()
        .chain(updates)
        .map(|key| key.map(|key| listing(key.to_string(), key, None)));
    std::iter::once(Ok(listing(name, prediction, None))).chain(general).collect()
}

/// The shapes that are tried on a GPU with subgroups of which no more is known.
fn candidates(layout: &Layout) -> Vec<Shapes> {
    let abilities = Abilities { subgroup: SUBGROUP, ..Abilities::of_gpu(desktop_limits()) };
    candidates::candidates(&abilities, layout)
}

fn listing(name: String, key: KernelKey, dispatch: Option<Dispatch>) -> Listing {
    Listing {
        name,
        constants: Vec::new(),
        trusted: key.is_trusted,
        wgsl: key.into_text(),
        dispatch,
    }
}

/// The dispatches of a training step.
fn step(network: &Network, plan: &Plan, shapes: Shapes) -> Result<Vec<Listing>> {
    let count = plan.batch_size;
    let layout = fused::padded_layout(network, count, shapes.step);
    let keys = Keys::training(network, count, shapes, Samples::TABLE, plan.loss)?;
    let mut listings = vec![listing(
        format!("{}, {}", keys.pass.name, shapes.step),
        keys.pass,
        Some(dispatch(
            fused::pass_work(&layout, shapes, count, true),
            pass_trips(&layout, shapes.step),
        )),
    )];
    if let Some(key) = keys.gradients {
        listings.push(listing(
            format!("weight_gradients, {}, slices of {}", shapes.gradients, shapes.slice),
            key,
            Some(dispatch(
                fused::gradients_work(&layout, shapes, count),
                gradient_trips(&layout, shapes, count),
            )),
        ));
    }
    let slices = fused::slices(&layout, shapes);
    let pieces = update::pieces(&layout.segments(), &[]);
    let sizes = pieces.iter().map(|[first, end, ..]| f64::from(end - first));
    let piece = sizes.sum::<f64>() / pieces.len() as f64;
    let parameters = layout.parameters();
    let updated = update::updated(false, parameters);
    let f16 = if shapes.step.packed { F16::Storage } else { F16::None };
    let update = Update { f16, ..Update::of(plan) };
    let calls = update::calls(update, [parameters, updated], slices, pieces.len())?;
    // The loop over slices takes four a turn.
    let turns = (slices / 4) as f64;
    listings.extend(calls.norms.into_iter().map(|(key, work)| {
        let trips = vec![vec![(piece / 256.0).max(1.0), turns]];
        listing(key.to_string(), key, Some(dispatch(work, trips)))
    }));
    let (key, work) = calls.update;
    let trips = vec![vec![updated as f64, turns]];
    listings.push(listing(key.to_string(), key, Some(dispatch(work, trips))));
    Ok(listings)
}

/// A dispatch as it is recorded on a GPU with WebGPU's default limit of workgroups.
fn dispatch(work: Work, trips: Vec<Vec<f64>>) -> Dispatch {
    let most = wgpu::Limits::default().max_compute_workgroups_per_dimension as usize;
    let workgroups = work.grid.workgroups(most).map(|count| count as u32);
    let Cost { operations, bytes } = work.cost(0);
    Dispatch { workgroups, flops: operations, bytes, trips }
}

/// Of `weight_gradients`: over the samples of a slice. In a packed layout the first layer, the last and those between
/// have a loop each, of which a workgroup takes one.
fn gradient_trips(layout: &Layout, shapes: Shapes, count: usize) -> Vec<Vec<f64>> {
    let Shapes { gradients, slice, .. } = shapes;
    let samples = specialize::samples_at_once(gradients);
    let turns = ((slice as usize).min(count) / samples) as f64;
    if !gradients.packed {
        return vec![vec![turns]];
    }
    let (last, all) = (layout.layers() - 1, layout.all_blocks(gradients) as f64);
    let of_layer = |layer| layout.blocks(layer, gradients) as f64 / all;
    let ends = [of_layer(0), of_layer(last)];
    let shares = ends.into_iter().chain([1.0 - ends[0] - ends[1]]);
    shares.map(|share| vec![share * turns]).collect()
}

/// Of `fused_step`, forward and back: over layers, over columns where no other invocation has them,
/// over the numbers of the level that goes in.
fn pass_trips(layout: &Layout, shape: Shape) -> Vec<Vec<f64>> {
    let layers = layout.layers();
    if shape.split {
        let [first, last] = Split::new(layout, shape).turns();
        // The sums of a level but the first and the last are written out.
        let nest = |layers: usize, turns: usize| {
            let each = if turns > 1 { vec![turns as f64 / layers as f64] } else { Vec::new() };
            [vec![layers as f64], each].concat()
        };
        let forward = (layers, first);
        let back = (layers > 1).then_some((layers - 1, last));
        return [Some(forward), back].into_iter().flatten().map(|(l, t)| nest(l, t)).collect();
    }
    let widths = &layout.widths;
    let turns = |numbers: usize| numbers.div_ceil(specialize::at_once(shape));
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
