// The tile of the three matrix products on a GPU: a workgroup of 256 invocations computes 64 rows and
// 64 columns of c, each invocation 4 rows and 4 columns of them in registers.
//
// The invocations read 16 terms of all rows and columns into workgroup memory together, so that each
// number is read from memory once for 64 products. What lies outside is read at the edge instead, and
// not stored; terms outside count as 0. The terms `terms.x <= p < terms.y` are added in order, so the
// sum is the same on every run.
//
// A product defines `load_a(row, p)`, `load_b(p, column)`, `store(row, column, sum)`, and which of its
// numbers lie side by side in memory, so that neighboring invocations read neighbors: `A_BY_TERM` and
// `B_BY_TERM`, the terms of a row of a or of a column of b.

const INVOCATIONS: u32 = 256u;

// Rows of c in a workgroup, and columns.
const SIZE: u32 = 64u;

// Terms at a time.
const DEPTH: u32 = 16u;

// Vectors of four from one term to the next: a few numbers more than there are, so that the terms of
// a row are in different banks.
const PITCH: u32 = SIZE / 4u + 1u;

var<workgroup> a_terms: array<vec4<f32>, DEPTH * PITCH>;
var<workgroup> b_terms: array<vec4<f32>, DEPTH * PITCH>;

fn multiply_tile(workgroup: vec3<u32>, local: u32, m: u32, terms: vec2<u32>, n: u32) {
    let row = workgroup.y * SIZE;
    let column = workgroup.x * SIZE;
    let own_row = local / 16u;
    let own_column = local % 16u;
    var sum_0 = vec4<f32>();
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    for (var first = terms.x; first < terms.y; first += DEPTH) {
        for (var i = 0u; i < 4u; i++) {
            let a_place = place_to_read(local, i, A_BY_TERM);
            let a_term = min(first + a_place.x, terms.y - 1u);
            let a = load_a(min(row + a_place.y, m - 1u), a_term);
            a_terms[a_place.x * PITCH + a_place.y / 4u][a_place.y % 4u] =
                select(0.0, a, first + a_place.x < terms.y);
            let b_place = place_to_read(local, i, B_BY_TERM);
            let b_term = min(first + b_place.x, terms.y - 1u);
            let b = load_b(b_term, min(column + b_place.y, n - 1u));
            b_terms[b_place.x * PITCH + b_place.y / 4u][b_place.y % 4u] =
                select(0.0, b, first + b_place.x < terms.y);
        }
        workgroupBarrier();
        for (var p = 0u; p < DEPTH; p++) {
            let a = a_terms[p * PITCH + own_row];
            let b = b_terms[p * PITCH + own_column];
            sum_0 += a.x * b;
            sum_1 += a.y * b;
            sum_2 += a.z * b;
            sum_3 += a.w * b;
        }
        workgroupBarrier();
    }
    store_row(row + 4u * own_row, column + 4u * own_column, sum_0, m, n);
    store_row(row + 4u * own_row + 1u, column + 4u * own_column, sum_1, m, n);
    store_row(row + 4u * own_row + 2u, column + 4u * own_column, sum_2, m, n);
    store_row(row + 4u * own_row + 3u, column + 4u * own_column, sum_3, m, n);
}

// The term, and the row or column, of the number that an invocation reads in its turn `i`.
fn place_to_read(local: u32, i: u32, by_term: bool) -> vec2<u32> {
    let number = i * INVOCATIONS + local;
    if by_term { return vec2<u32>(number % DEPTH, number / DEPTH); }
    return vec2<u32>(number / SIZE, number % SIZE);
}

fn store_row(row: u32, column: u32, sums: vec4<f32>, m: u32, n: u32) {
    if row >= m { return; }
    if column < n { store(row, column, sums.x); }
    if column + 1u < n { store(row, column + 1u, sums.y); }
    if column + 2u < n { store(row, column + 2u, sums.z); }
    if column + 3u < n { store(row, column + 3u, sums.w); }
}
