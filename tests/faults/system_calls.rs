//! System calls that fail, are slow, or at which the program is killed.

use crate::harness::{calls, count, has_strace, injected, temporary};
use crate::studio::{Run, Studio, quick};
use impasto::{Network, Picture};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng};

/// A whole run with every kind of output.
const RUN: &str =
    "picture.png --save net.safetensors --report run.json --metrics run.csv --plot run.svg -q";

/// The outputs of the run.
const OUTPUTS: [&str; 6] =
    ["net.safetensors", "painted.png", "painted-comparison.png", "run.json", "run.csv", "run.svg"];

/// Calls that write files, and those that look at them.
const CALLS: [&str; 16] = [
    "write",
    "fsync",
    "rename",
    "renameat",
    "renameat2",
    "openat",
    "unlink",
    "fchmod",
    "fchown",
    "flock",
    "ftruncate",
    "fstat",
    "statx",
    "readlink",
    "getdents64",
    "lseek",
];

/// Errors that a file system reports.
const ERRORS: [&str; 8] =
    ["EIO", "ENOSPC", "EPERM", "EACCES", "EROFS", "ENOENT", "EMFILE", "EINVAL"];

/// Asserts that a file is what it was before or complete.
fn check_whole(studio: &Studio, name: &str, before: Option<&Vec<u8>>, run: &Run) {
    let Ok(bytes) = std::fs::read(studio.path(name)) else {
        assert!(before.is_none(), "{name} is gone: {run}");
        return;
    };
    if before == Some(&bytes) {
        return;
    }
    let is_whole = match name.rsplit_once('.').unwrap().1 {
        "png" => Picture::load(studio.path(name)).is_ok(),
        "safetensors" => Network::load(studio.path(name)).is_ok(),
        "json" => serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
        "svg" => bytes.ends_with(b"</svg>\n"),
        // Lines are written as the run goes. Each is whole.
        _ => bytes.is_empty() || bytes.ends_with(b"\n"),
    };
    assert!(is_whole, "{name} is half-written ({} bytes): {run}", bytes.len());
}

/// Asserts that the run ended with a code of its own and one line for each error, and left whole files.
fn check(studio: &Studio, before: &[Option<Vec<u8>>], run: &Run) {
    assert!(matches!(run.code, Some(0 | 1)), "{run}");
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains("RUST_BACKTRACE"), "{run}");
    assert_eq!(run.code == Some(1), run.stderr.contains("error: "), "{run}");
    for (name, before) in OUTPUTS.iter().zip(before) {
        check_whole(studio, name, before.as_ref(), run);
    }
    assert!(studio.bytes("picture.png") == studio.bytes("copy.png"), "the input changed: {run}");
}

/// The bytes of the outputs.
fn outputs(studio: &Studio) -> Vec<Option<Vec<u8>>> {
    OUTPUTS.iter().map(|name| std::fs::read(studio.path(name)).ok()).collect()
}

/// A folder with outputs of a run before, so that each file has an old and a new state, and the calls of a run in it.
struct Faults {
    studio: Studio,
    arguments: String,
    /// Each call, how often it was made before the input was opened, and in all.
    calls: Vec<(&'static str, [usize; 2])>,
    random: ChaCha8Rng,
}

impl Faults {
    /// None where `strace` may not trace.
    fn new(seed: u64) -> Option<Self> {
        if !has_strace() {
            return None;
        }
        let studio = Studio::with_picture();
        studio.run(&quick(&format!("{RUN} --seed 7"))).succeeded();
        studio.put_bytes("copy.png", &studio.bytes("picture.png"));
        let arguments = quick(RUN);
        let counts = calls(&studio, &CALLS, "picture.png", &arguments);
        let calls = CALLS.into_iter().zip(counts).filter(|(_, [early, all])| early < all).collect();
        Some(Self { studio, arguments, calls, random: ChaCha8Rng::seed_from_u64(seed) })
    }

    /// A call of the run and its number.
    fn moment(&mut self) -> (&'static str, usize) {
        let (call, [early, all]) = *self.calls.choose(&mut self.random).expect("calls");
        (call, self.random.random_range(early..all) + 1)
    }

