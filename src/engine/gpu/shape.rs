//! Shapes of the fused kernels: how invocations share the work.

use serde::{Deserialize, Serialize};

/// Values of a row behind the last of a tile, so that neighboring rows start in different banks.
pub(super) const TILE_SPACING: usize = 4;

/// How invocations share a product: who holds which part of the result in registers, and how the
/// operand that all lanes need is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Neighboring invocations, each with rows of its own.
    pub(super) lanes: u32,
    /// Groups of such invocations, each with columns of its own.
    pub(super) groups: u32,
    /// Rows of an invocation.
    pub(super) rows: u32,
    /// Columns of an invocation, a multiple of 4.
    pub(super) columns: u32,
    /// Over how many lanes of a subgroup the common operand is read, to be broadcast; 0 if every
    /// invocation reads it as it is.
    pub(super) broadcast: u32,
    /// Whether the lanes of a group share rows and columns and split their sums, which needs subgroups.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) split: bool,
    /// Whether the values and deltas of hidden levels are f16 in storage, which only cooperative shapes can write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) packed: bool,
}

impl Shape {
    /// Invocations in a workgroup.
    pub(super) fn workgroup(self) -> u32 {
        self.lanes * self.groups
    }

    /// Rows of a workgroup.
    pub(super) fn tile(self) -> u32 {
        if self.split { self.rows } else { self.lanes * self.rows }
    }

    /// Sums that an invocation has in registers.
    pub(super) fn sums(self) -> f64 {
        f64::from(self.rows * self.columns)
    }

    /// Whether the invocations of a workgroup share what goes from layer to layer.
    pub(super) fn is_cooperative(self) -> bool {
        self.groups > 1
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lanes, groups, rows, columns, split, packed, .. } = self;
        write!(f, "{lanes}×{groups} invocations of {rows}×{columns}")?;
        f.write_str(if *split { ", split" } else { "" })?;
        f.write_str(if *packed { ", f16 in storage" } else { "" })
    }
}

/// The shapes of the two kernels that compute products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Shapes {
    /// Of `fused_step`: rows are samples, columns are neurons.
    pub(super) step: Shape,
    /// Of `weight_gradients`: rows are neurons, columns are the layer's inputs.
    pub(super) gradients: Shape,
    /// Samples over which `weight_gradients` adds up before the optimizer does.
    pub(super) slice: u32,
}

impl Shapes {
    /// These, with the part in which `candidate` differs from `usual`.
    pub(super) fn varied(self, candidate: &Self, usual: &Self) -> Self {
        let Self { step, gradients, slice } = *candidate;
        Self {
            step: if step == usual.step { self.step } else { step },
            gradients: if gradients == usual.gradients { self.gradients } else { gradients },
            slice: if slice == usual.slice { self.slice } else { slice },
        }
    }
}

impl std::fmt::Display for Shapes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, gradients, slice } = self;
        write!(f, "step {step}, gradients {gradients}, slices of {slice}")?;
        match step.broadcast {
            0 => Ok(()),
            lanes => write!(f, ", operand read over {lanes} lanes"),
        }
    }
}

/// What of a device decides which shapes it can run, and which run well.
#[derive(Clone, Debug)]
pub(super) struct Abilities {
    pub(super) limits: wgpu::Limits,
    /// Whether it computes on the CPU.
    pub(super) software: bool,
    /// Over how many lanes of a subgroup a read can be spread and then broadcast; 0 without
    /// subgroups.
    pub(super) broadcast: u32,
    /// The fewest lanes of a subgroup; 0 without subgroups.
    pub(super) subgroup: u32,
    /// Invocations that a software adapter computes as one vector.
    pub(super) vector: u32,
    /// The most turns that the loops of an invocation may take in all.
    pub(super) most_turns: usize,
}

impl Abilities {
    /// Of a GPU of which nothing but its limits is known.
    pub(super) fn of_gpu(limits: wgpu::Limits) -> Self {
        let (broadcast, subgroup, vector) = (0, 0, 8);
        Self { limits, software: false, broadcast, subgroup, vector, most_turns: usize::MAX }
    }
}

/// Limits that most GPUs have through Vulkan, Metal and Direct3D 12: more invocations and memory of a
/// workgroup than a browser offers unasked.
pub(super) fn desktop_limits() -> wgpu::Limits {
    wgpu::Limits {
        max_compute_invocations_per_workgroup: 1024,
        max_compute_workgroup_size_x: 1024,
        max_compute_workgroup_storage_size: 32 << 10,
        ..wgpu::Limits::default()
    }
}
