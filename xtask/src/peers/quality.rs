//! `cargo xtask quality`: how well networks learn pictures.
//!
//! The command writes tables into `docs/benchmarks/quality.md` and a section of `BENCHMARKS.md`. It trains on the CPU
//! engine. With `--python`, PyTorch trains the same networks beside it.
//!
//! # Tables
//!
//! - *Fourier features* (`--fourier`), the protocol of Tancik et al. 2020, table 3: every second pixel of each second
//!   row of a picture of 512×512 is learned, and the PSNR is that of the pixels one column to the right and one row
//!   below. Three hidden layers of 256 with ReLU, a sigmoid, all samples in a step, Adam with 1e-3. PyTorch starts with
//!   Impasto's first parameters and frequencies.
//! - *Fitting* (`--fitting`): all pixels of a picture are learned for some seconds by networks of several kinds. PSNR
//!   and MS-SSIM are of 8 bits a color. Then the parameters are rounded to 16 and to 8 bits.
//! - *Grid* (`--grid`): samples a second of a hash grid, in turns with the same network in PyTorch, and the PSNR after
//!   some seconds and after some samples.
//! - *Presets* (`--presets`): each preset of `paint`, for as long as it takes by default, on the pictures and on a sheet
//!   of them with 4,000 pixels along each side.
//!
//! A run replaces the tables that it measures.

mod cells;
pub mod figures;
pub mod job;
pub mod page;
mod photos;
mod presets;
mod presets_page;
mod tasks;
mod worker;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::machine::Setting;
use super::results::Results;
use super::{command_line, results_file, roster, threads, write};
use crate::workspace::{Cargo, root};
use figures::Table;
use photos::Photo;
use tasks::Bench;
use worker::Worker;

/// Options of `cargo xtask quality`.
#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub struct Options {
    /// A folder of pictures [default: logo.jpg, a drawn picture, and with --python the photographs of its
    /// scikit-image]
    folder: Option<PathBuf>,
    /// The table of Fourier features; without a table, all
    #[arg(long)]
    fourier: bool,
    /// The table of networks that learn all pixels
    #[arg(long)]
    fitting: bool,
    /// The table of the hash grid
    #[arg(long)]
    grid: bool,
    /// The table of the presets of `paint`
    #[arg(long)]
    presets: bool,
    /// Pixels along each side of the sheet that the presets learn; 0, no sheet
    #[arg(long, default_value_t = 4_000, value_name = "PIXELS")]
    sheet: usize,
    /// A Python with PyTorch, which trains the same networks
    #[arg(long)]
    python: Option<PathBuf>,
    /// Names of the pictures, without the endings of their files [default: all; of the grid the first]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pictures: Vec<String>,
    /// Names of the pictures that are text, which have other frequencies
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", default_values = ["text", "page"])]
    text: Vec<String>,
    /// Mappings of the table of Fourier features
    #[arg(long, value_delimiter = ',', default_values = MAPPINGS)]
    #[arg(value_parser = PossibleValuesParser::new(MAPPINGS))]
    mappings: Vec<String>,
    /// Steps of Fourier features
    #[arg(long, default_value_t = NonZeroU64::new(2_000).unwrap_or(NonZeroU64::MIN))]
    steps: NonZeroU64,
    /// Seconds of a network that learns all pixels, and of the grid
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Turns of the grid in Impasto and in PyTorch
    #[arg(long, default_value_t = NonZeroUsize::new(5).unwrap_or(NonZeroUsize::MIN))]
    rounds: NonZeroUsize,
    /// Logarithms to base 2 of the entries of a level of the grid
    #[arg(long, value_delimiter = ',', default_values_t = [14, 17])]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=24))]
    entries: Vec<u8>,
    /// Samples of the second run of the grid, in millions; 0, none
    #[arg(long, default_value_t = 16)]
    samples: u32,
    /// Threads of each program [default: one for each processor that may be used]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Folder to write BENCHMARKS.md and docs/benchmarks into [default: root of the repository]
    #[arg(long)]
    output: Option<PathBuf>,
}

/// The mappings of the table of Fourier features.
const MAPPINGS: [&str; 3] = ["none", "positional", "gaussian"];

