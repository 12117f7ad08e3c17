//! The course of a run: when its numbers are taken, for `--metrics` and `--plot`.

use super::ending::Failures;
use super::measure::{Sample, Source};
use super::metrics::{Metrics, Point};
use super::pace::Pace;
use super::plot;
use super::watching::Watching;
use impasto::{Dataset, Error, Event, Result, Schedule, Summary, Trainer, Training, files};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Points of a run, about.
const POINTS: u64 = 200;

/// A run of fewer epochs has points within them, too.
const FEW_EPOCHS: u64 = 40;

/// The most time between two points.
const MOST_TIME: Duration = Duration::from_secs(10);

/// The most points that are kept for a plot. At that number every second one is removed; the file of `--metrics` has all.
const MOST_POINTS: usize = 4096;

/// Takes the numbers of a run.
pub struct Curve {
    metrics: Option<Metrics>,
    plot: Option<PathBuf>,
    trainer: Trainer,
    pace: Pace,
    source: Source,
    /// Where the PSNR is measured.
    sample: Option<Sample>,
    points: Vec<Point>,
    /// One that waits for its PSNR.
    pending: Option<Point>,
    /// When the last point was taken.
    last: Instant,
    /// Steps, seconds and the speed at the last progress.
    progress: (u64, f64, f64),
    /// Seconds at the end of the last epoch, if they are known.
    epoch_end: Option<f64>,
    /// The last loss that is known, and the step it is of.
    loss: Option<(u64, f64)>,
    /// The learning rate at the end of the last epoch.
    rate: Option<f64>,
}

impl Curve {
    /// For a run that continues after `done`, if the options ask for its numbers.
    pub fn new(
        options: &Watching,
        source: Source,
        trainer: &Trainer,
        dataset: &Dataset,
        done: Option<&Summary>,
    ) -> Result<Option<Self>> {
        if options.metrics.is_none() && options.plot.is_none() {
            return Ok(None);
        }
        let resumed = done.map(|done| done.steps);
        let metrics = options.metrics.as_deref().map(|path| Metrics::open(path, resumed));
        let (steps, seconds) = done.map_or((0, 0.0), |done| (done.steps, done.seconds));
        let sample = match source {
            Source::Measurement => Some(Sample::new(dataset, trainer.seed)?),
            Source::Loss(_) | Source::Nothing => None,
        };
        Ok(Some(Self {
            metrics: metrics.transpose()?,
            plot: options.plot.clone(),
            trainer: trainer.clone(),
            pace: Pace::of(trainer, dataset),
            source,
            sample,
            points: Vec::new(),
            pending: None,
            last: Instant::now(),
            progress: (steps, seconds, 0.0),
            epoch_end: (steps == 0).then_some(0.0),
            loss: None,
            rate: None,
        }))
    }

    /// Takes in an event; whether a point waits for [`measure`](Self::measure).
    pub fn watch(&mut self, event: &Event) -> bool {
        match event {
            Event::Epoch(epoch) => {
                let step = epoch.number * self.pace.steps_per_epoch;
                let seconds = self.epoch_end.map_or(self.progress.1, |end| end + epoch.seconds);
                self.epoch_end = Some(seconds);
                (self.loss, self.rate) = (Some((step, epoch.loss)), Some(epoch.learning_rate));
                let samples = self.pace.samples(self.pace.steps_per_epoch) as f64;
                if self.is_due(step) {
                    return self.take(step, seconds, epoch.loss, samples / epoch.seconds.max(1e-9));
                }
            }
            Event::Progress { steps, loss, samples_per_second } => {
                let (before, seconds, _) = self.progress;
                let samples = self.pace.samples(*steps) - self.pace.samples(before.min(*steps));
                let seconds = seconds + samples as f64 / samples_per_second.max(1e-9);
                self.progress = (*steps, seconds, *samples_per_second);
                if self.loss.is_none_or(|(step, _)| step < *steps) {
                    self.loss = Some((*steps, *loss));
                }
                let few = self.pace.steps / self.pace.steps_per_epoch < FEW_EPOCHS;
                if few && self.is_due(*steps) || self.last.elapsed() >= MOST_TIME {
                    return self.take(*steps, seconds, *loss, *samples_per_second);
                }
            }
            _ => {}
        }
        false
    }

