// scale·x + offset.      Twin: encoding::scaled
fn encoded(column: u32) -> f32 { return ${scale} * x_of(column) + ${offset}; }
fn encoded_slope(column: u32, input: u32) -> f32 { return ${scale}; }
fn columns_of(input: u32) -> vec2<u32> { return vec2<u32>(input, input + 1u); }
