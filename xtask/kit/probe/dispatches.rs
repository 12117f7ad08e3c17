//! What a dispatch costs when it does nothing, and when it waits for the one before.

use std::time::Instant;

use crate::Outcome;
use crate::device;
use crate::gpu::Dispatches;

/// A kernel that does nothing worth mentioning. It writes no buffer, so it waits for no other dispatch.
const EMPTY: &str = "
@group(0) @binding(0) var<storage, read> numbers: array<u32>;
var<workgroup> kept: u32;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) index: u32) {
    if numbers[index] == 0xffffffffu { kept = index; }
}";

/// A kernel that needs what the dispatch before it wrote.
const DEPENDENT: &str = "
@group(0) @binding(0) var<storage, read_write> numbers: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    numbers[id.x] = numbers[63u - id.x] + 1u;
}";

/// A kernel that writes the size of its subgroup, and how many invocations have another place in their
/// subgroup than their index suggests.
const SUBGROUPS: &str = "
@group(0) @binding(0) var<storage, read_write> numbers: array<atomic<u32>>;
@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) size: u32,
) {
    atomicStore(&numbers[0], size);
    if lane != index % size { atomicAdd(&numbers[1], 1u); }
}";

/// Dispatches of a submission. An empty dispatch is bound as any other.
const REPEATS: u32 = 2_000;

/// Submissions that are measured, after as many to warm up.
const ROUNDS: usize = 20;

/// Measures both kernels, and the subgroups where the device has them.
pub fn measure() -> Outcome<Dispatches> {
    let (adapter, _) = device::find()?;
    let subgroups = adapter.features() & wgpu::Features::SUBGROUP;
    let descriptor = wgpu::DeviceDescriptor { required_features: subgroups, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
    let bench = Bench { device, queue };
    let mut dispatches = Dispatches {
        empty_s: bench.seconds(EMPTY)?,
        dependent_s: bench.seconds(DEPENDENT)?,
        subgroup: None,
        in_order: None,
    };
    if !subgroups.is_empty() {
        let numbers = bench.kernel(SUBGROUPS).run(1)?;
        dispatches.subgroup = Some(numbers[0]);
        dispatches.in_order = Some(numbers[1] == 0);
    }
    Ok(dispatches)
}

struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Bench {
    /// A kernel with a buffer of 64 numbers, all 0.
    fn kernel(&self, text: &str) -> Kernel<'_> {
        let device = &self.device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 256,
                usage,
                mapped_at_creation: false,
            })
        };
        let numbers = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let read = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: numbers.as_entire_binding() }],
        });
        Kernel { bench: self, pipeline, group, numbers, read }
    }

    /// Seconds of one of many dispatches: the least of the rounds, with the cost of the submission, which
    /// is that of one dispatch, taken off.
    fn seconds(&self, text: &str) -> Outcome<f64> {
        let kernel = self.kernel(text);
        let mut least = [f64::INFINITY; 2];
        for round in 0..2 * ROUNDS {
            for (least, repeats) in least.iter_mut().zip([1, 1 + REPEATS]) {
                let begun = Instant::now();
                kernel.run(repeats)?;
                let seconds = begun.elapsed().as_secs_f64();
                if round >= ROUNDS {
                    *least = least.min(seconds);
                }
            }
        }
        Ok((least[1] - least[0]).max(0.0) / f64::from(REPEATS))
    }
}

struct Kernel<'a> {
    bench: &'a Bench,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    numbers: wgpu::Buffer,
    read: wgpu::Buffer,
}

impl Kernel<'_> {
    /// Dispatches it so many times and waits: the numbers.
    fn run(&self, repeats: u32) -> Outcome<Vec<u32>> {
        let Bench { device, queue } = self.bench;
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        for _ in 0..repeats {
            pass.dispatch_workgroups(1, 1, 1);
        }
        drop(pass);
        encoder.copy_buffer_to_buffer(&self.numbers, 0, &self.read, 0, 256);
        queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        self.read.slice(..).map_async(wgpu::MapMode::Read, move |mapped| {
            // The receiver waits below.
            let _ = sender.send(mapped);
        });
        device.poll(wgpu::PollType::wait_indefinitely())?;
        receiver.recv()??;
        let bytes = self.read.slice(..).get_mapped_range()?.to_vec();
        self.read.unmap();
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}
