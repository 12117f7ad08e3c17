//! Networks with grids, composite encodings and encodings by formulas on the GPU engine, by the fused and the layerwise
//! kernels, against the reference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use common::{adapters, assert_near, open};
use impasto::gpu::Kernels;
use impasto::input_encoding::InputEncoding;
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Dataset, Engine, Initialization, Loss, Network, Plan, Step, Trainer, Wrappers,
};
use pollster::block_on;

/// Rounding errors of some hundred operations of half a unit of 2⁻²³ each, relative to the largest number. A place in the
/// grids here is at most 30, and an error of it changes features by as many times as much.
const TOLERANCE: f64 = 2e-4;

/// Encodings of 1 to 4 inputs, in every form.
const ENCODINGS: [(usize, &str); 11] = [
    (2, "scaled:scale=-1.5,offset=0.25"),
    (2, "triangle-wave:octaves=3"),
    (2, "one-blob:bins=5"),
    (3, "spherical-harmonics:degree=5"),
    (2, "grid:levels=3,base_resolution=3,log2_size=4,level_scale=1.7"),
    (1, "grid:levels=2,base_resolution=3,interpolation=smoothstep,features=4"),
    (3, "grid:levels=2,base_resolution=2,interpolation=nearest,kind=dense,features=1"),
    (4, "grid:levels=2,base_resolution=2,kind=tiled,features=8"),
    (2, "identity+frequency:octaves=2+grid:levels=1,base_resolution=4"),
    (2, "grid:levels=16,base_resolution=4,log2_size=10,level_scale=1.1"),
    (3, PRODUCT),
];

/// Grids, waves and blobs of some inputs, multiplied and added.
const PRODUCT: &str = r#"{"composite":{"reduction":"product","parts":[
    {"inputs":{"start":0,"end":2},"encoding":{"grid":{"kind":"dense","levels":2,"features":2,
        "log2_size":4,"base_resolution":3,"level_scale":1.5,"interpolation":"linear"}}},
    {"encoding":{"composite":{"reduction":"sum","parts":[
        {"inputs":{"start":2,"end":3},"encoding":{"frequency":{"octaves":2}}},
        {"inputs":{"start":0,"end":1},"encoding":{"one-blob":{"bins":4}}}]}}}]}}"#;

/// A network with tables that are not almost 0, whose parameters f32 holds.
fn network(inputs: usize, encoding: &str) -> Network {
    let encoding: InputEncoding = encoding.parse().unwrap();
    let mut network = Network::builder(inputs)
        .encoding(encoding)
        .hidden(&[18, 7], Activation::Tanh)
        .output(2, Activation::Identity)
        .biases(Initialization::Uniform { low: -0.5, high: 0.5 })
        .build()
        .unwrap();
    let tables = network.segments().iter().filter(|s| s.name.starts_with("encoding"));
    let tables = tables.map(|s| s.range.end).max().unwrap_or(0);
    let mut parameters: Vec<f64> =
        network.parameters().iter().map(|p| f64::from(*p as f32)).collect();
    for (i, p) in parameters[..tables].iter_mut().enumerate() {
        *p = f64::from(((i as f64 * 0.618_034).fract() - 0.5) as f32);
    }
    network.set_parameters(&parameters).unwrap();
    network
}

/// Samples away from the corners of grids and the edges of bins, where slopes leap.
fn samples(inputs: usize, count: usize) -> Dataset {
    let x = (0..count * inputs).map(|i| (0.07 + (i as f64 * 0.381_966).fract() * 0.83) as f32);
    let t = (0..count * 2).map(|i| (i as f32).sin());
    Dataset::new(x.collect(), t.collect(), inputs, 2).unwrap()
}

fn steps(samples: usize, batch: usize, epochs: u64) -> Vec<Step> {
    let all = (1..=epochs).flat_map(|epoch| (0..samples).step_by(batch).map(move |f| (epoch, f)));
    all.zip(1..)
        .map(|((epoch, first), number)| Step {
            number,
            epoch,
            first,
            count: batch.min(samples - first),
            learning_rate: 0.02,
        })
        .collect()
}

fn plan(dataset: &Dataset, optimizer: &str, wrappers: &[&str]) -> Plan {
    let wrappers = Wrappers::new(wrappers.iter().map(|w| w.parse().unwrap())).unwrap();
    let optimizer = optimizer.parse().unwrap();
    let l2 = 0.01;
    Trainer { batch_size: 24, optimizer, wrappers, l2, ..Trainer::default() }.plan(dataset)
}

/// The losses and the parameters after some steps.
fn run(engine: &Engine, network: &Network, plan: &Plan, data: &Dataset) -> (Vec<f64>, Vec<f64>) {
    let mut session = block_on(engine.start(network, plan, data)).unwrap();
    let outcome = session.train(&steps(data.len(), plan.batch_size, 2)).unwrap();
    let outcome = block_on(outcome).unwrap();
    assert_eq!(outcome.diverged, None, "{}", engine.device());
    (outcome.losses, block_on(session.parameters()).unwrap())
}

