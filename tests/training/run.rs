//! The runs that are compared with the reference, and their tolerances.

use impasto::reference::{self, ReferenceEngine, forward};
use impasto::{Activation, Dataset, Engine, Loss, Network, Optimizer, Summary, Trainer, evaluate};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

pub use crate::common::accuracy::{EPSILON as F32, FEW};

/// How far parameters, outputs and losses may be from the reference's after `steps` steps.
///
/// A sum of n terms is off by at most n·ε of their sizes, and there is one for each layer (fan-in
/// terms forward, fan-out terms back, batch terms for the gradient), so a gradient is off by at
/// most layers·n·ε for values near 1; [`steepness`] times that where slopes are above 1. Each step adds
/// rate times that. All runs here have a rate
/// that is at most 1 in effect (see [`Run`]), which also keeps them away from chaos, where what is
/// off grows from step to step. The encoding's angles are off by ε of themselves, which shifts
/// what the first layer is given by as much. All is relative to the largest number compared.
pub fn tolerance(network: &Network, batch: usize, steps: usize) -> f64 {
    let widths = network.widths();
    let terms = widths.iter().copied().max().unwrap_or(1).max(batch);
    let units = terms as f64 + FEW + largest_angle(network);
    F32 * (steps.max(1) * network.layers().len()) as f64 * units
}

/// What the layers' slopes multiply an error by at most: the product of the largest of each layer, of
/// those above 1.
pub fn steepness(network: &Network, inputs: &[f64]) -> f64 {
    let trace = forward(network, inputs);
    let largest = |slopes: &Vec<f64>| slopes.iter().fold(1.0_f64, |m, slope| m.max(slope.abs()));
    trace.slopes.iter().map(largest).product()
}

/// The largest angle, in radians, that the encoding takes the sine of, for inputs in [-1, 1].
fn largest_angle(network: &Network) -> f64 {
    let frequencies = network.encoding().frequencies(network.inputs()).unwrap_or_default();
    let turns = frequencies
        .chunks(network.inputs())
        .map(|row| row.iter().map(|f| f64::from(f.abs())).sum())
        .fold(0.0, f64::max);
    std::f64::consts::TAU * turns
}

/// Asserts that all differ by at most `tolerance` of the largest number expected, or of 1.
pub fn assert_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (got - expected).abs();
        assert!(off <= tolerance * size, "{what}, {i}: {got}, not {expected} ± {tolerance:e}");
    }
}

/// The component with another value of a parameter, or as it is where it has none of that name.
fn with<T: Copy + std::str::FromStr>(component: T, name: &str, setting: &str) -> T {
    format!("{name}:{setting}").parse().unwrap_or(component)
}

/// Every loss with an output activation that fits it, and some with others. What is added to a
/// denominator is 1, so that no gradient is much above 1.
pub fn ends() -> Vec<(Loss, Activation)> {
    let fitting = |loss: Loss| loss.folded_activation().unwrap_or(Activation::Identity);
    let mild = |loss: &Loss| with(*loss, loss.name(), "epsilon=1");
    let mut ends: Vec<_> = Loss::ALL.iter().map(|loss| (mild(loss), fitting(*loss))).collect();
    ends.extend([
        (Loss::MeanSquaredError, Activation::Sigmoid),
        (Loss::MeanSquaredError, Activation::Softmax),
        (Loss::BinaryCrossEntropy, Activation::Identity),
        (Loss::SquaredErrorSum, Activation::Softmax),
        (Loss::MeanSquaredError, Activation::Silu),
        (Loss::MeanSquaredError, Activation::Exponential),
        (Loss::Poisson { log_input: false }, Activation::Softplus { beta: 1.0 }),
    ]);
    ends
}

/// The activations a hidden layer can be trained with; waves with a frequency that leaves slopes near 1.
pub fn hidden_activations() -> Vec<Activation> {
    let unfit = [Activation::Softmax, Activation::Step];
    let fit = Activation::ALL.iter().copied().filter(|a| !unfit.contains(a));
    fit.map(|activation| with(activation, activation.name(), "omega=1")).collect()
}

