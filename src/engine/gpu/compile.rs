//! Compilation of kernels, each once a device.
//!
//! Unsafe: the fused kernels are compiled without wgpu's checks of indices and loops, which would be in their
//! innermost loops. Their indices follow from constants in their own text. Kernels with WGSL of the caller's
//! are compiled with the checks.

#![expect(unsafe_code, reason = "the fused kernels are compiled without wgpu's checks of indices")]

use super::device::Gpu;
use super::kernels::{Access, Kernel, KernelKey};
use super::lock::lock;
use super::mixed::layout::WORKGROUP;
#[cfg(test)]
use crate::error::Error;
use crate::error::{Result, internal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
#[cfg(not(target_arch = "wasm32"))]
use std::thread;

impl Gpu {
    /// The compiled kernel, from the cache if it was asked for before.
    pub(super) async fn kernel(&self, key: &KernelKey) -> Result<Arc<Kernel>> {
        if let Some(kernel) = lock(&self.kernels).get(key) {
            return Ok(kernel);
        }
        #[cfg(test)]
        if lock(&self.refuses).as_ref().is_some_and(|refuses| refuses(key)) {
            let what = format!("compiling the kernel '{key}'");
            return Err(Error::Gpu { what, reason: "a test refuses it".into() });
        }
        let kernel = Arc::new(Kernel::compile(self, key).await?);
        lock(&self.kernels).insert(key.clone(), Arc::clone(&kernel));
        self.unsaved.store(true, Ordering::Relaxed);
        Ok(kernel)
    }
}

/// Bytes of stack for compiling a kernel. naga validates nested blocks by recursion, which takes more than 384 KiB for the
/// fused kernels, and drivers compile on the calling thread too. A caller's thread may have less.
#[cfg(not(target_arch = "wasm32"))]
const STACK: usize = 8 << 20;

impl Kernel {
    /// Compiles on a thread whose stack is large enough, if the operating system starts one.
    #[cfg(not(target_arch = "wasm32"))]
    #[allow(clippy::unused_async, reason = "in a browser compiling is waited for")]
    async fn compile(gpu: &Gpu, key: &KernelKey) -> Result<Self> {
        let compile = || pollster::block_on(Self::compile_here(gpu, key));
        let compiled = thread::scope(|scope| {
            let thread = thread::Builder::new().name("impasto-gpu-compile".into());
            let begun = thread.stack_size(STACK).spawn_scoped(scope, compile).ok()?;
            // A panic of the thread goes on in this one.
            Some(begun.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        compiled.unwrap_or_else(|| {
            gpu.note(
                "kernels are compiled on the caller's thread: the system started no other".into(),
            );
            compile()
        })
    }

    #[cfg(target_arch = "wasm32")]
    async fn compile(gpu: &Gpu, key: &KernelKey) -> Result<Self> {
        Self::compile_here(gpu, key).await
    }

    async fn compile_here(gpu: &Gpu, key: &KernelKey) -> Result<Self> {
        let name = key.name;
        let Some(source) = key.source() else {
            return internal(format!("there is no kernel '{name}'"));
        };
        let reads_step = source.reads_step();
        let has_shape = source.argument_bytes > 0;
        let text = source.text(key);
        #[cfg(test)]
        let text = lock(&gpu.rewrites).as_ref().map_or(text.clone(), |rewrite| rewrite(&text));
        let shape = has_shape.then_some((0, storage(Access::Read)));
        // A template may leave out bindings.
        let declared = |binding: u32| text.contains(&format!("@binding({binding})"));
        let buffers: Vec<(u32, wgpu::BindingType)> = (1..)
            .zip(source.bindings.iter().map(|access| storage(*access)))
            .filter(|(binding, _)| declared(*binding))
            .collect();
        let bindings = buffers.iter().map(|(binding, _)| *binding).collect();
        let entries: Vec<_> = shape
            .into_iter()
            .chain(buffers)
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty,
                count: None,
            })
            .collect();
        let what = format!("compiling the kernel '{name}'");
        let translated = translated(gpu, key, &text, &entries)?;
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
            let module = match translated {
                Some(words) => passed_through(device, key, words),
                None => module(device, key, text),
            };
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes what it reads of its workgroup's memory.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: gpu.pipelines.cache().as_ref(),
            });
            (pipeline, layout)
        });
        let (pipeline, layout) = made.await?;
        let arguments = source.arguments;
        Ok(Self { name, pipeline, layout, reads_step, arguments, has_shape, bindings })
    }
}

