//! `impasto fit SHAPE.obj` and `impasto fit SHAPE.stl`.

mod mesh;

use super::options::Options;
use super::progress::View;
use super::report::{report, write};
use super::samples::shown;
use super::training::{Parts, save, train};
use crate::paint::signals::Signal;
use crate::paint::streams::is_standard;
use crate::paint::text::{counted, describe_network, describe_training, thousands};
use crate::shape::{KEY, Shape};
use impasto::grid::{GridKind, Interpolation};
use impasto::{
    Activation, Dataset, Encoding, Engine, Epoch, Loss, Metric, Network, Result, Schedule, Trainer,
};
use mesh::Mesh;
use serde_json::json;
use std::f64::consts::TAU;
use std::process::ExitCode;

/// Places to learn from.
const PLACES: usize = 400_000;

/// Places to validate with.
const VALIDATED: usize = 20_000;

/// Of each eight places, four are near the surface, two less near, and two anywhere in the cube.
const NEAR: [Option<f64>; 8] =
    [Some(0.005), Some(0.005), Some(0.02), Some(0.02), Some(0.06), Some(0.06), None, None];

/// Places in a step.
const BATCH: usize = 4096;

/// Passes over the places.
const EPOCHS: usize = 20;

/// Trains on a mesh, saves the network and says how good it is.
pub fn run(options: &Options) -> Result<ExitCode> {
    options.check_no_table("a shape")?;
    let (file, device) = (options.file(), &options.device);
    let (mesh, shape) = Mesh::load(&options.data)?;
    let triangles = counted(mesh.len() as u64, "triangle");
    device.say(format!("shape {}: {triangles}, in {}", options.data.display(), shape.describe()));
    if mesh.open_edges > 0 {
        device.notes([format!(
            "{} not shared by two triangles: where the mesh has holes, inside and outside are guessed",
            counted(mesh.open_edges as u64, "edge")
        )]);
    }
    let mut network = network(options)?;
    let trainer = trainer(options);
    trainer.check(&network)?;
    let samples = |count, seed| samples(&mesh, &shape, count, seed);
    let parts = Parts {
        training: samples(PLACES, options.seed)?,
        validation: Some(samples(VALIDATED, !options.seed)?),
    };
    device.say(format!("{} places to learn from", thousands(PLACES as u64)));
    device.say(format!("network {}", describe_network(&network)));
    device.say(format!("training {}", describe_training(&trainer)));
    let engine = device.open()?;
    let signal = Signal::listen();
    let known = engine.notes().len();
    let view = View { quiet: device.quiet, unit: "places", quality };
    let trained = train(&engine, &trainer, &mut network, &parts, &signal, view)?;
    device.notes(engine.notes().iter().skip(known));
    device.say(trained.describe(&trainer, "places"));
    save(&file, &network, KEY, shape.to_json()?)?;
    let quality = Quality::measure(&engine, &network, parts.judged())?;
    let unit = shape.scale * shape.side;
    device.say(format!(
        "on {} other places: mean error {}, near the surface {}, in the unit of the mesh; inside or outside right {:.2} %",
        thousands(VALIDATED as u64),
        shown(quality.error * unit),
        shown(quality.near * unit),
        100.0 * quality.right
    ));
    if !is_standard(&file) {
        let file = file.display();
        device.say(format!("saved {file}; impasto predict {file} -o OUT.obj makes a mesh of it"));
    }
    if let Some(path) = &options.report {
        let data = json!({ "path": options.data.to_string_lossy(), "triangles": mesh.len() });
        let run = (&engine, &network, &trainer);
        let result = json!({
            "mean_absolute_error": quality.error * unit,
            "mean_absolute_error_near": quality.near * unit,
            "sides_right": quality.right,
        });
        write(path, &report(&data, run, &parts, &trained, &result))?;
    }
    let code = signal.exit_code().map_or(ExitCode::SUCCESS, ExitCode::from);
    trained.failure.map_or(Ok(code), Err)
}

