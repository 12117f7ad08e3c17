//! `paint`: trains a network that maps a pixel's place to its color, and repaints the picture with it.

mod advice;
pub(crate) mod allocator;
mod animation;
mod budget;
mod canvas;
mod clip;
pub(crate) mod console;
mod curve;
mod digest;
pub(crate) mod ending;
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
pub(crate) use console::print_answer;
use console::print_line;
use ending::Failures;
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
use std::path::Path;
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
    allocator::prepare();
    signals::write_past_limits_as_errors();
    let code = carry_out(options).unwrap_or_else(|error| fail(&error));
    console::check().map_or_else(|error| fail(&error), |()| code)
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
    print_notes(options, &engine, &[]);
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

/// Prints what the engine chose for the user and what it found out, but for what was `shown`.
fn print_notes(options: &Options, engine: &Engine, shown: &[String]) {
    if !options.quiet {
        let notes = engine.notes();
        let new = notes.iter().filter(|note| !shown.contains(note));
        new.for_each(|note| print_line(format!("note: {note}")));
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

/// Prints what will be learned, by what, and how.
fn describe(
    options: &Options,
    canvas: &Canvas,
    network: &Network,
    trainer: &Trainer,
    is_resumed: bool,
) {
    if options.quiet {
        return;
    }
    print_line(canvas.describe());
    canvas.notes.iter().for_each(|note| print_line(format!("note: {note}")));
    print_line(format!("network {}", describe_network(network)));
    print_line(format!("training {}", describe_training(trainer)));
    let advice = advice::preset(&canvas.picture);
    advice.iter().filter(|_| !is_resumed && !options.has_choice()).for_each(print_line);
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
    let at_the_end = ending::memory(&network, options.save_every.is_some());
    subject.check_memory_beside(outputs.memory(subject).saturating_add(at_the_end as u64))?;
    let dataset = canvas.dataset()?;
    if options.start.is_some() && options.warm_up.is_none() {
        trainer.warm_up = trainer.warm_up_again(&dataset);
    }
    describe(options, &canvas, &network, &trainer, resumed.is_some());
    let signal = training::listen(options);
    let (engine, opening) = open_for(options, &trainer, &network, &dataset)?;
    if options.profile && engine.device().backend == Backend::Reference {
        return Err(Error::Setting(format!(
            "--profile times the GPU engine and the CPU engine, and this is the {}: add --backend cpu",
            engine.device()
        )));
    }
    let known = engine.notes();
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
    let (mut failures, mut saved) = (Failures::default(), None);
    // A reader of a pipe may be slow or gone, so the painting does not wait for it.
    let is_last = options.save.as_deref().is_some_and(streams::is_pipe);
    let keep =
        |network: &Network, trained: &Trained, keeper: Option<&Keeper>, failures: &mut Failures| {
            if !is_last {
                saved = save(options, subject, network, keeper, trained, failures);
            }
        };
    let kept = keeper.as_mut();
    let trained = train(run, &mut network, &signal, resumed, kept, &mut failures, keep);
    let Some(trained) = failures.take(trained) else {
        return Ok(failures.report(ExitCode::FAILURE));
    };
    print_notes(options, &engine, &known);
    if !options.quiet {
        describe_trained(options, &engine, &trained, &trainer);
    }
    // Asked again after the painting, which a signal ends too.
    let code = || signal.exit_code().map_or(ExitCode::SUCCESS, ExitCode::from);
    if !trained.has_learned() {
        return Ok(failures.end_without_a_step(trained.failure, options.quiet, code()));
    }
    let mut report = Report::new(&engine, &network, options.seed());
    report.set_image(&canvas);
    let known = engine.notes();
    let mut painted = paint(options, &canvas, &engine, &network, &outputs, &signal, &mut failures);
    if is_last {
        saved = save(options, subject, &network, keeper.as_ref(), &trained, &mut failures);
    }
    if let (Some(mut file), Some(judged)) = (saved.take(), &mut painted) {
        let measured = file.judge(&canvas, &engine, Brush::start(options, Some(&signal)));
        failures.take(measured);
        judged.file = Some(file);
    }
    print_notes(options, &engine, &known);
    if let Some(judged) = &painted {
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
    if options.profile && trained.failure.is_none() {
        let plan = trainer.plan(&dataset);
        let profile = Profile::take(&engine, &network, &plan, &dataset);
        if let Some(profile) = failures.take(profile) {
            profile.print();
            report.set_profile(&profile);
        }
    }
    if options.report.is_some() {
        report.set_training(&trainer, &engine, &trained, opening, dataset.len());
        failures.take(report.write(options));
    }
    if let Some(error) = trained.failure {
        failures.add(error);
    }
    Ok(failures.report(code()))
}

/// Prints how a run went.
fn describe_trained(options: &Options, engine: &Engine, trained: &Trained, trainer: &Trainer) {
    if options.precision != Precision::Full {
        print_line(format!("trained in {} precision", engine.precision()));
    }
    print_line(describe_run(trained, trainer));
    trained.lines.iter().for_each(print_line);
}

/// Paints the picture, on the CPU engine if the GPU engine fails. A painting that cannot be written is no reason to lose
/// the network, which is then saved where [`save`] has not done so.
fn paint(
    options: &Options,
    canvas: &Canvas,
    engine: &Engine,
    network: &Network,
    outputs: &Outputs,
    signal: &Signal,
    failures: &mut Failures,
) -> Option<canvas::Judged> {
    let mut painted =
        canvas.paint(engine, network, outputs, Brush::start(options, Some(signal)), failures);
    if let Err(error @ (Error::Gpu { .. } | Error::DeviceLost { .. })) = painted {
        failures.add(error);
        if !options.quiet {
            print_line("painting on the CPU engine, since the GPU engine failed");
        }
        let on_the_cpu = impasto::Options {
            backend: Backend::Cpu,
            threads: options.threads,
            ..impasto::Options::default()
        };
        let brush = Brush::start(options, Some(signal));
        painted = on_the_cpu
            .open()
            .and_then(|engine| canvas.paint(&engine, network, outputs, brush, failures));
    }
    let judged = match painted {
        Ok(Some(judged)) => Some(judged),
        Ok(None) => {
            if !options.quiet {
                print_line("painting interrupted: no picture was written");
            }
            None
        }
        Err(error) => {
            failures.add(error);
            None
        }
    };
    let is_painted = judged.as_ref().is_some_and(|judged| judged.is_painted);
    if !is_painted && options.save.is_none() {
        let file = failures.take(canvas.subject().encode_compact(network, options.rounding.bits()));
        keep_elsewhere(&outputs.picture, file, failures);
    }
    judged
}

/// Saves what was learned, or the run. Returns the file of a network. Where the file cannot be written, the user's data
/// folder is the last resort.
fn save(
    options: &Options,
    subject: Subject,
    network: &Network,
    keeper: Option<&Keeper>,
    trained: &Trained,
    failures: &mut Failures,
) -> Option<SavedFile> {
    let path = options.save.as_deref()?;
    let saved = match (keeper, &trained.state) {
        (Some(keeper), Some(state)) => keeper.save_state(state).map(|()| None),
        // The file keeps what was saved before.
        (Some(_), None) => {
            let file = subject.encode_compact(network, options.rounding.bits());
            let file = failures.take(file);
            keep_elsewhere(path, file, failures);
            return None;
        }
        (None, _) => SavedFile::write(path, subject, network, &options.rounding).map(Some),
    };
    match saved {
        Ok(file) => file,
        Err(error) => {
            failures.add(error);
            let file = match (keeper, &trained.state) {
                (Some(keeper), Some(state)) => keeper.encode(state),
                _ => subject.encode_compact(network, options.rounding.bits()),
            };
            let file = failures.take(file);
            keep_elsewhere(path, file, failures);
            None
        }
    }
}

/// Writes a network that could not be saved at its place, if it could be encoded, to the user's data folder.
fn keep_elsewhere(wanted: &Path, file: Option<Vec<u8>>, failures: &mut Failures) {
    let Some(file) = file else { return };
    if let Some(path) = failures.take(ending::save_elsewhere(wanted, &file)) {
        console::warn_of(format_args!("the network was saved as {} instead", path.display()));
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
    let known = engine.notes();
    let mut brush = Brush::start(options, None);
    let painted = outputs.paint(subject, &engine, network, &mut brush, |_| Ok(()));
    brush.finish();
    print_notes(options, &engine, &known);
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
