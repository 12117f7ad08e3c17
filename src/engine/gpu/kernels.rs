//! The table of the kernels: one file in `shaders/` each, and what it binds.

use super::device::Gpu;
use crate::activation::Activation;
use crate::error::Result;

/// How a kernel uses a storage buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Which shared pieces of WGSL a kernel is put together with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// `shared/index.wgsl` only.
    Index,
    /// `shared/tile.wgsl` too.
    Tile,
    /// `shared/step.wgsl` too, and so the bind group of the current step.
    Step,
    /// An activation's snippet too.
    Activation,
}

/// A kernel as it stands in its file.
pub(super) struct Source {
    pub(super) name: &'static str,
    text: &'static str,
    /// The storage buffers, from binding 1 on; binding 0 is its `shape`, read only.
    bindings: &'static [Access],
    needs: Needs,
}

macro_rules! sources {
    ($($name:literal: $needs:ident, [$($access:ident),*];)*) => {
        &[$(Source {
            name: $name,
            text: include_str!(concat!("../../../shaders/", $name, ".wgsl")),
            bindings: &[$(Access::$access),*],
            needs: Needs::$needs,
        }),*]
    };
}

/// Every kernel of the engine.
pub(super) static SOURCES: &[Source] = sources! {
    "gather": Step, [Read, Write];
    "fourier_encoding": Index, [Read, Read, Write];
    "matmul": Tile, [Read, Read, Write];
    "matmul_nt": Tile, [Read, Read, Write];
    "matmul_tn": Tile, [Read, Read, Write];
    "bias_add": Index, [Read, Write];
    "bias_gradient": Index, [Read, Write];
    "activation": Activation, [Write];
    "activation_gradient": Activation, [Read, Write];
    "softmax": Index, [Write];
    "softmax_gradient": Index, [Read, Write];
    "squared_error": Index, [Read, Read, Write, Write];
    "binary_cross_entropy": Index, [Read, Read, Write, Write];
    "softmax_cross_entropy": Index, [Read, Read, Write, Write];
    "loss_sum": Step, [Read, Write, Write];
    "sgd": Step, [Read, Write, Write, Write, Write];
    "adam": Step, [Read, Write, Write, Write, Write, Write];
};

/// Which kernel, specialised how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelKey {
    name: &'static str,
    /// Name and parameter (as bits) of the activation, for a kernel that applies one.
    activation: Option<(&'static str, u64)>,
}

impl KernelKey {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, activation: None }
    }

    pub(super) fn with(name: &'static str, activation: Activation) -> Self {
        Self { name, activation: Some((activation.name(), activation.parameter().to_bits())) }
    }
}

/// A kernel ready to be dispatched.
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// Whether it reads the current step.
    pub(super) reads_step: bool,
}

impl Kernel {
    pub(super) async fn compile(gpu: &Gpu, key: &KernelKey) -> Result<Self> {
        let name = key.name;
        let Some(source) = SOURCES.iter().find(|source| source.name == name) else {
            return crate::error::invalid(format!("there is no kernel '{name}'"));
        };
        let reads_step = source.needs == Needs::Step;
        let text = source.with_shared(key);
        let entries: Vec<_> = std::iter::once(storage(Access::Read))
            .chain(source.bindings.iter().copied().map(storage))
            .enumerate()
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding: binding as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty,
                count: None,
            })
            .collect();
        let parameter = key.activation.map_or(0.0, |(_, bits)| f64::from_bits(bits));
        let constants = [("activation_parameter", parameter)];
        let declares_parameter = text.contains("override activation_parameter");
        let what = format!("compiling the kernel '{name}'");
        let made = gpu.guarded(&what, |device| {
            let label = Some(name);
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label,
                entries: &entries,
            });
            let groups = [Some(&layout), reads_step.then_some(&gpu.step_layout)];
            let used = if reads_step { 2 } else { 1 };
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &groups[..used],
                immediate_size: 0,
            });
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label,
                source: wgpu::ShaderSource::Wgsl(text.into()),
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: if declares_parameter { &constants } else { &[] },
                    ..Default::default()
                },
                cache: None,
            });
            (pipeline, layout)
        });
        let (pipeline, layout) = made.await?;
        Ok(Self { name, pipeline, layout, reads_step })
    }
}

impl Source {
    /// The file with the shared pieces it needs before it.
    fn with_shared(&self, key: &KernelKey) -> String {
        let shared = match self.needs {
            Needs::Index => "",
            Needs::Tile => include_str!("../../../shaders/shared/tile.wgsl"),
            Needs::Step => include_str!("../../../shaders/shared/step.wgsl"),
            Needs::Activation => {
                let name = key.activation.map_or("identity", |(name, _)| name);
                let known =
                    Activation::ALL.into_iter().find(|activation| activation.name() == name);
                known.and_then(Activation::wgsl).unwrap_or_default()
            }
        };
        let index = include_str!("../../../shaders/shared/index.wgsl");
        [index, shared, self.text].join("\n")
    }
}

fn storage(access: Access) -> wgpu::BindingType {
    wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only: access == Access::Read },
        has_dynamic_offset: false,
        min_binding_size: None,
    }
}
