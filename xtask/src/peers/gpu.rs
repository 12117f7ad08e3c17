//! What the kit of `cargo xtask kit` measured on a machine with a GPU, as one file of JSON.
//!
//! The program of the kit, in `xtask/kit/probe`, compiles this same file.

use serde::{Deserialize, Serialize};

/// A run of the kit.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GpuRun {
    /// The day, in UTC.
    pub date: String,
    /// Impasto's commit.
    pub commit: String,
    /// Impasto's name and version.
    pub version: String,
    /// The compiler.
    pub rustc: String,
    /// The host: its processor and its system.
    pub host: String,
    /// What a reader must know of this run; empty if nothing.
    #[serde(default)]
    pub note: String,
    /// The adapter.
    pub adapter: Adapter,
    /// What a dispatch costs.
    pub dispatches: Option<Dispatches>,
    /// A picture that was painted with the default options.
    pub painting: Option<Painting>,
    /// Impasto's training steps, one for each batch size and kind of kernels.
    pub steps: Vec<Steps>,
    /// Training steps of other libraries.
    pub others: Vec<Other>,
    /// The test programs.
    pub tests: Vec<Tests>,
    /// What was not measured or not tested.
    pub left_out: Vec<Omission>,
}

/// What a device reports about itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// Its name, the class of the run.
    pub name: String,
    /// Name, type, interface and driver.
    pub description: String,
    /// The least and the largest number of invocations of a subgroup, where reported.
    pub subgroups: Option<[u32; 2]>,
    /// Bytes of workgroup memory.
    pub workgroup_memory: Option<u32>,
    /// The most invocations of a workgroup.
    pub invocations: Option<u32>,
    /// The products of matrices that one instruction computes: `16×16×16 f16 → f32`.
    pub matrices: Vec<String>,
    /// Features that matter to kernels.
    pub features: Vec<String>,
}

/// What a dispatch costs, and how a subgroup is made up.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatches {
    /// Seconds of an empty dispatch.
    pub empty_s: f64,
    /// Seconds of a dispatch that waits for the one before.
    pub dependent_s: f64,
    /// Invocations of a subgroup of the kernel that was tried.
    pub subgroup: Option<u32>,
    /// Whether the invocations of a subgroup are neighbors in `local_invocation_index`.
    pub in_order: Option<bool>,
}

/// The painted picture.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Painting {
    /// Epochs of training; 80 if the time was enough.
    pub epochs: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds before the first step: opening, compiling and the search.
    pub setup_s: f64,
    /// The same when kernels and shapes were remembered.
    pub again_s: Option<f64>,
    /// PSNR in dB.
    pub psnr_db: f64,
    /// PSNR in dB of the same run on the CPU.
    pub cpu_psnr_db: Option<f64>,
}

/// Impasto's training steps at one batch size.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// `fused` or `layerwise` in f32, or `mixed`: those of mixed precision.
    pub kernels: String,
    /// Samples in a step.
    pub batch: usize,
    /// Seconds a step: one number for each span of the run.
    pub step_s: Vec<f64>,
    /// Seconds before the first step: opening, compiling and the search.
    pub setup_s: f64,
    /// The device's time for each kernel of a step.
    pub profile: Vec<Timed>,
    /// What the search measured, in its order.
    pub candidates: Vec<Timed>,
    /// The median clock of the device in MHz, where `nvidia-smi` reports it.
    pub clock_mhz: Option<f64>,
}

/// A name with seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// The kernel, or the shapes.
    pub name: String,
    /// Seconds in a step.
    pub seconds: f64,
}

/// Training steps of another library.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// The library with its version, and how it runs.
    pub name: String,
    /// The type of its products: `f32`, `TF32`, `bf16`.
    pub precision: String,
    /// Samples in a step.
    pub batch: usize,
    /// Seconds a step: one number for each span.
    pub step_s: Vec<f64>,
}

/// The outcome of a test program.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tests {
    /// The program.
    pub name: String,
    /// Tests that passed.
    pub passed: usize,
    /// The tests that failed, by name.
    pub failed: Vec<String>,
    /// Tests without an outcome when the time was up.
    pub unfinished: usize,
}

/// Something that was left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Omission {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
}
