//! The cache of compiled pipelines on disk, for drivers that support it.
//!
//! Unsafe: a driver trusts the data of its cache, which wgpu cannot validate. Only what was written whole,
//! under the name of this adapter and driver, is handed back.

#![expect(unsafe_code, reason = "wgpu cannot validate the data of a driver's cache")]

use super::cache::Cache;
use super::lock::lock;
use super::scopes::Scopes;
use crate::checksum::fnv;
use std::sync::Mutex;

/// The most bytes of compiled kernels that are kept for the next of their kind: nothing can be taken
/// out of a driver's cache, so a fuller one is given up for an empty one.
const MOST_BYTES: usize = 16 << 20;

/// A driver's compiled kernels, in memory and on disk.
pub(super) struct Pipelines {
    cache: Mutex<Option<wgpu::PipelineCache>>,
    file: String,
}

impl Pipelines {
    /// Those remembered for this adapter; empty where it has no such cache. What wgpu or the driver refuses is left
    /// out, and the next [`save`](Self::save) replaces it.
    pub(super) async fn load(
        device: &wgpu::Device,
        info: &wgpu::AdapterInfo,
        folder: &Cache,
    ) -> Self {
        let key = wgpu::util::pipeline_cache_key(info)
            .filter(|_| device.features().contains(wgpu::Features::PIPELINE_CACHE));
        let Some(key) = key else {
            return Self { cache: Mutex::default(), file: String::new() };
        };
        let file = format!("{key}_{:08x}.bin", fnv(info.driver_info.bytes()) as u32);
        let data = folder.read(&file).and_then(|file| checked(&file));
        // SAFETY: the data are what `get_data` returned on this adapter with this driver: the file is
        // named after both, no other user can have written it, and a checksum keeps out what was cut short or
        // changed by accident. wgpu and the driver compare their own headers too.
        let mut cache = unsafe { create(device, data.as_deref()) }.await;
        if cache.is_none() && data.is_some() {
            // SAFETY: there are no data.
            cache = unsafe { create(device, None) }.await;
        }
        Self { cache: Mutex::new(cache), file }
    }

    /// What pipelines are made with.
    pub(super) fn cache(&self) -> Option<wgpu::PipelineCache> {
        lock(&self.cache).clone()
    }

    /// Writes down what is there now.
    pub(super) async fn save(&self, device: &wgpu::Device, folder: &Cache) {
        self.save_at_most(MOST_BYTES, device, folder).await;
    }

    async fn save_at_most(&self, most: usize, device: &wgpu::Device, folder: &Cache) {
        let Some(data) = self.cache().and_then(|cache| cache.get_data()) else { return };
        if data.len() > most {
            // SAFETY: there are no data.
            let empty = unsafe { create(device, None) }.await;
            *lock(&self.cache) = empty;
            return;
        }
        let checksum = fnv(data.iter().copied()).to_le_bytes();
        folder.write(&self.file, &[checksum.as_slice(), &data].concat());
    }
}

/// A driver's cache with these data, unless wgpu or the driver refuses it: `fallback` leaves out what is damaged or out
/// of date, but data of another adapter are an error.
///
/// # Safety
/// The data must come from such a cache of the same adapter and driver.
async unsafe fn create(device: &wgpu::Device, data: Option<&[u8]>) -> Option<wgpu::PipelineCache> {
    let descriptor =
        wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
    let scopes = Scopes::push(device);
    // SAFETY: as the caller promises.
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    scopes.pop().await.is_none().then_some(cache)
}

/// The data behind their checksum, if it is right.
fn checked(file: &[u8]) -> Option<Vec<u8>> {
    let (checksum, data) = file.split_first_chunk::<8>()?;
    (fnv(data.iter().copied()).to_le_bytes() == *checksum).then(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::twins::adapters;

    /// The bytes before what the driver itself wrote: wgpu's header.
    const HEADER: usize = 64;

    /// wgpu refuses some changes as errors, and leaves the data out after others.
    #[test]
    fn a_file_that_wgpu_or_the_driver_refuses_is_left_out_and_replaced() {
        let mut tested = false;
        for gpu in adapters() {
            let Some(good) = gpu.pipelines.cache().and_then(|cache| cache.get_data()) else {
                continue;
            };
            let folder = tempfile::tempdir().expect("a folder");
            let cache = Cache::named(folder.path());
            let path = folder.path().join(&gpu.pipelines.file);
            let info = gpu.device.adapter_info();
            // Beside wgpu's header, the driver's own.
            for (place, change) in (0..HEADER + 32).flat_map(|place| [(place, 1), (place, 0xff)]) {
                let Some(mut data) = Some(good.clone()).filter(|data| data.len() > place) else {
                    break;
                };
                data[place] ^= change;
                let what = format!("byte {place} ^ {change}: {}", gpu.info);
                let file = [&fnv(data.iter().copied()).to_le_bytes()[..], &data].concat();
                cache.write(&gpu.pipelines.file, &file);
                pollster::block_on(async {
                    let loaded = Pipelines::load(&gpu.device, &info, &cache).await;
                    gpu.check().expect(&what);
                    assert!(loaded.cache().is_some(), "{what}");
                    loaded.save(&gpu.device, &cache).await;
                    let written = std::fs::read(&path).expect("written");
                    assert!(written != file && checked(&written).is_some(), "{what}");
                    gpu.check().expect(&what);
                });
            }
            assert_eq!(cache.distrust(), None);
            tested = true;
        }
        assert!(tested || adapters().iter().all(|gpu| gpu.pipelines.cache().is_none()));
    }

    #[test]
    fn a_full_cache_is_given_up() {
        for gpu in adapters() {
            let save = |most| {
                let folder = Cache::none();
                pollster::block_on(gpu.pipelines.save_at_most(most, &gpu.device, &folder));
                gpu.pipelines.cache()
            };
            let before = gpu.pipelines.cache();
            assert_eq!(save(MOST_BYTES), before);
            let after = save(0);
            let has_data = before.as_ref().is_some_and(|cache| cache.get_data().is_some());
            assert_eq!(after != before, has_data, "{}", gpu.info);
            assert_eq!(after.is_some(), before.is_some(), "{}", gpu.info);
        }
    }

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
