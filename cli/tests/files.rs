//! `impasto info` and `impasto repaint` on files of this library, of other programs, and bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod common;

use common::{impasto, impasto_with, printed, refused, text};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A folder with `picture.png` of 12×8 pixels, and the network `picture.safetensors` that was trained on it.
fn painted(options: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let values = (0..12 * 8 * 3).map(|value| value % 256).collect();
    let picture = impasto::Picture::new(12, 8, 3, 255, values).unwrap();
    picture.save(folder.path().join("picture.png")).unwrap();
    let paint = "paint picture.png --backend cpu --hidden 2x8 --quiet";
    printed(folder.path(), &format!("{paint} {options}"));
    folder
}

/// What follows a name in aligned lines.
fn value<'a>(lines: &'a str, name: &str) -> &'a str {
    let line = lines.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.expect(name)[name.len()..].trim_start()
}

fn json_of(folder: &Path, file: &str) -> Value {
    serde_json::from_str(&printed(folder, &format!("info {file} --json"))).unwrap()
}

#[test]
fn a_network_of_a_picture_is_described() {
    let folder = painted("--epochs 2 --encoding frequency --save picture.safetensors");
    let folder = folder.path();
    let lines = printed(folder, "info picture.safetensors");
    assert!(value(&lines, "network").starts_with("2 → 24 (frequency) → 2×8 → 3, relu, 299 "));
    assert_eq!(value(&lines, "encoding"), "frequency:octaves=6");
    assert_eq!(value(&lines, "trained"), "2 epochs");
    assert_eq!(value(&lines, "precision"), "F32, 32 bits a number");
    assert_eq!(value(&lines, "picture"), "12×8 pixels, 3 channels of 8 bits");
    let starts = lines.lines().map(|line| {
        let name = line.split_whitespace().next().unwrap().len();
        name + line[name..].len() - line[name..].trim_start().len()
    });
    assert!(starts.clone().all(|start| Some(start) == starts.clone().next()), "{lines}");
    let described = json_of(folder, "picture.safetensors");
    assert_eq!(described["network"]["parameters"], 299);
    assert_eq!(described["picture"]["width"], 12);
    assert_eq!(described["run"], Value::Null);
    assert_eq!(described["tensors"][1]["shape"], json!([8, 24]));
}

#[test]
fn a_run_is_described() {
    let folder = painted("--steps 30 --save-every 10steps --save run.safetensors");
    let folder = folder.path();
    let lines = printed(folder, "info run.safetensors");
    assert!(value(&lines, "run").starts_with("30 of 30 steps, "), "{lines}");
    let training = "mean-squared-error with adam, learning rate 0.002, schedule cosine";
    assert_eq!(value(&lines, "training"), training);
    assert!(value(&lines, "loss").contains(", at best 0."), "{lines}");
    let described = json_of(folder, "run.safetensors");
    assert_eq!(described["run"]["steps"], 30);
    assert_eq!(described["run"]["trainer"]["optimizer"]["adam"]["beta1"], 0.9);
    assert_eq!(described["texts"], json!({}));
}

#[test]
fn a_network_of_a_table_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows =
        (0..30).map(|row| format!("{row},{},{}\n", ["a", "b"][row % 2], ["no", "yes"][row / 15]));
    let table = ["x,letter,answer\n".to_string()].into_iter().chain(rows).collect::<Vec<_>>();
    fs::write(folder.join("t.csv"), table.concat()).unwrap();
    printed(folder, "fit t.csv --target answer --epochs 2 --quiet --backend cpu");
    let lines = printed(folder, "info t.safetensors");
    assert_eq!(value(&lines, "task"), "classification");
    assert_eq!(value(&lines, "predicts"), "answer (no, yes)");
    assert_eq!(value(&lines, "from"), "x, letter (a, b)");
    assert_eq!(value(&lines, "output"), "softmax");
    let described = json_of(folder, "t.safetensors");
    assert_eq!(described["table"]["targets"][0]["values"], json!(["no", "yes"]));
}

