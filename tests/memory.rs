//! Too little memory: whatever is large is an error where it cannot be had, and never the end of a program.
//!
//! Each case runs once for each of its large allocations, which fails. Beside that, no large allocation may be one whose
//! failure ends the program, unless as much was asked for before to see whether it is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]
#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]

mod common;

use impasto::cpu::CpuEngine;
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Comparison, Dataset, Encoding, Engine, Error, Loss, Mask, Network, Output,
    ParameterBits, Picture, Result, Standardizer, Subject, Trainer, Training, TrainingState,
    evaluate, memory, ms_ssim, psnr, ssim,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Larger allocations are watched. Everything in proportion to the samples, the pixels or the parameters here is larger, and
/// what an engine or a painting has for a part of them at a time is not.
const LARGE: usize = 1 << 20;

/// Samples of which every vector is large.
const MANY: usize = 300_000;

/// The width of layers of which every vector is large, even with a byte for a parameter.
const WIDE: usize = 1_050;

/// A picture whose bytes are large, even with one channel.
const SIZE: (usize, usize) = (1_100, 1_000);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The system's allocator. It watches large allocations, and fails one of them.
struct Watched;

/// Whether it watches.
static WATCHES: AtomicBool = AtomicBool::new(false);

/// Large allocations so far whose failure is an error.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// Which of them fails, counted from 0.
static FAILS: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The most bytes that were asked for only to see whether they are there.
static PROMISED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the large allocations whose failure would end the program, and their blocks.
static TAKEN: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

/// Where there were more of them than was promised.
static PLACES: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread is describing such a place.
    static DESCRIBES: Cell<bool> = const { Cell::new(false) };
}

/// Whether an allocation of so many bytes is watched.
fn is_watched(bytes: usize) -> bool {
    bytes > LARGE && WATCHES.load(SeqCst) && !DESCRIBES.get()
}

/// Takes in an allocation of so many bytes, by `allocate`.
fn take(bytes: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
    if !is_watched(bytes) {
        return allocate();
    }
    if memory::may_fail() {
        let fails = ALLOCATIONS.fetch_add(1, SeqCst) == FAILS.load(SeqCst);
        return if fails { null_mut() } else { allocate() };
    }
    let block = allocate();
    replace(0, block.addr());
    if TAKEN.fetch_add(bytes, SeqCst) + bytes > PROMISED.load(SeqCst) {
        DESCRIBES.set(true);
        let place = format!("{bytes} bytes\n{}", Backtrace::force_capture());
        places().push(place);
        DESCRIBES.set(false);
    }
    block
}

/// Takes in that a block of so many bytes is given back.
fn give_back(block: *mut u8, bytes: usize) {
    if !is_watched(bytes) {
        return;
    }
    if replace(block.addr(), 0) {
        TAKEN.fetch_sub(bytes, SeqCst);
    } else if memory::may_fail() {
        PROMISED.fetch_max(TAKEN.load(SeqCst) + bytes, SeqCst);
    }
}

/// Notes one block in place of another. Returns whether that was there.
fn replace(before: usize, after: usize) -> bool {
    BLOCKS.iter().any(|block| block.compare_exchange(before, after, SeqCst, SeqCst).is_ok())
}

