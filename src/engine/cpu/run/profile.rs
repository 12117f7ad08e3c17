//! The time of each phase of a training step on the CPU.

use super::steps::training;
use super::{Run, takes_whole_groups};
use crate::engine::cpu::grids::TableLevel;
use crate::engine::cpu::phases::{Phase, Times};
use crate::engine::cpu::product::is_fused;
use crate::engine::{KernelTime, Step};
use crate::error::{Result, invalid_data};
use crate::layer::Layer;
use std::time::Duration;
use web_time::Instant;

/// About how long the steps take whose times are taken, after as many to warm up.
const LONG: Duration = Duration::from_millis(200);

/// The fewest and the most of them.
const STEPS: [usize; 2] = [20, 10_000];

/// The most batches of an update of which each counts.
const MOST_BATCHES: u64 = 32;

/// No step is to diverge, whatever the network and its rate.
const LEARNING_RATE: f64 = 0.0;

/// What a phase has to do in a step.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Operations, a product with its addition counted as two.
    operations: usize,
    /// Numbers that are read and written, each once for each slice of the batch.
    numbers: usize,
}

impl Run {
    /// The mean time of each phase over the middle half of some full steps, the fastest and the slowest left
    /// out. A phase has the mean over the threads, so that the phases add up to a step. To be called by one
    /// thread at a time, of a run that is for this alone.
    ///
    /// # Errors
    /// A step that is not finite.
    pub(in super::super) fn profile(&self) -> Result<Vec<KernelTime>> {
        let batches = self.plan.wrappers.accumulate.map_or(1, |accumulate| accumulate.batches);
        let unit = batches.clamp(1, MOST_BATCHES) as usize;
        let steps = |first: usize, count: usize| -> Vec<Step> {
            (first..first + count).map(|number| self.full_step(number)).collect()
        };
        let begun = Instant::now();
        self.train(&steps(0, unit), None)?;
        let once = begun.elapsed().as_secs_f64().max(1e-9) / unit as f64;
        let [fewest, most] = STEPS;
        let count = ((LONG.as_secs_f64() / once) as usize).clamp(fewest, most);
        let count = count.next_multiple_of(unit);
        self.train(&steps(unit, count), None)?;
        let (outcome, times) = self.train_timed(&steps(unit + count, count))?;
        if outcome.diverged.is_some() {
            return invalid_data(
                "a training step is not finite and cannot be timed: scale the inputs to [-1, 1]",
            );
        }
        let seconds = middle(&times, unit);
        // Calls of all threads in a step with an update.
        let calls = |phase: Phase| -> usize {
            let of_thread =
                |steps: &Vec<Times>| steps.iter().map(|times| times[phase as usize].1).max();
            times.iter().filter_map(of_thread).sum()
        };
        let costs = self.costs(self.full_step(0).count);
        let kernel = |phase: Phase| {
            let dispatches = calls(phase);
            let is_there = dispatches > 0 && (phase != Phase::Wait || times.len() > 1);
            let in_updates = matches!(phase, Phase::Norms | Phase::Update | Phase::Transpose);
            let share = if in_updates { 1.0 / unit as f64 } else { 1.0 };
            let Cost { operations, numbers } = costs(phase);
            is_there.then(|| KernelTime {
                kernel: phase.name(),
                // What belongs to no phase has no calls that count.
                dispatches: if phase == Phase::Other { 0 } else { dispatches },
                seconds: seconds[phase as usize],
                operations: share * operations as f64,
                bytes: share * 4.0 * numbers as f64,
            })
        };
        Ok(Phase::ALL.into_iter().filter_map(kernel).collect())
    }

    /// A full step, in the order of the run's epochs.
    fn full_step(&self, number: usize) -> Step {
        let samples = self.dataset.len();
        let count = self.plan.batch_size.min(samples);
        let per_epoch = samples / count;
        let epoch = (number / per_epoch) as u64 + 1;
        let first = number % per_epoch * count;
        Step { number: number as u64 + 1, epoch, first, count, learning_rate: LEARNING_RATE }
    }

