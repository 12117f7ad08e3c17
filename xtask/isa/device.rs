//! Compute pipelines through Vulkan, and the driver's report about them.
//!
//! wgpu cannot open Mesa's null device, and does not pass on the results of
//! `VK_KHR_pipeline_executable_properties`. So this module uses `ash`.
//!
//! Unsafe: every call of Vulkan is.

#![expect(unsafe_code, reason = "every call of Vulkan is unsafe")]

use std::ffi::{CStr, c_char};

use anyhow::{Context, Result, bail, ensure};
use ash::{ext, khr, vk};

use super::compile::{BindingKind, ENTRY_POINT, Shader};
use super::worker::{Compiled, Driver};

/// An open device, of which only the compiler is used. RADV's executes nothing.
pub struct Device {
    logical: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    instance: ash::Instance,
    pub driver: Driver,
    // The library must outlive what was loaded from it.
    _entry: ash::Entry,
}

impl Device {
    /// Opens the first RADV device of the driver that the environment names, or, if `is_own`, the first
    /// device of all that reports what its compiler made of a kernel.
    pub fn open(is_own: bool) -> Result<Self> {
        // SAFETY: loading the system's Vulkan loader runs its initializers, which are sound.
        let entry = unsafe { ash::Entry::load() }
            .context("cannot load the Vulkan loader (libvulkan.so.1)")?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `create` and what it points to live until the call returns.
        let instance = unsafe { entry.create_instance(&create, None) }
            .context("cannot create a Vulkan instance")?;
        match Self::open_on(&instance, is_own) {
            Ok((logical, driver)) => {
                let executables =
                    khr::pipeline_executable_properties::Device::new(&instance, &logical);
                Ok(Self { logical, executables, instance, driver, _entry: entry })
            }
            Err(error) => {
                // SAFETY: nothing made from the instance is left.
                unsafe { instance.destroy_instance(None) };
                Err(error)
            }
        }
    }

    fn open_on(instance: &ash::Instance, is_own: bool) -> Result<(ash::Device, Driver)> {
        // SAFETY: the instance is valid.
        let physical_devices = unsafe { instance.enumerate_physical_devices() }
            .context("cannot list the Vulkan devices")?;
        let mut seen = Vec::new();
        for physical_device in physical_devices {
            let driver = describe(instance, physical_device)?;
            if is_own {
                match open_device(instance, physical_device) {
                    Ok(device) => return Ok((device, driver)),
                    Err(error) => seen.push(format!("{}: {error:#}", driver.device)),
                }
            } else if driver.device.contains("RADV") {
                return Ok((open_device(instance, physical_device)?, driver));
            } else {
                seen.push(driver.device);
            }
        }
        if is_own {
            bail!("no device reports what its compiler made of a kernel: {}", seen.join("; "));
        }
        bail!("no RADV device among {seen:?}")
    }

    /// Compiles a kernel and reads what the driver reports about it.
    pub fn compile(&self, shader: &Shader) -> Result<Compiled> {
        let mut made = Made::new(&self.logical);
        let layout = made.layout(shader)?;
        let pipeline = made.pipeline(shader, layout)?;
        self.read(pipeline)
    }

    fn read(&self, pipeline: vk::Pipeline) -> Result<Compiled> {
        let of_pipeline = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline is valid, and the extension is enabled.
        let properties =
            unsafe { self.executables.get_pipeline_executable_properties(&of_pipeline) }
                .context("cannot list the executables of the pipeline")?;
        let [executable] = properties.as_slice() else {
            bail!("a compute pipeline of {} executables", properties.len());
        };
        let of_executable =
            vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(0);
        // SAFETY: executable 0 exists, and the pipeline was created with CAPTURE_STATISTICS.
        let statistics =
            unsafe { self.executables.get_pipeline_executable_statistics(&of_executable) }
                .context("cannot read the statistics of the pipeline")?;
        Ok(Compiled {
            subgroup_size: executable.subgroup_size,
            statistics: statistics
                .iter()
                .map(|statistic| (text(&statistic.name), value(statistic)))
                .collect(),
            cycles: Vec::new(),
            representations: self.representations(&of_executable)?,
        })
    }

