//! Runs of the CPU engine on different numbers of threads, which give the same bits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use impasto::cpu::CpuEngine;
use impasto::{
    Accumulate, Activation, ClipNorm, Dataset, Ema, Encoding, Engine, Gradients, Metric, Network,
    Optimizer, Trainer, Training, TrainingState, Wanted, Wrappers,
};
use pollster::block_on;

/// More than any batch here has groups, and numbers that do not divide them.
const THREADS: [usize; 5] = [2, 3, 5, 8, 11];

/// The numbers of a smooth surface.
fn surface(samples: usize) -> (Vec<f32>, Vec<f32>) {
    let number = |i: usize| (i * 7919 % 1009) as f32 / 1009.0 - 0.5;
    let inputs: Vec<f32> = (0..2 * samples).map(number).collect();
    let targets = inputs.chunks_exact(2).flat_map(|x| [(3.0 * x[0]).sin() * x[1], x[0] * x[1]]);
    let targets = targets.collect();
    (inputs, targets)
}

fn samples(count: usize) -> Dataset {
    let (inputs, targets) = surface(count);
    Dataset::new(inputs, targets, 2, 2).unwrap()
}

/// So large that a batch of some hundred samples is worth many threads.
fn network(hidden: &[usize], dropout: f64) -> Network {
    let builder = Network::builder(2).hidden(hidden, Activation::Tanh).dropout(dropout);
    builder.output(2, Activation::Identity).seed(3).build().unwrap()
}

fn engine(threads: usize) -> Engine {
    CpuEngine::new(Some(threads)).unwrap().into()
}

fn trainer(batch_size: usize) -> Trainer {
    Trainer { epochs: 2, batch_size, learning_rate: 1e-3, seed: 5, ..Trainer::default() }
}

fn bits(numbers: impl IntoIterator<Item = f64>) -> Vec<u64> {
    numbers.into_iter().map(f64::to_bits).collect()
}

/// The bits of everything that a run reports and learns.
fn run(threads: usize, trainer: &Trainer, network: &Network, data: &Dataset) -> Vec<u64> {
    let mut training = trainer.begin(engine(threads), network, data).unwrap();
    training.run().unwrap();
    let summary = training.summary();
    let losses: Vec<f64> = summary.history.iter().map(|epoch| epoch.loss).collect();
    let validation: Vec<f64> = summary.history.iter().filter_map(|e| e.validation_loss).collect();
    let state = bits(training.parameters().unwrap());
    let loss = training.evaluate(data).unwrap();
    let (inputs, _) = surface(333);
    let outputs = training.predict(&inputs).unwrap().into_iter().map(f64::from);
    [bits(losses), bits(validation), state, bits([loss]), bits(outputs)].concat()
}

fn check(what: &str, trainer: &Trainer, network: &Network, data: &Dataset) {
    let expected = run(1, trainer, network, data);
    for threads in THREADS {
        let got = run(threads, trainer, network, data);
        assert!(got == expected, "{what}: {threads} threads give other bits than one");
    }
}

#[test]
fn batches_of_all_sizes_give_the_same_bits() {
    // The last batch is smaller, some so small that they are worth one thread only.
    let network = network(&[100, 70, 100], 0.1);
    for (count, batch_size) in [(403, 200), (97, 33), (130, 129), (61, 61), (1_501, 1_200), (40, 9)]
    {
        let what = format!("{count} samples in batches of {batch_size}");
        check(&what, &trainer(batch_size), &network, &samples(count));
    }
}

#[test]
fn batches_of_many_groups_give_the_same_bits() {
    let network = network(&[40, 33, 40], 0.0);
    let trainer = Trainer { epochs: 1, ..trainer(7_000) };
    check("many groups", &trainer, &network, &samples(9_999));
    // So many slices of a group that they are added up in two chains: the network is worth one group.
    let trainer = Trainer { epochs: 1, ..trainer };
    let tiny = self::network(&[3], 0.0);
    let trainer = Trainer { batch_size: 19_000, ..trainer };
    check("one group of many slices", &trainer, &tiny, &samples(20_000));
    // The last batch is not worth two threads, and so one group, where the others are two.
    let trainer = Trainer { batch_size: 13_000, ..trainer };
    check("a last batch of one group", &trainer, &self::network(&[12], 0.0), &samples(25_800));
}

#[test]
fn wide_layers_give_the_same_bits() {
    // Depths of several panels, and layers that several threads update.
    let network = network(&[300, 401], 0.0);
    check("wide layers", &trainer(150), &network, &samples(303));
}

