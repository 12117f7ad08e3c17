//! The submissions in flight, and the return to the last reported step.
//!
//! Two submissions are in flight at once. The trainer handles their results step by step.

use super::turns::Turns;
use crate::dataset::Dataset;
use crate::engine::{Divergence, KEPT, Outcome, Output, Pending, Session, Step};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::state::State;
use crate::stop::StopHandle;
use std::collections::VecDeque;
use std::time::Duration;
use web_time::Instant;

/// About how long the steps of one submission take: long enough that submitting costs nothing,
/// short enough that a watcher sees progress and can stop.
const SUBMISSION: Duration = Duration::from_millis(50);

/// The most steps in a submission, which bounds what is uploaded and read back with it.
const MOST_STEPS: usize = 1024;

/// A session with the steps that it was given and that are not all taken in yet.
///
/// A session that can keep moments of its run keeps what was before each submission. So it can go
/// back to the last step taken in, whatever is under way by then: see [`settle`](Self::settle).
pub(super) struct Pipeline {
    session: Box<dyn Session>,
    /// The oldest first.
    under_way: VecDeque<Submission>,
    keeps: bool,
    /// Where the moment before the next submission is kept.
    place: usize,
    /// Steps in the next submission.
    size: usize,
    /// When the last submission was finished, or training went on.
    clock: Instant,
    /// Seconds a sample, of the submission measured last.
    pace: f64,
    /// What has the session abandon its steps.
    stop: StopHandle,
}

/// Steps that were submitted at once.
struct Submission {
    steps: Vec<Step>,
    fate: Fate,
    /// Where the moment before it is kept, if the session can keep one.
    place: Option<usize>,
    /// How many of its steps were taken in.
    taken: usize,
    /// How long it took.
    seconds: f64,
    /// Whether training was paused meanwhile.
    paused: bool,
}

enum Fate {
    Pending(Pending<'static, Outcome>),
    Known(Outcome),
}

impl Submission {
    /// The samples of its steps, without those that were abandoned.
    fn samples(&self) -> usize {
        self.done().iter().map(|step| step.count).sum()
    }

    /// Its steps, without those that were abandoned.
    fn done(&self) -> &[Step] {
        match &self.fate {
            Fate::Known(outcome) if outcome.diverged.is_none() => {
                &self.steps[..self.steps.len().min(outcome.losses.len())]
            }
            _ => &self.steps,
        }
    }
}

/// A submission that is done: what a watcher gets to know of it.
#[derive(Clone, Copy)]
pub(super) struct Done {
    pub(super) samples: usize,
    pub(super) seconds: f64,
    /// The loss of its last step.
    pub(super) loss: f64,
}

/// A step, and what came of it.
pub(super) enum Taken {
    Loss(Step, f64),
    Diverged(Step, Divergence),
}

impl Pipeline {
    /// Restores a state in a session that has taken no step yet.
    pub(super) async fn restore(&mut self, state: &State) -> Result<()> {
        self.session.restore(state).await
    }

    /// The state of the session after the last step taken in.
    pub(super) async fn state(&mut self) -> Result<State> {
        self.settle().await?;
        self.session.state().await
    }

    /// A session, whose steps the handle has abandoned.
    pub(super) fn new(mut session: Box<dyn Session>, stop: StopHandle) -> Self {
        session.stop_with(&stop);
        Self {
            keeps: session.can_keep(),
            session,
            under_way: VecDeque::new(),
            place: 0,
            size: 1,
            clock: Instant::now(),
            pace: 0.0,
            stop,
        }
    }

    /// Whether a submission must end with its epoch, and be taken in before the next: so it is where
    /// there is no going back.
    pub(super) fn waits(&self) -> bool {
        !self.keeps
    }

