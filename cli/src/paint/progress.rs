//! The progress bar, and the lines where there is no terminal to draw one on.

use super::budget::Budget;
use super::console::{can_draw, print_line};
use super::measure::Source;
use super::options::Options;
use super::signals::Signal;
use super::streams::is_standard;
use super::text::{counted, lasting, short, thousands};
use impasto::{Error, Event, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Painting that is over sooner shows no bar.
const WORTH_A_BAR: Duration = Duration::from_millis(500);

/// How much the latest speed counts for the one that is shown, which would flicker otherwise.
const SMOOTHING: f64 = 0.1;

/// The bar while painting.
const PAINTING: &str =
    "[{bar:8}] {percent:>3} %  {eta:>3} left  painting, {human_pos} of {human_len} pixels";

/// Training for so long shows how long a run takes.
const MEASURED: Duration = Duration::from_secs(2);

/// Seconds of a run that is announced with how long it takes.
const WORTH_SAYING: f64 = 10.0;

/// Seconds of a run that is announced with how to make it shorter.
const LONG: f64 = 60.0;

/// Where there is no terminal, the least time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// The share of a run between two lines, so that a run of hours prints a hundred.
const SHARE_BETWEEN_LINES: f64 = 0.01;

/// How progress is shown.
#[derive(Clone, Copy, PartialEq)]
enum View {
    /// A bar, where there is a terminal to draw one on.
    Bar,
    /// A line now and then.
    Lines,
    Nothing,
}

impl View {
    fn new(options: &Options) -> Self {
        // Lines of metrics on a terminal would be drawn over.
        let metrics = options.watching.metrics.as_ref();
        let is_taken = metrics.is_some_and(|path| is_standard(path) && io::stdout().is_terminal());
        match (options.quiet || is_taken, can_draw()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

/// Watches a training run for the user.
pub struct Progress {
    bar: ProgressBar,
    signal: Signal,
    view: View,
    /// What the PSNR follows from.
    source: Source,
    /// The PSNR that was measured last, if some is.
    measured: Option<f64>,
    budget: Budget,
    is_announced: bool,
    started: Instant,
    last_line: Instant,
    steps: u64,
    epochs: u64,
    steps_per_epoch: u64,
    loss: f64,
    samples_per_second: Option<f64>,
}

impl Progress {
    /// Shows a bar if there is a terminal to show it on.
    pub fn start(
        options: &Options,
        budget: Budget,
        source: Source,
        signal: &Signal,
    ) -> Result<Self> {
        let view = View::new(options);
        let target = match view {
            View::Bar => ProgressDrawTarget::stderr(),
            View::Lines | View::Nothing => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        // With the default options it fits a terminal of 80 columns. A longer bar is cut off.
        let style = "[{bar:8}] {percent:>3} %  {eta:>3} left  {wide_msg}";
        bar.set_style(
            ProgressStyle::with_template(style)
                .map_err(|e| Error::Unsupported(e.to_string()))?
                .progress_chars("=> "),
        );
        // Until the run has started: a GPU's kernels are compiled, and tried for speed on first use.
        bar.set_message("preparing; for a GPU that takes seconds");
        bar.tick();
        let now = Instant::now();
        Ok(Self {
            bar,
            signal: signal.clone(),
            view,
            source,
            measured: None,
            budget,
            is_announced: false,
            started: now,
            last_line: now,
            steps: 1,
            epochs: 1,
            steps_per_epoch: 1,
            loss: f64::NAN,
            samples_per_second: None,
        })
    }

    /// Takes in an event; whether to go on.
    pub fn watch(&mut self, event: &Event) -> ControlFlow<()> {
        if self.signal.came() {
            // Draws no more: the terminal shows ^C where the bar was.
            return ControlFlow::Break(());
        }
        match event {
            Event::Started { steps, steps_per_epoch } => {
                (self.steps, self.steps_per_epoch) = (*steps, *steps_per_epoch);
                self.epochs = steps.div_ceil(*steps_per_epoch);
                self.bar.set_length(*steps);
                // The time of the preparation does not predict that of the steps.
                self.bar.reset();
                self.bar.set_message("starting");
                self.started = Instant::now();
                self.last_line = self.started;
            }
            // An epoch's mean is steadier than a single step's loss; until there is one, that.
            Event::Epoch(epoch) => self.loss = epoch.loss,
            Event::Progress { steps, loss, samples_per_second } => {
                let before = self.samples_per_second.unwrap_or(*samples_per_second);
                let speed = before + SMOOTHING * (samples_per_second - before);
                self.samples_per_second = Some(speed);
                let shown = if self.loss.is_nan() { *loss } else { self.loss };
                self.show(*steps, shown, speed);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Takes in a PSNR that was measured.
    pub fn show_psnr(&mut self, psnr: f64) {
        self.measured = Some(psnr);
    }

    /// Shows how far the run is, with this loss and speed.
    fn show(&mut self, steps: u64, loss: f64, speed: f64) {
        let elapsed = self.started.elapsed();
        if elapsed >= MEASURED && !self.is_announced {
            self.is_announced = true;
            self.announce(self.seconds_in_all(steps), speed);
        }
        let epoch = (steps / self.steps_per_epoch + 1).min(self.epochs);
        let psnr = self.measured.or(self.source.of_loss(loss));
        let quality = psnr.map_or(String::new(), |psnr| format!("  PSNR {psnr:.1} dB"));
        let epochs = self.epochs;
        let state =
            format!("epoch {epoch}/{epochs}  loss {loss:.6}{quality}  {} px/s", short(speed));
        let is_last = steps == self.steps;
        if self.view == View::Lines && !is_last && self.is_time_for_a_line(steps) {
            self.last_line = Instant::now();
            let percent = 100 * steps / self.steps.max(1);
            let left = (self.seconds_in_all(steps) - elapsed.as_secs_f64()).max(0.0);
            let [done, all] = [steps, self.steps].map(thousands);
            let left = lasting(left);
            print_line(format!("step {done} of {all} ({percent} %), {left} left  {state}"));
        }
        self.bar.set_message(state);
        self.bar.set_position(steps);
    }

    /// Seconds of the whole run, from those so far.
    fn seconds_in_all(&self, steps: u64) -> f64 {
        let seconds = self.started.elapsed().as_secs_f64();
        let all = seconds * self.steps as f64 / steps.max(1) as f64;
        self.budget.seconds.map_or(all, |limit| all.min(limit))
    }

    fn is_time_for_a_line(&self, steps: u64) -> bool {
        let share = SHARE_BETWEEN_LINES * self.seconds_in_all(steps);
        let wait = BETWEEN_LINES.as_secs_f64().max(share);
        self.last_line.elapsed().as_secs_f64() >= wait
    }

    /// Says how long the run takes in all, if that is long, and how it could be shorter.
    fn announce(&self, seconds: f64, speed: f64) {
        if seconds < WORTH_SAYING || self.view == View::Nothing {
            return;
        }
        let steps = counted(self.steps, "step");
        let batch = self.budget.batch as u64;
        // A batch may be larger than the picture.
        let is_whole = self.steps_per_epoch == 1;
        let pixels = if is_whole { "the whole picture".into() } else { counted(batch, "pixel") };
        let mut lines = vec![format!(
            "training takes about {}: {steps} of {pixels} at {} px/s",
            lasting(seconds),
            short(speed)
        )];
        if seconds > LONG {
            lines.push(
                "note: it is shorter with --time 1m, fewer --steps, --max-pixels 100000 or smaller layers such as \
                 --hidden 4x64; Ctrl-C paints what was learned so far"
                    .into(),
            );
        }
        self.bar.suspend(|| lines.iter().for_each(print_line));
    }

    /// Calls `draw` while no bar is on the screen.
    pub fn suspend(&self, draw: impl FnOnce()) {
        self.bar.suspend(draw);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Watches the painting for the user.
pub struct Brush {
    bar: ProgressBar,
    view: View,
    started: Instant,
    last_line: Instant,
    /// A signal that came before belongs to the training.
    signal: Option<Signal>,
}

impl Brush {
    /// `signal` is what ends it early, if that is listened for.
    pub fn start(options: &Options, signal: Option<&Signal>) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            view: View::new(options),
            started: Instant::now(),
            last_line: Instant::now(),
            signal: signal.filter(|signal| !signal.came()).cloned(),
        }
    }

    /// Takes in that so many pixels are done; whether to go on.
    pub fn watch(&mut self, done: usize, all: usize) -> ControlFlow<()> {
        if self.view == View::Lines && self.last_line.elapsed() > BETWEEN_LINES && done < all {
            self.last_line = Instant::now();
            let [done, all] = [done, all].map(|pixels| thousands(pixels as u64));
            print_line(format!("painting, {done} of {all} pixels"));
        }
        if self.bar.is_hidden() && self.view == View::Bar && self.started.elapsed() > WORTH_A_BAR {
            self.bar =
                ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(PAINTING) {
                self.bar.set_style(style.progress_chars("=> "));
            }
            self.bar.reset_eta();
        }
        // A second painting may have another size.
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        let stopped = self.signal.as_ref().is_some_and(Signal::came);
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
