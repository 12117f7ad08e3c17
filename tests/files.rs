//! Files of networks and runs: those of other programs, of older versions, and damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "files/damage.rs"]
mod damage;
#[path = "files/foreign.rs"]
mod foreign;
#[path = "files/older.rs"]
mod older;

use impasto::Dataset;
use std::path::PathBuf;

/// A file in `tests/fixtures/files`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)
}

/// The samples of the saved runs.
fn samples() -> Dataset {
    let rows: Vec<[f64; 2]> =
        (0..40).map(|i| [f64::from(i) / 40.0, f64::from(i % 7) / 7.0]).collect();
    let targets: Vec<[f64; 1]> = rows.iter().map(|[x, y]| [(3.0 * x).sin() * y]).collect();
    Dataset::from_rows(&rows, &targets).unwrap()
}
