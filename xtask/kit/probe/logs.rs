//! Reads what the stages of the kit wrote: tests, reports of `paint`, PyTorch's times, clocks.

use serde_json::Value;

use crate::Outcome;
use crate::gpu::{Omission, Other, Steps, Tests, Timed};

/// The kernels of mixed precision, as `run.sh` calls them.
const MIXED: &str = "mixed";

/// Spans into which a run is divided.
const SPANS: usize = 5;

/// The outcome of a test program from what it printed.
pub fn tests(name: &str, text: &str) -> Tests {
    let mut tests = Tests { name: name.into(), ..Tests::default() };
    let (mut total, mut ignored) = (0, 0);
    for line in text.lines() {
        let running = line.strip_prefix("running ").and_then(|rest| rest.split(' ').next());
        if let Some(count) = running.and_then(|count| count.parse::<usize>().ok()) {
            total += count;
        }
        let outcome = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "));
        match outcome {
            Some((_, "ok")) => tests.passed += 1,
            Some((test, "FAILED")) => tests.failed.push(test.into()),
            Some((_, rest)) if rest.starts_with("ignored") => ignored += 1,
            _ => {}
        }
    }
    tests.unfinished = total.saturating_sub(tests.passed + tests.failed.len() + ignored);
    tests
}

/// Impasto's steps from a report of `paint --profile`; `log` is what `paint` printed.
///
/// # Errors
///
/// A report without a training run, without a whole epoch, or of another precision than that of the kernels.
pub fn steps(kernels: &str, report: &Value, log: &str) -> Outcome<Steps> {
    let number = |place: &str| {
        let number = report.pointer(place).and_then(Value::as_f64);
        number.filter(|n| *n > 0.0).ok_or_else(|| format!("the report has no number {place}"))
    };
    let batch = number("/training/batch")?;
    let precision = report.pointer("/training/precision").and_then(Value::as_str);
    if precision != Some(if kernels == MIXED { "mixed" } else { "full" }) {
        return Err(other_precision(precision, log).into());
    }
    let samples = number("/image/width")? * number("/image/height")?;
    let epochs: Vec<f64> =
        list(&report["history"]).iter().filter_map(|epoch| epoch["seconds"].as_f64()).collect();
    let step_s = spans(&epochs, (samples / batch).ceil());
    if step_s.is_empty() {
        return Err("no epoch was trained in its time".into());
    }
    Ok(Steps {
        kernels: kernels.into(),
        batch: batch as usize,
        step_s,
        setup_s: number("/engine/setup_seconds")?,
        profile: timed(&report["kernels"], "name"),
        candidates: timed(&report["candidates"], "shapes"),
        clock_mhz: None,
    })
}

/// Why a run does not count, which was computed in another precision than was asked for.
fn other_precision(precision: Option<&str>, log: &str) -> String {
    let mut notes = log.lines().filter_map(|line| line.strip_prefix("note: "));
    match (precision, notes.rfind(|note| note.ends_with("computed in f32"))) {
        (Some("full"), Some(note)) => note.into(),
        (Some(precision), _) => format!("it was computed in {precision} precision"),
        (None, _) => "the report does not say its precision".into(),
    }
}

/// Seconds a step in each of some spans of a run, from the seconds of its epochs. The first third of the
/// time does not count: a device raises its clock in it.
fn spans(epochs: &[f64], steps: f64) -> Vec<f64> {
    let all: f64 = epochs.iter().sum();
    let mut before = 0.0;
    let is_early = |seconds: &&f64| {
        let early = before < all / 3.0;
        before += **seconds;
        early
    };
    let early = epochs.iter().take_while(is_early).count().min(epochs.len().saturating_sub(1));
    let late = &epochs[early..];
    let size = late.len().div_ceil(SPANS).max(1);
    late.chunks(size)
        .map(|span| span.iter().sum::<f64>() / (span.len() as f64 * steps))
        .filter(|seconds| *seconds > 0.0)
        .collect()
}

/// The elements of a list; none of anything else.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn timed(values: &Value, name: &str) -> Vec<Timed> {
    let timed = |value: &Value| {
        Some(Timed { name: value[name].as_str()?.into(), seconds: value["seconds"].as_f64()? })
    };
    list(values).iter().filter_map(timed).collect()
}

/// PyTorch's steps from the lines of `torch_cuda.py`, and what failed.
pub fn others(text: &str) -> (Vec<Other>, Vec<Omission>) {
    let (mut others, mut failed) = (Vec::new(), Vec::new());
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let word = |key: &str| line[key].as_str().unwrap_or_default().to_string();
        let name = format!("{}, {}", word("library"), word("how"));
        let batch = line["batch"].as_u64().unwrap_or(0) as usize;
        let step_s: Vec<f64> = list(&line["step_s"]).iter().filter_map(Value::as_f64).collect();
        let reason = line["failed"].as_str();
        match reason.or_else(|| step_s.is_empty().then_some("it printed no time")) {
            Some(reason) => failed.push(Omission {
                what: format!("{name}, {} at batch {batch}", word("precision")),
                reason: reason.into(),
            }),
            None => others.push(Other { name, precision: word("precision"), batch, step_s }),
        }
    }
    (others, failed)
}

