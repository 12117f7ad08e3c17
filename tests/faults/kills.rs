//! Signals at random moments of whole runs.

use crate::harness::{count, temporary};
use crate::studio::{Studio, finish, quick};
use impasto::{Network, Picture};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng};
use std::process::Command;
use std::time::Instant;

/// A run of some tenths of a second, from start to end.
const RUN: &str =
    "picture.png --epochs 3000 --batch 60 --hidden 2x12 --save net.safetensors --report run.json";

/// The signals, with the code that a run ends with.
const SIGNALS: [(&str, i32); 4] = [("KILL", 137), ("TERM", 143), ("HUP", 129), ("INT", 130)];

/// The outputs.
const FILES: [&str; 4] = ["net.safetensors", "painted.png", "painted-comparison.png", "run.json"];

/// Whether a file is complete.
fn is_whole(studio: &Studio, name: &str) -> bool {
    match name.rsplit_once('.').unwrap().1 {
        "png" => Picture::load(studio.path(name)).is_ok(),
        "safetensors" => Network::load(studio.path(name)).is_ok(),
        _ => serde_json::from_slice::<serde_json::Value>(&studio.bytes(name)).is_ok(),
    }
}

/// Ends runs at random moments. After a signal that can be heard, what was learned is there.
#[test]
fn a_run_that_is_killed_leaves_whole_files_and_loses_nothing_it_can_save() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let arguments = quick(RUN);
    let studio = Studio::with_picture();
    // The first run reads the program from disk.
    let times = [(); 3].map(|()| {
        let clock = Instant::now();
        studio.run(&arguments).succeeded();
        clock.elapsed()
    });
    let whole = times.into_iter().min().unwrap();
    let (mut early, mut during, mut late) = (0, 0, 0);
    for number in 0..count(24) {
        for name in FILES {
            std::fs::remove_file(studio.path(name)).unwrap_or_default();
        }
        let (signal, code) = SIGNALS[number % SIGNALS.len()];
        let child = studio.start(&arguments);
        std::thread::sleep(whole.mul_f64(random.random_range(0.0..1.05)));
        // It may have ended by itself.
        let _ =
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).output();
        let run = finish(child, &format!("{arguments} and SIG{signal}"));
        let there: Vec<&str> =
            FILES.into_iter().filter(|name| studio.path(name).exists()).collect();
        for name in &there {
            assert!(is_whole(&studio, name), "{name} is half-written: {run}");
        }
        match run.code {
            // It was over before the signal came.
            Some(0) => {
                late += 1;
                assert_eq!(there, FILES, "{run}");
            }
            // The signal came before the program listened, or was SIGKILL.
            None => {
                early += 1;
                assert!(signal == "KILL" || !run.stdout.contains("trained"), "{run}");
            }
            Some(found) => {
                assert_eq!(found, code, "{run}");
                assert_eq!(run.stderr, "", "{run}");
                if run.stdout.contains("trained ") && there.is_empty() {
                    assert!(run.stdout.contains("trained 0 "), "what was learned is lost: {run}");
                }
                during += usize::from(!there.is_empty());
                if !there.is_empty() {
                    assert!(there.contains(&"net.safetensors"), "{there:?}: {run}");
                }
            }
        }
    }
    println!(
        "{during} of {} kept what they had learned, {early} had nothing, {late} were over",
        count(24)
    );
    assert!(during > 0 || count(24) < 8, "no signal came during training");
    studio.run(&arguments).succeeded();
    assert_eq!(temporary(&studio), [""; 0], "the next run removes what was left");
}
