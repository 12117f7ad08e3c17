//! `cargo xtask peers`: how fast Impasto trains in comparison with other libraries.
//!
//! The command writes `BENCHMARKS.md`, and under `docs/benchmarks` the plots and all figures as JSON.
//! `cargo xtask scaling` ([`scaling`]) and `cargo xtask quality` ([`quality`]) add to both. With `--kit` it measures nothing, and adds what a kit of
//! `cargo xtask kit` measured on a machine with a GPU ([`gpu`]).
//!
//! # Protocol of `peers`
//!
//! All contestants train the same network on the same picture ([`work`]), at three batch sizes. With `--small`
//! they train two small networks instead. A *work* is a network, its samples and a batch size.
//!
//! A *contestant* is a program. For each work one is started and kept until the end, so
//! that what it compiles, it compiles once. It reads one line of JSON a turn, a [`protocol::Job`],
//! and answers it with another, a [`protocol::Answer`]:
//!
//! 1. On its first turn it loads the samples and trains one epoch, which is reported separately:
//!    it includes the compilation of shaders and the choice of kernels.
//! 2. Each turn it trains `warm_up` epochs, then `spans` times `epochs` epochs. A span is measured as
//!    a whole, from before its first step until the device has finished the last, and divided by
//!    its epochs; so a contestant may send work ahead within a span. Shuffling is a part of it,
//!    loading the samples is not.
//! 3. It goes on with the network it has; its last loss shows that it learns.
//!
//! *Turns alternate*: in each round, for each work, every contestant has one, in an order that
//! changes from round to round ([`schedule`]). Between turns is a short pause, in which the threads
//! of the one before go to sleep. The figure of a contestant is the median over the rounds of the
//! median span; a ratio is the median over the rounds of the ratio in the round ([`statistics`]).
//!
//! *Time*: all contestants first train a few epochs. The rest of `--minutes` is then divided evenly.
//! Each contestant trains at least one epoch in each round, however long it takes.
//!
//! *Proof*: a contestant has learned if its loss is below half the loss of the best constant
//! color. At the end, contestants that have not learned train on, unmeasured, for a few hundred steps
//! at most. A contestant that has not learned then is not counted, and the command fails.

mod contest;
mod contestant;
mod format;
mod gpu;
mod gpu_file;
mod gpu_page;
mod gpu_times;
mod machine;
mod page;
mod plots;
mod points;
mod protocol;
mod python;
mod quality;
mod results;
mod roster;
mod scaling;
mod schedule;
mod small_page;
mod statistics;
mod vectors;
mod work;

pub use machine::Setting;
pub use quality::{Options as QualityOptions, run as run_quality};
pub use scaling::{Options as ScalingOptions, run as run_scaling};

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace::{Cargo, root};
use contest::Contest;
use results::{Entry, Peers, Results, Small, SmallWork};
use vectors::Vectors;
use work::Work;

/// The options that say what is measured and how, which nothing else takes.
const MEASURING: [&str; 13] = [
    "minutes",
    "rounds",
    "burn",
    "burn_wgpu",
    "candle",
    "no_python",
    "python",
    "no_gpu",
    "no_cpu",
    "adapter",
    "threads",
    "batches",
    "extra",
];

