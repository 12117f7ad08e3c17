//! Gathers the files of all stages into one, and prints a summary.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Outcome;
use crate::gpu::{GpuRun, Omission, Painting};
use crate::logs;

/// Reads the folder with the results of the stages and writes `gpu.json` into it.
///
/// # Errors
///
/// When the file cannot be written. A stage without a result is left out.
pub fn run(folder: &Path) -> Outcome<()> {
    let run = gather(folder)?;
    let file = folder.join("gpu.json");
    fs::write(&file, serde_json::to_string_pretty(&run)? + "\n")
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    for line in summary(&run) {
        println!("{line}");
    }
    println!("Wrote {}", file.display());
    Ok(())
}

fn gather(folder: &Path) -> Outcome<GpuRun> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let about: Value = read(folder, "about.json").unwrap_or_default();
    let about = |key: &str| about[key].as_str().unwrap_or_default().to_string();
    let host = text("host.txt");
    let mut host = host.lines();
    let mut run = GpuRun {
        date: host.next().unwrap_or_default().into(),
        host: host.collect::<Vec<_>>().join(", "),
        commit: about("commit"),
        version: about("version"),
        rustc: about("rustc"),
        adapter: read(folder, "adapter.json").unwrap_or_default(),
        dispatches: read(folder, "dispatches.json"),
        painting: painting(folder),
        ..GpuRun::default()
    };
    let omission = |line: &str| {
        let (what, reason) = line.split_once('\t')?;
        Some(Omission { what: what.into(), reason: reason.into() })
    };
    run.left_out = text("left-out.txt").lines().filter_map(omission).collect();
    let mut names: Vec<String> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in &names {
        let part = |before: &str, after: &str| {
            name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after))
        };
        if let Some(program) = part("test-", ".txt") {
            run.tests.push(logs::tests(program, &text(name)));
        }
        let Some((kernels, _)) = part("steps-", ".json").and_then(|part| part.split_once('-'))
        else {
            continue;
        };
        let report: Value = read(folder, name).unwrap_or_default();
        match logs::steps(kernels, &report) {
            Ok(mut steps) => {
                steps.clock_mhz = logs::clock(&text(&name.replace(".json", ".clocks")));
                run.steps.push(steps);
            }
            Err(error) => {
                run.left_out.push(Omission { what: name.clone(), reason: error.to_string() });
            }
        }
    }
    run.steps.sort_by(|a, b| (&a.kernels, a.batch).cmp(&(&b.kernels, b.batch)));
    let (others, failed) = logs::others(&text("torch.jsonl"));
    run.others = others;
    run.left_out.extend(failed);
    Ok(run)
}

/// A file of JSON, if it is there and is one.
fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Option<T> {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok()
}

fn painting(folder: &Path) -> Option<Painting> {
    let number = |name: &str, place: &str| {
        read::<Value>(folder, name).and_then(|report| report.pointer(place)?.as_f64())
    };
    let (psnr, setup) = ("/result/psnr_db", "/engine/setup_seconds");
    Some(Painting {
        epochs: number("paint-first.json", "/training/epochs")? as usize,
        seconds: number("paint-first.json", "/training/seconds")?,
        setup_s: number("paint-first.json", setup)?,
        again_s: number("paint-again.json", setup),
        psnr_db: number("paint-first.json", psnr)?,
        cpu_psnr_db: number("paint-cpu.json", psnr),
    })
}

/// One line for each result.
fn summary(run: &GpuRun) -> Vec<String> {
    let micro = |seconds: &[f64]| {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).map_or(f64::NAN, |seconds| seconds * 1e6)
    };
    let mut lines = vec![run.adapter.description.clone()];
    if let Some(cost) = &run.dispatches {
        let (empty, dependent) = (cost.empty_s * 1e6, cost.dependent_s * 1e6);
        lines.push(format!("a dispatch {empty:.2} µs, one that waits {dependent:.2} µs"));
    }
    if let Some(p) = &run.painting {
        lines.push(format!("painted to {:.1} dB in {:.2} s", p.psnr_db, p.seconds));
    }
    for steps in &run.steps {
        let (kernels, batch, time) = (&steps.kernels, steps.batch, micro(&steps.step_s));
        let parts: Vec<String> = steps
            .profile
            .iter()
            .map(|kernel| format!("{} {:.1}", kernel.name, kernel.seconds * 1e6))
            .collect();
        lines.push(format!("{kernels}, batch {batch}: {time:.1} µs ({})", parts.join(", ")));
    }
    for other in &run.others {
        let (name, precision, batch) = (&other.name, &other.precision, other.batch);
        lines.push(format!("{name}, {precision}, batch {batch}: {:.1} µs", micro(&other.step_s)));
    }
    for tests in &run.tests {
        let failed = match tests.failed.as_slice() {
            [] => "0 failed".into(),
            names => format!("{} FAILED: {}", names.len(), names.join(" ")),
        };
        let (name, passed, unfinished) = (&tests.name, tests.passed, tests.unfinished);
        lines
            .push(format!("tests of {name}: {passed} passed, {unfinished} not finished, {failed}"));
    }
    let omitted = |one: &Omission| format!("without {}: {}", one.what, one.reason);
    lines.extend(run.left_out.iter().map(omitted));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_one_run() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("about.json", r#"{"commit": "0123", "version": "Impasto 1", "rustc": "rustc 1"}"#);
        put("host.txt", "2026-11-27\nA processor\nLinux\n");
        put("left-out.txt", "PyTorch\tit is not there\n");
        put("test-trainer.txt", "running 1 test\ntest a ... ok\n");
        for (kernels, batch) in [("fused", 1_000), ("fused", 200), ("layerwise", 200)] {
            let report = format!(
                r#"{{"image": {{"width": 10, "height": 10}}, "training": {{"batch": {batch}}},
                    "engine": {{"setup_seconds": 1.0}}, "history": [{{"seconds": 0.5}}]}}"#
            );
            put(&format!("steps-{kernels}-{batch}.json"), &report);
        }
        put("steps-fused-200.clocks", "1980\n");
        put("steps-fused-65536.json", "{");
        run(folder.path()).unwrap();
        let run: GpuRun = read(folder.path(), "gpu.json").unwrap();
        assert_eq!((run.date.as_str(), run.host.as_str()), ("2026-11-27", "A processor, Linux"));
        let steps: Vec<_> = run.steps.iter().map(|s| (s.kernels.as_str(), s.batch)).collect();
        assert_eq!(steps, [("fused", 200), ("fused", 1_000), ("layerwise", 200)]);
        assert_eq!((run.steps[0].clock_mhz, run.steps[1].clock_mhz), (Some(1980.0), None));
        assert_eq!(run.tests[0].passed, 1);
        let left_out: Vec<&str> = run.left_out.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(left_out, ["PyTorch", "steps-fused-65536.json"]);
    }
}
