//! Training with a budget, a progress bar, signals, and a quality that ends it.

use super::allocator;
use super::budget::Budget;
use super::ending::{self, Failures};
use super::keeping::{Keeper, Resumed};
use super::measure::{Sample, Source};
use super::options::Options;
use super::progress::Progress;
use super::signals::Signal;
use super::text;
use super::watcher::Watcher;
use impasto::{
    Dataset, Ending, Engine, Error, Event, Network, Result, Subject, Summary, Trainer, Training,
    TrainingState,
};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The least time between two measurements.
const BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(500);

/// How much longer training is than the measurements in it.
const WORTH: u32 = 20;

/// The longest trial run for the pace, in seconds.
const TRIAL: f64 = 1.0;

/// What is said where a signal comes before the first step.
const NOTHING: &str = "interrupted before the first step: no file was written";

/// What is said where a signal comes later. A step that is under way on a GPU may take seconds, and so may the painting.
const ENDING: &str =
    "interrupted: ending with what was learned; a second signal ends the program at once";

/// How training ended.
pub struct Trained {
    pub summary: Summary,
    /// That it diverged or the engine failed: what was learned before is still worth painting.
    pub failure: Option<Error>,
    /// The PSNR that ended it, in dB.
    pub reached: Option<f64>,
    /// Whether the time for it was over while it was saved or measured, which is not counted as training.
    pub is_overdue: bool,
    /// What the file of the run has, if it is saved.
    pub state: Option<TrainingState>,
    /// What to print of the files that show how it went.
    pub lines: Vec<String>,
}

impl Trained {
    /// Whether it did a step. Otherwise there is nothing to keep.
    pub fn has_learned(&self) -> bool {
        self.summary.steps > 0
    }

    /// Why it ended: `finished`, `converged`, `target loss`, `time limit`, `quality`, `diverged` or `interrupted`.
    pub fn ending(&self) -> &'static str {
        match self {
            Self { reached: Some(_), .. } => "quality",
            Self { is_overdue: true, .. } => text::ending(Ending::TimeLimit),
            _ => text::ending(self.summary.ending),
        }
    }
}

/// Listens for signals. Before the first step is done there is nothing to keep, so a signal ends the program at once.
pub fn listen(options: &Options) -> Signal {
    let signal = Signal::listen();
    signal.end_at_once((!options.quiet).then_some(NOTHING));
    signal
}

/// The trainer with as many steps as fit into the time, measured in a trial run whose network is thrown away.
pub fn fill_time(
    budget: Budget,
    trainer: Trainer,
    engine: &Engine,
    network: &Network,
    dataset: &Dataset,
    signal: &Signal,
) -> Result<Trainer> {
    let most = budget.seconds.map_or(TRIAL, |seconds| (seconds / 10.0).min(TRIAL));
    let endless =
        Trainer { steps: None, epochs: usize::MAX, time_limit: Some(most), ..trainer.clone() };
    let mut training = endless.begin(engine, network, dataset)?;
    let watch = |_: &Event| {
        if signal.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match training.run_with(watch) {
        // The run itself says so.
        Ok(_) | Err(Error::Diverged { .. }) => {}
        Err(error) => return Err(error),
    }
    let Summary { steps, seconds, .. } = *training.summary();
    let pace = steps as f64 / seconds.max(1e-9);
    Ok(budget.filling(pace, dataset.len()).apply(trainer))
}

/// What a run is made of, beside its network.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub options: &'a Options,
    pub budget: Budget,
    pub trainer: &'a Trainer,
    pub engine: &'a Engine,
    pub dataset: &'a Dataset,
    pub subject: Subject,
}

