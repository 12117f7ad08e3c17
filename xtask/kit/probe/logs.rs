//! Reads what the stages of the kit wrote: tests, reports of `paint`, PyTorch's times, clocks.

use serde_json::Value;

use crate::Outcome;
use crate::gpu::{Omission, Other, Steps, Tests, Timed};

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

/// Impasto's steps from a report of `paint --profile`.
///
/// # Errors
///
/// A report without a training run.
pub fn steps(kernels: &str, report: &Value) -> Outcome<Steps> {
    let number = |place: &str| {
        report.pointer(place).and_then(Value::as_f64).ok_or_else(|| format!("no number {place}"))
    };
    let batch = number("/training/batch")?;
    let samples = number("/image/width")? * number("/image/height")?;
    let epochs: Vec<f64> =
        list(&report["history"]).iter().filter_map(|epoch| epoch["seconds"].as_f64()).collect();
    Ok(Steps {
        kernels: kernels.into(),
        batch: batch as usize,
        step_s: spans(&epochs, (samples / batch).ceil()),
        setup_s: number("/engine/setup_seconds")?,
        profile: timed(&report["kernels"], "name"),
        candidates: timed(&report["candidates"], "shapes"),
        clock_mhz: None,
    })
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
        match line["failed"].as_str() {
            Some(reason) => failed.push(Omission {
                what: format!("{name}, {} at batch {batch}", word("precision")),
                reason: reason.into(),
            }),
            None => others.push(Other {
                name,
                precision: word("precision"),
                batch,
                step_s: list(&line["step_s"]).iter().filter_map(Value::as_f64).collect(),
            }),
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
            "training": { "batch": 3_000 },
            "engine": { "setup_seconds": 5.5 },
            "history": [{ "seconds": 0.8 }, { "seconds": 0.4 }],
            "kernels": [{ "name": "update", "seconds": 1e-6 }],
            "candidates": null,
        });
        let steps = steps("fused", &report).unwrap();
        assert_eq!((steps.batch, steps.step_s.as_slice()), (3_000, &[0.1][..]));
        assert_eq!(steps.profile, [Timed { name: "update".into(), seconds: 1e-6 }]);
        assert!(steps.candidates.is_empty());
        assert!(super::steps("fused", &json!({ "training": null })).is_err());
    }

    #[test]
    fn times_of_pytorch_and_failures_are_read() {
        let (others, failed) = others(
            "a warning\n\
             {\"library\": \"PyTorch 2\", \"how\": \"eager\", \"precision\": \"f32\", \"batch\": 200, \
             \"step_s\": [0.003, 0.002]}\n\
             {\"library\": \"PyTorch 2\", \"how\": \"CUDA graph\", \"precision\": \"bf16\", \
             \"batch\": 200, \"failed\": \"out of memory\"}\n",
        );
        assert_eq!(others.len(), 1);
        assert_eq!((others[0].name.as_str(), others[0].batch), ("PyTorch 2, eager", 200));
        assert_eq!(others[0].step_s, [0.003, 0.002]);
        assert_eq!(failed[0].what, "PyTorch 2, CUDA graph, bf16 at batch 200");
    }

    #[test]
    fn the_clock_is_a_median_without_the_beginning() {
        assert_eq!(clock("345\n1980\n1965\n1980\n[N/A]\n"), Some(1980.0));
        assert_eq!(clock("[N/A]\n"), None);
    }
}
