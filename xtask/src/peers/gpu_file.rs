//! Reads what a kit measured, and refuses what no kit measures: impossible numbers, unknown kernels, doubles.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::gpu::{Adapter, Dispatches, GpuRun, Painting, Steps, Timed};
use super::gpu_times::is_known;

/// The least seconds of a step, which no device takes.
const TICK: f64 = 1e-9;

/// The most seconds of a step or a kernel.
const HOUR: f64 = 3_600.0;

/// The most seconds of anything.
const DAY: f64 = 86_400.0;

/// The most samples in a step, epochs, and tests.
const MANY: usize = 1_000_000_000;

/// The most characters of a text.
const LONGEST: usize = 1_000;

/// Reads the file of a kit.
///
/// # Errors
///
/// When the file cannot be read or contains something else. The message names the file, the first place that
/// is wrong, and what is wrong there.
pub fn read(path: &Path) -> Result<GpuRun> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let run: GpuRun = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what a kit measured", path.display()))?;
    check(&run).with_context(|| format!("{} cannot be used", path.display()))?;
    Ok(run)
}

fn check(run: &GpuRun) -> Result<()> {
    adapter(&run.adapter)?;
    ensure!(is_day(&run.date), "date is {}: it must be a day such as 2026-11-27", shown(&run.date));
    named("version", &run.version)?;
    for (place, value) in
        [("commit", &run.commit), ("rustc", &run.rustc), ("host", &run.host), ("note", &run.note)]
    {
        text(place, value)?;
    }
    if let Some(cost) = &run.dispatches {
        dispatches(cost)?;
    }
    if let Some(picture) = &run.painting {
        painting(picture)?;
    }
    ensure!(!run.steps.is_empty(), "steps is empty: there is no time of a training step");
    for (number, one) in run.steps.iter().enumerate() {
        let place = format!("steps[{number}]");
        steps(&place, one)?;
        let same = |earlier: &Steps| (&earlier.kernels, earlier.batch) == (&one.kernels, one.batch);
        let earlier = run.steps.iter().take(number).position(same);
        single(&place, "steps", earlier, "kernels and batch")?;
    }
    for (number, one) in run.others.iter().enumerate() {
        let place = format!("others[{number}]");
        named(&format!("{place}.name"), &one.name)?;
        named(&format!("{place}.precision"), &one.precision)?;
        batch(&place, one.batch)?;
        spans(&place, &one.step_s)?;
        let earlier = run.others.iter().take(number).position(|earlier| {
            (&earlier.name, &earlier.precision, earlier.batch)
                == (&one.name, &one.precision, one.batch)
        });
        single(&place, "others", earlier, "name, precision and batch")?;
    }
    for (number, one) in run.tests.iter().enumerate() {
        let place = format!("tests[{number}]");
        named(&format!("{place}.name"), &one.name)?;
        for (name, value) in [("passed", one.passed), ("unfinished", one.unfinished)] {
            ensure!(value <= MANY, "{place}.{name} is {value}: it must be at most {MANY}");
        }
        for (test, name) in one.failed.iter().enumerate() {
            named(&format!("{place}.failed[{test}]"), name)?;
        }
        let earlier = run.tests.iter().take(number).position(|earlier| earlier.name == one.name);
        single(&place, "tests", earlier, "name")?;
    }
    for (number, one) in run.left_out.iter().enumerate() {
        named(&format!("left_out[{number}].what"), &one.what)?;
        text(&format!("left_out[{number}].reason"), &one.reason)?;
    }
    Ok(())
}

fn adapter(adapter: &Adapter) -> Result<()> {
    named("adapter.name", &adapter.name)?;
    text("adapter.description", &adapter.description)?;
    for (list, texts) in [("matrices", &adapter.matrices), ("features", &adapter.features)] {
        for (number, value) in texts.iter().enumerate() {
            named(&format!("adapter.{list}[{number}]"), value)?;
        }
    }
    Ok(())
}

