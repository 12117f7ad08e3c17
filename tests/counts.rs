//! The dispatches, submissions, uploads, read-backs and memory of a training run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use impasto::gpu::{Counts, GpuEngine, Kernels};
use impasto::input_encoding::InputEncoding;
use impasto::{
    Activation, Backend, Compute, Dataset, Encoding, Engine, Network, Optimizer, Plan, Resources,
    Step, Trainer, Wanted,
};

/// Dispatches of a step by the fused kernels.
const FUSED: u64 = 3;

/// Pixels, each a sample.
fn picture(width: usize, height: usize) -> Dataset {
    let bytes = (0..width * height * 3).map(|i| (i * 31 % 256) as u8);
    Dataset::from_pixels(width, height, bytes, 3, true).unwrap()
}

fn network(depth: usize, width: usize) -> Network {
    let hidden = vec![width; depth];
    let builder = Network::builder(2).hidden(&hidden, Activation::Relu);
    builder.output(3, Activation::Identity).build().unwrap()
}

fn plan(dataset: &Dataset, batch_size: usize) -> Plan {
    Trainer { batch_size, ..Trainer::default() }.plan(dataset)
}

/// All steps of an epoch.
fn epoch(samples: usize, batch: usize, epoch: u64) -> Vec<Step> {
    let per_epoch = samples.div_ceil(batch) as u64;
    let step = |first: usize| Step {
        number: (epoch - 1) * per_epoch + (first / batch) as u64 + 1,
        epoch,
        first,
        count: batch.min(samples - first),
        learning_rate: 1e-3,
    };
    (0..samples).step_by(batch).map(step).collect()
}

/// What `work` asks of the device.
fn asked(engine: &GpuEngine, work: impl FnOnce()) -> Counts {
    let before = engine.counts();
    work();
    let after = engine.counts();
    Counts {
        dispatches: after.dispatches - before.dispatches,
        submissions: after.submissions - before.submissions,
        uploads: after.uploads - before.uploads,
        readbacks: after.readbacks - before.readbacks,
    }
}

/// What a second epoch asks for that is given to a session at once.
fn asked_for_an_epoch(
    engine: &GpuEngine,
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
) -> Counts {
    let mut session = pollster::block_on(engine.start(network, plan, dataset)).unwrap();
    let mut train = |number| {
        let steps = epoch(dataset.len(), plan.batch_size, number);
        let outcome = pollster::block_on(session.train(&steps).unwrap()).unwrap();
        assert_eq!((outcome.losses.len(), outcome.diverged), (steps.len(), None));
    };
    train(1);
    asked(engine, || train(2))
}

#[test]
fn an_epoch_is_one_submission_of_three_dispatches_a_step() {
    let pixels = picture(30, 20);
    let (inputs, targets) = pixels.rows(0..600);
    let table = Dataset::new(inputs, targets, 2, 3).unwrap();
    let encoded = Network::builder(2)
        .encoding(Encoding::Frequency { octaves: 3 })
        .hidden(&[20, 9], Activation::Tanh)
        .output(3, Activation::Softmax)
        .build()
        .unwrap();
    for adapter in common::adapters() {
        let engine = common::open(&adapter).with_kernels(Kernels::Fused);
        for batch in [1, 64, 200, 600] {
            let steps = 600_usize.div_ceil(batch) as u64;
            let of_an_epoch =
                Counts { dispatches: FUSED * steps, submissions: 1, uploads: 1, readbacks: 1 };
            for (network, dataset) in [(&network(4, 24), &pixels), (&encoded, &table)] {
                let mut plan = plan(dataset, batch);
                for optimizer in [Optimizer::ADAM, Optimizer::SGD] {
                    plan.optimizer = optimizer;
                    let counts = asked_for_an_epoch(&engine, network, &plan, dataset);
                    assert_eq!(counts, of_an_epoch, "batch {batch} on {}", engine.device());
                }
            }
        }
    }
}

