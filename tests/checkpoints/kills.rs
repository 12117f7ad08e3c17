//! Runs that signals end at random moments.

use super::studio::{Studio, finish};
use super::{common, learned};
use rand::RngExt as _;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A run of about a third of a second. It is saved so often that many signals come during writing.
const RUN: &str = "picture.png --hidden 2x12 --batch 60 --epochs 60 --save run.safetensors --quiet";

/// How many runs are killed on each engine.
fn kills() -> usize {
    std::env::var("IMPASTO_KILLS").map_or(3, |text| text.parse().expect("a number of kills"))
}

fn signal(child: &Child, name: &str) {
    // It may have ended by itself.
    let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
}

/// Kills runs with these arguments, goes on with each, and compares what was learned with the run that was not killed.
fn check(engine: &str, adapter: &str, seed: u64) {
    let studio = Studio::with_picture();
    let start = |arguments: &str| {
        let mut command = studio.command(&format!("{arguments} {engine}"));
        command.env("IMPASTO_ADAPTER", adapter).spawn().expect("started")
    };
    let name = format!("{engine} {adapter}");
    let fresh = format!("{RUN} --save-every 7steps");
    let clock = Instant::now();
    finish(start(&fresh), &name).succeeded();
    let whole = clock.elapsed();
    let expected = learned(&studio, "run.safetensors");
    // That it is saved now and then changes nothing.
    finish(start(&format!("{RUN} --save-every 1h")), &name).succeeded();
    assert!(learned(&studio, "run.safetensors") == expected, "{name}: saved once");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut same, mut early, mut late) = (0, 0, 0);
    for number in 0..kills() {
        std::fs::remove_file(studio.path("run.safetensors")).unwrap();
        let (signal_name, every) =
            [("KILL", "1steps"), ("TERM", "7steps"), ("KILL", "2epochs")][number % 3];
        let mut child = start(&format!("{RUN} --save-every {every}"));
        std::thread::sleep(whole.mul_f64(random.random_range(0.3..1.0)));
        signal(&child, signal_name);
        let ended = child.wait().expect("gone");
        late += usize::from(ended.success());
        let resume = "--resume run.safetensors --quiet --backend";
        let resume = engine.replacen("--backend", resume, 1).replace("--kernels layerwise", "");
        if studio.names().iter().any(|name| name == "run.safetensors") {
            // It goes on where the file says, on the engine that the options of the test name again.
            let mut command = studio.command(&resume);
            let resumed = command.env("IMPASTO_ADAPTER", adapter).spawn().expect("started");
            // A second kill, on the way.
            if number % 3 == 2 {
                std::thread::sleep(whole.mul_f64(random.random_range(0.05..0.5)));
                signal(&resumed, signal_name);
                drop(resumed.wait_with_output());
                // The file says which adapter it was.
                finish(studio.start(&resume), &name).succeeded();
            } else {
                finish(resumed, &name).succeeded();
            }
        } else {
            early += 1;
            finish(start(&fresh), &name).succeeded();
        }
        let found = learned(&studio, "run.safetensors");
        assert!(found == expected, "{name}: run {number} of seed {seed} learned something else");
        same += 1;
    }
    println!(
        "{name}: {same} of {} bit-identical, {early} killed before the first save, {late} after the end",
        kills()
    );
    assert!(early + late < kills(), "{name}: no kill hit a run that had been saved");
}

#[test]
fn killed_runs_go_on_with_the_same_bits_on_the_cpu() {
    check("--backend cpu", "", 1);
}

#[test]
fn killed_runs_go_on_with_the_same_bits_on_the_reference() {
    check("--backend reference", "", 2);
}

#[test]
fn killed_runs_go_on_with_the_same_bits_on_gpus() {
    for adapter in common::adapters() {
        let adapter = adapter.description();
        check("--backend gpu --no-tune", &adapter, 3);
        check("--backend gpu --no-tune --kernels layerwise", &adapter, 4);
    }
}

/// A signal as soon as a temporary file is there, which is while a file is written.
#[test]
fn a_kill_while_the_file_is_written_leaves_the_one_before() {
    let studio = Studio::with_picture();
    let run = format!("{RUN} --backend cpu --save-every");
    studio.run(&format!("{run} 1h")).succeeded();
    let expected = learned(&studio, "run.safetensors");
    let mut hits = 0;
    for _ in 0..20 * kills() {
        let mut child = studio.start(&format!("{run} 1steps"));
        let clock = Instant::now();
        let names = || studio.names_but_claims().into_iter();
        let parts = || names().filter(|name| name.starts_with(".impasto-"));
        let before = parts().count();
        while parts().count() == before && clock.elapsed() < Duration::from_secs(5) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left: Vec<String> = parts().collect();
        hits += usize::from(!left.is_empty());
        for part in &left {
            std::fs::remove_file(studio.path(part)).unwrap();
        }
        // Whole: it is that of the run before, or what this run saved.
        let (steps, ..) = learned(&studio, "run.safetensors");
        assert!(steps <= expected.0);
        if hits == kills() {
            break;
        }
    }
    assert!(hits >= kills(), "{hits} signals came during writing");
    studio.run("--resume run.safetensors --quiet").succeeded();
    assert!(learned(&studio, "run.safetensors") == expected);
}
