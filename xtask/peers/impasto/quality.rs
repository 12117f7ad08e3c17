//! One network of `cargo xtask quality`.

#[path = "../../src/peers/quality/job.rs"]
mod job;

use std::path::Path;

use impasto::{
    Activation, Dataset, Encoding as InputEncoding, Engine, Network, Optimizer, Picture, Schedule,
    Trainer, ms_ssim, psnr,
};
use job::{Answer, Encoding, Job, Rounded};

use crate::serve::Outcome;

/// Samples that are painted at once.
const PAINTED: usize = 1 << 16;

/// Trains the network of a job.
pub fn measure(job: &Job) -> Outcome<Answer> {
    let frequencies = match job.encoding {
        Encoding::Positional { octaves, features } => positional(octaves, features),
        _ => Vec::new(),
    };
    let train = samples(&job.train, job.colors, &frequencies)?;
    let test = samples(&job.test, job.colors, &frequencies)?;
    let width = train.inputs.len() * job.colors / train.colors.len();
    let mut network = network(job, width)?;
    if let Some(folder) = &job.shared {
        let drawn = network.encoding().frequencies(width).unwrap_or_default();
        write(&folder.join("frequencies"), [frequencies, drawn].concat())?;
        write(&folder.join("start"), network.parameters().iter().map(|p| *p as f32).collect())?;
    }
    let dataset = Dataset::new(train.inputs, train.colors, width, job.colors)?;
    let batch = job.batch.min(dataset.len());
    let trainer = Trainer {
        epochs: usize::try_from(job.steps.div_ceil(dataset.len().div_ceil(batch) as u64))?,
        steps: Some(job.steps),
        batch_size: batch,
        learning_rate: job.learning_rate,
        schedule: if job.cosine { Schedule::Cosine } else { Schedule::Constant },
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: job.beta2, epsilon: job.epsilon },
        time_limit: job.seconds,
        seed: job.seed,
        ..Trainer::default()
    };
    let engine = Engine::from(impasto::cpu::CpuEngine::new(Some(job.threads))?);
    let summary = trainer.fit(&engine, &mut network, &dataset)?;
    let (found, similarity) = compare(&engine, &network, job, &test)?;
    let mut rounded = Vec::new();
    for &bits in &job.bits {
        let (network, all_bits) = round(&network, bits)?;
        let pixels = test.colors.len() / job.colors;
        rounded.push(Rounded {
            bits,
            bits_a_pixel: all_bits as f64 / pixels as f64,
            psnr: compare(&engine, &network, job, &test)?.0,
        });
    }
    Ok(Answer {
        version: format!("Impasto {}", crate::impasto_version()),
        parameters: network.parameters().len() as u64,
        steps: summary.steps,
        samples: summary.samples,
        seconds: summary.seconds,
        psnr: found,
        ms_ssim: similarity,
        rounded,
    })
}

/// Inputs and colors, row by row.
struct Samples {
    inputs: Vec<f32>,
    colors: Vec<f32>,
}

/// The samples of a file. With frequencies, the inputs are the waves of x and y.
fn samples(file: &Path, colors: usize, frequencies: &[f32]) -> Outcome<Samples> {
    let bytes = std::fs::read(file)?;
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let mut samples = Samples { inputs: Vec::new(), colors: Vec::new() };
    for row in values.chunks_exact(2 + colors) {
        if frequencies.is_empty() {
            samples.inputs.extend_from_slice(&row[..2]);
        }
        for frequency in frequencies.chunks_exact(2) {
            let turns = f64::from(frequency[0]) * f64::from(row[0])
                + f64::from(frequency[1]) * f64::from(row[1]);
            let (sine, cosine) = (std::f64::consts::TAU * turns).sin_cos();
            samples.inputs.extend([sine as f32, cosine as f32]);
        }
        samples.colors.extend_from_slice(&row[2..]);
    }
    if samples.colors.is_empty() {
        return Err(format!("{} contains no sample", file.display()).into());
    }
    Ok(samples)
}

