//! Impasto trains multilayer perceptrons on a GPU through wgpu and WGSL, or on the CPU.
//!
//! A [`Network`] is layer sizes and parameters, a [`Dataset`] its samples, an [`Engine`] the place
//! where it computes, and a [`Trainer`] what drives them:
//!
//! ```
//! use impasto::{Activation, Backend, Dataset, Network, Trainer};
//! use std::ops::ControlFlow;
//!
//! let circle = [[0.0, 0.0], [0.9, 0.1], [0.2, -0.3], [-0.8, 0.7]];
//! let inside = [[1.0], [0.0], [1.0], [0.0]];
//! let dataset = Dataset::from_rows(&circle, &inside)?;
//! let mut network =
//!     Network::builder(2).hidden(&[16, 16], Activation::Relu).output(1, Activation::Identity).build()?;
//! let engine = impasto::open(Backend::Auto, None)?;
//! let watch = |_: &_| ControlFlow::Continue(()); // receives events, and can stop the run
//! let summary = Trainer::default().fit(&engine, &mut network, &dataset, watch)?;
//! if let Some(epoch) = summary.history.last() {
//!     println!("{}: loss {} after {} epochs", engine.device(), epoch.loss, epoch.number);
//! }
//! # Ok::<(), impasto::Error>(())
//! ```
//!
//! There are three engines: [`gpu`] with WGSL kernels, [`cpu`] with SIMD on all cores, and
//! [`mod@reference`], the f64 reference that the other engines are tested against.

#![cfg_attr(
    target_arch = "wasm32",
    allow(clippy::arc_with_non_send_sync, reason = "a browser's device stays on its thread")
)]

pub mod activation;
mod any_number;
mod checkpoint;
mod dataset;
mod device;
mod dropout;
pub mod encoding;
mod engine;
mod error;
pub mod family;
#[cfg(not(target_arch = "wasm32"))]
pub mod files;
#[cfg(doctest)]
mod guide;
mod initialization;
mod layer;
pub mod loss;
mod metric;
mod network;
pub mod number;
mod opening;
pub mod optimizer;
mod permutation;
mod picture;
mod plan;
mod random;
mod resources;
pub mod schedule;
mod segment;
mod standardizer;
mod state;
mod subject;
mod summary;
mod template;
mod threads;
mod trainer;
pub mod wrapper;
mod wrappers;

pub use activation::Activation;
#[cfg(not(target_arch = "wasm32"))]
pub use checkpoint::save;
pub use checkpoint::{decode, encode, load};
pub use dataset::{Dataset, Storage};
pub use device::{Api, Backend, Device, DeviceType};
pub use encoding::Encoding;
pub use engine::{
    Compute, Divergence, Engine, KEPT, KernelTime, Outcome, Output, Pending, Plan, Session, Step,
    cpu, gpu, reference,
};
pub use error::{Error, Result};
pub use initialization::Initialization;
pub use layer::Layer;
pub use loss::Loss;
pub use metric::{Metric, Metrics};
pub use network::Network;
pub use network::builder::Builder;
pub use opening::Options;
#[cfg(not(target_arch = "wasm32"))]
pub use opening::open;
pub use optimizer::Optimizer;
pub use permutation::Permutation;
pub use picture::Picture;
pub use picture::quality::{psnr, ssim};
pub use resources::Resources;
pub use schedule::Schedule;
pub use schedule::plateau::Plateau;
pub use segment::{Segment, SegmentKind};
pub use standardizer::Standardizer;
pub use state::State;
pub use subject::Subject;
pub use summary::{Ending, Epoch, Summary};
pub use trainer::data::TrainingData;
#[cfg(not(target_arch = "wasm32"))]
pub use trainer::evaluate;
pub use trainer::stop::StopHandle;
pub use trainer::training::Training;
pub use trainer::training::saved::TrainingState;
pub use trainer::{EarlyStopping, Event, Trainer, evaluate_async};
pub use wrapper::Wrapper;
pub use wrapper::accumulate::Accumulate;
pub use wrapper::clip_norm::ClipNorm;
pub use wrapper::clip_value::ClipValue;
pub use wrapper::ema::Ema;
pub use wrapper::lookahead::Lookahead;
pub use wrappers::Wrappers;

/// Engines, runs and what they wait for can move to another thread.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn send<T: Send + ?Sized>() {}
    const fn sync<T: Sync + ?Sized>() {}
    send::<Engine>();
    sync::<Engine>();
    send::<cpu::CpuEngine>();
    send::<gpu::GpuEngine>();
    send::<reference::ReferenceEngine>();
    send::<Box<dyn Session>>();
    send::<Training>();
    send::<Pending<'static, Outcome>>();
};

#[cfg(test)]
mod tests {
    /// The Rust of README.md, which is to be the example at the top of this file.
    #[test]
    fn the_readme_has_the_example_that_is_tested_and_it_needs_no_number_of_epochs() {
        let (_, rest) = include_str!("../README.md").split_once("```rust\n").expect("an example");
        let (readme, _) = rest.split_once("```").expect("its end");
        let documented: Vec<&str> = include_str!("lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .skip_while(|line| *line != "```")
            .skip(1)
            .take_while(|line| *line != "```")
            .filter(|line| !line.starts_with("# "))
            .collect();
        assert_eq!(readme.lines().collect::<Vec<_>>(), documented);
        assert!(!readme.contains("history["), "{readme}");
    }
}
