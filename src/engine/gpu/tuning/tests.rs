//! Tests of the search as it goes on a real GPU, on every adapter.

use super::*;
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::encoding::Encoding;
use crate::engine::{Session, Step};
use crate::error::Error;
use crate::gpu::cache::Cache;
use crate::gpu::candidates::{self, candidates};
use crate::gpu::custom::tests as custom;
use crate::gpu::device::MOST_KERNELS;
use crate::gpu::faults::task;
use crate::gpu::fused::Source;
use crate::gpu::recent::Recent;
use crate::gpu::samples::Stored;
use crate::gpu::session::GpuSession;
use crate::gpu::twins::{adapters, random};
use crate::gpu::{Choice, Kernels};
use crate::input_encoding::InputEncoding;
use crate::trainer::Trainer;

/// Samples enough for several numbers of slices.
const SAMPLES: usize = 2_000;

/// The shapes of a GPU for a small network: one other than the first of each kernel, and other slices.
fn few_candidates(gpu: &Gpu, network: &Network) -> Vec<Shapes> {
    let abilities = Abilities { software: false, broadcast: 0, ..gpu.abilities.clone() };
    let all = candidates(&abilities, &Layout::new(network, SAMPLES));
    let first = all[0];
    let one = |differs: &dyn Fn(&Shapes) -> bool| {
        *all.iter().find(|shapes| differs(shapes)).expect("another")
    };
    vec![
        first,
        one(&|shapes| shapes.step != first.step && !shapes.step.split),
        one(&|shapes| shapes.gradients != first.gradients),
        one(&|shapes| shapes.slice != first.slice),
    ]
}

/// An encoding that kernels of its own compute.
fn grid() -> InputEncoding {
    "identity+grid:levels=3,log2_size=8".parse().expect("an encoding")
}

#[test]
fn a_network_with_a_grid_is_searched_as_others() {
    let (_, plan, dataset) = task(&[7], SAMPLES);
    let network = Network::builder(2).encoding(grid()).hidden(&[20], Activation::Relu);
    let network = network.output(dataset.target_width(), Activation::Identity);
    let network = network.build().expect("a network");
    for gpu in adapters() {
        let all = few_candidates(&gpu, &network);
        let best = pollster::block_on(async {
            let samples = Stored::upload(&gpu, &dataset, true).await?;
            let source = Source::of(&gpu, &samples).await?;
            let trial = Trial {
                network: &network,
                loss: plan.loss,
                batch: SAMPLES,
                source: &source,
                packed: false,
            };
            in_turns(&gpu, &all, &trial, LONG).await
        });
        assert!(is_possible(&best.expect("shapes"), &all), "{}", gpu.info);
        assert!(gpu.notes().is_empty(), "{:?}", gpu.notes());
        assert_eq!(gpu.candidate_times().len(), all.len());
    }
}

/// Time enough for a search on a slow machine.
const LONG: Duration = Duration::from_secs(1_000);

/// Searches among some shapes as on a GPU. All of them, and what was found.
fn search(
    gpu: &Arc<Gpu>,
    budget: Duration,
    choose: impl Fn(&[Shapes]) -> Vec<Shapes>,
) -> (Vec<Shapes>, Shapes) {
    let (network, plan, dataset) = task(&[7], SAMPLES);
    let all = few_candidates(gpu, &network);
    let best = pollster::block_on(async {
        let samples = Stored::upload(gpu, &dataset, true).await?;
        let source = Source::of(gpu, &samples).await?;
        let trial = Trial {
            network: &network,
            loss: plan.loss,
            batch: SAMPLES,
            source: &source,
            packed: false,
        };
        in_turns(gpu, &choose(&all), &trial, budget).await
    });
    (all, best.expect("shapes"))
}

/// Whether both kernels of some shapes were compiled.
fn is_compiled(gpu: &Gpu, shapes: Shapes) -> bool {
    let (network, plan, _) = task(&[7], 1);
    let keys = Keys::training(&network, SAMPLES, shapes, Samples::TABLE, plan.loss);
    let keys = keys.expect("templates without mistakes");
    let mut kernels = gpu.kernels.lock().expect("unlocked");
    [Some(keys.pass), keys.gradients].iter().flatten().all(|key| kernels.get(key).is_some())
}

