//! `--metrics` and `--plot`: the numbers of a run.

use crate::studio::{Studio, finish, quick};
use serde_json::Value;
use std::time::{Duration, Instant};

const HEADER: &str = "step,epoch,seconds,loss,psnr_db,learning_rate,samples_per_second";

/// The lines of a CSV file, each with seven fields.
fn lines(text: &str) -> Vec<Vec<String>> {
    let (header, rest) = text.split_once('\n').expect("a header");
    assert_eq!(header, HEADER);
    assert!(rest.is_empty() || rest.ends_with('\n'), "{text}");
    let lines = rest.lines().map(|line| line.split(',').map(String::from).collect());
    let lines: Vec<Vec<String>> = lines.collect();
    assert!(lines.iter().all(|line| line.len() == 7), "{text}");
    lines
}

fn read(studio: &Studio, name: &str) -> Vec<Vec<String>> {
    lines(&String::from_utf8(studio.bytes(name)).expect("UTF-8"))
}

/// The numbers of a column.
fn column(lines: &[Vec<String>], column: usize) -> Vec<f64> {
    lines.iter().map(|line| line[column].parse().expect("a number")).collect()
}

#[test]
fn each_epoch_of_a_run_of_many_has_a_line() {
    let studio = Studio::with_picture();
    let run = "picture.png --epochs 50 --report run.json";
    studio.quick(&format!("{run} --metrics run.csv")).succeeded();
    let lines = read(&studio, "run.csv");
    let steps: Vec<f64> = (1..=50).map(|epoch| f64::from(3 * epoch)).collect();
    assert_eq!(column(&lines, 0), steps);
    assert_eq!(column(&lines, 1), (1..=50).map(f64::from).collect::<Vec<_>>());
    let history = studio.json("run.json")["history"].clone();
    let seconds = column(&lines, 2);
    assert!(seconds.windows(2).all(|pair| pair[0] <= pair[1]), "{seconds:?}");
    for (line, epoch) in lines.iter().zip(history.as_array().expect("a list")) {
        let loss: f64 = line[3].parse().expect("a loss");
        assert_eq!(loss, epoch["loss"].as_f64().expect("a loss"));
        let psnr: f64 = line[4].parse().expect("a PSNR");
        assert!((psnr + 10.0 * loss.log10()).abs() < 1e-3, "{line:?}");
    }
    let rates = column(&lines, 5);
    assert!(rates[0] > 0.0019 && rates[49] < 1e-5, "cosine: {rates:?}");
    assert!(column(&lines, 6).iter().all(|speed| *speed > 0.0));

    studio.quick(&format!("{run} --metrics run.jsonl")).succeeded();
    let text = String::from_utf8(studio.bytes("run.jsonl")).expect("UTF-8");
    let names: Vec<&str> = HEADER.split(',').collect();
    for (line, csv) in text.lines().zip(&lines) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let mut keys: Vec<&str> =
            line.as_object().expect("an object").keys().map(|k| &**k).collect();
        let mut expected = names.clone();
        keys.sort_unstable();
        expected.sort_unstable();
        assert_eq!(keys, expected);
        // Times differ from run to run.
        for place in [0, 1, 3, 4, 5] {
            assert_eq!(line[names[place]].as_f64(), csv[place].parse().ok(), "{}", names[place]);
        }
    }
    assert_eq!(text.lines().count(), 50);
}

#[test]
fn a_run_of_few_epochs_has_lines_within_them_and_one_of_many_has_about_200() {
    let studio = Studio::with_picture();
    // An epoch is 432 steps.
    studio.quick("picture.png --batch 1 --steps 1000 --metrics few.csv").succeeded();
    let steps = column(&read(&studio, "few.csv"), 0);
    assert!(steps.len() > 3 && steps.len() <= 202, "{steps:?}");
    assert_eq!(steps.last(), Some(&1000.0));
    assert!(steps.contains(&432.0) && steps.contains(&864.0), "{steps:?}");
    studio.quick("picture.png --epochs 2000 --metrics many.csv").succeeded();
    let steps = column(&read(&studio, "many.csv"), 0);
    assert_eq!((steps.len(), steps[0], steps[199]), (200, 30.0, 6000.0));
}

#[test]
fn another_loss_has_a_measured_psnr_and_classes_have_none() {
    let studio = Studio::with_picture();
    let run =
        "picture.png --epochs 600 --loss l1 --report run.json --metrics run.csv --plot run.svg";
    studio.quick(run).succeeded();
    let lines = read(&studio, "run.csv");
    let psnr = column(&lines, 4);
    // The painting has whole levels, and the network that was measured has not.
    let painted = studio.json("run.json")["result"]["psnr_db"].as_f64().expect("a PSNR");
    assert!((psnr[psnr.len() - 1] - painted).abs() < 0.3, "{psnr:?} and {painted}");
    let from_loss = -10.0 * column(&lines, 3)[lines.len() - 1].log10();
    assert!((from_loss - painted).abs() > 1.0, "it is not that of the loss: {from_loss}");
    let svg = String::from_utf8(studio.bytes("run.svg")).expect("UTF-8");
    assert!(svg.contains("PSNR in dB"));

    studio.quick("picture.png --epochs 60 --classify --metrics run.csv --plot run.svg").succeeded();
    assert!(read(&studio, "run.csv").iter().all(|line| line[4].is_empty()));
    assert!(!String::from_utf8(studio.bytes("run.svg")).expect("UTF-8").contains("PSNR"));
}

