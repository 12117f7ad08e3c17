//! The options of a painter, as JSON.

use impasto::gpu::{Kernels, Precision};
use impasto::input_encoding::InputEncoding;
use impasto::{Activation, Backend, Error, Result, Schedule, Trainer};
use serde::Deserialize;

/// The options of a [`Painter`](crate::painter::Painter). The defaults are those of `paint`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// `auto` (a GPU if there is a real one, else the processor), `gpu` or `cpu`.
    pub backend: String,
    /// `auto`, `fused` or `layerwise`.
    pub kernels: String,
    /// Whether to look for the fastest shapes of the kernels, some seconds.
    pub tune: bool,
    /// Neurons of each hidden layer.
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: String,
    /// `identity`, `frequency` or `fourier`.
    pub encoding: String,
    /// Learning rate of Adam, before the schedule.
    pub learning_rate: f64,
    /// How the learning rate falls.
    pub schedule: String,
    /// How often training goes through all pixels.
    pub epochs: usize,
    /// Pixels in a training step.
    pub batch: usize,
    /// Of the first parameters, the order of pixels and random waves.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: "auto".into(),
            kernels: "auto".into(),
            tune: false,
            hidden: vec![100; 10],
            activation: "relu".into(),
            encoding: "identity".into(),
            learning_rate: 2e-3,
            schedule: "cosine".into(),
            epochs: 200,
            batch: 200,
            seed: 0,
        }
    }
}

/// The most layers and neurons that a page may ask for: more than a visitor waits for.
const MOST: usize = 1 << 12;

impl Options {
    /// From the page's JSON.
    ///
    /// # Errors
    /// Not such an object, or a value that is out of range.
    pub fn parse(json: &str) -> Result<Self> {
        let options: Self = serde_json::from_str(json)
            .map_err(|error| Error::Setting(format!("the painter's options: {error}")))?;
        if options.hidden.len() > MOST || options.hidden.iter().any(|width| *width > MOST) {
            return Err(Error::Setting(format!("more than {MOST} layers or neurons in one")));
        }
        Ok(options)
    }

    /// The engine that is wanted.
    ///
    /// # Errors
    /// A name that is none.
    pub fn engine(&self) -> Result<impasto::Options> {
        Ok(impasto::Options {
            backend: self.backend.parse::<Backend>()?,
            kernels: self.kernels.parse::<Kernels>()?,
            precision: Precision::Full,
            tune: self.tune,
            adapter: None,
            threads: None,
        })
    }

    /// The activation of the hidden layers.
    ///
    /// # Errors
    /// A name that is none.
    pub fn activation(&self) -> Result<Activation> {
        Activation::from_name(&self.activation)
    }

    /// The inputs of the first layer, computed from a place.
    ///
    /// # Errors
    /// A name that is none.
    pub fn encoding(&self) -> Result<InputEncoding> {
        Ok(self.encoding.parse::<InputEncoding>()?.seeded(self.seed))
    }

    /// How to train.
    ///
    /// # Errors
    /// A schedule's name that is none.
    pub fn trainer(&self) -> Result<Trainer> {
        Ok(Trainer {
            epochs: self.epochs,
            batch_size: self.batch,
            learning_rate: self.learning_rate,
            schedule: Schedule::from_name(&self.schedule)?,
            seed: self.seed,
            ..Trainer::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_unknown_is_refused() {
        assert_eq!(Options::parse("{}").ok(), Some(Options::default()));
        let some = Options::parse(r#"{"hidden": [8, 8], "learningRate": 0.1}"#);
        assert!(some.is_ok_and(|o| o.hidden == [8, 8] && o.learning_rate == 0.1));
        for wrong in ["", "1", r#"{"color": 1}"#, r#"{"hidden": [5000]}"#, r#"{"batch": -1}"#] {
            assert!(Options::parse(wrong).is_err(), "{wrong}");
        }
    }
}
