//! Encodings beyond waves, on the engines beside the reference: formulas, grids and composites.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use common::{assert_near, double, numbers};
use impasto::cpu::CpuEngine;
use impasto::input_encoding::InputEncoding;
use impasto::reference::{self, ReferenceEngine};
use impasto::{
    Accumulate, Activation, ClipNorm, Dataset, Ema, Engine, Lookahead, Loss, Network, Optimizer,
    Output, Plan, SegmentKind, Step, Wanted, Wrappers,
};
use pollster::block_on;

/// Inputs and encodings.
const ENCODINGS: [(usize, &str); 9] = [
    (2, "scaled:scale=-1.5,offset=0.25"),
    (2, "triangle-wave:octaves=3"),
    (2, "one-blob:bins=7"),
    (3, "spherical-harmonics:degree=5"),
    (2, "grid:levels=4,base_resolution=3,log2_size=6,level_scale=1.7"),
    (1, "grid:levels=2,base_resolution=5,interpolation=smoothstep,features=4"),
    (3, "grid:levels=3,base_resolution=2,interpolation=smoothstep,kind=dense,features=8"),
    (4, "identity+grid:levels=2,base_resolution=2,kind=tiled,features=1"),
    (
        3,
        r#"{"composite":{"reduction":"product","parts":[
        {"inputs":{"start":0,"end":2},"encoding":{"grid":{"kind":"hash","levels":2,"features":2,
            "log2_size":4,"base_resolution":3,"level_scale":1.5,"interpolation":"linear"}}},
        {"encoding":{"composite":{"reduction":"sum","parts":[
            {"inputs":{"start":2,"end":3},"encoding":{"frequency":{"octaves":2}}},
            {"inputs":{"start":0,"end":1},"encoding":{"one-blob":{"bins":4}}}]}}}]}}"#,
    ),
];

/// A network with an encoding, whose tables are not almost 0.
fn network(inputs: usize, encoding: &str) -> Network {
    let encoding: InputEncoding = encoding.parse().unwrap();
    let mut network = Network::builder(inputs)
        .encoding(encoding)
        .hidden(&[19, 8], Activation::Tanh)
        .output(3, Activation::Identity)
        .build()
        .unwrap();
    let mut parameters = network.parameters().to_vec();
    for segment in network.segments().iter().filter(|s| s.kind == SegmentKind::Scattered) {
        let table = numbers(segment.range.len(), 3);
        parameters[segment.range.clone()].copy_from_slice(&double(&table));
    }
    for p in &mut parameters {
        *p = f64::from(*p as f32);
    }
    network.set_parameters(&parameters).unwrap();
    network
}

/// Samples in the unit cube, whose targets are waves.
fn samples(inputs: usize, count: usize) -> Dataset {
    let x: Vec<f32> = numbers(count * inputs, 11).iter().map(|x| 0.5 * x + 0.5).collect();
    let t: Vec<f32> = (0..count * 3).map(|i| (i as f32 * 0.7).sin()).collect();
    Dataset::new(x, t, inputs, 3).unwrap()
}

fn plan(batch_size: usize, optimizer: Optimizer, wrappers: Wrappers) -> Plan {
    Plan {
        loss: Loss::MeanSquaredError,
        optimizer,
        l2: 0.01,
        batch_size,
        shuffle: Some(5),
        seed: 9,
        wrappers,
    }
}

/// The steps of some epochs.
fn steps(samples: usize, batch: usize, epochs: usize) -> Vec<Step> {
    let per_epoch = samples.div_ceil(batch);
    let step = |i: usize| Step {
        number: i as u64 + 1,
        epoch: (i / per_epoch) as u64 + 1,
        first: i % per_epoch * batch,
        count: batch.min(samples - i % per_epoch * batch),
        learning_rate: 0.02,
    };
    (0..epochs * per_epoch).map(step).collect()
}

/// Losses and parameters after some epochs.
fn train(
    engine: &Engine,
    network: &Network,
    plan: &Plan,
    data: &Dataset,
    epochs: usize,
) -> (Vec<f64>, Vec<f64>) {
    let mut session = block_on(engine.start(network, plan, data)).unwrap();
    let steps = steps(data.len(), plan.batch_size, epochs);
    let outcome = block_on(session.train(&steps).unwrap()).unwrap();
    assert_eq!(outcome.diverged, None);
    (outcome.losses, block_on(session.parameters()).unwrap())
}

fn cpu(threads: usize) -> Engine {
    CpuEngine::new(Some(threads)).unwrap().into()
}

fn reference_engine() -> Engine {
    ReferenceEngine::new().into()
}

