//! Ends of runs where something is gone or full: what was learned is kept, and every failure is reported.

use crate::harness::{Mount, behind, limited};
use crate::studio::{Run, Studio, finish, quick};
use impasto::Network;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A run that would go on for years.
const ENDLESS: &str = "--epochs 1000000000000";

/// Starts a run, and waits until it trains.
fn training(studio: &Studio, arguments: &str) -> Child {
    let mut child = studio.start(&quick(&format!("picture.png {ENDLESS} {arguments}")));
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("cpu engine on ") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "it ended before training");
    }
    // The rest is read, so that the program never waits for it.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    std::thread::sleep(Duration::from_millis(500));
    child
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// The network in the user's data folder, which the run names.
fn kept_elsewhere(studio: &Studio, run: &Run) -> Network {
    let files: Vec<_> = fs::read_dir(studio.data().join("impasto"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{run}");
    assert!(run.stderr.contains(&files[0].display().to_string()), "{run}");
    Network::load(&files[0]).unwrap()
}

/// A run whose outputs are in the folder `out`, which is gone when the signal comes.
fn without_its_folder(studio: &Studio, arguments: &str, signal: &str) -> Run {
    fs::create_dir(studio.path("out")).unwrap();
    let child = training(studio, arguments);
    fs::remove_dir_all(studio.path("out")).unwrap();
    send(signal, &child);
    finish(child, "without its folder")
}

/// Asserts that each of these files is named in an error of its own.
fn reports(run: &Run, names: &[&str]) {
    assert_eq!(run.code, Some(1), "{run}");
    for name in names {
        let is_reported = |line: &str| line.starts_with("error: ") && line.contains(name);
        assert!(run.stderr.lines().any(is_reported), "{name}: {run}");
    }
}

#[test]
fn where_the_folder_is_gone_the_network_goes_to_the_data_folder() {
    let studio = Studio::with_picture();
    let arguments = "-o out/p.png --save out/n.safetensors --report out/r.json";
    let run = without_its_folder(&studio, arguments, "-TERM");
    reports(&run, &["out/n.safetensors", "out/p.png", "out/p-comparison.png", "out/r.json"]);
    assert_eq!(kept_elsewhere(&studio, &run).inputs(), 2);
}

#[test]
fn a_painting_that_cannot_be_written_costs_no_network() {
    let studio = Studio::with_picture();
    let run = without_its_folder(&studio, "-o out/p.png", "-INT");
    reports(&run, &["out/p.png"]);
    assert_eq!(kept_elsewhere(&studio, &run).outputs(), 3);
}

#[test]
fn on_a_full_disk_every_failure_is_reported() {
    let studio = Studio::with_picture();
    fs::create_dir(studio.path("full")).unwrap();
    let Some(_mount) = Mount::in_memory(64, &studio.path("full")) else { return };
    let child = training(&studio, "-o full/p.png --save full/n.safetensors --metrics full/m.csv");
    let filled = fs::write(studio.path("full/filler"), vec![7; 1 << 20]);
    assert!(filled.is_err(), "the disk is full");
    std::thread::sleep(Duration::from_millis(500));
    send("-HUP", &child);
    let run = finish(child, "on a full disk");
    // The last page of the metrics may have room for the lines that were left.
    reports(&run, &["full/n.safetensors", "full/p.png", "full/p-comparison.png"]);
    kept_elsewhere(&studio, &run);
    let lines = fs::read(studio.path("full/m.csv")).unwrap();
    assert!(lines.is_empty() || lines.ends_with(b"\n"), "each line is whole");
    let parts = fs::read_dir(studio.path("full")).unwrap();
    assert!(parts.map(|part| part.unwrap().file_name()).all(|name| name != "p.png"));
}

#[test]
fn a_limit_of_file_size_is_an_error_and_no_death() {
    let studio = Studio::with_picture();
    // In the smallest unit there is.
    let run = limited(&studio, "ulimit -f 1", &quick("picture.png --save n.safetensors"));
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("painted.png"), "{run}");
    let names = studio.names();
    assert!(names.iter().all(|name| !name.starts_with(".impasto-")), "{names:?}");
}

#[test]
fn a_signal_before_the_first_step_ends_at_once_and_overwrites_nothing() {
    let studio = Studio::new();
    studio.put("picture.png", &crate::pictures::stones(400, 400));
    for name in ["painted.png", "net.safetensors"] {
        studio.put_bytes(name, b"old");
    }
    // The first step takes minutes.
    let arguments = "picture.png --backend reference --hidden 6x300 --batch 160000 --epochs 9 \
                     --save net.safetensors --report run.json";
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let mut child = studio.start(arguments);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("reference engine") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it ended before training");
        }
        std::thread::sleep(Duration::from_millis(700));
        send(signal, &child);
        let run = finish(child, signal);
        assert_eq!((run.code, run.stderr.as_str()), (Some(code), ""), "{run}");
        line.clear();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "interrupted before the first step: no file was written\n");
        assert_eq!(studio.bytes("painted.png"), b"old");
        assert_eq!(studio.names(), ["net.safetensors", "painted.png", "picture.png"]);
    }
}

