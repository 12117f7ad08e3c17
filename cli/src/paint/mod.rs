//! `paint`: trains a network that maps a pixel's place to its color, and repaints the picture with it.

mod advice;
mod animation;
mod budget;
mod canvas;
mod clip;
pub(crate) mod console;
mod curve;
mod fallback;
mod film;
mod keeping;
mod mask;
mod measure;
mod metrics;
mod options;
mod outputs;
mod pace;
mod plot;
mod preview;
mod profile;
mod progress;
mod report;
mod rounding;
pub(crate) mod signals;
mod smaller;
mod start;
pub(crate) mod streams;
pub(crate) mod text;
mod training;
pub(crate) mod values;
mod video;
pub(crate) mod view;
mod watcher;
mod watching;

use budget::Budget;
use canvas::Canvas;
use clap::Command;
use clap::error::ErrorKind;
use console::print_line;
use impasto::gpu::{GpuEngine, Precision};
use impasto::{Backend, Dataset, Engine, Error, Network, Result, Subject, Trainer};
use keeping::{Keeper, Resumed};
pub use options::Options;
use outputs::Outputs;
use profile::Profile;
use progress::Brush;
use report::Report;
use rounding::SavedFile;
use signals::Signal;
use start::Start;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;
use streams::is_standard;
use text::{describe_network, describe_run, describe_training};
use training::{Run, Trained, fill_time, train};

/// Runs with options that were read by `command`, which reports what is wrong with them together and ends the
/// program. The exit code is 0, 1 after an error, 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP.
pub fn run(options: &Options, command: &mut Command) -> ExitCode {
    if let Err(reason) = options.check() {
        command.error(ErrorKind::ArgumentConflict, reason).exit();
    }
    match carry_out(options) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Reports an error. Returns the exit code of a program that it ended.
pub(crate) fn fail(error: &Error) -> ExitCode {
    // One line, whatever a file is called.
    let line = error.to_string().replace(char::is_control, "?");
    let _ = writeln!(io::stderr(), "error: {line}");
    ExitCode::FAILURE
}

/// Runs with these options. Returns the exit code, which is that of a signal if one ended the run early.
fn carry_out(options: &Options) -> Result<ExitCode> {
    if options.list_adapters {
        list_adapters();
        return Ok(ExitCode::SUCCESS);
    }
    let metrics = options.watching.metrics.as_ref();
    let outputs = [Some(&options.output), options.report.as_ref(), options.save.as_ref(), metrics];
    if outputs.into_iter().flatten().any(|path| is_standard(path)) {
        console::leave_standard_output();
    }
    if options.moving.video {
        return video::run(options.clone());
    }
    if let Some(saved) = &options.repaint {
        if let Some((network, video)) = video::load(saved, options.quiet)? {
            return video::repaint(options, &network, &video);
        }
        let size = options.size.map(|size| (size.width, size.height));
        let (network, subject) =
            streams::load_network(saved, &options.import(), size, options.quiet)?;
        return repaint(options, &network, subject).map(|()| ExitCode::SUCCESS);
    }
    let start = Start::load(options)?;
    let mut options = start.options(options)?;
    let resumed = match options.resume.clone() {
        Some(path) => Some(Resumed::load(&path, &mut options)?),
        None => None,
    };
    // The numbers that depend on the picture come when it is read.
    options.settle((1, 1))?;
    if options.print_config {
        return print_configuration(options, &start).map(|()| ExitCode::SUCCESS);
    }
    if options.save_every.is_some() {
        keeping::choose_file(&mut options)?;
    }
    train_and_paint(options, start, resumed)
}

/// `--print-config`: the configuration, for the picture if one is named.
fn print_configuration(mut options: Options, start: &Start) -> Result<()> {
    let mut configuration = options.configuration();
    if options.image.is_some() {
        let canvas = Canvas::load(&options, start)?;
        options.settle(canvas.size())?;
        let budget = Budget::of(&options, canvas.pixels());
        configuration = budget.complete(options.configuration());
    } else if let Some(preset) = options.needs_size() {
        return Err(Error::Setting(format!(
            "--preset {} depends on the size of the picture: name one",
            preset.name()
        )));
    }
    print_line(configuration.to_json()?);
    Ok(())
}

/// `--list-adapters`: a line for each adapter, with the number that `--adapter` takes.
pub fn list_adapters() {
    let adapters = impasto::gpu::adapters();
    for (number, adapter) in adapters.iter().enumerate() {
        print_line(format!("{number}: {}", adapter.description()));
    }
    if adapters.is_empty() {
        // The error says why.
        let reason = GpuEngine::open(None).err();
        let reason = reason.map_or_else(|| impasto::gpu::NO_ADAPTER.into(), |e| e.to_string());
        print_line(reason);
    }
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
        threads: options.threads,
    };
    let engine = wanted.open()?;
    if !options.quiet {
        print_line(engine.device());
    }
    print_notes(options, &engine, 0);
    Ok((engine, clock.elapsed().as_secs_f64()))
}