// SAFETY: all blocks are those of the system's allocator, with the layouts that the caller gives.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        take(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        take(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        give_back(block, layout.size());
        // SAFETY: as the caller promises.
        take(size, || unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        give_back(block, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

fn places() -> MutexGuard<'static, Vec<String>> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` with the large allocation of this number failing. Returns what came of it, and how many there were.
fn without(number: usize, work: &dyn Fn() -> Result<()>) -> (Result<()>, usize) {
    for number in [&ALLOCATIONS, &PROMISED, &TAKEN].into_iter().chain(&BLOCKS) {
        number.store(0, SeqCst);
    }
    FAILS.store(number, SeqCst);
    WATCHES.store(true, SeqCst);
    let done = work();
    WATCHES.store(false, SeqCst);
    (done, ALLOCATIONS.load(SeqCst))
}

/// One test at a time: all share the allocator.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` once as it is, and once with each of its large allocations failing, of which there are some.
fn check(what: &str, work: impl Fn() -> Result<()>) {
    let (done, allocations) = without(usize::MAX, &work);
    done.unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = std::mem::take(&mut *places());
    assert!(found.is_empty(), "{what} would end the program at {}", found.join("\n"));
    assert!(allocations > 0, "{what} has no large allocation");
    let mut errors = 0;
    for number in 0..allocations {
        // What fails may also be done in another way.
        if let (Err(error), _) = without(number, &work) {
            errors += 1;
            let text = error.to_string();
            assert!(text.contains(" bytes, more than "), "{what}, {number}: {text}");
            assert!(!matches!(error, Error::Gpu { .. }), "{what}, {number}: {text}");
        }
    }
    assert!(errors > 0, "{what} never says that memory is short");
    let found = std::mem::take(&mut *places());
    assert!(
        found.is_empty(),
        "{what}, done otherwise, would end the program at {}",
        found.join("\n")
    );
}

fn network(width: usize) -> Network {
    let network = Network::builder(2).hidden(&[width; 2], Activation::Relu);
    network.output(1, Activation::Sigmoid).build().expect("a network")
}

fn samples(count: usize) -> Dataset {
    Dataset::new(vec![0.5; 2 * count], vec![0.5; count], 2, 1).expect("samples")
}

/// A picture with pixels of every alpha, if it has an alpha channel.
fn picture(channels: usize, seed: usize) -> Picture {
    let bytes = (0..SIZE.0 * SIZE.1 * channels).map(|i| ((i + seed) % 251) as u8).collect();
    Picture::from_bytes(SIZE.0, SIZE.1, channels, bytes).expect("a picture")
}

#[test]
fn networks_and_their_files_are_errors_where_memory_is_short() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("network.safetensors");
    let wide = network(WIDE);
    check("a network", || {
        let builder = Network::builder(2).hidden(&[WIDE; 2], Activation::Relu);
        builder.output(3, Activation::Identity).build().map(drop)
    });
    check("its first layers", || wide.first_layers(2).map(drop));
    check("its bytes", || wide.encode().map(drop));
    check("saving it", || wide.save(&path));
    check("loading it", || Network::load(&path).map(drop));
    let bytes = wide.encode().expect("bytes");
    check("decoding it", || Network::decode(&bytes).map(drop));
    let subject =
        Subject { width: 1, height: 1, ..Subject::new(&picture(1, 0), Encoding::Identity, false) };
    for bits in [ParameterBits::Sixteen, ParameterBits::Eight] {
        check(&format!("{bits:?}"), || subject.encode_compact(&wide, bits).map(drop));
        let bytes = subject.encode_compact(&wide, bits).expect("bytes");
        check(&format!("decoding {bits:?}"), || Network::decode(&bytes).map(drop));
    }
}

#[test]
fn samples_are_errors_where_memory_is_short() {
    let _turn = turn();
    let all = samples(MANY);
    let weights = vec![0.5; MANY];
    check("weights", || all.with_weights(&weights).map(drop));
    let rows = vec![[0.5]; MANY];
    check("rows", || Dataset::from_rows(&rows, &rows).map(drop));
    let classes = Dataset::from_labels(vec![0.5; MANY], 1, &vec![1; MANY], 2).expect("samples");
    check("weights of classes", || classes.with_class_weights(&[1.0, 2.0]).map(drop));
    let weighted = all.with_weights(&weights).expect("weights");
    check("standardized weighted samples", || {
        Standardizer::fit(&weighted).apply(&weighted).map(drop)
    });
    check("standardized samples", || Standardizer::fit(&all).apply(&all).map(drop));
}

#[test]
fn pictures_are_errors_where_memory_is_short() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let (large, other) = (picture(3, 0), picture(3, 5));
    for name in ["p.png", "p.jpg", "p.bmp", "p.tiff", "p.webp"] {
        let path = folder.path().join(name);
        if name == "p.png" {
            // A few rows at a time.
            let (done, allocations) = without(usize::MAX, &|| large.save(&path));
            done.expect("a file");
            assert_eq!((allocations, places().len()), (0, 0));
        } else {
            check(&format!("saving {name}"), || large.save(&path));
        }
        check(&format!("loading {name}"), || Picture::load(&path).map(drop));
    }
    check("two pictures", || Picture::beside(&[&large, &other], 4).map(drop));
    check("a difference", || large.difference(&other, 4).map(drop));
    check("MS-SSIM", || ms_ssim(&large, &other).map(drop));
    check("a mask", || Mask::new(&large).map(drop));
    let mask = Mask::new(&large).expect("a mask");
    let values = large.values();
    check("a comparison", || {
        let mut comparison = Comparison::new(&large, Some(1))?.with_mask(&mask)?;
        for row in values.chunks(3 * SIZE.0) {
            comparison.add(row)?;
        }
        comparison.into_sheet().map(drop)
    });
    let (alpha, classes) = (picture(4, 0), Subject::new(&large, Encoding::Identity, true));
    let smooth = Subject::new(&alpha, Encoding::Identity, false);
    check("pixels that cannot be seen", || smooth.dataset(&alpha).map(drop));
    check("expected classes", || classes.expected(&large).map(drop));
    check("classes", || classes.dataset(&large).map(drop));
    // What takes no memory in proportion to the pixels.
    let (done, allocations) = without(usize::MAX, &|| {
        psnr(&large, &other)?;
        ssim(&large, &other)?;
        mask.psnr(&large, &other)?;
        mask.ssim(&large, &other)?;
        let subject = Subject::new(&large, Encoding::Identity, false);
        subject.masked_dataset(&large, &mask).map(drop)
    });
    done.expect("comparisons");
    assert_eq!((allocations, places().len()), (0, 0));
}