/// Every optimizer, and SGD with momentum.
pub fn optimizers() -> Vec<Optimizer> {
    let momentum = [false, true].map(|nesterov| Optimizer::Sgd { momentum: 0.9, nesterov });
    Optimizer::ALL.iter().copied().chain(momentum).collect()
}

/// Whether a loss's gradient leaps where the output is the target, as that of the absolute error does.
fn takes_signs(loss: Loss) -> bool {
    let slope = |off: f64| {
        let (y, t) = ([0.5 + off, 0.25, 0.25], [0.5, 0.25, 0.25]);
        let mut delta = [0.0; 3];
        reference::loss(loss, &y, &t, 3, &[1.0], &mut [0.0], &mut delta);
        delta[0]
    };
    slope(1e-9) - slope(-1e-9) > 0.01
}

/// A training run: what to train, on what, how.
pub struct Run {
    pub network: Network,
    pub dataset: Dataset,
    pub trainer: Trainer,
}

impl Run {
    /// A rate of 0.1 for mean losses. A sum over the batch has gradients that are larger by what a
    /// mean divides by, and momentum adds up ten of them: so the rate is divided by these. Optimizers
    /// that divide a gradient by its size have an epsilon that is no less than their rate: without
    /// that, rounding errors of gradients near 0 would decide where they go. Where signs of gradients
    /// or of errors decide that, a few steps are compared, since with every step it becomes likelier that
    /// one of them is as near 0 as a rounding error.
    pub fn new(network: Network, dataset: Dataset, loss: Loss, optimizer: Optimizer) -> Self {
        let batch_size = 8;
        let sum = (batch_size * network.outputs()) as f64;
        let rate = if loss == Loss::SquaredErrorSum { 0.1 / sum } else { 0.1 };
        let (learning_rate, optimizer) = match optimizer {
            Optimizer::Sgd { momentum, .. } => (rate * (1.0 - momentum), optimizer),
            other => (0.01, with(other, other.name(), "epsilon=0.01")),
        };
        let takes_signs = optimizer.name() == "lion" || takes_signs(loss);
        let trainer = Trainer {
            epochs: if takes_signs { 2 } else { 17 },
            batch_size,
            learning_rate,
            loss,
            optimizer,
            seed: 3,
            ..Trainer::default()
        };
        Self { network, dataset, trainer }
    }

    pub fn train(&self, engine: &Engine) -> (Network, Summary) {
        let mut network = self.network.clone();
        let summary = self
            .trainer
            .fit(engine, &mut network, &self.dataset)
            .unwrap_or_else(|error| panic!("{} on {}: {error}", self.name(), engine.device()));
        (network, summary)
    }

    pub fn name(&self) -> String {
        let layers: Vec<String> = self
            .network
            .layers()
            .iter()
            .map(|layer| format!("{} {}", layer.fan_out, layer.activation))
            .collect();
        format!("{layers:?}, {:?}, {:?}", self.trainer.loss, self.trainer.optimizer)
    }

    pub fn inputs(&self) -> Vec<f64> {
        self.dataset.rows(0..self.dataset.len()).0.into_iter().map(f64::from).collect()
    }

    pub fn steps(&self) -> usize {
        self.trainer.epochs * self.dataset.len().div_ceil(self.trainer.batch_size)
    }

    /// The loss of a network on all samples, by the reference.
    pub fn loss_of(&self, network: &Network) -> f64 {
        let reference = Engine::from(ReferenceEngine::new());
        evaluate(&reference, network, self.trainer.loss, &self.dataset).unwrap()
    }

