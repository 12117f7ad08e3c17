//! `Painter`: a network that learns a picture, independent of any browser.
//!
//! No part of it knows a browser.

use crate::options::Options;
use crate::pixels::rgba;
use impasto::cpu::CpuEngine;
use impasto::gpu::GpuEngine;
use impasto::{
    Backend, Ending, Engine, Error, Event, Network, Picture, Result, Subject, Training,
    TrainingState,
};
use serde::Serialize;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;
use web_time::Instant;

/// The widest thumbnail of a neuron.
const LARGEST_THUMBNAIL: usize = 256;

/// The most pixels of a painting, and of all thumbnails of a layer: a browser's module has 4 GiB.
const MOST_PIXELS: usize = 1 << 24;

/// A picture that is being learned, or a saved network that paints.
pub struct Painter {
    engine: Open,
    options: Options,
    subject: Subject,
    network: Network,
    run: Option<Run>,
}

impl fmt::Debug for Painter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Painter").field("engine", self.engine.engine()).finish_non_exhaustive()
    }
}

/// A picture with the training run that learns it.
struct Run {
    picture: Picture,
    training: Training,
    /// The epochs of this run that were reported.
    reported: usize,
    /// PSNR of the last painting of the picture's size, in dB.
    psnr: Option<f64>,
    /// Whether the parameters in `network` are those of the last step.
    fresh: bool,
    /// The run when the parameters in `network` were read.
    state: TrainingState,
}

impl Run {
    /// How far it is, with nothing said of the speed.
    fn progress(&self) -> Progress {
        let summary = self.training.summary();
        Progress {
            steps: summary.steps,
            epochs: summary.epochs as usize,
            loss: summary.history.last().map(|epoch| epoch.loss),
            steps_per_second: 0.0,
            samples_per_second: 0.0,
            seconds: summary.seconds,
            done: false,
            history: Vec::new(),
        }
    }
}

/// The engine, and the GPU whose device can be given up.
struct Open {
    engine: Engine,
    gpu: Option<GpuEngine>,
}

impl Open {
    async fn new(options: &Options) -> Result<Self> {
        let wanted = options.engine()?;
        if wanted.backend == Backend::Cpu {
            return Ok(Self { engine: wanted.open_async().await?, gpu: None });
        }
        let opened = match wanted.backend {
            Backend::Auto => GpuEngine::open_real_gpu_async().await.ok(),
            _ => Some(GpuEngine::open_async(None).await?),
        };
        let gpu = opened.map(|gpu| gpu.with_kernels(wanted.kernels).with_tuning(wanted.tune));
        let engine = match &gpu {
            Some(gpu) => gpu.into(),
            None => CpuEngine::new(None)?.into(),
        };
        Ok(Self { engine, gpu })
    }

    fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// What computes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adapter {
    /// `gpu` or `cpu`.
    pub backend: &'static str,
    /// The adapter's name.
    pub name: String,
    /// `discrete GPU`, `software`, `CPU`, …
    pub kind: &'static str,
    /// All of it in one line.
    pub description: String,
}

/// How far training is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Steps so far.
    pub steps: u64,
    /// Epochs that are finished.
    pub epochs: usize,
    /// The loss of the last step, or of the last epoch where one was finished.
    pub loss: Option<f64>,
    /// Steps a second, of this call.
    pub steps_per_second: f64,
    /// Samples a second, of this call.
    pub samples_per_second: f64,
    /// Seconds of training in all.
    pub seconds: f64,
    /// Whether all epochs are done.
    pub done: bool,
    /// The epochs finished since the last call: number and loss.
    pub history: Vec<(usize, f64)>,
}

