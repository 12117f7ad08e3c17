//! Bad input: one clear line, a failing exit code, and no file left behind.

use crate::common;
use crate::pictures;
use crate::studio::{Run, Studio};
use std::time::{Duration, Instant};

/// So many epochs that a test would notice if training started.
const FOR_AGES: &str = "--epochs 1000000000";

/// Runs, and asserts that no file came, went or changed.
fn without_a_trace(studio: &Studio, arguments: &str) -> Run {
    let contents = || -> Vec<(String, Option<Vec<u8>>)> {
        let names = studio.names().into_iter();
        // Reading a pipe would wait for its writer.
        let read = |name: &String| {
            let path = studio.path(name);
            path.is_file().then(|| std::fs::read(path).ok()).flatten()
        };
        names.map(|name| (name.clone(), read(&name))).collect()
    };
    let before = contents();
    // A network or a run from a file says itself what the options of a quick run would say.
    let run =
        if arguments.starts_with("--") { studio.run(arguments) } else { studio.quick(arguments) };
    assert!(contents() == before, "{run} left {:?}", studio.names());
    run
}

/// A PNG file's start: its signature, a header for this many pixels, and some data.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    animated_png_header(width, height, None)
}

/// [`png_header`], with a number of frames.
fn animated_png_header(width: u32, height: u32, frames: Option<u32>) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        let named = [kind, data].concat();
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&named);
        bytes.extend(crc32(&named).to_be_bytes());
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    if let Some(frames) = frames {
        chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
    }
    chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]);
    chunk(b"IEND", &[]);
    bytes
}