fn dispatches(cost: &Dispatches) -> Result<()> {
    within("dispatches.empty_s", cost.empty_s, 0.0, 1.0)?;
    within("dispatches.dependent_s", cost.dependent_s, 0.0, 1.0)?;
    match cost.subgroup {
        Some(size) => within("dispatches.subgroup", f64::from(size), 1.0, 1_024.0),
        None => Ok(()),
    }
}

fn painting(painting: &Painting) -> Result<()> {
    let epochs = painting.epochs;
    ensure!(epochs <= MANY, "painting.epochs is {epochs}: it must be at most {MANY}");
    within("painting.seconds", painting.seconds, 0.0, DAY)?;
    within("painting.setup_s", painting.setup_s, 0.0, DAY)?;
    within("painting.psnr_db", painting.psnr_db, 0.0, 200.0)?;
    within("painting.again_s", painting.again_s.unwrap_or(0.0), 0.0, DAY)?;
    within("painting.cpu_psnr_db", painting.cpu_psnr_db.unwrap_or(0.0), 0.0, 200.0)
}

fn steps(place: &str, steps: &Steps) -> Result<()> {
    let kernels = &steps.kernels;
    ensure!(
        is_known(kernels),
        "{place}.kernels is {}: it must be fused, mixed or layerwise",
        shown(kernels)
    );
    batch(place, steps.batch)?;
    spans(place, &steps.step_s)?;
    within(&format!("{place}.setup_s"), steps.setup_s, 0.0, DAY)?;
    timed(&format!("{place}.profile"), &steps.profile, 0.0)?;
    timed(&format!("{place}.candidates"), &steps.candidates, TICK)?;
    match steps.clock_mhz {
        Some(clock) => within(&format!("{place}.clock_mhz"), clock, 1.0, 100_000.0),
        None => Ok(()),
    }
}

fn timed(place: &str, times: &[Timed], least: f64) -> Result<()> {
    for (number, time) in times.iter().enumerate() {
        named(&format!("{place}[{number}].name"), &time.name)?;
        within(&format!("{place}[{number}].seconds"), time.seconds, least, HOUR)?;
    }
    Ok(())
}

fn batch(place: &str, batch: usize) -> Result<()> {
    ensure!(
        (1..=MANY).contains(&batch),
        "{place}.batch is {batch}: it must be at least 1 and at most {MANY}"
    );
    Ok(())
}

fn spans(place: &str, seconds: &[f64]) -> Result<()> {
    ensure!(!seconds.is_empty(), "{place}.step_s is empty: it must have a time");
    for (number, &seconds) in seconds.iter().enumerate() {
        within(&format!("{place}.step_s[{number}]"), seconds, TICK, HOUR)?;
    }
    Ok(())
}

fn within(place: &str, value: f64, least: f64, most: f64) -> Result<()> {
    ensure!(
        (least..=most).contains(&value),
        "{place} is {value:?}: it must be at least {least:?} and at most {most:?}"
    );
    Ok(())
}

fn single(place: &str, list: &str, earlier: Option<usize>, what: &str) -> Result<()> {
    match earlier {
        Some(earlier) => bail!("{place} has the {what} of {list}[{earlier}]"),
        None => Ok(()),
    }
}

fn named(place: &str, value: &str) -> Result<()> {
    ensure!(!value.trim().is_empty(), "{place} is empty");
    text(place, value)
}

fn text(place: &str, value: &str) -> Result<()> {
    let length = value.chars().count();
    ensure!(length <= LONGEST, "{place} has {length} characters: it must have at most {LONGEST}");
    Ok(())
}

/// A text as a part of a message.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

