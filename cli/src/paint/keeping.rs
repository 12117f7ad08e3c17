//! `--save-every` and `--resume`: runs in files, from which they go on.

use super::budget::Budget;
use super::canvas::Canvas;
use super::console::warn;
use super::digest::digest;
use super::mask::Masks;
use super::options::Options;
use super::pace::Pace;
use super::streams::{is_standard, load_picture};
use super::text;
use super::values::{Decibels, Size, Time};
use impasto::{
    Backend, Dataset, Device, Engine, Error, Event, Picture, Result, Subject, Summary, Training,
    TrainingState,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The key of the metadata for what `paint` needs to go on with a run, beside the subject.
const KEY: &str = "paint";

/// The variables that choose an adapter.
const ADAPTER_NAMES: [&str; 2] = ["IMPASTO_ADAPTER", "WGPU_ADAPTER_NAME"];

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// How often a run is saved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    Time(Duration),
    Epochs(u64),
    Steps(u64),
}

impl FromStr for Every {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Setting(format!(
                "'{text}' is no interval: write 30s, 5m, 2h, 5epochs or 1000steps"
            ))
        };
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: u64 = text[..text.len() - unit.len()].parse().map_err(|_| wrong())?;
        let time = |seconds: u64| number.checked_mul(seconds).map(Duration::from_secs);
        let every = match unit.trim() {
            "s" => time(1).map(Self::Time),
            "m" | "min" => time(60).map(Self::Time),
            "h" => time(3600).map(Self::Time),
            "epoch" | "epochs" => Some(Self::Epochs(number)),
            "step" | "steps" => Some(Self::Steps(number)),
            _ => None,
        };
        if number == 0 {
            return Err(Error::Setting(format!("'{text}' is no interval: it must be above 0")));
        }
        every.ok_or_else(wrong)
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "{}s", time.as_secs()),
            Self::Epochs(epochs) => write!(f, "{epochs}epochs"),
            Self::Steps(steps) => write!(f, "{steps}steps"),
        }
    }
}

/// Names the file of a run that is saved, if the options do not.
pub fn choose_file(options: &mut Options) -> Result<()> {
    let beside = if is_standard(&options.output) { Path::new("painted") } else { &options.output };
    let beside = beside.with_extension("safetensors");
    let file = options.save.get_or_insert(beside);
    if is_standard(file) {
        return Err(Error::Setting(
            "--save-every replaces its file again and again: name a file for --save".into(),
        ));
    }
    Ok(())
}

/// Saves a run now and then.
pub struct Keeper {
    path: PathBuf,
    every: Every,
    texts: HashMap<String, String>,
    /// When it was saved last.
    last: Instant,
    /// The epochs or steps after which it is saved next.
    next: u64,
    /// Whether it could not be saved the last time.
    has_failed: bool,
}

impl Keeper {
    /// For a run on this picture that continues after `done`, if the options ask for it.
    pub fn new(
        options: &Options,
        canvas: &Canvas,
        engine: &Engine,
        done: Option<&Summary>,
    ) -> Result<Option<Self>> {
        let (Some(every), Some(target)) = (options.save_every, &options.save) else {
            return Ok(None);
        };
        let mut path = canvas.path.clone();
        if !is_standard(&path) {
            path = std::path::absolute(&path).unwrap_or(path);
        }
        let learned = canvas.learned();
        let device = engine.device();
        let entry = json!({
            "format": 1,
            "picture": path.to_string_lossy(),
            "digest": digest(&canvas.picture),
            "learned": [learned.width(), learned.height()],
            "mask": canvas.masks.as_ref().map(|masks| {
                let path = std::path::absolute(&masks.path).unwrap_or(masks.path.clone());
                json!([path.to_string_lossy(), masks.digest])
            }),
            "until": options.until.map(|until| until.0),
            "every": every.to_string(),
            "backend": device.backend.name(),
            "device": device.description(),
            "kernels": format!("{:?}", options.kernels).to_lowercase(),
            "precision": options.precision.name(),
            "tune": !options.no_tune,
        });
        let mut texts = canvas.subject().to_metadata()?;
        texts.insert(KEY.into(), entry.to_string());
        let mut keeper = Self {
            path: target.clone(),
            every,
            texts,
            last: Instant::now(),
            next: 0,
            has_failed: false,
        };
        keeper.plan(done.map_or((0, 0), |done| (done.epochs, done.steps)));
        Ok(Some(keeper))
    }

