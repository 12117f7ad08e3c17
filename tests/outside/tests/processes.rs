//! A test that a network predicts the same bits in the process that trained it and in another one.

use std::path::Path;
use std::process::Command;

/// The lines that the program prints.
fn lines(command: &str, file: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_outside"))
        .args([command.as_ref(), file.as_os_str()])
        .output()
        .expect("started");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command} failed:\n{text}{errors}");
    text.lines().map(String::from).collect()
}

#[test]
fn another_process_predicts_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plants.safetensors");
    let trained = lines("train", &file);
    let loaded = lines("predict", &file);
    assert_eq!(loaded.len(), 3, "{loaded:?}");
    assert!(trained.ends_with(&loaded), "{trained:?}\n{loaded:?}");

    let r2 = trained.iter().find_map(|line| line.strip_prefix("R2 ")).expect("the metric");
    assert!(r2.parse::<f64>().expect("a number") > 0.95, "{trained:?}");
}
