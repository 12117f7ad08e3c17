// Samples in rows of numbers. Where they have weights, a sample's is behind its targets.
@group(0) @binding(2) var<storage, read> table_inputs: array<f32>;
@group(0) @binding(3) var<storage, read> table_targets: array<f32>;

fn input_of(sample: u32, j: u32) -> f32 { return table_inputs[sample * INPUTS + j]; }
fn sample_target(sample: u32, j: u32) -> f32 { return table_targets[sample * TARGET_PITCH + j]; }
