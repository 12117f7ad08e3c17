//! What an engine runs on.

use crate::error::{Error, Result};
use crate::family;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which engine computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Backend {
    /// A GPU where there is a real one, else the CPU. No [`Device`] has this value.
    #[default]
    Auto,
    /// The GPU engine, on a software adapter if there is no other.
    Gpu,
    /// The CPU engine.
    Cpu,
    /// The f64 reference that the other engines are tested against. It is slow.
    Reference,
}

impl Backend {
    /// All backends.
    pub const ALL: &'static [Self] = &[Self::Auto, Self::Gpu, Self::Cpu, Self::Reference];

    /// Its name: `auto`, `gpu`, `cpu` or `reference`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
            Self::Reference => "reference",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Backend {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        family::by_name("backend", Self::ALL, Self::name, name)
    }
}

/// The kind of a device. The order is that in which adapters are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeviceType {
    /// A GPU with memory of its own.
    DiscreteGpu,
    /// A GPU that shares the processor's memory.
    IntegratedGpu,
    /// A GPU that a virtual machine shares.
    VirtualGpu,
    /// An adapter whose driver does not say what it is.
    Other,
    /// An adapter that computes on the processor, such as llvmpipe.
    Software,
    /// The processor.
    Cpu,
}

impl DeviceType {
    /// Its name: `discrete GPU`, `integrated GPU`, `virtual GPU`, `other`, `software` or `CPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiscreteGpu => "discrete GPU",
            Self::IntegratedGpu => "integrated GPU",
            Self::VirtualGpu => "virtual GPU",
            Self::Other => "other",
            Self::Software => "software",
            Self::Cpu => "CPU",
        }
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The interface through which an adapter is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Vulkan.
    Vulkan,
    /// Apple's Metal.
    Metal,
    /// DirectX 12.
    DirectX12,
    /// OpenGL or OpenGL ES.
    OpenGl,
    /// A browser's WebGPU.
    WebGpu,
}

impl Api {
    /// Its name: `Vulkan`, `Metal`, `DirectX 12`, `OpenGL` or `WebGPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "Vulkan",
            Self::Metal => "Metal",
            Self::DirectX12 => "DirectX 12",
            Self::OpenGl => "OpenGL",
            Self::WebGpu => "WebGPU",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The device that an engine runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The engine.
    pub backend: Backend,
    /// The adapter's or processor's name.
    pub adapter: String,
    /// The kind of device.
    pub device_type: DeviceType,
    /// The driver and its version; empty where there is none.
    pub driver: String,
    /// The interface of the adapter; `None` for an engine that uses none.
    pub api: Option<Api>,
    /// The most threads that the CPU engine uses; `None` for the others.
    pub threads: Option<usize>,
}

impl Device {
    /// A processor, without a driver or an interface. See [`Compute`](crate::Compute) for an example.
    pub fn processor(backend: Backend, name: impl Into<String>) -> Self {
        Self {
            backend,
            adapter: name.into(),
            device_type: DeviceType::Cpu,
            driver: String::new(),
            api: None,
            threads: None,
        }
    }

    /// The adapter with its kind, interface and driver: `llvmpipe (software adapter, not a GPU, Vulkan, …)`.
    pub fn description(&self) -> String {
        let kind = match self.device_type {
            DeviceType::Software => "software adapter, not a GPU",
            DeviceType::Cpu => "",
            other => other.name(),
        };
        let details = [kind, self.api.map_or("", Api::name), &self.driver];
        let known: Vec<&str> = details.into_iter().filter(|text| !text.is_empty()).collect();
        if known.is_empty() {
            self.adapter.clone()
        } else {
            format!("{} ({})", self.adapter, known.join(", "))
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} engine on {}", self.backend, self.description())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_written_as_it_is_read() {
        for backend in Backend::ALL.iter().copied() {
            assert_eq!(backend.to_string().parse::<Backend>().expect("its name"), backend);
            let written = serde_json::to_value(backend).expect("a name");
            assert_eq!(written, backend.name());
        }
        let error = "tpu".parse::<Backend>().expect_err("unknown").to_string();
        assert_eq!(error, "there is no backend 'tpu': choose one of auto, gpu, cpu, reference");
    }

    #[test]
    fn a_device_is_described_by_what_is_known_of_it() {
        let processor = Device::processor(Backend::Cpu, "CPU, 2 threads");
        assert_eq!(processor.to_string(), "cpu engine on CPU, 2 threads");
        let software = Device {
            backend: Backend::Gpu,
            adapter: "llvmpipe".into(),
            device_type: DeviceType::Software,
            driver: "Mesa 25".into(),
            api: Some(Api::Vulkan),
            threads: None,
        };
        assert_eq!(
            software.to_string(),
            "gpu engine on llvmpipe (software adapter, not a GPU, Vulkan, Mesa 25)"
        );
    }
}
