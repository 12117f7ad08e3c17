//! `paint`: trains a network that maps a pixel's place to its color, and repaints the picture with it.

mod canvas;
mod options;
mod outputs;
mod profile;
mod progress;
mod report;

use canvas::Canvas;
use clap::Command;
use clap::error::ErrorKind;
use impasto::gpu::Precision;
use impasto::{
    Activation, Backend, Dataset, Engine, Error, Loss, Network, Optimizer, Picture, Result,
    Schedule, Subject, Summary, Trainer,
};
pub use options::Options;
use outputs::Outputs;
use profile::Profile;
use progress::{Brush, Progress};
use report::Report;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The exit code of a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Runs with options that were read by `command`, which reports what is wrong with them together and ends the
/// program. The exit code is 0, 1 after an error, and 130 after Ctrl-C.
pub fn run(options: &Options, command: &mut Command) -> ExitCode {
    if let Err(reason) = options.check() {
        command.error(ErrorKind::ArgumentConflict, reason).exit();
    }
    match carry_out(options) {
        Ok(interrupted) if interrupted => ExitCode::from(INTERRUPTED),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever a file is called.
            let line = error.to_string().replace(char::is_control, "?");
            let _ = writeln!(io::stderr(), "error: {line}");
            ExitCode::FAILURE
        }
    }
}

/// Runs with these options. Returns whether Ctrl-C ended the run early.
fn carry_out(options: &Options) -> Result<bool> {
    if options.list_adapters {
        list_adapters();
        return Ok(false);
    }
    match &options.repaint {
        Some(saved) => {
            let (network, subject) = Subject::load(saved)?;
            repaint(options, &network, subject).map(|()| false)
        }
        None => train_and_paint(options),
    }
}

/// `--list-adapters`: a line for each adapter.
pub fn list_adapters() {
    let adapters = impasto::gpu::adapters();
    for adapter in &adapters {
        print_line(adapter.description());
    }
    if adapters.is_empty() {
        print_line(impasto::gpu::NO_ADAPTER);
    }
}

