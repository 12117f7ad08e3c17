//! Benchmarks of each engine, in samples a second: one layer, a training step, an epoch, a
//! prediction by itself or with a prepared model.
//!
//! ```sh
//! cargo bench                      # all of it
//! cargo bench -- cpu               # one engine
//! cargo bench -- step/cpu/10x100   # one kind on one engine, and these networks
//! IMPASTO_VECTORS=avx2 cargo bench -- cpu    # without the instructions of AVX-512
//! ```
//!
//! The GPU engine searches the fastest shapes of its kernels before it is timed, as it does for users.

#![allow(clippy::expect_used, reason = "a benchmark that fails has no result")]

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use impasto::cpu::CpuEngine;
use impasto::{
    Activation, Backend, Dataset, Engine, Initialization, Network, Options, Plan, Step, Trainer,
};

/// Neurons in each hidden layer of the networks that grow in width.
const WIDTHS: [usize; 7] = [16, 32, 64, 100, 128, 256, 512];

/// Their batch.
const BATCH: usize = 1_000;

/// Samples in a step of the network of 10×100.
const BATCHES: [usize; 3] = [200, 1_000, 10_000];

/// Samples of a prediction with a model: a request, and a table.
const PREDICTED: [usize; 2] = [1, 1_000_000];

/// Pixels along each side of the picture that is learned.
const SIDE: usize = 100;

/// How long each is run before it is timed.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long it is timed, unless ten times take longer.
const MEASURED: Duration = Duration::from_secs(1);

/// The least that is timed at once.
const SPAN: Duration = Duration::from_millis(50);

/// Small: no run here is to diverge.
const LEARNING_RATE: f64 = 1e-4;

fn main() {
    // As a test, there is nothing to see here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASURED)
        .configure_from_args();
    for place in places() {
        layers(&mut criterion, &place);
        steps(&mut criterion, &place);
        epochs(&mut criterion, &place);
        predictions(&mut criterion, &place);
        models(&mut criterion, &place);
    }
    criterion.final_summary();
}

/// An engine that is opened when something is to be timed on it, and how it is called.
struct Place {
    name: String,
    adapter: Option<String>,
    engine: OnceCell<Option<Engine>>,
}

/// The CPU and every adapter.
fn places() -> Vec<Place> {
    let place = |name, adapter| Place { name, adapter, engine: OnceCell::new() };
    let mut places = vec![place("cpu".to_owned(), None)];
    for adapter in impasto::gpu::adapters() {
        let api = adapter.api.map_or_else(String::new, |api| format!(", {api}"));
        let name = format!("gpu, {}{api}", adapter.adapter).replace('/', " ");
        places.push(place(name, Some(adapter.description())));
    }
    places
}

impl Place {
    /// The engine, or nothing, said once, if it cannot be opened.
    fn engine(&self) -> Option<&Engine> {
        let opened = self.engine.get_or_init(|| {
            let opened: impasto::Result<Engine> = match &self.adapter {
                None => CpuEngine::new(None).map(Engine::from),
                adapter => {
                    let adapter = adapter.clone();
                    Options { backend: Backend::Gpu, adapter, ..Options::default() }.open()
                }
            };
            opened.inspect_err(|error| eprintln!("{} is left out: {error}", self.name)).ok()
        });
        opened.as_ref()
    }

