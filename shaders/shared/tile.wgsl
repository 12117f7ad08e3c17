// The tile that all three matrix products share: a workgroup of 8×8 invocations computes 32×32
// elements of c, each invocation 4×4 of them in registers. Operands come through workgroup memory
// in slices of 16 along the summed dimension, in order, so the sum is the same on every run.
//
// A product defines `load_a(row, p)`, `load_b(p, column)` (0 outside) and `store(row, column, sum)`.

const TILE: u32 = 32u;
const SLICE: u32 = 16u;

// One column more than needed keeps neighbouring rows out of each other's memory bank.
var<workgroup> slice_a: array<array<f32, 17>, 32>;
var<workgroup> slice_b: array<array<f32, 33>, 16>;

fn multiply_tile(workgroup: vec3<u32>, local: u32, depth: u32) {
    let row = workgroup.y * TILE;
    let column = workgroup.x * TILE;
    // Neighbouring invocations hold neighbouring rows.
    let local_row = local % 8u;
    let local_column = local / 8u;
    var sums = array<vec4<f32>, 4>();
    for (var start = 0u; start < depth; start += SLICE) {
        for (var i = local; i < TILE * SLICE; i += 64u) {
            slice_a[i / SLICE][i % SLICE] = load_a(row + i / SLICE, start + i % SLICE);
            slice_b[i / TILE][i % TILE] = load_b(start + i / TILE, column + i % TILE);
        }
        workgroupBarrier();
        for (var p = 0u; p < SLICE; p++) {
            let b = vec4<f32>(
                slice_b[p][local_column],
                slice_b[p][local_column + 8u],
                slice_b[p][local_column + 16u],
                slice_b[p][local_column + 24u],
            );
            sums[0] += slice_a[local_row][p] * b;
            sums[1] += slice_a[local_row + 8u][p] * b;
            sums[2] += slice_a[local_row + 16u][p] * b;
            sums[3] += slice_a[local_row + 24u][p] * b;
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            store(row + local_row + 8u * i, column + local_column + 8u * j, sums[i][j]);
        }
    }
}