/// Opens the engine; with `--backend auto`, the CPU engine if the GPU has no memory for the samples.
fn open_for(
    options: &Options,
    trainer: &Trainer,
    network: &Network,
    dataset: &Dataset,
) -> Result<(Engine, f64)> {
    let opened = open(options)?;
    let Some(note) = fallback::reason(options.backend, &opened.0, trainer, network, dataset)?
    else {
        return Ok(opened);
    };
    if !options.quiet {
        print_line(note);
    }
    let mut on_the_cpu = options.clone();
    on_the_cpu.backend = Backend::Cpu;
    open(&on_the_cpu)
}

/// Prints what the engine chose for the user since it had `shown` notes.
fn print_notes(options: &Options, engine: &Engine, shown: usize) {
    if !options.quiet {
        engine.notes().iter().skip(shown).for_each(|note| print_line(format!("note: {note}")));
    }
}

/// The network that a run begins with, its budget and its settings.
fn begin(
    options: &Options,
    start: Start,
    resumed: Option<&mut Resumed>,
    canvas: &Canvas,
) -> Result<(Network, Budget, Trainer)> {
    if let Some(run) = resumed {
        run.extend(options, canvas.pixels())?;
        let trainer = run.state.trainer.clone();
        return Ok((run.state.network().clone(), Budget::of_run(&trainer), trainer));
    }
    let budget = Budget::of(options, canvas.pixels());
    let trainer = budget.apply(options.configuration().trainer(canvas.pixels()));
    Ok((start.network(options, canvas.subject())?, budget, trainer))
}

