//! `paint`: trains a network that maps a pixel's place to its color, and repaints the picture with it.

mod canvas;
mod keeping;
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
    Activation, Backend, Ending, Engine, Error, Event, Loss, Network, Optimizer, Picture, Result,
    Schedule, Subject, Summary, Trainer, Training, TrainingState,
};
use keeping::{Keeper, Resumed};
pub use options::Options;
use outputs::Outputs;
use profile::Profile;
use progress::{Brush, Progress};
use report::Report;
use std::fmt::Display;
use std::io::{self, Write};
use std::ops::ControlFlow;
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
    if let Some(saved) = &options.repaint {
        let size = options.size.map(|size| (size.width, size.height));
        let (network, subject) = Subject::import(saved, &options.import(), size)?;
        return repaint(options, &network, subject).map(|()| false);
    }
    let mut options = options.clone();
    let resumed = match options.resume.clone() {
        Some(path) => Some(Resumed::load(&path, &mut options)?),
        None => None,
    };
    if options.save_every.is_some() && options.save.is_none() {
        options.save = Some(options.output.with_extension("safetensors"));
    }
    train_and_paint(&options, resumed.as_ref())
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
        threads: None,
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

/// The network that a new run begins with, and its settings.
fn begin(options: &Options, subject: Subject) -> Result<(Network, Trainer)> {
    let loss = options.loss();
    let activation = options.activation.unwrap_or(Activation::Relu);
    let builder = subject.builder(options.encoding(), &options.hidden.0, activation, loss);
    let trainer = Trainer {
        epochs: options.epochs(),
        batch_size: options.batch,
        learning_rate: options.learning_rate,
        schedule: options.schedule,
        warm_up: options.warm_up,
        loss,
        optimizer: options.optimizer,
        seed: options.seed,
        ..Trainer::default()
    };
    Ok((builder.seed(options.seed).build()?, trainer))
}

/// The usual way: learn a picture, or go on with it, paint it, compare.
fn train_and_paint(options: &Options, resumed: Option<&Resumed>) -> Result<bool> {
    let canvas = match resumed {
        Some(run) => Canvas::of_run(options, run)?,
        None => Canvas::load(options)?,
    };
    let subject = canvas.subject();
    let (mut network, trainer) = match resumed {
        Some(run) => (run.state.network().clone(), run.state.trainer.clone()),
        None => begin(options, subject)?,
    };
    trainer.check(&network)?;
    let outputs = Outputs::check(options, subject, Some(&canvas.path))?;
    subject.check_memory()?;
    if !options.quiet {
        print_line(canvas.describe());
        canvas.notes.iter().for_each(|note| print_line(format!("note: {note}")));
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
    if let (Some(run), false) = (resumed, options.quiet) {
        run.describe(&engine).iter().for_each(print_line);
    }
    let picture = (&*canvas.path, &canvas.picture);
    let done = resumed.map(|run| run.state.summary());
    let mut keeper = Keeper::new(options, subject, picture, &engine, done)?;
    let training = match resumed {
        Some(run) => run.start(&engine, &dataset)?,
        None => trainer.begin(&engine, &network, &dataset)?,
    };
    let started = resumed.map(|run| run.started(&dataset));
    let trained = train(options, training, started.as_ref(), &mut network, keeper.as_mut())?;
    print_notes(options, &engine, known);
    if !options.quiet && options.precision != Precision::Full {
        print_line(format!("trained in {} precision", engine.precision()));
    }
    let mut report = Report::new(&engine, &network, options.seed);
    report.set_image(&canvas);
    report.set_training(&trainer, &engine, &trained.summary, opening, dataset.len());
    if !options.quiet {
        print_line(progress::describe(&trained.summary, trainer.epochs));
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
    let saved = match (&keeper, &trained.state, &options.save) {
        (Some(keeper), Some(state), _) => keeper.save_state(state),
        // After a divergence without a state, the file has what was saved before.
        (Some(_), None, _) | (None, _, None) => Ok(()),
        (None, _, Some(path)) => subject.save(path, &network),
    };
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
    /// What a file of the run has, if it is saved.
    state: Option<TrainingState>,
    /// That it diverged: what was learned before is still worth painting.
    failure: Option<Error>,
    /// Whether Ctrl-C came, then or later.
    interrupted: Arc<AtomicBool>,
}

/// Trains with a progress bar and Ctrl-C, and puts what was learned into `network`. `keeper` saves the run now and then.
fn train(
    options: &Options,
    mut training: Training,
    started: Option<&Event>,
    network: &mut Network,
    mut keeper: Option<&mut Keeper>,
) -> Result<Trained> {
    let mut progress = Progress::start(options)?;
    // A run that goes on does not report this itself.
    if let Some(started) = started {
        let _ = progress.watch(started);
    }
    let ended = loop {
        let mut due = false;
        let ended = training.run_with(|event| {
            due = keeper.as_ref().is_some_and(|keeper| keeper.is_due(event));
            match progress.watch(event) {
                ControlFlow::Continue(()) if due => ControlFlow::Break(()),
                flow => {
                    due = false;
                    flow
                }
            }
        });
        match (&ended, &mut keeper) {
            (Ok(Ending::Stopped), Some(keeper)) if due => keeper.save(&mut training)?,
            _ => break ended,
        }
    };
    let interrupted = progress.finish();
    // Whatever ended it, what was learned so far is kept, unless the device is gone.
    let learned = training.network();
    let failure = match ended {
        Ok(_) => None,
        Err(error @ Error::Diverged { .. }) => Some(error),
        Err(error) => return Err(error),
    };
    *network = learned?;
    let state = match (keeper, &failure) {
        (None, _) => None,
        (Some(_), None) => Some(training.state()?),
        (Some(_), Some(_)) => training.state().ok(),
    };
    let summary = match &failure {
        Some(Error::Diverged { summary, .. }) => (**summary).clone(),
        _ => training.summary().clone(),
    };
    Ok(Trained { summary, state, failure, interrupted })
}

/// `--repaint`: no training, any size.
fn repaint(options: &Options, network: &Network, mut subject: Subject) -> Result<()> {
    if let Some(size) = options.size {
        (subject.width, subject.height) = (size.width, size.height);
    }
    Picture::check_size(subject.width, subject.height)?;
    let outputs = Outputs::check(options, subject, None)?;
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