/// The loss by a session, with the parameters that it began with.
fn loss_on(engine: &Engine, network: &Network, data: &Dataset) -> f64 {
    let mut session = block_on(engine.start(network, &plan(data, "sgd", &[]), data)).unwrap();
    block_on(session.evaluate(data, Loss::MeanSquaredError)).unwrap()
}

/// The fused and the layerwise kernels of every adapter.
fn gpu_engines() -> Vec<Engine> {
    let each =
        |adapter| [Kernels::Fused, Kernels::Layerwise].map(|k| open(adapter).with_kernels(k));
    adapters().iter().flat_map(each).map(Engine::from).collect()
}

fn reference() -> Engine {
    ReferenceEngine::new().into()
}

#[test]
fn training_agrees_with_the_reference() {
    let engines = gpu_engines();
    for (inputs, encoding) in ENCODINGS {
        let (network, data) = (network(inputs, encoding), samples(inputs, 67));
        let plan = plan(&data, "adam:epsilon=0.015625", &[]);
        let (losses, parameters) = run(&reference(), &network, &plan, &data);
        for engine in &engines {
            let what = format!("{encoding} on {}", engine.device());
            let found = run(engine, &network, &plan, &data);
            assert_near(&found.0, &losses, TOLERANCE, &format!("losses, {what}"));
            assert_near(&found.1, &parameters, TOLERANCE, &what);
            assert_eq!(run(engine, &network, &plan, &data), found, "again, {what}");
        }
    }
}

#[test]
fn what_surrounds_an_optimizer_does_as_in_the_reference() {
    let engines = gpu_engines();
    let (network, data) =
        (network(2, "grid:levels=3,base_resolution=3,log2_size=9,level_scale=2"), samples(2, 67));
    for (optimizer, wrappers) in [
        ("sgd:momentum=0.5", &[][..]),
        ("novograd:epsilon=0.1", &[]),
        ("adam:epsilon=0.015625", &["accumulate:batches=2"]),
        ("adam:epsilon=0.015625", &["clip-value:limit=0.01"]),
        ("adam:epsilon=0.015625", &["clip-norm:limit=0.1"]),
        ("adam:epsilon=0.015625", &["lookahead:alpha=0.25,every=2"]),
        ("adam:epsilon=0.015625", &["ema:decay=0.75"]),
        ("adamw:epsilon=0.015625", &["clip-norm:limit=0.1", "lookahead", "ema"]),
    ] {
        let plan = plan(&data, optimizer, wrappers);
        let (losses, parameters) = run(&reference(), &network, &plan, &data);
        for engine in &engines {
            let what = format!("{optimizer}, {wrappers:?} on {}", engine.device());
            let found = run(engine, &network, &plan, &data);
            assert_near(&found.0, &losses, TOLERANCE, &format!("losses, {what}"));
            assert_near(&found.1, &parameters, TOLERANCE, &what);
        }
    }
}

#[test]
fn predictions_losses_and_gradients_agree_with_the_reference() {
    for (inputs, encoding) in ENCODINGS {
        let (network, data) = (network(inputs, encoding), samples(inputs, 150));
        let (x, _) = data.rows(0..150);
        let slopes = common::numbers(300, 2);
        let expected = reference().predict(&network, &x).unwrap();
        let gradients = reference().backward(&network, &x, &slopes).unwrap();
        let loss = loss_on(&reference(), &network, &data);
        for engine in gpu_engines() {
            let what = format!("{encoding} on {}", engine.device());
            let found = engine.predict(&network, &x).unwrap();
            assert_near(&found, &expected, TOLERANCE, &what);
            let model = engine.prepare(&network).unwrap();
            assert_near(&model.predict(&x).unwrap(), &expected, TOLERANCE, &what);
            let found = loss_on(&engine, &network, &data);
            assert!((found / loss - 1.0).abs() < TOLERANCE, "{what}: {found}, not {loss}");
            let found = engine.backward(&network, &x, &slopes).unwrap();
            let what = format!("gradient of {what}");
            assert_near(&found.parameters, &gradients.parameters, TOLERANCE, &what);
            // Slopes are as many times larger as the encoding is steep.
            assert_near(&found.inputs, &gradients.inputs, TOLERANCE, &what);
            assert_eq!(engine.backward(&network, &x, &slopes).unwrap(), found, "again, {what}");
            let alone = engine.parameter_gradient(&network, &x, &slopes).unwrap();
            assert_near(&alone, &gradients.parameters, TOLERANCE, &what);
        }
    }
}

/// A network with a grid that the fused kernels take, or with a layer too wide for them.
fn trained(hidden: usize) -> (Network, Dataset) {
    let encoding = "grid:levels=3,base_resolution=3,log2_size=9,level_scale=2";
    let builder = Network::builder(2).encoding(encoding.parse::<InputEncoding>().unwrap());
    let builder = builder.hidden(&[hidden], Activation::Relu);
    (builder.output(2, Activation::Identity).build().unwrap(), samples(2, 67))
}

