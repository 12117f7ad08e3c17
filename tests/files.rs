//! Files of networks and runs: those of other programs, of older versions, and damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "files/foreign.rs"]
mod foreign;

use std::path::PathBuf;

/// A file in `tests/fixtures/files`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)
}