    /// What each phase has to do in a step of so many samples.
    fn costs(&self, count: usize) -> impl Fn(Phase) -> Cost {
        let Self { shape, plan, .. } = self;
        let slices = self.slices(count);
        let groups = slices.last().map_or(1, |slice| slice.group + 1);
        let threads = self.tiles.len();
        // How often the weights go by: once a slice, or once a thread where all share some slices.
        let whole = takes_whole_groups(threads, groups);
        let passes =
            if whole { slices.len() } else { slices.len().div_ceil(threads) * threads.min(count) };
        let weights = |layer: &Layer| layer.fan_in * layer.fan_out;
        let parameters = |layer: &Layer| weights(layer) + usize::from(layer.bias) * layer.fan_out;
        let trained = |layer: &&Layer| !layer.frozen;
        let sum = |of: &dyn Fn(&Layer) -> usize| shape.layers.iter().map(of).sum::<usize>();
        let sum_trained = |of: &dyn Fn(&Layer) -> usize| {
            shape.layers.iter().filter(trained).map(of).sum::<usize>()
        };
        let lowest = shape.lowest(training(shape.has_tables));
        let back: Vec<&Layer> = shape.layers.iter().skip(lowest + 1).collect();
        let all = sum_trained(&parameters);
        let forward = Cost {
            operations: 2 * count * sum(&weights),
            numbers: passes * sum(&parameters) + count * sum(&|l| l.fan_in + l.fan_out),
        };
        // The outputs are read and written, and the slopes are written.
        let logits = plan.loss.folded_activation().is_some();
        let activated = shape.layers.iter().enumerate().map(|(n, l)| {
            let is_left_out = logits && n + 1 == shape.layers.len();
            let is_there = l.dropout > 0.0 || !(is_left_out || is_fused(l.activation));
            usize::from(is_there) * l.fan_out * (2 + usize::from(l.stores_slope()))
        });
        let activate = Cost { operations: 0, numbers: count * activated.sum::<usize>() };
        let backward = Cost {
            operations: 2 * count * back.iter().map(|l| weights(l)).sum::<usize>(),
            numbers: back
                .iter()
                .map(|l| passes * weights(l) + count * (l.fan_out + 2 * l.fan_in))
                .sum(),
        };
        // Every slice writes the gradient, and all but the first of a group read it too.
        let gradients = Cost {
            operations: 2 * count * sum_trained(&weights) + count * sum_trained(&|l| l.fan_out),
            numbers: count * sum_trained(&|l| l.fan_in + l.fan_out)
                + (2 * slices.len() - groups) * all,
        };
        let encoded = if shape.is_encoded() { shape.inputs + shape.encoded } else { 0 };
        // Each corner of each level reads and writes a feature.
        let corners = |own: &TableLevel| own.grid.features << own.inputs.len();
        let scattered = self.levels.iter().map(corners).sum::<usize>();
        let gather = Cost { operations: 0, numbers: count * (shape.inputs + shape.outputs) };
        let loss = Cost { operations: 0, numbers: 3 * count * shape.outputs };
        let gathered = plan.wrappers.accumulate.is_some();
        let accumulate = Cost { operations: (groups + 2) * all, numbers: (groups + 2) * all };
        let read = if gathered { 1 } else { groups };
        let norms = Cost { operations: (read + 3) * all, numbers: (read + 1) * all };
        // The parameters and the state, read and written.
        let states = plan.vectors() - usize::from(gathered);
        let update = Cost { operations: 0, numbers: (read + 2 + 2 * states) * all };
        let turned = shape.layers.iter().skip(1).filter(trained).map(weights).sum::<usize>();
        let transpose = Cost { operations: 0, numbers: 2 * turned };
        move |phase| match phase {
            Phase::Gather => gather,
            Phase::Encode => Cost { operations: 0, numbers: count * (encoded + scattered) },
            Phase::Forward => forward,
            Phase::Activate => activate,
            Phase::Loss => loss,
            Phase::Backward => backward,
            Phase::Gradients => gradients,
            Phase::Scatter => {
                Cost { operations: 2 * count * scattered, numbers: 2 * count * scattered }
            }
            Phase::Accumulate => accumulate,
            Phase::Norms => norms,
            Phase::Update => update,
            Phase::Transpose => transpose,
            Phase::Wait | Phase::Other => Cost::default(),
        }
    }
}

