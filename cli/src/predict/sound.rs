//! The sound of a network.

use super::Options;
use crate::output;
use crate::paint::signals::Signal;
use crate::paint::streams::{check_redirected, is_standard};
use crate::sound::Sound;
use impasto::{Error, Network, Result, files};
use std::process::ExitCode;

/// Frames that are predicted at once.
const BLOCK: usize = 1 << 14;

/// Writes the sound as WAV.
pub fn run(options: &Options, network: &Network, sound: &Sound) -> Result<ExitCode> {
    let Options { data, output, probabilities, dialect, device, .. } = options;
    if data.is_some() || *probabilities || dialect.delimiter.is_some() || dialect.no_header {
        return Err(Error::Setting(format!(
            "{} is a sound, which takes no table: impasto predict {0} -o OUT.wav",
            options.network.display()
        )));
    }
    if is_standard(output) {
        check_redirected()?;
    } else {
        files::check_writable(output)?;
    }
    let engine = device.open()?;
    let model = engine.prepare(network)?;
    let signal = Signal::listen()?;
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