#[test]
fn shapes_measured_in_turns_are_of_those_tried() {
    for gpu in adapters() {
        let begun = Instant::now();
        let (all, best) = search(&gpu, LONG, <[Shapes]>::to_vec);
        assert!(is_possible(&best, &all), "{best:?}");
        assert!(begun.elapsed() >= WARM_UP, "the device was not warmed up");
        assert!(all.iter().all(|shapes| is_compiled(&gpu, *shapes)), "all were tried");
        let times = gpu.candidate_times();
        let measured: Vec<&str> = times.iter().map(|time| time.shapes.as_str()).collect();
        let tried: Vec<String> = all.iter().map(Shapes::to_string).collect();
        assert_eq!(measured, tried, "all were measured, in this order");
        assert!(times.iter().all(|time| time.seconds > 0.0), "{times:?}");
    }
}

#[test]
fn shapes_with_f16_in_storage_are_searched_and_remembered_apart() {
    for gpu in adapters() {
        let (network, plan, dataset) = task(&[7], SAMPLES);
        let layout = Layout::new(&network, SAMPLES);
        let all = candidates::packed(&gpu.abilities, &layout);
        let another = |differs: &dyn Fn(&&Shapes) -> bool| *all.iter().find(differs).expect("one");
        let some = [
            all[0],
            all[1],
            another(&|shapes| shapes.gradients != all[0].gradients),
            another(&|shapes| shapes.slice != all[0].slice),
        ];
        let (best, keys) = pollster::block_on(async {
            let samples = Stored::upload(&gpu, &dataset, true).await?;
            let source = Source::of(&gpu, &samples).await?;
            let (network, loss, batch, source) = (&network, plan.loss, SAMPLES, &source);
            let trial = |packed| Trial { network, loss, batch, source, packed };
            let keys = [false, true].map(|packed| key(&gpu, &layout, &trial(packed)));
            Result::Ok((in_turns(&gpu, &some, &trial(true), LONG).await?, keys))
        })
        .expect("shapes");
        assert!(is_possible(&best, &some) && best.step.packed && best.gradients.packed);
        assert!(some.iter().all(|shapes| is_compiled(&gpu, *shapes)), "all were tried");
        let [plain, stored] = keys.map(|key| key.expect("a key"));
        assert_ne!(plain, stored);
    }
}

#[test]
fn a_search_without_time_takes_the_first_shapes() {
    for gpu in adapters() {
        let (all, best) = search(&gpu, Duration::ZERO, <[Shapes]>::to_vec);
        assert_eq!(best, all[0], "there is no time for another");
        assert_eq!(gpu.candidate_times().len(), 1, "those of an earlier search are replaced");
        assert!(!all[1..].iter().any(|shapes| is_compiled(&gpu, *shapes)), "none was tried");
    }
}

#[test]
fn shapes_that_are_refused_are_not_measured() {
    for candidate in pollster::block_on(crate::gpu::adapter::find()) {
        let mut gpu = pollster::block_on(Gpu::open(candidate)).expect("opens");
        gpu.cache = Cache::none();
        let (network, ..) = task(&[7], 1);
        let refused = few_candidates(&gpu, &network)[1].step;
        let Shape { lanes, rows, columns, .. } = refused;
        let lines = [
            format!("const LANES: u32 = {lanes}u;\n"),
            format!("const ROWS: u32 = {rows}u;\nconst COLUMNS: u32 = {columns}u;\n"),
        ];
        *gpu.refuses.lock().expect("unlocked") = Some(Box::new(move |key| {
            let text = key.clone().into_text();
            key.to_string() == "fused_step" && lines.iter().all(|line| text.contains(line))
        }));
        let gpu = Arc::new(gpu);
        let (all, best) = search(&gpu, LONG, <[Shapes]>::to_vec);
        assert_eq!(best.step, all[0].step, "the other one is refused");
        let notes = gpu.notes();
        assert!(notes.iter().any(|note| note.contains("a test refuses it; another")), "{notes:?}");
        // The same where it is the first.
        let (all, best) = search(&gpu, LONG, |all| vec![all[1], all[0]]);
        assert_eq!(best.step, all[0].step);
    }
}

