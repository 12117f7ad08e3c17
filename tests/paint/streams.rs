//! `-` as standard input and standard output.

use crate::studio::{Studio, quick};
use impasto::Picture;

/// A run that succeeded: what it wrote to standard output.
fn output(studio: &Studio, input: Option<&str>, arguments: &str) -> Vec<u8> {
    let run = studio.pipe(input, arguments);
    assert_eq!(run.code, Some(0), "{arguments}: {}", run.stderr);
    run.stdout
}

#[test]
fn a_picture_comes_from_standard_input() {
    let studio = Studio::with_picture();
    let named = output(&studio, None, &quick("picture.png -o a.png"));
    let read = output(&studio, Some("picture.png"), &quick("- -o b.png --report run.json"));
    assert!(studio.bytes("a.png") == studio.bytes("b.png"));
    assert!(String::from_utf8(named).unwrap().starts_with("picture.png: 24×18 "));
    assert!(String::from_utf8(read).unwrap().starts_with("standard input: 24×18 "));
    studio.put_bytes("text", b"ducks are birds");
    let run = studio.pipe(Some("text"), &quick("-"));
    assert_eq!((run.code, run.stderr.lines().count()), (Some(1), 1), "{}", run.stderr);
    assert!(run.stderr.contains("standard input"), "{}", run.stderr);
}

#[test]
fn each_output_can_be_standard_output_and_lines_go_elsewhere() {
    let studio = Studio::with_picture();
    let plain = "picture.png --report run.json --save net.safetensors";
    studio.quick(plain).succeeded();

    let run = studio.pipe(None, &quick("picture.png -o -"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout == studio.bytes("painted.png"), "as PNG");
    assert!(run.stderr.contains("\npainted to standard output: PSNR "), "{}", run.stderr);

    let network = output(&studio, None, &quick("picture.png -o a.png --save -"));
    assert!(network == studio.bytes("net.safetensors"));

    let report =
        output(&studio, None, &quick("picture.png -o a.png --save b.safetensors --report -"));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["result"], studio.json("run.json")["result"]);

    let painted = studio.bytes("painted.png");
    let repaint = "--repaint - --backend cpu -o -";
    assert!(output(&studio, Some("net.safetensors"), repaint) == painted);
    let arguments = quick("picture.png --start - -o b.png");
    output(&studio, Some("net.safetensors"), &arguments);
    let names = studio.names();
    assert!(!names.contains(&"-".to_string()) && names.contains(&"b.png".to_string()), "{names:?}");
}

#[test]
fn two_for_one_stream_are_refused() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors").succeeded();
    for arguments in ["picture.png -o - --report -", "picture.png --save - --report -"] {
        let run = studio.quick(arguments);
        run.failed_saying(&["two outputs", "standard output"]);
    }
    let run = studio.quick("- --start -");
    run.failed_saying(&["the picture and the network", "standard input"]);
}

#[test]
fn a_file_of_that_name_is_named_with_its_folder() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --report ./-").succeeded();
    assert!(studio.json("-")["result"]["psnr_db"].is_f64());
    std::fs::rename(studio.path("picture.png"), studio.path("-")).unwrap();
    studio.quick("./- -o a.png").succeeded();
    assert_eq!(Picture::load(studio.path("a.png")).unwrap().width(), 24);
}
