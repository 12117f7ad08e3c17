//! Kernel calls as data: recorded once, played many times.

use super::arguments::Arguments;
use super::device::{Gpu, STEP_STRIDE};
use super::kernels::{Kernel, KernelKey};
use super::product_tile::ProductTile;
use crate::error::{Error, Result, internal};
use crate::layer::Layer;
use std::sync::Arc;

/// Bytes of arguments that a kernel is given: none has more. They are in a storage buffer, not a
/// uniform one: Mesa 22's llvmpipe compiles a kernel anew whenever a condition on a uniform changes.
const ARGUMENT_BYTES: u64 = 64;

/// Invocations in a workgroup of an elementwise kernel.
const WORKGROUP: usize = 256;

/// How a kernel's invocations are laid out.
#[derive(Clone, Copy)]
pub(super) enum Grid {
    /// One invocation an element.
    Elements(usize),
    /// One invocation an element of each of so many slices.
    Slices(usize, usize),
    /// So many workgroups in each dimension.
    Workgroups([usize; 3]),
    /// A single workgroup.
    One,
}

impl Grid {
    /// Its workgroups, on a device with at most so many in a dimension. Only elements are spread over
    /// two dimensions where they are too many for one.
    pub(super) fn workgroups(self, most: usize) -> [usize; 3] {
        match self {
            Self::Elements(count) => Self::Slices(count, 1).workgroups(most),
            Self::Slices(count, slices) => {
                let workgroups = count.div_ceil(WORKGROUP);
                let rows = workgroups.div_ceil(most).max(1);
                [workgroups.div_ceil(rows), rows, slices]
            }
            Self::Workgroups(workgroups) => workgroups,
            Self::One => [1; 3],
        }
    }

    /// The same on a device.
    ///
    /// # Errors
    /// The device cannot dispatch so many.
    fn checked(self, gpu: &Gpu, kernel: &Kernel) -> Result<[u32; 3]> {
        let most = gpu.limits.max_compute_workgroups_per_dimension as usize;
        let [x, y, z] = self.workgroups(most);
        if x > most || y > most || z > most {
            return Err(Error::TooLarge {
                what: format!(
                    "a dispatch of the kernel '{}' in {x}×{y}×{z} workgroups",
                    kernel.name
                ),
                needed: x.max(y).max(z) as u64,
                limit: most as u64,
                advice: "make the layers narrower, or use the CPU engine".into(),
            });
        }
        Ok([x as u32, y as u32, z as u32])
    }
}

/// What a dispatch has to do at least, to be set against the time it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Operations, a product with its addition being two.
    pub(super) operations: f64,
    /// Bytes of every number it reads or writes, each counted once.
    pub(super) bytes: f64,
}

/// How a call's invocations are laid out, and what they have to do.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) grid: Grid,
    /// If it is not known, a number of each operand for every element.
    cost: Option<Cost>,
}

impl Work {
    /// Work of so many operations that reads and writes so many numbers.
    pub(super) fn new(grid: Grid, operations: f64, numbers: f64) -> Self {
        Self { grid, cost: Some(Cost { operations, bytes: 4.0 * numbers }) }
    }

    /// What a call with so many operands has to do.
    pub(super) fn cost(self, operands: usize) -> Cost {
        let elements = match self.grid {
            Grid::Elements(count) => count,
            Grid::Slices(count, slices) => count * slices,
            Grid::Workgroups(_) | Grid::One => 0,
        };
        let bytes = (4 * elements * operands) as f64;
        self.cost.unwrap_or(Cost { operations: 0.0, bytes })
    }
}

impl From<Grid> for Work {
    fn from(grid: Grid) -> Self {
        Self { grid, cost: None }
    }
}

/// A kernel with its operands.
pub(super) struct Dispatch {
    kernel: Arc<Kernel>,
    group: wgpu::BindGroup,
    /// What it binds.
    buffers: Vec<wgpu::Buffer>,
    workgroups: [u32; 3],
    cost: Cost,
}

impl Dispatch {
    pub(super) fn buffers(&self) -> &[wgpu::Buffer] {
        &self.buffers
    }

    pub(super) fn name(&self) -> &'static str {
        self.kernel.name
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }
}

/// The dispatches of a step or a prediction of so many samples.
pub(super) struct Pass {
    pub(super) count: usize,
    pub(super) dispatches: Vec<Dispatch>,
}

/// A call that has no bind group yet.
struct Call {
    kernel: Arc<Kernel>,
    buffers: Vec<wgpu::Buffer>,
    workgroups: [u32; 3],
    cost: Cost,
}