#[test]
fn encodings_with_kernels_of_their_own_take_no_submission_more() {
    const COMBINED: &str = r#"{"composite":{"reduction":"product","parts":[
        {"encoding":{"grid":{"kind":"hash","levels":2,"features":2,"log2_size":6,"base_resolution":4,
            "level_scale":2.0,"interpolation":"linear"}}},
        {"encoding":{"triangle-wave":{"octaves":2}}}]}}"#;
    let dataset = picture(30, 20);
    // One that encodes, and before the update of a grid: the product that takes the deltas to it, the largest of them,
    // the sums of whole numbers, and what makes a gradient of these. Combining takes one forward and one back.
    let (encode, grid) = (1, 4);
    for (encoding, dispatches) in [
        ("one-blob:bins=5", FUSED + encode),
        ("grid:levels=3,log2_size=8", FUSED + encode + grid),
        ("identity+grid:levels=3,log2_size=8", FUSED + encode + grid),
        (COMBINED, FUSED + encode + grid + 2),
    ] {
        let encoding = encoding.parse::<InputEncoding>().unwrap();
        let network = Network::builder(2).encoding(encoding.clone()).hidden(&[9], Activation::Relu);
        let network = network.output(3, Activation::Identity).build().unwrap();
        let forward = if encoding.to_string().starts_with('{') { 3 } else { 2 };
        for adapter in common::adapters() {
            let engine = common::open(&adapter).with_kernels(Kernels::Fused);
            let counts = asked_for_an_epoch(&engine, &network, &plan(&dataset, 200), &dataset);
            let dispatches = 3 * dispatches;
            let expected = Counts { dispatches, submissions: 1, uploads: 1, readbacks: 1 };
            assert_eq!(counts, expected, "{encoding} on {}", engine.device());
            let handle = Engine::from(&engine);
            let predict = || drop(handle.predict(&network, &[0.5; 20]).unwrap());
            assert_eq!(asked(&engine, predict).dispatches, forward, "{encoding}");
        }
    }
}

#[test]
fn an_epoch_layer_by_layer_is_one_submission_too() {
    let dataset = picture(30, 20);
    let network = network(4, 24);
    // A batch gathered, five layers of a product, a bias and (but the last) an activation, the loss and
    // its sum, back with two products (but the first layer one), biases and activations, the update.
    let most = 1 + (4 * 3 + 2) + 2 + (4 * 4 + 2) + 1;
    for adapter in common::adapters() {
        let engine = common::open(&adapter).with_kernels(Kernels::Layerwise);
        for batch in [7, 600] {
            let counts = asked_for_an_epoch(&engine, &network, &plan(&dataset, batch), &dataset);
            let steps = 600_usize.div_ceil(batch) as u64;
            assert!(counts.dispatches <= most * steps, "{counts:?}, batch {batch}");
            assert_eq!((counts.submissions, counts.uploads, counts.readbacks), (1, 1, 1));
        }
    }
}

#[test]
fn a_trainer_uploads_and_reads_back_once_a_submission() {
    const EPOCHS: u64 = 6;
    let dataset = picture(60, 50);
    for engine in common::gpu_engines() {
        let trainer = |epochs| Trainer { epochs, batch_size: 100, ..Trainer::default() };
        let run = |epochs: u64| {
            asked(&engine, || {
                let mut network = network(2, 16);
                let summary =
                    trainer(epochs as usize).fit(&engine, &mut network, &dataset).unwrap();
                assert_eq!(summary.steps, epochs * 30);
            })
        };
        // What comes once a run: loading, and reading the parameters at the end.
        let once = asked(&engine, || {
            let plan = plan(&dataset, 100);
            let network = network(2, 16);
            let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
            pollster::block_on(session.parameters()).unwrap();
        });
        let all = run(EPOCHS);
        let of_the_steps = Counts {
            dispatches: all.dispatches - once.dispatches,
            submissions: all.submissions - once.submissions,
            uploads: all.uploads - once.uploads,
            readbacks: all.readbacks - once.readbacks,
        };
        let what = format!("{of_the_steps:?} on {}", engine.device());
        assert!(of_the_steps.submissions <= EPOCHS * 30, "{what}");
        assert!(of_the_steps.uploads <= of_the_steps.submissions, "{what}");
        assert!(of_the_steps.readbacks <= of_the_steps.submissions, "{what}");
        assert_eq!(of_the_steps.dispatches % (EPOCHS * 30), 0, "{what}");
    }
}

