// The number of this invocation in a dispatch of 256-wide workgroups that may span two dimensions.
fn linear_index(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> u32 {
    return (workgroup.y * workgroups.x + workgroup.x) * 256u + local;
}
