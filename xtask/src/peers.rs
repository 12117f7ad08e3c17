//! `cargo xtask peers`: how fast Impasto trains in comparison with other libraries.
//!
//! The command writes `BENCHMARKS.md`, and under `docs/benchmarks` the plots and all figures as JSON.
//! `cargo xtask scaling` ([`scaling`]) adds to both. With `--kit` it measures nothing, and adds what a kit of
//! `cargo xtask kit` measured on a machine with a GPU ([`gpu`]).
//!
//! # Protocol of `peers`
//!
//! All contestants train the same network on the same picture ([`work`]), at three batch sizes.
//!
//! A *contestant* is a program. For each batch size one is started and kept until the end, so
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
//! *Turns alternate*: in each round, for each batch size, every contestant has one, in an order that
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
mod results;
mod roster;
mod scaling;
mod schedule;
mod statistics;
mod vectors;
mod work;

pub use machine::Setting;
pub use scaling::{Options as ScalingOptions, run as run_scaling};

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace::{Cargo, root};
use contestant::Contestant;
use protocol::{Answer, Job};
use results::{Entry, Peers, Product, Results};
use roster::{Member, Roster};
use statistics::median;
use vectors::Vectors;

/// Between two turns.
const PAUSE: Duration = Duration::from_millis(250);

/// After so many steps every contestant should have learned something.
const LEARNING_STEPS: usize = 400;

/// Steps between two tests whether a contestant has learned.
const FEW_STEPS: usize = 25;

/// Rows and columns of the matrices whose product measures the machine's rate.
const PRODUCT_SIZE: usize = 4096;

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
    /// Measure nothing: add what a kit of `cargo xtask kit` measured on a GPU, its file gpu.json
    #[arg(long, value_name = "FILE", conflicts_with_all = MEASURING)]
    #[arg(conflicts_with_all = ["vectors", "redraw"])]
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
    let samples = folder.path().join("samples");
    let (count, constant_loss) = work::write_samples(&root.join(work::PICTURE), &samples)?;
    let roster = roster::gather(&cargo, &root, options)?;
    let threads = threads(options.threads);
    let adapter = options.adapter.as_deref();
    let mut contest = Contest::new(roster, folder.path(), threads, options.vectors, count);
    for &batch in &options.batches {
        contest.open(&work::job(&samples, batch, threads, adapter), &mine);
    }
    let product_job = work::job(&samples, 0, threads, None);
    contest.open_product(product_job);
    ensure!(!contest.seats.is_empty(), "no contestant could be measured");
    contest.rounds(options.rounds.get(), options.minutes * 60.0);
    contest.prove(constant_loss);

    let peers = Peers {
        setting: Setting::here(&root, command_line(), threads),
        samples: count,
        epoch_flop: work::epoch_flop(count),
        constant_loss,
        rounds: options.rounds.get(),
        vectors: options.vectors.map(|vectors| vectors.name().into()),
        product: contest.product_rate(),
        entries: contest.seats.iter().map(|seat| seat.entry(constant_loss)).collect(),
        left_out: contest.roster.left_out,
    };
    let unlearned: Vec<String> = peers
        .entries
        .iter()
        .filter(|entry| !entry.learned)
        .map(|entry| format!("{} at batch {}", entry.contestant, entry.batch))
        .collect();
    results.add(peers);
    write(&results, &output)?;
    println!("Wrote {}", output.join("BENCHMARKS.md").display());
    if !unlearned.is_empty() {
        bail!("did not learn: {}", unlearned.join(", "));
    }
    Ok(())
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

/// A contestant at one batch size, with what it has shown so far.
struct Seat {
    member: usize,
    gpu: bool,
    contestant: Contestant,
    job: Job,
    first: Answer,
    last: Answer,
    /// The spans of each round.
    rounds: Vec<Vec<f64>>,
    epochs: usize,
}

impl Seat {
    /// Seconds an epoch, as far as is known.
    fn epoch_s(&self) -> f64 {
        median(&self.last.epoch_s).unwrap_or(self.first.first_epoch_s)
    }