/// Rows of frequencies for x and y, in turns for each unit, first those of x.
fn positional(octaves: f64, features: usize) -> Vec<f32> {
    let each = features / 2;
    let frequency = |f: usize| (octaves * f as f64 / (each.max(2) - 1) as f64).exp2() - 1.0;
    let across = (0..each).flat_map(|f| [frequency(f) as f32, 0.0]);
    across.chain((0..each).flat_map(|f| [0.0, frequency(f) as f32])).collect()
}

/// The network of a job on so many inputs, with its first parameters.
fn network(job: &Job, width: usize) -> Outcome<Network> {
    let encoding = match job.encoding {
        Encoding::None | Encoding::Positional { .. } => InputEncoding::Identity,
        Encoding::Centered => InputEncoding::Scaled { scale: 2.0, offset: -1.0 },
        Encoding::Gaussian { sigma, features } => {
            InputEncoding::Fourier { features, scale: sigma, seed: job.seed + 1 }
        }
        Encoding::Grid { levels, log2_size, coarsest, finest } => {
            let text = grid(levels, log2_size, coarsest, finest);
            InputEncoding::from_name(&text)?
        }
    };
    let activation: Activation = job.activation.parse()?;
    let network = Network::builder(width)
        .encoding(encoding)
        .hidden(&job.hidden, activation)
        .output(job.colors, job.output.parse()?)
        .seed(job.seed);
    Ok(network.build()?)
}

/// A grid in text form.
fn grid(levels: usize, log2_size: usize, coarsest: usize, finest: usize) -> String {
    let steps = (levels.max(2) - 1) as f64;
    let scale = (finest as f64 / coarsest as f64).powf(1.0 / steps).max(1.0);
    format!(
        "grid:levels={levels},log2_size={log2_size},base_resolution={coarsest},level_scale={scale}"
    )
}

/// PSNR of the outputs, and MS-SSIM where they are a picture that is large enough.
fn compare(
    engine: &Engine,
    network: &Network,
    job: &Job,
    test: &Samples,
) -> Outcome<(f64, Option<f64>)> {
    let model = engine.prepare(network)?;
    let mut outputs = Vec::with_capacity(test.colors.len());
    for inputs in test.inputs.chunks(PAINTED * network.inputs()) {
        outputs.extend(model.predict(inputs)?);
    }
    let Some([width, height]) = job.picture else {
        let error = |(output, color): (&f32, &f32)| {
            (f64::from(output.clamp(0.0, 1.0)) - f64::from(*color)).powi(2)
        };
        let sum: f64 = outputs.iter().zip(&test.colors).map(error).sum();
        return Ok((-10.0 * (sum / outputs.len() as f64).log10(), None));
    };
    let picture = |values: &[f32]| {
        let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        Picture::from_unit(width, height, job.colors, 255, &values)
    };
    let (original, painted) = (picture(&test.colors)?, picture(&outputs)?);
    // It takes pictures of a certain size.
    Ok((psnr(&original, &painted)?, ms_ssim(&original, &painted).ok()))
}

/// The network with each tensor rounded to even steps over its range, and the bits that it takes with two numbers
/// of 32 bits a tensor.
fn round(network: &Network, bits: u32) -> Outcome<(Network, u64)> {
    let mut parameters = network.parameters().to_vec();
    let mut all_bits = 0;
    for segment in network.segments() {
        let values = &mut parameters[segment.range.clone()];
        round_evenly(values, bits);
        all_bits += values.len() as u64 * u64::from(bits) + 64;
    }
    let mut rounded = network.clone();
    rounded.set_parameters(&parameters)?;
    Ok((rounded, all_bits))
}

