//! The progress bar of a training run, and the lines where there is no terminal to draw one on.

use crate::paint::console::{can_draw, print_line};
use crate::paint::signals::Signal;
use crate::paint::text::{lasting, short};
use impasto::{Error, Event, Metric, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How much the latest speed counts for the one that is shown, which would flicker otherwise.
const SMOOTHING: f64 = 0.1;

/// Where there is no terminal, the least time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Where a run shows how far it is.
#[derive(Clone, Copy, PartialEq)]
enum View {
    Bar,
    /// A line now and then.
    Lines,
    Nothing,
}

/// Watches a training run for the user.
pub struct Progress {
    bar: ProgressBar,
    view: View,
    signal: Signal,
    /// What samples are called: rows.
    unit: &'static str,
    /// Seconds after which the run ends.
    limit: Option<f64>,
    started: Instant,
    last_line: Instant,
    steps: u64,
    steps_per_epoch: u64,
    loss: Option<f64>,
    /// The validation metric that was measured last.
    measured: String,
    speed: Option<f64>,
}

impl Progress {
    /// Shows a bar if there is a terminal to show it on.
    pub fn start(
        signal: &Signal,
        quiet: bool,
        unit: &'static str,
        limit: Option<f64>,
    ) -> Result<Self> {
        let view = match (quiet, can_draw()) {
            (true, _) => View::Nothing,
            (false, true) => View::Bar,
            (false, false) => View::Lines,
        };
        let target = match view {
            View::Bar => ProgressDrawTarget::stderr(),
            View::Lines | View::Nothing => ProgressDrawTarget::hidden(),
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
            view,
            signal: signal.clone(),
            unit,
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
                let metrics = &epoch.metrics;
                let r2 = metrics.get(Metric::R2).map(|r2| format!("  R² {r2:.3}"));
                let accuracy = metrics.get(Metric::Accuracy);
                let accuracy = accuracy.map(|share| format!("  accuracy {:.1} %", 100.0 * share));
                self.measured = r2.or(accuracy).unwrap_or_default();
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
        let Self { unit, measured, .. } = self;
        // The last epochs may not be needed.
        let state = format!(
            "at most {left} left  epoch {epoch}/{epochs}  loss {loss:.5}{measured}  {} {unit}/s",
            short(speed)
        );
        if self.view == View::Lines && self.last_line.elapsed() >= BETWEEN_LINES {
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
