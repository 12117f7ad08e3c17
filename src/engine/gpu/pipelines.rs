//! What drivers compiled before, where wgpu can hand it to them again.

use super::cache::Cache;
use super::kernels::fnv;

/// A driver's compiled kernels, in memory and on disk.
pub(super) struct Pipelines {
    cache: Option<wgpu::PipelineCache>,
    file: String,
}

impl Pipelines {
    /// Those remembered for this adapter; empty where it has no such cache.
    pub(super) fn load(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: &Cache) -> Self {
        let key = wgpu::util::pipeline_cache_key(info)
            .filter(|_| device.features().contains(wgpu::Features::PIPELINE_CACHE));
        let Some(key) = key else {
            return Self { cache: None, file: String::new() };
        };
        let file = format!("{key}_{:08x}.bin", fnv(info.driver_info.bytes()) as u32);
        let data = folder.read(&file).and_then(|file| checked(&file));
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("pipelines"),
            data: data.as_deref(),
            fallback: true,
        };
        // SAFETY: the data are what `get_data` returned on this adapter with this driver: the file is
        // named after both, and a checksum keeps out what was cut short or changed by accident. wgpu
        // and the driver compare their own headers too.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Self { cache: Some(cache), file }
    }

    /// What pipelines are made with.
    pub(super) fn cache(&self) -> Option<&wgpu::PipelineCache> {
        self.cache.as_ref()
    }

    /// Writes down what is there now.
    pub(super) fn save(&self, folder: &Cache) {
        if let Some(data) = self.cache.as_ref().and_then(wgpu::PipelineCache::get_data) {
            let checksum = fnv(data.iter().copied()).to_le_bytes();
            folder.write(&self.file, &[checksum.as_slice(), &data].concat());
        }
    }
}

/// The data behind their checksum, if it is right.
fn checked(file: &[u8]) -> Option<Vec<u8>> {
    let (checksum, data) = file.split_first_chunk::<8>()?;
    (fnv(data.iter().copied()).to_le_bytes() == *checksum).then(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_whole_is_read() {
        let data = b"compiled".to_vec();
        let file = [fnv(data.iter().copied()).to_le_bytes().as_slice(), &data].concat();
        assert_eq!(checked(&file), Some(data));
        assert_eq!(checked(&file[..12]), None);
        assert_eq!(checked(&file[..5]), None);
        let mut changed = file;
        changed[10] ^= 1;
        assert_eq!(checked(&changed), None);
    }
}
