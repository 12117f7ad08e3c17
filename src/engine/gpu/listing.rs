//! The text of the kernels of a training step, for tools that look at what a compiler makes of them.

use super::kernels::KernelKey;
use super::shape::{self, Abilities};
use super::specialise::{self, Layout, Purpose, Samples};
use crate::engine::Plan;
use crate::error::{Result, invalid};
use crate::network::Network;

/// One dispatch of a training step.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The kernel's name, and the shape it has.
    pub name: String,
    /// Its whole text, entry point `main`.
    pub wgsl: String,
    /// Workgroups of the dispatch.
    pub workgroups: [u32; 3],
    /// Products and sums that the dispatch computes, counted as 2 a multiplication with its addition.
    pub flops: f64,
    /// Bytes that it reads and writes at least, each buffer counted once.
    pub bytes: f64,
    /// How often an invocation goes through its innermost loops in all.
    pub iterations: f64,
}

/// The fused kernels of a training step on a GPU with WebGPU's default limits: every shape that is
/// tried on one, the first being what is taken unmeasured.
///
/// # Errors
/// A plan or network that the fused kernels cannot take.
pub fn listings(network: &Network, plan: &Plan) -> Result<Vec<Vec<Listing>>> {
    let abilities = Abilities { limits: wgpu::Limits::default(), software: false, broadcast: 0 };
    let layout = Layout::new(network, plan.batch_size);
    let samples = Samples::Table;
    let candidates = shape::candidates(&abilities, &layout);
    if candidates.is_empty() {
        return invalid(super::fused::UNFIT);
    }
    let list = |shapes: shape::Shapes| {
        let layout =
            Layout::new(network, plan.batch_size.next_multiple_of(shapes.step.tile() as usize));
        let purpose = Purpose::Training(plan.loss);
        let layers = layout.layers();
        let slices = layout.rows.div_ceil(shapes.slice as usize);
        let parameters = layout.parameters() as f64;
        let (pass, gradient) =
            (layout.pass_cost(layout.rows, true), layout.gradient_cost(layout.rows, slices));
        let depth: usize =
            layout.widths[..layers].iter().map(|w| (w + 1).next_multiple_of(4)).sum();
        let back: usize = layout.widths[2..].iter().map(|w| w.next_multiple_of(4)).sum();
        let text = |key: KernelKey| key.into_text();
        let describe = |s: shape::Shape| {
            format!("{}×{} invocations of {}×{}", s.lanes, s.groups, s.rows, s.columns)
        };
        vec![
            Listing {
                name: format!("fused_step ({})", describe(shapes.step)),
                wgsl: text(specialise::step(network, &layout, shapes.step, samples, purpose)),
                workgroups: [(layout.rows as u32).div_ceil(shapes.step.tile()), 1, 1],
                flops: pass.0,
                bytes: 4.0 * pass.1,
                iterations: (depth + back) as f64 / 4.0,
            },
            Listing {
                name: format!("weight_gradients ({})", describe(shapes.gradients)),
                wgsl: text(specialise::weight_gradients(
                    &layout,
                    shapes.gradients,
                    shapes.slice as usize,
                    shapes.step,
                )),
                workgroups: [layout.all_blocks(shapes.gradients) as u32 + 1, slices as u32, 1],
                flops: gradient.0,
                bytes: 4.0 * gradient.1,
                iterations: f64::from(shapes.slice.min(layout.rows as u32)),
            },
            Listing {
                name: "adam".into(),
                wgsl: text(KernelKey::new("adam")),
                workgroups: [(layout.parameters() as u32).div_ceil(256), 1, 1],
                flops: 14.0 * parameters,
                bytes: 4.0 * parameters * (slices as f64 + 7.0),
                iterations: slices as f64,
            },
        ]
    };
    Ok(candidates.into_iter().map(list).collect())
}
