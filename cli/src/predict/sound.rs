//! The sound of a network.

use super::Options;
use crate::output;
use crate::paint::signals::Signal;
use crate::sound::Sound;
use impasto::{Network, Result};
use std::process::ExitCode;

/// Frames that are predicted at once.
const BLOCK: usize = 1 << 14;

/// Writes the sound as WAV.
pub fn run(options: &Options, network: &Network, sound: &Sound) -> Result<ExitCode> {
    let Options { output, device, .. } = options;
    let engine = device.open()?;
    let model = engine.prepare(network)?;
    let signal = Signal::listen();
    let mut amplitudes = Vec::new();
    for first in (0..sound.frames).step_by(BLOCK) {
        let end = sound.frames.min(first + BLOCK as u32);
        amplitudes.extend(model.predict(&sound.times(network, first..end))?);
        if let Some(code) = signal.exit_code() {
            return Ok(ExitCode::from(code));
        }
    }
    output::write(output, &sound.encode(&amplitudes)?)?;
    device.say(sound.describe());
    Ok(ExitCode::SUCCESS)
}
