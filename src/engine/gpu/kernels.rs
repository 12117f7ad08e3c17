//! The table of the kernels: one file in `shaders/` each, and what it binds.

use super::device::Gpu;
use crate::activation::Activation;
use crate::error::Result;
use std::sync::Arc;

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
    /// The order of samples too.
    Order,
    /// The order of samples and a picture's pixels too.
    Pixels,
    /// An activation's snippet too.
    Activation,
    /// `shared/sine.wgsl` too.
    Sine,
    /// What calls the kernel's function for each row.
    LossRows,
    SoftmaxRows,
    SoftmaxGradientRows,
    /// A template: `specialise.rs` writes the whole text.
    Specialisation,
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
    "gather": Order, [Read, Write];
    "gather_pixels": Pixels, [Read, Write, Write];
    "fourier_encoding": Sine, [Read, Read, Write];
    "matmul": Tile, [Read, Read, Write];
    "matmul_nt": Tile, [Read, Read, Write];
    "matmul_tn": Tile, [Read, Read, Write];
    "bias_add": Index, [Read, Write];
    "bias_gradient": Index, [Read, Write];
    "activation": Activation, [Write];
    "activation_gradient": Activation, [Read, Write];
    "softmax": SoftmaxRows, [Write];
    "softmax_gradient": SoftmaxGradientRows, [Read, Write];
    "squared_error": LossRows, [Read, Read, Write, Write];
    "binary_cross_entropy": LossRows, [Read, Read, Write, Write];
    "softmax_cross_entropy": LossRows, [Read, Read, Write, Write];
    "loss_sum": Step, [Read, Write, Write];
    "sgd": Step, [Read, Write, Write, Write, Write];
    "adam": Step, [Read, Write, Write, Write, Write, Write];
    "fused_step": Specialisation, [Read, Read, Read, Read, Write, Write, Write];
    "weight_gradients": Specialisation, [Read, Read, Read, Write, Write, Write];
};

/// A number that changes when a fused kernel does, or what writes it.
pub(super) fn fingerprint() -> u64 {
    let texts = [
        Source::file("fused_step"),
        Source::file("weight_gradients"),
        include_str!("specialise.rs"),
        include_str!("shape.rs"),
    ];
    fnv(texts.iter().flat_map(|text| text.bytes()))
}

/// FNV-1a of some bytes: tells texts and files apart, not whoever wants to deceive.
pub(super) fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What changes from step to step.
pub(super) const STEP: &str = include_str!("../../../shaders/shared/step.wgsl");

/// The order of samples.
pub(super) const PERMUTATION: &str = include_str!("../../../shaders/shared/permutation.wgsl");

/// A picture's pixels as samples.
pub(super) const PIXELS: &str = include_str!("../../../shaders/shared/pixels.wgsl");

/// The sine of a number of turns.
pub(super) const SINE: &str = include_str!("../../../shaders/shared/sine.wgsl");

/// Which kernel, specialised how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelKey {
    name: &'static str,
    /// Name and parameter (as bits) of the activation, for a kernel that applies one.
    activation: Option<(&'static str, u64)>,
    /// The whole text of a kernel written for one network.
    text: Option<Arc<str>>,
}

impl KernelKey {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, activation: None, text: None }
    }

    pub(super) fn with(name: &'static str, activation: Activation) -> Self {
        let activation = Some((activation.name(), activation.parameter().to_bits()));
        Self { name, activation, text: None }
    }
}

/// Every kernel that is not written for one network, with each activation if it applies one.
pub(super) fn general() -> impl Iterator<Item = KernelKey> {
    SOURCES.iter().flat_map(|source| match source.needs {
        Needs::Specialisation => Vec::new(),
        Needs::Activation => Activation::ALL
            .into_iter()
            .filter(|activation| activation.wgsl().is_some())
            .map(|activation| KernelKey::with(source.name, activation))
            .collect(),
        _ => vec![KernelKey::new(source.name)],
    })
}

impl KernelKey {
    fn source(&self) -> Option<&'static Source> {
        SOURCES.iter().find(|source| source.name == self.name)
    }

    /// The kernel's whole text.
    pub(super) fn into_text(self) -> String {
        self.source().map_or(String::new(), |source| source.text(&self))
    }

    /// The pipeline-overridable constant that the kernel declares, if it does.
    pub(super) fn constant(&self) -> Option<(&'static str, f64)> {
        let (name, parameter) = self.activation?;
        let known = Activation::ALL.into_iter().find(|activation| activation.name() == name)?;
        let declared = known.wgsl()?.contains("override activation_parameter");
        declared.then_some(("activation_parameter", f64::from_bits(parameter)))
    }

    /// Whether wgpu is told to leave its checks out.
    pub(super) fn is_trusted(&self) -> bool {
        self.source().is_some_and(|source| source.needs == Needs::Specialisation)
    }

    /// A kernel written for one network.
    pub(super) fn specialised(name: &'static str, text: String) -> Self {
        Self { name, activation: None, text: Some(text.into()) }
    }
}

