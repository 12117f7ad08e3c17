//! Kernels compiled ahead, several at the same time.

use crate::engine::gpu::device::Gpu;
use crate::engine::gpu::fused::Keys;
use crate::engine::gpu::kernels::KernelKey;
use crate::engine::gpu::measuring::Trial;
use crate::engine::gpu::shape::Shapes;
use crate::error::Result;
use std::collections::HashSet;
use std::sync::Mutex;
use web_time::Instant;

/// Has the driver compile the kernels of steps in these shapes on all cores, as many as it begins before
/// a moment. What it refuses now it refuses again when it is asked for it.
///
/// # Errors
/// A template that cannot be filled.
pub(super) fn compile(
    gpu: &Gpu,
    trial: &Trial<'_>,
    shapes: &[Shapes],
    until: Instant,
) -> Result<()> {
    let Trial { network, loss, batch, source, .. } = *trial;
    let mut known = HashSet::new();
    let mut keys: Vec<KernelKey> = Vec::new();
    for shapes in shapes {
        let Keys { pass, gradients, .. } =
            Keys::training(network, batch, *shapes, source.samples, loss)?;
        keys.extend(
            [Some(pass), gradients].into_iter().flatten().filter(|k| known.insert(k.clone())),
        );
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(keys.len());
    let left = Mutex::new(keys.into_iter());
    let next = || left.lock().ok().and_then(|mut left| left.next());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                while Instant::now() < until
                    && let Some(key) = next()
                {
                    let _refused = pollster::block_on(gpu.kernel(&key)).err();
                }
            };
            // A kernel that is not compiled ahead is compiled when it is tried.
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
    });
    Ok(())
}
