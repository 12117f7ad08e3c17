//! The optimizers beside their twins.

use super::*;

/// A step with the optimizer's constants.
fn update_step(number: u32, constants: [[f32; 4]; 3]) -> StepData {
    StepData { number, constants, ..StepData::in_order(1) }
}

#[test]
fn sgd_and_adam() {
    let (rate, momentum, l2) = (0.125, 0.75, 0.25);
    on_random_shapes(|gpu, _, _, count, seed| {
        let [parameters, first] = [1, 2].map(|i| random(seed + i, count));
        // In two parts, to be added up.
        let gradient = random(seed, 2 * count);
        let (one, other) = gradient.split_at(count);
        let g: Vec<f64> = double(one).iter().zip(double(other)).map(|(a, b)| a + b).collect();
        let second: Vec<f32> = random(seed + 3, count).into_iter().map(f32::abs).collect();
        let status = [f32::from_bits(u32::MAX); 2];
        let previous = vec![f32::NAN; count];
        for nesterov in [false, true] {
            let (mut w, mut v) = (double(&parameters), double(&first));
            reference::sgd(&mut w, &g, &mut v, rate, momentum, nesterov, l2);
            let flag = f32::from(u8::from(nesterov));
            let constants = [[rate as f32, momentum as f32, flag, l2 as f32], [0.0; 4], [0.0; 4]];
            let got = run(
                gpu,
                Case {
                    key: KernelKey::new("sgd"),
                    shape: vec![count as u32, 2],
                    buffers: vec![&gradient, &parameters, &first, &previous, &status],
                    grid: Grid::Elements(count),
                    step: Some(update_step(1, constants)),
                },
            );
            let sizes = vec![8.0; count];
            assert_near("sgd parameters", &got[1], &w, &sizes, FEW);
            assert_eq!(got[3], parameters, "what they were");
            assert_near("sgd velocity", &got[2], &v, &sizes, FEW);
        }
        let [beta1, beta2, keep, epsilon] = [0.875, 0.984_375, 0.968_75, 0.015_625];
        let (step_size, correction) = (0.5, 2.0);
        let (mut w, mut m, mut v) = (double(&parameters), double(&first), double(&second));
        reference::adam(
            &mut w, &g, &mut m, &mut v, step_size, beta1, beta2, correction, epsilon, keep, l2,
        );
        let constants = [
            [step_size, beta1, 1.0 - beta1, beta2],
            [1.0 - beta2, correction, epsilon, keep],
            [l2, 0.0, 0.0, 0.0],
        ];
        let got = run(
            gpu,
            Case {
                key: KernelKey::new("adam"),
                shape: vec![count as u32, 2],
                buffers: vec![&gradient, &parameters, &first, &second, &previous, &status],
                grid: Grid::Elements(count),
                step: Some(update_step(1, constants.map(|row| row.map(|c: f64| c as f32)))),
            },
        );
        // The update is m over at least ε: an error of m is magnified by at most step_size/ε.
        let update = 8.0 + 8.0 * step_size / epsilon;
        assert_near("adam parameters", &got[1], &w, &vec![update; count], FEW);
        assert_eq!(got[4], parameters, "what they were");
        assert_near("adam first moment", &got[2], &m, &vec![8.0; count], FEW);
        assert_near("adam second moment", &got[3], &v, &vec![8.0; count], FEW);
    });
}

#[test]
fn optimizers_note_what_is_not_finite_and_stop_after_it() {
    const NEVER: u32 = u32::MAX;
    let constants = [[0.5, 0.0, 0.0, 0.0], [0.0; 4], [0.0; 4]];
    let before = [1.0, 2.0, 3.0];
    for gpu in adapters() {
        // Parameters, previous parameters and status after the step of that number.
        let sgd = |gradient: [f32; 3], status: [u32; 2], number| {
            let status = status.map(f32::from_bits);
            let case = Case {
                key: KernelKey::new("sgd"),
                shape: vec![3, 1],
                buffers: vec![&gradient, &before, &[0.0; 3], &[0.0; 3], &status],
                grid: Grid::Elements(3),
                step: Some(update_step(number, constants)),
            };
            let got = run(&gpu, case);
            let status: Vec<u32> = got[4].iter().map(|word| word.to_bits()).collect();
            (got[1].clone(), got[3].clone(), status)
        };
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let (now, previous, status) = sgd([1.0, bad, 2.0], [NEVER, NEVER], 7);
            assert_eq!((now[0], now[1].is_finite(), now[2]), (0.5, false, 2.0));
            assert_eq!((previous, status), (before.to_vec(), vec![NEVER, 7]));
        }
        let fine = [1.0; 3];
        let untouched = |status: [u32; 2]| (before.to_vec(), vec![0.0; 3], status.to_vec());
        assert_eq!(sgd(fine, [7, NEVER], 7), untouched([7, NEVER]), "a bad loss");
        assert_eq!(sgd(fine, [NEVER, 6], 7), untouched([NEVER, 6]), "after a bad update");
        let (now, ..) = sgd(fine, [8, NEVER], 7);
        assert_eq!(now, [0.5, 1.5, 2.5], "before a bad loss");
    }
}
