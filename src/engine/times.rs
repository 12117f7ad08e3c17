//! `KernelTime` and `CandidateTime`: how long kernels take, and what the search for their shapes measured.

/// The time and the work of one kernel in a training step, or of one phase on the CPU engine.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KernelTime {
    /// The kernel's name, or the phase's.
    pub kernel: &'static str,
    /// Its dispatches in a step. On the CPU engine, how often all threads together call it, once for each
    /// layer and part of the batch; 0 if that is not counted.
    pub dispatches: usize,
    /// Seconds that its dispatches take on the device in one step, the median of some steps. On the CPU
    /// engine, the mean over the threads and over the middle half of some steps.
    pub seconds: f64,
    /// Operations, a product with its addition counted as two; 0 if they are not counted. On the CPU engine
    /// those of all threads.
    pub operations: f64,
    /// Bytes of all numbers that it has to read and write, each counted once, on the CPU engine once for each
    /// part of the batch.
    pub bytes: f64,
}

/// Shapes of the fused kernels that the search for the fastest measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CandidateTime {
    /// The shapes in words: how the invocations of both kernels share their products, and the samples of a
    /// slice of the gradients.
    pub shapes: String,
    /// Seconds of a step, the least of some rounds. Instead of the plan's optimizer, the step has an update by
    /// gradient descent at a learning rate of 0, or none.
    pub seconds: f64,
}
