// The tile of the three matrix products on a software adapter: a workgroup of 32 invocations computes 128
// rows and 8 columns of c, each invocation 4 rows and 8 columns of them in registers.
//
// Neighboring invocations hold neighboring rows; the elements of b are read at one address for
// all of them, which llvmpipe does once for the whole group. No invocation waits for another. What lies
// outside is read at the edge instead, and not stored. The terms `terms.x <= p < terms.y` are added in order, so the
// sum is the same on every run.
//
// A product defines `load_a(row, p)`, `load_b(p, column)` and `store(row, column, sum)`.

const INVOCATIONS: u32 = 32u;

fn multiply_tile(workgroup: vec3<u32>, local: u32, m: u32, terms: vec2<u32>, n: u32) {
    let row = workgroup.y * 4u * INVOCATIONS + local;
    let column = workgroup.x * 8u;
    let rows = min(row + vec4<u32>(0u, 1u, 2u, 3u) * INVOCATIONS, vec4<u32>(m - 1u));
    let left = min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
    let right = min(column + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(n - 1u));
    var sum_0 = array<vec4<f32>, 2>();
    var sum_1 = array<vec4<f32>, 2>();
    var sum_2 = array<vec4<f32>, 2>();
    var sum_3 = array<vec4<f32>, 2>();
    for (var p = terms.x; p < terms.y; p++) {
        let b_left = load_columns(p, left);
        let b_right = load_columns(p, right);
        let a_0 = load_a(rows.x, p);
        let a_1 = load_a(rows.y, p);
        let a_2 = load_a(rows.z, p);
        let a_3 = load_a(rows.w, p);
        sum_0[0] += a_0 * b_left;
        sum_0[1] += a_0 * b_right;
        sum_1[0] += a_1 * b_left;
        sum_1[1] += a_1 * b_right;
        sum_2[0] += a_2 * b_left;
        sum_2[1] += a_2 * b_right;
        sum_3[0] += a_3 * b_left;
        sum_3[1] += a_3 * b_right;
    }
    store_row(row, column, sum_0, m, n);
    store_row(row + INVOCATIONS, column, sum_1, m, n);
    store_row(row + 2u * INVOCATIONS, column, sum_2, m, n);
    store_row(row + 3u * INVOCATIONS, column, sum_3, m, n);
}

fn load_columns(p: u32, columns: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        load_b(p, columns.x),
        load_b(p, columns.y),
        load_b(p, columns.z),
        load_b(p, columns.w),
    );
}

fn store_row(row: u32, column: u32, sums: array<vec4<f32>, 2>, m: u32, n: u32) {
    if row >= m { return; }
    if column < n { store(row, column, sums[0].x); }
    if column + 1u < n { store(row, column + 1u, sums[0].y); }
    if column + 2u < n { store(row, column + 2u, sums[0].z); }
    if column + 3u < n { store(row, column + 3u, sums[0].w); }
    if column + 4u < n { store(row, column + 4u, sums[1].x); }
    if column + 5u < n { store(row, column + 5u, sums[1].y); }
    if column + 6u < n { store(row, column + 6u, sums[1].z); }
    if column + 7u < n { store(row, column + 7u, sums[1].w); }
}
