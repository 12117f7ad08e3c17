//! `--video`: a network of place and time, which paints an animation.

use super::animation::Form;
use super::budget::Budget;
use super::clip::Clip;
use super::console::print_line;
use super::ending::Failures;
use super::keeping::Keeper;
use super::options::Options;
use super::outputs::{check_standard, reserve};
use super::progress::Brush;
use super::report::Report;
use super::streams::{is_standard, save_bytes};
use super::text::{describe_network, describe_run, describe_training};
use super::training::{self, Run, Trained, fill_time, train};
use super::values::Size;
use super::{keep_elsewhere, open, open_for, print_notes};
use clap::Args;
use impasto::files::{Place, Reservation};
use impasto::{Engine, Error, Network, Picture, Result, Video};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Whether a video is learned.
#[derive(Clone, Debug, Args)]
pub struct Moving {
    /// Learn all frames of an animation (GIF, animated PNG or WebP), or of a folder of pictures in the order of their
    /// names, by place and time. The painting is an animation too: .gif, .png, .apng or .webp
    #[arg(
        long,
        conflicts_with_all = ["repaint", "resume", "start", "save_every", "classify", "max_pixels", "resize", "mask",
                              "bits", "animate", "frames", "preview", "region", "scale", "profile", "list_adapters"]
    )]
    pub video: bool,
}