#[test]
fn wrappers_and_weights_give_the_same_bits() {
    let whole = network(&[100, 90], 0.0);
    let mut frozen = network(&[100, 90, 80], 0.0);
    frozen.freeze(0..2).unwrap();
    let data = samples(450);
    let weights: Vec<f64> = (0..450).map(|i| f64::from(i % 5) / 2.0).collect();
    let weighted = samples(450).with_weights(&weights).unwrap();
    let clip = Wrappers { clip_norm: Some(ClipNorm { limit: 1e-3 }), ..Wrappers::default() };
    let gather = Wrappers {
        accumulate: Some(Accumulate { batches: 2 }),
        ema: Some(Ema { decay: 0.9, bias_correction: true }),
        ..clip
    };
    let novograd = Optimizer::from_name("novograd").unwrap();
    let base = trainer(199);
    for (what, trainer, network, data) in [
        ("clipping", Trainer { wrappers: clip, ..base.clone() }, &whole, &data),
        ("accumulation", Trainer { wrappers: gather, ..base.clone() }, &whole, &data),
        ("novograd", Trainer { optimizer: novograd, ..base.clone() }, &whole, &data),
        (
            "clipped novograd",
            { Trainer { optimizer: novograd, wrappers: clip, l2: 0.01, ..base.clone() } },
            &frozen,
            &data,
        ),
        ("frozen layers", base.clone(), &frozen, &data),
        ("weights", base.clone(), &whole, &weighted),
        (
            "validation",
            {
                let metrics = vec![Metric::R2, Metric::Psnr];
                Trainer { validation_fraction: Some(0.3), metrics, ..base.clone() }
            },
            &whole,
            &data,
        ),
    ] {
        check(what, &trainer, network, data);
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_threads() {
    let (network, data) = (network(&[100, 70, 100], 0.1), samples(450));
    let trainer = Trainer { epochs: 4, optimizer: Optimizer::ADAM, ..trainer(200) };
    let mut whole = trainer.begin(engine(2), &network, &data).unwrap();
    whole.run().unwrap();
    let expected = bits(whole.parameters().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for (first, second) in [(1, 2), (2, 3), (5, 1), (8, 5)] {
        let mut begun = trainer.begin(engine(first), &network, &data).unwrap();
        begun.step(5).unwrap();
        begun.state().unwrap().save(&path).unwrap();
        let state = TrainingState::load(&path).unwrap();
        let mut resumed = Training::resume(engine(second), &data, &state).unwrap();
        resumed.run().unwrap();
        let got = bits(resumed.parameters().unwrap());
        assert!(got == expected, "{first} threads, then {second}");
    }
}

/// The bits of the gradients of parameters and of inputs.
fn gradient_bits(gradients: &Gradients) -> (Vec<u64>, Vec<u32>) {
    let inputs = gradients.inputs.iter().map(|number| number.to_bits());
    (bits(gradients.parameters.iter().copied()), inputs.collect())
}

#[test]
fn gradients_give_the_same_bits() {
    let encoding = Encoding::from_name("frequency:octaves=6").unwrap();
    let encoded = Network::builder(2).encoding(encoding);
    let encoded = encoded.hidden(&[90, 70], Activation::Gelu).output(2, Activation::Identity);
    let mut frozen = network(&[100, 90, 80], 0.1);
    frozen.freeze(0..2).unwrap();
    // More shares than one, so many samples that a share has more tiles, and layers that are cut into blocks.
    for (network, counts) in [
        (network(&[100, 70, 100], 0.0), vec![3, 64, 129, 403, 3_001]),
        (network(&[300, 401], 0.0), vec![130, 257]),
        (network(&[3], 0.0), vec![150_000]),
        (encoded.build().unwrap(), vec![65, 400]),
        (frozen, vec![300]),
    ] {
        for count in counts {
            let (inputs, slopes) = surface(count);
            let found = |threads: usize| {
                let engine = engine(threads);
                let both = engine.backward(&network, &inputs, &slopes).unwrap();
                let parameters = engine.parameter_gradient(&network, &inputs, &slopes).unwrap();
                let alone = engine.input_gradient(&network, &inputs, &slopes).unwrap();
                assert!(parameters == both.parameters && alone == both.inputs);
                let data = samples(450);
                let plan = trainer(count.min(200)).plan(&data);
                let mut session = block_on(engine.start(&network, &plan, &data)).unwrap();
                let of_session = [Wanted::Parameters, Wanted::Inputs, Wanted::Both].map(|wanted| {
                    gradient_bits(&block_on(session.backward(&inputs, &slopes, wanted)).unwrap())
                });
                (gradient_bits(&both), of_session)
            };
            let expected = found(1);
            for threads in THREADS {
                let same = found(threads) == expected;
                assert!(same, "{count} samples on {threads} threads");
            }
        }
    }
}

#[test]
fn predictions_give_the_same_bits() {
    let network = network(&[100, 200, 100], 0.0);
    let (inputs, _) = surface(3_001);
    let outputs = |threads: usize| -> Vec<u32> {
        let engine = engine(threads);
        let outputs: Vec<f32> = engine.predict(&network, &inputs).unwrap();
        outputs.into_iter().map(f32::to_bits).collect()
    };
    let expected = outputs(1);
    for threads in THREADS {
        assert!(outputs(threads) == expected, "{threads} threads");
    }
}
