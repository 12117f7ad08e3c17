//! Tests: every kernel translated for every kind of driver, without one. naga validates the kernels
//! with no more capabilities than the engine asks a device for, and translates them with the options
//! that wgpu-hal 30 sets for Vulkan, DirectX 12, Metal and OpenGL. `spirv-val` validates the SPIR-V.

use super::kernels::KernelKey;
use super::shape::desktop_limits;
use super::spirv;
use super::texts;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ResourceBinding, ShaderStage, StorageAccess};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// The entry point of every kernel.
const ENTRY: &str = "main";

/// A kernel that is valid WGSL, with what the translations of it depend on.
struct Kernel {
    module: Module,
    info: ModuleInfo,
    /// Whether indices and loops are compiled without checks.
    trusted: bool,
    /// Whether it reads from other lanes of its subgroup.
    subgroups: bool,
}

impl Kernel {
    fn new(text: &str, trusted: bool) -> Result<Self, String> {
        // Only fused kernels are written with them, for devices that have them.
        let subgroups =
            ["subgroupBroadcast(", "subgroupShuffleXor("].iter().any(|call| text.contains(call));
        let mut capabilities =
            if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() };
        // Those that store f16 are, where a device can pack numbers.
        capabilities.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, text.contains("pack2x16float("));
        let module =
            naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .map_err(|error| error.emit_to_string(text))?;
        Ok(Self { module, info, trusted, subgroups })
    }

    /// The storage buffers: their bindings, and whether the kernel writes them.
    fn buffers(&self) -> impl Iterator<Item = (ResourceBinding, bool)> {
        self.module.global_variables.iter().filter_map(|(_, global)| match global.space {
            AddressSpace::Storage { access } => {
                global.binding.map(|binding| (binding, access.contains(StorageAccess::STORE)))
            }
            _ => None,
        })
    }

    /// Whether the kernel keeps to these limits.
    fn check_limits(&self, limits: &wgpu::Limits) -> Result<(), String> {
        let memory: u32 = (self.module.global_variables.iter())
            .filter(|(_, global)| global.space == AddressSpace::WorkGroup)
            .map(|(_, global)| self.module.types[global.ty].inner.size(self.module.to_ctx()))
            .sum();
        let [x, y, z] = self.module.entry_points[0].workgroup_size;
        let within = [
            (memory, limits.max_compute_workgroup_storage_size, "bytes of workgroup memory"),
            (x * y * z, limits.max_compute_invocations_per_workgroup, "invocations in a workgroup"),
            (x, limits.max_compute_workgroup_size_x, "invocations in x"),
            (y, limits.max_compute_workgroup_size_y, "invocations in y"),
            (z, limits.max_compute_workgroup_size_z, "invocations in z"),
            (
                self.buffers().count() as u32,
                limits.max_storage_buffers_per_shader_stage,
                "storage buffers",
            ),
        ];
        match within.iter().find(|(needed, limit, _)| needed > limit) {
            Some((needed, limit, what)) => Err(format!("{needed} {what}, the limit is {limit}")),
            None => Ok(()),
        }
    }

    /// SPIR-V of some version, for a device with robust buffers or without.
    fn spirv(&self, version: (u8, u8), robust: bool) -> Result<Vec<u32>, String> {
        let checked = |policy| if self.trusted { BoundsCheckPolicy::Unchecked } else { policy };
        let buffer =
            if robust { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
        let mut capabilities = vec![
            spv::Capability::Shader,
            spv::Capability::Matrix,
            spv::Capability::Sampled1D,
            spv::Capability::Image1D,
            spv::Capability::ImageQuery,
            spv::Capability::DerivativeControl,
            spv::Capability::StorageImageExtendedFormats,
        ];
        if self.subgroups {
            capabilities.extend([
                spv::Capability::GroupNonUniform,
                spv::Capability::GroupNonUniformVote,
                spv::Capability::GroupNonUniformArithmetic,
                spv::Capability::GroupNonUniformBallot,
                spv::Capability::GroupNonUniformShuffle,
                spv::Capability::GroupNonUniformShuffleRelative,
                spv::Capability::GroupNonUniformQuad,
            ]);
        }
        let options = spv::Options {
            lang_version: version,
            flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
            capabilities: Some(capabilities.into_iter().collect()),
            // What is in no map keeps its group and its binding.
            fake_missing_bindings: true,
            bounds_check_policies: BoundsCheckPolicies {
                index: checked(BoundsCheckPolicy::Restrict),
                buffer: checked(buffer),
                image_load: BoundsCheckPolicy::Unchecked,
                binding_array: BoundsCheckPolicy::Unchecked,
            },
            // As the engine asks.
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: !self.trusted,
            emit_int_div_checks: !self.trusted,
            ..spv::Options::default()
        };
        let entry =
            spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: ENTRY.into() };
        spv::write_vec(&self.module, &self.info, &options, Some(&entry))
            .map_err(|error| error.to_string())
    }

    /// HLSL. The step's buffer, in group 1, is bound with a dynamic offset.
    fn hlsl(&self, shader_model: hlsl::ShaderModel) -> Result<String, String> {
        let mut options = hlsl::Options {
            shader_model,
            fake_missing_bindings: false,
            zero_initialize_workgroup_memory: false,
            restrict_indexing: !self.trusted,
            force_loop_bounding: !self.trusted,
            ..hlsl::Options::default()
        };
        let mut registers = [0, 0];
        for (binding, writes) in self.buffers() {
            let dynamic = binding.group == 1;
            let register = &mut registers[usize::from(writes)];
            let target = hlsl::BindTarget {
                register: *register,
                dynamic_storage_buffer_offsets_index: dynamic.then_some(0),
                ..hlsl::BindTarget::default()
            };
            *register += 1;
            options.binding_map.insert(binding, target);
            if dynamic {
                let offsets = hlsl::OffsetsBindTarget { space: 0, register: 0, size: 1 };
                options.dynamic_storage_buffer_offsets_targets.insert(1, offsets);
            }
        }
        let entry =
            hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, ENTRY.into())) };
        let mut text = String::new();
        let reflection = hlsl::Writer::new(&mut text, &options, &entry)
            .write(&self.module, &self.info, None)
            .map_err(|error| error.to_string())?;
        match reflection.entry_point_names.as_slice() {
            [Ok(_)] => Ok(text),
            other => Err(format!("entry points {other:?}")),
        }
    }

    /// The Metal shading language.
    fn msl(&self, lang_version: (u8, u8)) -> Result<String, String> {
        let policy =
            if self.trusted { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
        let buffers: Vec<_> = self.buffers().collect();
        let target = |((binding, mutable), slot): (&(ResourceBinding, bool), u8)| {
            (
                *binding,
                msl::BindTarget { buffer: Some(slot), mutable: *mutable, ..Default::default() },
            )
        };
        let resources = msl::EntryPointResources {
            resources: buffers.iter().zip(0..).map(target).collect(),
            immediates_buffer: None,
            sizes_buffer: Some(buffers.len() as u8),
        };
        let options = msl::Options {
            lang_version,
            per_entry_point_map: [(ENTRY.to_string(), resources)].into(),
            fake_missing_bindings: false,
            bounds_check_policies: BoundsCheckPolicies {
                index: policy,
                buffer: policy,
                image_load: policy,
                binding_array: BoundsCheckPolicy::Unchecked,
            },
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: !self.trusted,
            emit_int_div_checks: !self.trusted,
            ..msl::Options::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, ENTRY.into())),
            vertex_pulling_transform: true,
            ..msl::PipelineOptions::default()
        };
        let (text, info) = msl::write_string(&self.module, &self.info, &options, &pipeline)
            .map_err(|error| error.to_string())?;
        match info.entry_point_names.as_slice() {
            [Ok(_)] => Ok(text),
            other => Err(format!("entry points {other:?}")),
        }
    }

    /// GLSL.
    fn glsl(&self, version: glsl::Version) -> Result<String, String> {
        let options = glsl::Options {
            version,
            writer_flags: glsl::WriterFlags::ADJUST_COORDINATE_SPACE
                | glsl::WriterFlags::FORCE_POINT_SIZE,
            binding_map: self.buffers().map(|(binding, _)| binding).zip(0..).collect(),
            zero_initialize_workgroup_memory: false,
        };
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: ENTRY.into(),
            multiview: None,
        };
        let policies = BoundsCheckPolicies {
            index: BoundsCheckPolicy::Unchecked,
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::ReadZeroSkipWrite,
            binding_array: BoundsCheckPolicy::Unchecked,
        };
        let mut text = String::new();
        glsl::Writer::new(&mut text, &self.module, &self.info, &options, &pipeline, policies)
            .and_then(|mut writer| writer.write())
            .map_err(|error| error.to_string())?;
        Ok(text)
    }

    /// Translates the kernel for every driver that can be given it; `validates` says whether `spirv-val`
    /// is there.
    fn translate(&self, validates: bool) -> Result<(), String> {
        let environments = [("vulkan1.1", (1, 3), false), ("vulkan1.3", (1, 6), true)];
        for (environment, version, robust) in environments {
            let spirv = self.spirv(version, robust).map_err(|e| format!("{environment}: {e}"))?;
            if validates {
                validate(environment, &spirv)?;
            }
        }
        self.msl((2, 1)).map_err(|error| format!("MSL: {error}"))?;
        // The oldest compiler of DirectX and OpenGL are not given what reads from other lanes.
        let model = if self.subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::ShaderModel::V5_1 };
        self.hlsl(model).map_err(|error| format!("HLSL: {error}"))?;
        if !self.subgroups {
            for version in [glsl::Version::new_gles(310), glsl::Version::Desktop(430)] {
                self.glsl(version).map_err(|error| format!("GLSL {version:?}: {error}"))?;
            }
        }
        Ok(())
    }
}

