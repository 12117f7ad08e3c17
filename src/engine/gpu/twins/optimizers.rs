//! Tests of the optimizers against their twins.

use super::inaccurate::on_inaccurate_drivers;
use super::*;
use crate::engine::gpu::update::{Norms, Update, pieces};
use crate::engine::reference::Surrounded;
use crate::optimizer::Optimizer;
use crate::segment::SegmentKind;
use crate::wrappers::{Numbers, Wrappers};
use std::ops::Range;

/// A step with the optimizer's constants.
fn update_step(number: u32, optimizer: Optimizer, rate: f64, l2: f64) -> StepData {
    let constants = optimizer.constants(rate, number.into()).map(|c| c as f32);
    let constants = bytemuck::cast(constants);
    StepData { number, constants, l2: l2 as f32, ..StepData::in_order(1) }
}

/// The step with the numbers of what surrounds the optimizer.
fn surrounded(numbers: &Numbers, step: StepData) -> StepData {
    StepData {
        clip_value: numbers.clip_value as f32,
        clip_norm: numbers.clip_norm as f32,
        alpha: numbers.alpha as f32,
        share: numbers.share as f32,
        gather_kept: numbers.gather.kept as f32,
        gather_part: numbers.gather.part as f32,
        updates: numbers.gather.updates.into(),
        ..step
    }
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

/// Two segments, or one where there is one parameter.
fn segments(count: usize) -> Vec<Range<usize>> {
    let all = [0..count / 3, count / 3..count];
    all.into_iter().filter(|segment| !segment.is_empty()).collect()
}

/// Wrappers around the optimizer: all at once, and each alone.
fn wrappers() -> Vec<Wrappers> {
    let all = [
        "accumulate:batches=3",
        "clip-value:limit=0.5",
        "clip-norm:limit=0.75",
        "lookahead:alpha=0.25,every=30",
        "ema:decay=0.875,bias_correction=true",
    ]
    .map(|text| text.parse().expect("a wrapper"));
    let alone = all.iter().map(|wrapper| Wrappers::new([*wrapper]).expect("one"));
    alone.chain([Wrappers::new(all).expect("all different")]).collect()
}

pub(super) fn every_optimizer_updates_as_its_twin() {
    on_random_shapes(|gpu, _, _, count, seed| {
        for optimizer in optimizers() {
            check_update(gpu, Update::plain(optimizer), count, seed);
        }
    });
}

pub(super) fn what_surrounds_an_optimizer_does_as_its_twin() {
    let adam = "adam:beta1=0.875,beta2=0.984375,epsilon=0.015625".parse().expect("Adam");
    on_random_shapes(|gpu, _, _, count, seed| {
        for wrappers in wrappers() {
            check_update(gpu, Update { wrappers, ..Update::plain(adam) }, count, seed);
        }
    });
}

/// A gradient in some slices: how many there are, the slices, and their sum.
fn sliced_gradient(count: usize, seed: u64) -> (usize, Vec<f32>, Vec<f64>) {
    let slices = (seed % 9 + 1) as usize;
    // So many have sums of about the same size as two, few of them near 0.
    let part = (2.0 / slices as f32).sqrt();
    let gradient: Vec<f32> = random(seed, slices * count).into_iter().map(|g| g * part).collect();
    let mut sum = vec![0.0; count];
    for slice in gradient.chunks(count) {
        sum.iter_mut().zip(slice).for_each(|(sum, part)| *sum += f64::from(*part));
    }
    (slices, gradient, sum)
}

/// An update on the device, with the norms that it needs, against its twin.
fn check_update(gpu: &Arc<Gpu>, kernels: Update, count: usize, seed: u64) {
    let Update { optimizer, wrappers, .. } = kernels;
    let parameters = random(seed + 1, count);
    let (slices, gradient, g) = sliced_gradient(count, seed);
    let status = [f32::from_bits(u32::MAX); 2];
    let previous = vec![f32::NAN; count];
    let (rate, l2, segments) = (0.125, 0.25, segments(count));
    let kinds: Vec<_> = segments.iter().map(|s| (s.clone(), SegmentKind::Dense)).collect();
    let update = |t: u64| Surrounded {
        optimizer,
        constants: optimizer.constants(rate, t),
        l2,
        numbers: wrappers.at(t),
        vectors: wrappers.vectors(),
    };
    // Such as some updates leave: a mean of squares is positive, and fits the mean.
    let mut w = double(&parameters);
    let mut states = reference::initial_states(optimizer, count);
    states.resize(kernels.states() * count, 0.25);
    for t in 1..=3 {
        update(t).apply(&kinds, &mut w, double(&random(seed + 1 + t, count)), &mut states);
    }
    let states: Vec<f32> = states.into_iter().map(|state| state as f32).collect();
    // With accumulation, one of these is only gathered.
    for number in [1, 30] {
        let what = format!("{optimizer} in {wrappers:?} at update {number}");
        let twin = |grown: f64, shift: f64| {
            let (mut w, mut states) = (double(&parameters), double(&states));
            let g = g.iter().map(|g| g * grown + shift).collect();
            update(number).apply(&kinds, &mut w, g, &mut states);
            (w, states)
        };
        let ((w, after), nudged) = (twin(1.0, 0.0), twin(1.0 + NUDGE, 0.0));
        let numbers = wrappers.at(number);
        let step = surrounded(&numbers, update_step(number as u32, optimizer, rate, l2));
        let mut norms: Vec<f32> =
            pieces(&segments, &[]).concat().into_iter().map(f32::from_bits).collect();
        let arguments = arguments::Update {
            count: count as u32,
            slices: slices as u32,
            pieces: segments.len() as u32,
        };
        let mut given = g.clone();
        if let Some(place) = wrappers.vectors().gathered {
            let place = (optimizer.states() + place) * count;
            given = double(&states[place..place + count]);
            reference::gather_gradients(numbers.gather, &g, &mut given);
        }
        for of in kernels.norms() {
            let mut buffers: Vec<&[f32]> = vec![&gradient, &parameters, &norms];
            buffers.extend(wrappers.accumulate.map(|_| states.as_slice()));
            let got = run(
                gpu,
                Case {
                    key: kernels.norms_key(of, slices).expect("a template"),
                    arguments,
                    buffers,
                    grid: Grid::Workgroups([segments.len(), 1, 1]),
                    step: Some(step),
                },
            );
            norms.clone_from(&got[2]);
            let mut g = given.clone();
            reference::clip_value(numbers.clip_value, &mut g);
            if of == Norms::Given {
                reference::clip_norm(numbers.clip_norm, &mut g);
                g.iter_mut().zip(&parameters).for_each(|(g, w)| *g += l2 * f64::from(*w));
            }
            let expected = reference::gradient_norms(&g, &segments);
            let place = if of == Norms::Whole { 3 } else { 4 };
            let squares: Vec<f32> = norms.chunks(5).map(|piece| piece[place]).collect();
            // Terms of 16 at most, of which an invocation adds at most 256.
            let sizes: Vec<f64> = segments.iter().map(|s| 16.0 * s.len() as f64).collect();
            assert_near(&format!("norms of {what}"), &squares, &expected, &sizes, FEW + 256.0);
        }
        let mut buffers: Vec<&[f32]> = vec![&gradient, &parameters, &states, &previous, &status];
        if kernels.norms().next().is_some() {
            buffers.push(&norms);
        }
        let grid = Grid::Elements(count);
        let key = kernels.key(slices).expect("a template");
        let got = run(gpu, Case { key, arguments, buffers, grid, step: Some(step) });
        let sizes = conditioned(&after, &nudged.1, LEAST);
        assert_near(&format!("state of {what}"), &got[2], &after, &sizes, FEW);
        if !numbers.gather.updates {
            assert_eq!(got[1], parameters, "untouched, {what}");
            continue;
        }
        assert_eq!(got[3], parameters, "what they were, {what}");
        // Where a sign decides, rounding errors of the gradient may move a parameter far beyond any
        // tolerance: there is nothing to compare then.
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

pub(super) fn optimizers_note_what_is_not_finite_and_stop_after_it() {
    const NEVER: u32 = u32::MAX;
    let before = [1.0, 2.0, 3.0];
    for gpu in adapters() {
        // Parameters, previous parameters and status after the step of that number.
        let sgd = |gradient: [f32; 3], status: [u32; 2], number| {
            let status = status.map(f32::from_bits);
            let case = Case {
                key: Update::plain(Optimizer::SGD).key(1).expect("a template"),
                arguments: arguments::Update { count: 3, slices: 1, pieces: 0 },
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
        for gradient in [0.0, 1e-30, 1e-22, 1e-20, 1e-18, 1e-10, 1.0] {
            for epsilon in [1e-30, 1e-20, 1e-8, 1.0] {
                let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon };
                let (mut w, mut states, g) = (vec![0.5], vec![0.0; 2], [gradient]);
                for number in 1..=10 {
                    let status = [f32::from_bits(u32::MAX); 2];
                    let case = Case {
                        key: Update::plain(adam).key(1).expect("a template"),
                        arguments: arguments::Update { count: 1, slices: 1, pieces: 0 },
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

/// Four slices are read at a time, but added one after the other.
pub(super) fn slices_are_added_in_their_order() {
    const COUNT: usize = 300;
    for gpu in adapters() {
        for slices in (1..=9).chain([16, 39, 64, 67]) {
            let gradient = random(slices as u64, slices * COUNT);
            let expected: Vec<f32> = (0..COUNT)
                .map(|i| gradient.iter().skip(i).step_by(COUNT).fold(0.0, |sum, g| sum + g))
                .collect();
            let zeros = vec![0.0; COUNT];
            let status = [f32::from_bits(u32::MAX); 2];
            // One parameter an invocation, and several.
            for invocations in [COUNT, COUNT / 4] {
                let case = Case {
                    key: Update::plain(Optimizer::SGD).key(slices).expect("a template"),
                    arguments: arguments::Update {
                        count: COUNT as u32,
                        slices: slices as u32,
                        pieces: 0,
                    },
                    buffers: vec![&gradient, &zeros, &zeros, &zeros, &status],
                    grid: Grid::Elements(invocations),
                    step: Some(update_step(1, Optimizer::SGD, 1.0, 0.0)),
                };
                let got: Vec<f32> = run(&gpu, case)[1].iter().map(|w| -w).collect();
                assert_eq!(got, expected, "{slices} slices on {}", gpu.info);
            }
        }
    }
}

pub(super) fn optimizers_on_inaccurate_drivers() {
    on_inaccurate_drivers(every_optimizer_updates_as_its_twin);
}

pub(super) fn wrappers_on_inaccurate_drivers() {
    on_inaccurate_drivers(what_surrounds_an_optimizer_does_as_its_twin);
}

/// The parameters of the second segment are scattered: those with a gradient of 0 keep their value and states, but
/// follow what surrounds the optimizer, and none has a penalty.
pub(super) fn scattered_parameters_that_nothing_touched_stay() {
    const COUNT: usize = 300;
    const FIRST: usize = 100;
    const SLICES: usize = 3;
    let (rate, l2) = (0.125, 0.25);
    let segments = [0..FIRST, FIRST..COUNT];
    let kinds = [SegmentKind::Dense, SegmentKind::Scattered];
    let kinds: Vec<_> = segments.iter().cloned().zip(kinds).collect();
    let adam = "adam:beta1=0.875,beta2=0.984375,epsilon=0.015625".parse().expect("Adam");
    let surroundings = wrappers().into_iter().map(|wrappers| (adam, wrappers));
    let alone = optimizers().into_iter().map(|optimizer| (optimizer, Wrappers::default()));
    let all: Vec<(Optimizer, Wrappers)> = surroundings.chain(alone).collect();
    for gpu in adapters() {
        for (optimizer, wrappers) in all.iter().copied() {
            let kernels = Update { wrappers, scattered: Some(FIRST), ..Update::plain(optimizer) };
            let parameters = random(1, COUNT);
            // The slices of the first, then the second as they are, of which two thirds are 0.
            let sliced = random(2, SLICES * FIRST);
            let scattered = random(3, COUNT - FIRST).into_iter().zip(0..);
            let scattered: Vec<f32> =
                scattered.map(|(g, i)| if i % 3 == 0 { g } else { 0.0 }).collect();
            let gradient = [sliced.clone(), scattered.clone()].concat();
            let dense =
                (0..FIRST).map(|i| (0..SLICES).map(|s| f64::from(sliced[s * FIRST + i])).sum());
            let g: Vec<f64> = dense.chain(double(&scattered)).collect();
            let states = vec![0.25; kernels.states() * COUNT];
            let number = 30;
            let numbers = wrappers.at(number);
            let update = Surrounded {
                optimizer,
                constants: optimizer.constants(rate, number),
                l2,
                numbers,
                vectors: wrappers.vectors(),
            };
            let (mut w, mut after) = (double(&parameters), double(&states));
            update.apply(&kinds, &mut w, g, &mut after);
            let step = surrounded(&numbers, update_step(number as u32, optimizer, rate, l2));
            let mut norms: Vec<f32> =
                pieces(&segments, &[]).concat().into_iter().map(f32::from_bits).collect();
            let (slices, pieces) = (SLICES as u32, 2);
            let arguments = arguments::Update { count: COUNT as u32, slices, pieces };
            for of in kernels.norms() {
                let mut buffers: Vec<&[f32]> = vec![&gradient, &parameters, &norms];
                buffers.extend(wrappers.accumulate.map(|_| states.as_slice()));
                let key = kernels.norms_key(of, SLICES).expect("a template");
                let grid = Grid::Workgroups([2, 1, 1]);
                norms =
                    run(&gpu, Case { key, arguments, buffers, grid, step: Some(step) })[2].clone();
            }
            let status = [f32::from_bits(u32::MAX); 2];
            let previous = vec![f32::NAN; COUNT];
            let mut buffers: Vec<&[f32]> =
                vec![&gradient, &parameters, &states, &previous, &status];
            if kernels.norms().next().is_some() {
                buffers.push(&norms);
            }
            let key = kernels.key(SLICES).expect("a template");
            let grid = Grid::Elements(COUNT);
            let got = run(&gpu, Case { key, arguments, buffers, grid, step: Some(step) });
            let what = format!("{optimizer} in {wrappers:?}");
            // A sign decides in Lion, where no gradient here is near 0.
            assert_near(&what, &got[1], &w, &[LEAST; COUNT], 4.0 * FEW);
            assert_near(&what, &got[2], &after, &vec![LEAST; after.len()], 4.0 * FEW);
            if numbers.gather.updates {
                assert_eq!(got[3], parameters, "what they were, {what}");
            }
            let untouched = (FIRST..COUNT).filter(|i| scattered[i - FIRST] == 0.0);
            let moves = wrappers.accumulate.is_some() || wrappers.lookahead.is_some();
            for i in untouched.filter(|_| !moves) {
                assert_eq!(got[1][i], parameters[i], "{what}, parameter {i}");
                for state in 0..optimizer.states() {
                    assert_eq!(got[2][state * COUNT + i], 0.25, "{what}, parameter {i}");
                }
            }
        }
    }
}
