//! `cargo xtask scaling`: the cost of training as pictures, depth and width grow.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::machine::Setting;
use super::points::{Cost, Size};
use super::results::{Point, Results, Scaling};
use super::{command_line, plots, results_file, roster, threads, work, write};
use crate::workspace::{Cargo, root};

/// Pixels along each side of the pictures.
const SIDES: [usize; 3] = [100, 1_000, 4_000];

/// Hidden layers.
const DEPTHS: [usize; 6] = [2, 4, 6, 10, 15, 20];

/// Neurons in each.
const WIDTHS: [usize; 6] = [16, 32, 64, 128, 256, 512];

/// Where one of them grows, the others stay at these.
const SIDE: usize = 100;
const DEPTH: usize = 10;
const WIDTH: usize = 100;

/// Samples in a step; a divisor of the pixels of every picture.
pub const BATCH: usize = 1_000;

/// No size is measured for less.
const SHORTEST: f64 = 0.5;

/// Options of `cargo xtask scaling`.
#[derive(Args)]
pub struct Options {
    /// Minutes to take; building and loading come on top, and so does an adapter that is slow
    #[arg(long, default_value_t = 8.0)]
    minutes: f64,
    /// Without the GPU engine
    #[arg(long)]
    no_gpu: bool,
    /// Part of the name of the adapter [default: the best there is, which may be a software
    /// adapter]
    #[arg(long)]
    adapter: Option<String>,
    /// Threads of the CPU engine [default: one for each processor that may be used]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Folder to write BENCHMARKS.md and docs/benchmarks into [default: root of the repository]
    #[arg(long)]
    output: Option<PathBuf>,
}

/// # Errors
///
/// When Impasto does not build, nothing could be measured, or the results cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let root = root();
    let output = options.output.clone().unwrap_or_else(|| root.clone());
    ensure!(options.minutes >= 0.0, "{} minutes: it must be 0 or more", options.minutes);
    let mut results = Results::load(&results_file(&output))?;
    let program = roster::build_impasto(&Cargo::new())?;

    let engines = if options.no_gpu { vec![false] } else { vec![false, true] };
    let threads = threads(options.threads);
    let sizes: Vec<(&str, usize, usize, usize)> = SIDES
        .iter()
        .map(|&side| (plots::SIDE, side, DEPTH, WIDTH))
        .chain(DEPTHS.iter().map(|&depth| (plots::DEPTH, SIDE, depth, WIDTH)))
        .chain(WIDTHS.iter().map(|&width| (plots::WIDTH, SIDE, DEPTH, width)))
        .collect();
    let seconds = options.minutes * 60.0 / (sizes.len() * engines.len()) as f64;

    let mut points = Vec::new();
    for (series, side, depth, width) in sizes {
        for &gpu in &engines {
            let size = Size {
                gpu,
                adapter: options.adapter.clone().filter(|_| gpu),
                threads,
                picture: PathBuf::from(work::PICTURE),
                side,
                depth,
                width,
                batch: BATCH,
                seconds: seconds.max(SHORTEST),
            };
            points.push(point(&root, &program, series, size));
        }
    }
    if points.iter().all(|point| point.cost.is_err()) {
        bail!("nothing could be measured");
    }
    results.scaling =
        Some(Scaling { setting: Setting::here(&root, command_line(), threads), points });
    write(&results, &output)?;
    println!("Wrote {}", output.join("BENCHMARKS.md").display());
    Ok(())
}

/// Measures one size and prints a line about it. That it cannot be measured is a result too.
fn point(root: &Path, program: &Path, series: &str, size: Size) -> Point {
    print!(
        "{} engine, {}×{} pixels, {} layers of {}: ",
        if size.gpu { "GPU" } else { "CPU" },
        size.side,
        size.side,
        size.depth,
        size.width
    );
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stdout().flush();
    let cost = measure(root, program, &size).map_err(|error| format!("{error:#}"));
    match &cost {
        Ok(cost) => println!("{:.3} µs a sample, {} steps", cost.sample_s * 1e6, cost.steps),
        Err(reason) => println!("{reason}"),
    }
    Point { series: series.into(), size, cost }
}

fn measure(root: &Path, program: &Path, size: &Size) -> Result<Cost> {
    let mut command = Command::new(program);
    let mut child = command
        .arg("scaling")
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut input = child.stdin.take().context("the worker was started without pipes")?;
    let asked = input.write_all(&serde_json::to_vec(size).context("cannot write JSON")?);
    drop(input);
    let output = child.wait_with_output().context("cannot wait for the worker")?;
    asked.context("the worker ended too early")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("{}", reason.lines().last().unwrap_or("the worker failed and gave no reason"));
    }
    serde_json::from_slice(&output.stdout).context("the worker answered with a line that is none")
}