#[test]
fn the_fastest_of_each_part_is_taken() {
    let limits = crate::gpu::shape::desktop_limits();
    let network = task(&[100], 1).0;
    let all = candidates(&Abilities::of_gpu(limits), &Layout::new(&network, 10_000));
    let first = all[0];
    let steps: Vec<Shapes> = all.iter().copied().filter(|s| s.step != first.step).collect();
    let gradients: Vec<Shapes> =
        all.iter().copied().filter(|s| s.gradients != first.gradients).collect();
    let slices: Vec<Shapes> = all.iter().copied().filter(|s| s.slice != first.slice).collect();
    assert!(steps.len() > 8 && gradients.len() == 4 && slices.len() == 2);
    let times = |quick: &[Shapes]| -> Vec<(Shapes, f64)> {
        let time = |shapes| if quick.contains(&shapes) { 1.0 } else { 2.0 };
        let each = [&steps[..], &gradients, &slices].concat().into_iter();
        [(first, 1.5)].into_iter().chain(each.map(|s| (s, time(s)))).collect()
    };
    assert_eq!(fastest(first, &times(&[])), first);
    let best = fastest(first, &times(&[steps[3], slices[1]]));
    assert_eq!(best, Shapes { step: steps[3].step, slice: slices[1].slice, ..first });
    let best = fastest(first, &times(&[gradients[2]]));
    assert_eq!(best, gradients[2]);
}

/// The shapes that are tried on a real GPU with this one's subgroups, for so many samples.
fn gpu_candidates(gpu: &Gpu, network: &Network, samples: usize) -> Vec<Shapes> {
    let abilities = Abilities { software: false, broadcast: 0, ..gpu.abilities.clone() };
    candidates(&abilities, &Layout::new(network, samples))
}

/// Adapters with subgroups of enough lanes to split sums.
fn splitting() -> Vec<Arc<Gpu>> {
    adapters().into_iter().filter(|gpu| gpu.abilities.subgroup >= 8).collect()
}

/// The losses and parameters after three steps of training in some shapes, as if a search had found them. What is
/// left at the end of an epoch is not a multiple of any tile.
fn learned(
    gpu: &Arc<Gpu>,
    network: &Network,
    loss: Loss,
    dataset: &Dataset,
    shapes: Shapes,
) -> (Vec<f64>, Vec<f64>) {
    let batch = dataset.len() - 13;
    let trainer = Trainer { batch_size: batch, loss, ..Trainer::default() };
    let plan = trainer.plan(dataset);
    let work = async {
        let samples = Stored::upload(gpu, dataset, true).await?;
        let source = Source::of(gpu, &samples).await?;
        let trial = Trial { network, loss: plan.loss, batch, source: &source, packed: false };
        let layout = Layout::new(network, batch);
        assert!(batch as f64 * network.parameters().len() as f64 >= WORTHWHILE);
        gpu.found.lock().expect("unlocked").insert(key(gpu, &layout, &trial)?, shapes);
        let choice = Choice { kernels: Kernels::Fused, tune: true, ..Choice::default() };
        let mut session = GpuSession::start(gpu, network, &plan, dataset, choice).await?;
        let step = |number, first, count| Step {
            number,
            epoch: number.div_ceil(2),
            first,
            count,
            learning_rate: 1e-3,
        };
        let steps = [step(1, 0, batch), step(2, batch, 13), step(3, 0, batch)];
        let outcome = session.train(&steps)?.await?;
        Ok::<_, Error>((outcome.losses, session.parameters().await?))
    };
    pollster::block_on(work).expect("trains")
}