    /// Name and text of each internal representation: NIR, ACO's, the assembly.
    fn representations(
        &self,
        of_executable: &vk::PipelineExecutableInfoKHR,
    ) -> Result<Vec<(String, String)>> {
        let get = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.executables.device();
        let mut count = 0;
        // SAFETY: executable 0 exists, the pipeline was created with
        // CAPTURE_INTERNAL_REPRESENTATIONS, and a null array asks for the count.
        unsafe { get(device, of_executable, &raw mut count, std::ptr::null_mut()) }.result()?;
        let mut found =
            vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // SAFETY: as above, with an array of `count`; null data asks for the sizes.
        unsafe { get(device, of_executable, &raw mut count, found.as_mut_ptr()) }.result()?;
        let mut texts: Vec<Vec<u8>> =
            found.iter().map(|representation| vec![0; representation.data_size]).collect();
        for (representation, text) in found.iter_mut().zip(&mut texts) {
            representation.p_data = text.as_mut_ptr().cast();
        }
        // SAFETY: as above; each data pointer has room for the size beside it.
        unsafe { get(device, of_executable, &raw mut count, found.as_mut_ptr()) }.result()?;
        Ok(found
            .iter()
            .zip(&texts)
            .filter(|(representation, _)| representation.is_text == vk::TRUE)
            .map(|(representation, bytes)| {
                let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
                (text(&representation.name), String::from_utf8_lossy(&bytes[..end]).into_owned())
            })
            .collect())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: `Made` has destroyed what was made from the device, and nothing uses it after.
        unsafe {
            self.logical.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

/// What compiling one kernel makes, destroyed together.
struct Made<'a> {
    device: &'a ash::Device,
    set_layouts: Vec<vk::DescriptorSetLayout>,
    layout: vk::PipelineLayout,
    module: vk::ShaderModule,
    pipeline: vk::Pipeline,
}

impl<'a> Made<'a> {
    fn new(device: &'a ash::Device) -> Self {
        Self {
            device,
            set_layouts: Vec::new(),
            layout: vk::PipelineLayout::null(),
            module: vk::ShaderModule::null(),
            pipeline: vk::Pipeline::null(),
        }
    }

    fn layout(&mut self, shader: &Shader) -> Result<vk::PipelineLayout> {
        let groups = shader.bindings.iter().map(|binding| binding.group + 1).max().unwrap_or(0);
        ensure!(groups <= 32, "a bind group number of {groups} is beyond any device");
        for group in 0..groups {
            let entries: Vec<_> = shader
                .bindings
                .iter()
                .filter(|binding| binding.group == group)
                .map(|binding| {
                    vk::DescriptorSetLayoutBinding::default()
                        .binding(binding.number)
                        .descriptor_count(1)
                        .descriptor_type(match binding.kind {
                            BindingKind::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                            BindingKind::Storage => vk::DescriptorType::STORAGE_BUFFER,
                        })
                        .stage_flags(vk::ShaderStageFlags::COMPUTE)
                })
                .collect();
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&entries);
            // SAFETY: the device is valid, and `create` lives until the call returns.
            let made = unsafe { self.device.create_descriptor_set_layout(&create, None) }
                .context("cannot create a descriptor set layout")?;
            self.set_layouts.push(made);
        }
        let immediate = [vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(shader.immediate_size.next_multiple_of(4))];
        let mut create = vk::PipelineLayoutCreateInfo::default().set_layouts(&self.set_layouts);
        if shader.immediate_size > 0 {
            create = create.push_constant_ranges(&immediate);
        }
        // SAFETY: the set layouts are valid, and `create` lives until the call returns.
        self.layout = unsafe { self.device.create_pipeline_layout(&create, None) }
            .context("cannot create a pipeline layout")?;
        Ok(self.layout)
    }

    fn pipeline(&mut self, shader: &Shader, layout: vk::PipelineLayout) -> Result<vk::Pipeline> {
        let create = vk::ShaderModuleCreateInfo::default().code(&shader.spirv);
        // SAFETY: naga has written the words from a validated module.
        self.module = unsafe { self.device.create_shader_module(&create, None) }
            .context("cannot create a shader module")?;
        let name = std::ffi::CString::new(ENTRY_POINT)?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(self.module)
            .name(&name);
        let create = vk::ComputePipelineCreateInfo::default()
            .flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            )
            .stage(stage)
            .layout(layout);
        // SAFETY: module and layout are valid and belong together; `create` lives until the call
        // returns.
        let made = unsafe {
            self.device.create_compute_pipelines(vk::PipelineCache::null(), &[create], None)
        };
        let pipelines =
            made.map_err(|(_, error)| error).context("cannot create the compute pipeline")?;
        self.pipeline = pipelines.first().copied().context("no pipeline was created")?;
        Ok(self.pipeline)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // SAFETY: all of it was made from this device or is null, and none of it is in use.
        unsafe {
            self.device.destroy_pipeline(self.pipeline, None);
            self.device.destroy_shader_module(self.module, None);
            self.device.destroy_pipeline_layout(self.layout, None);
            for &layout in &self.set_layouts {
                self.device.destroy_descriptor_set_layout(layout, None);
            }
        }
    }
}

