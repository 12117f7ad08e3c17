//! Runs that Ctrl-C or a kill ends.

#![cfg(unix)]

use crate::studio::{Studio, finish, quick};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A run that would go on for years, as it trains; what it has printed so far is read.
fn training(studio: &Studio, arguments: &str) -> (Child, BufReader<impl Read + use<>>) {
    let arguments = quick(&format!("picture.png --epochs 1000000000000 {arguments}"));
    let mut child = studio.start(&arguments);
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.starts_with("cpu engine on ") {
        line.clear();
        assert!(output.read_line(&mut line).expect("a line") > 0, "it ended before training");
    }
    std::thread::sleep(Duration::from_millis(300));
    (child, output)
}

/// Sends what Ctrl-C sends.
fn interrupt(child: &Child) {
    send("-INT", child);
}

/// Sends a signal.
fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(status.expect("kill").success());
}

#[test]
fn each_signal_that_asks_for_an_end_paints_saves_and_reports() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let studio = Studio::with_picture();
        let (child, _output) = training(&studio, "--report run.json --save net.safetensors");
        send(signal, &child);
        let run = finish(child, signal);
        assert_eq!((run.code, run.stderr.as_str()), (Some(code), ""), "{signal}");
        assert_eq!(studio.json("run.json")["training"]["ending"], "interrupted", "{signal}");
        studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
        assert!(studio.bytes("again.png") == studio.bytes("painted.png"), "{signal}");
    }
}

#[test]
fn a_hangup_that_nohup_has_ignored_ends_nothing() {
    if !cfg!(target_os = "linux") {
        return; // it is not known elsewhere
    }
    let studio = Studio::with_picture();
    let arguments = quick("picture.png --epochs 1000000000000");
    let program = crate::common::example("paint");
    let script = format!("trap '' HUP; exec {} {arguments}", program.display());
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(studio.path(""))
        .env("XDG_RUNTIME_DIR", "/nowhere")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    send("-HUP", &child);
    std::thread::sleep(Duration::from_millis(700));
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    send("-TERM", &child);
    assert_eq!(finish(child, "under nohup").code, Some(143));
}

#[test]
fn a_run_of_hours_says_how_to_make_it_shorter() {
    let studio = Studio::with_picture();
    let (child, mut output) = training(&studio, "");
    std::thread::sleep(Duration::from_secs(3));
    interrupt(&child);
    finish(child, "and Ctrl-C");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("training takes about ") && rest.contains(" days: "), "{rest}");
    let note = rest.lines().nth(1).unwrap();
    for word in ["note: it is shorter with", "--time 1m", "--steps", "--max-pixels", "Ctrl-C"] {
        assert!(note.contains(word), "{word} in {note}");
    }
}

#[test]
fn ctrl_c_paints_what_was_learned_so_far() {
    let studio = Studio::with_picture();
    let (child, mut output) = training(&studio, "--report run.json --save net.safetensors");
    let clock = Instant::now();
    interrupt(&child);
    let run = finish(child, "and Ctrl-C");
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
    assert_eq!((run.code, run.stderr.as_str()), (Some(130), ""));
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    // Heard at once.
    let heard = "interrupted: ending with what was learned; a second signal ends the program at once\ntrained ";
    assert!(rest.starts_with(heard) && rest.contains("until interrupted"), "{rest}");
    assert!(rest.contains("painted painted.png") && !rest.contains(['\u{1b}', '\r']), "{rest}");

    assert_eq!(
        studio.names(),
        ["net.safetensors", "painted-comparison.png", "painted.png", "picture.png", "run.json"]
    );
    assert_eq!(studio.picture("painted-comparison.png").width(), 80);
    let report = studio.json("run.json");
    let epochs = report["training"]["epochs"].as_u64().unwrap();
    // A history of more than 10,000 epochs has every second one, or fewer.
    let known = report["history"].as_array().unwrap().len() as u64;
    assert!(known == epochs || (epochs > 10_000 && (5_000..=10_000).contains(&known)), "{known}");
    // Steps of 200 of 432 pixels: three an epoch, the last epoch perhaps unfinished.
    let steps = report["training"]["steps"].as_u64().unwrap();
    assert!((3 * epochs..3 * epochs + 3).contains(&steps), "{steps} steps, {epochs} epochs");
    studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
    assert!(studio.bytes("again.png") == studio.bytes("painted.png"));
}

#[test]
fn ctrl_c_sent_twice_at_once_is_one_wish() {
    let studio = Studio::with_picture();
    let (child, _output) = training(&studio, "");
    interrupt(&child);
    interrupt(&child);
    assert_eq!(finish(child, "and Ctrl-C twice").code, Some(130));
    assert_eq!(studio.picture("painted.png").width(), 24);
}

#[test]
fn a_killed_run_leaves_the_old_painting_whole() {
    let studio = Studio::with_picture();
    studio.put_bytes("painted.png", b"the old painting");
    let (mut child, _output) = training(&studio, "");
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(studio.bytes("painted.png"), b"the old painting");
    assert_eq!(studio.names_but_claims(), ["painted.png", "picture.png"]);
}

#[test]
fn a_signal_that_ends_the_painting_is_the_exit_code() {
    let studio = Studio::with_picture();
    let arguments = quick("picture.png --size 6000x6000 --save net.safetensors");
    let mut child = studio.start(&arguments);
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.starts_with("trained ") {
        line.clear();
        assert!(output.read_line(&mut line).expect("a line") > 0, "it ended before painting");
    }
    send("-TERM", &child);
    let run = finish(child, "while it paints");
    assert_eq!((run.code, run.stderr.as_str()), (Some(143), ""), "{run}");
    assert!(studio.path("net.safetensors").exists() && !studio.path("painted.png").exists());
}

#[test]
fn a_time_limit_counts_what_is_saved_on_the_way() {
    let studio = Studio::with_picture();
    let clock = Instant::now();
    let run = studio.run(
        "picture.png --backend cpu --hidden 8 --time 1s --epochs 100000000 --schedule plateau \
         --save-every 1epochs --save run.safetensors --report run.json",
    );
    run.succeeded();
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
    assert_eq!(studio.json("run.json")["training"]["ending"], "time limit");
}
