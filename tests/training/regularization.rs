//! Weights of samples, dropout and accumulation: every engine against the reference.

use crate::others;
use crate::run::{Run, hidden_activations, samples};
use impasto::{
    Accumulate, Activation, Dataset, Initialization, Loss, Network, Optimizer, Plan, Step, Trainer,
    Wrappers,
};

/// Weights from 0 to 1.5.
fn weighted(dataset: &Dataset) -> Dataset {
    let weights: Vec<f64> = (0..dataset.len()).map(|i| (i * 7 % 13) as f64 / 8.0).collect();
    dataset.with_weights(&weights).expect("a weight a sample")
}

/// `rates` are those of the two hidden layers.
fn network(inputs: usize, hidden: Activation, rates: [f64; 2]) -> Network {
    let mut builder = Network::builder(inputs).hidden(&[9], hidden).dropout(rates[0]);
    if hidden == Activation::Exponential {
        // So that their sums stay near 0.
        builder = builder.weights(Initialization::Uniform { low: -0.3, high: 0.3 });
    }
    let builder = builder.hidden(&[5], hidden).dropout(rates[1]);
    let biases = Initialization::Uniform { low: -0.3, high: 0.3 };
    let builder = builder.output(3, Activation::Identity).biases(biases);
    builder.seed(5).build().expect("a network")
}

#[test]
fn weights_dropout_and_accumulation_learn_as_on_the_reference() {
    let engines = others();
    let pixels = (0..60_u32).map(|i| (i * 37 % 256) as u8);
    let pixels = Dataset::from_pixels(5, 4, pixels, 3, true).expect("20 pixels");
    let (part, _) = weighted(&samples(26, 2, 3, 2)).split(0.2, 3).expect("5 of 26");
    let datasets = [weighted(&samples(20, 2, 3, 1)), weighted(&pixels), part, pixels];
    for (i, hidden) in hidden_activations().into_iter().enumerate() {
        let rates = [[0.25, 0.5], [0.0, 0.125], [0.5, 0.0]][i % 3];
        let dataset = datasets[i % datasets.len()].clone();
        let loss = Loss::MeanSquaredError;
        let mut run = Run::new(network(2, hidden, rates), dataset, loss, Optimizer::SGD);
        let accumulate = (i % 2 == 1).then_some(Accumulate { batches: 1 + i as u64 % 3 });
        run.trainer.wrappers = Wrappers { accumulate, ..Wrappers::default() };
        run.trainer.seed = i as u64;
        // Outputs that are kept are larger, and with steep slopes errors grow from step to step.
        run.trainer.epochs = 3;
        let moved = run.compare(&engines);
        assert!(moved > 10.0, "{} moved {moved} tolerances", run.name());
    }
}

/// Losses are those of the whole batch, with all weights and masks in their places.
#[test]
fn weights_and_masks_of_large_batches_are_in_their_places() {
    let network = network(2, Activation::Tanh, [0.25, 0.5]);
    let dataset = weighted(&samples(1_003, 2, 3, 4));
    let mut run = Run::new(network, dataset, Loss::L1, Optimizer::SGD);
    (run.trainer.batch_size, run.trainer.epochs) = (501, 2);
    run.compare(&others());
}

#[test]
fn a_weight_counts_as_so_many_samples() {
    let [a, b, c] = [([0.5, -0.25], [1.0]), ([-1.0, 0.75], [0.0]), ([0.25, 0.5], [-1.0])];
    let rows = |samples: &[([f64; 2], [f64; 1])]| {
        let (inputs, targets): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        Dataset::from_rows(&inputs, &targets).expect("samples")
    };
    let repeated = rows(&[a, b, b, b, a, c]);
    let once = rows(&[a, b, c, b, b, b]).with_weights(&[2.0, 3.0, 1.0, 0.0, 0.0, 0.0]);
    let once = once.expect("six weights");
    let network = Network::builder(2).hidden(&[4], Activation::Tanh);
    let network = network.output(1, Activation::Identity).build().expect("a network");
    for engine in crate::engines() {
        let learned = [&repeated, &once].map(|dataset| {
            let run = Run {
                network: network.clone(),
                dataset: dataset.clone(),
                trainer: Trainer { epochs: 20, batch_size: 6, ..Trainer::default() },
            };
            run.train(&engine).0
        });
        let off = learned[0].parameters().iter().zip(learned[1].parameters());
        let off = off.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-5, "{}: {off}", engine.device());
    }
}

/// The masks depend on the seed and the step's number alone, not on what was trained before.
#[test]
fn masks_follow_seed_and_step() {
    let network = network(2, Activation::Tanh, [0.25, 0.5]);
    let dataset = samples(40, 2, 3, 6);
    let loss = |engine: &impasto::Engine, seed: u64, number: u64| {
        let trainer = Trainer { batch_size: 40, shuffle: false, seed, ..Trainer::default() };
        let plan: Plan = trainer.plan(&dataset);
        let step = Step { number, epoch: 1, first: 0, count: 40, learning_rate: 1e-3 };
        let trained = async {
            let mut session = engine.start(&network, &plan, &dataset).await?;
            session.train(&[step])?.await
        };
        pollster::block_on(trained).expect("trains").losses[0]
    };
    for engine in crate::engines() {
        let first = loss(&engine, 1, 1);
        assert_eq!(first, loss(&engine, 1, 1), "{}", engine.device());
        assert!(first != loss(&engine, 2, 1), "{}", engine.device());
        assert!(first != loss(&engine, 1, 7), "{}", engine.device());
    }
}

#[test]
fn a_sample_of_weight_0_does_not_count_whatever_its_loss() {
    let targets = [[0.5], [1e25], [-0.5]];
    let dataset = Dataset::from_rows([[0.0], [0.5], [1.0]], targets).expect("samples");
    let dataset = dataset.with_weights(&[1.0, 0.0, 1.0]).expect("weights");
    let network = Network::builder(1).output(1, Activation::Identity).build().expect("a network");
    for engine in crate::engines() {
        for loss in
            [Loss::MeanSquaredError, Loss::SquaredErrorSum, Loss::RelativeL2 { epsilon: 0.01 }]
        {
            let trainer = Trainer { epochs: 3, batch_size: 3, loss, ..Trainer::default() };
            let run = Run { network: network.clone(), dataset: dataset.clone(), trainer };
            let (_, summary) = run.train(&engine);
            assert!(summary.history[2].loss < 1e3, "{loss} on {}", engine.device());
        }
    }
}
