//! The progress bar, and the handler of Ctrl-C.

use super::options::Options;
use impasto::{Ending, Error, Event, Loss, Result, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ops::ControlFlow;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Signals so soon after the first one are the same wish.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// Painting that is over sooner shows no bar.
const WORTH_A_BAR: Duration = Duration::from_millis(500);

/// How much the latest speed counts for the one that is shown, which would flicker otherwise.
const SMOOTHING: f64 = 0.1;

/// The bar while painting.
const PAINTING: &str =
    "[{bar:8}] {percent:>3} %  {eta:>3} left  painting, {human_pos} of {human_len} pixels";

/// Watches a training run for the user.
pub struct Progress {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
    /// Whether the loss is the mean squared error, which the PSNR follows from.
    has_psnr: bool,
    epochs: usize,
    steps_per_epoch: u64,
    loss: f64,
    samples_per_second: Option<f64>,
}

impl Progress {
    /// Shows a bar if there is a terminal to show it on, and listens for Ctrl-C.
    pub fn start(options: &Options) -> Result<Self> {
        let target = if options.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr() // draws nothing unless it is a terminal
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
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        let mut first = None;
        let listening = ctrlc::set_handler(move || {
            // The first asks for a clean end, a later one does not wait for it. Some senders
            // (`timeout -s INT`) reach us twice at once, which counts as the first.
            let now = Instant::now();
            flag.store(true, Ordering::SeqCst);
            if now - *first.get_or_insert(now) > SAME_REQUEST {
                process::exit(i32::from(super::INTERRUPTED));
            }
        });
        listening.map_err(|e| Error::Unsupported(format!("cannot listen for Ctrl-C: {e}")))?;
        Ok(Self {
            bar,
            interrupted,
            has_psnr: !options.classify && options.loss() == Loss::MeanSquaredError,
            epochs: options.epochs(),
            steps_per_epoch: 1,
            loss: f64::NAN,
            samples_per_second: None,
        })
    }

    /// Takes in an event; whether to go on.
    pub fn watch(&mut self, event: &Event) -> ControlFlow<()> {
        if self.interrupted.load(Ordering::SeqCst) {
            // Draws no more: the terminal shows ^C where the bar was.
            return ControlFlow::Break(());
        }
        match event {
            Event::Started { steps, steps_per_epoch } => {
                self.steps_per_epoch = *steps_per_epoch;
                self.bar.set_length(*steps);
                // The time of the preparation does not predict that of the steps.
                self.bar.reset();
                self.bar.set_message("starting");
            }
            // An epoch's mean is steadier than a single step's loss; until there is one, that.
            Event::Epoch(epoch) => self.loss = epoch.loss,
            Event::Progress { steps, loss, samples_per_second } => {
                let shown = if self.loss.is_nan() { *loss } else { self.loss };
                let epoch = (steps / self.steps_per_epoch + 1).min(self.epochs as u64);
                let quality = if self.has_psnr {
                    format!("  PSNR {:.1} dB", -10.0 * shown.log10())
                } else {
                    String::new()
                };
                let before = self.samples_per_second.unwrap_or(*samples_per_second);
                let speed = before + SMOOTHING * (samples_per_second - before);
                self.samples_per_second = Some(speed);
                self.bar.set_message(format!(
                    "epoch {epoch}/{}  loss {shown:.6}{quality}  {} px/s",
                    self.epochs,
                    short(speed)
                ));
                self.bar.set_position(*steps);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Takes the bar away; the flag that Ctrl-C raises, now or later.
    pub fn finish(self) -> Arc<AtomicBool> {
        self.bar.finish_and_clear();
        self.interrupted
    }
}

/// Watches the painting for the user.
pub struct Brush {
    bar: ProgressBar,
    quiet: bool,
    started: Instant,
    /// Raised by Ctrl-C. A flag raised before belongs to the training.
    interrupted: Option<Arc<AtomicBool>>,
}

impl Brush {
    /// `interrupted` is the flag that Ctrl-C raises, if a handler for it is installed.
    pub fn start(options: &Options, interrupted: Option<&Arc<AtomicBool>>) -> Self {
        let unused = |flag: &&Arc<AtomicBool>| !flag.load(Ordering::SeqCst);
        Self {
            bar: ProgressBar::hidden(),
            quiet: options.quiet,
            started: Instant::now(),
            interrupted: interrupted.filter(unused).cloned(),
        }
    }

    /// Takes in that so many pixels are done; whether to go on.
    pub fn watch(&mut self, done: usize, all: usize) -> ControlFlow<()> {
        if self.bar.is_hidden() && !self.quiet && self.started.elapsed() > WORTH_A_BAR {
            self.bar =
                ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(PAINTING) {
                self.bar.set_style(style.progress_chars("=> "));
            }
            self.bar.reset_eta();
        }
        self.bar.set_position(done as u64);
        let stopped = self.interrupted.as_ref().is_some_and(|flag| flag.load(Ordering::SeqCst));
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// `trained 200 epochs in 9.8 s, 204,000 samples/s: loss 0.000341`.
pub fn describe(summary: &Summary, epochs: usize) -> String {
    let done = summary.epochs;
    let all = counted(epochs as u64, "epoch");
    let speed = summary.samples as f64 / summary.seconds.max(1e-9);
    let amount = match summary.ending {
        Ending::Finished => counted(done, "epoch"),
        Ending::Converged => format!("{done} of {all} until the loss no longer fell,"),
        Ending::TargetLoss => format!("{done} of {all} until the loss was reached,"),
        Ending::TimeLimit => format!("{done} of {all} until the time was over,"),
        Ending::Diverged => format!("{done} of {all} until it diverged,"),
        _ => format!("{done} of {all} until interrupted,"),
    };
    let loss =
        summary.history.last().map_or(String::new(), |last| format!(": loss {:.6}", last.loss));
    let speed = thousands(speed as u64);
    format!("trained {amount} in {:.1} s, {speed} samples/s{loss}", summary.seconds)
}

/// `76543.2` as `77k`, `765.4` as `765`.
fn short(number: f64) -> String {
    if number < 10_000.0 {
        thousands(number as u64)
    } else {
        format!("{}k", thousands((number / 1000.0).round() as u64))
    }
}

/// `1 epoch`, `1,000 epochs`.
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