/// Options of `cargo xtask peers`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// Minutes to take; building, installing and slow contestants come on top
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Turns of each contestant at each batch size
    #[arg(long, default_value_t = NonZeroUsize::new(7).unwrap_or(NonZeroUsize::MIN))]
    rounds: NonZeroUsize,
    /// Also Burn, on the CPU; building it takes a quarter of an hour
    #[arg(long)]
    burn: bool,
    /// Also Burn on the adapter, where on a software adapter it may compile for ten minutes before
    /// the first epoch of each batch size
    #[arg(long)]
    burn_wgpu: bool,
    /// Also Candle, on the CPU
    #[arg(long)]
    candle: bool,
    /// Without scikit-learn and PyTorch
    #[arg(long)]
    no_python: bool,
    /// A Python that has the packages of xtask/peers/python/requirements.txt [default: one that is
    /// made in target/peers/python; PyTorch takes some gigabytes there]
    #[arg(long)]
    python: Option<PathBuf>,
    /// Without the engines that run on an adapter; the figures of the last run with them stay
    #[arg(long)]
    no_gpu: bool,
    /// Without the engines that run on the processor, likewise
    #[arg(long, conflicts_with_all = ["no_gpu", "burn", "candle"])]
    no_cpu: bool,
    /// Part of the name of the adapter [default: the best there is, which may be a software
    /// adapter]
    #[arg(long)]
    adapter: Option<String>,
    /// Threads of each contestant on the CPU [default: one for each processor that may be used]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Restrict Impasto and the Python libraries to these vector instructions, for the section of processors
    /// that have no others; without adapters
    #[arg(long, conflicts_with_all = ["burn", "burn_wgpu", "candle", "no_cpu"])]
    vectors: Option<Vectors>,
    /// Instead of the comparison at each batch size, that of small networks: steps a second of Impasto's CPU
    /// engine, scikit-learn and PyTorch
    #[arg(long, conflicts_with_all = ["no_cpu", "burn", "burn_wgpu", "candle", "batches"])]
    small: bool,
    /// Measure nothing: add what a kit of `cargo xtask kit` measured on a GPU, its file gpu.json
    #[arg(long, value_name = "FILE", conflicts_with_all = MEASURING)]
    #[arg(conflicts_with_all = ["vectors", "redraw", "small"])]
    kit: Option<PathBuf>,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', default_values_t = work::BATCHES)]
    batches: Vec<usize>,
    /// Something for Impasto's engines alone; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE")]
    extra: Vec<String>,
    /// Folder to write BENCHMARKS.md and docs/benchmarks into [default: root of the repository]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Measure nothing: write the page and the plots anew from the figures that are there
    #[arg(long, conflicts_with_all = MEASURING, conflicts_with = "vectors")]
    redraw: bool,
}

/// # Errors
///
/// When Impasto does not build, no contestant is left, one does not learn, or the results cannot be
/// written.
pub fn run(options: &Options) -> Result<()> {
    let root = root();
    let output = options.output.clone().unwrap_or_else(|| root.clone());
    ensure!(
        options.batches.iter().all(|&batch| batch > 0),
        "a batch of 0 samples: it needs at least 1"
    );
    ensure!(options.minutes >= 0.0, "{} minutes: it must be 0 or more", options.minutes);
    // Fails on an unusable file now rather than after half an hour.
    let mut results = Results::load(&results_file(&output))?;
    if options.redraw {
        return write(&results, &output);
    }
    if let Some(kit) = &options.kit {
        let run = gpu_file::read(kit)?;
        let name = run.adapter.name.clone();
        results.add_gpu(run);
        write(&results, &output)?;
        let (page, figures) = (output.join("BENCHMARKS.md"), results_file(&output));
        let (page, figures) = (page.display(), figures.display());
        println!("Wrote the figures of {name:?} into {page} and {figures}");
        return Ok(());
    }
    check_restriction(std::env::var_os("IMPASTO_VECTORS").as_deref(), options.vectors)?;
    let mine = own_options(&options.extra)?;

    let cargo = Cargo::new();
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let roster = roster::gather(&cargo, &root, options)?;
    let threads = threads(options.threads);
    let picture = root.join(work::PICTURE);
    let adapter = options.adapter.as_deref();
    let works = if options.small {
        Work::small(&picture, folder.path(), threads)?
    } else {
        Work::batches(&picture, folder.path(), &options.batches, threads, adapter)?
    };
    let mut contest = Contest::new(roster, &works, folder.path(), threads, options.vectors);
    contest.open(&mine);
    if let Some(work) = works.first().filter(|_| !options.small) {
        contest.open_product(work.job.clone());
    }
    ensure!(!contest.is_empty(), "no contestant could be measured");
    contest.rounds(options.rounds.get(), options.minutes * 60.0);
    contest.prove();

    let setting = Setting::here(&root, command_line(), threads);
    let rounds = options.rounds.get();
    let vectors = options.vectors.map(|vectors| vectors.name().into());
    let unlearned = unlearned(&works, &contest);
    if options.small {
        let entries = |(number, work): (usize, &Work)| SmallWork {
            name: work.name.clone(),
            steps: work.steps(),
            constant_loss: work.constant_loss,
            entries: contest.entries(number),
        };
        let works = works.iter().enumerate().map(entries).collect();
        let left_out = contest.roster.left_out;
        results.add_small(Small { setting, rounds, vectors, works, left_out });
    } else {
        results.add(Peers {
            setting,
            samples: works.first().map_or(0, |work| work.samples),
            epoch_flop: works.first().map_or(0.0, |work| work::epoch_flop(work.samples)),
            constant_loss: works.first().map_or(0.0, |work| work.constant_loss),
            rounds,
            vectors,
            product: contest.product_rate(),
            entries: (0..works.len()).flat_map(|work| contest.entries(work)).collect(),
            left_out: contest.roster.left_out,
        });
    }
    write(&results, &output)?;
    println!("Wrote {}", output.join("BENCHMARKS.md").display());
    if !unlearned.is_empty() {
        bail!("did not learn: {}", unlearned.join(", "));
    }
    Ok(())
}

