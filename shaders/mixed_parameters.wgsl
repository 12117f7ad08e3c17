// The f16 copies of all weights, from the f32 master parameters; shared/copies.wgsl.
// A template; the layouts are those of mixed_step.wgsl. It comes before the first step of a submission, and
// update.wgsl keeps the copies up to date after it.      Twin: reference::round_f16

@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> copies: array<f16>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < PARAMETERS { put_copies(id.x, parameters[id.x]); }
}