#[test]
fn predictions_and_gradients_are_those_of_the_reference() {
    for (inputs, encoding) in ENCODINGS {
        let network = network(inputs, encoding);
        for count in [1, 5, 300] {
            let x = numbers(count * inputs, 7);
            let x: Vec<f32> = x.iter().map(|x| 0.47 * x + 0.5).collect();
            let exact = reference::forward(&network, &double(&x));
            let engine = cpu(2);
            let found = double(&engine.predict(&network, &x).unwrap());
            assert_near(&found, &exact.values[3], 2e-5, &format!("{encoding}, {count}"));
            let slopes = numbers(count * 3, 23);
            let of = |engine: &Engine| engine.backward(&network, &x, &slopes).unwrap();
            let (found, expected) = (of(&engine), of(&reference_engine()));
            let what = format!("{encoding}, {count}");
            assert_near(&found.parameters, &expected.parameters, 5e-5, &what);
            assert_near(&found.inputs, &expected.inputs, 2e-4, &what);
            let alone = engine.parameter_gradient(&network, &x, &slopes).unwrap();
            assert_eq!(alone, found.parameters, "{what}");
            assert_eq!(engine.input_gradient(&network, &x, &slopes).unwrap(), found.inputs);
        }
    }
}

#[test]
fn training_is_that_of_the_reference() {
    for (inputs, encoding) in ENCODINGS {
        let network = network(inputs, encoding);
        for (count, batch) in [(60, 17), (300, 300)] {
            let data = samples(inputs, count);
            let plan = plan(batch, Optimizer::SGD, Wrappers::default());
            let (losses, parameters) = train(&reference_engine(), &network, &plan, &data, 3);
            let (found, learned) = train(&cpu(2), &network, &plan, &data, 3);
            assert_near(&found, &losses, 1e-4, encoding);
            assert_near(&learned, &parameters, 1e-4, encoding);
        }
    }
}

