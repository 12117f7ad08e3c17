//! WGSL to SPIR-V, as wgpu translates a trusted kernel.

use anyhow::{Context, Result, anyhow, ensure};
use impasto::gpu::with_memory_model;
use naga::back::{pipeline_constants, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use serde::{Deserialize, Serialize};

/// The entry point that every kernel has.
pub const ENTRY_POINT: &str = "main";

/// The extension of WGSL that a kernel with matrices enables.
const MATRICES: &str = "enable wgpu_cooperative_matrix;";

/// A kernel as a driver takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shader {
    pub name: String,
    pub spirv: Vec<u32>,
    pub bindings: Vec<Binding>,
    /// Bytes of immediate data (push constants).
    pub immediate_size: u32,
    pub workgroup_size: [u32; 3],
}

/// One buffer that a kernel binds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Binding {
    pub group: u32,
    pub number: u32,
    pub kind: BindingKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingKind {
    Uniform,
    /// Read or read and write: Vulkan makes no difference.
    Storage,
}

/// Whether a kernel is compiled without checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Indices and loops are not checked.
    Trusts,
    /// As wgpu's `create_shader_module` does: indices into arrays of fixed size are kept in range,
    /// loops are counted.
    Checks,
}

/// Translates `wgsl` with the pipeline-overridable constants set.
///
/// # Errors
///
/// When the kernel is not valid, has no entry point `main`, lacks a constant or knows none of that
/// name, or binds anything but buffers.
pub fn compile(
    name: &str,
    wgsl: &str,
    constants: &[(String, f64)],
    trust: Trust,
) -> Result<Shader> {
    let capabilities = Capabilities::all();
    let front = naga::front::wgsl::Options { parse_doc_comments: false, capabilities };
    let module = naga::front::wgsl::Frontend::new_with_options(front)
        .parse(wgsl)
        .map_err(|error| complaint(&error.emit_to_string_with_path(wgsl, name)))?;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(ShaderStages::all())
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|error| complaint(&error.emit_to_string_with_path(wgsl, name)))?;

    let entry_point = (ShaderStage::Compute, ENTRY_POINT);
    let constants = constants.iter().cloned().collect();
    let (module, info) =
        pipeline_constants::process_overrides(&module, &info, Some(entry_point), &constants)
            .with_context(|| format!("the constants of '{name}'"))?;

    let entry = module
        .entry_points
        .iter()
        .find(|entry| entry.stage == ShaderStage::Compute && entry.name == ENTRY_POINT)
        .with_context(|| format!("'{name}' has no compute entry point '{ENTRY_POINT}'"))?;
    let spirv = spv::write_vec(
        &module,
        &info,
        &options(trust),
        Some(&spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: ENTRY_POINT.into(),
        }),
    )
    .with_context(|| format!("translating '{name}' to SPIR-V"))?;
    // As the engine does.
    let spirv = if wgsl.contains(MATRICES) { with_memory_model(&spirv) } else { spirv };
    let (bindings, immediate_size) = resources(name, &module)?;
    Ok(Shader {
        name: name.into(),
        spirv,
        bindings,
        immediate_size,
        workgroup_size: entry.workgroup_size,
    })
}

/// naga's own words, which begin with `error: ` as the program's do.
fn complaint(text: &str) -> anyhow::Error {
    anyhow!("{}", text.trim().trim_start_matches("error: "))
}

/// As wgpu 30 sets them for a Vulkan 1.3 device with robust buffer access.
fn options(trust: Trust) -> spv::Options<'static> {
    let checked = trust == Trust::Checks;
    spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        // What is not renumbered keeps its numbers.
        fake_missing_bindings: true,
        bounds_check_policies: BoundsCheckPolicies {
            index: if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked },
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        // As the engine asks.
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: checked,
        ..spv::Options::default()
    }
}

/// The buffers that a module binds, and its bytes of immediate data.
fn resources(name: &str, module: &Module) -> Result<(Vec<Binding>, u32)> {
    let mut bindings = Vec::new();
    let mut immediate_size = 0;
    for (_, variable) in module.global_variables.iter() {
        let kind = match variable.space {
            AddressSpace::Uniform => BindingKind::Uniform,
            AddressSpace::Storage { .. } => BindingKind::Storage,
            AddressSpace::Immediate => {
                let size = module.types[variable.ty].inner.try_size(module.to_ctx());
                immediate_size = size.context("immediate data without a size")?;
                continue;
            }
            AddressSpace::Private | AddressSpace::WorkGroup => continue,
            _ => anyhow::bail!("'{name}' binds something that is no buffer: {variable:?}"),
        };
        let place = variable.binding.context("a buffer without a binding")?;
        bindings.push(Binding { group: place.group, number: place.binding, kind });
    }
    bindings.sort_by_key(|binding| (binding.group, binding.number));
    let distinct = bindings
        .windows(2)
        .all(|pair| (pair[0].group, pair[0].number) != (pair[1].group, pair[1].number));
    ensure!(distinct, "'{name}' declares two buffers at one binding");
    Ok((bindings, immediate_size))
}
