//! What is trained for each table.

use std::path::Path;

use anyhow::{Context, Result};

use super::figures::{Fitted, Mapped, Raced, seconds_a_sample};
use super::job::{Answer, Encoding, Job};
use super::photos::Photo;
use super::worker::{MANY, Worker};
use crate::peers::format::count;
use crate::peers::statistics::median;

/// Pixels along each side of the pictures of which every second pixel is learned, and of those of the grid.
pub const SIDE: usize = 512;

/// Frequencies of a mapping.
const FEATURES: usize = 256;

/// Seconds of a turn.
const TURN: f64 = 4.0;

/// The programs and settings of all tables.
pub struct Bench<'a> {
    /// Impasto.
    pub ours: Worker,
    /// PyTorch.
    pub theirs: Option<Worker>,
    /// Where samples and parameters are written.
    pub folder: &'a Path,
    /// Threads to compute with.
    pub threads: usize,
}

/// Every second pixel, and the pixels between them (Tancik et al. 2020, section 6 and table 3).
///
/// # Errors
///
/// When a file cannot be written or a worker fails.
pub fn fourier(
    bench: &Bench,
    photo: &Photo,
    is_text: bool,
    steps: u64,
    mappings: &[String],
) -> Result<Vec<Mapped>> {
    let photo = photo.square(SIDE);
    let [train, test] = ["train", "test"].map(|name| bench.folder.join(name));
    photo.write_every_second(&train, 0)?;
    photo.write_every_second(&test, 1)?;
    let (sigma, octaves) = if is_text { (14.0, 5.0) } else { (10.0, 6.0) };
    let mut rows = Vec::new();
    for mapping in mappings {
        let encoding = match mapping.as_str() {
            "positional" => Encoding::Positional { octaves, features: FEATURES },
            "gaussian" => Encoding::Gaussian { sigma, features: FEATURES },
            _ => Encoding::None,
        };
        let job = Job {
            train: train.clone(),
            test: test.clone(),
            colors: photo.colors,
            picture: None,
            encoding,
            hidden: vec![256; 3],
            activation: "relu".into(),
            output: "sigmoid".into(),
            batch: photo.pixels(),
            learning_rate: 1e-3,
            beta2: 0.999,
            epsilon: 1e-8,
            cosine: false,
            steps,
            seconds: None,
            bits: Vec::new(),
            shared: Some(bench.folder.to_owned()),
            threads: bench.threads,
            seed: 0,
        };
        let ours = shown(&photo.name, mapping, bench.ours.train(&job)?);
        let theirs = match &bench.theirs {
            Some(theirs) => Some(shown(&photo.name, mapping, theirs.train(&job)?)),
            None => None,
        };
        rows.push(Mapped { picture: photo.name.clone(), mapping: mapping.clone(), ours, theirs });
    }
    Ok(rows)
}

/// A network that learns a whole picture.
struct Kind {
    name: &'static str,
    encoding: Encoding,
    hidden: Vec<usize>,
    activation: &'static str,
    learning_rate: f64,
}

/// The networks that learn whole pictures, from many parameters to few. The last two are those of COIN
/// (Dupont et al. 2021) for pictures of 768×512.
fn kinds(longer: usize) -> Vec<Kind> {
    let grid = |levels, log2_size| Encoding::Grid {
        levels,
        log2_size,
        coarsest: 16.min(longer),
        finest: longer,
    };
    let kind = |name, encoding, hidden: &[usize], activation, learning_rate| Kind {
        name,
        encoding,
        hidden: hidden.to_vec(),
        activation,
        learning_rate,
    };
    let coin = |name, hidden: &[usize]| kind(name, Encoding::Centered, hidden, "sine", 1e-3);
    vec![
        kind("hash grid, 2^14 entries, 2×64", grid(16, 14), &[64, 64], "relu", 1e-2),
        kind("hash grid, 2^11 entries, 2×32", grid(12, 11), &[32, 32], "relu", 1e-2),
        kind(
            "Fourier features, 3×128",
            Encoding::Gaussian { sigma: 10.0, features: 128 },
            &[128; 3],
            "relu",
            1e-3,
        ),
        coin("SIREN, 10×40", &[40; 10]),
        coin("SIREN, 10×28", &[28; 10]),
    ]
}