#[test]
fn standard_output_takes_the_lines_and_nothing_else() {
    let studio = Studio::with_picture();
    let run = studio.pipe(None, &quick("picture.png --epochs 50 --metrics -"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(lines(&String::from_utf8(run.stdout).expect("UTF-8")).len(), 50);
    assert!(run.stderr.contains("painted painted.png"), "{}", run.stderr);
    studio.quick("picture.png --metrics - --report -").failed_saying(&["two outputs"]);
}

#[test]
fn a_run_that_goes_on_continues_its_file() {
    let studio = Studio::with_picture();
    let run = "picture.png --backend cpu --hidden 2x8 --schedule constant --save run.safetensors";
    studio
        .run(
            &format!("{run} --epochs 90 -o a.png --save whole.safetensors --metrics whole.csv")
                .replace("--save run.safetensors ", ""),
        )
        .succeeded();
    studio.run(&format!("{run} --epochs 50 --save-every 1000steps --metrics run.csv")).succeeded();
    // A run that was killed after its last save has lines of steps that are computed again.
    let mut text = String::from_utf8(studio.bytes("run.csv")).expect("UTF-8");
    text.push_str("153,51,9,9,9,9,9\n156,52,9,9");
    studio.put_bytes("run.csv", text.as_bytes());
    studio.run("--resume run.safetensors --epochs 90 --metrics run.csv").succeeded();
    let (whole, run) = (read(&studio, "whole.csv"), read(&studio, "run.csv"));
    let steady = |lines: &[Vec<String>]| -> Vec<[String; 5]> {
        lines.iter().map(|line| [0, 1, 3, 4, 5].map(|place| line[place].clone())).collect()
    };
    assert_eq!(steady(&run), steady(&whole));
    let seconds = column(&run, 2);
    assert!(seconds.windows(2).all(|pair| pair[0] <= pair[1]), "{seconds:?}");

    studio.put_bytes("ducks.csv", b"ducks are birds\n");
    let resume = "--resume run.safetensors --epochs 91 --metrics ducks.csv";
    studio.run(resume).failed_saying(&["ducks.csv", "name another file"]);
    assert_eq!(studio.bytes("ducks.csv"), b"ducks are birds\n");
}

#[test]
fn a_killed_run_leaves_whole_lines_and_ctrl_c_a_plot_too() {
    if !cfg!(unix) {
        return; // there are no such signals
    }
    for signal in ["-KILL", "-INT"] {
        let studio = Studio::with_picture();
        let run = "picture.png --epochs 10000000 --metrics run.csv --plot run.svg";
        let mut child = studio.start(&quick(run));
        let clock = Instant::now();
        // A second line comes after ten seconds at the latest.
        while !studio.names().contains(&"run.csv".to_string())
            || read(&studio, "run.csv").is_empty()
        {
            assert!(clock.elapsed() < Duration::from_secs(60), "no line");
            std::thread::sleep(Duration::from_millis(20));
        }
        let id = child.id().to_string();
        let killed = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(killed.expect("kill").success());
        if signal == "-KILL" {
            child.wait().expect("gone");
            assert_eq!(studio.names_but_claims(), ["picture.png", "run.csv"]);
        } else {
            assert_eq!(finish(child, "and Ctrl-C").code, Some(130));
            assert!(studio.bytes("run.svg").starts_with(b"<svg"));
        }
        assert!(!read(&studio, "run.csv").is_empty());
    }
}

#[test]
fn a_plot_has_a_curve_of_each_number() {
    let studio = Studio::with_picture();
    let run = studio.quick("picture.png --epochs 50 --plot run.svg").succeeded();
    assert!(run.stdout.contains("\nplotted run.svg\n"), "{run}");
    let svg = String::from_utf8(studio.bytes("run.svg")).expect("UTF-8");
    for title in ["loss", "PSNR in dB", "learning rate", "steps"] {
        assert!(svg.contains(title), "{title}");
    }
    // The curves have a point for each epoch.
    let curves = svg.split("<polyline").skip(1).filter_map(|line| {
        Some(line.split_once("points=\"")?.1.split_once('"')?.0.split_whitespace().count())
    });
    assert_eq!(curves.filter(|points| *points == 50).count(), 3);
}

#[test]
fn unfit_names_are_refused() {
    let studio = Studio::with_picture();
    for (arguments, words) in [
        ("--metrics run.txt", ["run.txt", ".csv or .jsonl"]),
        ("--plot run.png", ["run.png", ".svg"]),
    ] {
        studio.quick(&format!("picture.png {arguments}")).misused_saying(&words);
    }
    let same = studio.quick("picture.png --plot a.svg --metrics none/a.csv");
    same.failed_saying(&["none", "no folder"]);
    studio.quick("picture.png --report a.csv --metrics a.csv").failed_saying(&["a.csv", "both"]);
    assert_eq!(studio.names(), ["picture.png"]);
}