    /// Trains on the reference and on each engine, and compares parameters, history, outputs,
    /// logits and the loss on all samples. Gives how many tolerances training moved some parameter:
    /// a comparison of what hardly moves says little.
    pub fn compare(&self, engines: &[Engine]) -> f64 {
        let batch = self.trainer.batch_size.min(self.dataset.len());
        let steepness = steepness(&self.network, &self.inputs());
        let tolerance = tolerance(&self.network, batch, self.steps()) * steepness;
        let reference = Engine::from(ReferenceEngine::new());
        let (expected, summary) = self.train(&reference);
        let losses: Vec<f64> = summary.history.iter().map(|epoch| epoch.loss).collect();
        let learned = expected.parameters().iter().zip(self.network.parameters());
        let moved = learned.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let loss_of = |engine: &Engine, network: &Network| {
            evaluate(engine, network, self.trainer.loss, &self.dataset).unwrap()
        };
        for engine in engines {
            let what = format!("{} on {}", self.name(), engine.device());
            let (network, summary) = self.train(engine);
            let got: Vec<f64> = summary.history.iter().map(|epoch| epoch.loss).collect();
            assert_eq!(summary.steps, self.steps() as u64, "{what}");
            assert_near(&what, &got, &losses, tolerance);
            assert_near(&what, network.parameters(), expected.parameters(), tolerance);
            // The same network on both, so that only the forward pass counts.
            let inputs = self.inputs();
            for (got, expected) in [
                (engine.predict_f64(&expected, &inputs), reference.predict_f64(&expected, &inputs)),
                (engine.logits_f64(&expected, &inputs), reference.logits_f64(&expected, &inputs)),
            ] {
                assert_near(&what, &got.unwrap(), &expected.unwrap(), tolerance);
            }
            let got = loss_of(engine, &expected);
            assert_near(&what, &[got], &[loss_of(&reference, &expected)], tolerance);
        }
        moved / tolerance
    }
}

pub fn random(random: &mut ChaCha8Rng, count: usize, low: f32) -> Vec<f32> {
    (0..count).map(|_| low + (1.0 - low) * random.random::<f32>()).collect()
}

/// Inputs in [-1, 1), and targets that are probabilities, which suit every loss.
pub fn samples(count: usize, inputs: usize, targets: usize, seed: u64) -> Dataset {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let values = random(&mut generator, count * inputs, -1.0);
    let mut probabilities = random(&mut generator, count * targets, 0.0);
    for row in probabilities.chunks_mut(targets) {
        // One alone need not be 1.
        let sum: f32 = row.iter().sum::<f32>() + if targets == 1 { 1.0 } else { 0.0 };
        for p in row {
            *p /= sum;
        }
    }
    Dataset::new(values, probabilities, inputs, targets).unwrap()
}

/// The least distance of a sum before a ReLU from 0, over all samples, and of an output from its target
/// where the sign of the difference counts. Nearer than rounding errors, engines may be on different
/// sides, and then they rightly differ.
pub fn nearest_kink(run: &Run, network: &Network) -> f64 {
    let trace = forward(network, &run.inputs());
    let mut nearest = f64::INFINITY;
    if takes_signs(run.trainer.loss) {
        let targets = run.dataset.rows(0..run.dataset.len()).1;
        let outputs = &trace.values[network.layers().len()];
        let errors = outputs.iter().zip(targets).map(|(y, t)| (y - f64::from(t)).abs());
        nearest = errors.fold(nearest, f64::min);
    }
    for (l, layer) in network.layers().iter().enumerate() {
        if !matches!(layer.activation, Activation::Relu | Activation::LeakyRelu { .. }) {
            continue;
        }
        let (weights, biases) = (network.weights(l), network.biases(l));
        for row in trace.values[l].chunks(layer.fan_in) {
            for (column, bias) in biases.iter().enumerate() {
                let terms = row.iter().zip(weights.iter().skip(column).step_by(layer.fan_out));
                let sum: f64 = terms.map(|(x, w)| x * w).sum();
                nearest = nearest.min((sum + bias).abs());
            }
        }
    }
    nearest
}
