//! Impasto trains multilayer perceptrons on a GPU through wgpu and WGSL, or on the CPU.
//!
//! A [`Network`] contains layers and their parameters. A [`Dataset`] contains the samples that it learns
//! from. An [`Engine`] computes, on a GPU or on the CPU. A [`Trainer`] contains the settings of training, and
//! trains:
//!
//! ```
//! use impasto::{Activation, Backend, Dataset, Engine, Network, Trainer};
//!
//! let circle = [[0.0, 0.0], [0.9, 0.1], [0.2, -0.3], [-0.8, 0.7]];
//! let inside = [[1.0], [0.0], [1.0], [0.0]];
//! let dataset = Dataset::from_rows(&circle, &inside)?;
//! let mut network = Network::builder(2)
//!     .hidden(&[16, 16], Activation::Relu)
//!     .output(1, Activation::Identity)
//!     .build()?;
//! let engine = Engine::open(Backend::Auto)?;
//! let summary = Trainer::default().fit(&engine, &mut network, &dataset)?;
//! if let Some(epoch) = summary.history.last() {
//!     println!("{}: loss {} after {} epochs", engine.device(), epoch.loss, epoch.number);
//! }
//! # Ok::<(), impasto::Error>(())
//! ```
//!
//! There are three engines: [`gpu`] with WGSL kernels, [`cpu`] with SIMD on all cores, and
//! [`mod@reference`], the f64 reference that the other engines are tested against.
//!
//! # Features
//!
//! The first four are on by default. With `default-features = false` the crate trains on the CPU, on one
//! thread, and has few dependencies.
//!
//! | feature | what it adds | dependencies | without it |
//! |---|---|---|---|
//! | `gpu` | the GPU engine | `wgpu`, `naga`, `futures-intrusive`, `dirs`, `tempfile` | [`Backend::Auto`] opens the CPU engine, and [`Backend::Gpu`] is an error |
//! | `pictures` | [`Picture`], [`Subject`], [`Video`] and painting, [`psnr`], [`ssim`] and [`ms_ssim`] | `image`, `moxcms`, `png`, `tiff`, `rustix`, `tempfile` | these are missing; [`Dataset::from_pixels`] is there |
//! | `safetensors` | [`Network::save`], [`load`](Network::load), [`encode`](Network::encode) and [`decode`](Network::decode), [`TrainingState::save`] and [`load`](TrainingState::load) | `safetensors`, `rustix`, `tempfile` | these are missing; parameters and training states can be kept in memory |
//! | `threads` | training and prediction on all cores, and training beside the caller | `rayon`, `futures-intrusive` | the CPU engine works on the calling thread |
//! | `exr` (off) | [`Picture`] reads OpenEXR | `exr` | such files are refused |
//! | `ndarray` (off) | `Dataset::from_arrays` | `ndarray` | slices and vectors |
//! | `relaxed-simd` (off) | in WebAssembly, a product and an addition in one instruction | | two instructions |
//!
//! `pictures` reads and writes PNG, JPEG and TIFF. A program that depends on `image` itself, with more formats,
//! gets these formats here too: `image = { version = "0.25", default-features = false, features = ["webp"] }`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    target_arch = "wasm32",
    allow(clippy::arc_with_non_send_sync, reason = "a browser's device stays on its thread")
)]

