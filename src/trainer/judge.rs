//! The stopping rule, and the parameters of the best epoch.

use super::EarlyStopping;
use crate::any_number;
use serde::{Deserialize, Serialize};

/// The stopping rule and its memory.
pub(super) struct Judge {
    rule: Option<EarlyStopping>,
    seen: Remembered,
    /// The best epoch so far, where there is a validation loss.
    best: Option<Best>,
}

/// The lowest loss so far, and for how many epochs it has been waited for a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// `None` before the first.
    #[serde(with = "any_number")]
    lowest: Option<f64>,
    waited: usize,
}

/// An epoch with the parameters after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Best {
    pub(crate) epoch: u64,
    pub(crate) parameters: Vec<f64>,
}

impl Judge {
    pub(super) fn new(rule: Option<EarlyStopping>) -> Self {
        Self { rule, seen: Remembered { lowest: None, waited: 0 }, best: None }
    }

    /// Takes in the loss of an epoch: (whether it is the best yet, whether to stop).
    pub(super) fn observe(&mut self, loss: f64) -> (bool, bool) {
        let Some(rule) = self.rule else { return (false, false) };
        if loss > self.lowest() - rule.tolerance || !loss.is_finite() {
            self.seen.waited += 1;
        } else {
            self.seen.waited = 0;
        }
        let improved = self.is_best(loss);
        if improved {
            self.seen.lowest = Some(loss);
        }
        (improved, self.seen.waited > rule.patience)
    }

    fn lowest(&self) -> f64 {
        self.seen.lowest.unwrap_or(f64::INFINITY)
    }

    /// Whether an epoch with this loss would be the best yet.
    pub(super) fn is_best(&self, loss: f64) -> bool {
        self.rule.is_some() && loss < self.lowest()
    }

    /// The best epoch, where it is kept.
    pub(super) fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// Keeps the parameters of the best epoch.
    pub(super) fn keep(&mut self, epoch: u64, parameters: &[f64]) {
        self.best = Some(Best { epoch, parameters: parameters.to_vec() });
    }

    /// What it remembers of the losses.
    pub(super) fn remembered(&self) -> Remembered {
        self.seen
    }

    /// The rule with this memory, and the best epoch.
    pub(super) fn with(rule: Option<EarlyStopping>, seen: Remembered, best: Option<Best>) -> Self {
        Self { rule, seen, best }
    }

    /// The rule with the memory of the epochs that had these losses, of which `best` was the best.
    pub(super) fn after(rule: Option<EarlyStopping>, losses: &[f64], best: Option<Best>) -> Self {
        let mut judge = Self::new(rule);
        for loss in losses {
            judge.observe(*loss);
        }
        judge.best = best;
        judge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        stopping: Vec<Case>,
    }

    /// Losses of epochs, and what scikit-learn makes of them; see `schedules.py`.
    #[derive(Deserialize)]
    struct Case {
        tolerance: f64,
        patience: usize,
        held_out: bool,
        losses: Vec<f64>,
        stops_after: Option<usize>,
        best: Option<usize>,
    }

    #[test]
    fn losses_that_are_not_finite_are_no_improvement() {
        let mut judge = Judge::new(Some(EarlyStopping { tolerance: 0.0, patience: 2 }));
        let stops: Vec<bool> = (0..3).map(|_| judge.observe(f64::INFINITY).1).collect();
        assert_eq!(stops, [false, false, true]);
    }

    #[test]
    fn the_rule_is_that_of_scikit_learn() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/fixtures/schedules.json"))
                .expect("the fixture");
        assert!(fixture.stopping.iter().any(|case| case.stops_after.is_some()));
        for case in fixture.stopping {
            let rule = EarlyStopping { tolerance: case.tolerance, patience: case.patience };
            let mut judge = Judge::new(Some(rule));
            let (mut best, mut stops_after) = (None, None);
            for (number, loss) in (1..).zip(&case.losses) {
                let (improved, stop) = judge.observe(*loss);
                best = if improved && case.held_out { Some(number) } else { best };
                if stop {
                    stops_after = Some(number);
                    break;
                }
            }
            assert_eq!((stops_after, best), (case.stops_after, case.best), "{rule:?}");
        }
    }
}
