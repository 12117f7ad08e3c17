//! System calls that fail, are slow, or at which the program is killed.

use crate::harness::{calls, count, has_strace, injected};
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
const CALLS: [&str; 14] = [
    "write",
    "fsync",
    "rename",
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

/// A studio with outputs of a run before, so that each file has an old and a new state.
fn studio() -> Studio {
    let studio = Studio::with_picture();
    studio.run(&quick(&format!("{RUN} --seed 7"))).succeeded();
    studio
}

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

/// A call of the run and its number, between the moment when the input is opened and the end.
struct Moments(Vec<(&'static str, [usize; 2])>);

impl Moments {
    fn of(studio: &Studio, arguments: &str) -> Self {
        let counts = calls(studio, &CALLS, "picture.png", arguments);
        let made = CALLS.into_iter().zip(counts).filter(|(_, [early, all])| early < all);
        Self(made.collect())
    }

    fn random(&self, random: &mut ChaCha8Rng) -> (&'static str, usize) {
        let (call, [early, all]) = self.0.choose(random).expect("calls");
        (call, random.random_range(*early..*all) + 1)
    }
}

#[test]
fn a_call_that_fails_costs_no_more_than_its_file() {
    if !has_strace() {
        return;
    }
    let studio = studio();
    studio.put_bytes("copy.png", &studio.bytes("picture.png"));
    let arguments = quick(RUN);
    let moments = Moments::of(&studio, &arguments);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut failed = 0;
    for number in 0..count(30) {
        let (call, when) = moments.random(&mut random);
        let error = ERRORS.choose(&mut random).unwrap();
        // Once, or from there on.
        let on = if number % 3 == 0 { "+" } else { "" };
        let fault = format!("{call}:error={error}:when={when}{on}");
        let before = outputs(&studio);
        let run = injected(&studio, &[&fault], &arguments);
        check(&studio, &before, &run);
        failed += usize::from(run.code == Some(1));
        if run.code == Some(0) && on.is_empty() {
            assert!(outputs(&studio).iter().all(Option::is_some), "{run}");
        }
    }
    println!("{failed} of {} runs ended with an error", count(30));
    assert!(failed > 0, "no fault was noticed");
}

#[test]
fn a_kill_at_any_call_leaves_whole_files() {
    if !has_strace() {
        return;
    }
    let studio = studio();
    studio.put_bytes("copy.png", &studio.bytes("picture.png"));
    let arguments = quick(RUN);
    let moments = Moments::of(&studio, &arguments);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..count(20) {
        let (call, when) = moments.random(&mut random);
        let before = outputs(&studio);
        let run = injected(&studio, &[&format!("{call}:signal=KILL:when={when}")], &arguments);
        for (name, before) in OUTPUTS.iter().zip(&before) {
            // A file that grows line by line is as long as the run came.
            if *name != "run.csv" {
                check_whole(&studio, name, before.as_ref(), &run);
            }
        }
        assert!(studio.bytes("picture.png") == studio.bytes("copy.png"), "{run}");
    }
    // The files that are left do not keep the next run from its own.
    studio.run(&arguments).succeeded();
}

#[test]
fn slow_calls_change_nothing() {
    if !has_strace() {
        return;
    }
    let studio = studio();
    let arguments = quick(RUN);
    studio.run(&arguments).succeeded();
    let expected = studio.bytes("net.safetensors");
    for call in ["fsync", "rename", "write"] {
        let slow = format!("{call}:delay_enter=30000:when=1..40");
        injected(&studio, &[&slow], &arguments).succeeded();
        assert!(studio.bytes("net.safetensors") == expected, "{call}");
    }
}