/// # Errors
///
/// When Impasto does not build, there is no picture, a program fails, or the results cannot be written.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        options.seconds.is_finite() && options.seconds > 0.0,
        "{} seconds: it must be above 0",
        options.seconds
    );
    let root = root();
    let output = options.output.clone().unwrap_or_else(|| root.clone());
    let mut results = Results::load(&results_file(&output))?;
    let photos = photographs(&root, options)?;
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let impasto = roster::build_impasto(&Cargo::new())?;
    let script = root.join("xtask/peers/python/quality.py");
    let python = |python: &PathBuf| vec![python.clone(), script.clone()];
    let threads = threads(options.threads);
    let bench = Bench {
        ours: Worker { name: "Impasto", program: vec![impasto, "quality".into()] },
        theirs: options
            .python
            .as_ref()
            .map(|path| Worker { name: "PyTorch", program: python(path) }),
        folder: folder.path(),
        threads,
    };
    let setting = || Setting::here(&root, command_line(), threads);
    let all = !(options.fourier || options.fitting || options.grid || options.presets);
    let mut printed = Vec::new();
    if all || options.grid {
        let photo = photos.first().context("there is no picture")?;
        let (load, mut rows) = (load(), Vec::new());
        for &entries in &options.entries {
            let samples = u64::from(options.samples) * 1_000_000;
            let rounds = options.rounds.get();
            let entries = usize::from(entries);
            rows.push(tasks::grid(&bench, photo, entries, rounds, options.seconds, samples)?);
        }
        let table = results.quality.grid.insert(Table { setting: setting(), load, rows });
        printed.push(page::grid(table));
        write(&results, &output)?;
    }
    if all || options.fourier {
        let (load, mut rows) = (load(), Vec::new());
        for photo in &photos {
            let is_text = options.text.contains(&photo.name);
            let steps = options.steps.get();
            rows.extend(tasks::fourier(&bench, photo, is_text, steps, &options.mappings)?);
        }
        let table = results.quality.fourier.insert(Table { setting: setting(), load, rows });
        printed.push(page::fourier(table));
        write(&results, &output)?;
    }
    if all || options.fitting {
        let (load, mut rows) = (load(), Vec::new());
        for photo in &photos {
            rows.extend(tasks::fitting(&bench, photo, options.seconds)?);
        }
        let table = results.quality.fitting.insert(Table { setting: setting(), load, rows });
        printed.push(page::fitting(table));
        write(&results, &output)?;
    }
    if all || options.presets {
        let program = presets::build(&Cargo::new())?;
        let (load, mut rows) = (load(), Vec::new());
        let mut pictures = photos.clone();
        if options.sheet > 0 {
            pictures.push(presets::sheet(&photos, options.sheet)?);
        }
        for photo in &pictures {
            rows.extend(presets::measure(&program, folder.path(), photo, threads)?);
        }
        let table = results.quality.presets.insert(Table { setting: setting(), load, rows });
        printed.push(presets_page::whole(table));
        write(&results, &output)?;
    }
    println!("\n{}", printed.join("\n"));
    println!("Wrote {}", output.join(page::FILE).display());
    Ok(())
}

/// The pictures that were asked for.
fn photographs(root: &Path, options: &Options) -> Result<Vec<Photo>> {
    if let Some(folder) = &options.folder {
        return photos::of_folder(folder, &options.pictures);
    }
    let mut all = match options.python.as_deref().and_then(data_of_scikit_image) {
        Some(folder) => {
            SCIKIT_IMAGE.iter().filter_map(|name| photos::read(&folder.join(name)).ok()).collect()
        }
        None => Vec::new(),
    };
    all.push(photos::read(&root.join(super::work::PICTURE))?);
    all.push(photos::rings());
    chosen(all, &options.pictures)
}

/// Those of the pictures that have these names, or all.
fn chosen(all: Vec<Photo>, names: &[String]) -> Result<Vec<Photo>> {
    if names.is_empty() {
        return Ok(all);
    }
    let named = |name: &String| {
        let found = all.iter().find(|photo| photo.name == *name).cloned();
        found.with_context(|| {
            let there: Vec<&str> = all.iter().map(|photo| photo.name.as_str()).collect();
            format!("there is no picture {name}, but {}", there.join(", "))
        })
    };
    names.iter().map(named).collect()
}

/// The photographs in scikit-image's wheel that are used.
const SCIKIT_IMAGE: [&str; 7] = [
    "astronaut.png",
    "camera.png",
    "coffee.png",
    "chelsea.png",
    "rocket.jpg",
    "text.png",
    "page.png",
];

/// The folder of the pictures in a Python's scikit-image, if it has one.
fn data_of_scikit_image(python: &Path) -> Option<PathBuf> {
    let script =
        "import os, skimage; print(os.path.join(os.path.dirname(skimage.__file__), 'data'))";
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(printed.trim())).filter(|folder| folder.is_dir())
}

/// How many processes waited for a processor in the last minute, where the system reports it.
fn load() -> Option<f64> {
    parse_load(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

fn parse_load(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Command::try_parse_from([&["quality"], arguments].concat()).map(|command| command.options)
    }

    #[test]
    fn options_have_the_protocol_as_their_defaults() {
        let options = parse(&[]).unwrap();
        assert_eq!((options.steps.get(), options.seconds, options.samples), (2_000, 30.0, 16));
        assert_eq!(
            (options.mappings, options.entries),
            (MAPPINGS.map(String::from).to_vec(), vec![14, 17])
        );
        assert!(!options.fourier && !options.fitting && !options.grid);
        let options =
            parse(&["photos", "--fourier", "--pictures", "a,b", "--mappings=none"]).unwrap();
        assert_eq!(options.folder.as_deref(), Some(Path::new("photos")));
        assert_eq!(
            (options.pictures, options.mappings),
            (vec!["a".into(), "b".into()], vec!["none".into()])
        );
        for bad in ["--mappings=cubic", "--steps=0", "--rounds=0", "--entries=25", "--entries=0"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
        let options = parse(&["--seconds=0"]).unwrap();
        assert!(run(&options).unwrap_err().to_string().contains("above 0"));
    }

    #[test]
    fn pictures_are_chosen_by_name() {
        let options = parse(&["--pictures=rings,logo"]).unwrap();
        let photos = photographs(&root(), &options).unwrap();
        let names: Vec<&str> = photos.iter().map(|photo| photo.name.as_str()).collect();
        assert_eq!(names, ["rings", "logo"]);
        let options = parse(&["--pictures=absent"]).unwrap();
        let error = photographs(&root(), &options).unwrap_err();
        assert_eq!(error.to_string(), "there is no picture absent, but logo, rings");
    }

    #[test]
    fn the_load_is_the_first_number() {
        assert_eq!(parse_load("1.25 0.50 0.40 2/345 6789\n"), Some(1.25));
        assert_eq!(parse_load(""), None);
    }
}