    /// Whether its loss is well below the loss of the best constant color.
    fn learned(&self, constant_loss: f64) -> bool {
        self.last.final_loss < constant_loss / 2.0
    }

    fn turn(&mut self, warm_up: usize, turn: schedule::Turn) -> Result<&Answer> {
        self.job = Job { warm_up, spans: turn.spans, epochs: turn.epochs, ..self.job.clone() };
        self.last = self.contestant.turn(&self.job)?;
        self.epochs += warm_up + turn.spans * turn.epochs;
        Ok(&self.last)
    }

    fn entry(&self, constant_loss: f64) -> Entry {
        Entry {
            contestant: self.first.contestant.clone(),
            version: self.first.version.clone(),
            device: self.first.device.clone(),
            gpu: self.gpu,
            batch: self.first.batch,
            first_epoch_s: self.first.first_epoch_s,
            first_loss: self.first.first_loss,
            epoch_s: self.rounds.clone(),
            epochs: self.epochs,
            final_loss: self.last.final_loss,
            learned: self.learned(constant_loss),
        }
    }
}

/// The contestants, and the time.
struct Contest<'a> {
    roster: Roster,
    /// A folder for temporary files.
    folder: &'a Path,
    threads: usize,
    vectors: Option<Vectors>,
    samples: usize,
    seats: Vec<Seat>,
    product: Option<(Contestant, Job, String)>,
    /// Seconds of a matrix product in each round.
    product_s: Vec<f64>,
    start: Instant,
}