#[test]
fn what_engines_do_is_an_error_where_memory_is_short() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.safetensors");
    let (narrow, wide) = (network(4), network(WIDE));
    let (inputs, few) = (vec![0.5; 2 * MANY], samples(4));
    let subject = Subject::new(&picture(1, 0), Encoding::Identity, false);
    let go_on = |_| ControlFlow::Continue(());
    let mut engines: Vec<Engine> =
        vec![CpuEngine::new(Some(2)).expect("threads").into(), ReferenceEngine::new().into()];
    // It says so where there is none.
    engines.extend(common::adapters().first().map(|adapter| Engine::from(&common::open(adapter))));
    for engine in engines {
        let name = engine.device().backend.name();
        let forward = |network: &Network, inputs: &[f64]| {
            pollster::block_on(engine.forward(network, inputs, Output::Activated)).map(drop)
        };
        check(&format!("outputs, {name}"), || forward(&narrow, &inputs));
        if name != "reference" {
            check(&format!("outputs of a wide network, {name}"), || forward(&wide, &[0.5; 4]));
            check(&format!("a loss, {name}"), || {
                evaluate(&engine, &wide, Loss::MeanSquaredError, &few).map(drop)
            });
        }
        check(&format!("samples of a picture, {name}"), || {
            Picture::sample(&engine, &narrow, (SIZE.0, 200), true, go_on).map(drop)
        });
        check(&format!("a painting, {name}"), || {
            subject.paint(&engine, &narrow, SIZE, go_on).map(drop)
        });
        let trainer = Trainer { steps: Some(1), batch_size: 2, ..Trainer::default() };
        check(&format!("training, {name}"), || {
            let mut training = trainer.begin(&engine, &wide, &few)?;
            training.run()?;
            training.state()?.save(&path)?;
            training.network().map(drop)
        });
        check(&format!("loading the run, {name}"), || TrainingState::load(&path).map(drop));
        let state = TrainingState::load(&path).expect("a run");
        check(&format!("going on, {name}"), || Training::resume(&engine, &few, &state).map(drop));
    }
}
