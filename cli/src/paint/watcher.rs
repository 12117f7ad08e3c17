//! Everything that shows how a run goes: its numbers, its frames and the picture in the terminal.

use super::console::print_line;
use super::curve::Curve;
use super::ending::Failures;
use super::film::Film;
use super::measure::Source;
use super::options::Options;
use super::pace::Pace;
use super::preview::Preview;
use super::progress::Progress;
use super::signals::Signal;
use impasto::{Dataset, Engine, Event, Network, Result, Subject, Summary, Trainer, Training};

/// Watches a run for `--metrics`, `--plot`, `--animate`, `--frames` and `--preview`. It reads the network and changes
/// nothing of the run.
pub struct Watcher {
    engine: Engine,
    signal: Signal,
    curve: Option<Curve>,
    film: Option<Film>,
    preview: Option<Preview>,
    /// Whether a picture in the terminal is due.
    shows: bool,
}

impl Watcher {
    /// For a run that continues after `done`.
    pub fn start(
        options: &Options,
        subject: Subject,
        trainer: &Trainer,
        engine: &Engine,
        dataset: &Dataset,
        done: Option<&Summary>,
        signal: &Signal,
    ) -> Result<Self> {
        let watching = &options.watching;
        let source = Source::new(options, dataset);
        let curve = Curve::new(watching, source, trainer, dataset, done)?;
        let size = Some(options.view.frame(options.size, subject)?.size);
        let steps = Pace::of(trainer, dataset).steps;
        let film = Film::new(watching, subject, size, done.map_or(0, |done| done.steps), steps)?;
        let mut preview = None;
        if watching.preview {
            match Preview::start(subject) {
                Ok(started) => preview = Some(started),
                Err(reason) => print_line(format!("note: {reason}")),
            }
        }
        let (engine, signal) = (engine.clone(), signal.clone());
        Ok(Self { engine, signal, curve, film, preview, shows: false })
    }

    /// One that watches nothing.
    pub fn blind(engine: &Engine, signal: &Signal) -> Self {
        let (engine, signal) = (engine.clone(), signal.clone());
        Self { engine, signal, curve: None, film: None, preview: None, shows: false }
    }

    /// The step after which the run is to pause next.
    pub fn pause(&self) -> u64 {
        self.film.as_ref().and_then(Film::next).unwrap_or(u64::MAX)
    }

    /// Takes in an event; whether the run is to pause.
    pub fn watch(&mut self, event: &Event) -> bool {
        let measures = self.curve.as_mut().is_some_and(|curve| curve.watch(event));
        self.shows = self.preview.as_mut().is_some_and(|preview| preview.is_due(event));
        measures || self.shows
    }

    /// Looks at a run that pauses: takes what is due.
    pub fn look(&mut self, training: &mut Training, progress: &Progress) -> Result<()> {
        if let Some(curve) = &mut self.curve {
            curve.measure(training)?;
        }
        let step = training.summary().steps;
        let stopped = || self.signal.came();
        if let Some(film) =
            self.film.as_mut().filter(|film| film.next().is_some_and(|next| next <= step))
        {
            film.take(step, &self.engine, &training.network()?, stopped)?;
        }
        if let Some(preview) = self.preview.as_mut().filter(|_| self.shows) {
            self.shows = false;
            let painted = preview.paint(&self.engine, &training.network()?, stopped)?;
            if let Some(painted) = painted {
                progress.suspend(|| preview.draw(&painted));
            }
        }
        Ok(())
    }

    /// Looks at the network that a run ended with, and writes the files. Returns what to print. After a run without a
    /// step, nothing is written.
    pub fn finish(
        mut self,
        training: &mut Training,
        network: &Network,
        failures: &mut Failures,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(curve) = self.curve.take() {
            lines.extend(curve.finish(training, failures));
        }
        let step = training.summary().steps;
        if let Some(mut film) = self.film.take().filter(|_| step > 0) {
            // A second signal would end the program: one that came is no reason to leave the last frame out.
            failures.take(film.take(step, &self.engine, network, || false));
            lines.extend(film.finish(failures));
        }
        // After Ctrl-C, the terminal shows ^C where the bar was.
        if let Some(preview) = self.preview.as_mut().filter(|_| !self.signal.came())
            && let Some(painted) =
                failures.take(preview.paint(&self.engine, network, || false)).flatten()
        {
            preview.draw(&painted);
        }
        lines
    }
}
