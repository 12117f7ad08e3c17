//! Functions of WGSL that look numbers up.

use std::fmt::Write;

/// Runs of numbers that grow evenly: `(first position, first number, growth)`.
fn runs(numbers: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    let mut length = 0;
    for (position, number) in numbers.iter().copied().enumerate() {
        if let Some((_, first, growth)) = runs.last_mut() {
            if length == 1 && number >= *first {
                *growth = number - *first;
            }
            if number == *first + length * *growth {
                length += 1;
                continue;
            }
        }
        runs.push((position, number, 0));
        length = 1;
    }
    runs
}

/// A function of WGSL that looks `numbers` up.
pub(super) fn table(name: &str, numbers: &[usize]) -> String {
    let mut text = format!("fn {name}(i: u32) -> u32 {{\n");
    let runs = runs(numbers);
    for (place, (position, first, growth)) in runs.iter().enumerate() {
        let value = match growth {
            0 => format!("{first}u"),
            _ => format!("{first}u + (i - {position}u) * {growth}u"),
        };
        let _ = match runs.get(place + 1) {
            Some((next, ..)) => writeln!(text, "    if i < {next}u {{ return {value}; }}"),
            None => writeln!(text, "    return {value};"),
        };
    }
    text + "}\n"
}

/// The WGSL functions `first_block_of` (a layer's first block) and `layer_of_block` (a block's layer).
pub(super) fn block_table(blocks: &[usize]) -> String {
    let starts: Vec<usize> = blocks
        .iter()
        .scan(0, |end, count| {
            let start = *end;
            *end += count;
            Some(start)
        })
        .collect();
    let mut text = table("first_block_of", &starts);
    text += "fn layer_of_block(block: u32) -> u32 {\n";
    // Layers with the same number of blocks follow each other evenly.
    let mut layer = 0;
    while layer < blocks.len() {
        let count = blocks[layer];
        let next = (layer..blocks.len()).find(|l| blocks[*l] != count).unwrap_or(blocks.len());
        let value = format!("{layer}u + (block - {}u) / {count}u", starts[layer]);
        let _ = match starts.get(next) {
            Some(end) => writeln!(text, "    if block < {end}u {{ return {value}; }}"),
            None => writeln!(text, "    return {value};"),
        };
        layer = next;
    }
    text + "}\n"
}