impl<'a> Contest<'a> {
    fn new(
        roster: Roster,
        folder: &'a Path,
        threads: usize,
        vectors: Option<Vectors>,
        samples: usize,
    ) -> Self {
        Self {
            roster,
            folder,
            threads,
            vectors,
            samples,
            seats: Vec::new(),
            product: None,
            product_s: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Starts every contestant at one batch size and lets it train a few epochs.
    fn open(&mut self, job: &Job, mine: &BTreeMap<String, serde_json::Value>) {
        for number in 0..self.roster.members.len() {
            let member = &self.roster.members[number];
            let (name, gpu) = (member.name, member.gpu);
            let mut job = job.clone();
            if name.starts_with("impasto-") {
                job.options.clone_from(mine);
            }
            match self.start(member, &job) {
                Ok((contestant, first)) => {
                    let seat = Seat {
                        member: number,
                        gpu,
                        contestant,
                        epochs: 1 + job.warm_up + job.spans * job.epochs,
                        job,
                        last: first.clone(),
                        first,
                        rounds: Vec::new(),
                    };
                    println!(
                        "{}, batch {}, on {}: first epoch {:.2} s, then {:.3} s",
                        seat.first.version,
                        seat.first.batch,
                        seat.first.device,
                        seat.first.first_epoch_s,
                        seat.epoch_s()
                    );
                    self.seats.push(seat);
                }
                Err(error) => {
                    self.roster.leave_out(&format!("{name} at batch {}", job.batch), &error);
                }
            }
        }
    }

    fn start(&self, member: &Member, job: &Job) -> Result<(Contestant, Answer)> {
        let cache = self.folder.join(format!("cache-{}-{}", member.name, job.batch));
        std::fs::create_dir(&cache)
            .with_context(|| format!("cannot create {}", cache.display()))?;
        let mut command = member.command(self.threads, self.vectors, &cache);
        let mut contestant = Contestant::start(member.name, &mut command)?;
        let first = contestant.turn(job)?;
        Ok((contestant, first))
    }

    /// Starts what measures the rate of matrix products.
    fn open_product(&mut self, mut job: Job) {
        let Some(member) = &self.roster.product else { return };
        job.options.insert("size".into(), PRODUCT_SIZE.into());
        match self.start(member, &job) {
            Ok((contestant, first)) => self.product = Some((contestant, job, first.version)),
            Err(error) => self.roster.leave_out("the matrix product", &error),
        }
    }

    /// The rounds. `seconds` is for all since the start.
    fn rounds(&mut self, rounds: usize, seconds: f64) {
        let left = (seconds - self.start.elapsed().as_secs_f64()).max(0.0);
        let turn_s = left / (rounds * self.seats.len()).max(1) as f64 - PAUSE.as_secs_f64();
        let mut batches: Vec<usize> = self.seats.iter().map(|seat| seat.job.batch).collect();
        batches.dedup();
        for round in 0..rounds {
            for &batch in &batches {
                print_now(format_args!("round {} of {rounds}, batch {batch}:", round + 1));
                for number in schedule::order(round, self.roster.members.len()) {
                    let seat = self
                        .seats
                        .iter()
                        .position(|seat| seat.member == number && seat.job.batch == batch);
                    if let Some(seat) = seat {
                        self.measure(seat, turn_s.max(0.0));
                    }
                }
                println!();
            }
            self.measure_product();
        }
    }

    /// One turn of one seat. A contestant that fails leaves.
    fn measure(&mut self, number: usize, seconds: f64) {
        std::thread::sleep(PAUSE);
        let seat = &mut self.seats[number];
        let turn = schedule::turn(seat.epoch_s(), seconds);
        // What the others left in the caches is not its fault, but a slow one has no time for that.
        let warm_up = usize::from(turn.spans > 1);
        match seat.turn(warm_up, turn) {
            Ok(answer) => {
                let spans = answer.epoch_s.clone();
                let middle = median(&spans).unwrap_or_default();
                print_now(format_args!(" {} {middle:.4} s;", seat.first.contestant));
                seat.rounds.push(spans);
            }
            Err(error) => {
                println!();
                let name = format!("{} at batch {}", seat.first.contestant, seat.job.batch);
                self.seats.remove(number);
                self.roster.leave_out(&name, &error);
            }
        }
    }

    fn measure_product(&mut self) {
        let Some((contestant, job, _)) = &mut self.product else { return };
        std::thread::sleep(PAUSE);
        *job = Job { warm_up: 0, spans: 3, epochs: 1, ..job.clone() };
        match contestant.turn(job) {
            Ok(answer) => {
                self.product_s.extend(median(&answer.epoch_s));
            }
            Err(error) => {
                self.product = None;
                self.roster.leave_out("the matrix product", &error);
            }
        }
    }

    /// Has those that have not learned yet train on until they have, or have had enough steps for
    /// it.
    fn prove(&mut self, constant_loss: f64) {
        let mut failed = Vec::new();
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let steps = work::steps(self.samples, seat.job.batch);
            let few = schedule::Turn { spans: 1, epochs: FEW_STEPS.div_ceil(steps) };
            while !seat.learned(constant_loss) && seat.epochs * steps < LEARNING_STEPS {
                let name = &seat.first.contestant;
                println!("{name} trains on, unmeasured, at batch {}", seat.job.batch);
                if let Err(error) = seat.turn(0, few) {
                    failed.push((number, error));
                    break;
                }
            }
        }
        for (number, error) in failed.into_iter().rev() {
            let seat = self.seats.remove(number);
            let name = format!("{} at batch {}", seat.first.contestant, seat.job.batch);
            self.roster.leave_out(&name, &error);
        }
    }

    fn product_rate(&self) -> Option<Product> {
        let (_, _, version) = self.product.as_ref()?;
        let operations = 2.0 * (PRODUCT_SIZE as f64).powi(3);
        let rounds: Vec<f64> = self.product_s.iter().map(|seconds| operations / seconds).collect();
        Some(Product {
            version: version.clone(),
            size: PRODUCT_SIZE,
            flop_per_second: rounds.iter().copied().reduce(f64::max)?,
            rounds,
        })
    }
}

/// Prints a part of a line at once.
fn print_now(text: std::fmt::Arguments) {
    print!("{text}");
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stdout().flush();
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
