//! The adapter that the engine would take, and what it reports about itself.

use impasto::gpu;

use crate::Outcome;
use crate::gpu::Adapter;

/// Features that kernels could use.
const FEATURES: [(&str, wgpu::Features); 9] = [
    ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
    ("subgroups", wgpu::Features::SUBGROUP),
    ("subgroup barriers", wgpu::Features::SUBGROUP_BARRIER),
    ("f16", wgpu::Features::SHADER_F16),
    ("f64", wgpu::Features::SHADER_F64),
    ("i64", wgpu::Features::SHADER_INT64),
    ("f32 atomics", wgpu::Features::SHADER_FLOAT32_ATOMIC),
    ("cooperative matrices", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
    ("pipeline cache", wgpu::Features::PIPELINE_CACHE),
];

/// wgpu's adapter of the same name and driver as the engine's best one, with the engine's description.
pub fn find() -> Outcome<(wgpu::Adapter, String)> {
    let devices = gpu::adapters();
    let best = devices.first().ok_or(gpu::NO_ADAPTER)?;
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let same = adapters.into_iter().find(|adapter| adapter.get_info().name == best.adapter);
    let same = same.ok_or_else(|| format!("{best} is not an adapter of Vulkan"))?;
    Ok((same, best.description()))
}

/// What the adapter reports.
pub fn adapter() -> Outcome<Adapter> {
    let (adapter, description) = find()?;
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    // A driver may crash when it is asked for matrices that it does not have.
    let has_matrices = features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
    let matrices = if has_matrices { adapter.cooperative_matrix_properties() } else { Vec::new() };
    let mut matrices: Vec<String> = matrices
        .iter()
        .map(|m| {
            let (from, to) = (element(m.ab_type), element(m.cr_type));
            format!("{}×{}×{} {from} → {to}", m.m_size, m.n_size, m.k_size)
        })
        .collect();
    matrices.dedup();
    let reported = features.contains(wgpu::Features::SUBGROUP);
    Ok(Adapter {
        name: info.name,
        description,
        subgroups: reported.then_some([info.subgroup_min_size, info.subgroup_max_size]),
        workgroup_memory: Some(limits.max_compute_workgroup_storage_size),
        invocations: Some(limits.max_compute_invocations_per_workgroup),
        matrices,
        features: FEATURES
            .iter()
            .filter(|(_, feature)| features.contains(*feature))
            .map(|(name, _)| (*name).to_string())
            .collect(),
    })
}

/// The name of a type of elements in WGSL.
fn element(kind: wgpu::CooperativeScalarType) -> String {
    format!("{kind:?}").to_lowercase()
}