/// Learns a video and paints it.
pub fn run(mut options: Options) -> Result<ExitCode> {
    // clap requires a path, except for --print-config.
    let Some(path) = options.image.clone() else {
        return Err(Error::Setting("--video needs the animation or the folder: name it".into()));
    };
    let clip = Clip::load(&path)?;
    let first = &clip.frames[0];
    options.settle_video((first.width(), first.height()), clip.frames.len())?;
    let options = &options;
    let video = Video::new(&clip.frames, clip.delays.clone(), options.encoding())?;
    let samples = first.width() * first.height() * clip.frames.len();
    let budget = Budget::of(options, samples);
    if options.print_config {
        print_line(budget.complete(options.configuration()).to_json()?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut network = options.configuration().network(3, video.picture.channels)?;
    let mut trainer = budget.apply(options.configuration().trainer(samples));
    trainer.check(&network)?;
    let output = Output::check(options, &video, &clip.files)?;
    let dataset = video.dataset(&clip.frames)?;
    if !options.quiet {
        print_line(clip.describe(&path));
        clip.notes.iter().for_each(|note| print_line(format!("note: {note}")));
        print_line(format!("network {}", describe_network(&network)));
        print_line(format!("training {}", describe_training(&trainer)));
    }
    let signal = training::listen(options);
    let (engine, opening) = open_for(options, &trainer, &network, &dataset)?;
    let known = engine.notes();
    if budget.fills_time {
        trainer = fill_time(budget, trainer, &engine, &network, &dataset, &signal)?;
    }
    let (trainer, subject) = (&trainer, video.picture);
    let run = Run { options, budget, trainer, engine: &engine, dataset: &dataset, subject };
    let mut failures = Failures::default();
    let keep = |network: &Network, _: &Trained, _: Option<&Keeper>, failures: &mut Failures| {
        save(options, &video, network, failures);
    };
    let trained = train(run, &mut network, &signal, None, None, &mut failures, keep);
    let Some(trained) = failures.take(trained) else {
        return Ok(failures.report(ExitCode::FAILURE));
    };
    print_notes(options, &engine, &known);
    if !options.quiet {
        print_line(describe_run(&trained, trainer));
        trained.lines.iter().for_each(print_line);
    }
    // Asked again after the painting, which a signal ends too.
    let code = || signal.exit_code().map_or(ExitCode::SUCCESS, ExitCode::from);
    if !trained.has_learned() {
        return Ok(failures.end_without_a_step(trained.failure, options.quiet, code()));
    }
    let mut report = Report::new(&engine, &network, options.seed());
    report.set_video(&path, &video);
    let known = engine.notes();
    let brush = Brush::start(options, Some(&signal));
    let painted = output.paint(&video, &clip.frames, &engine, &network, brush);
    print_notes(options, &engine, &known);
    match failures.take(painted) {
        Some(Some(psnr)) => {
            report.set_psnr(psnr);
            if !options.quiet {
                print_line(format!("painted {}: {}", output.name(), quality(psnr)));
            }
        }
        Some(None) if !options.quiet => {
            print_line("painting interrupted: no animation was written");
        }
        _ => {}
    }
    if options.report.is_some() {
        report.set_training(trainer, &engine, &trained, opening, dataset.len());
        failures.take(report.write(options));
    }
    if let Some(error) = trained.failure {
        failures.add(error);
    }
    Ok(failures.report(code()))
}

/// Saves the network of a video, in the user's data folder if its place cannot be written.
fn save(options: &Options, video: &Video, network: &Network, failures: &mut Failures) {
    let Some(path) = &options.save else { return };
    let file = video.to_metadata().and_then(|texts| network.encode_with(texts));
    let Some(file) = failures.take(file) else { return };
    if let Err(error) = save_bytes(path, &file) {
        failures.add(error);
        keep_elsewhere(path, Some(file), failures);
    }
}

/// The video in a saved file, if it has one. Prints what the user should know of the file, unless `quiet`.
pub fn load(path: &Path, quiet: bool) -> Result<Option<(Network, Video)>> {
    if is_standard(path) {
        return Ok(None);
    }
    // Loading the picture reports an unreadable file.
    let Ok((network, texts, notes)) = Network::load_with_notes(path) else { return Ok(None) };
    let video = Video::from_metadata(&network, &texts).map_err(|error| match error {
        Error::Format(reason) => Error::Checkpoint { path: path.into(), reason },
        other => other,
    })?;
    if video.is_some() && !quiet {
        for note in notes {
            print_line(format!("note: {note}"));
        }
    }
    Ok(video.map(|video| (network, video)))
}

/// `--repaint` of a video.
pub fn repaint(options: &Options, network: &Network, video: &Video) -> Result<ExitCode> {
    if let Some(option) = options.view.given() {
        return Err(Error::Setting(format!("{option} is for pictures, and this is a video")));
    }
    let output = Output::check(options, video, &[])?;
    if !options.quiet {
        print_line(format!("network {}", describe_network(network)));
    }
    let (engine, opening) = open(options)?;
    let brush = Brush::start(options, None);
    let painted = output.paint(video, &[], &engine, network, brush)?;
    let mut report = Report::new(&engine, network, options.seed());
    report.set_setup(opening);
    report.write(options)?;
    if painted.is_some() && !options.quiet {
        print_line(format!("painted {} with {} frames", output.name(), video.frames()));
    }
    Ok(ExitCode::SUCCESS)
}

/// `PSNR 38.2 dB`.
fn quality(psnr: f64) -> String {
    if psnr.is_finite() { format!("PSNR {psnr:.1} dB") } else { "exact, no PSNR".into() }
}

/// Where the animation goes.
struct Output<'a> {
    path: &'a Path,
    form: Form,
    size: Option<Size>,
    /// Keeps other runs from writing the same files.
    _reservation: Reservation,
}

impl<'a> Output<'a> {
    /// Makes sure that the animation can have its size and its memory, that every file can be written, and that none
    /// is in the way of another or of an input.
    fn check(options: &'a Options, video: &Video, frames: &[PathBuf]) -> Result<Self> {
        let path = options.output.as_path();
        let form = if is_standard(path) {
            Form::Apng
        } else {
            Form::of(path, "--video").map_err(Error::Setting)?
        };
        check_standard(options)?;
        let reservation = reserve(options, None, None)?;
        if let Some(folder) = options.image.as_deref().filter(|image| image.is_dir()) {
            let inside = Place::of(&folder.join(".frame"))?;
            // A frame may be a link to a file elsewhere.
            let frames: Vec<Place> =
                frames.iter().filter_map(|frame| Place::of(frame).ok()).collect();
            let is_frame = |place: &&Place| {
                place.is_beside(&inside) || frames.iter().any(|frame| frame.is_same(place))
            };
            if let Some(place) = reservation.places().find(is_frame) {
                return Err(Error::Setting(format!(
                    "{} would be among the frames that are learned: choose another folder for it",
                    place.path().display()
                )));
            }
        }
        let own = (video.picture.width, video.picture.height);
        let (width, height) = options.size.map_or(own, |size| (size.width, size.height));
        Picture::check_size(width, height)?;
        if width.max(height) > form.longest_side() {
            return Err(Error::Setting(format!(
                "{}: an animation of {width}×{height} pixels is too large for its format, whose longest side is {}",
                path.display(),
                form.longest_side()
            )));
        }
        // All frames are painted before the file is written.
        let frames = width * height * video.frames() * video.picture.channels;
        video.picture.check_memory_beside(2 * frames as u64)?;
        Ok(Self { path, form, size: options.size, _reservation: reservation })
    }

    fn name(&self) -> String {
        if is_standard(self.path) {
            "to standard output".into()
        } else {
            self.path.display().to_string()
        }
    }

    /// Paints all frames, writes them, and compares them with those that were learned, if there are any: the PSNR of the
    /// mean squared error over the frames, infinite for an exact painting. Nothing is written if it was interrupted.
    fn paint(
        &self,
        video: &Video,
        learned: &[Picture],
        engine: &Engine,
        network: &Network,
        mut brush: Brush,
    ) -> Result<Option<f64>> {
        let own = (video.picture.width, video.picture.height);
        let size = self.size.map_or(own, |size| (size.width, size.height));
        let pixels = own.0 * own.1;
        // Animations have 8 bits.
        let mut shallow = video.clone();
        shallow.picture.maximum = 255;
        let (mut frames, mut error) = (Vec::new(), 0.0);
        for number in 0..video.frames() {
            let mut paint = |video: &Video, size| {
                let all = pixels * video.frames();
                let done = pixels * number;
                let share = pixels as f64 / (pixels_of(size) as f64);
                let watch = |painted| brush.watch(done + (painted as f64 * share) as usize, all);
                video.paint(engine, network, number as f64, size, watch)
            };
            let Some(frame) = paint(&shallow, size)? else {
                brush.finish();
                return Ok(None);
            };
            if let Some(learned) = learned.get(number) {
                let same = size == own && shallow == *video;
                let compared = if same { Some(frame.clone()) } else { paint(video, own)? };
                let Some(compared) = compared else {
                    brush.finish();
                    return Ok(None);
                };
                error += 10.0_f64.powf(-impasto::psnr(learned, &compared)? / 10.0);
            }
            frames.push(frame);
        }
        brush.finish();
        let file = self.form.encode(&frames, &video.delays).map_err(|error| Error::Picture {
            path: self.path.into(),
            reason: error.to_string(),
        })?;
        save_bytes(self.path, &file)?;
        Ok(Some(-10.0 * (error / video.frames() as f64).log10()))
    }
}

/// Pixels of a size.
fn pixels_of((width, height): (usize, usize)) -> usize {
    width * height
}