    /// Whether it is time for a point at this step.
    fn is_due(&self, step: u64) -> bool {
        let before = self.points.last().map_or(0, |point| point.step);
        step.saturating_sub(before) >= (self.pace.steps / POINTS).max(1)
    }

    /// Takes a point; whether its PSNR has to be measured.
    fn take(&mut self, step: u64, seconds: f64, loss: f64, samples_per_second: f64) -> bool {
        if self.points.last().is_some_and(|last| last.step >= step) {
            return false;
        }
        self.last = Instant::now();
        let point = Point {
            step,
            epoch: self.pace.epoch(step),
            seconds,
            loss,
            psnr: self.source.of_loss(loss),
            learning_rate: self.learning_rate(step),
            samples_per_second,
        };
        if self.sample.is_some() {
            self.pending = Some(point);
            return true;
        }
        self.push(point);
        false
    }

    /// The learning rate of a step.
    fn learning_rate(&self, step: u64) -> f64 {
        let Trainer { schedule, warm_up, learning_rate, .. } = self.trainer;
        // It depends on the losses before.
        let is_plateau = matches!(schedule, Schedule::ReduceOnPlateau { .. });
        if let Some(rate) = self.rate.filter(|_| is_plateau) {
            return rate;
        }
        let (steps, epoch) = (self.pace.steps, self.pace.epoch(step));
        learning_rate * schedule.after_warm_up(warm_up, step, steps, epoch)
    }

    /// Measures the PSNR of the point that waits for it, of the network as it is now.
    pub fn measure(&mut self, training: &mut Training) -> Result<()> {
        if let (Some(mut point), Some(sample)) = (self.pending.take(), &self.sample) {
            point.psnr = Some(sample.psnr(training)?);
            self.push(point);
        }
        Ok(())
    }

    fn push(&mut self, point: Point) {
        if let Some(metrics) = &mut self.metrics {
            metrics.write(&point);
        }
        push_some(&mut self.points, point);
    }

    /// Takes the last point, of a run that ended with `summary`, and draws the plot. Returns what to print.
    pub fn finish(mut self, training: &mut Training, failures: &mut Failures) -> Option<String> {
        let summary = training.summary();
        let (steps, seconds) = (summary.steps, summary.seconds);
        if let Some((_, loss)) = self.loss.filter(|_| steps > 0) {
            let speed = self.progress.2;
            if self.take(steps, seconds, loss, speed) {
                let measured = self.measure(training);
                failures.take(measured);
            }
        }
        if let Some(metrics) = self.metrics.take() {
            failures.take(metrics.finish());
        }
        let path = self.plot.as_ref().filter(|_| steps > 0)?;
        let drawn = plot::draw(&self.points)
            .map_err(|error| Error::Picture { path: path.clone(), reason: error.to_string() })
            .and_then(|svg| files::write(path, svg.as_bytes()));
        failures.take(drawn)?;
        Some(format!("plotted {}", path.display()))
    }
}

/// Adds a point. Where there are [`MOST_POINTS`], half of them are left.
fn push_some<T>(points: &mut Vec<T>, point: T) {
    if points.len() == MOST_POINTS {
        *points = std::mem::take(points).into_iter().step_by(2).collect();
    }
    points.push(point);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_bounded_number_of_points() {
        let mut points = Vec::new();
        (0..100_000).for_each(|point| push_some(&mut points, point));
        assert!(points.len() <= MOST_POINTS && points.len() > MOST_POINTS / 2);
        assert_eq!((points[0], points[points.len() - 1]), (0, 99_999));
        assert!(points.is_sorted());
    }
}