/// Seconds of each phase in a step, from the times of steps on each thread: the mean over the threads, and
/// over the middle half of the steps by their whole time, so many steps taken together.
fn middle(times: &[Vec<Times>], unit: usize) -> [f64; Phase::ALL.len()] {
    let steps = times.iter().map(Vec::len).min().unwrap_or(0);
    let share = 1.0 / (times.len() * unit) as f64;
    let mut units: Vec<[f64; Phase::ALL.len()]> = (0..steps / unit)
        .map(|u| {
            let mut seconds = [0.0; Phase::ALL.len()];
            for step in times.iter().flat_map(|steps| &steps[u * unit..][..unit]) {
                for (seconds, (time, _)) in seconds.iter_mut().zip(step) {
                    *seconds += share * time.as_secs_f64();
                }
            }
            seconds
        })
        .collect();
    let whole = |seconds: &[f64; Phase::ALL.len()]| seconds.iter().sum::<f64>();
    units.sort_by(|a, b| whole(a).total_cmp(&whole(b)));
    let middle = &units[units.len() / 4..units.len() - units.len() / 4];
    std::array::from_fn(|phase| {
        middle.iter().map(|seconds| seconds[phase]).sum::<f64>() / middle.len().max(1) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Accumulate, Activation, ClipNorm, Dataset, Encoding, Loss, Network, Optimizer, Plan,
        Wrappers,
    };

    fn plan(batch_size: usize, wrappers: Wrappers) -> Plan {
        Plan {
            loss: Loss::MeanSquaredError,
            optimizer: Optimizer::ADAM,
            l2: 0.0,
            batch_size,
            shuffle: Some(5),
            seed: 9,
            wrappers,
        }
    }

    fn dataset(samples: usize) -> Dataset {
        let numbers = |n: usize| (0..n).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.4).collect();
        Dataset::new(numbers(samples * 3), numbers(samples * 2), 3, 2).expect("samples")
    }

    fn network(activation: Activation) -> Network {
        let builder = Network::builder(3).hidden(&[70, 33], activation);
        builder.output(2, Activation::Identity).build().expect("a network")
    }

    /// On so many threads, 300 samples in batches of 100.
    fn run(network: &Network, wrappers: Wrappers, threads: usize) -> Run {
        Run::with_threads(network, plan(100, wrappers), &dataset(300), threads).expect("memory")
    }

    /// The names of the phases with their calls.
    fn calls(kernels: &[KernelTime]) -> Vec<(&'static str, usize)> {
        kernels.iter().map(|kernel| (kernel.kernel, kernel.dispatches)).collect()
    }

    #[test]
    fn a_clock_changes_no_bit() {
        let clip = Wrappers { clip_norm: Some(ClipNorm { limit: 0.1 }), ..Wrappers::default() };
        for wrappers in [Wrappers::default(), clip] {
            for threads in [1, 2, 3, 5] {
                let [timed, plain] =
                    [0, 1].map(|_| run(&network(Activation::Tanh), wrappers, threads));
                let steps: Vec<Step> = (0..7).map(|number| plain.full_step(number)).collect();
                let (outcome, times) = timed.train_timed(&steps).expect("threads");
                assert_eq!(outcome, plain.train(&steps, None).expect("threads"));
                assert_eq!(timed.parameters(), plain.parameters(), "{threads} threads");
                assert_eq!(times.len(), threads);
                assert!(times.iter().all(|steps| steps.len() == 7));
            }
        }
    }

    #[test]
    fn the_phases_of_a_thread_add_up_to_its_steps() {
        for threads in [1, 2, 3] {
            let run = run(&network(Activation::Tanh), Wrappers::default(), threads);
            let steps: Vec<Step> = (0..300).map(|number| run.full_step(number)).collect();
            // The best of some, since another program may delay the start or the end of a thread.
            let parts = (0..5).map(|_| {
                let begun = Instant::now();
                let (_, times) = run.train_timed(&steps).expect("threads");
                let all = begun.elapsed();
                let of_thread = |steps: &Vec<Times>| -> Duration {
                    steps.iter().flatten().map(|(time, _)| *time).sum()
                };
                let most = times.iter().map(of_thread).max().expect("a thread");
                assert!(most <= all, "{threads} threads: {most:?} of {all:?}");
                most.as_secs_f64() / all.as_secs_f64()
            });
            let best = parts.fold(0.0, f64::max);
            assert!(best > 0.8, "{threads} threads: {best} of the time");
        }
    }

    #[test]
    fn a_profile_has_every_phase_with_its_work() {
        // One slice, since the batch is small. A product applies the last layer's identity.
        let kernels = run(&network(Activation::Tanh), Wrappers::default(), 1).profile();
        let kernels = kernels.expect("a profile");
        let expected = [
            ("gather", 1),
            ("forward products", 3),
            ("activations", 2),
            ("loss", 1),
            ("backward products", 2),
            ("weight gradients", 3),
            ("group sums and update", 3),
            ("transposed weights", 2),
            ("other", 0),
        ];
        assert_eq!(calls(&kernels), expected);
        let weights = 3 * 70 + 70 * 33 + 33 * 2;
        let of = |name: &str| kernels.iter().find(|kernel| kernel.kernel == name).expect("a phase");
        assert_eq!(of("forward products").operations, (2 * 100 * weights) as f64);
        assert_eq!(of("backward products").operations, (2 * 100 * (70 * 33 + 33 * 2)) as f64);
        // Adam has two states.
        let parameters = weights + 70 + 33 + 2;
        assert_eq!(of("group sums and update").bytes, (4 * 7 * parameters) as f64);
        assert_eq!(of("gather").bytes, f64::from(4 * 100 * (3 + 2)));
        assert!(kernels.iter().all(|kernel| kernel.seconds >= 0.0));
        assert!(kernels.iter().map(|kernel| kernel.seconds).sum::<f64>() > 0.0);
        // And a rectifier.
        let kernels = run(&network(Activation::Relu), Wrappers::default(), 1).profile();
        let kernels = kernels.expect("a profile");
        assert!(calls(&kernels).iter().all(|(name, _)| *name != "activations"), "{kernels:?}");
    }

    #[test]
    fn wrappers_encodings_frozen_layers_and_threads_have_their_phases() {
        let network = Network::builder(3)
            .encoding(Encoding::Frequency { octaves: 2 })
            .hidden(&[70, 33], Activation::Tanh)
            .output(2, Activation::Identity)
            .build()
            .expect("a network");
        let mut frozen = network.clone();
        frozen.freeze(0..1).expect("a layer");
        let wrappers = Wrappers {
            clip_norm: Some(ClipNorm { limit: 0.1 }),
            accumulate: Some(Accumulate { batches: 3 }),
            ..Wrappers::default()
        };
        for threads in [1, 2, 3] {
            let kernels = run(&frozen, wrappers, threads).profile().expect("a profile");
            let of = |name: &str| kernels.iter().find(|kernel| kernel.kernel == name);
            for name in ["encoding", "accumulation", "gradient norms", "group sums and update"] {
                assert!(
                    of(name).is_some_and(|kernel| kernel.dispatches > 0),
                    "{name}: {kernels:?}"
                );
            }
            // Each thread waits after the gradients, for the norm and after the update.
            let waits = of("waiting for threads").map(|kernel| kernel.dispatches);
            assert_eq!(waits.is_none(), threads == 1);
            assert!(waits.is_none_or(|waits| waits >= 3 * threads), "{kernels:?}");
            let back = of("backward products").expect("a phase").operations;
            assert_eq!(back, f64::from(2 * 100 * 33 * 2), "down to the lowest layer that learns");
        }
    }

    #[test]
    fn steps_that_are_not_finite_are_refused() {
        let mut network = network(Activation::Identity);
        let large = vec![1e30; network.parameters().len()];
        network.set_parameters(&large).expect("finite");
        let error = run(&network, Wrappers::default(), 2).profile().expect_err("infinite");
        assert!(error.to_string().contains("not finite"), "{error}");
    }

    #[test]
    fn the_middle_half_counts() {
        // One phase takes 1, 2, 4 and 100 ms on one thread, and 3 ms more on the other.
        let step = |milliseconds: u64| {
            let mut times = Times::default();
            times[Phase::Loss as usize] = (Duration::from_millis(milliseconds), 1);
            times
        };
        let times = [[1, 100, 2, 4], [4, 103, 5, 7]].map(|thread| thread.map(step).to_vec());
        let seconds = middle(&times, 1);
        assert!((seconds[Phase::Loss as usize] - 4.5e-3).abs() < 1e-9, "{seconds:?}");
        assert_eq!(seconds[Phase::Update as usize], 0.0);
        // Two steps together: of 51 and 3 ms, the mean over both.
        let seconds = middle(&times, 2);
        assert!((seconds[Phase::Loss as usize] - 28.25e-3).abs() < 1e-9, "{seconds:?}");
    }
}