/// The median of the numbers in the lines that `nvidia-smi` wrote during a stage, without the first third.
pub fn clock(text: &str) -> Option<f64> {
    let clocks: Vec<f64> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let mut late = clocks[clocks.len() / 3..].to_vec();
    late.sort_by(f64::total_cmp);
    late.get(late.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tests_are_counted_by_their_outcome() {
        let log = "running 5 tests\ntest a ... ok\ntest twins::b ... FAILED\n\
                   test c ... ignored, slow\n\nfailures:\n    twins::b\ntest d ... ok\n";
        let tests = tests("trainer", log);
        assert_eq!((tests.passed, tests.unfinished), (2, 1));
        assert_eq!(tests.failed, ["twins::b"]);
    }

    #[test]
    fn the_first_third_of_a_run_does_not_count() {
        // 3 slow seconds, then 6 epochs of a second; 10 steps an epoch.
        assert_eq!(spans(&[3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 10.0), [0.1, 0.1, 0.1]);
        assert_eq!(spans(&[2.0], 4.0), [0.5], "the only epoch counts");
        assert!(spans(&[], 4.0).is_empty());
        assert_eq!(spans(&[1.0; 60], 1.0).len(), SPANS);
    }

    #[test]
    fn a_report_becomes_steps() {
        let report = json!({
            "image": { "width": 100, "height": 100 },
            "training": { "batch": 3_000, "precision": "full" },
            "engine": { "setup_seconds": 5.5 },
            "history": [{ "seconds": 0.8 }, { "seconds": 0.4 }],
            "kernels": [{ "name": "update", "seconds": 1e-6 }],
            "candidates": null,
        });
        let steps = steps("fused", &report, "").unwrap();
        assert_eq!((steps.batch, steps.step_s.as_slice()), (3_000, &[0.1][..]));
        assert_eq!(steps.profile, [Timed { name: "update".into(), seconds: 1e-6 }]);
        assert!(steps.candidates.is_empty());
        assert!(super::steps("fused", &json!({ "training": null }), "").is_err());
    }

    #[test]
    fn a_run_in_another_precision_does_not_count() {
        let report = |precision: Value| {
            json!({
                "image": { "width": 10, "height": 10 },
                "training": { "batch": 10, "precision": precision },
                "engine": { "setup_seconds": 5.5 },
                "history": [{ "seconds": 0.8 }],
            })
        };
        assert_eq!(steps("mixed", &report("mixed".into()), "").unwrap().kernels, "mixed");
        let log = "a GPU\nnote: shapes were searched\n\
                   note: products are wrong on a GPU: the run is computed in f32\ntrained\n";
        let refused = |kernels: &str, precision: Value, log: &str| {
            steps(kernels, &report(precision), log).unwrap_err().to_string()
        };
        let reason = refused("mixed", "full".into(), log);
        assert_eq!(reason, "products are wrong on a GPU: the run is computed in f32");
        let reason = refused("mixed", "full".into(), "note: shapes were searched\n");
        assert_eq!(reason, "it was computed in full precision");
        let reason = refused("fused", "mixed".into(), log);
        assert_eq!(reason, "it was computed in mixed precision");
        assert!(refused("mixed", Value::Null, log).contains("does not say its precision"));
    }

    #[test]
    fn a_report_without_a_time_of_a_step_does_not_count() {
        let report = |batch: usize, history: Value| {
            json!({
                "image": { "width": 10, "height": 10 },
                "training": { "batch": batch, "precision": "full" },
                "engine": { "setup_seconds": 5.5 },
                "history": history,
            })
        };
        let refused = |report: &Value| steps("fused", report, "").unwrap_err().to_string();
        assert_eq!(refused(&report(10, json!([]))), "no epoch was trained in its time");
        assert!(refused(&report(0, json!([{ "seconds": 1.0 }]))).contains("/training/batch"));
    }

    #[test]
    fn times_of_pytorch_and_failures_are_read() {
        let (others, failed) = others(
            "a warning\n\
             {\"library\": \"PyTorch 2\", \"how\": \"eager\", \"precision\": \"f32\", \"batch\": 200, \
             \"step_s\": [0.003, 0.002]}\n\
             {\"library\": \"PyTorch 2\", \"how\": \"CUDA graph\", \"precision\": \"bf16\", \
             \"batch\": 200, \"failed\": \"out of memory\"}\n\
             {\"library\": \"PyTorch 2\", \"how\": \"eager\", \"precision\": \"TF32\", \"batch\": 200, \
             \"step_s\": []}\n",
        );
        assert_eq!(others.len(), 1);
        assert_eq!((others[0].name.as_str(), others[0].batch), ("PyTorch 2, eager", 200));
        assert_eq!(others[0].step_s, [0.003, 0.002]);
        assert_eq!(failed[0].what, "PyTorch 2, CUDA graph, bf16 at batch 200");
        assert_eq!(failed[1].reason, "it printed no time");
    }

    #[test]
    fn the_clock_is_a_median_without_the_beginning() {
        assert_eq!(clock("345\n1980\n1965\n1980\n[N/A]\n"), Some(1980.0));
        assert_eq!(clock("[N/A]\n"), None);
    }
}