/// The mean absolute error after an epoch, for the bar: in tenths of the side of the cube.
fn quality(epoch: &Epoch) -> String {
    let error = epoch.metrics.get(Metric::MeanAbsoluteError).unwrap_or(f64::NAN);
    format!("error {error:.5}")
}

/// How good a network is.
struct Quality {
    /// The mean absolute error, in units of the outputs.
    error: f64,
    /// The same at the places that are chosen nearest to the surface.
    near: f64,
    /// The share of the places whose side of the surface is right.
    right: f64,
}

impl Quality {
    fn measure(engine: &Engine, network: &Network, places: &Dataset) -> Result<Self> {
        let (inputs, targets) = places.rows(0..places.len());
        let outputs = engine.predict(network, &inputs)?;
        let pairs = || outputs.iter().zip(&targets);
        let errors: Vec<f64> = pairs().map(|(y, t)| f64::from((y - t).abs())).collect();
        let mean = |errors: &mut dyn Iterator<Item = f64>| {
            let (count, sum) =
                errors.fold((0, 0.0), |(count, sum), error| (count + 1, sum + error));
            sum / f64::from(count.max(1))
        };
        let near =
            errors.chunks(NEAR.len()).flat_map(|errors| errors[..2.min(errors.len())].iter());
        let right = pairs().filter(|(y, t)| (**y < 0.0) == (**t < 0.0)).count();
        Ok(Self {
            error: mean(&mut errors.iter().copied()),
            near: mean(&mut near.copied()),
            right: right as f64 / places.len() as f64,
        })
    }
}

/// Numbers in [0, 1) by SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// With mean 0 and standard deviation 1.
    fn gaussian(&mut self) -> f64 {
        (-2.0 * (1.0 - self.next()).ln()).sqrt() * (TAU * self.next()).cos()
    }
}

/// Places and their distances.
fn samples(mesh: &Mesh, shape: &Shape, count: usize, seed: u64) -> Result<Dataset> {
    let mut random = Random(seed);
    let (mut places, mut distances) = (Vec::new(), Vec::new());
    for number in 0..count {
        let mut three = || [random.next(), random.next(), random.next()];
        let place = match NEAR[number % NEAR.len()] {
            None => three().map(|x| x as f32),
            Some(deviation) => {
                let on = mesh.surface(three());
                on.map(|x| (f64::from(x) + deviation * random.gaussian()).clamp(0.0, 1.0) as f32)
            }
        };
        places.extend(place);
        distances.push((f64::from(mesh.distance(place)) / shape.scale) as f32);
    }
    Dataset::new(places, distances, 3, 1)
}

/// The network for a shape: a hash grid and two small layers.
fn network(options: &Options) -> Result<Network> {
    let hidden = options.hidden.as_ref().map_or(vec![64; 2], |hidden| hidden.0.clone());
    let encoding = options.encoding.clone().unwrap_or_else(|| {
        let grid = Encoding::Grid {
            kind: GridKind::Hash,
            levels: 8,
            features: 2,
            log2_size: 15,
            base_resolution: 8,
            level_scale: 1.5,
            interpolation: Interpolation::Linear,
        };
        grid.into()
    });
    Network::builder(3)
        .encoding(encoding.seeded(options.seed))
        .hidden(&hidden, options.activation.unwrap_or(Activation::Relu))
        .output(1, Activation::Identity)
        .seed(options.seed)
        .build()
}

/// How the network is trained.
fn trainer(options: &Options) -> Trainer {
    Trainer {
        epochs: options.epochs.unwrap_or(EPOCHS),
        batch_size: options.batch.unwrap_or(BATCH),
        learning_rate: options.learning_rate.unwrap_or(5e-3),
        schedule: Schedule::Cosine,
        loss: Loss::L1,
        optimizer: options.optimizer,
        seed: options.seed,
        metrics: vec![Metric::MeanAbsoluteError],
        time_limit: options.time.map(|time| time.seconds),
        ..Trainer::default()
    }
}
