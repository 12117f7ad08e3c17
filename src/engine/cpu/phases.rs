//! The phases of a training step, and the clock that takes the time of each.

use std::time::Duration;
use web_time::Instant;

/// A part of a training step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Copies the samples into a tile.
    Gather,
    /// Computes the encoding.
    Encode,
    /// The matrix products of the forward pass with the biases, and with the activation where a product
    /// applies it.
    Forward,
    /// The other activations, the slopes and dropout.
    Activate,
    /// The losses and the deltas of the last layer.
    Loss,
    /// The matrix products of the backward pass, multiplied by the slopes.
    Backward,
    /// The gradients of the weights and of the biases.
    Gradients,
    /// The gradients of the tables of an encoding.
    Scatter,
    /// Gathers the gradients of several batches.
    Accumulate,
    /// The norms of the gradient.
    Norms,
    /// Adds the gradients of the groups and updates the parameters, in one pass over them.
    Update,
    /// Copies the updated weights into their transpose.
    Transpose,
    /// Waits for the other threads.
    Wait,
    /// Everything else: the order of the samples, the division into slices, locks.
    Other,
}

impl Phase {
    /// All, in their order in a step.
    pub(super) const ALL: [Self; 14] = [
        Self::Gather,
        Self::Encode,
        Self::Forward,
        Self::Activate,
        Self::Loss,
        Self::Backward,
        Self::Gradients,
        Self::Scatter,
        Self::Accumulate,
        Self::Norms,
        Self::Update,
        Self::Transpose,
        Self::Wait,
        Self::Other,
    ];

    /// What a table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gather => "gather",
            Self::Encode => "encoding",
            Self::Forward => "forward products",
            Self::Activate => "activations",
            Self::Loss => "loss",
            Self::Backward => "backward products",
            Self::Gradients => "weight gradients",
            Self::Scatter => "encoding gradients",
            Self::Accumulate => "accumulation",
            Self::Norms => "gradient norms",
            Self::Update => "group sums and update",
            Self::Transpose => "transposed weights",
            Self::Wait => "waiting for threads",
            Self::Other => "other",
        }
    }
}

/// Takes the time of each phase of a thread's steps.
pub(super) trait Clock {
    /// Another step begins.
    fn begin(&mut self);

    /// Attributes the time since the last call to a phase. So all of the time belongs to some phase.
    fn lap(&mut self, phase: Phase);
}

/// Takes no time: its calls compile to nothing.
pub(super) struct Untimed;

impl Clock for Untimed {
    #[inline(always)]
    fn begin(&mut self) {}

    #[inline(always)]
    fn lap(&mut self, _: Phase) {}
}

/// The time that a thread spent in each phase of a step, and how often, by the phase's place in
/// [`Phase::ALL`].
pub(super) type Times = [(Duration, usize); Phase::ALL.len()];

/// Takes the times of some steps.
pub(super) struct Stopwatch {
    last: Instant,
    pub(super) steps: Vec<Times>,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self { last: Instant::now(), steps: Vec::new() }
    }
}

impl Clock for Stopwatch {
    fn begin(&mut self) {
        // The time of the first begins now, that of others where the one before ended.
        if self.steps.is_empty() {
            self.last = Instant::now();
        }
        self.steps.push(Times::default());
    }

    fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        if let Some(step) = self.steps.last_mut() {
            let (time, calls) = &mut step[phase as usize];
            *time += now - self.last;
            *calls += 1;
        }
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_their_places_and_names_of_their_own() {
        for (place, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, place);
            let names = Phase::ALL.iter().filter(|other| other.name() == phase.name());
            assert_eq!(names.count(), 1, "{}", phase.name());
        }
    }

    #[test]
    fn no_clock_is_no_data() {
        assert_eq!(size_of::<Untimed>(), 0);
    }

    #[test]
    fn all_time_belongs_to_some_phase() {
        let mut watch = Stopwatch::new();
        let begun = Instant::now();
        for _ in 0..2 {
            watch.begin();
            std::thread::sleep(Duration::from_millis(3));
            watch.lap(Phase::Loss);
            std::thread::sleep(Duration::from_millis(2));
            watch.lap(Phase::Update);
            watch.lap(Phase::Loss);
        }
        let all = begun.elapsed();
        assert_eq!(watch.steps.len(), 2);
        for times in &watch.steps {
            let of = |phase: Phase| times[phase as usize];
            assert!(of(Phase::Loss).0 >= Duration::from_millis(3) && of(Phase::Loss).1 == 2);
            assert!(of(Phase::Update).0 >= Duration::from_millis(2) && of(Phase::Update).1 == 1);
            assert_eq!(of(Phase::Wait), (Duration::ZERO, 0));
        }
        let sum: Duration = watch.steps.iter().flatten().map(|(time, _)| *time).sum();
        assert!(sum <= all);
    }
}