/// The checksum of PNG chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[test]
fn pictures_that_cannot_be_read() {
    let studio = Studio::new();
    std::fs::create_dir(studio.path("folder")).unwrap();
    studio.put_bytes("empty.png", b"");
    studio.put_bytes("empty", b"");
    studio.put_bytes("notes.txt", b"ducks are birds\n");
    studio.put_bytes("notes.png", b"ducks are birds\n");
    studio.put_bytes("notes.jpg", b"ducks are birds\n");
    studio.put_bytes("huge.png", &png_header(60_000, 60_000));
    studio.put_bytes("none.png", &png_header(0, 7));
    studio.put_bytes("promising.png", &png_header(20_000, 20_000));
    let gif = [b"GIF89a".as_slice(), &[0xFF; 4], &[0x80, 0, 0], &[0; 6], b"\x2C\0\0\0\0"].concat();
    studio.put_bytes("promising.gif", &[&gif[..], &[0xFF; 4], &[0, 2, 0, 0x3B]].concat());
    let bmp = [20_000_u32, 20_000].map(u32::to_le_bytes).concat();
    let bmp =
        [b"BM".as_slice(), &[0; 8], &[54, 0, 0, 0, 40, 0, 0, 0], &bmp, &[1, 0, 24, 0]].concat();
    studio.put_bytes("promising.bmp", &[bmp, vec![0; 24]].concat());
    for (name, words) in [
        ("missing.png", &["cannot read"][..]),
        ("folder", &["directory"]),
        ("empty.png", &["empty"]),
        ("empty", &["empty"]),
        ("notes.txt", &["known format", "PNG"]),
        ("notes.png", &["decoded"]),
        ("notes.jpg", &["decoded"]),
        ("huge.png", &["60000×60000", "smaller"]),
        ("none.png", &[]),
        ("promising.png", &["20000×20000 pixels, more than its", "complete copy"]),
        ("promising.gif", &["65535×65535", "smaller"]),
        ("promising.bmp", &["20000×20000 pixels, more than its 54 bytes"]),
    ] {
        let words = [&[name], words].concat();
        let clock = Instant::now();
        without_a_trace(&studio, &format!("{name} {FOR_AGES}")).failed_saying(&words);
        assert!(clock.elapsed() < Duration::from_secs(10), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_and_files_that_block_are_not_waited_for() {
    let studio = Studio::with_picture();
    let made = std::process::Command::new("mkfifo").arg(studio.path("pipe.png")).status();
    assert!(made.unwrap().success());
    studio.put_bytes("short.safetensors", &[1; 20]);
    let clock = Instant::now();
    let pipe = "a pipe or a device, no regular file: save its contents to a file first";
    for (arguments, words) in [
        ("pipe.png", &["pipe.png", pipe][..]),
        ("/dev/zero", &["/dev/zero", pipe]),
        ("pipe.png --video", &["pipe.png", pipe]),
        ("picture.png --mask pipe.png", &["pipe.png", pipe]),
        ("picture.png --start pipe.png", &["pipe.png", pipe]),
        ("--repaint pipe.png", &["pipe.png", pipe]),
        ("--repaint /dev/zero", &["/dev/zero", pipe]),
        ("--resume pipe.png", &["pipe.png", pipe]),
        ("--repaint short.safetensors", &["short.safetensors", "cut short"]),
        ("picture.png --config /dev/zero", &["/dev/zero", "more than 1048576 bytes"]),
        // Of 0 bytes by its metadata.
        ("/proc/version", &["/proc/version", "empty"]),
        ("--repaint /proc/version", &["/proc/version", "empty"]),
        ("picture.png --config /proc/version", &["/proc/version", "empty"]),
        // It blocks, or the user may not open it.
        ("/proc/kmsg", &["/proc/kmsg"]),
        ("--repaint /proc/kmsg", &["/proc/kmsg"]),
        ("picture.png --config /proc/kmsg", &["/proc/kmsg"]),
    ] {
        without_a_trace(&studio, arguments).failed_saying(words);
    }
    assert!(clock.elapsed() < Duration::from_secs(60));
}

#[test]
fn animations_of_no_number_of_frames() {
    let studio = Studio::new();
    for (frames, words) in [
        (None, &["single frame"][..]),
        (Some(0), &["says that it has 0 frames"]),
        (Some(u32::MAX), &["says that it has 4294967295 frames", "complete copy"]),
        (Some(1 << 30), &["cannot be decoded"]),
    ] {
        studio.put_bytes("a.png", &animated_png_header(4, 4, frames));
        without_a_trace(&studio, "a.png --video").failed_saying(words);
    }
}

#[test]
fn pictures_that_end_too_early() {
    for format in ["png", "jpg", "gif", "webp", "bmp", "tiff", "tga", "qoi", "ppm"] {
        let studio = Studio::new();
        let name = format!("whole.{format}");
        studio.put(&name, &pictures::stones(40, 30));
        let bytes = studio.bytes(&name);
        std::fs::remove_file(studio.path(&name)).unwrap();
        for length in [bytes.len() / 2, bytes.len() * 9 / 10] {
            let name = format!("short.{format}");
            studio.put_bytes(&name, &bytes[..length]);
            without_a_trace(&studio, &format!("{name} {FOR_AGES}")).failed_saying(&[&name]);
        }
    }
}

#[test]
fn outputs_that_cannot_be_written_are_found_before_training() {
    let studio = Studio::with_picture();
    std::fs::create_dir(studio.path("folder.png")).unwrap();
    studio.put_bytes("locked.png", b"kept");
    let mut permissions = std::fs::metadata(studio.path("locked.png")).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(studio.path("locked.png"), permissions).unwrap();
    for (options, words) in [
        ("--output nowhere/duck.png", &["nowhere/duck.png", "no folder nowhere"][..]),
        ("--output picture.png/duck.png", &["picture.png/duck.png", "no folder"]),
        ("--output folder.png", &["folder.png", "directory"]),
        ("--output locked.png", &["locked.png", "read-only"]),
        ("--output duck.txt", &["duck.txt", ".png"]),
        ("--output duck", &["duck", ".png"]),
        ("--output picture.png", &["picture.png", "both the input and the painting"]),
        ("--output ./picture.png", &["picture.png", "both the input and the painting"]),
        ("--report nowhere/run.json", &["nowhere/run.json", "no folder"]),
        ("--report painted.png", &["painted.png", "both the painting and the report"]),
        ("--report ./painted-comparison.png", &["painted-comparison.png", "sheet and the report"]),
        ("--report picture.png", &["picture.png", "both the input and the report"]),
        ("--report run --save run", &["run", "both the report and the saved network"]),
        ("--save nowhere/net.safetensors", &["nowhere/net.safetensors", "no folder"]),
        ("--save folder.png", &["folder.png", "directory"]),
    ] {
        without_a_trace(&studio, &format!("picture.png {FOR_AGES} {options}")).failed_saying(words);
    }
}

#[test]
fn formats_that_cannot_hold_the_painting_or_its_sheet() {
    for (picture, output, words) in [
        (pictures::soft_disc(8, 8), "duck.jpg", &["duck.jpg", "RGBA", ".png"][..]),
        (pictures::deep_gradient(8, 8), "duck.bmp", &["duck.bmp", "16-bit", ".png"]),
        (pictures::gradient(100, 8), "duck.ico", &["duck-comparison.ico", "256×256", "308×8"]),
        (pictures::gradient(6000, 1), "duck.webp", &["duck-comparison.webp", "16383"]),
    ] {
        let studio = Studio::new();
        studio.put("picture.png", &picture);
        let arguments = format!("picture.png {FOR_AGES} --output {output}");
        without_a_trace(&studio, &arguments).failed_saying(words);
    }
}

#[test]
fn an_output_that_cannot_be_kept_costs_no_other() {
    if !cfg!(target_os = "linux") {
        return; // there is no /dev/full to be had elsewhere
    }
    let studio = Studio::with_picture();
    let run = studio.quick("picture.png --save /dev/full --report run.json");
    assert_eq!(run.code, Some(1), "{run}");
    // The network is in the data folder.
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(
        matches!(lines[..], [warning, error] if warning.starts_with("warning: the network was saved as")
        && error.starts_with("error: ") && error.contains("/dev/full")),
        "{run}"
    );
    assert_eq!(studio.picture("painted.png").width(), 24);
    assert!(studio.json("run.json")["result"]["psnr_db"].is_f64());
}

#[test]
fn options_that_make_no_sense() {
    let studio = Studio::with_picture();
    for (options, words) in [
        ("--epochs 0", &["epoch"][..]),
        ("--batch 0", &["batch"]),
        ("--learning-rate NaN", &["learning rate", "NaN"]),
        ("--learning-rate 0", &["learning rate", "0"]),
        ("--learning-rate -1", &["learning rate", "-1"]),
        ("--learning-rate inf", &["learning rate", "inf"]),
        ("--activation softmax", &["softmax", "relu"]),
        ("--activation step", &["step", "sigmoid"]),
        ("--hidden 1000x100000", &["100000", "narrower"]),
        (
            "--hidden 1x100000000",
            &["layer 1 (2 × 100000000) needs 2400000000 bytes and the limit is 2147483648"],
        ),
        ("--adapter no-such-adapter", &["no-such-adapter", "gpu"]),
    ] {
        without_a_trace(&studio, &format!("picture.png {options}")).failed_saying(words);
    }
}

#[test]
fn an_unknown_adapter_is_answered_with_those_there_are() {
    let studio = Studio::with_picture();
    let adapters = common::adapters();
    let known = adapters.first().map_or("mesa-vulkan-drivers", |adapter| &adapter.adapter);
    for backend in ["gpu", "auto"] {
        let options = format!("picture.png --backend {backend} --adapter no-such-adapter");
        without_a_trace(&studio, &options).failed_saying(&[known]);
    }
}

#[test]
fn options_that_cannot_be_read() {
    let studio = Studio::with_picture();
    for (options, words) in [
        ("--hidden 0x100", &["0x100", "--hidden", "at least 1"][..]),
        ("--hidden 10x0", &["10x0", "--hidden", "at least 1"]),
        ("--hidden abc", &["abc", "--hidden", "10x100"]),
        ("--hidden 8,,8", &["--hidden", "10x100"]),
        ("--hidden 99999999x1", &["99999999x1", "--hidden", "1000"]),
        ("--epochs many", &["many", "--epochs"]),
        ("--epochs -3", &["-3", "--epochs"]),
        ("--batch -3", &["-3", "--batch"]),
        ("--batch 1.5", &["1.5", "--batch"]),
        ("--learning-rate fast", &["fast", "--learning-rate"]),
        ("--seed -1", &["-1", "--seed"]),
        ("--size 3x3 --classify", &["--size", "--classify"]),
        ("--profile --backend reference", &["--profile", "GPU engine", "--backend reference"]),
        ("--backend tpu", &["tpu", "auto, gpu, cpu, reference"]),
        ("--schedule linear", &["linear", "constant, cosine, step, inverse, plateau, exponential"]),
        ("--encoding wave", &["wave", "identity, frequency, fourier"]),
        ("--tint blue", &["--tint"]),
        ("another.png", &["another.png"]),
        ("--repaint net.safetensors", &["--repaint"]),
    ] {
        without_a_trace(&studio, &format!("picture.png {options}")).misused_saying(words);
    }
    let run = studio.run("");
    run.misused_saying(&["IMAGE"]);
}

#[test]
fn usage_is_the_same_in_errors_as_in_help() {
    let studio = Studio::with_picture();
    let usage = |text: &str| {
        let (_, rest) = text.split_once("\nUsage: ").expect("a usage");
        rest.split("\n\n").next().unwrap().to_string()
    };
    let help = usage(&studio.run("--help").succeeded().stdout);
    for way in ["paint [OPTIONS] <IMAGE>", "paint [OPTIONS] --repaint <FILE.safetensors>"] {
        assert!(help.lines().any(|line| line.trim() == way), "{help}");
    }
    for arguments in [
        "",
        "--quiet",
        "--size 3x3",
        "picture.png --size 3x3 --classify",
        "picture.png --repaint net.safetensors",
        "--repaint net.safetensors --learning-rate 1 --seed 3",
        "picture.png --tint blue",
        "picture.png another.png",
    ] {
        let run = studio.run(arguments).misused_saying(&[]);
        assert_eq!(usage(&run.stderr), help, "{run}");
    }
    // What excludes each other is never asked for at once.
    let run = studio.run("--size 3x3");
    assert!(!run.stderr.contains("  --repaint <FILE.safetensors>\n  <IMAGE>\n"), "{run}");
}

#[test]
fn mistakes_are_found_before_an_engine_is_opened() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors").succeeded();
    for (arguments, words) in [
        ("nothere.jpg", &["nothere.jpg"][..]),
        ("picture.png --epochs 0", &["epochs"]),
        ("picture.png --output nowhere/duck.png", &["nowhere/duck.png"]),
        ("picture.png --report nowhere/run.json", &["nowhere/run.json"]),
        ("--repaint nothere", &["nothere"]),
        ("--repaint net.safetensors --output nowhere/duck.png", &["nowhere/duck.png"]),
        ("--repaint net.safetensors --size 100000x100000", &["100000×100000"]),
    ] {
        // Opening an engine would fail too.
        let run = studio.run(&format!("{arguments} --backend gpu --adapter no-such-adapter"));
        assert_eq!(run.failed_saying(words).stdout, "", "{arguments}");
    }
    let run = studio.run("picture.png --profile --backend reference");
    assert_eq!(run.misused_saying(&["--profile", "reference"]).stdout, "");
}

#[test]
fn saved_networks_that_cannot_be_used() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors -o x.png").succeeded();
    let bytes = studio.bytes("net.safetensors");
    std::fs::create_dir(studio.path("folder")).unwrap();
    studio.put_bytes("empty", b"");
    studio.put_bytes("text", b"ducks are birds, and this is longer than a header's length");
    studio.put_bytes("half", &bytes[..bytes.len() / 2]);
    studio.put_bytes("short", &bytes[..bytes.len() - 1]);
    let header = br#"{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let foreign = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    studio.put_bytes("foreign", &foreign);
    let network =
        impasto::Network::builder(2).output(3, impasto::Activation::Identity).build().unwrap();
    network.save(studio.path("plain")).unwrap();
    for (subject, name) in [
        (
            r#"{"width":2,"height":2,"channels":4,"maximum":255,"centered":true,"classify":false}"#,
            "unfit",
        ),
        (
            r#"{"width":2,"height":2,"channels":3,"maximum":7,"centered":true,"classify":false}"#,
            "maximum",
        ),
        (
            r#"{"width":0,"height":2,"channels":3,"maximum":255,"centered":true,"classify":false}"#,
            "0×2",
        ),
        (
            r#"{"width":9000000000000000000,"height":9000000000000000000,"channels":3,"maximum":255,"centered":true,"classify":false}"#,
            "endless",
        ),
        ("{}", "blank"),
    ] {
        network.save_with(studio.path(name), [("picture", subject)]).unwrap();
    }
    for (name, words) in [
        ("missing", &["missing"][..]),
        ("folder", &["folder"]),
        ("empty", &["the file is empty"]),
        ("text", &["text", "not a network"]),
        ("half", &["half", "not a network"]),
        ("short", &["short", "not a network"]),
        ("foreign", &["foreign", "not a network", "no matrix"]),
        ("plain", &["plain", "--save", "--size"]),
        ("unfit", &["unfit", "does not fit"]),
        ("maximum", &["7"]),
        ("0×2", &["0×2"]),
        ("endless", &["smaller"]),
        ("blank", &["blank"]),
    ] {
        let run = repaint_without_a_trace(&studio, &format!("--repaint {name} --backend cpu"));
        run.failed_saying(words);
    }
    for (size, words) in [
        ("0x10", &["0x10"][..]),
        ("10x0", &["10x0"]),
        ("10", &["10", "640x480"]),
        ("axb", &["axb", "640x480"]),
        ("99999999999999999999x1", &["99999999999999999999x1"]),
    ] {
        let arguments = format!("--repaint net.safetensors --backend cpu --size {size}");
        repaint_without_a_trace(&studio, &arguments).misused_saying(words);
    }
    let arguments = "--repaint net.safetensors --backend cpu --size 100000x100000";
    repaint_without_a_trace(&studio, arguments).failed_saying(&["100000×100000", "smaller"]);
}

/// As [`without_a_trace`], with these arguments and no others.
fn repaint_without_a_trace(studio: &Studio, arguments: &str) -> Run {
    let before = studio.names();
    let run = studio.run(arguments);
    assert_eq!(studio.names(), before, "{run}");
    run
}

#[test]
fn the_advice_after_a_divergence_helps() {
    for rate in ["10", "1e30"] {
        let studio = Studio::with_picture();
        let options = "--hidden 10x100 --epochs 60";
        let run = studio.quick(&format!("picture.png {options} --learning-rate {rate}"));
        let said = run.failed_saying(&["diverged", "try a learning rate of"]).stderr;
        let (_, advice) = said.split_once("try a learning rate of ").unwrap();
        let rate = advice.split(' ').next().unwrap();
        studio.quick(&format!("picture.png {options} --learning-rate {rate}")).succeeded();
    }
}

#[test]
fn a_run_that_learned_nothing_says_so() {
    let studio = Studio::with_picture();
    let options = "--hidden 20x50 --steps 150 --activation sigmoid --learning-rate 0.002";
    let run = studio.quick(&format!("picture.png {options}")).succeeded();
    let note = "note: the painting is of one color, so nothing was learned: try it without \
                --activation sigmoid, --learning-rate 0.002, the limit of 150 steps\n";
    assert!(run.stdout.ends_with(note), "{run}");
    let run = studio.quick(&format!("picture.png {options} --quiet")).succeeded();
    assert_eq!(run.stdout, "");
    // As the note advises.
    let run = studio.run("picture.png --backend cpu --hidden 10x100").succeeded();
    assert!(!run.stdout.contains("note: "), "{run}");
    // A picture of one color is learned.
    let white = impasto::Picture::new(8, 8, 3, 255, vec![255; 192]).unwrap();
    studio.put("white.png", &white);
    let run = studio.quick("white.png -o white-painted.png").succeeded();
    assert!(!run.stdout.contains("note: "), "{run}");
}

#[test]
fn a_divergence_is_reported_and_what_was_learned_is_painted() {
    let studio = Studio::with_picture();
    let outputs = "--report run.json --save net.safetensors";
    let run = studio.quick(&format!("picture.png --learning-rate 1e30 --epochs 50 {outputs}"));
    run.failed_saying(&["diverged", "step", "epoch", "try a learning rate of"]);
    assert_eq!(studio.picture("painted.png").width(), 24);
    assert_eq!(studio.picture("painted-comparison.png").width(), 80);
    let report = studio.json("run.json");
    assert!(report["training"]["epochs"].as_u64() < Some(50), "{report}");
    assert!(report["result"]["psnr_db"].is_f64(), "{report}");
    studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
    assert!(studio.bytes("again.png") == studio.bytes("painted.png"));
}