/// Rounds values to `2^bits` even steps from the least to the greatest.
fn round_evenly(values: &mut [f64], bits: u32) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (greatest - least) / (f64::from(bits).exp2() - 1.0);
    if step > 0.0 {
        for value in values {
            *value = least + ((*value - least) / step).round() * step;
        }
    }
}

fn write(file: &Path, values: Vec<f32>) -> Outcome<()> {
    let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(std::fs::write(file, bytes)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

    use super::*;

    fn job(folder: &Path) -> Job {
        let samples = |name: &str, offset: f32| {
            let sample = |i: usize| {
                let (x, y) = ((i % 16) as f32 / 16.0, (i / 16) as f32 / 16.0);
                [x, y, 0.25 + 0.5 * x + offset]
            };
            write(&folder.join(name), (0..256).flat_map(sample).collect()).unwrap();
            folder.join(name)
        };
        Job {
            train: samples("train", 0.0),
            test: samples("test", 0.0),
            colors: 1,
            picture: Some([16, 16]),
            encoding: Encoding::Gaussian { sigma: 1.0, features: 8 },
            hidden: vec![16],
            activation: "relu".into(),
            output: "sigmoid".into(),
            batch: 1 << 20,
            learning_rate: 1e-2,
            beta2: 0.999,
            epsilon: 1e-8,
            cosine: true,
            steps: 200,
            seconds: None,
            bits: vec![16, 4],
            shared: Some(folder.to_owned()),
            threads: 1,
            seed: 0,
        }
    }

    #[test]
    fn a_network_is_trained_compared_and_rounded() {
        let folder = tempfile::tempdir().unwrap();
        let job = job(folder.path());
        let answer = measure(&job).unwrap();
        assert_eq!((answer.steps, answer.samples), (200, 200 * 256));
        assert_eq!(answer.parameters, 16 * 16 + 16 + 16 + 1);
        assert!(answer.psnr > 25.0 && answer.ms_ssim.is_none(), "{answer:?}");
        let [fine, coarse] = &answer.rounded[..] else { panic!("{answer:?}") };
        assert!((fine.psnr - answer.psnr).abs() < 0.5 && coarse.psnr < answer.psnr, "{answer:?}");
        assert_eq!(coarse.bits_a_pixel, (4.0 * 289.0 + 4.0 * 64.0) / 256.0);
        // Both files for PyTorch.
        let length = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert_eq!((length("start"), length("frequencies")), (4 * 289, 4 * 16));
        assert_eq!(measure(&job).unwrap().psnr, answer.psnr);
    }

    #[test]
    fn every_encoding_trains() {
        let folder = tempfile::tempdir().unwrap();
        for encoding in [
            Encoding::None,
            Encoding::Centered,
            Encoding::Positional { octaves: 3.0, features: 8 },
            Encoding::Grid { levels: 3, log2_size: 6, coarsest: 4, finest: 12 },
        ] {
            let job = Job { encoding, picture: None, ..job(folder.path()) };
            let answer = measure(&job).unwrap();
            assert!(answer.psnr > 20.0 && answer.ms_ssim.is_none(), "{job:?} {answer:?}");
        }
    }

    #[test]
    fn values_are_rounded_to_even_steps() {
        let mut values = [0.0, 0.1, 0.34, 0.6, 1.0];
        round_evenly(&mut values, 2);
        assert_eq!(values, [0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
        let mut same = [7.0, 7.0];
        round_evenly(&mut same, 8);
        assert_eq!(same, [7.0, 7.0]);
    }

    #[test]
    fn positional_frequencies_are_those_of_the_paper() {
        let frequencies = positional(2.0, 6);
        assert_eq!(frequencies, [0., 0., 1., 0., 3., 0., 0., 0., 0., 1., 0., 3.]);
    }

    #[test]
    fn a_grid_ends_at_its_finest_level() {
        assert!(grid(16, 14, 16, 512).ends_with("level_scale=1.2599210498948732"));
        assert!(grid(1, 14, 16, 8).ends_with("level_scale=1"));
    }
}
