//! The command line of `paint`, tested as a program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;
mod pictures;

#[path = "paint/bits.rs"]
mod bits;
#[path = "paint/budgets.rs"]
mod budgets;
#[path = "paint/components.rs"]
mod components;
#[path = "paint/configurations.rs"]
mod configurations;
#[path = "paint/engines.rs"]
mod engines;
#[path = "paint/frames.rs"]
mod frames;
#[path = "paint/interruptions.rs"]
mod interruptions;
#[path = "paint/large.rs"]
mod large;
#[path = "paint/masks.rs"]
mod masks;
#[path = "paint/metrics.rs"]
mod metrics;
#[path = "paint/options.rs"]
mod options;
#[path = "paint/preview.rs"]
mod preview;
#[path = "paint/quality.rs"]
mod quality;
#[path = "paint/refusals.rs"]
mod refusals;
#[path = "paint/report.rs"]
mod report;
#[path = "paint/start.rs"]
mod start;
#[path = "paint/streams.rs"]
mod streams;
#[path = "paint/studio.rs"]
mod studio;
#[path = "paint/subjects.rs"]
mod subjects;
#[path = "paint/videos.rs"]
mod videos;