fn describe(instance: &ash::Instance, physical_device: vk::PhysicalDevice) -> Result<Driver> {
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
    // SAFETY: the physical device is the instance's, and the chain lives until the call returns.
    unsafe { instance.get_physical_device_properties2(physical_device, &mut properties) };
    let properties = properties.properties;
    ensure!(
        properties.api_version >= vk::API_VERSION_1_2,
        "the driver is too old: Vulkan 1.2 is needed"
    );
    Ok(Driver { device: text(&properties.device_name), version: text(&driver.driver_info) })
}

/// Opens a device with everything enabled that it has, as a kernel may use any of it.
fn open_device(
    instance: &ash::Instance,
    physical_device: vk::PhysicalDevice,
) -> Result<ash::Device> {
    // SAFETY: the physical device is the instance's.
    let available = unsafe { instance.enumerate_device_extension_properties(physical_device) }
        .context("cannot list the extensions of the device")?;
    let has = |name: &CStr| {
        available.iter().any(|extension| extension.extension_name_as_c_str() == Ok(name))
    };
    let needed = khr::pipeline_executable_properties::NAME;
    ensure!(has(needed), "the driver lacks {}", needed.to_string_lossy());
    let mut extensions = vec![needed.as_ptr()];
    let matrices = has(khr::cooperative_matrix::NAME);
    if matrices {
        extensions.push(khr::cooperative_matrix::NAME.as_ptr());
    }

    // As wgpu does where it can; what is checked at run time keeps loads from being merged.
    let robust = has(ext::robustness2::NAME);
    if robust {
        extensions.push(ext::robustness2::NAME.as_ptr());
    }

    let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
    let mut matrix = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
    let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
    let mut vulkan_11 = vk::PhysicalDeviceVulkan11Features::default();
    let mut vulkan_12 = vk::PhysicalDeviceVulkan12Features::default();
    let mut vulkan_13 = vk::PhysicalDeviceVulkan13Features::default();
    let mut features = vk::PhysicalDeviceFeatures2::default()
        .push_next(&mut executables)
        .push_next(&mut vulkan_11)
        .push_next(&mut vulkan_12)
        .push_next(&mut vulkan_13);
    if matrices {
        features = features.push_next(&mut matrix);
    }
    if robust {
        features = features.push_next(&mut robustness);
    }
    // SAFETY: each structure of the chain is one that the device knows, and lives long enough.
    unsafe { instance.get_physical_device_features2(physical_device, &mut features) };

    let queues =
        [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
    let create = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_extension_names(&extensions)
        .push_next(&mut features);
    // SAFETY: extensions and features are those that the device has just named.
    unsafe { instance.create_device(physical_device, &create, None) }
        .context("cannot open the device")
}

/// The text in an array that the driver has filled.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters
        .iter()
        .take_while(|&&character| character != 0)
        .map(|&character| character.to_ne_bytes()[0])
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn value(statistic: &vk::PipelineExecutableStatisticKHR) -> f64 {
    // SAFETY: `format` says which member the driver has written.
    unsafe {
        match statistic.format {
            vk::PipelineExecutableStatisticFormatKHR::BOOL32 => statistic.value.b32 as f64,
            vk::PipelineExecutableStatisticFormatKHR::INT64 => statistic.value.i64 as f64,
            vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => statistic.value.f64,
            _ => statistic.value.u64 as f64,
        }
    }
}
