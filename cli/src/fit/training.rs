//! A training run with a progress bar, which a signal ends early.

use super::progress::{Progress, View};
use crate::output;
use crate::paint::allocator;
use crate::paint::console::warn_of;
use crate::paint::ending::{self, save_elsewhere};
use crate::paint::signals::Signal;
use crate::paint::text::{counted, thousands};
use impasto::{
    Dataset, Ending, Engine, Error, Event, Network, Result, Summary, Trainer, TrainingData,
};
use std::path::Path;

/// The samples of a run.
pub struct Parts {
    pub training: Dataset,
    /// Nothing if all samples are trained on.
    pub validation: Option<Dataset>,
}

impl Parts {
    /// The samples that say how good a network is.
    pub fn judged(&self) -> &Dataset {
        self.validation.as_ref().unwrap_or(&self.training)
    }

    fn data(&self) -> TrainingData {
        let data = TrainingData::new(self.training.clone());
        match &self.validation {
            Some(validation) => data.with_validation(validation.clone()),
            None => data,
        }
    }
}

/// What came of a run.
pub struct Trained {
    pub summary: Summary,
    /// Why it could not go on, if it diverged or memory ran out.
    pub failure: Option<Error>,
}

/// Writes the file of a network. Where it cannot be written, the network is saved in the user's data folder, whose file is
/// named, and the error is returned.
pub fn save(file: &Path, network: &Network, key: &str, text: String) -> Result<()> {
    let bytes = network.encode_with([(key, text)])?;
    output::write(file, &bytes).inspect_err(|_| match save_elsewhere(file, &bytes) {
        Ok(path) => {
            warn_of(format_args!("the network was saved as {} instead", path.display()));
        }
        Err(error) => warn_of(error),
    })
}

/// Trains `network`. What was learned until a signal came or the run diverged is kept.
pub fn train(
    engine: &Engine,
    trainer: &Trainer,
    network: &mut Network,
    parts: &Parts,
    signal: &Signal,
    view: View,
) -> Result<Trained> {
    let mut progress = Progress::start(signal, view, trainer.time_limit)?;
    // Until the first step is done, there is nothing to keep.
    signal.end_at_once(None);
    let mut training = trainer.begin(engine, &*network, parts.data())?;
    allocator::set_aside(ending::memory(network, false));
    signal.stop_with(training.stop_handle());
    let ended = training.run_with(|event| {
        if matches!(event, Event::Progress { .. } | Event::Epoch(_)) {
            signal.end_cleanly(None);
        }
        progress.watch(event)
    });
    signal.end_cleanly(None);
    allocator::release();
    progress.finish();
    // Whatever ended it, what was learned is kept, unless the device is gone.
    let learned = training.network();
    if let Ok(learned) = &learned {
        network.clone_from(learned);
    }
    let failure = match (ended.err(), learned) {
        // Why the run ended says more than why nothing could be read back.
        (Some(error), Err(_)) => return Err(error),
        (failure, learned) => {
            learned?;
            failure
        }
    };
    let summary = match &failure {
        Some(Error::Diverged { summary, .. }) => (**summary).clone(),
        _ => training.summary().clone(),
    };
    match failure.or_else(allocator::shortage) {
        // Nothing was learned, so no file is overwritten.
        Some(error) if summary.steps == 0 => Err(error),
        failure => Ok(Trained { summary, failure }),
    }
}

impl Trained {
    /// Why it ended, in a word or two.
    pub fn ending(&self) -> &'static str {
        match self.summary.ending {
            _ if matches!(self.failure, Some(Error::Diverged { .. })) => "diverged",
            Ending::Finished => "finished",
            Ending::Converged => "converged",
            Ending::TimeLimit => "time limit",
            _ => "interrupted",
        }
    }

    /// `trained 120 of 500 epochs until the loss no longer fell, in 1.2 s, 204,000 rows/s; the best was epoch 70`.
    pub fn describe(&self, trainer: &Trainer, unit: &str) -> String {
        let Summary { seconds, samples, epochs, best_epoch, .. } = self.summary;
        let all = counted(trainer.epochs as u64, "epoch");
        let done = thousands(epochs);
        let amount = match self.summary.ending {
            Ending::Finished => all,
            Ending::Converged => format!("{done} of {all} until the loss no longer fell"),
            Ending::TimeLimit => format!("{done} of {all} until the time was over"),
            Ending::Diverged => format!("{done} of {all} until it diverged"),
            _ => format!("{done} of {all} until interrupted"),
        };
        let speed = thousands((samples as f64 / seconds.max(1e-9)) as u64);
        let best = best_epoch.filter(|best| *best != epochs);
        let best = best.map_or(String::new(), |best| format!("; the best was epoch {best}"));
        format!("trained {amount}, in {seconds:.1} s, {speed} {unit}/s{best}")
    }
}