/// Whether a text has the form of a day.
fn is_day(text: &str) -> bool {
    let is_digit = |(place, letter): (usize, u8)| match place {
        4 | 7 => letter == b'-',
        _ => letter.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::gpu::{Omission, Other, Tests};

    fn run() -> GpuRun {
        let timed = |seconds| vec![Timed { name: "update".into(), seconds }];
        let steps = |kernels: &str, batch| Steps {
            kernels: kernels.into(),
            batch,
            step_s: vec![1e-4, 2e-4],
            profile: timed(0.0),
            candidates: timed(1e-5),
            clock_mhz: Some(1_980.0),
            ..Steps::default()
        };
        let other = |precision: &str| Other {
            name: "PyTorch".into(),
            precision: precision.into(),
            batch: 200,
            step_s: vec![1e-3],
        };
        GpuRun {
            date: "2026-11-27".into(),
            version: "Impasto 1".into(),
            adapter: Adapter {
                name: "A GPU".into(),
                matrices: vec!["16×16×16 f16 → f32".into()],
                ..Adapter::default()
            },
            dispatches: Some(Dispatches { subgroup: Some(32), ..Dispatches::default() }),
            painting: Some(Painting { epochs: 80, psnr_db: 40.0, ..Painting::default() }),
            steps: vec![steps("fused", 200), steps("mixed", 200), steps("fused", 1_000)],
            others: vec![other("f32"), other("TF32")],
            tests: vec![Tests { name: "trainer".into(), ..Tests::default() }],
            left_out: vec![Omission { what: "PyTorch".into(), reason: String::new() }],
            ..GpuRun::default()
        }
    }

    #[test]
    fn a_file_that_no_kit_wrote_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gpu.json");
        assert!(read(&file).is_err(), "there is none");
        std::fs::write(&file, "{}").unwrap();
        assert!(format!("{:#}", read(&file).err().unwrap()).contains("not what a kit measured"));
        // Numbers that JSON does not have, or that f64 does not have.
        for bad in [r#"{"date": NaN}"#, r#"{"steps": [{"setup_s": 1e999}]}"#, "[]", ""] {
            std::fs::write(&file, bad).unwrap();
            assert!(read(&file).is_err(), "{bad}");
        }
        let mut run = GpuRun { date: "2026-11-27".into(), ..GpuRun::default() };
        let put =
            |run: &GpuRun| std::fs::write(&file, serde_json::to_string(run).unwrap()).unwrap();
        put(&run);
        let error = format!("{:#}", read(&file).err().unwrap());
        assert_eq!(error, format!("{} cannot be used: adapter.name is empty", file.display()));
        run.adapter.name = "A GPU".into();
        run.version = "Impasto 1".into();
        let step_s = vec![1e-3];
        let kernels = "mixed".into();
        run.steps.push(Steps { batch: 200, kernels, step_s, ..Steps::default() });
        put(&run);
        assert_eq!(read(&file).unwrap(), run);
    }

    #[track_caller]
    fn refused(change: impl Fn(&mut GpuRun), expected: &str) {
        let mut run = run();
        change(&mut run);
        let error = check(&run).err().map(|error| format!("{error:#}"));
        assert_eq!(error.as_deref(), Some(expected));
    }

    #[test]
    fn what_a_kit_measures_is_accepted() {
        check(&run()).unwrap();
        let figures = crate::workspace::root().join("docs/benchmarks/benchmarks.json");
        for run in crate::peers::results::Results::load(&figures).unwrap().gpus {
            check(&run).unwrap();
        }
    }

    #[test]
    fn impossible_times_are_refused() {
        let of_a_step = "it must be at least 1e-9 and at most 3600.0";
        for (bad, shown) in [
            (0.0, "0.0"),
            (-1e-4, "-0.0001"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
            (1e300, "1e300"),
            (1e-300, "1e-300"),
        ] {
            let place = "steps[2].step_s[1]";
            refused(|r| r.steps[2].step_s[1] = bad, &format!("{place} is {shown}: {of_a_step}"));
            let place = "others[1].step_s[0]";
            refused(|r| r.others[1].step_s[0] = bad, &format!("{place} is {shown}: {of_a_step}"));
            let place = "steps[0].candidates[0].seconds";
            refused(
                |r| r.steps[0].candidates[0].seconds = bad,
                &format!("{place} is {shown}: {of_a_step}"),
            );
        }
        refused(|r| r.steps[1].step_s.clear(), "steps[1].step_s is empty: it must have a time");
        refused(|r| r.others[0].step_s.clear(), "others[0].step_s is empty: it must have a time");
        for bad in [-1.0, f64::INFINITY, f64::NAN, 1e6] {
            let of_a_day = format!("is {bad:?}: it must be at least 0.0 and at most 86400.0");
            refused(|r| r.steps[0].setup_s = bad, &format!("steps[0].setup_s {of_a_day}"));
            let painting = |r: &mut GpuRun| r.painting.clone().unwrap();
            refused(
                |r| r.painting = Some(Painting { seconds: bad, ..painting(r) }),
                &format!("painting.seconds {of_a_day}"),
            );
            refused(
                |r| r.painting = Some(Painting { again_s: Some(bad), ..painting(r) }),
                &format!("painting.again_s {of_a_day}"),
            );
            refused(
                |r| r.steps[0].profile[0].seconds = bad,
                &format!(
                    "steps[0].profile[0].seconds is {bad:?}: it must be at least 0.0 and at most 3600.0"
                ),
            );
        }
    }

    #[test]
    fn other_impossible_numbers_are_refused() {
        let of_a_batch = "it must be at least 1 and at most 1000000000";
        refused(|r| r.steps[0].batch = 0, &format!("steps[0].batch is 0: {of_a_batch}"));
        refused(|r| r.others[0].batch = 0, &format!("others[0].batch is 0: {of_a_batch}"));
        refused(
            |r| r.steps[0].batch = 2_000_000_000,
            &format!("steps[0].batch is 2000000000: {of_a_batch}"),
        );
        refused(
            |r| r.steps[0].clock_mhz = Some(0.0),
            "steps[0].clock_mhz is 0.0: it must be at least 1.0 and at most 100000.0",
        );
        let cost = |empty_s: f64, subgroup: u32| {
            Some(Dispatches { empty_s, subgroup: Some(subgroup), ..Dispatches::default() })
        };
        refused(
            |r| r.dispatches = cost(-1.0, 32),
            "dispatches.empty_s is -1.0: it must be at least 0.0 and at most 1.0",
        );
        refused(
            |r| r.dispatches = cost(0.0, 0),
            "dispatches.subgroup is 0.0: it must be at least 1.0 and at most 1024.0",
        );
        refused(
            |r| r.painting = Some(Painting { psnr_db: f64::INFINITY, ..Painting::default() }),
            "painting.psnr_db is inf: it must be at least 0.0 and at most 200.0",
        );
    }

    #[test]
    fn unknown_kernels_and_doubles_are_refused() {
        refused(
            |r| r.steps[0].kernels = "fast".into(),
            "steps[0].kernels is \"fast\": it must be fused, mixed or layerwise",
        );
        refused(|r| r.steps[2].batch = 200, "steps[2] has the kernels and batch of steps[0]");
        refused(
            |r| r.others[1].precision = "f32".into(),
            "others[1] has the name, precision and batch of others[0]",
        );
        refused(|r| r.tests.push(r.tests[0].clone()), "tests[1] has the name of tests[0]");
    }

    #[test]
    fn texts_are_there_and_of_a_length() {
        refused(|r| r.adapter.name = " ".into(), "adapter.name is empty");
        refused(|r| r.steps.clear(), "steps is empty: there is no time of a training step");
        refused(
            |r| r.date = "today".into(),
            "date is \"today\": it must be a day such as 2026-11-27",
        );
        refused(|r| r.others[0].name.clear(), "others[0].name is empty");
        refused(|r| r.steps[0].profile[0].name.clear(), "steps[0].profile[0].name is empty");
        refused(
            |r| r.left_out[0].reason = "é".repeat(1_001),
            "left_out[0].reason has 1001 characters: it must have at most 1000",
        );
    }
}