/// The usual way: learn a picture, or go on with it, paint it, compare.
fn train_and_paint(
    mut options: Options,
    start: Start,
    mut resumed: Option<Resumed>,
) -> Result<ExitCode> {
    let canvas = match &resumed {
        Some(run) => Canvas::of_run(&options, run)?,
        None => Canvas::load(&options, &start)?,
    };
    options.settle(canvas.size())?;
    let options = &options;
    let subject = canvas.subject();
    let (mut network, budget, mut trainer) = begin(options, start, resumed.as_mut(), &canvas)?;
    trainer.check(&network)?;
    let outputs = Outputs::check(options, subject, Some(&canvas.path))?;
    subject.check_memory_beside(outputs.memory(subject))?;
    let dataset = canvas.dataset()?;
    if options.start.is_some() && options.warm_up.is_none() {
        trainer.warm_up = trainer.warm_up_again(&dataset);
    }
    if !options.quiet {
        print_line(canvas.describe());
        canvas.notes.iter().for_each(|note| print_line(format!("note: {note}")));
        print_line(format!("network {}", describe_network(&network)));
        print_line(format!("training {}", describe_training(&trainer)));
        let advice = advice::preset(&canvas.picture);
        advice.iter().filter(|_| resumed.is_none() && !options.has_choice()).for_each(print_line);
    }
    let (engine, opening) = open_for(options, &trainer, &network, &dataset)?;
    if options.profile && engine.device().backend == Backend::Reference {
        return Err(Error::Setting(format!(
            "--profile times the GPU engine and the CPU engine, and this is the {}: add --backend cpu",
            engine.device()
        )));
    }
    let signal = Signal::listen()?;
    let known = engine.notes().len();
    if budget.fills_time {
        trainer = fill_time(budget, trainer, &engine, &network, &dataset, &signal)?;
    }
    let resumed = resumed.as_ref();
    if let (Some(run), false) = (resumed, options.quiet) {
        run.describe(&engine).iter().for_each(print_line);
    }
    let done = resumed.map(|run| run.state.summary());
    let mut keeper = Keeper::new(options, &canvas, &engine, done)?;
    let run =
        Run { options, budget, trainer: &trainer, engine: &engine, dataset: &dataset, subject };
    let mut trained = train(run, &mut network, &signal, resumed, keeper.as_mut())?;
    print_notes(options, &engine, known);
    if !options.quiet && options.precision != Precision::Full {
        print_line(format!("trained in {} precision", engine.precision()));
    }
    let mut report = Report::new(&engine, &network, options.seed());
    report.set_image(&canvas);
    report.set_training(&trainer, &engine, &trained, opening, dataset.len());
    if !options.quiet {
        print_line(describe_run(&trained, &trainer));
    }
    let watched = std::mem::replace(&mut trained.watched, Ok(Vec::new()));
    let watched = watched.map(|lines| {
        lines.iter().filter(|_| !options.quiet).for_each(print_line);
    });
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
    let saved = save(options, subject, &network, keeper.as_ref(), &trained);
    let brush = Brush::start(options, Some(&signal));
    let known = engine.notes().len();
    let mut painted = canvas.paint(&engine, &network, &outputs, brush);
    let saved = saved.and_then(|file| {
        if let (Some(mut file), Ok(Some(judged))) = (file, &mut painted) {
            file.judge(&canvas, &engine, Brush::start(options, Some(&signal)))?;
            judged.file = Some(file);
        }
        Ok(())
    });
    print_notes(options, &engine, known);
    match &painted {
        Ok(Some(judged)) => {
            report.set_result(judged);
            if !options.quiet {
                print_line(judged);
                judged.note.iter().for_each(print_line);
                outputs.removal().into_iter().for_each(print_line);
            }
            if judged.one_color && !options.quiet && trained.failure.is_none() {
                print_line(options.advice(trained.summary.steps));
            }
        }
        Ok(None) if !options.quiet => print_line("painting interrupted: no picture was written"),
        _ => {}
    }
    let reported = report.write(options);
    saved.and(painted.map(drop)).and(reported).and(profiled).and(watched)?;
    let code = signal.exit_code().map_or(ExitCode::SUCCESS, ExitCode::from);
    trained.failure.map_or(Ok(code), Err)
}

/// Saves what was learned, or the run. Returns the file of a network.
fn save(
    options: &Options,
    subject: Subject,
    network: &Network,
    keeper: Option<&Keeper>,
    trained: &Trained,
) -> Result<Option<SavedFile>> {
    let write = |path| SavedFile::write(path, subject, network, &options.rounding);
    match (keeper, &trained.state) {
        (Some(keeper), Some(state)) => keeper.save_state(state).map(|()| None),
        // After a divergence without a state, the file has what was saved before.
        (Some(_), None) => Ok(None),
        (None, _) => options.save.as_deref().map(write).transpose(),
    }
}

/// `--repaint`: no training, any size.
fn repaint(options: &Options, network: &Network, subject: Subject) -> Result<()> {
    let frame = options.view.frame(options.size, subject)?;
    let outputs = Outputs::check(options, subject, None)?;
    if !options.quiet {
        print_line(format!("network {}", describe_network(network)));
    }
    let (engine, opening) = open(options)?;
    // No handler of signals is installed here, so a signal ends the program, which has written nothing yet.
    let known = engine.notes().len();
    let mut brush = Brush::start(options, None);
    let painted = outputs.paint(subject, &engine, network, &mut brush, |_| Ok(()));
    brush.finish();
    print_notes(options, &engine, known);
    if !painted? {
        return Ok(());
    }
    let mut report = Report::new(&engine, network, options.seed());
    report.set_setup(opening);
    report.write(options)?;
    if !options.quiet {
        let (name, (width, height)) = (outputs.name(), frame.painted());
        print_line(format!("painted {name} at {width}×{height}"));
        outputs.removal().into_iter().for_each(print_line);
    }
    Ok(())
}
