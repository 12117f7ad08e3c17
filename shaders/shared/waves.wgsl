// Waves of some inputs, by their matrix of frequencies, a template.      Twin: reference::fourier_encoding
fn frequency_of(feature: u32, input: u32) -> f32 {
    return frequencies[${frequencies}u + feature * ${inputs}u + input];
}

fn turns_of(feature: u32) -> f32 {
    var turns = 0.0;
    for (var j = 0u; j < ${inputs}u; j++) { turns += frequency_of(feature, j) * x_of(j); }
    return turns;
}

// The cosine of a number of turns.
fn cos_turns(turns: f32) -> f32 { return sin_turns(turns - round(turns) + 0.25); }

@if encodes
// The sine and the cosine of a wave.
fn encode_unit(unit: u32) {
    let turns = turns_of(unit);
    put_column(${first}u + 2u * unit, sin_turns(turns));
    put_column(${first}u + 2u * unit + 1u, cos_turns(turns));
}
@else
fn encoded_slope(column: u32, input: u32) -> f32 {
    let steep = 6.2831855 * frequency_of(column / 2u, input);
    if steep == 0.0 { return 0.0; }
    let turns = turns_of(column / 2u);
    if column % 2u == 0u { return steep * cos_turns(turns); }
    return -steep * sin_turns(turns);
}

fn columns_of(input: u32) -> vec2<u32> { return vec2<u32>(0u, ${columns}u); }
@end