impl Painter {
    /// Makes a network and loads it with the picture, ready to train. `saved` is a network to go on
    /// from, in place of a new one.
    ///
    /// # Errors
    /// Options that make no sense, a saved network that does not paint such a picture, or no engine.
    pub async fn create(options: Options, picture: Picture, saved: Option<&[u8]>) -> Result<Self> {
        let mut trainer = options.trainer()?;
        let (network, subject) = match saved {
            None => {
                let encoding = options.encoding()?;
                let subject = Subject::new(&picture, encoding.clone(), false);
                let (hidden, activation) = (&options.hidden, options.activation()?);
                let builder = subject.builder(encoding, hidden, activation, trainer.loss);
                (builder.seed(options.seed).build()?, subject)
            }
            Some(saved) => {
                let (network, before) = Subject::decode(saved)?;
                if before.classify {
                    return Err(Error::Setting(
                        "a network that classifies ink and paper cannot learn colors: open it without \
                         the picture, or begin with a new one"
                            .into(),
                    ));
                }
                let subject = Subject::new(&picture, network.encoding().clone(), false);
                if network.outputs() != subject.outputs() {
                    return Err(Error::Setting(format!(
                        "a network that paints {} channels cannot learn a picture of {}: open it \
                         without the picture, or begin with a new one",
                        network.outputs(),
                        subject.outputs()
                    )));
                }
                (network, subject)
            }
        };
        trainer.check(&network)?;
        let engine = Open::new(&options).await?;
        let dataset = subject.dataset(&picture)?;
        if saved.is_some() {
            trainer.warm_up = trainer.warm_up_again(&dataset);
        }
        let mut training = trainer.begin_async(engine.engine(), &network, &dataset).await?;
        let state = training.state_async().await?;
        let run = Run { picture, training, reported: 0, psnr: None, fresh: true, state };
        Ok(Self { engine, options, subject, network, run: Some(run) })
    }

    /// A saved network that paints, without training.
    ///
    /// # Errors
    /// Bytes that are no such network, or no engine.
    pub async fn open(options: Options, saved: &[u8]) -> Result<Self> {
        let (network, subject) = Subject::decode(saved)?;
        let engine = Open::new(&options).await?;
        Ok(Self { engine, options, subject, network, run: None })
    }

    /// What computes.
    pub fn adapter(&self) -> Adapter {
        let device = self.engine.engine().device();
        Adapter {
            backend: device.backend.name(),
            name: device.adapter.clone(),
            kind: device.device_type.name(),
            description: device.description(),
        }
    }

    /// The subject that is painted.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The network's layers: neurons of each.
    pub fn widths(&self) -> Vec<usize> {
        self.network.layers().iter().map(|layer| layer.fan_out).collect()
    }

    /// Trains for about so long.
    ///
    /// # Errors
    /// Nothing to learn from, a device that failed, or training that diverged.
    pub async fn train(&mut self, time: Duration) -> Result<Progress> {
        self.train_until(|clock, _| clock >= time).await
    }