/// All pixels with networks of several kinds, each trained for so many seconds.
///
/// # Errors
///
/// When a file cannot be written or a worker fails.
pub fn fitting(bench: &Bench, photo: &Photo, seconds: f64) -> Result<Vec<Fitted>> {
    let mut rows = Vec::new();
    for kind in kinds(photo.width.max(photo.height)) {
        let is_grid = matches!(kind.encoding, Encoding::Grid { .. });
        let job = Job {
            hidden: kind.hidden,
            activation: kind.activation.into(),
            learning_rate: kind.learning_rate,
            bits: vec![16, 8],
            ..whole(bench, photo, kind.encoding, is_grid)?
        };
        let answer = shown(&photo.name, kind.name, bench.ours.train_for(&job, seconds)?);
        rows.push(Fitted {
            picture: photo.name.clone(),
            size: [photo.width, photo.height],
            network: kind.name.into(),
            answer,
        });
    }
    Ok(rows)
}

/// The job of a whole picture, which is also the file of its samples.
fn whole(bench: &Bench, photo: &Photo, encoding: Encoding, is_grid: bool) -> Result<Job> {
    let file = bench.folder.join("picture");
    photo.write_all(&file)?;
    Ok(Job {
        train: file.clone(),
        test: file,
        colors: photo.colors,
        picture: Some([photo.width, photo.height]),
        encoding,
        hidden: vec![64, 64],
        activation: "relu".into(),
        output: "identity".into(),
        batch: 8_192,
        learning_rate: 1e-2,
        beta2: if is_grid { 0.99 } else { 0.999 },
        epsilon: if is_grid { 1e-15 } else { 1e-8 },
        cosine: true,
        steps: 1,
        seconds: None,
        bits: Vec::new(),
        shared: None,
        threads: bench.threads,
        seed: 0,
    })
}

/// The hash grid with so many entries: rates in turns with PyTorch, then a run of so many seconds and one of so many
/// samples.
///
/// # Errors
///
/// When a file cannot be written or a worker fails.
pub fn grid(
    bench: &Bench,
    photo: &Photo,
    log2_size: usize,
    rounds: usize,
    seconds: f64,
    samples: u64,
) -> Result<Raced> {
    let photo = photo.square(SIDE);
    let encoding = Encoding::Grid { levels: 16, log2_size, coarsest: 16, finest: SIDE };
    let job = whole(bench, &photo, encoding, true)?;
    let turn = Job { steps: MANY, seconds: Some(TURN), ..job.clone() };
    let what = format!("2^{log2_size} entries");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // The one that was last begins the next round.
        for is_ours in [round % 2 == 0, round % 2 == 1] {
            if is_ours {
                ours.push(shown(&photo.name, &what, bench.ours.train(&turn)?));
            } else if let Some(worker) = &bench.theirs {
                theirs.push(shown(&photo.name, &what, worker.train(&turn)?));
            }
        }
    }
    let times: Vec<f64> = ours.iter().map(seconds_a_sample).collect();
    let time = median(&times).context("no round was measured")?;
    let batch = job.batch as u64;
    let with_samples = |samples: u64| Job { steps: (samples / batch).max(1), ..job.clone() };
    let timed = bench.ours.train(&with_samples((seconds / time) as u64))?;
    let timed = shown(&photo.name, &what, timed);
    let counted = if samples == 0 {
        None
    } else {
        Some(shown(&photo.name, &what, bench.ours.train(&with_samples(samples))?))
    };
    Ok(Raced { picture: photo.name, log2_size, ours, theirs, timed, seconds, counted })
}

/// Prints a line about an answer, and returns it.
fn shown(picture: &str, what: &str, answer: Answer) -> Answer {
    println!(
        "{picture}, {what}, {}: {:.2} dB after {} steps in {:.1} s, {} samples a second",
        answer.version,
        answer.psnr,
        count(answer.steps as f64),
        answer.seconds,
        count(1.0 / seconds_a_sample(&answer))
    );
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_small_pictures_have_no_level_beyond_their_pixels() {
        for longer in [8, 100, 768] {
            for kind in kinds(longer) {
                if let Encoding::Grid { coarsest, finest, .. } = kind.encoding {
                    assert!(coarsest <= finest && finest == longer, "{longer}");
                }
            }
        }
    }
}
