//! Tests of sums of many terms against their twins.

use super::*;

/// Terms that are all alike, whose rounding errors add up instead of cancelling: a sum is off by ε for
/// each addition in its longest chain.
pub(super) fn long_sums_go_in_blocks() {
    // As many as Mesa's llvmpipe adds up before it ends a loop.
    const ROWS: usize = 60_000;
    let (term, chain) = (0.1_f32, 1_024.0 + ROWS as f64 / 1_024.0);
    let sum = |factor: f64| ROWS as f64 * f64::from(term) * factor;
    for gpu in adapters() {
        let (terms, two) = (vec![term; ROWS], vec![2.0; 3 * ROWS]);
        let batch = ROWS as u32;
        let case = Case {
            key: KernelKey::new("bias_gradient"),
            arguments: BiasGradient {
                batch,
                outputs: 1,
                offset: 0,
                accumulate: 0,
                slice: batch,
                stride: 1,
            },
            buffers: vec![&terms, &[0.0]],
            grid: Grid::Elements(1),
            step: None,
        };
        let got = run(&gpu, case);
        assert_near("bias_gradient", &got[1], &[sum(1.0)], &[sum(1.0)], chain);
        for tile in ProductTile::ALL {
            // With its inner loops, the tile in workgroup memory takes more turns than terms.
            let rows = if tile == ProductTile::Registers { ROWS } else { ROWS / 2 };
            let (terms, two, batch) = (&terms[..rows], &two[..3 * rows], rows as u32);
            let sum = sum(2.0) * rows as f64 / ROWS as f64;
            let case = Case {
                key: KernelKey::product("matmul_tn", tile),
                arguments: MatmulTn {
                    batch,
                    m: 1,
                    n: 3,
                    c_offset: 0,
                    accumulate: 0,
                    slice: batch,
                    stride: 3,
                },
                buffers: vec![terms, two, &[0.0; 3]],
                grid: Grid::Workgroups([1, 1, 1]),
                step: None,
            };
            let got = run(&gpu, case);
            assert_near("matmul_tn", &got[2], &[sum; 3], &[sum; 3], chain);
        }

        let losses = vec![term; 1_000_000];
        let status = [f32::from_bits(u32::MAX); 2];
        let case = Case {
            key: KernelKey::new("loss_sum"),
            arguments: LossSum { batch: losses.len() as u32, accumulate: 0, last: 1 },
            buffers: vec![&losses, &[0.0], &status],
            grid: Grid::One,
            step: Some(StepData { number: 1, ..StepData::in_order(1) }),
        };
        let loss = [f64::from(term) * 1e6];
        // In blocks of 64 of the numbers of one of 256 invocations, which meet in a tree.
        let chain = 64.0 + 1e6 / 256.0 / 64.0 + 8.0;
        assert_near("loss_sum", &run(&gpu, case)[1], &loss, &loss, chain);
    }
}
