//! The program `paint` under injected faults: failing and slow system calls, signals at random moments, full disks,
//! limits of the system, mounts, links and pipes.
//!
//! Each test has a fixed seed. `IMPASTO_FAULTS=1000 cargo test --release --test faults -- --nocapture` injects a thousand
//! faults of each kind instead of a few.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared modules have more than this program needs")]
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../pictures/mod.rs"]
mod pictures;
#[path = "../paint/studio.rs"]
mod studio;

mod caches;
mod endings;
mod harness;
mod kills;
mod memory;
mod places;
mod system_calls;