#[test]
fn optimizers_and_wrappers_leave_alone_what_no_sample_touches() {
    let (inputs, encoding) = ENCODINGS[4];
    let network = network(inputs, encoding);
    let data = samples(inputs, 12);
    let none = Wrappers::default;
    let around = [
        none(),
        Wrappers { clip_norm: Some(ClipNorm { limit: 0.05 }), ..none() },
        Wrappers { accumulate: Some(Accumulate { batches: 2 }), ..none() },
        Wrappers { ema: Some(Ema { decay: 0.9, bias_correction: true }), ..none() },
        Wrappers { lookahead: Some(Lookahead { alpha: 0.5, every: 2 }), ..none() },
    ];
    for wrappers in around {
        for optimizer in Optimizer::ALL.iter().copied().filter(|o| o.name() != "lion") {
            let plan = plan(5, optimizer, wrappers);
            let (losses, parameters) = train(&reference_engine(), &network, &plan, &data, 2);
            let (found, learned) = train(&cpu(2), &network, &plan, &data, 2);
            let what = format!("{optimizer} in {wrappers:?}");
            assert_near(&found, &losses, 2e-2, &what);
            let table = network.segments()[0].range.clone();
            // A first step of Adam has the sign of a gradient, which may be as small as its rounding error.
            let off = |i: &usize| (learned[*i] - parameters[*i]).abs() > 2e-3;
            let far = (0..parameters.len()).filter(off).count();
            assert!(far <= parameters.len() / 50, "{what}: {far} of {}", parameters.len());
            for i in table.clone() {
                let before = network.parameters()[i];
                // In f32 a tiny change can be none.
                assert!(parameters[i] != before || learned[i] == before, "{what}, {i}");
            }
            let untouched =
                table.clone().filter(|i| learned[*i] == network.parameters()[*i]).count();
            assert!(untouched > 10 && untouched < table.len() * 4 / 5, "{what}: {untouched}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (inputs, encoding) = ENCODINGS[4];
    let network = network(inputs, encoding);
    for (count, batch) in [(50, 7), (9_000, 4_500), (9_000, 9_000)] {
        let data = samples(inputs, count);
        let plan = plan(batch, Optimizer::ADAM, Wrappers::default());
        let expected = train(&cpu(1), &network, &plan, &data, 2);
        for threads in [2, 3, 7] {
            assert_eq!(train(&cpu(threads), &network, &plan, &data, 2), expected, "{threads}");
        }
    }
}

#[test]
fn a_run_goes_on_from_its_state_with_the_same_bits() {
    let (inputs, encoding) = ENCODINGS[8];
    let network = network(inputs, encoding);
    let data = samples(inputs, 40);
    let wrappers =
        Wrappers { ema: Some(Ema { decay: 0.9, bias_correction: true }), ..Wrappers::default() };
    for engine in [reference_engine(), cpu(2)] {
        let plan = plan(8, Optimizer::ADAM, wrappers);
        let steps = steps(40, 8, 4);
        let (first, rest) = steps.split_at(7);
        let mut session = block_on(engine.start(&network, &plan, &data)).unwrap();
        block_on(session.train(first).unwrap()).unwrap();
        let state = block_on(session.state()).unwrap();
        block_on(session.keep(1)).unwrap();
        block_on(session.train(rest).unwrap()).unwrap();
        let expected = block_on(session.parameters()).unwrap();

        block_on(session.go_back(1)).unwrap();
        assert_eq!(block_on(session.state()).unwrap(), state);
        block_on(session.train(rest).unwrap()).unwrap();
        assert_eq!(block_on(session.parameters()).unwrap(), expected);

        let mut other = block_on(engine.start(&network, &plan, &data)).unwrap();
        block_on(other.restore(&state)).unwrap();
        block_on(other.train(rest).unwrap()).unwrap();
        assert_eq!(block_on(other.parameters()).unwrap(), expected);
    }
}

#[test]
fn gradients_of_the_callers_are_applied_to_tables() {
    let (inputs, encoding) = ENCODINGS[4];
    let network = network(inputs, encoding);
    let data = samples(inputs, 40);
    let plan = plan(8, Optimizer::SGD, Wrappers::default());
    let mut gradient = double(&numbers(network.parameters().len(), 2));
    gradient[..10].fill(0.0);
    let learned = |engine: Engine| {
        let mut session = block_on(engine.start(&network, &plan, &data)).unwrap();
        block_on(session.train(&steps(40, 8, 1)).unwrap()).unwrap();
        block_on(session.apply(&gradient, 0.1)).unwrap();
        let x = data.rows(0..9).0;
        let outputs = block_on(session.predict(&double(&x), Output::Activated)).unwrap();
        let slopes = numbers(27, 1);
        let gradients = block_on(session.backward(&x, &slopes, Wanted::Both)).unwrap();
        let loss = block_on(session.evaluate(&data, plan.loss)).unwrap();
        (block_on(session.parameters()).unwrap(), outputs, gradients, loss)
    };
    let (expected, found) = (learned(reference_engine()), learned(cpu(2)));
    assert_near(&found.0, &expected.0, 1e-4, "parameters");
    assert_near(&found.1, &expected.1, 1e-4, "outputs");
    assert_near(&found.2.parameters, &expected.2.parameters, 1e-4, "gradients");
    assert_near(&found.2.inputs, &expected.2.inputs, 1e-3, "gradients of inputs");
    assert_near(&[found.3], &[expected.3], 1e-4, "loss");
}

#[test]
fn a_table_whose_update_is_not_finite_is_as_it_was_before() {
    let (inputs, encoding) = ENCODINGS[4];
    let network = network(inputs, encoding);
    let targets: Vec<f32> = numbers(40 * 3, 2).iter().map(|t| 1e4 * t).collect();
    let x = samples(inputs, 40).rows(0..40).0;
    let data = Dataset::new(x, targets, inputs, 3).unwrap();
    let plan = Plan { l2: 0.0, ..plan(8, Optimizer::SGD, Wrappers::default()) };
    let mut all = steps(40, 8, 2);
    for step in &mut all {
        step.learning_rate = 1e-6;
    }
    all[3].learning_rate = 3e38;
    let mut session = block_on(cpu(2).start(&network, &plan, &data)).unwrap();
    block_on(session.train(&all[..3]).unwrap()).unwrap();
    let before = block_on(session.parameters()).unwrap();
    let outcome = block_on(session.train(&all[3..]).unwrap()).unwrap();
    let diverged = outcome.diverged.unwrap();
    assert_eq!((diverged.step, diverged.in_loss), (4, false));
    assert_eq!(block_on(session.parameters()).unwrap(), before);
}

#[test]
fn files_contain_tables_by_name() {
    for (inputs, encoding) in ENCODINGS {
        let network = network(inputs, encoding);
        let bytes = network.encode().unwrap();
        let back = Network::decode(&bytes).unwrap();
        assert_eq!(back, network, "{encoding}");
        assert_eq!(back.encode().unwrap(), bytes);
    }
    let grid = network(ENCODINGS[4].0, ENCODINGS[4].1);
    assert_eq!(grid.segments()[0].name, "encoding.0.weight");
    assert_eq!(grid.segments()[0].shape[1], 2);
    // A table of another size does not fit.
    let text = String::from_utf8_lossy(&grid.encode().unwrap()).into_owned();
    assert!(text.contains("encoding.0.weight"));
}