    /// Trains so many steps more, or those that are left, or some more than that, until progress is
    /// reported.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub async fn train_steps(&mut self, steps: u64) -> Result<Progress> {
        self.train_until(|_, done| done >= steps).await
    }

    async fn train_until(&mut self, enough: impl Fn(Duration, u64) -> bool) -> Result<Progress> {
        let Some(run) = &mut self.run else {
            return Err(Error::Setting("there is no picture to learn: give one".into()));
        };
        let clock = Instant::now();
        let (steps, samples) = (run.training.summary().steps, run.training.summary().samples);
        let mut last = None;
        run.fresh = false;
        let trained = run
            .training
            .run_with_async(|event| {
                if let Event::Progress { steps: done, loss, .. } = event {
                    last = Some(*loss);
                    if enough(clock.elapsed(), *done - steps) {
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            })
            .await;
        if let Err(Error::Diverged { .. }) = &trained {
            // What was learned before it is still worth painting.
            self.refresh().await?;
        }
        let ending = trained?;
        let Some(run) = &mut self.run else { return Err(Error::Setting("no run".into())) };
        // A browser's clock may not advance for a tenth of a millisecond.
        let seconds = clock.elapsed().as_secs_f64().max(1e-4);
        let summary = run.training.summary();
        let history: Vec<(usize, f64)> = summary
            .history
            .iter()
            .filter(|epoch| epoch.number as usize > run.reported)
            .map(|epoch| (epoch.number as usize, epoch.loss))
            .collect();
        run.reported = summary.epochs as usize;
        Ok(Progress {
            loss: history.last().map(|(_, loss)| *loss).or(last).or(run.progress().loss),
            steps_per_second: (summary.steps - steps) as f64 / seconds,
            samples_per_second: (summary.samples - samples) as f64 / seconds,
            done: ending != Ending::Stopped,
            history,
            ..run.progress()
        })
    }

    /// Copies the current parameters to `network`.
    async fn refresh(&mut self) -> Result<()> {
        if let Some(run) = self.run.as_mut().filter(|run| !run.fresh) {
            run.state = run.training.state_async().await?;
            self.network.set_parameters(run.state.network().parameters())?;
            run.fresh = true;
        }
        Ok(())
    }

    /// The parameters learned so far, layer by layer, weights `[fan_in, fan_out]` then biases.
    ///
    /// # Errors
    /// A device that failed.
    pub async fn parameters(&mut self) -> Result<&[f64]> {
        self.refresh().await?;
        Ok(self.network.parameters())
    }

    /// Paints, in RGBA of 8 bits. At the picture's own size, the painting is compared with it
    /// ([`psnr`](Self::psnr)).
    ///
    /// # Errors
    /// A size out of range, or a device that failed.
    pub async fn paint(&mut self, width: usize, height: usize) -> Result<Vec<u8>> {
        if width.checked_mul(height).is_none_or(|pixels| pixels > MOST_PIXELS) {
            return Err(Error::Setting(format!(
                "a painting of {width}×{height} pixels: here it has at most {MOST_PIXELS}"
            )));
        }
        self.refresh().await?;
        let engine = self.engine.engine();
        let painting = self.subject.paint_async(engine, &self.network, (width, height), go_on);
        let Some(painted) = painting.await? else {
            return Err(Error::Unsupported("the painting was stopped".into()));
        };
        if let Some(run) = &mut self.run
            && (width, height) == (self.subject.width, self.subject.height)
        {
            run.psnr = impasto::psnr(&run.picture, &painted).ok();
        }
        Ok(rgba(&painted))
    }

    /// The PSNR of the last painting of the picture's size, in dB.
    pub fn psnr(&self) -> Option<f64> {
        self.run.as_ref().and_then(|run| run.psnr)
    }

    /// The outputs of the neurons of a layer, from 0, over the plane: `[neurons, size, size]`, each
    /// neuron's from its least (0) to its most (255); one that is the same everywhere is 0. Computed
    /// on the processor, so that it does not keep the device from training.
    ///
    /// # Errors
    /// No such layer, a size out of range, or a device that failed.
    pub async fn neurons(&mut self, layer: usize, size: usize) -> Result<Vec<u8>> {
        if !(1..=LARGEST_THUMBNAIL).contains(&size) {
            return Err(Error::Setting(format!(
                "thumbnails of {size} pixels: they have 1 to {LARGEST_THUMBNAIL}"
            )));
        }
        let layers = self.network.layers().len();
        if layer >= layers {
            return Err(Error::Setting(format!(
                "there is no layer {layer}: the network has {layers}, from 0 on"
            )));
        }
        self.refresh().await?;
        let part = self.network.first_layers(layer + 1)?;
        if part.outputs().saturating_mul(size * size) > MOST_PIXELS {
            return Err(Error::Setting(format!(
                "thumbnails of {size} pixels for {} neurons: make them smaller",
                part.outputs()
            )));
        }
        let sampled = self.subject.sample_async(CpuEngine::new(None)?, &part, (size, size), go_on);
        let sampled = sampled.await?;
        let values = sampled.unwrap_or_default();
        let neurons = part.outputs();
        let mut images = vec![0; values.len()];
        for neuron in 0..neurons {
            let of = || values.iter().skip(neuron).step_by(neurons);
            let (least, most) =
                of().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
            let scale = if most > least { 255.0 / (most - least) } else { 0.0 };
            let image = &mut images[neuron * size * size..][..size * size];
            for (shade, value) in image.iter_mut().zip(of()) {
                *shade = ((value - least) * scale).round() as u8;
            }
        }
        Ok(images)
    }

    /// The bytes of a safetensors file, which `paint --repaint` opens.
    ///
    /// # Errors
    /// A device that failed.
    pub async fn save(&mut self) -> Result<Vec<u8>> {
        self.refresh().await?;
        self.subject.encode(&self.network)
    }

    /// Sets the learning rate, before the schedule, of the steps to come.
    ///
    /// # Errors
    /// A rate that is not above 0, or nothing to learn.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        match &mut self.run {
            Some(run) => run.training.set_learning_rate(rate),
            None => Err(Error::Setting("there is no picture to learn: give one".into())),
        }
    }

    /// Gives the device up, as a reset of the driver would. Nothing on the processor.
    pub fn destroy(&self) {
        if let Some(gpu) = &self.engine.gpu {
            gpu.destroy();
        }
    }

    /// Opens the engine anew after its device was lost, and goes on from the moment at which the
    /// parameters were last read back, for a painting, a thumbnail or a file: how far that is, if
    /// something is learned.
    ///
    /// # Errors
    /// No engine.
    pub async fn recover(&mut self) -> Result<Option<Progress>> {
        // Nothing is changed before all of it is there: the device may be lost again meanwhile.
        let engine = Open::new(&self.options).await?;
        if let Some(run) = &mut self.run {
            run.training.restart_async(engine.engine(), &run.state).await?;
            run.reported = run.reported.min(run.state.summary().epochs as usize);
            run.fresh = true;
        }
        self.engine = engine;
        Ok(self.run.as_ref().map(Run::progress))
    }
}

