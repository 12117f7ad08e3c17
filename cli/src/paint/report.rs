//! The report of a run as JSON. A key that does not apply is null; so is the PSNR of an exact
//! painting, which is infinite.

use super::canvas::{Canvas, Judged};
use super::options::Options;
use super::profile::Profile;
use super::streams::save_text;
use super::training::Trained;
use impasto::{Engine, Error, Network, Result, Trainer, Video};
use serde_json::{Value, json};
use std::path::Path;

/// The report, completed during the run.
pub struct Report(Value);

impl Report {
    /// The fields that are known from the start.
    pub fn new(engine: &Engine, network: &Network, seed: u64) -> Self {
        let device = engine.device();
        let mut layers = vec![network.inputs()];
        layers.extend(network.layers().iter().map(|layer| layer.fan_out));
        let known = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        Self(json!({
            "image": null,
            "network": {
                "layers": layers,
                "encoding": network.encoding().to_string(),
                "activation": network.layers()[0].activation.to_string(),
                "parameters": network.parameters().len(),
            },
            "engine": {
                "backend": device.backend,
                "adapter": device.adapter,
                "device_type": device.device_type.name(),
                "driver": known(&device.driver),
                "api": device.api.map(impasto::Api::name),
                "threads": device.threads,
                "setup_seconds": null,
            },
            "training": null,
            "result": { "loss": null, "psnr_db": null, "ssim": null, "accuracy": null, "file": null },
            "history": [],
            "kernels": null,
            "candidates": null,
            "seed": seed,
            "version": env!("CARGO_PKG_VERSION"),
        }))
    }

    /// The picture that is learned.
    pub fn set_image(&mut self, canvas: &Canvas) {
        self.0["image"] = json!({
            "path": canvas.path.to_string_lossy(),
            "width": canvas.picture.width(),
            "height": canvas.picture.height(),
            "channels": canvas.picture.channels(),
            "learned": [canvas.learned().width(), canvas.learned().height()],
            "mask": canvas.masks.as_ref().map(|masks| masks.path.to_string_lossy()),
        });
    }

    /// The video that is learned, from this file or folder.
    pub fn set_video(&mut self, path: &Path, video: &Video) {
        self.0["image"] = json!({
            "path": path.to_string_lossy(),
            "width": video.picture.width,
            "height": video.picture.height,
            "channels": video.picture.channels,
            "frames": video.frames(),
        });
    }

    /// How good the painting of a video is, in dB.
    pub fn set_psnr(&mut self, psnr: f64) {
        self.0["result"]["psnr_db"] = json!(psnr);
    }

    /// Seconds of opening the device, compiling and loading.
    pub fn set_setup(&mut self, seconds: f64) {
        self.0["engine"]["setup_seconds"] = json!(seconds);
    }

    /// How `samples` were trained on, and the outcome; `opening` are the seconds that the engine took
    /// to open.
    pub fn set_training(
        &mut self,
        trainer: &Trainer,
        engine: &Engine,
        trained: &Trained,
        opening: f64,
        samples: usize,
    ) {
        let summary = &trained.summary;
        self.set_setup(opening + summary.setup_seconds);
        self.0["training"] = json!({
            "loss": trainer.loss.to_string(),
            "optimizer": trainer.optimizer.to_string(),
            "precision": engine.precision().name(),
            "learning_rate": trainer.learning_rate,
            "schedule": trainer.schedule.to_string(),
            "warm_up": trainer.warm_up,
            "ending": trained.ending(),
            "epochs": summary.epochs,
            "steps": summary.steps,
            "batch": trainer.batch_size.min(samples),
            "samples_per_second": summary.samples as f64 / summary.seconds.max(1e-9),
            "seconds": summary.seconds,
        });
        let epochs = summary.history.iter();
        self.0["history"] = epochs
            .map(|e| json!({ "epoch": e.number, "loss": e.loss, "seconds": e.seconds }))
            .collect();
        self.0["result"]["loss"] = json!(summary.history.last().map(|e| e.loss));
    }

    /// How good the painting is.
    pub fn set_result(&mut self, judged: &Judged) {
        self.0["result"]["psnr_db"] = json!(judged.psnr);
        self.0["result"]["ssim"] = json!(judged.ssim);
        self.0["result"]["accuracy"] = json!(judged.accuracy);
        if let Some(file) = &judged.file {
            // What is not rounded has the quality of the painting.
            let quality =
                |painted: Option<f64>| painted.map(|painted| file.quality.unwrap_or(painted));
            self.0["result"]["file"] = json!({
                "bits": file.bits.count(),
                "bytes": file.bytes,
                "bits_per_pixel": file.bits_per_pixel(),
                "psnr_db": quality(judged.psnr),
                "accuracy": quality(judged.accuracy),
            });
        }
    }

    /// What `--profile` measured.
    pub fn set_profile(&mut self, profile: &Profile) {
        let kernels = profile.kernels.iter();
        self.0["kernels"] = kernels
            .map(|k| json!({ "name": k.kernel, "dispatches": k.dispatches, "seconds": k.seconds }))
            .collect();
        let candidates = profile.candidates.iter();
        self.0["candidates"] =
            candidates.map(|c| json!({ "shapes": c.shapes, "seconds": c.seconds })).collect();
    }

    /// Writes it where the options say, if they do.
    pub fn write(&self, options: &Options) -> Result<()> {
        let Some(path) = &options.report else { return Ok(()) };
        let mut text =
            serde_json::to_string_pretty(&self.0).map_err(|e| Error::Format(e.to_string()))?;
        text.push('\n');
        save_text(path, &text)
    }
}
