//! The configurations of `--preset`, as the program `impasto` trains them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::figures::Painted;
use super::photos::Photo;
use crate::peers::format::count;

/// The presets, as the command line knows them.
pub const ALL: [&str; 5] = ["plain", "fourier", "siren", "finer", "hash"];

/// Learns a picture with each preset, for as long as that takes by default.
///
/// # Errors
///
/// When a file cannot be written, the program fails, or its report is not understood.
pub fn measure(
    impasto: &Path,
    folder: &Path,
    photo: &Photo,
    threads: usize,
) -> Result<Vec<Painted>> {
    let picture = folder.join("picture.png");
    photo.save(&picture)?;
    ALL.iter().map(|preset| run(impasto, &picture, photo, preset, threads)).collect()
}

/// One run of the program.
fn run(
    impasto: &Path,
    picture: &Path,
    photo: &Photo,
    preset: &str,
    threads: usize,
) -> Result<Painted> {
    let [report, painted] = ["report.json", "painted.png"].map(|name| picture.with_file_name(name));
    let output = Command::new(impasto)
        .args(["paint", "--quiet", "--backend", "cpu", "--preset", preset])
        .args(["--threads", &threads.to_string(), "--report"])
        .arg(&report)
        .arg("--output")
        .args([&painted, picture])
        .stdin(Stdio::null())
        .output()
        .context("cannot start impasto")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "impasto failed: {}", reason.trim());
    let text = std::fs::read_to_string(&report).context("cannot read the report")?;
    let report = serde_json::from_str(&text).context("the report is not JSON")?;
    let size = [photo.width, photo.height];
    let found = parse(&report).context("the report lacks a figure")?;
    let row = Painted { picture: photo.name.clone(), size, preset: preset.into(), ..found };
    println!(
        "{}, --preset {preset}: {} in {:.1} s, {} parameters",
        row.picture,
        row.psnr.map_or_else(|| "exact".into(), |psnr| format!("{psnr:.2} dB")),
        row.seconds,
        count(row.parameters as f64)
    );
    Ok(row)
}

/// The figures in a report.
fn parse(report: &Value) -> Option<Painted> {
    Some(Painted {
        parameters: report["network"]["parameters"].as_u64()?,
        seconds: report["training"]["seconds"].as_f64()?,
        steps: report["training"]["steps"].as_u64()?,
        batch: report["training"]["batch"].as_u64()?,
        // An exact painting has none.
        psnr: report["result"]["psnr_db"].as_f64(),
        ssim: report["result"]["ssim"].as_f64()?,
        ..Painted::default()
    })
}

/// A picture of so many pixels along each side, of which each has a sixteenth of the photographs in turn.
///
/// # Errors
///
/// When there is no photograph.
pub fn sheet(photos: &[Photo], side: usize) -> Result<Photo> {
    const ACROSS: usize = 4;
    ensure!(!photos.is_empty(), "there is no picture");
    let part = side / ACROSS;
    let parts: Vec<Photo> = photos.iter().map(|photo| photo.square(part)).collect();
    let mut values = Vec::with_capacity(3 * part * ACROSS * part * ACROSS);
    for row in 0..part * ACROSS {
        for column in 0..part * ACROSS {
            let photo = &parts[(row / part * ACROSS + column / part) % parts.len()];
            let first = (row % part * part + column % part) * photo.colors;
            let pixel = &photo.values[first..][..photo.colors];
            values.extend((0..3).map(|color| pixel[color.min(photo.colors - 1)]));
        }
    }
    Ok(Photo {
        name: "sheet".into(),
        width: part * ACROSS,
        height: part * ACROSS,
        colors: 3,
        values,
    })
}

/// The program, as cargo builds it.
///
/// # Errors
///
/// When it does not build.
pub fn build(cargo: &crate::workspace::Cargo) -> Result<PathBuf> {
    cargo.program(&["build", "--bin", "impasto"], "impasto")
}

#[cfg(test)]
mod tests {
    use super::super::photos::rings;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_has_the_figures() {
        let report = json!({
            "network": { "parameters": 7 },
            "training": { "seconds": 2.5, "steps": 10, "batch": 3 },
            "result": { "psnr_db": null, "ssim": 1.0 },
        });
        let found = parse(&report).unwrap();
        assert_eq!((found.parameters, found.seconds, found.psnr), (7, 2.5, None));
        assert_eq!((found.steps, found.batch, found.ssim), (10, 3, 1.0));
        assert!(parse(&json!({ "network": { "parameters": 7 } })).is_none());
    }

    #[test]
    fn a_sheet_has_the_photographs_in_turn() {
        let gray = |name: &str, value| Photo {
            name: name.into(),
            width: 2,
            height: 2,
            colors: 1,
            values: vec![value; 4],
        };
        let sheet = sheet(&[gray("black", 0.0), gray("white", 1.0), rings()], 8).unwrap();
        assert_eq!((sheet.width, sheet.height, sheet.values.len()), (8, 8, 8 * 8 * 3));
        let pixel = |row: usize, column: usize| &sheet.values[(row * 8 + column) * 3..][..3];
        assert_eq!((pixel(1, 1), pixel(0, 2)), (&[0.0; 3][..], &[1.0; 3][..]));
        assert_eq!((pixel(0, 6), pixel(2, 0)), (&[0.0; 3][..], &[1.0; 3][..]), "in turn");
        assert!(super::sheet(&[], 8).is_err());
    }
}