/// What a session does with the kernels: samples in order, of tables and pictures, weights of samples, dropout,
/// slopes that are stored, frozen layers and formulas of the caller's.
#[test]
fn split_sums_train_as_others_do() {
    let table = |inputs: usize, outputs: usize| {
        let samples = 413;
        let targets = random(2, outputs * samples).iter().map(|t| t.abs() / 2.0).collect();
        Dataset::new(random(1, inputs * samples), targets, inputs, outputs).expect("samples")
    };
    let weights: Vec<f64> = (0..413).map(|i| f64::from(i % 5) / 4.0).collect();
    let weighted = table(3, 4).with_weights(&weights).expect("weights");
    let picture = || {
        let bytes = (0..413 * 3).map(|i| (i * 37 % 256) as u8);
        Dataset::from_pixels(59, 7, bytes, 3, true).expect("a picture")
    };
    let pixel_weights = picture().with_weights(&weights).expect("weights");
    let dropping = Network::builder(3).hidden(&[40, 61, 37], Activation::Gelu).dropout(0.25);
    let dropping = dropping.output(4, Activation::Softmax).build().expect("a network");
    let waves = Network::builder(2).encoding(Encoding::Frequency { octaves: 6 });
    let waves = waves.hidden(&[50, 50], Activation::Relu).dropout(0.5);
    let waves = waves.output(3, Activation::Sigmoid).build().expect("a network");
    let grid = Network::builder(2).encoding(grid()).hidden(&[50, 50], Activation::Tanh);
    let grid = grid.output(3, Activation::Sigmoid).build().expect("a network");
    let mut frozen = Network::builder(2).hidden(&[33, 64, 20], Activation::Silu);
    frozen = frozen.output(3, Activation::Silu);
    let mut frozen = frozen.build().expect("a network");
    frozen.freeze(1..2).expect("a hidden layer");
    let own = Network::builder(3).hidden(&[50, 50], custom::activation(0.5));
    let own = own.output(4, custom::activation(1.5)).build().expect("a network");
    let wide = Network::builder(150).hidden(&[24, 24], Activation::Tanh);
    let wide = wide.output(100, Activation::Identity).build().expect("a network");
    let cases = [
        (&dropping, Loss::SoftmaxCrossEntropy, weighted.clone()),
        (&dropping, Loss::MeanSquaredError, weighted),
        (&waves, Loss::MeanSquaredError, picture()),
        (&grid, Loss::MeanSquaredError, picture()),
        (&frozen, Loss::L1, pixel_weights),
        (&own, custom::loss(0.5), table(3, 4)),
        (&wide, Loss::MeanSquaredError, table(150, 100)),
    ];
    for gpu in splitting() {
        for (case, (network, loss, dataset)) in cases.iter().enumerate() {
            let all = gpu_candidates(&gpu, network, dataset.len() - 13);
            let (losses, expected) = learned(&gpu, network, *loss, dataset, all[0]);
            assert!(!all[0].step.split, "split sums are not taken unmeasured");
            let split: Vec<&Shapes> = all.iter().filter(|shapes| shapes.step.split).collect();
            assert!(split.len() >= 2, "case {case} on {}", gpu.info);
            let shapes = *split[case % split.len()];
            let (got_losses, got) = learned(&gpu, network, *loss, dataset, shapes);
            let what = format!("case {case} on {} as {shapes:?}", gpu.info);
            for (got, expected) in got_losses.iter().zip(&losses) {
                assert!(
                    (got - expected).abs() <= 1e-5 * expected.abs(),
                    "{what}: {got}, {expected}"
                );
            }
            // Adam moves each parameter by as much as the learning rate, whatever its gradient's size.
            let moved = |place: usize| (network.parameters()[place] - expected[place]).abs();
            let far = (0..got.len()).filter(|place| {
                (got[*place] - expected[*place]).abs() > 0.01 * moved(*place) + 1e-7
            });
            let far = far.count();
            assert!(far * 100 <= got.len(), "{what}: {far} of {} parameters differ", got.len());
            assert!((0..got.len()).any(|place| moved(place) > 1e-3), "{what}: nothing moved");
        }
    }
}

#[test]
fn split_sums_in_another_order_of_lanes_are_noticed() {
    let (network, plan, dataset) = task(&[20, 20], SAMPLES);
    for gpu in splitting() {
        let all = gpu_candidates(&gpu, &network, SAMPLES);
        let split: Vec<Shapes> = all.iter().copied().filter(|shapes| shapes.step.split).collect();
        let tried = [&all[..1], &split].concat();
        let search = || {
            pollster::block_on(async {
                let samples = Stored::upload(&gpu, &dataset, true).await?;
                let source = Source::of(&gpu, &samples).await?;
                let trial = Trial {
                    network: &network,
                    loss: plan.loss,
                    batch: SAMPLES,
                    source: &source,
                    packed: false,
                };
                let stage = Stage::new(&gpu, &trial, &tried).await?;
                let first = stage.prepare(tried[0]).await?;
                let mut alike = Vec::new();
                for shapes in &tried[1..] {
                    alike.push(agree(&stage.prepare(*shapes).await?, &first).await?);
                }
                Ok::<_, Error>((alike, in_turns(&gpu, &tried, &trial, LONG).await?))
            })
            .expect("shapes")
        };
        let (alike, _) = search();
        assert_eq!(alike, vec![true; split.len()], "{}", gpu.info);
        assert_eq!(gpu.notes(), [""; 0]);
        // Lanes that do not neighbor each other in the order of invocations exchange something else.
        *gpu.kernels.lock().expect("unlocked") = Recent::new(MOST_KERNELS);
        let swapped = |text: &str| text.replace(", 2u);\n", ", 1u);\n");
        *gpu.rewrites.lock().expect("unlocked") = Some(Box::new(swapped));
        let (alike, best) = search();
        *gpu.rewrites.lock().expect("unlocked") = None;
        assert_eq!(alike, vec![false; split.len()], "{}", gpu.info);
        assert_eq!(best, all[0]);
        let notes = gpu.notes();
        assert_eq!(notes.len(), split.len(), "{notes:?}");
        assert!(notes.iter().all(|note| note.contains("a different gradient")), "{notes:?}");
    }
}
