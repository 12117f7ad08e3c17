//! `impasto fit SOUND.wav`.

use super::options::Options;
use super::progress::View;
use super::report::{report, write};
use super::training::{Parts, save, train};
use crate::paint::signals::Signal;
use crate::paint::streams::is_standard;
use crate::paint::text::{describe_network, describe_training};
use crate::sound::{KEY, Sound};
use impasto::{Activation, Dataset, Encoding, Epoch, Network, Result, Schedule, Trainer, evaluate};
use serde_json::json;
use std::process::ExitCode;

/// Frames in a step.
const BATCH: usize = 2048;

/// Steps of a run, in whole epochs.
const STEPS: usize = 4000;

/// With 0.0005, some SIRENs learn nothing.
const LEARNING_RATE: f64 = 3e-4;

/// What times in [−1, 1] are multiplied by for each second of the sound. The weights of a SIREN's first layer are up to
/// 1, and its frequencies up to about 600 Hz.
const SCALE: f64 = 65.0;

/// Trains on a sound, saves the network and says how good it is.
pub fn run(options: &Options) -> Result<ExitCode> {
    options.check_no_table("a sound")?;
    let (file, device) = (options.file(), &options.device);
    let (sound, amplitudes) = Sound::load(&options.data)?;
    device.say(format!("sound {}: {}", options.data.display(), sound.describe()));
    let mut network = network(options, &sound)?;
    let channels = network.outputs();
    let samples = Dataset::new(sound.times(&network, 0..sound.frames), amplitudes, 1, channels)?;
    let trainer = trainer(options, samples.len());
    trainer.check(&network)?;
    device.say(format!("network {}", describe_network(&network)));
    device.say(format!("training {}", describe_training(&trainer)));
    let engine = device.open()?;
    let signal = Signal::listen();
    let known = engine.notes().len();
    let parts = Parts { training: samples, validation: None };
    let quality = |epoch: &Epoch| format!("{:.1} dB", decibels(epoch.loss));
    let view = View { quiet: device.quiet, unit: "frames", quality };
    let trained = train(&engine, &trainer, &mut network, &parts, &signal, view)?;
    device.notes(engine.notes().iter().skip(known));
    device.say(trained.describe(&trainer, "frames"));
    save(&file, &network, KEY, sound.to_json()?)?;
    let snr = decibels(evaluate(&engine, &network, trainer.loss, &parts.training)?);
    device.say(format!("signal-to-noise ratio {snr:.1} dB"));
    if !is_standard(&file) {
        let file = file.display();
        device.say(format!("saved {file}; impasto predict {file} -o OUT.wav plays it back"));
    }
    if let Some(path) = &options.report {
        let data = json!({
            "path": options.data.to_string_lossy(),
            "rate": sound.rate,
            "channels": sound.channels,
            "frames": sound.frames,
        });
        let run = (&engine, &network, &trainer);
        let result = json!({ "signal_to_noise_db": snr });
        write(path, &report(&data, run, &parts, &trained, &result))?;
    }
    let code = signal.exit_code().map_or(ExitCode::SUCCESS, ExitCode::from);
    trained.failure.map_or(Ok(code), Err)
}

/// The ratio of the signal to the noise in dB. The mean square of the signal is 1.
fn decibels(loss: f64) -> f64 {
    -10.0 * loss.log10()
}

/// The network for a sound: a SIREN whose first waves have the same frequencies in sounds of any length.
fn network(options: &Options, sound: &Sound) -> Result<Network> {
    let hidden = options.hidden.as_ref().map_or(vec![128; 3], |hidden| hidden.0.clone());
    let encoding = options.encoding.clone().unwrap_or_else(|| {
        let scale = (SCALE * sound.seconds()).max(1.0);
        Encoding::Scaled { scale, offset: 0.0 }.into()
    });
    Network::builder(1)
        .encoding(encoding.seeded(options.seed))
        .hidden(&hidden, options.activation.unwrap_or(Activation::SINE))
        .output(usize::from(sound.channels), Activation::Identity)
        .seed(options.seed)
        .build()
}

/// How the network is trained on so many frames.
fn trainer(options: &Options, frames: usize) -> Trainer {
    let batch_size = options.batch.unwrap_or(BATCH);
    let steps_per_epoch = frames.div_ceil(batch_size.max(1)).max(1);
    Trainer {
        epochs: options.epochs.unwrap_or(STEPS.div_ceil(steps_per_epoch)),
        batch_size,
        learning_rate: options.learning_rate.unwrap_or(LEARNING_RATE),
        schedule: Schedule::Cosine,
        optimizer: options.optimizer,
        seed: options.seed,
        time_limit: options.time.map(|time| time.seconds),
        ..Trainer::default()
    }
}
