//! The adapters, what they must support, and their order of preference.

#[cfg(not(target_arch = "wasm32"))]
use super::lock::lock;
use crate::device::{Api, Backend, Device, DeviceType};
use crate::error::{Error, Result, invalid_setting};
use crate::memory;
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

/// The environment variable with the backends that wgpu uses.
const BACKENDS: &str = "WGPU_BACKEND";

/// Whether the environment names backends that wgpu knows. wgpu itself would find no adapter, and not say why.
pub(super) fn check_environment() -> Result<()> {
    check_backends(&std::env::var(BACKENDS).unwrap_or_default())
}

fn check_backends(names: &str) -> Result<()> {
    let is_known =
        |name: &str| name.is_empty() || !wgpu::Backends::from_comma_list(name).is_empty();
    match names.split(',').map(str::trim).find(|name| !is_known(name)) {
        Some(unknown) => invalid_setting(format!(
            "the environment variable {BACKENDS} names '{unknown}': set it to vulkan, dx12, metal or gl, several \
             with commas between them, or unset it"
        )),
        None => Ok(()),
    }
}

/// Address space that drivers need. Some of them end the process where it runs out: Mesa's llvmpipe takes 450 MB for the
/// default network of `paint`.
const SPACE: u64 = 640 << 20;

/// What a limit of address space leaves, if that is too little for drivers.
fn short_space() -> Option<u64> {
    memory::space_left().filter(|left| *left < SPACE)
}

/// Why there is no adapter at all.
fn no_adapter() -> String {
    if let Some(left) = short_space() {
        return format!(
            "GPU drivers may need up to {SPACE} bytes of address space, and the limit of this process leaves {left}: \
             raise it (ulimit -v), or use the CPU engine"
        );
    }
    match std::env::var(BACKENDS) {
        Ok(names) if !names.trim().is_empty() => {
            format!("{NO_ADAPTER}; the environment variable {BACKENDS} allows {names} alone")
        }
        _ => NO_ADAPTER.into(),
    }
}

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
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    // wgpu takes a variable that is set and empty for one that allows no backend.
    if std::env::var(BACKENDS).is_ok_and(|names| names.trim().is_empty()) {
        descriptor.backends = wgpu::Backends::all();
    }
    wgpu::Instance::new(descriptor)
}

/// All adapters that can run the kernels, best first: real GPUs before software, discrete before
/// integrated, and the modern interfaces before OpenGL. None where there is too little address space for drivers.
pub(super) async fn find() -> Vec<Candidate> {
    if short_space().is_some() {
        return Vec::new();
    }
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

/// The adapter with the number `name` among those of [`find`], from 0; else the best whose description contains
/// `name`, in any case.
pub(super) async fn choose(name: Option<&str>) -> Result<Candidate> {
    check_environment()?;
    let found = find().await;
    let listed: Vec<String> = found.iter().map(|c| c.device.description()).collect();
    let place = place_of(name.unwrap_or_default(), &listed);
    let matching = place.and_then(|place| found.into_iter().nth(place));
    matching.ok_or_else(|| match name {
        Some(name) if !listed.is_empty() => Error::NoAdapter {
            wanted: format!("no adapter is called '{name}'"),
            available: format!("there are: {}", numbered(&listed).join("; ")),
        },
        _ => Error::NoAdapter {
            wanted: "the GPU engine cannot start".into(),
            available: no_adapter(),
        },
    })
}

/// The place of the adapter that `name` means among these descriptions.
fn place_of(name: &str, listed: &[String]) -> Option<usize> {
    let number = name.trim().parse().ok().filter(|number| *number < listed.len());
    let wanted = name.to_lowercase();
    number.or_else(|| listed.iter().position(|line| line.to_lowercase().contains(&wanted)))
}

/// The descriptions, each with its number.
fn numbered(listed: &[String]) -> Vec<String> {
    listed.iter().enumerate().map(|(number, line)| format!("{number}: {line}")).collect()
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
        (true, true) => no_adapter(),
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
        threads: None,
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_chosen_by_its_number_or_by_a_part_of_its_description() {
        let listed = ["NVIDIA 3090 (discrete GPU)", "NVIDIA 3090 (discrete GPU)", "llvmpipe"];
        let listed = listed.map(String::from);
        for (name, place) in [
            ("", Some(0)),
            ("1", Some(1)),
            (" 2 ", Some(2)),
            ("LLVM", Some(2)),
            ("nvidia", Some(0)),
            // No number of an adapter, so a part of a description.
            ("3090", Some(0)),
            ("3", Some(0)),
            ("7", None),
            ("radeon", None),
        ] {
            assert_eq!(place_of(name, &listed), place, "{name}");
        }
        assert_eq!(numbered(&listed)[1], "1: NVIDIA 3090 (discrete GPU)");
    }

    #[test]
    fn backends_that_wgpu_does_not_know_are_named() {
        for names in ["", "vulkan", "VK, gl", "dx12,metal,"] {
            assert!(check_backends(names).is_ok(), "{names}");
        }
        for (names, unknown) in [("vulcan", "'vulcan'"), ("gl, opencl", "'opencl'")] {
            let error = check_backends(names).expect_err("unknown").to_string();
            assert!(error.contains(unknown) && error.contains("WGPU_BACKEND"), "{error}");
        }
    }

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
