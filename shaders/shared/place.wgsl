// The row of an invocation in a batch, and where its numbers are.
var<private> row: u32;

// The place of a column of the row where there are so many columns. Columns follow each other if shape.capacity is
// not 0: consecutive invocations, which have consecutive rows, then read and write consecutive numbers.
fn place_of(column: u32, width: u32) -> u32 {
    if shape.capacity == 0u { return row * width + column; }
    return column * shape.capacity + row;
}