/// Collects calls.
pub(super) struct Recorder<'a> {
    gpu: &'a Gpu,
    calls: Vec<Call>,
    arguments: Vec<u8>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(gpu: &'a Gpu) -> Self {
        Self { gpu, calls: Vec::new(), arguments: Vec::new() }
    }

    /// The tile of the matrix products.
    pub(super) fn tile(&self) -> ProductTile {
        ProductTile::of(self.gpu.abilities.software)
    }

    /// Whether the calls are for a device that computes on the CPU.
    pub(super) fn is_for_software(&self) -> bool {
        self.gpu.abilities.software
    }

    /// Adds a call of a kernel with these arguments; `buffers` are its storage buffers, in the order of
    /// their bindings.
    ///
    /// # Errors
    /// The kernel cannot be compiled or dispatched, or it takes other arguments.
    pub(super) async fn call<A: Arguments>(
        &mut self,
        key: KernelKey,
        arguments: &A,
        buffers: &[&wgpu::Buffer],
        work: impl Into<Work>,
    ) -> Result<()> {
        const { assert!(size_of::<A>() as u64 <= ARGUMENT_BYTES) };
        let kernel = self.gpu.kernel(&key).await?;
        if kernel.arguments != A::NAME {
            let (name, needed) = (kernel.name, kernel.arguments);
            return internal(format!("the kernel '{name}' takes {needed}, not {}", A::NAME));
        }
        let work: Work = work.into();
        let workgroups = work.grid.checked(self.gpu, &kernel)?;
        self.arguments.extend_from_slice(bytemuck::bytes_of(arguments));
        self.calls.push(Call {
            kernel,
            buffers: buffers.iter().map(|buffer| (*buffer).clone()).collect(),
            workgroups,
            cost: work.cost(buffers.len()),
        });
        let stride =
            u64::from(self.gpu.limits.min_storage_buffer_offset_alignment).max(ARGUMENT_BYTES);
        self.arguments.resize(self.calls.len() * stride as usize, 0);
        Ok(())
    }

    /// The recorded calls, ready to be played.
    pub(super) async fn finish(self, label: &str) -> Result<Vec<Dispatch>> {
        let usage = wgpu::BufferUsages::STORAGE;
        let arguments = self
            .gpu
            .buffer(&format!("arguments of the {label}"), self.arguments.len() / 4, usage)
            .await?;
        self.gpu.write(&arguments, &self.arguments);
        let stride = self.arguments.len() as u64 / self.calls.len().max(1) as u64;
        let bind = |device: &wgpu::Device| {
            let calls = self.calls.into_iter().enumerate();
            let dispatches = calls.map(|(position, call)| {
                let own = wgpu::BufferBinding {
                    buffer: &arguments,
                    offset: position as u64 * stride,
                    size: wgpu::BufferSize::new(ARGUMENT_BYTES),
                };
                let operands = call.buffers.iter().map(wgpu::Buffer::as_entire_binding);
                let own = wgpu::BindingResource::Buffer(own);
                let entries: Vec<_> = (call.kernel.has_shape.then_some((0, own)).into_iter())
                    .chain(call.kernel.bindings.iter().copied().zip(operands))
                    .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
                    .collect();
                let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(call.kernel.name),
                    layout: &call.kernel.layout,
                    entries: &entries,
                });
                let mut buffers = call.buffers;
                buffers.push(arguments.clone());
                Dispatch {
                    kernel: call.kernel,
                    group,
                    buffers,
                    workgroups: call.workgroups,
                    cost: call.cost,
                }
            });
            dispatches.collect()
        };
        self.gpu.guarded(&format!("binding the buffers of the {label}"), bind).await
    }
}

/// One of a layer's three products, in so many workgroups for each slice.
pub(super) fn layer_product(layer: &Layer, rows: usize, [x, y]: [usize; 2], slices: usize) -> Work {
    let Layer { fan_in, fan_out, .. } = *layer;
    let numbers = rows * fan_in + slices * fan_in * fan_out + rows * fan_out;
    let grid = Grid::Workgroups([x, y, slices]);
    Work::new(grid, 2.0 * (rows * fan_in * fan_out) as f64, numbers as f64)
}

/// Plays the dispatches of several steps in one pass; step `i` finds its data in slice `i` of the
/// buffer bound by `step_group`.
pub(super) fn play_steps<'a>(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    step_group: &wgpu::BindGroup,
    steps: impl Iterator<Item = &'a [Dispatch]>,
) {
    play_steps_after(gpu, encoder, step_group, &[], steps);
}

/// As [`play_steps`], after dispatches that need no step.
pub(super) fn play_steps_after<'a>(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    step_group: &wgpu::BindGroup,
    before: &[Dispatch],
    steps: impl Iterator<Item = &'a [Dispatch]>,
) {
    let mut pass = begin(encoder, None);
    for dispatch in before {
        add_step(&mut pass, dispatch, step_group, 0);
    }
    let mut played = before.len() as u64;
    for (position, dispatches) in steps.enumerate() {
        let offset = (position as u64 * STEP_STRIDE) as u32;
        for dispatch in dispatches {
            add_step(&mut pass, dispatch, step_group, offset);
        }
        played += dispatches.len() as u64;
    }
    gpu.count(|counts| counts.dispatches += played);
}

/// Plays the dispatches of one step, each in a pass of its own that leaves the times of its beginning
/// and its end in `times`, two a dispatch.
pub(super) fn play_timed(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    step_group: &wgpu::BindGroup,
    offset: u64,
    dispatches: &[Dispatch],
    times: &wgpu::QuerySet,
) {
    for (position, dispatch) in dispatches.iter().enumerate() {
        let first = 2 * position as u32;
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: times,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        };
        let mut pass = begin(encoder, Some(writes));
        add_step(&mut pass, dispatch, step_group, offset as u32);
    }
    gpu.count(|counts| counts.dispatches += dispatches.len() as u64);
}

fn begin<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
) -> wgpu::ComputePass<'a> {
    let label = Some("kernels");
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes })
}

fn add_step(
    pass: &mut wgpu::ComputePass,
    dispatch: &Dispatch,
    step_group: &wgpu::BindGroup,
    offset: u32,
) {
    if dispatch.kernel.reads_step {
        pass.set_bind_group(1, step_group, &[offset]);
    }
    add(pass, dispatch);
}

fn add(pass: &mut wgpu::ComputePass, dispatch: &Dispatch) {
    let [x, y, z] = dispatch.workgroups;
    pass.set_pipeline(&dispatch.kernel.pipeline);
    pass.set_bind_group(0, &dispatch.group, &[]);
    pass.dispatch_workgroups(x, y, z);
}