    /// Sets when the run is saved next, by the epochs and steps done.
    fn plan(&mut self, (epochs, steps): (u64, u64)) {
        self.last = Instant::now();
        self.next = match self.every {
            Every::Time(_) => 0,
            Every::Epochs(every) => (epochs / every).saturating_add(1).saturating_mul(every),
            Every::Steps(every) => (steps / every).saturating_add(1).saturating_mul(every),
        };
    }

    /// Whether the run is to be saved after this event.
    pub fn is_due(&self, event: &Event) -> bool {
        match (event, self.every) {
            (Event::Epoch(epoch), Every::Epochs(_)) => epoch.number >= self.next,
            (Event::Progress { steps, .. }, Every::Steps(_)) => *steps >= self.next,
            (Event::Progress { .. }, Every::Time(time)) => self.last.elapsed() >= time,
            _ => false,
        }
    }

    /// Saves a run that goes on. A file that cannot be written does not end it: the line says so, and the file has what
    /// was saved before.
    pub fn save(&mut self, training: &mut Training) -> Result<()> {
        let state = training.state()?;
        match self.save_state(&state) {
            // Once, until it works again.
            Err(error) if !self.has_failed => {
                warn(&error);
                self.has_failed = true;
            }
            Err(_) => {}
            Ok(()) => self.has_failed = false,
        }
        let summary = training.summary();
        self.plan((summary.epochs, summary.steps));
        Ok(())
    }

    /// The bytes of the file with a state of the run.
    pub fn encode(&self, state: &TrainingState) -> Result<Vec<u8>> {
        state.encode_with(&self.texts)
    }

    /// Saves a state of the run.
    pub fn save_state(&self, state: &TrainingState) -> Result<()> {
        state.save_with(&self.path, &self.texts)
    }
}

/// A run from a file.
pub struct Resumed {
    pub state: TrainingState,
    pub subject: Subject,
    /// Where the picture is.
    pub picture: PathBuf,
    digest: String,
    /// That of its mask, if it has one.
    mask: Option<String>,
    /// The engine and the device that it ran on.
    engine: String,
    device: String,
}

impl Resumed {
    /// Reads the run at `path`, and completes `options` by it. What the file says is used where the options say
    /// nothing.
    pub fn load(path: &Path, options: &mut Options) -> Result<Self> {
        let (state, texts) = TrainingState::load_with(path)?;
        let foreign = |reason: &str| Error::Checkpoint { path: path.into(), reason: reason.into() };
        let subject = Subject::from_metadata(state.network(), &texts)
            .map_err(|error| foreign(&error.to_string()))?;
        let text = texts.get(KEY).ok_or_else(|| {
            foreign(
                "it was not saved by paint --save-every, so nothing says which picture it learns",
            )
        })?;
        let entry: Value = serde_json::from_str(text)
            .map_err(|error| foreign(&format!("its '{KEY}' entry: {error}")))?;
        let named = |name: &str| {
            let text = entry[name].as_str();
            text.ok_or_else(|| foreign(&format!("its '{KEY}' entry lacks '{name}'")))
        };
        if entry["format"] != 1 {
            return Err(foreign("its run was saved by a later version of paint"));
        }
        let engine = named("backend")?;
        options.backend = match options.backend {
            Backend::Auto => engine.parse()?,
            chosen => chosen,
        };
        let device = named("device")?;
        let chosen = options.adapter.is_some() || ADAPTER_NAMES.iter().any(|name| is_set(name));
        if options.backend == Backend::Gpu && !chosen {
            // The same adapter, if it is still there.
            let adapters = impasto::gpu::adapters();
            options.adapter =
                adapters.iter().map(Device::description).find(|known| known == device);
        }
        options.kernels = named("kernels")?.parse()?;
        options.precision = named("precision")?.parse()?;
        options.no_tune |= entry["tune"] == false;
        options.adopt(&state.trainer, subject.classify);
        options.set_activation(state.network().layers()[0].activation);
        let side = |place: usize| entry["learned"][place].as_u64().unwrap_or_default() as usize;
        if (side(0), side(1)) != (subject.width, subject.height) {
            options.resize = Some(Size { width: side(0).max(1), height: side(1).max(1) });
        }
        if options.until.is_none() {
            options.until = entry["until"].as_f64().map(Decibels);
        }
        if options.save_every.is_none() {
            options.save_every = Some(named("every")?.parse()?);
        }
        if options.save.is_none() {
            options.save = Some(path.into());
        }
        let of_mask = |place: usize| entry["mask"][place].as_str().map(String::from);
        let mask = &mut options.masking.mask;
        *mask = mask.take().or_else(|| of_mask(0).map(PathBuf::from));
        Ok(Self {
            subject,
            picture: options
                .image
                .clone()
                .unwrap_or_else(|| named("picture").unwrap_or_default().into()),
            digest: named("digest")?.into(),
            mask: of_mask(1),
            engine: engine.into(),
            device: device.into(),
            state,
        })
    }

