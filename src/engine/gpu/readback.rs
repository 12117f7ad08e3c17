//! From the device back to the host, without blocking.

use super::device::Gpu;
use crate::error::{Error, Result};
use futures_intrusive::channel::shared::oneshot_channel;
use std::sync::Arc;

impl Gpu {
    /// Submits `encoder` and copies the first so many bytes of some buffers behind it, one after
    /// the other. The future is ready when the device is done; it borrows nothing.
    pub(super) fn read(
        self: &Arc<Self>,
        mut encoder: wgpu::CommandEncoder,
        sources: &[(&wgpu::Buffer, u64)],
        what: &'static str,
    ) -> Result<impl Future<Output = Result<Vec<u8>>> + 'static + use<>> {
        self.check()?;
        let size = sources.iter().map(|(_, size)| size).sum();
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut offset = 0;
        for (source, size) in sources {
            encoder.copy_buffer_to_buffer(source, 0, &staging, offset, *size);
            offset += size;
        }
        let submission = self.queue.submit([encoder.finish()]);
        let (sender, receiver) = oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // Nobody listens any more if the future was dropped.
            let _ = sender.send(mapped);
        });
        self.wake_when_done(submission);
        let gpu = Arc::clone(self);
        Ok(async move {
            let mapped = receiver.receive().await;
            gpu.check()?;
            let failed =
                |reason: String| Error::Gpu { what: format!("reading back the {what}"), reason };
            match mapped {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(failed(error.to_string())),
                None => return Err(failed("the device never answered".into())),
            }
            let view = staging.get_mapped_range(..).map_err(|e| failed(e.to_string()))?;
            let bytes = view.to_vec();
            drop(view);
            staging.unmap();
            Ok(bytes)
        })
    }

    /// Sees to it that the callbacks of a submission are called when it is done. A browser does
    /// so by itself; elsewhere a thread waits for it, so that no future has to.
    #[cfg(not(target_arch = "wasm32"))]
    fn wake_when_done(&self, submission: wgpu::SubmissionIndex) {
        let device = self.device.clone();
        let wait = move || {
            let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
            // What fails here also fails the mapping, which reports it.
            let _ = device.poll(wait);
        };
        let waiting = std::thread::Builder::new().name("impasto-gpu-wait".into()).spawn(wait);
        if waiting.is_err() {
            // No thread to be had: wait here, late rather than never.
            let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
        }
    }

    #[cfg(target_arch = "wasm32")]
    fn wake_when_done(&self, _: wgpu::SubmissionIndex) {}
}

/// The floats in a device's bytes.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned)
}