#[cfg(test)]
mod accuracy;
pub mod activation;
mod activation_fn;
mod any_number;
mod backpropagation;
#[cfg(feature = "safetensors")]
mod checkpoint;
#[cfg(any(feature = "gpu", feature = "safetensors"))]
mod checksum;
pub mod config;
mod custom_formula;
mod dataset;
mod device;
mod dropout;
pub mod encoding;
mod engine;
mod error;
pub mod family;
#[cfg(all(
    not(target_arch = "wasm32"),
    any(feature = "gpu", feature = "pictures", feature = "safetensors")
))]
pub mod files;
mod gradients;
pub mod grid;
#[cfg(all(
    doctest,
    feature = "gpu",
    feature = "pictures",
    feature = "safetensors",
    feature = "threads"
))]
mod guide;
mod initialization;
#[cfg(any(feature = "pictures", feature = "safetensors"))]
pub mod input;
pub mod input_encoding;
mod layer;
pub mod loss;
mod loss_fn;
pub mod memory;
mod metric;
mod model;
mod network;
pub mod number;
mod opening;
pub mod optimizer;
mod permutation;
#[cfg(feature = "pictures")]
mod picture;
mod plan;
mod random;
mod real;
mod resources;
pub mod schedule;
mod schedule_fn;
mod segment;
mod standardizer;
mod state;
mod stop;
mod summary;
#[cfg(feature = "gpu")]
mod template;
mod threads;
mod trainer;
#[cfg(feature = "gpu")]
mod wgsl;
pub mod wrapper;
mod wrappers;

#[doc(inline)]
pub use activation::Activation;
pub use activation_fn::ActivationFn;
#[cfg(feature = "safetensors")]
pub use checkpoint::bits::ParameterBits;
#[cfg(feature = "safetensors")]
pub use checkpoint::import::Import;
pub use config::Configuration;
pub use custom_formula::CustomFormula;
pub use dataset::{Dataset, Storage};
pub use device::{Api, Backend, Device, DeviceType};
#[doc(inline)]
pub use encoding::Encoding;
pub use engine::{
    CandidateTime, Compute, Divergence, Engine, KEPT, KernelTime, Outcome, Output, Pending, Plan,
    Prepared, Session, Step, cpu, gpu, reference,
};
pub use error::{Error, Result};
pub use gradients::{Gradients, Wanted};
pub use initialization::Initialization;
pub use input_encoding::InputEncoding;
pub use layer::Layer;
#[doc(inline)]
pub use loss::Loss;
pub use loss_fn::LossFn;
pub use metric::{Metric, Metrics};
pub use model::Model;
pub use network::Network;
pub use network::builder::Builder;
pub use opening::Options;
#[doc(inline)]
pub use optimizer::Optimizer;
pub use permutation::Permutation;
#[cfg(all(feature = "pictures", not(target_arch = "wasm32")))]
pub use picture::stream::Region;
#[cfg(feature = "pictures")]
pub use picture::{
    Picture, Pixel,
    comparison::Comparison,
    mask::Mask,
    multiscale::ms_ssim,
    quality::{pixel_accuracy, psnr, ssim},
    subject::Subject,
    video::Video,
};
pub use resources::Resources;
#[doc(inline)]
pub use schedule::Schedule;
#[doc(inline)]
pub use schedule::plateau::Plateau;
pub use schedule_fn::ScheduleFn;
pub use segment::{Segment, SegmentKind};
pub use standardizer::Standardizer;
pub use state::{LossScale, State};
pub use stop::StopHandle;
pub use summary::{Ending, Epoch, Summary};
pub use trainer::data::TrainingData;
#[cfg(not(target_arch = "wasm32"))]
pub use trainer::evaluate;
pub use trainer::training::Training;
pub use trainer::training::saved::TrainingState;
pub use trainer::{EarlyStopping, Event, Trainer, evaluate_async};
#[doc(inline)]
pub use wrapper::Wrapper;
#[doc(inline)]
pub use wrapper::accumulate::Accumulate;
#[doc(inline)]
pub use wrapper::clip_norm::ClipNorm;
#[doc(inline)]
pub use wrapper::clip_value::ClipValue;
#[doc(inline)]
pub use wrapper::ema::Ema;
#[doc(inline)]
pub use wrapper::lookahead::Lookahead;
pub use wrappers::Wrappers;

/// Engines, models, runs and what they wait for can move to another thread.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn send<T: Send + ?Sized>() {}
    const fn sync<T: Sync + ?Sized>() {}
    send::<Engine>();
    sync::<Engine>();
    send::<cpu::CpuEngine>();
    #[cfg(feature = "gpu")]
    send::<gpu::GpuEngine>();
    send::<reference::ReferenceEngine>();
    send::<Model>();
    sync::<Model>();
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