#[test]
fn files_of_other_programs_are_listed() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/files");
    let lines = printed(&files, "info sequential-no-meta.safetensors");
    assert_eq!(value(&lines, "contents"), "6 tensors, 371 numbers");
    assert_eq!(value(&lines, "2.weight"), "F32 [16, 16]");
    let lines = printed(&files, "info network-0.1.safetensors");
    assert!(lines.contains("text 'note'  a text\n"), "{lines}");
    let described = json_of(&files, "f16.safetensors");
    assert_eq!(described["tensors"][0]["type"], "F16");
}

#[test]
fn bad_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let whole = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    let long = [&16_777_217_u64.to_le_bytes()[..], &vec![b' '; 16_777_217]].concat();
    for (name, bytes, message) in [
        ("empty", &[][..], "the file is empty"),
        ("short", b"seven b", "it is no safetensors file"),
        ("long", &long, "its header has 16777217 bytes, more than 16777216"),
        ("text", b"a text that is no network", "it is no safetensors file, or was cut short"),
        ("pickle", b"PK\x03\x04 and more", "it is a pickle, as torch.save writes it"),
        ("cut", &whole[..whole.len() - 4], "'a' is not within the file, which may be cut short"),
        ("no-json", &[&8_u64.to_le_bytes()[..], b"no json!"].concat(), "its header: "),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
        let error = refused(folder, &format!("info {name}"));
        assert!(error.contains(message), "{message}: {error}");
    }
    fs::write(folder.join("whole"), whole).unwrap();
    assert!(printed(folder, "info whole").contains("a          F32 [2]\n"));
    assert!(refused(folder, "info missing").contains("cannot read missing"));
    assert!(refused(folder, "info .").contains("it is a directory: name a file in it"));
    // A file of this library that was changed.
    let network = impasto::Network::builder(1).output(1, impasto::Activation::Identity).build();
    let mut bytes = network.unwrap().encode_with([("table", "{}")]).unwrap();
    fs::write(folder.join("table"), &bytes).unwrap();
    assert!(refused(folder, "info table").contains("its 'table' entry: "));
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(folder.join("changed"), &bytes).unwrap();
    assert!(refused(folder, "info changed").contains("checksum"));
}

#[test]
fn repaint_is_paint_repaint() {
    let folder = painted("--epochs 2 --save picture.safetensors");
    let folder = folder.path();
    let options = "--size 24x16 --backend cpu --threads 1";
    let short = printed(folder, &format!("repaint picture.safetensors -o a.png {options}"));
    let long = printed(folder, &format!("paint --repaint picture.safetensors -o a.png {options}"));
    assert!(short == long && short.contains("painted a.png at 24×16"), "{short}{long}");
    // A part of a larger painting, with a report.
    let options = "--scale 2 --region 1,2,6,4 --backend cpu --threads 1";
    let [short, long] = ["repaint", "paint --repaint"].map(|command| {
        let report = format!("-o b.png --report b.json {options}");
        let said = printed(folder, &format!("{command} picture.safetensors {report}"));
        assert!(said.contains("painted b.png at 6×4"), "{said}");
        fs::remove_file(folder.join("b.json")).unwrap();
        fs::read(folder.join("b.png")).unwrap()
    });
    assert!(short == long);
    let piped = fs::read(folder.join("picture.safetensors")).unwrap();
    let piped = impasto_with(folder, "repaint - -o - --quiet --backend cpu", &piped);
    assert!(piped.stdout.starts_with(b"\x89PNG"), "{}", text(&piped.stderr));
    assert!(refused(folder, "repaint picture.png").contains("not a network"));
    for mistake in ["--size big", "--size -5x3", "--size 4x4 --scale 2", "--tint blue", ""] {
        let file = if mistake.is_empty() { "" } else { "picture.safetensors" };
        let output = impasto(folder, &format!("repaint {file} {mistake}"));
        assert_eq!(output.status.code(), Some(2), "{mistake}");
        let error = text(&output.stderr);
        let usage = "Usage: impasto repaint ";
        assert!(mistake.starts_with("--size") || error.contains(usage), "{mistake}: {error}");
    }
}