    /// Times `work`, which computes `samples` samples each time; it is prepared by `prepare` on the
    /// engine when it is wanted.
    fn time<'a, W: FnMut() + 'a>(
        &'a self,
        criterion: &mut Criterion,
        kind: &str,
        parameter: &str,
        samples: usize,
        prepare: impl FnOnce(&'a Engine) -> W,
    ) {
        let mut group = criterion.benchmark_group(format!("{kind}/{}", self.name));
        group.throughput(Throughput::Elements(samples as u64));
        let mut prepare = Some(prepare);
        let mut work = None;
        group.bench_function(BenchmarkId::from_parameter(parameter), |bencher| {
            if let (Some(prepare), Some(engine)) = (prepare.take(), self.engine()) {
                let mut prepared = prepare(engine);
                // The first time may compile kernels.
                prepared();
                let once = elapsed(&mut prepared, 1);
                work = Some((prepared, (SPAN.as_secs_f64() / once.as_secs_f64().max(1e-9)) as u64));
            }
            let Some((work, enough)) = &mut work else { return bencher.iter(|| ()) };
            // Criterion takes what was prepared for a part of the work and would repeat it too rarely.
            bencher.iter_custom(|wanted| {
                let repeats = wanted.max(*enough);
                elapsed(work, repeats).mul_f64(wanted as f64 / repeats as f64)
            });
        });
        group.finish();
    }
}

/// How long `work` takes so many times.
fn elapsed(work: &mut impl FnMut(), repeats: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..repeats {
        work();
    }
    start.elapsed()
}

/// One layer as wide as its inputs: a step is little but its three matrix products.
fn layers(criterion: &mut Criterion, place: &Place) {
    for width in WIDTHS {
        let network = Network::builder(width)
            .output(width, Activation::Identity)
            .weights(Initialization::Glorot)
            .build()
            .expect("a network");
        let values = |phase: usize| -> Vec<f32> {
            let values = 0..BATCH * width;
            values.map(|i| ((i * 37 + phase) % 101) as f32 / 101.0 - 0.5).collect()
        };
        let dataset = Dataset::new(values(0), values(50), width, width).expect("samples");
        let run = Run::new(network, dataset, BATCH);
        run.time_steps(criterion, place, "layer", &format!("{width}x{width}"), 1);
    }
}

/// A training step.
fn steps(criterion: &mut Criterion, place: &Place) {
    for width in WIDTHS {
        let run = Run::new(mlp(4, width), picture(), BATCH);
        run.time_steps(criterion, place, "step", &format!("4x{width}, batch {BATCH}"), 1);
    }
    for batch in BATCHES {
        let run = Run::new(mlp(10, 100), picture(), batch);
        run.time_steps(criterion, place, "step", &format!("10x100, batch {batch}"), 1);
    }
}

/// All samples once, in steps that are handed over together.
fn epochs(criterion: &mut Criterion, place: &Place) {
    for batch in BATCHES {
        let run = Run::new(mlp(10, 100), picture(), batch);
        let steps = run.dataset.len().div_ceil(batch);
        run.time_steps(criterion, place, "epoch", &format!("10x100, batch {batch}"), steps);
    }
}

/// Samples in, outputs out, both in the host's memory.
fn predictions(criterion: &mut Criterion, place: &Place) {
    let mut time = |network: Network, name: String, samples: usize| {
        let inputs: Vec<f64> = (0..2 * samples).map(|i| (i % 101) as f64 / 101.0).collect();
        place.time(
            criterion,
            "inference",
            &format!("{name}, {samples} samples"),
            samples,
            |engine| {
                let (network, inputs) = (&network, &inputs);
                move || {
                    black_box(engine.predict_f64(network, inputs).expect("outputs"));
                }
            },
        );
    };
    for width in WIDTHS {
        time(mlp(4, width), format!("4x{width}"), BATCH);
    }
    for batch in BATCHES {
        time(mlp(10, 100), "10x100".to_owned(), batch);
    }
}

/// A network of 8-64-64-1: a prepared model beside predictions of the engine, from f32 and from f64.
fn models(criterion: &mut Criterion, place: &Place) {
    for (activation, samples) in
        [Activation::Relu, Activation::Tanh].into_iter().flat_map(|a| PREDICTED.map(|s| (a, s)))
    {
        let network = Network::builder(8)
            .hidden(&[64, 64], activation)
            .output(1, Activation::Identity)
            .build()
            .expect("a network");
        let single: Vec<f32> = (0..8 * samples).map(|i| (i % 101) as f32 / 101.0).collect();
        let double: Vec<f64> = single.iter().map(|x| f64::from(*x)).collect();
        let (network, single, double) = (&network, &single, &double);
        let name = |way: &str| format!("{way}, {activation}, {samples} samples");
        place.time(criterion, "model", &name("prepared"), samples, |engine| {
            let model = engine.prepare(network).expect("a model");
            let mut outputs = vec![0.0; samples];
            move || {
                model.predict_into(black_box(single), &mut outputs).expect("outputs");
                black_box(&outputs);
            }
        });
        place.time(criterion, "model", &name("engine, f32"), samples, |engine| {
            move || {
                black_box(engine.predict(network, black_box(single)).expect("outputs"));
            }
        });
        place.time(criterion, "model", &name("engine, f64"), samples, |engine| {
            move || {
                black_box(engine.predict_f64(network, black_box(double)).expect("outputs"));
            }
        });
    }
}

/// What is trained.
struct Run {
    network: Network,
    dataset: Dataset,
    plan: Plan,
}

impl Run {
    fn new(network: Network, dataset: Dataset, batch_size: usize) -> Self {
        let plan = Trainer { batch_size, ..Trainer::default() }.plan(&dataset);
        Self { network, dataset, plan }
    }

    /// Times `count` steps at once.
    fn time_steps(
        &self,
        criterion: &mut Criterion,
        place: &Place,
        kind: &str,
        parameter: &str,
        count: usize,
    ) {
        let samples = count * self.plan.batch_size;
        place.time(criterion, kind, parameter, samples, |engine| {
            let session = engine.start(&self.network, &self.plan, &self.dataset);
            let mut session = pollster::block_on(session).expect("a run");
            let mut number = 0;
            move || {
                let steps: Vec<Step> = (0..count).map(|i| self.step(number, i)).collect();
                number += count as u64;
                let outcome = session.train(&steps).expect("steps");
                let outcome = pollster::block_on(outcome).expect("steps");
                // Steps after that would cost nothing.
                assert_eq!(outcome.diverged, None, "{kind} {parameter}");
            }
        });
    }

    /// Step `position` of an epoch, after so many steps.
    fn step(&self, before: u64, position: usize) -> Step {
        Step {
            number: before + position as u64 + 1,
            epoch: before + 1,
            first: position * self.plan.batch_size,
            count: self.plan.batch_size,
            learning_rate: LEARNING_RATE,
        }
    }
}

/// From a place to a color.
fn mlp(depth: usize, width: usize) -> Network {
    Network::builder(2)
        .hidden(&vec![width; depth], Activation::Relu)
        .output(3, Activation::Identity)
        .weights(Initialization::He)
        .build()
        .expect("a network")
}

/// A picture of [`SIDE`]² pixels. All batches divide it.
fn picture() -> Dataset {
    let bytes = (0..SIDE * SIDE * 3).map(|i| (i * i / 7) as u8);
    Dataset::from_pixels(SIDE, SIDE, bytes, 3, true).expect("pixels")
}
