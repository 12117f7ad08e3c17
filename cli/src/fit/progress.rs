//! The progress bar of a training run, and the lines where there is no terminal to draw one on.

use crate::paint::console::{can_draw, print_line};
use crate::paint::signals::Signal;
use crate::paint::text::{lasting, short};
use impasto::{Epoch, Error, Event, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How much the latest speed counts for the one that is shown, which would flicker otherwise.
const SMOOTHING: f64 = 0.1;

/// Where there is no terminal, the least time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// What is shown.
#[derive(Clone, Copy)]
pub struct View {
    /// Nothing is shown.
    pub quiet: bool,
    /// What samples are called: rows.
    pub unit: &'static str,
    /// How good the network was after an epoch.
    pub quality: fn(&Epoch) -> String,
}

/// Where a run shows how far it is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Bar,
    /// A line now and then.
    Lines,
    Nothing,
}

/// Watches a training run for the user.
pub struct Progress {
    bar: ProgressBar,
    place: Place,
    view: View,
    signal: Signal,
    /// Seconds after which the run ends.
    limit: Option<f64>,
    started: Instant,
    last_line: Instant,
    steps: u64,
    steps_per_epoch: u64,
    loss: Option<f64>,
    /// How good the network was after the last epoch.
    measured: String,
    speed: Option<f64>,
}

impl Progress {
    /// Shows a bar if there is a terminal to show it on.
    pub fn start(signal: &Signal, view: View, limit: Option<f64>) -> Result<Self> {
        let place = match (view.quiet, can_draw()) {
            (true, _) => Place::Nothing,
            (false, true) => Place::Bar,
            (false, false) => Place::Lines,
        };
        let target = match place {
            Place::Bar => ProgressDrawTarget::stderr(),
            Place::Lines | Place::Nothing => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = "[{bar:8}] {percent:>3} %  {msg}";
        bar.set_style(
            ProgressStyle::with_template(style)
                .map_err(|e| Error::Unsupported(e.to_string()))?
                .progress_chars("=> "),
        );
        // Until the run has started: a GPU's kernels are compiled, and tried for speed on first use.
        bar.set_message("preparing");
        bar.tick();
        let now = Instant::now();
        Ok(Self {
            bar,
            place,
            view,
            signal: signal.clone(),
            limit,
            started: now,
            last_line: now,
            steps: 1,
            steps_per_epoch: 1,
            loss: None,
            measured: String::new(),
            speed: None,
        })
    }

    /// Takes in an event; whether to go on.
    pub fn watch(&mut self, event: &Event) -> ControlFlow<()> {
        if self.signal.came() {
            return ControlFlow::Break(());
        }
        match event {
            Event::Started { steps, steps_per_epoch } => {
                (self.steps, self.steps_per_epoch) = (*steps, *steps_per_epoch);
                self.bar.set_length(*steps);
                self.started = Instant::now();
                self.last_line = self.started;
            }
            Event::Epoch(epoch) => {
                self.loss = Some(epoch.loss);
                self.measured = (self.view.quality)(epoch);
            }
            Event::Progress { steps, loss, samples_per_second } => {
                let before = self.speed.unwrap_or(*samples_per_second);
                let speed = before + SMOOTHING * (samples_per_second - before);
                self.speed = Some(speed);
                self.show(*steps, self.loss.unwrap_or(*loss), speed);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, steps: u64, loss: f64, speed: f64) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let all = elapsed * self.steps as f64 / steps.max(1) as f64;
        let all = self.limit.map_or(all, |limit| all.min(limit));
        let left = lasting((all - elapsed).max(0.0));
        let epochs = self.steps.div_ceil(self.steps_per_epoch);
        let epoch = (steps / self.steps_per_epoch + 1).min(epochs);
        let Self { view: View { unit, .. }, measured, .. } = self;
        // The last epochs may not be needed.
        let state = format!(
            "at most {left} left  epoch {epoch}/{epochs}  loss {loss:.5}  {measured}  {} {unit}/s",
            short(speed)
        );
        if self.place == Place::Lines && self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            print_line(format!("{} %  {state}", 100 * steps / self.steps.max(1)));
        }
        self.bar.set_message(state);
        self.bar.set_position(steps);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
