//! `impasto fit` and `impasto predict` on sounds.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod common;

use common::{impasto, printed, refused};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: 8000,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// Three notes, each of two harmonics, that fade: the amplitude of a channel at a time, in [−1, 1].
fn notes(seconds: f64, channel: u16) -> f64 {
    let note = |number: i32, frequency: f64| {
        let since = seconds - 0.15 * f64::from(number);
        let phase = TAU * frequency * since + f64::from(channel);
        if since < 0.0 {
            0.0
        } else {
            (-4.0 * since).exp() * (phase.sin() + 0.4 * (2.0 * phase).sin())
        }
    };
    0.25 * (note(0, 220.0) + note(1, 277.2) + note(2, 329.6))
}

/// Writes a sound of so many frames.
fn write(path: &Path, spec: WavSpec, frames: u32) {
    let mut writer = WavWriter::create(path, spec).unwrap();
    for frame in 0..frames {
        for channel in 0..spec.channels {
            let amplitude = notes(f64::from(frame) / f64::from(spec.sample_rate), channel);
            if spec.sample_format == SampleFormat::Float {
                writer.write_sample(amplitude as f32).unwrap();
            } else {
                let most = 2.0_f64.powi(i32::from(spec.bits_per_sample) - 1) - 1.0;
                writer.write_sample((amplitude * most).round() as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
}

fn folder_with(spec: WavSpec, frames: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.wav"), spec, frames);
    folder
}

/// The ratio of the signal to the noise in dB, of files with samples of 16 bits.
fn ratio(signal: &Path, other: &Path) -> f64 {
    let read = |path| {
        WavReader::open(path)
            .unwrap()
            .into_samples::<i16>()
            .map(|s| f64::from(s.unwrap()))
            .collect()
    };
    let (signal, other): (Vec<f64>, Vec<f64>) = (read(signal), read(other));
    assert_eq!(signal.len(), other.len());
    let noise = signal.iter().zip(&other).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    10.0 * (signal.iter().map(|a| a * a).sum::<f64>() / noise).log10()
}

#[test]
fn a_sound_is_learned_and_played_back() {
    let folder = folder_with(SPEC, 4000);
    let folder = folder.path();
    let fit =
        "fit a.wav --hidden 2x64 --epochs 300 --learning-rate 0.0005 --batch 512 --backend cpu";
    let lines = printed(folder, &format!("{fit} --report r.json"));
    assert!(lines.contains("sound a.wav: 1 channel of 16 bits, 0.5 s at 8000 Hz\n"), "{lines}");
    let rest = lines.split_once("signal-to-noise ratio ").expect("a ratio").1;
    let measured: f64 = rest.split(' ').next().unwrap().parse().unwrap();
    let command = "predict a.safetensors -o b.wav --backend cpu";
    assert!(printed(folder, command).contains("1 channel of 16 bits, 0.5 s at 8000 Hz\n"));
    let found = ratio(&folder.join("a.wav"), &folder.join("b.wav"));
    assert!(found > 25.0, "{found} dB");
    assert!((found - measured).abs() < 0.2, "{found} dB, and {measured} dB said");
    assert_eq!(WavReader::open(folder.join("b.wav")).unwrap().spec(), SPEC);
    let report = fs::read_to_string(folder.join("r.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["data"]["frames"], 4000);
    // To standard output.
    let piped = impasto(folder, "predict a.safetensors --quiet --backend cpu");
    assert_eq!(piped.stdout, fs::read(folder.join("b.wav")).unwrap());
    let info = printed(folder, "info a.safetensors");
    assert!(info.contains("1 channel of 16 bits, 0.5 s at 8000 Hz"), "{info}");
}

#[test]
fn every_kind_of_sample_is_kept() {
    for (bits_per_sample, sample_format, channels) in [
        (8, SampleFormat::Int, 1),
        (16, SampleFormat::Int, 2),
        (24, SampleFormat::Int, 3),
        (32, SampleFormat::Int, 1),
        (32, SampleFormat::Float, 2),
    ] {
        let spec = WavSpec { channels, bits_per_sample, sample_format, ..SPEC };
        let folder = folder_with(spec, 100);
        let folder = folder.path();
        printed(folder, "fit a.wav --epochs 1 --hidden 8 --quiet --backend cpu");
        printed(folder, "predict a.safetensors -o b.wav --quiet --backend cpu");
        let reader = WavReader::open(folder.join("b.wav")).unwrap();
        assert_eq!((reader.spec(), reader.duration()), (spec, 100));
    }
}

#[test]
fn other_encodings_learn_too() {
    let folder = folder_with(SPEC, 1000);
    let grid = "grid:levels=8,log2_size=10,base_resolution=8,level_scale=2";
    for encoding in ["fourier:features=16,scale=50", grid, "identity"] {
        let fit = "fit a.wav --epochs 2 --hidden 8 --activation relu --quiet --backend cpu";
        printed(folder.path(), &format!("{fit} --encoding {encoding}"));
        printed(folder.path(), "predict a.safetensors -o b.wav --quiet --backend cpu");
    }
}

#[test]
fn bad_sounds_and_options_are_refused() {
    let folder = folder_with(SPEC, 100);
    let folder = folder.path();
    for (name, frames) in [("empty.wav", 0), ("silent.wav", 1)] {
        write(&folder.join(name), SPEC, frames);
    }
    let bytes = fs::read(folder.join("a.wav")).unwrap();
    fs::write(folder.join("cut.wav"), &bytes[..100]).unwrap();
    fs::write(folder.join("start.wav"), &bytes[..30]).unwrap();
    let zero_rate = [&bytes[..24], &[0; 8], &bytes[32..]].concat();
    fs::write(folder.join("zero.wav"), zero_rate).unwrap();
    fs::write(folder.join("text.WAV"), "no sound").unwrap();
    for (arguments, message) in [
        ("empty.wav", "empty.wav: it is empty"),
        ("silent.wav", "it is silent: there is nothing to learn"),
        ("cut.wav", "cut.wav: it has 56 bytes of samples, and says that it has 200"),
        ("start.wav", "start.wav: it ends before its samples begin"),
        ("zero.wav", "zero.wav: it has a rate of 0 Hz"),
        ("text.WAV", "text.WAV: it is no WAV file that can be read: convert it with ffmpeg"),
        ("missing.wav", "cannot read missing.wav"),
        ("a.wav --target x", "--target is for tables, and a.wav is a sound"),
        ("a.wav --split 0.1", "--split is for tables"),
        ("a.wav --hidden 8 --epochs 0", "0 epochs"),
    ] {
        let error = refused(folder, &format!("fit {arguments} --backend cpu"));
        assert!(error.contains(message), "{message}: {error}");
    }
    printed(folder, "fit a.wav --epochs 1 --hidden 8 --quiet --backend cpu");
    let error = refused(folder, "predict a.safetensors a.wav -o b.wav");
    assert!(error.contains("is a sound, which takes no table: impasto predict a.safetensors -o"));
    fs::write(folder.join("t.csv"), "x,y\n1,2\n2,3.5\n3,5\n").unwrap();
    assert!(refused(folder, "fit t.csv --target y --encoding fourier").contains("for sounds"));
    printed(folder, "fit t.csv --target y --epochs 1 --quiet --backend cpu");
    assert!(refused(folder, "predict t.safetensors").contains("name it after the network"));
}