    /// Whether the next steps can be submitted: a submission is ready when the device has finished the
    /// one before.
    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < if self.keeps { KEPT } else { 1 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many steps to submit next, at most.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Starts these steps, after those that are under way.
    pub(super) async fn submit(&mut self, steps: Vec<Step>) -> Result<()> {
        let place = self.keeps.then_some(self.place);
        if let Some(place) = place {
            self.session.keep(place).await?;
            self.place = (place + 1) % KEPT;
        }
        let fate = Fate::Pending(self.session.train(&steps)?);
        self.under_way.push_back(Submission {
            steps,
            fate,
            place,
            taken: 0,
            seconds: 0.0,
            paused: false,
        });
        Ok(())
    }

    /// Training goes on after a pause, of which the clock must know nothing.
    pub(super) fn resume(&mut self) {
        self.clock = Instant::now();
        for submission in &mut self.under_way {
            submission.paused = true;
        }
    }

    /// Waits for the oldest submission; the seconds that it took, if they were not reported yet.
    pub(super) async fn finish_first(&mut self, turns: &mut Turns) -> Result<Option<f64>> {
        let Some(first) = self.under_way.front_mut() else { return Ok(None) };
        let Fate::Pending(outcome) = &mut first.fate else { return Ok(None) };
        let outcome = match turns.wait(outcome).await {
            Ok(outcome) => outcome,
            Err(error) => {
                // What came after it failed too, and can be asked for no more.
                self.under_way.clear();
                return Err(error);
            }
        };
        first.fate = Fate::Known(outcome);
        let took = self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
        let samples = first.samples();
        if first.done().len() < first.steps.len() {
            // How long the step took that was abandoned says nothing.
            first.seconds = took;
        } else if first.paused {
            // Its end was not observed.
            first.seconds = took.max(self.pace * samples as f64);
        } else {
            first.seconds = took;
            self.pace = took / samples as f64;
            // Grow or shrink towards the wanted duration, by at most a factor of two.
            let wanted = SUBMISSION.as_secs_f64() / took.max(1e-6) * first.steps.len() as f64;
            let (least, most) = (self.size.div_ceil(2), self.size * 2);
            self.size = (wanted as usize).clamp(least, most).clamp(1, MOST_STEPS);
        }
        Ok(Some(first.seconds))
    }

    /// The next step of the oldest submission, if that is finished and has one.
    pub(super) fn next(&self) -> Option<Taken> {
        let first = self.under_way.front()?;
        let Fate::Known(outcome) = &first.fate else { return None };
        let step = *first.steps.get(first.taken)?;
        // The step that diverged is the last with a loss, and changed nothing.
        match outcome.diverged {
            Some(divergence) if divergence.step <= step.number => {
                Some(Taken::Diverged(step, divergence))
            }
            _ => outcome.losses.get(first.taken).map(|loss| Taken::Loss(step, *loss)),
        }
    }

    /// Takes in the step that is next.
    pub(super) fn take(&mut self) {
        if let Some(first) = self.under_way.front_mut() {
            first.taken += 1;
        }
    }

    /// What the oldest submission came to, if that is finished.
    pub(super) fn first(&self) -> Option<Done> {
        let first = self.under_way.front()?;
        let Fate::Known(outcome) = &first.fate else { return None };
        let loss = outcome.losses.last().copied().unwrap_or(f64::NAN);
        Some(Done { samples: first.samples(), seconds: first.seconds, loss })
    }

    /// Drops the oldest submission.
    pub(super) fn drop_first(&mut self) {
        self.under_way.pop_front();
    }

    /// Has the session be where it was after the last step taken in; what is under way beyond that is
    /// given up.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if self.stop.is_stopping() {
            // What is under way is abandoned first, since the steps that are repeated below must not be.
            for submission in &mut self.under_way {
                if let Fate::Pending(outcome) = &mut submission.fate {
                    submission.fate = Fate::Known(outcome.await?);
                }
            }
            self.stop.resume();
        }
        let Some(first) = self.under_way.front() else { return Ok(()) };
        let (taken, rest) = first.steps.split_at(first.taken);
        if let (Some(place), false) = (first.place, rest.is_empty()) {
            self.session.go_back(place).await?;
            if !taken.is_empty() {
                self.session.train(taken)?.await?;
            }
        } else if !rest.is_empty() {
            // Nothing is kept, so the run diverged. After a loss that is not finite, the session still has
            // the state from before that step.
            let Ok(state) = self.session.state().await else { return Ok(()) };
            self.session.restore(&state).await?;
        } else if let Some(place) = self.under_way.get(1).and_then(|second| second.place) {
            self.session.go_back(place).await?;
        }
        self.under_way.clear();
        Ok(())
    }

    /// The number of the last step submitted, of those not all taken in.
    pub(super) fn last(&self) -> Option<u64> {
        self.under_way.back().and_then(|last| last.steps.last()).map(|step| step.number)
    }

    /// The parameters after all steps submitted so far.
    pub(super) async fn latest_parameters(&mut self) -> Result<Vec<f64>> {
        self.session.parameters().await
    }

    /// The `loss` of some samples after all steps submitted so far.
    pub(super) async fn evaluate(&mut self, dataset: &Dataset, loss: Loss) -> Result<f64> {
        self.session.evaluate(dataset, loss).await
    }

    /// The outputs for some inputs after the last step taken in.
    pub(super) async fn predict(&mut self, inputs: &[f64]) -> Result<Vec<f64>> {
        self.settle().await?;
        self.session.predict(inputs, Output::Activated).await
    }

    /// The `loss` of some samples after the last step taken in.
    pub(super) async fn evaluate_now(&mut self, dataset: &Dataset, loss: Loss) -> Result<f64> {
        self.settle().await?;
        loop {
            match self.session.evaluate(dataset, loss).await {
                // The run stops when it goes on, and this is no part of it.
                Err(Error::Stopped) => self.stop.resume(),
                evaluated => return evaluated,
            }
        }
    }

    /// The parameters after the last step taken in.
    pub(super) async fn parameters(&mut self) -> Result<Vec<f64>> {
        self.settle().await?;
        self.session.parameters().await
    }
}
