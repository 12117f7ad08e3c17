//! The functions that JavaScript calls.
//!
//! Objects cross as JSON, pictures and files as bytes; an error is an `Error` whose `name` says of
//! which kind it is.

use crate::options::Options;
use crate::painter::Painter;
use crate::pixels;
use impasto::Error;
use serde::Serialize;
use std::time::Duration;
use wasm_bindgen::prelude::*;

type Result<T> = std::result::Result<T, JsValue>;

/// A [`Painter`] for JavaScript.
#[wasm_bindgen(js_name = Painter)]
#[derive(Debug)]
pub struct Face(Painter);

#[wasm_bindgen(js_class = Painter)]
impl Face {
    /// A painter that learns the picture `rgba`; `saved` is a network to go on from.
    pub async fn create(
        options: String,
        width: usize,
        height: usize,
        rgba: Vec<u8>,
        saved: Option<Vec<u8>>,
    ) -> Result<Face> {
        let options = Options::parse(&options).map_err(failure)?;
        let picture = pixels::picture(width, height, &rgba).map_err(failure)?;
        drop(rgba);
        let created = Painter::create(options, picture, saved.as_deref()).await;
        created.map(Face).map_err(failure)
    }

    /// A saved network that paints, without training.
    pub async fn open(options: String, saved: Vec<u8>) -> Result<Face> {
        let options = Options::parse(&options).map_err(failure)?;
        Painter::open(options, &saved).await.map(Face).map_err(failure)
    }

    /// What computes, as JSON.
    pub fn adapter(&self) -> Result<String> {
        json(&self.0.adapter())
    }

    /// The subject, as JSON.
    pub fn subject(&self) -> Result<String> {
        json(&self.0.subject())
    }

    /// Neurons of each layer.
    pub fn widths(&self) -> Vec<usize> {
        self.0.widths()
    }

    /// Trains for about so many milliseconds; progress as JSON.
    pub async fn train(&mut self, milliseconds: f64) -> Result<String> {
        let time = Duration::try_from_secs_f64(milliseconds / 1e3)
            .map_err(|error| failure(Error::Setting(error.to_string())))?;
        json(&self.0.train(time).await.map_err(failure)?)
    }

    /// Trains at least so many steps; progress as JSON.
    #[wasm_bindgen(js_name = trainSteps)]
    pub async fn train_steps(&mut self, steps: u32) -> Result<String> {
        json(&self.0.train_steps(steps.into()).await.map_err(failure)?)
    }

    /// Paints, in RGBA.
    pub async fn paint(&mut self, width: usize, height: usize) -> Result<Vec<u8>> {
        self.0.paint(width, height).await.map_err(failure)
    }

    /// The PSNR of the last painting of the picture's size, in dB.
    pub fn psnr(&self) -> Option<f64> {
        self.0.psnr()
    }

    /// The outputs of the neurons of a layer over the plane, in shades of gray.
    pub async fn neurons(&mut self, layer: usize, size: usize) -> Result<Vec<u8>> {
        self.0.neurons(layer, size).await.map_err(failure)
    }

    /// The parameters learned so far.
    pub async fn parameters(&mut self) -> Result<Vec<f32>> {
        let parameters = self.0.parameters().await.map_err(failure)?;
        Ok(parameters.iter().map(|value| *value as f32).collect())
    }

    /// The bytes of a safetensors file.
    pub async fn save(&mut self) -> Result<Vec<u8>> {
        self.0.save().await.map_err(failure)
    }

    /// Sets the learning rate of the steps to come.
    #[wasm_bindgen(js_name = setLearningRate)]
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        self.0.set_learning_rate(rate).map_err(failure)
    }

    /// Gives the device up.
    pub fn destroy(&self) {
        self.0.destroy();
    }

    /// Opens the engine anew after its device was lost; progress as JSON.
    pub async fn recover(&mut self) -> Result<String> {
        json(&self.0.recover().await.map_err(failure)?)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| failure(Error::Setting(error.to_string())))
}

/// The error for JavaScript, called after its kind.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failure(error: Error) -> JsValue {
    let name = match &error {
        Error::NoAdapter { .. } => "NoAdapter",
        Error::Gpu { .. } => "Gpu",
        Error::DeviceLost { .. } => "DeviceLost",
        Error::Diverged { .. } => "Diverged",
        Error::TooLarge { .. } => "TooLarge",
        _ => "Invalid",
    };
    let thrown = js_sys::Error::new(&error.to_string());
    thrown.set_name(name);
    thrown.into()
}
