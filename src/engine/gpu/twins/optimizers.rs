//! The optimizers beside their twins.

use super::*;
use crate::optimizer::Optimizer;

/// A step with the optimizer's constants.
fn update_step(number: u32, optimizer: Optimizer, rate: f64, l2: f64) -> StepData {
    let constants = optimizer.constants(rate, number.into()).map(|c| c as f32);
    let constants = bytemuck::cast(constants);
    StepData { number, constants, l2: l2 as f32, ..StepData::in_order(1) }
}

/// Every optimizer, and some with other parameters. An ε of some size keeps rounding errors of small
/// gradients from being divided by them.
fn optimizers() -> Vec<Optimizer> {
    let mut all = Optimizer::ALL.to_vec();
    for text in [
        "sgd:momentum=0.75",
        "sgd:momentum=0.75,nesterov=true",
        "adam:beta1=0.875,beta2=0.984375,epsilon=0.015625",
        "adamw:beta1=0.875,beta2=0.984375,epsilon=0.015625,weight_decay=0.25",
        "rmsprop:alpha=0.875,epsilon=0.015625,momentum=0.75,centered=true",
        "adagrad:epsilon=0.015625,initial_accumulator=0.5",
        "nadam:beta1=0.875,beta2=0.984375,epsilon=0.015625,momentum_decay=0.25",
        "lion:beta1=0.875,beta2=0.984375,weight_decay=0.25",
        "amsgrad:beta1=0.875,beta2=0.5,epsilon=0.015625",
        "adabound:beta1=0.875,beta2=0.984375,epsilon=0.015625,final_rate=0.0625,gamma=0.25",
    ] {
        all.push(text.parse().expect("a known optimizer"));
    }
    all
}

/// The least size that rounding errors are relative to: that of the gradient's terms.
const LEAST: f64 = 8.0;

pub(super) fn every_optimizer_updates_as_its_twin() {
    on_random_shapes(|gpu, _, _, count, seed| {
        let parameters = random(seed + 1, count);
        // In two parts, to be added up.
        let gradient = random(seed, 2 * count);
        let (one, other) = gradient.split_at(count);
        let g: Vec<f64> = double(one).iter().zip(double(other)).map(|(a, b)| a + b).collect();
        let status = [f32::from_bits(u32::MAX); 2];
        let previous = vec![f32::NAN; count];
        let (rate, l2) = (0.125, 0.25);
        for optimizer in optimizers() {
            // Such as some updates leave: a mean of squares is positive, and fits the mean.
            let (mut w, mut states) =
                (double(&parameters), reference::initial_states(optimizer, count));
            for t in 1..=3 {
                let (g, constants) = (random(seed + 1 + t, count), optimizer.constants(rate, t));
                reference::update(optimizer, constants, l2, &mut w, &double(&g), &mut states);
            }
            let states: Vec<f32> = states.into_iter().map(|state| state as f32).collect();
            for number in [1, 30] {
                let step = update_step(number, optimizer, rate, l2);
                let what = format!("{optimizer} at update {number}");
                let constants = optimizer.constants(rate, number.into());
                let twin = |grown: f64, shift: f64| {
                    let (mut w, mut states) = (double(&parameters), double(&states));
                    let g: Vec<f64> = g.iter().map(|g| g * grown + shift).collect();
                    reference::update(optimizer, constants, l2, &mut w, &g, &mut states);
                    (w, states)
                };
                let ((w, after), nudged) = (twin(1.0, 0.0), twin(1.0 + NUDGE, 0.0));
                let got = run(
                    gpu,
                    Case {
                        key: KernelKey::update(optimizer),
                        shape: vec![count as u32, 2],
                        buffers: vec![&gradient, &parameters, &states, &previous, &status],
                        grid: Grid::Elements(count),
                        step: Some(step),
                    },
                );
                assert_eq!(got[3], parameters, "what they were, {what}");
                let sizes = conditioned(&after, &nudged.1, LEAST);
                assert_near(&format!("state of {what}"), &got[2], &after, &sizes, FEW);
                // Where a sign decides, rounding errors of the gradient may move a parameter far
                // beyond any tolerance: there is nothing to compare then.
                let sizes = conditioned(&w, &nudged.0, LEAST);
                let rounding = FEW * EPSILON * LEAST;
                let [(low, _), (high, _)] = [-rounding, rounding].map(|shift| twin(1.0, shift));
                let comparable: Vec<usize> = (0..count)
                    .filter(|i| (high[*i] - low[*i]).abs() <= 4.0 * FEW * EPSILON * sizes[*i])
                    .collect();
                assert!(comparable.len() + 1 + count / 50 >= count, "hardly a parameter of {what}");
                let of = |values: &[f64]| comparable.iter().map(|i| values[*i]).collect::<Vec<_>>();
                let after: Vec<f32> = comparable.iter().map(|i| got[1][*i]).collect();
                let what = format!("parameters of {what}");
                assert_near(&what, &after, &of(&w), &of(&sizes), FEW);
            }
        }
    });
}

pub(super) fn optimizers_note_what_is_not_finite_and_stop_after_it() {
    const NEVER: u32 = u32::MAX;
    let before = [1.0, 2.0, 3.0];
    for gpu in adapters() {
        // Parameters, previous parameters and status after the step of that number.
        let sgd = |gradient: [f32; 3], status: [u32; 2], number| {
            let status = status.map(f32::from_bits);
            let case = Case {
                key: KernelKey::update(Optimizer::SGD),
                shape: vec![3, 1],
                buffers: vec![&gradient, &before, &[0.0; 3], &[0.0; 3], &status],
                grid: Grid::Elements(3),
                step: Some(update_step(number, Optimizer::SGD, 0.5, 0.0)),
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

pub(super) fn no_gradient_and_no_epsilon_make_a_parameter_leap() {
    for gpu in adapters() {
        for gradient in [0.0, 1e-30, 1e-20, 1e-18, 1e-10, 1.0] {
            for epsilon in [1e-30, 1e-20, 1e-8, 1.0] {
                let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon };
                let (mut w, mut states, g) = (vec![0.5], vec![0.0; 2], [gradient]);
                for number in 1..=10 {
                    let status = [f32::from_bits(u32::MAX); 2];
                    let case = Case {
                        key: KernelKey::update(adam),
                        shape: vec![1, 1],
                        buffers: vec![&g, &w, &states, &[0.0], &status],
                        grid: Grid::Elements(1),
                        step: Some(update_step(number, adam, 0.01, 0.0)),
                    };
                    let got = run(&gpu, case);
                    (w, states) = (got[1].clone(), got[2].clone());
                }
                // Ten steps of at most the learning rate each.
                let moved = (w[0] - 0.5).abs();
                assert!(moved < 0.101, "gradient {gradient}, ε {epsilon}: moved by {moved}");
            }
        }
    }
}