/// The contestants that did not learn, each with its work.
fn unlearned(works: &[Work], contest: &Contest) -> Vec<String> {
    let of_work = |(number, work): (usize, &Work)| -> Vec<String> {
        let entries = contest.entries(number).into_iter().filter(|entry| !entry.learned);
        entries.map(|Entry { contestant, .. }| format!("{contestant} at {}", work.name)).collect()
    };
    works.iter().enumerate().flat_map(of_work).collect()
}

/// Refuses the variable that restricts Impasto's vectors where it would restrict Impasto alone.
fn check_restriction(variable: Option<&OsStr>, vectors: Option<Vectors>) -> Result<()> {
    ensure!(
        vectors.is_some() || variable.is_none_or(OsStr::is_empty),
        "IMPASTO_VECTORS restricts Impasto alone: unset it, or restrict all with --vectors avx2"
    );
    Ok(())
}

/// The file with the figures.
fn results_file(output: &Path) -> PathBuf {
    output.join("docs/benchmarks/benchmarks.json")
}

/// Writes the figures, the plots and the page.
fn write(results: &Results, output: &Path) -> Result<()> {
    results.save(&results_file(output))?;
    for (name, svg) in plots::draw(results)? {
        results::write_whole(&output.join("docs/benchmarks").join(name), &svg)?;
    }
    results::write_whole(
        &output.join(quality::page::FILE),
        &quality::page::render(&results.quality),
    )?;
    results::write_whole(&output.join("BENCHMARKS.md"), &page::render(results))
}

/// This machine and the commit, now.
pub fn setting(root: &Path) -> Setting {
    Setting::here(root, String::new(), threads(None))
}

/// How this run was asked for.
fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo xtask {}", arguments.join(" "))
}

/// The threads that were asked for, or as many as there are processors.
fn threads(wanted: Option<NonZeroUsize>) -> usize {
    let there = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    wanted.unwrap_or_else(there).get()
}

/// `--option NAME=VALUE`, each.
fn own_options(options: &[String]) -> Result<BTreeMap<String, serde_json::Value>> {
    options
        .iter()
        .map(|option| {
            let (name, value) = option
                .split_once('=')
                .with_context(|| format!("the option '{option}' is not of the form NAME=VALUE"))?;
            Ok((name.to_owned(), value.into()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn options_of_impasto_have_a_name_and_a_value() {
        let options = own_options(&["kernels=fused".into()]).unwrap();
        assert_eq!(options["kernels"], "fused");
        assert!(own_options(&["kernels".into()]).is_err());
    }

    #[test]
    fn impasto_is_not_restricted_alone() {
        let avx2 = Some(OsStr::new("avx2"));
        assert!(check_restriction(avx2, None).is_err());
        assert!(check_restriction(avx2, Some(Vectors::Avx2)).is_ok());
        assert!(check_restriction(None, None).is_ok());
    }

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn what_nothing_would_be_measured_with_is_refused() {
        let parse = |arguments: &[&str]| Command::try_parse_from([&["peers"], arguments].concat());
        for kind in [&["--kit", "gpu.json"][..], &["--redraw"]] {
            assert!(parse(&[kind, &["--output", "folder"]].concat()).is_ok(), "{kind:?}");
            for other in [
                "--minutes=1",
                "--rounds=1",
                "--burn",
                "--burn-wgpu",
                "--candle",
                "--no-python",
                "--python=python3",
                "--no-gpu",
                "--no-cpu",
                "--adapter=A",
                "--threads=1",
                "--vectors=avx2",
                "--batches=200",
                "--option=a=b",
            ] {
                assert!(parse(&[other]).is_ok(), "{other} alone");
                let error = parse(&[kind, &[other]].concat()).err();
                let error = error.unwrap_or_else(|| panic!("{other} with {kind:?}"));
                assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
            }
        }
        assert!(parse(&["--kit", "gpu.json", "--redraw"]).is_err());
    }
}
