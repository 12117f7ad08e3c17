//! The adapters, what they must support, and their order of preference.

#[cfg(not(target_arch = "wasm32"))]
use super::lock::lock;
use crate::device::{Api, Backend, Device, DeviceType};
use crate::error::{Error, Result};
#[cfg(not(target_arch = "wasm32"))]
use std::sync::Mutex;

/// What to do where there is no adapter at all.
#[cfg(not(target_arch = "wasm32"))]
pub const NO_ADAPTER: &str = "there is no GPU adapter: install a graphics driver (on Debian and \
                              Ubuntu the package mesa-vulkan-drivers brings a software one), or \
                              use the CPU engine";

/// What to do where the browser has no adapter.
#[cfg(target_arch = "wasm32")]
pub const NO_ADAPTER: &str = "this browser offers no GPU adapter: try another browser or its \
                              settings for WebGPU, or compute on the processor";

/// Storage buffers that the widest kernel, `adam`, binds: its shape, six operands and the step;
/// WebGPU's default limit.
const STORAGE_BUFFERS: u32 = 8;

/// An adapter that the engine can run on.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) adapter: wgpu::Adapter,
    pub(super) device: Device,
}

/// A wgpu instance with the backends that `WGPU_BACKEND` names, or all.
///
/// Instances are created one at a time, and the first is kept until the process ends. NVIDIA's driver for Linux
/// fails where several threads create instances at once (<https://github.com/gfx-rs/wgpu/issues/5930>), and where a
/// thread ends after the last instance has gone, and with it the driver's code
/// (<https://github.com/gfx-rs/wgpu/issues/7655>). A single shared instance would not do:
/// its OpenGL adapters share a context, and wgpu panics where two threads use it.
#[cfg(not(target_arch = "wasm32"))]
fn instance() -> wgpu::Instance {
    static FIRST: Mutex<Option<wgpu::Instance>> = Mutex::new(None);
    let mut first = lock(&FIRST);
    let instance = new_instance();
    first.get_or_insert_with(|| instance.clone());
    instance
}

/// A wgpu instance for the browser's adapters.
#[cfg(target_arch = "wasm32")]
fn instance() -> wgpu::Instance {
    new_instance()
}

fn new_instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env())
}

/// All adapters that can run the kernels, best first: real GPUs before software, discrete before
/// integrated, and the modern interfaces before OpenGL.
pub(super) async fn find() -> Vec<Candidate> {
    let adapters = instance().enumerate_adapters(wgpu::Backends::all()).await;
    let mut found = Vec::new();
    for adapter in adapters.into_iter().filter(is_able) {
        let info = adapter.get_info();
        #[cfg(target_arch = "wasm32")]
        let info = wgpu::AdapterInfo { name: super::browser::adapter_name().await, ..info };
        let device = describe(&info);
        found.push(Candidate { adapter, device });
    }
    found.sort_by_key(|Candidate { device, .. }| {
        (device.device_type, device.api == Some(Api::OpenGl))
    });
    found
}

/// The best adapter whose description contains `name`, in any case.
pub(super) async fn choose(name: Option<&str>) -> Result<Candidate> {
    let found = find().await;
    let listed: Vec<String> = found.iter().map(|c| c.device.description()).collect();
    let wanted = name.unwrap_or_default().to_lowercase();
    let matching = found
        .into_iter()
        .find(|candidate| candidate.device.description().to_lowercase().contains(&wanted));
    matching.ok_or_else(|| match name {
        Some(name) if !listed.is_empty() => Error::NoAdapter {
            wanted: format!("no adapter is called '{name}'"),
            available: format!("there are: {}", listed.join("; ")),
        },
        _ => Error::NoAdapter {
            wanted: "the GPU engine cannot start".into(),
            available: NO_ADAPTER.into(),
        },
    })
}

/// The first real GPU that can be opened, with what others said against it.
pub(super) async fn open_first<T>(
    found: Vec<Candidate>,
    open: impl AsyncFn(Candidate) -> Result<T>,
) -> Result<(T, Vec<String>)> {
    let listed: Vec<String> = found.iter().map(|c| c.device.description()).collect();
    let mut refused = Vec::new();
    for candidate in found.into_iter().filter(|c| c.device.device_type != DeviceType::Software) {
        match open(candidate).await {
            Ok(opened) => return Ok((opened, refused)),
            Err(error) => refused.push(error.to_string()),
        }
    }
    let available = match (refused.is_empty(), listed.is_empty()) {
        (false, _) => refused.join("; "),
        (true, false) => format!("there is only {}", listed.join("; ")),
        (true, true) => NO_ADAPTER.into(),
    };
    Err(Error::NoAdapter { wanted: "no GPU can be used".into(), available })
}

/// Whether the adapter can run every kernel.
fn is_able(adapter: &wgpu::Adapter) -> bool {
    let limits = adapter.limits();
    let capabilities = adapter.get_downlevel_capabilities();
    capabilities.flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        && limits.max_storage_buffers_per_shader_stage >= STORAGE_BUFFERS
        && limits.max_compute_invocations_per_workgroup >= 256
        && limits.max_compute_workgroup_storage_size >= 16 << 10
        && limits.max_dynamic_storage_buffers_per_pipeline_layout >= 1
}

/// What people call it.
fn describe(info: &wgpu::AdapterInfo) -> Device {
    let name = info.name.to_lowercase();
    let software = ["llvmpipe", "softpipe", "swiftshader", "basic render"];
    let device_type = match info.device_type {
        wgpu::DeviceType::Cpu => DeviceType::Software,
        _ if software.iter().any(|known| name.contains(known)) => DeviceType::Software,
        wgpu::DeviceType::DiscreteGpu => DeviceType::DiscreteGpu,
        wgpu::DeviceType::IntegratedGpu => DeviceType::IntegratedGpu,
        wgpu::DeviceType::VirtualGpu => DeviceType::VirtualGpu,
        wgpu::DeviceType::Other => DeviceType::Other,
    };
    let api = match info.backend {
        wgpu::Backend::Vulkan => Some(Api::Vulkan),
        wgpu::Backend::Metal => Some(Api::Metal),
        wgpu::Backend::Dx12 => Some(Api::DirectX12),
        wgpu::Backend::Gl => Some(Api::OpenGl),
        wgpu::Backend::BrowserWebGpu => Some(Api::WebGpu),
        wgpu::Backend::Noop => None,
    };
    Device {
        backend: Backend::Gpu,
        adapter: info.name.clone(),
        device_type,
        driver: [info.driver.trim(), info.driver_info.trim()].join(" ").trim().to_string(),
        api,
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    /// OpenGL's adapters must not share a context: wgpu panics where two threads use it.
    #[test]
    fn many_threads_find_adapters_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        pollster::block_on(find());
                    }
                });
            }
        });
    }
}
