//! One size of `cargo xtask scaling`, in a process of its own so that its memory can be measured.

#[path = "../../src/peers/points.rs"]
mod points;

use std::time::{Duration, Instant};

use impasto::{Backend, Dataset, Engine, Event, Network, Picture, Trainer};
use points::{Cost, Size};
use std::ops::ControlFlow;

use crate::serve::Outcome;

/// Trains one size and returns what it costs.
pub fn measure(size: &Size) -> Outcome<Cost> {
    let dataset = resized(&Picture::load(&size.picture)?, size.side)?.to_dataset(true)?;
    let options = crate::gpu_options(size.adapter.as_deref());
    let engine = crate::open_backend(size.gpu, size.threads, &options)?;
    let mut network = crate::network(2, &vec![size.width; size.depth], crate::RELU, 3, 0)?;
    let trainer = Trainer { epochs: 1_000_000, batch_size: size.batch, ..Trainer::default() };

    let mut watch = Watch::new(size);
    let summary = trainer.fit_with(&engine, &mut network, &dataset, |event| watch.see(event))?;
    let (steps, seconds) = watch.measured();
    if steps == 0 {
        return Err("no step could be measured".into());
    }
    let samples = steps * size.batch.min(dataset.len()) as u64;
    Ok(Cost {
        device: engine.device().description(),
        parameters: network.parameters().len() as u64,
        setup_s: summary.setup_seconds,
        steps,
        sample_s: seconds / samples as f64,
        host_bytes: peak_memory(),
        device_bytes: device_bytes(&engine, &network, &trainer, &dataset)?,
    })
}

/// Separates the measured steps from those before, and stops after the last.
struct Watch {
    start: Instant,
    /// When measuring may begin, and when it may end.
    warm: Duration,
    end: Duration,
    first: Option<(u64, Instant)>,
    last: Option<(u64, Instant)>,
}

impl Watch {
    fn new(size: &Size) -> Self {
        Self {
            start: Instant::now(),
            warm: Duration::from_secs_f64(size.seconds / 3.0),
            end: Duration::from_secs_f64(size.seconds),
            first: None,
            last: None,
        }
    }

    fn see(&mut self, event: &Event) -> ControlFlow<()> {
        let now = Instant::now();
        match event {
            Event::Started { .. } => self.start = now,
            Event::Progress { steps, .. } => {
                let since = now - self.start;
                if self.first.is_some() {
                    // Steps under way at a stop still count, so it waits for them.
                    self.last = Some((*steps, now));
                    if since >= self.end {
                        return ControlFlow::Break(());
                    }
                } else if since >= self.warm {
                    self.first = Some((*steps, now));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// (steps, seconds)
    fn measured(&self) -> (u64, f64) {
        match (self.first, self.last) {
            (Some((before, since)), Some((after, until))) => {
                (after - before, (until - since).as_secs_f64())
            }
            _ => (0, 0.0),
        }
    }
}

/// The picture with `side` pixels along each side, the nearest pixel for each.
fn resized(picture: &Picture, side: usize) -> Outcome<Picture> {
    let (width, height, channels) = (picture.width(), picture.height(), picture.channels());
    let values = picture.values();
    let mut resized = Vec::with_capacity(side * side * channels);
    for y in 0..side {
        for x in 0..side {
            let pixel = (y * height / side) * width + x * width / side;
            resized.extend_from_slice(&values[pixel * channels..(pixel + 1) * channels]);
        }
    }
    Ok(Picture::new(side, side, channels, picture.maximum(), resized)?)
}

/// The most host memory that this process has held so far (`VmHWM` in Linux's
/// `/proc/self/status`).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Device memory of such a training run, in bytes.
fn device_bytes(
    engine: &Engine,
    network: &Network,
    trainer: &Trainer,
    dataset: &Dataset,
) -> Outcome<Option<u64>> {
    // A run of its own, since the trainer keeps its session to itself.
    let plan = trainer.plan(dataset);
    let session = pollster::block_on(engine.start(network, &plan, dataset))?;
    let on_device = engine.device().backend == Backend::Gpu;
    Ok(on_device.then(|| session.resources().total()))
}
