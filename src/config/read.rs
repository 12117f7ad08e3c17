//! Reading of a configuration.

use super::keys::{Path, Section};
use super::own::{self, at, component};
use super::{Configuration, Length, Weights, text, tiny_cuda_nn};
use crate::error::{Result, invalid_setting};
use serde_json::{Value, json};

/// The keys of a configuration.
pub(super) const KEYS: [&str; 14] = [
    "network",
    "encoding",
    "loss",
    "optimizer",
    "wrappers",
    "learning_rate",
    "schedule",
    "warm_up",
    "l2",
    "batch_size",
    "epochs",
    "steps",
    "seed",
    "classify",
];

/// The key that names the schema for editors.
pub(super) const SCHEMA: &str = "$schema";

/// The parts that tiny-cuda-nn has too.
const SECTIONS: [&str; 4] = ["network", "encoding", "loss", "optimizer"];

impl Configuration {
    /// Reads a configuration for a network of so many inputs, in JSON with comments: in the names of this crate, or in
    /// those of tiny-cuda-nn. See [`Configuration`] for an example.
    ///
    /// A section that is left out has the default of tiny-cuda-nn if another section is in its names, else
    /// that of this crate.
    ///
    /// # Errors
    /// No JSON, an unknown key or name, a value of the wrong kind or out of its range, or something that this crate does
    /// not have. The message has the path to it, such as `encoding.nested[1].n_bins`.
    pub fn from_json(text: &str, inputs: usize) -> Result<Self> {
        let value = text::read(text)?;
        let section = Section::new(Path::Top, &value)?;
        section.only(KEYS.into_iter().chain([SCHEMA]))?;
        section.text(SCHEMA)?;
        let foreign = SECTIONS.iter().any(|key| tiny_cuda_nn::is_its(&section, key));
        let mut configuration = Self::default();
        configuration.read_network(&section, foreign)?;
        configuration.read_encoding(&section, foreign, inputs)?;
        configuration.read_loss(&section, foreign)?;
        configuration.read_optimizer(&section, foreign)?;
        configuration.read_training(&section)?;
        Ok(configuration)
    }

    fn read_network(&mut self, section: &Section<'_>, foreign: bool) -> Result<()> {
        let empty = json!({});
        let (path, value) = part(section, "network");
        let is_its = tiny_cuda_nn::is_its(section, "network") || (foreign && value.is_none());
        if is_its {
            let its = Section::new(path, value.unwrap_or(&empty))?;
            let layers = tiny_cuda_nn::network(&its)?;
            self.hidden = layers.hidden;
            self.activation = layers.activation;
            self.output_activation = Some(layers.output_activation);
            self.first_layer_scale = layers.first_layer_scale;
            self.biases = false;
            let has_own = self.activation.initialization(1, true).is_some();
            self.weights = if has_own { Weights::Default } else { Weights::Glorot };
        } else if let Some(value) = value {
            let layers = own::network(path, value)?;
            let default = Self::default();
            self.hidden = layers.hidden.unwrap_or(default.hidden);
            self.activation = layers.activation.unwrap_or(default.activation);
            self.output_activation = layers.output_activation;
            self.biases = layers.biases.unwrap_or(default.biases);
            self.weights = layers.weights.unwrap_or(default.weights);
            self.first_layer_scale = layers.first_layer_scale.unwrap_or(default.first_layer_scale);
        }
        Ok(())
    }

    fn read_encoding(&mut self, section: &Section<'_>, foreign: bool, inputs: usize) -> Result<()> {
        let empty = json!({});
        let (path, value) = part(section, "encoding");
        let is_its = tiny_cuda_nn::is_its(section, "encoding") || (foreign && value.is_none());
        if is_its {
            let its = Section::new(path, value.unwrap_or(&empty))?;
            self.encoding = tiny_cuda_nn::encoding(&its, inputs)?;
        } else if let Some(value) = value {
            self.encoding = own::encoding(path, value)?;
        }
        at(path, self.encoding.check(inputs))
    }