/// Lets a painting run to its end.
fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::picture;
    use impasto::Activation;
    use pollster::block_on;

    fn options() -> Options {
        let hidden = vec![16, 16];
        Options {
            backend: "cpu".into(),
            hidden,
            epochs: 60,
            batch: 16,
            learning_rate: 0.01,
            ..Options::default()
        }
    }

    /// Left half red, right half blue.
    fn flag() -> Picture {
        let pixel = |i: usize| if i % 8 < 4 { [255, 0, 0, 255] } else { [0, 0, 255, 255] };
        let bytes: Vec<u8> = (0..64).flat_map(pixel).collect();
        picture(8, 8, &bytes).expect("a picture")
    }

    #[test]
    fn a_painter_learns_paints_and_saves() {
        let mut painter = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        let mut epochs = Vec::new();
        loop {
            let progress = block_on(painter.train(Duration::from_millis(1))).expect("trains");
            epochs.extend(progress.history.iter().map(|(number, _)| *number));
            if progress.done {
                assert_eq!((progress.steps, progress.epochs), (240, 60));
                break;
            }
        }
        assert_eq!(epochs, (1..=60).collect::<Vec<_>>());
        let painted = block_on(painter.paint(8, 8)).expect("paints");
        assert!(painter.psnr().is_some_and(|psnr| psnr > 15.0), "{:?}", painter.psnr());
        let large = block_on(painter.paint(16, 16)).expect("paints");
        assert_eq!((painted.len(), large.len()), (256, 1024));
        let saved = block_on(painter.save()).expect("saves");
        let mut again = block_on(Painter::open(options(), &saved)).expect("opens");
        assert_eq!(block_on(again.paint(8, 8)).expect("paints"), painted);
        assert!(block_on(again.train(Duration::ZERO)).is_err());
        let more = block_on(Painter::create(options(), flag(), Some(&saved)));
        assert!(block_on(more.expect("a painter").train_steps(1)).is_ok_and(|p| p.steps >= 1));
        assert!(block_on(Painter::open(options(), b"no network")).is_err());
    }

    #[test]
    fn networks_of_other_subjects_do_not_learn_the_picture() {
        let bytes: Vec<u8> = (0..64).flat_map(|i| [4 * i, 4 * i, 4 * i, 128]).collect();
        let ghost = picture(8, 8, &bytes).expect("a picture");
        let mut painter = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        let saved = block_on(painter.save()).expect("saves");
        assert!(block_on(Painter::create(options(), ghost.clone(), Some(&saved))).is_err());
        // Two outputs, as that picture has two channels.
        let network =
            Network::builder(2).output(2, Activation::Softmax).build().expect("a network");
        let subject = Subject::new(&ghost, network.encoding().clone(), true);
        let saved = network.encode_with(&subject.to_metadata().expect("a text"));
        let saved = saved.expect("a file");
        assert!(block_on(Painter::open(options(), &saved)).is_ok());
        assert!(block_on(Painter::create(options(), ghost, Some(&saved))).is_err());
    }

    #[test]
    fn neurons_span_all_shades_and_layers_are_checked() {
        let mut painter = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        assert_eq!(painter.widths(), [16, 16, 3]);
        let images = block_on(painter.neurons(0, 8)).expect("thumbnails");
        assert_eq!(images.len(), 16 * 64);
        for image in images.chunks_exact(64) {
            assert_eq!((image.iter().min(), image.iter().max()), (Some(&0), Some(&255)));
        }
        assert!(block_on(painter.neurons(3, 8)).is_err());
        assert!(block_on(painter.neurons(0, 0)).is_err());
    }

    #[test]
    fn a_run_that_diverged_stays_so() {
        let options = Options { learning_rate: 1e30, ..options() };
        let mut painter = block_on(Painter::create(options, flag(), None)).expect("a painter");
        for _ in 0..2 {
            let trained = block_on(painter.train(Duration::from_secs(1)));
            assert!(matches!(trained, Err(Error::Diverged { .. })), "{trained:?}");
        }
        assert!(block_on(painter.paint(8, 8)).is_ok());
    }

    #[test]
    fn hostile_subjects_and_sizes_are_refused() {
        let mut painter = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        assert!(block_on(painter.paint(1 << 16, 1 << 16)).is_err());
        assert!(block_on(painter.paint(usize::MAX, 2)).is_err());
        assert!(block_on(painter.neurons(usize::MAX, 8)).is_err());
        let subject = painter.subject();
        for subject in [
            Subject { width: usize::MAX, ..subject },
            Subject { height: 0, ..subject },
            Subject { channels: 0, ..subject },
            Subject { maximum: 7, ..subject },
        ] {
            let texts = subject.to_metadata().expect("a text");
            let saved = painter.network.encode_with(&texts).expect("a file");
            assert!(block_on(Painter::open(options(), &saved)).is_err(), "{subject:?}");
        }
    }

    /// The loss of each epoch, with all of them trained.
    fn losses(painter: &mut Painter) -> Vec<f64> {
        let trained = block_on(painter.train_steps(u64::MAX)).expect("trains");
        assert!(trained.done);
        trained.history.into_iter().map(|(_, loss)| loss).collect()
    }

    #[test]
    fn a_network_that_is_trained_on_begins_with_what_it_knows() {
        let options = || Options { epochs: 400, ..options() };
        let mut painter = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        let before = losses(&mut painter);
        let saved = block_on(painter.save()).expect("saves");
        let more = Painter::create(options(), flag(), Some(&saved));
        let after = losses(&mut block_on(more).expect("a painter"));
        let (first, last) = (before[0], before[before.len() - 1]);
        // A quarter of the warm-up. Later, at the full rate, single epochs are worse, as in any run.
        let worst = after[..20].iter().copied().fold(0.0, f64::max);
        assert!(worst < 4.0 * last, "{last} before, then {worst}, of {first} at first");
    }

    #[test]
    fn training_goes_on_after_a_new_beginning() {
        let mut painter = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        let first = block_on(painter.train_steps(8)).expect("trains");
        let loss = first.loss.expect("a loss");
        block_on(painter.paint(8, 8)).expect("paints");
        // What came after the painting is forgotten.
        let more = block_on(painter.train_steps(8)).expect("trains");
        let back = block_on(painter.recover()).expect("recovers").expect("a run");
        assert!(back.epochs == first.epochs && more.epochs > back.epochs, "{back:?}, {more:?}");
        let second = block_on(painter.train_steps(8)).expect("trains");
        assert!(second.steps > first.steps && second.loss.is_some_and(|l| l < loss));
        // Once all epochs are done there is nothing to go on with.
        let last = block_on(painter.train_steps(1000)).expect("trains");
        block_on(painter.paint(8, 8)).expect("paints");
        block_on(painter.recover()).expect("recovers");
        let after = block_on(painter.train_steps(1)).expect("trains");
        assert!(last.done && after.done && after.history.is_empty());
        assert_eq!((last.steps, last.epochs, after.steps, after.epochs), (240, 60, 240, 60));
        // Optimizer and schedule went on too: as if nothing had happened.
        let mut whole = block_on(Painter::create(options(), flag(), None)).expect("a painter");
        block_on(whole.train_steps(1000)).expect("trains");
        let learned = block_on(painter.parameters()).expect("parameters");
        assert_eq!(learned, block_on(whole.parameters()).expect("parameters"));
    }
}
