//! Sounds: WAV files as amplitudes, and what a saved network says of the sound that it was trained on.

use crate::paint::text::counted;
use crate::wav;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use impasto::{Error, Network, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

/// The key of the metadata.
pub const KEY: &str = "sound";

/// The version of the format.
const FORMAT: u32 = 1;

/// The most frames: between more, a time in f32 has too few digits.
pub const MOST_FRAMES: u32 = 1 << 21;

/// The most channels.
const MOST_CHANNELS: u16 = 32;

/// A sound as a function of the time, as JSON under `sound` in the file's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    format: u32,
    /// Frames a second.
    pub rate: u32,
    pub channels: u16,
    pub frames: u32,
    /// Bits of a sample: 8, 16, 24 or 32.
    bits: u16,
    /// Whether samples are floating-point numbers.
    float: bool,
    /// The amplitude, of at most 1, that an output of 1 is.
    pub scale: f64,
}

impl Sound {
    /// Reads a WAV file: the sound and its amplitudes in units of `scale`, `[frames, channels]`.
    pub fn load(path: &Path) -> Result<(Self, Vec<f32>)> {
        let wrong = |reason: String| Error::Data(format!("{}: {reason}", path.display()));
        let unreadable = |error| match error {
            // An error of the operating system, not an early end.
            hound::Error::IoError(source) if source.raw_os_error().is_some() => {
                Error::File { action: "read", path: path.into(), source }
            }
            other => wrong(wav::reason(&other).into()),
        };
        let file = wav::open(path).map_err(|failure| match failure {
            wav::Failure::Wrong(reason) => wrong(reason),
            wav::Failure::Other(error) => error,
        })?;
        let reader = WavReader::new(file).map_err(unreadable)?;
        let WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format } =
            reader.spec();
        let frames = reader.duration();
        if frames == 0 {
            return Err(wrong("it is empty".into()));
        }
        if rate == 0 {
            return Err(wrong("it has a rate of 0 Hz: get a complete copy of it".into()));
        }
        if frames > MOST_FRAMES {
            let seconds = f64::from(MOST_FRAMES) / f64::from(rate.max(1));
            return Err(wrong(format!(
                "it has {frames} frames, and a network takes at most {MOST_FRAMES}: cut it to {seconds:.0} s, or \
                 to a lower rate"
            )));
        }
        if channels > MOST_CHANNELS {
            return Err(wrong(format!("it has {channels} channels, more than {MOST_CHANNELS}")));
        }
        let float = sample_format == SampleFormat::Float;
        let samples: std::result::Result<Vec<f64>, _> = if float {
            reader.into_samples::<f32>().map(|sample| sample.map(f64::from)).collect()
        } else {
            let most = most(bits);
            reader.into_samples::<i32>().map(|sample| sample.map(|s| f64::from(s) / most)).collect()
        };
        let samples = samples.map_err(unreadable)?;
        let square = samples.iter().map(|s| s * s).sum::<f64>() / samples.len().max(1) as f64;
        if !square.is_finite() {
            return Err(wrong("it has samples that are no finite numbers".into()));
        }
        if square == 0.0 {
            return Err(wrong("it is silent: there is nothing to learn".into()));
        }
        let scale = square.sqrt();
        let amplitudes = samples.iter().map(|sample| (sample / scale) as f32).collect();
        Ok((Self { format: FORMAT, rate, channels, frames, bits, float, scale }, amplitudes))
    }

    /// The sound in the texts of a saved network, if there is one.
    pub fn of(network: &Network, texts: &HashMap<String, String>) -> Result<Option<Self>> {
        let Some(text) = texts.get(KEY) else { return Ok(None) };
        let wrong = |reason: String| Error::Format(format!("its '{KEY}' entry: {reason}"));
        let sound: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let Self { format, rate, channels, frames, bits, float, scale } = sound;
        if format != FORMAT {
            return Err(wrong(format!("its format is {format}, from a later version")));
        }
        let fits = (network.inputs(), network.outputs()) == (1, usize::from(channels))
            && (1..=MOST_CHANNELS).contains(&channels)
            && (1..=MOST_FRAMES).contains(&frames)
            && rate > 0
            && ([8, 16, 24, 32].contains(&bits) && (!float || bits == 32))
            && scale.is_finite()
            && scale > 0.0;
        if fits { Ok(Some(sound)) } else { Err(wrong("it does not fit the network".into())) }
    }

    /// The text of the metadata.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::Format(error.to_string()))
    }

    /// The input of the network for some frames: the time in [−1, 1], or in [0, 1] for a grid.
    pub fn times(&self, network: &Network, frames: Range<u32>) -> Vec<f32> {
        let all = f64::from(self.frames);
        let has_grid = network.encoding().to_string().contains("grid");
        let place = |frame| {
            let time = (f64::from(frame) + 0.5) / all;
            if has_grid { time as f32 } else { (2.0 * time - 1.0) as f32 }
        };
        frames.map(place).collect()
    }

    /// The bytes of a WAV file with these amplitudes, in units of `scale`. Louder ones than the file can have are cut.
    pub fn encode(&self, amplitudes: &[f32]) -> Result<Vec<u8>> {
        let failed = |error: hound::Error| Error::Format(format!("no WAV file: {error}"));
        let spec = WavSpec {
            channels: self.channels,
            sample_rate: self.rate,
            bits_per_sample: self.bits,
            sample_format: if self.float { SampleFormat::Float } else { SampleFormat::Int },
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).map_err(failed)?;
        for amplitude in amplitudes {
            let sample = f64::from(*amplitude) * self.scale;
            if self.float {
                writer.write_sample(sample as f32).map_err(failed)?;
            } else {
                let most = most(self.bits);
                let sample = (sample * most).round().clamp(-most, most - 1.0);
                writer.write_sample(sample as i32).map_err(failed)?;
            }
        }
        writer.finalize().map_err(failed)?;
        Ok(bytes.into_inner())
    }

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        f64::from(self.frames) / f64::from(self.rate)
    }

    /// `2 channels of 16 bits, 3.0 s at 44100 Hz`.
    pub fn describe(&self) -> String {
        let channels = counted(self.channels.into(), "channel");
        let (bits, seconds, rate) = (self.bits, self.seconds(), self.rate);
        format!("{channels} of {bits} bits, {seconds:.1} s at {rate} Hz")
    }
}

/// The number of samples of one sign with so many bits.
fn most(bits: u16) -> f64 {
    2.0_f64.powi(i32::from(bits) - 1)
}
