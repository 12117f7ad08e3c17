//! F16 in storage: which runs and devices support it.
//!
//! The kernels are `fused_step` and `weight_gradients`. They pack with `pack2x16float`, which wgpu reports as
//! `SHADER_F16_IN_F32`. A number that leaves f16 is handled as in mixed precision: the step is skipped, and the loss
//! scale is halved.

use super::candidates;
use super::choice::Choice;
use super::device::Gpu;
use super::fused;
use super::layout::Layout;
use crate::dataset::Dataset;
use crate::engine::Plan;
use crate::engine::choice::{Kernels, Precision};
use crate::error::{Result, unsupported};
use crate::network::Network;

/// The most storage buffers of a kernel, the step included.
const STORAGE_BUFFERS: u32 = 9;

/// The choice for a run: in full precision if storage in f16 is not to be had, with a note that says why.
pub(super) fn settled(
    gpu: &Gpu,
    choice: Choice,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Choice {
    if choice.precision != Precision::F16Storage {
        return choice;
    }
    match check(gpu, choice, network, plan, dataset) {
        Ok(()) => choice,
        Err(reason) => {
            gpu.note(format!("{reason}: the run is computed in full precision"));
            Choice { precision: Precision::Full, ..choice }
        }
    }
}

/// Whether a device can store values and deltas in f16.
///
/// # Errors
/// The reason why it cannot.
pub(super) fn check_device(gpu: &Gpu) -> Result<()> {
    let adapter = &gpu.info.adapter;
    if !gpu.packs {
        return unsupported(format!("{adapter} cannot pack numbers as f16"));
    }
    if gpu.limits.max_storage_buffers_per_shader_stage < STORAGE_BUFFERS {
        return unsupported(format!(
            "storage in f16 needs more storage buffers than {adapter} has"
        ));
    }
    Ok(())
}

/// Whether a run can store values and deltas in f16.
///
/// # Errors
/// The reason why it cannot.
fn check(
    gpu: &Gpu,
    choice: Choice,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Result<()> {
    if choice.kernels == Kernels::Layerwise {
        return unsupported("the layerwise kernels store no values in f16");
    }
    if network.encoding().is_general() {
        return unsupported(
            "storage in f16 takes networks without an encoding or with one set of waves",
        );
    }
    if network.layers().len() < 2 {
        return unsupported("storage in f16 takes networks with a hidden layer");
    }
    if plan.wrappers.accumulate.is_some() {
        return unsupported("storage in f16 does not support gradients of several batches");
    }
    check_device(gpu)?;
    let rows = plan.batch_size.min(dataset.len());
    // The fused kernels evaluate and predict.
    fused::check(gpu, network, rows)?;
    fused::check_dataset(gpu, dataset)?;
    if candidates::packed(&gpu.abilities, &Layout::new(network, rows)).is_empty() {
        return unsupported(
            "storage in f16 needs more memory of a workgroup than there is on the device",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