    /// Runs with a fault. Returns the outputs before and the run.
    fn run(&self, fault: &str) -> (Vec<Option<Vec<u8>>>, Run) {
        let before = outputs(&self.studio);
        (before, injected(&self.studio, &[fault], &self.arguments))
    }
}

#[test]
fn a_call_that_fails_costs_no_more_than_its_file() {
    let Some(mut faults) = Faults::new(1) else { return };
    let mut failed = 0;
    for number in 0..count(30) {
        let (call, when) = faults.moment();
        let error = ERRORS.choose(&mut faults.random).unwrap();
        // Once, or from there on.
        let on = if number % 3 == 0 { "+" } else { "" };
        let (before, run) = faults.run(&format!("{call}:error={error}:when={when}{on}"));
        check(&faults.studio, &before, &run);
        failed += usize::from(run.code == Some(1));
        if run.code == Some(0) && on.is_empty() {
            assert!(outputs(&faults.studio).iter().all(Option::is_some), "{run}");
        }
    }
    println!("{failed} of {} runs ended with an error", count(30));
    assert!(failed > 0, "no fault was noticed");
}

/// The calls that give a file its name are few among all: each fails once here.
#[test]
fn a_file_that_cannot_be_renamed_is_an_error_and_the_others_are_written() {
    let Some(faults) = Faults::new(4) else { return };
    let renames = faults.calls.iter().filter(|(call, _)| call.starts_with("rename"));
    let mut tried = 0;
    for &(call, [early, all]) in renames {
        for when in early + 1..=all {
            let (before, run) = faults.run(&format!("{call}:error=EIO:when={when}"));
            assert_eq!(run.code, Some(1), "{call} {when}: {run}");
            check(&faults.studio, &before, &run);
            tried += 1;
        }
    }
    // The network, the painting, the sheet, the report, the metrics and the plot.
    assert_eq!(tried, OUTPUTS.len());
}

#[test]
fn a_kill_at_any_call_leaves_whole_files() {
    let Some(mut faults) = Faults::new(2) else { return };
    for _ in 0..count(20) {
        let (call, when) = faults.moment();
        let (before, run) = faults.run(&format!("{call}:signal=KILL:when={when}"));
        for (name, before) in OUTPUTS.iter().zip(&before) {
            // A file that grows line by line is as long as the run came.
            if *name != "run.csv" {
                check_whole(&faults.studio, name, before.as_ref(), &run);
            }
        }
        let studio = &faults.studio;
        assert!(studio.bytes("picture.png") == studio.bytes("copy.png"), "{run}");
    }
    // The files that are left do not keep the next run from its own, and it removes them.
    faults.studio.run(&faults.arguments).succeeded();
    assert_eq!(temporary(&faults.studio), [""; 0]);
}

#[test]
fn slow_calls_change_nothing() {
    let Some(faults) = Faults::new(5) else { return };
    faults.studio.run(&faults.arguments).succeeded();
    let expected = faults.studio.bytes("net.safetensors");
    for (call, _) in &faults.calls {
        if ["fsync", "write"].contains(call) || call.starts_with("rename") {
            faults.run(&format!("{call}:delay_enter=30000:when=1..40")).1.succeeded();
            assert!(faults.studio.bytes("net.safetensors") == expected, "{call}");
        }
    }
}

#[test]
fn an_old_file_is_replaced_where_modes_cannot_be_changed() {
    if !has_strace() {
        return;
    }
    let studio = Studio::with_picture();
    for error in ["EPERM", "ENOSYS", "EOPNOTSUPP"] {
        studio.put_bytes("painted.png", b"old");
        let faults = ["fchmod", "chmod", "fchmodat"].map(|call| format!("{call}:error={error}"));
        let faults = faults.each_ref().map(String::as_str);
        injected(&studio, &faults, &quick("picture.png -q")).succeeded();
        assert_eq!(studio.picture("painted.png").width(), 24, "{error}");
    }
}