#[test]
fn a_prediction_is_one_dispatch() {
    let network = network(4, 24);
    for adapter in common::adapters() {
        let engine = common::open(&adapter).with_kernels(Kernels::Fused);
        for samples in [1, 200, 8_192] {
            let inputs = vec![0.5; 2 * samples];
            let handle = Engine::from(&engine);
            let counts = asked(&engine, || {
                assert_eq!(handle.predict(&network, &inputs).unwrap().len(), 3 * samples);
            });
            let Counts { dispatches, submissions, readbacks, .. } = counts;
            assert_eq!((dispatches, submissions, readbacks), (1, 1, 1), "{samples} samples");
        }
    }
}

#[test]
fn a_second_backward_pass_is_one_submission() {
    let network = network(4, 24);
    let (inputs, slopes) = (vec![0.5; 2 * 200], vec![0.1; 3 * 200]);
    for adapter in common::adapters() {
        // Five layers of a product, a bias and (but the last) an activation; back with three, and (but the
        // first) an activation.
        let layers = (5 * 3 - 1) + (5 * 4 - 1);
        for (kernels, of_parameters) in [
            // The slices of the gradient are added up, where a step updates.
            (Kernels::Fused, FUSED),
            // Without the product that the gradient of the inputs takes.
            (Kernels::Layerwise, layers - 1),
        ] {
            let engine = common::open(&adapter).with_kernels(kernels);
            let handle = Engine::from(&engine);
            let all = || drop(handle.backward(&network, &inputs, &slopes).unwrap());
            let parameters =
                || drop(handle.parameter_gradient(&network, &inputs, &slopes).unwrap());
            all();
            parameters();
            // Parameters, inputs and their slopes go up.
            let expected =
                |dispatches| Counts { dispatches, submissions: 1, uploads: 3, readbacks: 1 };
            assert_eq!(asked(&engine, all), expected(layers), "{}", engine.device());
            let counts = asked(&engine, parameters);
            assert_eq!(counts, expected(of_parameters), "{}", engine.device());
        }
    }
}

#[test]
fn a_backward_pass_of_a_session_uploads_no_parameters() {
    let dataset = picture(30, 20);
    let network = network(4, 24);
    let (inputs, slopes) = (vec![0.5; 2 * 200], vec![0.1; 3 * 200]);
    for engine in common::gpu_engines() {
        let plan = plan(&dataset, 100);
        let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let mut call = || {
            let gradients = session.backward(&inputs, &slopes, Wanted::Parameters);
            pollster::block_on(gradients).unwrap();
        };
        call();
        let Counts { submissions, uploads, readbacks, .. } = asked(&engine, call);
        assert_eq!((submissions, uploads, readbacks), (1, 2, 1), "{}", engine.device());
    }
}

#[test]
fn frozen_layers_take_no_dispatch_back() {
    let dataset = picture(30, 20);
    for adapter in common::adapters() {
        let engine = common::open(&adapter).with_kernels(Kernels::Layerwise);
        let dispatches = |frozen: &[usize]| {
            let mut network = network(4, 24);
            for layer in frozen {
                network.freeze(*layer..layer + 1).unwrap();
            }
            let counts = asked_for_an_epoch(&engine, &network, &plan(&dataset, 600), &dataset);
            counts.dispatches
        };
        let all = dispatches(&[]);
        // The gradients of weights and of biases.
        assert_eq!(dispatches(&[2]), all - 2);
        // Those of two layers, and a product and an activation on the way to each of them but the first.
        assert_eq!(dispatches(&[0, 1]), all - 2 * 2 - 2 * 2);
        assert_eq!(dispatches(&[0, 1, 2, 3]), all - 4 * 2 - 4 * 2);
    }
}