#[test]
fn a_session_keeps_restores_and_differentiates_grids() {
    for (engine, (network, data)) in gpu_engines().into_iter().map(|e| (e, trained(12))) {
        let plan = plan(&data, "adam", &["ema:decay=0.5"]);
        let steps = steps(67, plan.batch_size, 3);
        let (some, rest) = steps.split_at(4);
        let start = || block_on(engine.start(&network, &plan, &data)).unwrap();
        let mut session = start();
        let train = |session: &mut Box<dyn impasto::Session>, steps: &[Step]| {
            block_on(session.train(steps).unwrap()).unwrap().losses
        };
        train(&mut session, some);
        block_on(session.keep(0)).unwrap();
        let state = block_on(session.state()).unwrap();
        let losses = train(&mut session, rest);
        let parameters = block_on(session.parameters()).unwrap();
        let what = engine.device();
        block_on(session.go_back(0)).unwrap();
        assert_eq!(train(&mut session, rest), losses, "after going back, {what}");
        assert_eq!(block_on(session.parameters()).unwrap(), parameters, "{what}");
        let mut resumed = start();
        block_on(resumed.restore(&state)).unwrap();
        assert_eq!(train(&mut resumed, rest), losses, "after restoring, {what}");
        assert_eq!(block_on(resumed.parameters()).unwrap(), parameters, "{what}");
        // Gradients with the parameters of the run, and an update with a gradient of the caller's.
        let now = block_on(resumed.state()).unwrap().parameters;
        let mut learned = network.clone();
        learned.set_parameters(&now).unwrap();
        let (x, slopes) = (data.rows(0..30).0, common::numbers(60, 2));
        let expected = reference().backward(&learned, &x, &slopes).unwrap();
        let found = block_on(resumed.backward(&x, &slopes, impasto::Wanted::Both)).unwrap();
        let what = format!("gradient on {what}");
        assert_near(&found.parameters, &expected.parameters, TOLERANCE, &what);
        assert_near(&found.inputs, &expected.inputs, TOLERANCE, &what);
        let outputs = block_on(resumed.predict(&common::double(&x), impasto::Output::Activated));
        assert_eq!(outputs.unwrap().len(), 60);
        block_on(resumed.apply(&found.parameters, 0.01)).unwrap();
        let after = block_on(resumed.state()).unwrap().parameters;
        let places = (0..after.len()).zip(&found.parameters).filter(|(_, g)| **g == 0.0);
        let tables = network.segments()[0].range.clone();
        let untouched: Vec<usize> = places.map(|(i, _)| i).filter(|i| tables.contains(i)).collect();
        assert!(!untouched.is_empty() && untouched.iter().all(|i| after[*i] == now[*i]), "{what}");
        assert!(after != now);
        assert!(resumed.resources().parameters >= 4 * 2 * network.parameters().len() as u64);
    }
}

#[test]
fn a_batch_in_parts_is_the_same_gradient() {
    // 4,000 bytes a buffer: a part has fewer rows than the batch.
    let (network, data) = trained(12);
    let plan = plan(&data, "sgd:momentum=0.5", &[]);
    let (losses, parameters) = run(&reference(), &network, &plan, &data);
    for adapter in adapters() {
        let gpu = open(&adapter).with_kernels(Kernels::Layerwise).with_largest_buffer(12_000);
        let found = run(&Engine::from(gpu), &network, &plan, &data);
        assert_near(&found.0, &losses, TOLERANCE, "losses");
        assert_near(&found.1, &parameters, TOLERANCE, "parameters");
    }
}

#[test]
fn an_update_that_is_not_finite_is_undone() {
    let (network, data) = trained(12);
    let plan = plan(&data, "sgd", &[]);
    for engine in gpu_engines() {
        let mut session = block_on(engine.start(&network, &plan, &data)).unwrap();
        let mut steps = steps(67, plan.batch_size, 2);
        for step in &mut steps[2..] {
            step.learning_rate = 1e38;
        }
        let outcome = block_on(session.train(&steps).unwrap()).unwrap();
        let at = outcome.diverged.expect("diverges").step;
        let parameters = block_on(session.parameters()).unwrap();
        let mut before = block_on(engine.start(&network, &plan, &data)).unwrap();
        let all: Vec<Step> = steps.into_iter().filter(|step| step.number < at).collect();
        block_on(before.train(&all).unwrap()).unwrap();
        let expected = block_on(before.parameters()).unwrap();
        assert!(parameters == expected, "{}", engine.device());
    }
}

#[test]
fn other_precisions_compute_encodings_in_full() {
    use impasto::gpu::{GpuEngine, Precision};
    let (network, data) = trained(12);
    let plan = plan(&data, "adam", &[]);
    for adapter in adapters() {
        for precision in [Precision::Mixed, Precision::F16Storage] {
            let name = adapter.description();
            let engine = Engine::from(GpuEngine::open_for(Some(&name), precision).unwrap());
            let found = run(&engine, &network, &plan, &data);
            let full = run(&Engine::from(open(&adapter)), &network, &plan, &data);
            assert_eq!(found, full, "{precision} on {name}");
            let notes = engine.notes();
            assert!(notes.iter().any(|note| note.contains("one set of waves")), "{notes:?}");
        }
    }
}
