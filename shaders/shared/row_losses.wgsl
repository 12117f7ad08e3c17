// How the losses of a tile meet, a template.

// Adds up the losses of the rows, in a tree and in the same order on every run. Their sum is then that of row 0.
fn add_row_losses(local: u32) {
    for (var rows = TILE; rows > 1u; rows = (rows + 1u) / 2u) {
        let half = (rows + 1u) / 2u;
        workgroupBarrier();
        for (var row = local; row + half < rows; row += WORKGROUP) {
            ${memory}row_losses[row] += ${memory}row_losses[row + half];
        }
    }
    workgroupBarrier();
}