/// A later step is under way when the signal comes, and takes seconds: the run does not wait for its end.
#[test]
fn a_signal_in_one_huge_step_abandons_it() {
    let studio = Studio::new();
    studio.put("picture.png", &crate::pictures::stones(600, 600));
    // The reference takes two steps before it reports the first.
    for (backend, steps) in [("cpu --hidden 3x256", 1), ("reference --hidden 1x150", 2)] {
        let arguments = format!(
            "picture.png --backend {backend} --batch 1000000 --epochs 100 --metrics m.jsonl \
             --save net.safetensors --report run.json"
        );
        let child = studio.start(&arguments);
        while fs::read(studio.path("m.jsonl")).unwrap_or_default().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        send("-INT", &child);
        let run = finish(child, &arguments);
        assert_eq!((run.code, run.stderr.as_str()), (Some(130), ""), "{run}");
        assert_eq!(studio.json("run.json")["training"]["steps"], steps, "{run}");
        assert!(Network::load(studio.path("net.safetensors")).is_ok(), "{run}");
        fs::remove_file(studio.path("m.jsonl")).unwrap();
    }
}

/// The search for the fastest kernels takes seconds, and a signal in it ends the run at once.
#[test]
fn a_signal_in_the_search_for_shapes_overwrites_nothing() {
    let adapters = crate::common::adapters();
    let Some(adapter) = adapters.first().map(impasto::Device::description) else { return };
    let studio = Studio::with_picture();
    studio.put_bytes("painted.png", b"old");
    for delay in [0, 300, 900] {
        let mut command =
            studio.command("picture.png --backend gpu --hidden 4x96 --batch 256 --epochs 100000");
        command.arg("--adapter").arg(&adapter).env("IMPASTO_CACHE", studio.path("cache"));
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("gpu engine on ") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "it ended before the search");
        }
        std::thread::sleep(Duration::from_millis(delay));
        send("-INT", &child);
        let run = finish(child, "in the search");
        assert_eq!(run.code, Some(130), "{run}");
        assert_eq!(studio.bytes("painted.png"), b"old");
    }
}

#[test]
fn answers_that_cannot_be_written_are_errors() {
    let studio = Studio::with_picture();
    let quick = quick("picture.png");
    for arguments in ["--help", "--version", "--list-adapters", "--print-config", quick.as_str()] {
        let mut command = studio.command(arguments);
        command.stdout(File::create("/dev/full").unwrap());
        let run = finish(command.spawn().unwrap(), arguments);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains("error: cannot write standard output"), "{run}");
    }
    // The painting was written all the same.
    assert_eq!(studio.picture("painted.png").width(), 24);
    // A reader that went away is no error.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = studio.command("--help");
    command.stdout(Stdio::from(writer));
    let run = finish(command.spawn().unwrap(), "--help");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
}

#[test]
fn without_threads_a_run_is_slower_and_whole() {
    if !crate::harness::is_root("a limit of processes") {
        return;
    }
    let studio = Studio::with_picture();
    let status = Command::new("chmod").arg("777").arg(studio.path("")).status();
    assert!(status.unwrap().success());
    for most in 1..=4 {
        // A user without other processes.
        let script = format!("ulimit -u {most}; exec \"$0\" \"$@\"");
        let front =
            ["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", "sh", "-c", &script];
        let name = format!("{most}.png");
        let arguments =
            format!("picture.png --hidden 2x8 --epochs 2 --threads 2 -o {name} --backend cpu");
        let run = finish(behind(&studio, &front, &arguments).spawn().unwrap(), &arguments);
        assert_eq!(run.code, Some(0), "{most} processes: {run}");
        assert!(studio.bytes(&name) == studio.bytes("1.png"), "{most} processes: {run}");
    }
}

#[test]
fn a_small_stack_is_enough() {
    for adapter in crate::common::adapters() {
        let studio = Studio::with_picture();
        let arguments = "picture.png --hidden 10x100 --steps 1 --batch 100 --backend gpu --no-tune";
        let front = ["sh", "-c", "ulimit -s 256; exec \"$0\" \"$@\""];
        let mut command = behind(&studio, &front, arguments);
        command.env("IMPASTO_ADAPTER", adapter.description());
        let run = finish(command.spawn().unwrap(), arguments);
        assert_eq!(run.code, Some(0), "{}: {run}", adapter.description());
    }
}
