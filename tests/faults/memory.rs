//! Little memory: a run is whole, or ends with a sentence and what it has learned. It never aborts.

use crate::harness::{behind, limited};
use crate::pictures::gradient;
use crate::studio::{Run, Studio, finish};
use impasto::{Network, Picture};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::Duration;

/// Runs under a limit of address space, in kilobytes.
fn within(studio: &Studio, kilobytes: usize, arguments: &str) -> Run {
    limited(studio, &format!("ulimit -v {kilobytes}"), arguments)
}

/// Asserts that a run is whole, or ended with one sentence.
fn is_whole_or_says_why(run: &Run) -> bool {
    let errors = run.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    let others = run.stderr.lines().filter(|line| !line.starts_with("warning: ")).count();
    let expected = match run.code {
        Some(0) => 0,
        _ => 1,
    };
    assert!(matches!(run.code, Some(0 | 1)), "{run}");
    assert_eq!((errors, others), (expected, expected), "{run}");
    run.code == Some(0)
}

#[test]
fn a_run_under_any_limit_is_whole_or_says_why() {
    let studio = Studio::new();
    studio.put("picture.png", &gradient(160, 160));
    studio.put("mask.png", &gradient(160, 160));
    let kinds = [
        "--hidden 8",
        "--hidden 8 --mask mask.png",
        "--hidden 8 --classify",
        "--hidden 8 --backend reference",
        "--hidden 1x150 --batch 18446744073709551615",
        "--hidden 1x50 --batch 18446744073709551615 --backend reference",
        "--hidden 2x200 --save n.safetensors --report r.json --metrics m.csv --plot p.svg",
        "--encoding grid:log2_size=14",
    ];
    // Beside the program itself, which its loader cannot load with less.
    let program = fs::metadata(crate::common::example("paint")).expect("the program").len() / 1024;
    let more = [2_000, 4_000, 6_000, 8_000, 11_000, 15_000, 22_000, 40_000, 120_000];
    let limits = more.map(|more| program as usize + more);
    let mut failed = 0;
    for kind in kinds {
        let backend = if kind.contains("--backend") { "" } else { "--backend cpu" };
        let arguments = format!("picture.png --steps 1 {backend} {kind}");
        let whole = limits.map(|limit| is_whole_or_says_why(&within(&studio, limit, &arguments)));
        failed += whole.iter().filter(|whole| !**whole).count();
        assert!(whole[limits.len() - 1], "{kind}");
    }
    assert!(failed >= kinds.len(), "{failed} runs had too little memory");
}

#[test]
fn a_gpu_under_any_limit_is_used_or_the_run_says_why() {
    // Only of this driver is it known how much it takes.
    if !crate::common::adapters().iter().any(|adapter| adapter.adapter.contains("llvmpipe")) {
        eprintln!("SKIPPED: no llvmpipe");
        return;
    }
    let studio = Studio::new();
    studio.put("picture.png", &gradient(16, 16));
    let limits = [100_000, 250_000, 300_000, 450_000, 600_000, 900_000, 2_000_000];
    for backend in ["gpu", "auto"] {
        let arguments = format!("picture.png --steps 2 --hidden 2x16 --backend {backend}");
        let whole = limits.map(|limit| is_whole_or_says_why(&within(&studio, limit, &arguments)));
        assert!(whole[limits.len() - 1], "{backend}");
        // With the CPU, there is enough.
        assert_eq!(whole[0], backend == "auto", "{backend}");
    }
}

#[test]
fn twelve_megapixels_are_learned_and_painted_in_900_mb() {
    let studio = Studio::new();
    let (width, height) = (4_000, 3_000);
    let mut picture = format!("P6\n{width} {height}\n255\n").into_bytes();
    let color = |i: usize| [i % width * 255 / width, i / width * 255 / height, i % 7 * 30];
    picture.extend((0..width * height).flat_map(color).map(|value| value as u8));
    fs::write(studio.path("picture.ppm"), picture).unwrap();
    let arguments = "picture.ppm --backend cpu --hidden 1x4 --steps 20 --save n.safetensors";
    let run = within(&studio, 900_000, arguments);
    assert!(run.code == Some(0) && run.stderr.is_empty(), "{run}");
    assert!(run.stdout.contains("PSNR") && run.stdout.contains("SSIM"), "{run}");
    let painted = Picture::load(studio.path("painted.png")).unwrap();
    assert_eq!((painted.width(), painted.height()), (width, height));
}

#[test]
fn a_run_whose_memory_runs_out_ends_with_what_it_has_learned() {
    let studio = Studio::with_picture();
    let limit = |id: u32, kilobytes: u64| {
        let most = format!("--as={}", kilobytes * 1024);
        let status = Command::new("prlimit").args(["--pid", &id.to_string(), &most]).status();
        assert!(status.expect("prlimit of util-linux").success());
    };
    // What is saved is a copy of some megabytes.
    let arguments = "picture.png --backend cpu --hidden 2x500 --epochs 1000000000 --save-every 3s \
                     --save run.safetensors";
    // Under a limit, all threads share a heap.
    let front = ["sh", "-c", "ulimit -v 4000000; exec \"$0\" \"$@\""];
    let mut child = behind(&studio, &front, arguments).spawn().expect("a shell");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.starts_with("cpu engine on ") {
        line.clear();
        assert!(output.read_line(&mut line).expect("a line") > 0, "it ended before training");
    }
    // The rest is read, so that the program never waits for it.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    std::thread::sleep(Duration::from_secs(1));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("its size");
    let size: u64 = size.trim().trim_end_matches(" kB").parse().expect("kilobytes");
    limit(child.id(), size + 1000);
    let run = finish(child, arguments);
    assert_eq!(run.code, Some(1), "{run}");
    let [error] = run.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{run}") };
    assert!(error.starts_with("error: ") && error.contains(" bytes, more than "), "{run}");
    let network = Network::load(studio.path("run.safetensors")).expect("a network");
    assert!(network.epochs_trained() > 0);
    assert!(studio.path("painted.png").exists(), "{run}");
}

#[test]
fn a_million_epochs_take_no_more_memory_than_ten_thousand() {
    let studio = Studio::new();
    studio.put("picture.png", &gradient(1, 1));
    let arguments = |epochs: usize| {
        format!(
            "picture.png --backend cpu --threads 1 --hidden 1 --epochs {epochs} -q --report r.json --metrics m.csv"
        )
    };
    // In steps of a megabyte.
    let least = (26..200).map(|megabytes| 1000 * megabytes);
    let least = least
        .into_iter()
        .find(|kilobytes| is_whole_or_says_why(&within(&studio, *kilobytes, &arguments(10_000))));
    let least = least.expect("200 MB are enough");
    let run = within(&studio, least + 2000, &arguments(1_000_000));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
    assert_eq!(studio.json("r.json")["training"]["epochs"], 1_000_000);
}

#[test]
fn a_row_that_is_too_long_for_memory_is_refused_before_training() {
    let studio = Studio::with_picture();
    let arguments = "picture.png --backend cpu --time 60s --hidden 8 --size 1000000000x1";
    let run = within(&studio, 200_000, arguments);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("make the picture or the network smaller"), "{run}");
    assert!(!run.stdout.contains("trained"), "{run}");
}