/// Trains with a progress bar, until a signal comes. A run from a file goes on, and `keeper` saves the run now and then.
/// What was learned is given to `keep` before anything else is done with it.
pub fn train(
    run: Run<'_>,
    network: &mut Network,
    signal: &Signal,
    resumed: Option<&Resumed>,
    mut keeper: Option<&mut Keeper>,
    failures: &mut Failures,
    keep: impl FnOnce(&Network, &Trained, Option<&Keeper>, &mut Failures),
) -> Result<Trained> {
    let Run { options, budget, trainer, engine, dataset, subject } = run;
    let source = Source::new(options, dataset);
    let done = resumed.map(|run| run.state.summary());
    let mut watcher = Watcher::start(options, subject, trainer, engine, dataset, done, signal)?;
    let mut progress = Progress::start(options, budget, source, signal)?;
    let mut training = match resumed {
        Some(run) => Training::resume(engine, dataset, &run.state)?,
        None => trainer.begin(engine, &*network, dataset)?,
    };
    signal.stop_with(training.stop_handle());
    if let Some(run) = resumed {
        // It does not report this itself.
        let _ = progress.watch(&run.started(dataset));
    }
    let mut goal =
        options.until.map(|until| Goal::new(until.0, dataset, options.seed())).transpose()?;
    let mut reached = None;
    let (clock, before) = (Instant::now(), training.summary().seconds);
    let is_over = || {
        let seconds = before + clock.elapsed().as_secs_f64();
        trainer.time_limit.is_some_and(|limit| seconds >= limit)
    };
    let mut is_overdue = false;
    allocator::set_aside(ending::memory(network, keeper.is_some()));
    let ended = loop {
        let looked = watcher.look(&mut training, &progress);
        if failures.take(looked).is_none() {
            // Training is worth more than what shows it.
            watcher = Watcher::blind(engine, signal);
        }
        let (mut measures, mut saves) = (false, false);
        let ended = training.run_to(watcher.pause(), |event| {
            if matches!(event, Event::Progress { .. } | Event::Epoch(_)) {
                signal.end_cleanly((!options.quiet).then_some(ENDING));
            }
            progress.watch(event)?;
            let looks = watcher.watch(event);
            measures = goal.as_ref().is_some_and(|goal| goal.is_due(event));
            saves = keeper.as_ref().is_some_and(|keeper| keeper.is_due(event));
            if measures || saves || looks {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if !matches!(ended, Ok(Ending::Stopped)) || signal.came() {
            break ended;
        }
        if let (Some(keeper), true) = (&mut keeper, saves)
            && let Err(error) = keeper.save(&mut training)
        {
            break Err(error);
        }
        if saves && is_over() {
            is_overdue = true;
            break ended;
        }
        let (Some(goal), true) = (&mut goal, measures) else { continue };
        match goal.measure(&mut training) {
            Err(error) => break Err(error),
            Ok(psnr) => {
                progress.show_psnr(psnr);
                if psnr >= goal.psnr {
                    reached = Some(psnr);
                    break ended;
                }
            }
        }
    };
    signal.end_cleanly(None);
    allocator::release();
    progress.finish();
    // Whatever ended it, what was learned so far is kept, unless the device is gone.
    let learned = training.network();
    if let Ok(learned) = &learned {
        network.clone_from(learned);
    }
    let (summary, failure) = match (ended, learned) {
        (Ok(_), learned) => {
            learned?;
            (training.summary().clone(), None)
        }
        (Err(Error::Diverged { what, step, epoch, suggestion, summary }), Ok(_)) => {
            let known = (*summary).clone();
            (known, Some(Error::Diverged { what, step, epoch, suggestion, summary }))
        }
        (Err(error), Ok(_)) => (training.summary().clone(), Some(error)),
        (Err(error), Err(_)) => return Err(error),
    };
    let failure = failure.or_else(allocator::shortage);
    let state = match (&keeper, &failure) {
        (None, _) => None,
        (Some(_), None) => failures.take(training.state()),
        (Some(_), Some(_)) => training.state().ok(),
    };
    let mut trained = Trained { summary, failure, reached, is_overdue, state, lines: Vec::new() };
    if trained.has_learned() {
        keep(network, &trained, keeper.as_deref(), failures);
    }
    trained.lines = watcher.finish(&mut training, network, failures);
    Ok(trained)
}

/// A quality that ends a run.
struct Goal {
    /// In dB.
    psnr: f64,
    pixels: Sample,
    last: Instant,
    wait: Duration,
}

impl Goal {
    fn new(psnr: f64, dataset: &Dataset, seed: u64) -> Result<Self> {
        let pixels = Sample::new(dataset, seed)?;
        Ok(Self { psnr, pixels, last: Instant::now(), wait: BETWEEN_MEASUREMENTS })
    }

    /// Whether it is time to measure.
    fn is_due(&self, event: &Event) -> bool {
        matches!(event, Event::Progress { .. }) && self.last.elapsed() >= self.wait
    }

    /// The PSNR of the network as it is now, in dB.
    fn measure(&mut self, training: &mut Training) -> Result<f64> {
        let clock = Instant::now();
        let psnr = self.pixels.psnr(training)?;
        self.last = Instant::now();
        self.wait = BETWEEN_MEASUREMENTS.max(clock.elapsed() * WORTH);
        Ok(psnr)
    }
}