/// Asks `spirv-val` about a module for a version of Vulkan.
fn validate(environment: &str, spirv: &[u32]) -> Result<(), String> {
    let mut child = Command::new("spirv-val")
        .args(["--target-env", environment, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("spirv-val: {error}"))?;
    // Dropped at the end of the statement, which closes it. A validator that stops reading says why.
    let _ = child.stdin.take().expect("piped").write_all(bytemuck::cast_slice(spirv));
    let output = child.wait_with_output().map_err(|error| format!("spirv-val: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{environment}: {}", String::from_utf8_lossy(&said)))
}

/// Whether `spirv-val` is installed; without it says so loudly. Where `IMPASTO_REQUIRE_GPU` is set, it must
/// be.
fn validates() -> bool {
    let found = Command::new("spirv-val").arg("--version").output().is_ok();
    let required = std::env::var("IMPASTO_REQUIRE_GPU").is_ok_and(|v| !v.is_empty() && v != "0");
    assert!(found || !required, "IMPASTO_REQUIRE_GPU is set, but there is no spirv-val");
    if !found {
        eprintln!("SKIPPED, no SPIR-V was validated: there is no spirv-val (Debian: spirv-tools)");
    }
    found
}

/// Translates some kernels, each text once, for every driver; those written for one network within `limits`.
fn translate_all(keys: Vec<KernelKey>, limits: &wgpu::Limits) {
    let validates = validates();
    let mut seen = BTreeSet::new();
    let kernels: Vec<(KernelKey, String, bool)> = keys
        .into_iter()
        .map(|key| (key.clone(), key.is_trusted, key.into_text()))
        .filter(|(_, _, text)| seen.insert(text.clone()))
        .map(|(key, trusted, text)| (key, text, trusted))
        .collect();
    let failed: Vec<String> = kernels
        .par_iter()
        .filter_map(|(key, text, trusted)| {
            let kernel = Kernel::new(text, *trusted);
            let outcome = kernel.and_then(|kernel| {
                // Only fused kernels are written in shapes for devices with more.
                let least = wgpu::Limits::default();
                kernel.check_limits(if key.is_for_one_network() { limits } else { &least })?;
                kernel.translate(validates)
            });
            outcome.err().map(|error| format!("{key}: {error}\n{text}"))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}; {}", failed.len(), kernels.len(), failed[0]);
}

#[test]
fn every_kernel_can_be_translated_for_every_driver() {
    translate_all(texts::every(), &desktop_limits());
}

/// The kernels that store f16 note in the status what leaves it: a buffer more.
#[test]
fn kernels_with_f16_in_storage_can_be_translated_for_every_driver() {
    let limits = wgpu::Limits { max_storage_buffers_per_shader_stage: 9, ..desktop_limits() };
    translate_all(texts::packed(1), &limits);
}

/// The kernels with matrices, for Vulkan as the engine translates them and for Metal.
#[test]
fn kernels_with_matrices_can_be_translated_for_vulkan_and_metal() {
    let capabilities = Capabilities::SHADER_FLOAT16
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SUBGROUP
        | Capabilities::SUBGROUP_BARRIER;
    let keys = texts::mixed().into_iter().filter(KernelKey::has_matrices);
    for key in keys {
        let text = key.clone().into_text();
        spirv::translate(&text, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).expect("SPIR-V");
        let options = naga::front::wgsl::Options { parse_doc_comments: false, capabilities };
        let parsed = naga::front::wgsl::Frontend::new_with_options(options).parse(&text);
        let module = parsed.expect("valid");
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
            .subgroup_operations(naga::valid::SubgroupOperationSet::all())
            .validate(&module)
            .expect("valid");
        let kernel = Kernel { module, info, trusted: true, subgroups: true };
        let limits = wgpu::Limits {
            max_compute_workgroup_storage_size: 64 << 10,
            max_storage_buffers_per_shader_stage: 10,
            ..desktop_limits()
        };
        kernel.check_limits(&limits).expect("within the limits of a large GPU");
        let metal = kernel.msl((3, 1)).expect("MSL");
        assert!(metal.contains("simdgroup"), "{metal}");
    }
}

#[test]
fn kernels_that_some_driver_would_refuse_are_found() {
    let translated = |body: &str| {
        let text = format!(
            "@group(0) @binding(1) var<storage, read_write> a: array<f32>;\n\
             {body}\n@compute @workgroup_size(64) fn main() {{ a[0] = f(); }}"
        );
        let kernel = Kernel::new(&text, false)?;
        kernel.check_limits(&wgpu::Limits::default())?;
        kernel.translate(false)
    };
    let refused = |body: &str| translated(body).expect_err("refused");
    assert_eq!(translated("fn f() -> f32 { return 1.0; }"), Ok(()));
    assert!(refused("fn f() -> f32 { return b; }").contains("no definition in scope"));
    // Valid WGSL that needs a feature that the engine does not ask for.
    let barrier = "fn f() -> f32 { subgroupBarrier(); return 1.0; }";
    assert!(refused(barrier).contains("subgroupBarrier"), "{}", refused(barrier));
    let memory = "var<workgroup> w: array<f32, 4097>; fn f() -> f32 { return w[0]; }";
    assert_eq!(refused(memory), "16388 bytes of workgroup memory, the limit is 16384");
    if validates() {
        let kernel = Kernel::new("@compute @workgroup_size(1) fn main() {}", false).expect("valid");
        let mut spirv = kernel.spirv((1, 3), true).expect("SPIR-V");
        assert_eq!(validate("vulkan1.1", &spirv), Ok(()));
        spirv.pop();
        assert!(validate("vulkan1.1", &spirv).is_err());
    }
}

#[test]
fn kernels_for_the_limits_of_webgpu_keep_to_them() {
    let kernels: Vec<KernelKey> = texts::for_default_limits();
    assert!(kernels.len() > 100, "{}", kernels.len());
    for key in kernels {
        let text = key.clone().into_text();
        let kernel = Kernel::new(&text, key.is_trusted).expect("valid");
        kernel.check_limits(&wgpu::Limits::default()).expect("within the limits");
    }
}