/// The SPIR-V of a kernel with matrices, if the device takes SPIR-V: that of wgpu would be wrong
/// (`spirv` says why).
#[cfg(not(target_arch = "wasm32"))]
fn translated(
    gpu: &Gpu,
    key: &KernelKey,
    text: &str,
    entries: &[wgpu::BindGroupLayoutEntry],
) -> Result<Option<Vec<u32>>> {
    let takes_spirv = gpu.matrices.as_ref().is_ok_and(|matrices| matrices.takes_spirv);
    if !key.has_matrices() || !takes_spirv {
        return Ok(None);
    }
    // wgpu numbers the bindings of a group without gaps.
    let bindings: Vec<u32> = entries.iter().map(|entry| entry.binding).collect();
    super::spirv::translate(text, &bindings).map(Some)
}

/// A browser takes WGSL alone.
#[cfg(target_arch = "wasm32")]
#[allow(clippy::unnecessary_wraps, reason = "the native form can fail")]
fn translated(
    _: &Gpu,
    _: &KernelKey,
    _: &str,
    _: &[wgpu::BindGroupLayoutEntry],
) -> Result<Option<Vec<u32>>> {
    Ok(None)
}

fn passed_through(device: &wgpu::Device, key: &KernelKey, words: Vec<u32>) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
        label: Some(key.name),
        entry_points: vec![wgpu::PassthroughShaderEntryPoint {
            name: "main".into(),
            workgroup_size: (WORKGROUP as u32, 1, 1),
        }]
        .into(),
        spirv: Some(words.into()),
        ..Default::default()
    };
    // SAFETY: naga has validated the text, and `spirv` only adds memory semantics to what naga writes. The
    // indices are within the buffers as with the trusted kernels below.
    unsafe { device.create_shader_module_passthrough(descriptor) }
}

fn module(device: &wgpu::Device, key: &KernelKey, mut text: String) -> wgpu::ShaderModule {
    // A browser needs the directive; naga must not see it.
    if cfg!(target_arch = "wasm32") && text.contains("subgroup") {
        text.insert_str(0, "enable subgroups;\n");
    }
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(key.name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    };
    if !key.is_trusted {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the text is our own. A specialized kernel's positions follow from constants in it
    // that `specialize` and the sizes of the buffers in `fused` come from together, and from the
    // step, which the session writes; its loops end, since they count up to such numbers.
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

fn storage(access: Access) -> wgpu::BindingType {
    wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only: access == Access::Read },
        has_dynamic_offset: false,
        min_binding_size: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::gpu::GpuEngine;
    use crate::gpu::faults::task;
    use crate::gpu::twins::adapters;
    use crate::trainer::Trainer;
    use crate::{Engine, Error};
    use std::thread;

    /// The fused kernels in the shapes of any adapter take more than this to compile.
    #[test]
    fn a_caller_may_have_a_small_stack() {
        for gpu in adapters() {
            let name = gpu.info.description();
            let work = move || -> Result<usize, Error> {
                let engine: Engine = GpuEngine::open(Some(&name))?.into();
                let (mut network, _, dataset) = task(&[20, 20], 300);
                let trainer = Trainer { epochs: 2, ..Trainer::default() };
                trainer.fit(&engine, &mut network, &dataset)?;
                Ok(engine.predict(&network, &[0.5_f32; 20])?.len())
            };
            let started = thread::Builder::new().stack_size(256 << 10).spawn(work);
            let outputs = started.expect("started").join().expect("no panic");
            assert_eq!(outputs.expect("trains and predicts"), 30);
        }
    }
}
