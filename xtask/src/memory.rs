//! `cargo xtask memory`: the memory that `paint` takes for a large picture.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::workspace::Cargo;

#[derive(Args)]
pub struct Options {
    /// Pixels of the picture, in millions
    #[arg(long, value_name = "N", default_value_t = 67)]
    megapixels: u32,
}

/// The runs: what is measured, and its options. The picture and the mask are the same file.
const RUNS: &[(&str, &str)] = &[
    ("a painting with its sheet", "--output painted.png"),
    ("with a mask", "--output painted.png --mask picture.ppm"),
    ("of classes", "--output painted.png --classify"),
    ("as JPEG", "--output painted.jpg"),
    ("from a smaller copy", "--output painted.png --max-pixels 1000000"),
];

/// What every run has: a network that takes little time and memory itself.
const ALL: &str = "picture.ppm --backend cpu --hidden 1x4 --steps 20 --quiet";

/// Bytes of a pixel of the picture.
const PICTURE: f64 = 3.0;

/// The most bytes a pixel that a run may take beside the picture.
const BESIDE: f64 = 8.0;

/// Bytes of the program itself, with its threads and tables.
const PROGRAM: f64 = 24e6;

/// Runs `paint` on a large picture in each way, and prints the most memory that it had.
///
/// # Errors
///
/// When the program does not build, a run fails, or it takes too much.
pub fn run(options: &Options) -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: only Linux says how much memory a process had.");
        return Ok(());
    }
    let program = Cargo::new().example("paint")?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let side = (f64::from(options.megapixels) * 1e6).sqrt().ceil() as usize;
    write_picture(&folder.path().join("picture.ppm"), side)
        .context("cannot write the picture into the temporary folder")?;
    let pixels = (side * side) as f64;
    println!("{side}×{side} pixels, {PICTURE} bytes each");
    println!("{:<26} {:>8} {:>14} {:>19}", "run", "MB", "bytes a pixel", "beside the picture");
    let mut failed = Vec::new();
    for (what, arguments) in RUNS {
        let mut command = Command::new(&program);
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.args(ALL.split(' ').chain(arguments.split(' ')));
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let peak = peak(&mut child)? as f64;
        let status = child.wait()?;
        ensure!(status.success(), "{command:?} failed ({status})");
        let (all, beside) = (peak / pixels, ((peak - PROGRAM) / pixels - PICTURE).max(0.0));
        println!("{what:<26} {:>8.0} {all:>14.1} {beside:>19.1}", peak / 1e6);
        if beside > BESIDE {
            failed.push(*what);
        }
    }
    ensure!(
        failed.is_empty(),
        "more than {BESIDE} bytes a pixel beside the picture: {}",
        failed.join(", ")
    );
    Ok(())
}

/// A picture of smooth colors and fine lines.
fn write_picture(path: &Path, side: usize) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write!(file, "P6\n{side} {side}\n255\n")?;
    for row in 0..side {
        let color = |column: usize| [column * 255 / side, row * 255 / side, column % 7 * 30];
        let bytes: Vec<u8> = (0..side).flat_map(color).map(|value| value as u8).collect();
        file.write_all(&bytes)?;
    }
    file.flush()
}

/// The most resident memory of a process until it ends, in bytes.
fn peak(child: &mut Child) -> Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(1024 * kilobytes.unwrap_or(0));
        thread::sleep(Duration::from_millis(20));
    }
    Ok(peak)
}