    /// Raises the budget where the options say so, for a picture of so many pixels.
    pub fn extend(&mut self, options: &Options, pixels: usize) -> Result<()> {
        let trainer = &mut self.state.trainer;
        let each = pixels.div_ceil(trainer.batch_size.clamp(1, pixels.max(1))).max(1) as u64;
        let steps = each.saturating_mul(trainer.epochs as u64);
        let before = trainer.steps.map_or(steps, |most| most.min(steps));
        let fewer = |option: String, before: String| {
            Err(Error::Setting(format!(
                "{option} is less than the {before} that the run was begun with: it may be raised only"
            )))
        };
        if let Some(epochs) = options.epochs {
            if each.saturating_mul(epochs as u64) < before {
                return fewer(
                    format!("--epochs {epochs}"),
                    text::counted(before.div_ceil(each), "epoch"),
                );
            }
            (trainer.epochs, trainer.steps) = (epochs, None);
        }
        if let Some(steps) = options.steps {
            if steps < before {
                return fewer(format!("--steps {steps}"), text::counted(before, "step"));
            }
            let budget = Budget::of_run(trainer).with_steps(steps, pixels);
            (trainer.epochs, trainer.steps) = (budget.epochs, budget.steps);
        }
        if let Some(Time { seconds }) = options.time {
            if let Some(limit) = trainer.time_limit.filter(|limit| seconds < *limit) {
                return fewer(format!("--time {seconds}s"), format!("{limit} seconds"));
            }
            trainer.time_limit = Some(seconds);
        }
        Ok(())
    }

    /// The picture, which must be the one that the run learns, and what reading it had to say.
    pub fn load_picture(&self, named: bool) -> Result<(Picture, Vec<String>)> {
        if !named && is_standard(&self.picture) {
            return Err(Error::Setting(
                "the run learns a picture that came from standard input: name it after --resume FILE, or pipe it to -"
                    .into(),
            ));
        }
        let read = load_picture(&self.picture);
        let (picture, notes) = read.map_err(|error| match error {
            Error::File { .. } if !named => Error::Setting(format!(
                "{error}: the run learns that picture. Name it after --resume FILE if it is elsewhere"
            )),
            other => other,
        })?;
        if digest(&picture) != self.digest {
            return Err(Error::Setting(format!(
                "{} is not the picture that the run learns: its pixels are others",
                self.picture.display()
            )));
        }
        Ok((picture, notes))
    }

    /// An error unless this is the mask that the run learns with.
    pub fn check_mask(&self, masks: Option<&Masks>) -> Result<()> {
        let Some(masks) = masks else { return Ok(()) };
        if self.mask.as_ref() == Some(&masks.digest) {
            return Ok(());
        }
        let path = masks.path.display();
        Err(Error::Setting(match self.mask {
            Some(_) => {
                format!("{path} is not the mask that the run learns with: its pixels are others")
            }
            None => format!("the run learns without a mask, so it cannot go on with {path}"),
        }))
    }

    /// The event with which the run began.
    pub fn started(&self, dataset: &Dataset) -> Event {
        let Pace { steps_per_epoch, steps, .. } = Pace::of(&self.state.trainer, dataset);
        Event::Started { steps_per_epoch, steps }
    }

    /// `goes on after 12 epochs (36 steps)`, and whether the engine is another.
    pub fn describe(&self, engine: &Engine) -> Vec<String> {
        let summary = self.state.summary();
        let mut lines = vec![format!(
            "goes on after {} ({})",
            text::counted(summary.epochs, "epoch"),
            text::counted(summary.steps, "step")
        )];
        let device = engine.device();
        let backend = device.backend.name();
        // The threads of a CPU change nothing.
        if backend != self.engine || backend == "gpu" && device.description() != self.device {
            lines.push(format!(
                "note: the run was on the {} engine on {}, so the last digits can be others here",
                self.engine, self.device
            ));
        }
        lines
    }
}