    fn read_loss(&mut self, section: &Section<'_>, foreign: bool) -> Result<()> {
        let empty = json!({});
        let (path, value) = part(section, "loss");
        let is_its = tiny_cuda_nn::is_its(section, "loss") || (foreign && value.is_none());
        if is_its {
            let its = Section::new(path, value.unwrap_or(&empty))?;
            self.loss = Some(tiny_cuda_nn::loss(&its)?);
        } else if let Some(value) = value.filter(|value| !value.is_null()) {
            self.loss = Some(component(path, value)?);
        }
        Ok(())
    }

    fn read_optimizer(&mut self, section: &Section<'_>, foreign: bool) -> Result<()> {
        let empty = json!({});
        let (path, value) = part(section, "optimizer");
        let is_its = tiny_cuda_nn::is_its(section, "optimizer") || (foreign && value.is_none());
        if is_its {
            let its = Section::new(path, value.unwrap_or(&empty))?;
            let read = tiny_cuda_nn::optimizer(&its)?;
            // What is both in the section and beside it would be ignored in one place.
            let has_wrappers = !read.wrappers.is_empty();
            for (key, is_there) in [
                ("learning_rate", its.get("learning_rate").is_some()),
                ("wrappers", has_wrappers),
                ("schedule", read.schedule != crate::schedule::Schedule::Constant),
                ("l2", its.get("l2_reg").is_some()),
            ] {
                if is_there && section.get(key).is_some() {
                    return invalid_setting(format!(
                        "{key}: the optimizer of this configuration has one, too: leave one out"
                    ));
                }
            }
            at(path, read.optimizer.check())?;
            at(path, read.schedule.check())?;
            at(path, read.wrappers.check())?;
            self.optimizer = read.optimizer;
            self.learning_rate = read.learning_rate;
            self.l2 = read.l2;
            self.wrappers = read.wrappers;
            self.schedule = read.schedule;
        } else if let Some(value) = value {
            self.optimizer = component(path, value)?;
        }
        Ok(())
    }

    /// What tiny-cuda-nn's configurations do not have.
    fn read_training(&mut self, section: &Section<'_>) -> Result<()> {
        if let (path, Some(value)) = part(section, "wrappers") {
            self.wrappers = own::wrappers(path, value)?;
        }
        if let (path, Some(value)) = part(section, "schedule") {
            self.schedule = component(path, value)?;
        }
        let number = |key, slot: &mut f64| -> Result<()> {
            if let Some(number) = section.number(key)? {
                *slot = number;
            }
            Ok(())
        };
        number("learning_rate", &mut self.learning_rate)?;
        number("l2", &mut self.l2)?;
        if let Some(warm_up) = section.count("warm_up")? {
            self.warm_up = warm_up;
        }
        if let Some(seed) = section.count("seed")? {
            self.seed = seed;
        }
        if let Some(classify) = section.switch("classify")? {
            self.classify = classify;
        }
        let at_least_one = |key: &str| match section.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => match section.count(key)? {
                Some(0) => section.wrong(key, &Value::from(0), "a whole number of at least 1"),
                count => Ok(count),
            },
        };
        if let Some(size) = at_least_one("batch_size")? {
            self.batch_size = Some(usize::try_from(size).unwrap_or(usize::MAX));
        }
        let epochs = at_least_one("epochs")?;
        let steps = at_least_one("steps")?;
        match (epochs, steps) {
            (Some(_), Some(_)) => {
                return invalid_setting("steps: epochs are there, too: leave one out");
            }
            (Some(epochs), None) => {
                let epochs = usize::try_from(epochs).unwrap_or(usize::MAX);
                self.length = Some(Length::Epochs(epochs));
            }
            (None, Some(steps)) => self.length = Some(Length::Steps(steps)),
            (None, None) => {}
        }
        if self.learning_rate <= 0.0 {
            let path = if section.get("learning_rate").is_some() { "" } else { "optimizer." };
            return invalid_setting(format!(
                "{path}learning_rate: it is {}: it must be above 0",
                self.learning_rate
            ));
        }
        if self.l2 < 0.0 {
            let path = if section.get("l2").is_some() { "l2" } else { "optimizer.l2_reg" };
            return invalid_setting(format!("{path}: it is {}: it must be 0 or more", self.l2));
        }
        Ok(())
    }
}

/// The path and the value of a key at the top.
fn part<'a>(section: &Section<'a>, key: &'static str) -> (Path<'static>, Option<&'a Value>) {
    (Path::Key(&Path::Top, key), section.get(key))
}