#[test]
fn a_further_part_of_a_prediction_is_one_upload_and_one_submission() {
    let network = network(2, 16);
    for adapter in common::adapters() {
        // 8,192 samples a part; and a small device, where a part has 256.
        let fused = common::open(&adapter).with_kernels(Kernels::Fused);
        let layerwise = common::open(&adapter).with_kernels(Kernels::Layerwise);
        for (engine, rows) in [(fused, 8_192), (layerwise.with_largest_buffer(1 << 14), 256)] {
            let predict = |parts: usize| {
                let inputs = vec![0.5; 2 * (parts * rows + 1)];
                let handle = Engine::from(&engine);
                asked(&engine, || drop(handle.predict(&network, &inputs).unwrap()))
            };
            let (few, many) = (predict(2), predict(5));
            let what = format!("{few:?}, then {many:?} on {}", engine.device());
            assert_eq!((many.submissions - few.submissions, few.submissions), (3, 3), "{what}");
            assert_eq!(many.readbacks - few.readbacks, 3, "{what}");
            // The kernels and all they bind are made once a call.
            assert_eq!(many.uploads - few.uploads, 3, "{what}");
        }
    }
}

/// The memory of a run.
fn resources(engine: &Engine, network: &Network, plan: &Plan, dataset: &Dataset) -> Resources {
    let session = pollster::block_on(engine.start(network, plan, dataset)).unwrap();
    session.resources()
}

#[test]
fn a_pixel_takes_four_bytes_of_the_device() {
    let (small, large) = (picture(100, 100), picture(1_000, 1_000));
    let network = network(4, 24);
    for engine in common::gpu_engines() {
        let bytes = |dataset: &Dataset, batch| {
            let engine = Engine::from(&engine);
            resources(&engine, &network, &plan(dataset, batch), dataset).total()
        };
        let (of_small, of_large) = (bytes(&small, 1_000), bytes(&large, 1_000));
        let what = engine.device();
        assert_eq!(of_large - of_small, 4 * (1_000 * 1_000 - 100 * 100), "{what}");
        // Pixels; parameters, those before the last step, two of the optimizer, a gradient.
        let least = 4 * (10_000 + 5 * network.parameters().len() as u64);
        assert!(of_small > least && of_small < 64 << 20, "{of_small} bytes on {what}");
        // What goes through the network grows with the batch.
        assert!(bytes(&small, 2_000) > of_small + 4 * 1_000 * 4 * 24, "{what}");
    }
}

#[test]
fn a_session_reports_its_memory_by_kind() {
    let dataset = picture(10, 10);
    let (network, plan) = (network(1, 8), plan(&dataset, 10));
    let parameters = 4 * network.parameters().len() as u64;
    for engine in common::engines() {
        let mut session = pollster::block_on(engine.start(&network, &plan, &dataset)).unwrap();
        let held = session.resources();
        let what = format!("{held:?} on {}", engine.device());
        // Those who compute in the host's memory read the dataset's own samples.
        let samples = if engine.device().backend == Backend::Gpu { 4 * 100 } else { 0 };
        assert_eq!(held.samples, samples, "{what}");
        // Adam's two vectors. Rows may be padded.
        assert!(held.parameters >= parameters && held.state >= 2 * parameters, "{what}");
        assert!(held.workspace > 0 && held.kept == 0, "{what}");
        pollster::block_on(session.keep(0)).unwrap();
        assert!(session.resources().kept >= 3 * parameters, "{what}");
        assert!(session.resources().total() > held.total(), "{what}");
    }
}
