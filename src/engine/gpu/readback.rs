//! Asynchronous copies from the device to the host.

use super::device::Gpu;
use super::scopes::Scopes;
use crate::error::{Error, Result};
use crate::memory;
use futures_intrusive::channel::shared::oneshot_channel;
use std::ops::Range;
use std::sync::Arc;

/// The most bytes that are read back at once: more is no faster and takes the host's memory twice.
const PART_BYTES: u64 = 64 << 20;

/// Advice where reading back takes too much memory.
const LESS: &str = "make the layers narrower, or take fewer samples at a time";

impl Gpu {
    /// Submits `encoder` and copies pieces of some buffers behind it, one after the other. The future
    /// is ready when the device is done; it borrows nothing. An error of what is submitted here
    /// comes from the future and leaves the device usable.
    pub(super) fn read(
        self: &Arc<Self>,
        mut encoder: wgpu::CommandEncoder,
        sources: &[(&wgpu::Buffer, Range<u64>)],
        what: &'static str,
    ) -> Result<impl Future<Output = Result<Vec<u8>>> + 'static + use<>> {
        self.check()?;
        let scopes = Scopes::push(&self.device);
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: sources.iter().map(|(_, bytes)| bytes.end - bytes.start).sum(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut offset = 0;
        for (source, bytes) in sources {
            let size = bytes.end - bytes.start;
            encoder.copy_buffer_to_buffer(source, bytes.start, &staging, offset, size);
            offset += size;
        }
        let submission = self.queue.submit([encoder.finish()]);
        self.count(|counts| {
            counts.submissions += 1;
            counts.readbacks += 1;
        });
        let (sender, receiver) = oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // Fails if the future was dropped.
            let _ = sender.send(mapped);
        });
        let refused = scopes.pop();
        self.waiter.wait_for(&self.device, submission);
        let gpu = Arc::clone(self);
        Ok(async move {
            let what = format!("reading back the {what}");
            if let Some(error) = refused.await {
                gpu.hear_of_loss().await;
                return Err(gpu.failure(&what, &error));
            }
            let mapped = receiver.receive().await;
            if !matches!(mapped, Some(Ok(()))) {
                gpu.hear_of_loss().await;
            }
            gpu.check()?;
            let failed = |reason: String| Error::Gpu { what: what.clone(), reason };
            match mapped {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(failed(error.to_string())),
                None => return Err(failed("the device never answered".into())),
            }
            let view = match staging.get_mapped_range(..) {
                Ok(view) => view,
                Err(error) => {
                    // The device may have been lost since.
                    gpu.hear_of_loss().await;
                    gpu.check()?;
                    return Err(failed(error.to_string()));
                }
            };
            let bytes = memory::collect(view.iter().copied(), &what, LESS);
            drop(view);
            staging.unmap();
            bytes
        })
    }

    /// Some bytes of a buffer, read in parts that fit in one of the device's buffers.
    pub(super) async fn read_in_parts(
        self: &Arc<Self>,
        source: &wgpu::Buffer,
        range: Range<u64>,
        what: &'static str,
    ) -> Result<Vec<u8>> {
        let part = (self.largest_buffer().min(PART_BYTES) / 4 * 4).max(4);
        let purpose = format!("reading back the {what}");
        let mut all = memory::room((range.end - range.start) as usize, purpose, LESS)?;
        for first in range.clone().step_by(part as usize) {
            let bytes = first..range.end.min(first + part);
            all.extend(self.read(self.encoder(what), &[(source, bytes)], what)?.await?);
        }
        Ok(all)
    }
}

/// The floats in a device's bytes.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned)
}

/// One of them.
pub(super) fn float_at(bytes: &[u8], place: usize) -> f32 {
    bytemuck::pod_read_unaligned(&bytes[4 * place..4 * place + 4])
}

#[cfg(test)]
mod tests {
    use crate::engine::{Outcome, Pending, Session};
    use crate::gpu::choice::Choice;
    use crate::gpu::faults::{step, task};
    use crate::gpu::lock::lock;
    use crate::gpu::session::GpuSession;
    use crate::gpu::twins::adapters;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn training_returns_before_the_device_is_known_to_be_done() {
        let (network, plan, dataset) = task(&[8], 10);
        for gpu in adapters() {
            let start = GpuSession::start(&gpu, &network, &plan, &dataset, Choice::default());
            let mut session = pollster::block_on(start).expect("starts");
            let closed = lock(&gpu.waiter.gate);
            let mut start = |number| session.train(&[step(number, 10)]).expect("starts");
            let mut outcomes: [Pending<'static, Outcome>; 3] = [1, 2, 3].map(&mut start);
            // However fast the device is, it was not asked whether it is done with the last.
            let polled = outcomes[2].as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending), "{} was waited for", gpu.info);
            drop(closed);
            for outcome in outcomes {
                assert_eq!(pollster::block_on(outcome).expect("trains").losses.len(), 1);
            }
        }
    }
}
