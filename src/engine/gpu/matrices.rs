//! `Matrices`: the products of matrices that a device computes in hardware.
//!
//! Unsafe: wgpu calls its interface to them experimental, and enables it only in unsafe code.

#![expect(unsafe_code, reason = "wgpu's cooperative matrices are behind an unsafe switch")]

use super::adapter::Candidate;
use crate::device::Api;

/// The matrices that mixed precision multiplies on a device: f16 × f16 → f32, square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matrices {
    /// Their rows and columns: 8 or 16.
    pub(super) size: u32,
    /// Whether the kernels with matrices are given to the driver as SPIR-V.
    pub(super) takes_spirv: bool,
}

impl Matrices {
    /// Those of an adapter, the largest first, or why it has none.
    pub(super) fn of(candidate: &Candidate) -> Result<Self, String> {
        let Candidate { adapter, device } = candidate;
        let has = adapter.features();
        let matrices = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        let needed = matrices | wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP;
        let takes_spirv = device.api == Some(Api::Vulkan);
        let lacks = |what: &str| Err(format!("{} has no {what}", device.adapter));
        if !has.contains(needed) || !(takes_spirv || device.api == Some(Api::Metal)) {
            return lacks("products of f16 matrices that wgpu can use");
        }
        if takes_spirv && !has.contains(wgpu::Features::PASSTHROUGH_SHADERS) {
            return lacks("way to take SPIR-V");
        }
        let (half, single) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
        let sizes = adapter.cooperative_matrix_properties();
        let sizes = sizes.iter().filter(|p| (p.ab_type, p.cr_type) == (half, single));
        let square = sizes.filter(|p| p.m_size == p.n_size && p.n_size == p.k_size);
        let size = square.map(|p| p.m_size).filter(|size| [8, 16].contains(size)).max();
        match size {
            Some(size) => Ok(Self { size, takes_spirv }),
            None => lacks("products of square f16 matrices of 8 or 16 rows with sums in f32"),
        }
    }

    /// What a device must be asked for.
    pub(super) fn features(self) -> wgpu::Features {
        let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16;
        let passes = wgpu::Features::PASSTHROUGH_SHADERS;
        if self.takes_spirv { needed | passes } else { needed }
    }

    /// The leave to use what wgpu calls experimental.
    pub(super) fn experiments() -> wgpu::ExperimentalFeatures {
        // SAFETY: only the kernels of mixed precision use an experimental feature. Their text is our own,
        // and their results are checked before a device trains with them.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    }
}