/// Prints a line. A reader that went away (`| head -1`) is no reason to lose what was learned.
fn print_line(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Opens the engine that was asked for: (the engine, seconds it took).
fn open(options: &Options) -> Result<(Engine, f64)> {
    let clock = Instant::now();
    let wanted = impasto::Options {
        backend: options.backend,
        adapter: options.adapter.clone(),
        kernels: options.kernels,
        precision: options.precision,
        tune: !options.no_tune,
    };
    let engine = wanted.open()?;
    if !options.quiet {
        print_line(engine.device());
    }
    print_notes(options, &engine, 0);
    Ok((engine, clock.elapsed().as_secs_f64()))
}

/// Prints what the engine chose for the user since it had `shown` notes.
fn print_notes(options: &Options, engine: &Engine, shown: usize) {
    if !options.quiet {
        engine.notes().iter().skip(shown).for_each(|note| print_line(format!("note: {note}")));
    }
}

/// The usual way: learn a picture, paint it, compare.
fn train_and_paint(options: &Options) -> Result<bool> {
    let canvas = Canvas::load(options)?;
    let (subject, loss) = (canvas.subject(), options.loss());
    let hidden = &options.hidden.0;
    let builder = subject.builder(options.encoding(), hidden, options.activation, loss);
    let mut network = builder.seed(options.seed).build()?;
    let trainer = Trainer {
        epochs: options.epochs,
        batch_size: options.batch,
        learning_rate: options.learning_rate,
        schedule: options.schedule,
        warm_up: options.warm_up,
        loss,
        optimizer: options.optimizer,
        seed: options.seed,
        ..Trainer::default()
    };
    trainer.check(&network)?;
    let outputs = Outputs::check(options, subject)?;
    if !options.quiet {
        print_line(canvas.describe());
        print_line(format!("network {}", describe(&network)));
        print_line(format!("training {}", describe_training(&trainer)));
    }
    let dataset = canvas.dataset()?;
    let (engine, opening) = open(options)?;
    if options.profile && engine.device().backend == Backend::Reference {
        return Err(Error::Setting(format!(
            "--profile times the GPU engine and the CPU engine, and this is the {}: add --backend cpu",
            engine.device()
        )));
    }
    let known = engine.notes().len();
    let trained = train(options, &trainer, &engine, &mut network, &dataset)?;
    print_notes(options, &engine, known);
    if !options.quiet && options.precision != Precision::Full {
        print_line(format!("trained in {} precision", engine.precision()));
    }
    let mut report = Report::new(&engine, &network, options.seed);
    report.set_image(&canvas);
    report.set_training(&trainer, &engine, &trained.summary, opening, dataset.len());
    if !options.quiet {
        print_line(progress::describe(&trained.summary, options.epochs));
    }
    let profiled = if options.profile && trained.failure.is_none() {
        let plan = trainer.plan(&dataset);
        Profile::take(&engine, &network, &plan, &dataset).map(|profile| {
            profile.print();
            report.set_profile(&profile);
        })
    } else {
        Ok(())
    };
    // What was learned is kept: neither a training that diverged nor a file that could not be
    // written costs the others.
    let saved = options.save.as_ref().map_or(Ok(()), |path| subject.save(path, &network));
    let brush = Brush::start(options, Some(&trained.interrupted));
    let known = engine.notes().len();
    let painted = canvas.paint(&engine, &network, &outputs, brush);
    print_notes(options, &engine, known);
    match &painted {
        Ok(Some(judged)) => {
            report.set_result(judged);
            if !options.quiet {
                print_line(judged);
                outputs.removal().into_iter().for_each(print_line);
            }
        }
        Ok(None) if !options.quiet => print_line("painting interrupted: no picture was written"),
        _ => {}
    }
    let reported = report.write(options);
    saved.and(painted.map(drop)).and(reported).and(profiled)?;
    trained.failure.map_or(Ok(trained.interrupted.load(Ordering::SeqCst)), Err)
}

/// How training ended.
struct Trained {
    summary: Summary,
    /// That it diverged: what was learned before is still worth painting.
    failure: Option<Error>,
    /// Whether Ctrl-C came, then or later.
    interrupted: Arc<AtomicBool>,
}

/// Trains with a progress bar and Ctrl-C.
fn train(
    options: &Options,
    trainer: &Trainer,
    engine: &Engine,
    network: &mut Network,
    dataset: &Dataset,
) -> Result<Trained> {
    let mut progress = Progress::start(options)?;
    let trained = trainer.fit_with(engine, network, dataset, |event| progress.watch(event));
    let interrupted = progress.finish();
    let (summary, failure) = match trained {
        Ok(summary) => (summary, None),
        Err(Error::Diverged { ref summary, .. }) => ((**summary).clone(), trained.err()),
        Err(error) => return Err(error),
    };
    Ok(Trained { summary, failure, interrupted })
}

/// `--repaint`: no training, any size.
fn repaint(options: &Options, network: &Network, mut subject: Subject) -> Result<()> {
    if let Some(size) = options.size {
        (subject.width, subject.height) = (size.width, size.height);
    }
    Picture::check_size(subject.width, subject.height)?;
    let outputs = Outputs::check(options, subject)?;
    if !options.quiet {
        print_line(format!("network {}", describe(network)));
    }
    let (engine, opening) = open(options)?;
    // No handler for Ctrl-C is installed here, so it ends the program, which has written nothing yet.
    let known = engine.notes().len();
    let painted = canvas::paint(subject, &engine, network, Brush::start(options, None))?;
    print_notes(options, &engine, known);
    let Some(picture) = painted else { return Ok(()) };
    outputs.write_picture(&picture)?;
    let mut report = Report::new(&engine, network, options.seed);
    report.set_setup(opening);
    report.write(options)?;
    if !options.quiet {
        print_line(format!(
            "painted {} at {}×{}",
            outputs.picture.display(),
            subject.width,
            subject.height
        ));
        outputs.removal().into_iter().for_each(print_line);
    }
    Ok(())
}

/// `2 → 100 → 100 → 3, relu, 10,703 parameters`, with runs of equal layers as `10×100`.
fn describe(network: &Network) -> String {
    let widths = network.widths();
    let mut parts = vec![network.inputs().to_string()];
    if !network.encoding().is_identity() {
        parts.push(format!("{} ({})", widths[0], network.encoding().name()));
    }
    for run in widths[1..].chunk_by(|a, b| a == b) {
        parts.push(match run {
            [width] => width.to_string(),
            run => format!("{}×{}", run.len(), run[0]),
        });
    }
    let activation = network.layers()[0].activation;
    let activation = short(&activation, Activation::ALL, activation.name());
    let parameters = progress::thousands(network.parameters().len() as u64);
    format!("{}, {activation}, {parameters} parameters", parts.join(" → "))
}

/// `mean-squared-error with adam, learning rate 0.002, schedule cosine`.
fn describe_training(trainer: &Trainer) -> String {
    let Trainer { loss, optimizer, learning_rate, schedule, warm_up, .. } = *trainer;
    let warm_up = match warm_up {
        0 => String::new(),
        steps => format!(" after {steps} steps of warm-up"),
    };
    format!(
        "{} with {}, learning rate {learning_rate}, schedule {}{warm_up}",
        short(&loss, Loss::ALL, loss.name()),
        short(&optimizer, Optimizer::ALL, optimizer.name()),
        short(&schedule, Schedule::ALL, schedule.name())
    )
}

/// A component's name, with its parameters where they are not the defaults.
fn short<T: Display + PartialEq>(component: &T, all: &[T], name: &str) -> String {
    if all.contains(component) { name.into() } else { component.to_string() }
}
