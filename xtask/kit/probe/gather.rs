//! Gathers the files of all stages into one, and prints a summary.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Outcome;
use crate::gpu::{GpuRun, Omission, Painting};
use crate::logs;

/// The names of the stages that ran, one a line.
const STAGES: &str = "stages.txt";

/// Reads the results of the stages that ran and writes `gpu.json` into their folder.
///
/// # Errors
///
/// When the names of the stages cannot be read, or the file cannot be written. A stage without a result is
/// left out.
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
    // What a program printed may be anything, and cut off anywhere.
    let text = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    // The other files in the folder may be of an earlier run.
    let stages = fs::read_to_string(folder.join(STAGES))
        .map_err(|error| format!("cannot read {}: {error}", folder.join(STAGES).display()))?;
    let stages: Vec<&str> = stages.lines().collect();
    let ran = |stage: &str| stages.contains(&stage);
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
        adapter: ran("adapter").then(|| read(folder, "adapter.json")).flatten().unwrap_or_default(),
        dispatches: ran("dispatches").then(|| read(folder, "dispatches.json")).flatten(),
        painting: painting(folder, ran),
        ..GpuRun::default()
    };
    let omission = |line: &str| {
        let (what, reason) = line.split_once('\t')?;
        Some(Omission { what: what.into(), reason: reason.into() })
    };
    run.left_out = text("left-out.txt").lines().filter_map(omission).collect();
    for stage in &stages {
        let log = text(&format!("{stage}.txt"));
        if let Some(program) = stage.strip_prefix("test-") {
            run.tests.push(logs::tests(program, &log));
        }
        let Some((kernels, _)) = stage.strip_prefix("steps-").and_then(|s| s.split_once('-'))
        else {
            continue;
        };
        // Without a report, `run.sh` has left it out.
        let report = format!("{stage}.json");
        if text(&report).is_empty() {
            continue;
        }
        match logs::steps(kernels, &read(folder, &report).unwrap_or_default(), &log) {
            Ok(mut steps) => {
                steps.clock_mhz = logs::clock(&text(&format!("{stage}.clocks")));
                run.steps.push(steps);
            }
            Err(error) => {
                let what = (*stage).to_string();
                run.left_out.push(Omission { what, reason: error.to_string() });
            }
        }
    }
    run.steps.sort_by(|a, b| (&a.kernels, a.batch).cmp(&(&b.kernels, b.batch)));
    if ran("torch") {
        let (others, failed) = logs::others(&text("torch.jsonl"));
        run.others = others;
        run.left_out.extend(failed);
    }
    Ok(run)
}

/// A file of JSON, if it is there and is one.
fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Option<T> {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok()
}