impl std::fmt::Display for KernelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        self.activation.map_or(Ok(()), |(activation, _)| write!(f, " {activation}"))
    }
}

/// A kernel ready to be dispatched.
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// Whether it reads the current step.
    pub(super) reads_step: bool,
    /// Whether binding 0 is its shape.
    pub(super) has_shape: bool,
}

impl Kernel {
    pub(super) async fn compile(gpu: &Gpu, key: &KernelKey) -> Result<Self> {
        let name = key.name;
        let Some(source) = key.source() else {
            return crate::error::invalid(format!("there is no kernel '{name}'"));
        };
        let reads_step = source.reads_step();
        let has_shape = source.needs != Needs::Specialisation;
        let text = source.text(key);
        let shape = has_shape.then_some((0, storage(Access::Read)));
        let buffers = source.bindings.iter().map(|access| storage(*access));
        let entries: Vec<_> = shape
            .into_iter()
            .chain((1..).zip(buffers))
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty,
                count: None,
            })
            .collect();
        let constants: Vec<(&str, f64)> = key.constant().into_iter().collect();
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
            let module = source.module(device, text);
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Every kernel writes what it reads of its workgroup's memory.
                    zero_initialize_workgroup_memory: false,
                },
                cache: gpu.pipelines.cache(),
            });
            (pipeline, layout)
        });
        let (pipeline, layout) = made.await?;
        Ok(Self { name, pipeline, layout, reads_step, has_shape })
    }
}

impl Source {
    fn reads_step(&self) -> bool {
        matches!(self.needs, Needs::Step | Needs::Order | Needs::Pixels | Needs::Specialisation)
    }

    /// The file with the shared pieces it needs before it, or what was made of it for one network.
    fn text(&self, key: &KernelKey) -> String {
        let index = include_str!("../../../shaders/shared/index.wgsl");
        let shared = match self.needs {
            Needs::Index => vec![index],
            Needs::Tile => vec![index, include_str!("../../../shaders/shared/tile.wgsl")],
            Needs::Step => vec![index, STEP],
            Needs::Order => vec![index, STEP, PERMUTATION],
            Needs::Pixels => vec![index, STEP, PERMUTATION, PIXELS],
            Needs::Sine => vec![index, SINE],
            Needs::LossRows => vec![index, include_str!("../../../shaders/shared/loss_rows.wgsl")],
            Needs::SoftmaxRows => {
                vec![index, include_str!("../../../shaders/shared/softmax_rows.wgsl")]
            }
            Needs::SoftmaxGradientRows => {
                vec![index, include_str!("../../../shaders/shared/softmax_gradient_rows.wgsl")]
            }
            Needs::Activation => {
                let name = key.activation.map_or("identity", |(name, _)| name);
                let known =
                    Activation::ALL.into_iter().find(|activation| activation.name() == name);
                vec![index, known.and_then(Activation::wgsl).unwrap_or_default()]
            }
            Needs::Specialisation => return key.text.as_deref().unwrap_or_default().to_string(),
        };
        [&shared[..], &[self.text]].concat().join("\n")
    }

    /// The file as it stands.
    pub(super) fn file(name: &str) -> &'static str {
        SOURCES.iter().find(|source| source.name == name).map_or("", |source| source.text)
    }

    fn module(&self, device: &wgpu::Device, mut text: String) -> wgpu::ShaderModule {
        // A browser wants to be told; naga must not be.
        if cfg!(target_arch = "wasm32") && text.contains("subgroupBroadcast") {
            text.insert_str(0, "enable subgroups;\n");
        }
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        };
        if self.needs != Needs::Specialisation {
            return device.create_shader_module(descriptor);
        }
        // SAFETY: the text is our own. A specialised kernel's positions follow from constants in it
        // that `specialise` and the sizes of the buffers in `fused` come from together, and from the
        // step, which the session writes; its loops end, since they count up to such numbers.
        unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    }
}

fn storage(access: Access) -> wgpu::BindingType {
    wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only: access == Access::Read },
        has_dynamic_offset: false,
        min_binding_size: None,
    }
}