fn painting(folder: &Path, ran: impl Fn(&str) -> bool) -> Option<Painting> {
    let number = |stage: &str, place: &str| {
        let report = ran(stage).then(|| read::<Value>(folder, &format!("{stage}.json")))??;
        report.pointer(place)?.as_f64()
    };
    let (psnr, setup) = ("/result/psnr_db", "/engine/setup_seconds");
    Some(Painting {
        epochs: number("paint-first", "/training/epochs")? as usize,
        seconds: number("paint-first", "/training/seconds")?,
        setup_s: number("paint-first", setup)?,
        again_s: number("paint-again", setup),
        psnr_db: number("paint-first", psnr)?,
        cpu_psnr_db: number("paint-cpu", psnr),
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

    /// A folder with the reports of some stages, which are listed as those that ran.
    fn folder(stages: &[(&str, usize, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for (kernels, batch, precision) in stages {
            let report = format!(
                r#"{{"image": {{"width": 10, "height": 10}}, "engine": {{"setup_seconds": 1.0}},
                    "training": {{"batch": {batch}, "precision": "{precision}"}},
                    "history": [{{"seconds": 0.5}}]}}"#
            );
            names.push(format!("steps-{kernels}-{batch}\n"));
            put(&folder, &format!("steps-{kernels}-{batch}.json"), &report);
        }
        put(&folder, STAGES, &names.concat());
        folder
    }

    fn put(folder: &tempfile::TempDir, name: &str, text: &str) {
        fs::write(folder.path().join(name), text).unwrap();
    }

    fn steps(run: &GpuRun) -> Vec<(&str, usize)> {
        run.steps.iter().map(|steps| (steps.kernels.as_str(), steps.batch)).collect()
    }

    #[test]
    fn a_folder_becomes_one_run() {
        let folder = folder(&[
            ("fused", 1_000, "full"),
            ("fused", 200, "full"),
            ("mixed", 200, "mixed"),
            ("layerwise", 200, "full"),
        ]);
        put(
            &folder,
            "about.json",
            r#"{"commit": "0123", "version": "Impasto 1", "rustc": "rustc 1"}"#,
        );
        put(&folder, "host.txt", "2026-11-27\nA processor\nLinux\n");
        fs::write(folder.path().join("left-out.txt"), b"PyTorch\tno \xe2\x80\n").unwrap();
        put(&folder, "test-trainer.txt", "running 1 test\ntest a ... ok\n");
        put(&folder, "steps-fused-200.clocks", "1980\n");
        put(&folder, "steps-fused-65536.json", "{");
        let stages = fs::read_to_string(folder.path().join(STAGES)).unwrap();
        put(&folder, STAGES, &(stages + "steps-fused-65536\ntest-trainer\nsteps-mixed-1000\n"));
        run(folder.path()).unwrap();
        let run: GpuRun = read(folder.path(), "gpu.json").unwrap();
        assert_eq!((run.date.as_str(), run.host.as_str()), ("2026-11-27", "A processor, Linux"));
        assert_eq!(
            steps(&run),
            [("fused", 200), ("fused", 1_000), ("layerwise", 200), ("mixed", 200)]
        );
        assert_eq!((run.steps[0].clock_mhz, run.steps[1].clock_mhz), (Some(1980.0), None));
        assert_eq!(run.tests[0].passed, 1);
        let left_out: Vec<&str> = run.left_out.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(left_out, ["PyTorch", "steps-fused-65536"]);
    }

    #[test]
    fn a_run_that_fell_back_to_f32_is_left_out() {
        let folder = folder(&[("fused", 200, "full"), ("mixed", 200, "full")]);
        let log = "note: A GPU has no matrices: the run is computed in f32\n";
        put(&folder, "steps-mixed-200.txt", log);
        let run = gather(folder.path()).unwrap();
        assert_eq!(steps(&run), [("fused", 200)]);
        let reason = "A GPU has no matrices: the run is computed in f32";
        assert_eq!(
            run.left_out,
            [Omission { what: "steps-mixed-200".into(), reason: reason.into() }]
        );
    }

    #[test]
    fn files_of_an_earlier_run_are_not_gathered() {
        let folder = folder(&[("fused", 200, "full"), ("fused", 1_000, "full")]);
        put(
            &folder,
            "adapter.json",
            r#"{"name": "A", "description": "", "matrices": [], "features": []}"#,
        );
        put(&folder, "dispatches.json", r#"{"empty_s": 1.0, "dependent_s": 1.0}"#);
        put(&folder, "test-trainer.txt", "running 1 test\ntest a ... ok\n");
        let torch =
            r#"{"library": "P", "how": "", "precision": "f32", "batch": 1, "step_s": [1.0]}"#;
        put(&folder, "torch.jsonl", torch);
        let first = r#"{"training": {"epochs": 1, "seconds": 1.0}, "result": {"psnr_db": 30.0},
            "engine": {"setup_seconds": 1.0}}"#;
        put(&folder, "paint-first.json", first);
        let names = |run: &GpuRun| {
            let parts = (run.dispatches.is_some(), run.painting.is_some());
            (run.adapter.name.clone(), parts, run.tests.len(), run.others.len())
        };
        put(&folder, STAGES, "steps-fused-1000\n");
        let run = gather(folder.path()).unwrap();
        assert_eq!(steps(&run), [("fused", 1_000)]);
        assert_eq!(names(&run), (String::new(), (false, false), 0, 0));
        put(&folder, STAGES, "adapter\ndispatches\npaint-first\ntest-trainer\ntorch\n");
        let run = gather(folder.path()).unwrap();
        assert_eq!(names(&run), ("A".into(), (true, true), 1, 1));
        fs::remove_file(folder.path().join(STAGES)).unwrap();
        assert!(gather(folder.path()).unwrap_err().to_string().contains("stages.txt"));
    }
}
