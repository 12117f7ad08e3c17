//! Programs that run for long: engines opened and closed, many networks, devices lost on purpose. Threads, files and memory come back.
//!
//! `IMPASTO_REPEATS=1000` repeats what a GPU does as often as what the CPU does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared module has more than this file needs")]

mod common;

use common::numbers;
use impasto::cpu::CpuEngine;
use impasto::gpu::{GpuEngine, Kernels};
use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Dataset, Engine, Error, Event, Network, Output, Result, Trainer, Training,
};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a processor's part is repeated.
const REPEATS: usize = 1_000;

/// How often a GPU's part is repeated, unless the environment says so: on llvmpipe an engine opens in some 20 ms.
const GPU_REPEATS: usize = 20;

/// Networks of so many shapes are computed on a GPU, whose kernels are compiled for each: fewer than the warm-up.
const GPU_SHAPES: usize = 3;

/// How much of a part is done before anything is counted: caches fill, and the allocator takes what it needs.
const WARM_UP: usize = 5;

/// The most bytes that a processor's part may add to the memory of the process, whatever its repeats: the allocator's own
/// reserves.
const RESERVES: u64 = 12 << 20;

/// The same of a GPU's part: llvmpipe's compiler leaves the memory in pieces, up to 17 MiB after 80 lost devices and less after
/// 180.
const GPU_RESERVES: u64 = 32 << 20;

/// How long threads may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What these tests' names begin with, as far as the name of a thread is long. The test harness starts a thread for each.
const TESTS: &str = "long_lived_prog";

/// One test at a time, since all count what the process has.
static TURN: Mutex<()> = Mutex::new(());

/// What a process has.
#[derive(Clone, Copy, Debug)]
struct Usage {
    threads: usize,
    files: usize,
    /// In bytes.
    memory: u64,
}

#[cfg(target_os = "linux")]
impl Usage {
    /// Of this process, without the threads of the test harness.
    #[allow(clippy::unnecessary_wraps, reason = "elsewhere there is nothing")]
    fn now() -> Option<Self> {
        use std::fs;
        let entries =
            |folder: &str| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        // A thread may end while its name is read.
        let name = |task: std::path::PathBuf| fs::read_to_string(task.join("comm")).ok();
        let counted = |name: &String| !name.starts_with(TESTS);
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
        Some(Self {
            threads: entries("/proc/self/task").filter_map(name).filter(counted).count(),
            files: entries("/proc/self/fd").count(),
            memory: kilobytes << 10,
        })
    }
}

#[cfg(not(target_os = "linux"))]
impl Usage {
    fn now() -> Option<Self> {
        eprintln!("SKIPPED: threads, files and memory are counted on Linux alone");
        None
    }
}

/// How often a processor's part is repeated, and how much its memory may grow.
const CPU: (usize, u64) = (REPEATS, RESERVES);

/// How often a GPU's part is repeated, and how much its memory may grow.
fn gpu() -> (usize, u64) {
    let repeats = std::env::var("IMPASTO_REPEATS").ok();
    let number = |repeats: String| repeats.parse().expect("IMPASTO_REPEATS is a number");
    (repeats.map_or(GPU_REPEATS, number), GPU_RESERVES)
}

/// Calls `work` so often, with the number of the call, and asserts that threads, files and memory return to what they
/// were after the first few calls.
fn assert_returns(what: &str, (repeats, reserves): (usize, u64), mut work: impl FnMut(usize)) {
    let clock = Instant::now();
    (0..WARM_UP).for_each(&mut work);
    let Some(before) =
        settled(Usage { threads: 0, files: 0, memory: 0 }, Duration::from_millis(200))
    else {
        (WARM_UP..repeats).for_each(work);
        return;
    };
    (WARM_UP..repeats.max(2 * WARM_UP)).for_each(work);
    let after = settled(before, PATIENCE).expect("counted before");
    let took = clock.elapsed().as_secs_f64();
    println!("{what}: {before:?}, after {repeats} {after:?} in {took:.1} s");
    assert!(after.threads <= before.threads, "{what}: {before:?}, and {after:?} after {repeats}");
    assert!(after.files <= before.files, "{what}: {before:?}, and {after:?} after {repeats}");
    let growth = after.memory.saturating_sub(before.memory);
    assert!(growth <= reserves, "{what}: {before:?}, and {after:?} after {repeats}");
}

/// What the process has when no more than this is left, or when so much time has passed: a thread that ends is listed
/// for a moment after it was waited for.
fn settled(wanted: Usage, patience: Duration) -> Option<Usage> {
    let clock = Instant::now();
    loop {
        let now = Usage::now()?;
        if (now.threads <= wanted.threads && now.files <= wanted.files)
            || clock.elapsed() > patience
        {
            return Some(now);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn network(hidden: &[usize]) -> Network {
    let builder = Network::builder(2).hidden(hidden, Activation::Tanh);
    builder.output(3, Activation::Sigmoid).build().unwrap()
}

fn samples(count: usize) -> Dataset {
    let targets = numbers(3 * count, 2).into_iter().map(f32::abs).collect();
    Dataset::new(numbers(2 * count, 1), targets, 2, 3).unwrap()
}

fn trainer() -> Trainer {
    Trainer { epochs: 2, batch_size: 32, ..Trainer::default() }
}

/// Trains a small network of one of several shapes, and uses it in each way.
fn whole_life(engine: &Engine, number: usize) -> Result<()> {
    let mut network = network(&[4 + number % 7, 3 + number % 5][..=number % 2]);
    let data = samples(64 + number % 3);
    trainer().fit(engine, &mut network, &data)?;
    let (inputs, gradient) = (numbers(20, number), numbers(30, number));
    engine.predict(&network, &inputs)?;
    engine.backward(&network, &inputs, &gradient)?;
    let mut training = trainer().begin(engine, &network, &data)?;
    training.step(1)?;
    training.evaluate(&data)?;
    let state = training.state()?;
    Training::resume(engine, &data, &state)?.run()?;
    Ok(())
}

#[test]
fn long_lived_programs_open_and_close_engines() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_returns("engines of the CPU", CPU, |number| {
        let engine = CpuEngine::new(Some(1 + number % 3)).unwrap();
        Engine::from(engine).predict(&network(&[4]), &[0.5_f32; 200]).unwrap();
    });
    assert_returns("sessions of the CPU", CPU, |number| {
        let engine = Engine::from(CpuEngine::new(Some(1 + number % 3)).unwrap());
        trainer().begin(&engine, &network(&[4]), samples(8)).unwrap();
    });
    assert_returns("reference engines", CPU, |_| {
        Engine::from(ReferenceEngine::new()).predict(&network(&[4]), &[0.5_f32; 2]).unwrap();
    });
    for adapter in common::adapters() {
        assert_returns(&format!("engines of {adapter}"), gpu(), |number| {
            let engine = common::open(&adapter);
            // Some are closed unused.
            if number % 2 == 0 {
                Engine::from(engine).predict(&network(&[4]), &[0.5_f32; 2]).unwrap();
            }
        });
    }
}

#[test]
fn long_lived_programs_train_many_networks() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for engine in [Engine::from(ReferenceEngine::new()), CpuEngine::new(Some(2)).unwrap().into()] {
        assert_returns(&format!("networks on {}", engine.device()), CPU, |number| {
            whole_life(&engine, number).unwrap();
        });
    }
    for engine in common::gpu_engines() {
        let (name, engine) = (format!("{engine:?}"), Engine::from(engine));
        assert_returns(&format!("networks on {name}"), gpu(), |number| {
            whole_life(&engine, number % GPU_SHAPES).unwrap();
        });
    }
}

/// Predictors, samples and gradients of more networks than an engine keeps anything of.
#[test]
fn long_lived_programs_predict_with_many_networks() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let work = |engine: &Engine, number: usize| {
        let network = network(&[1 + number]);
        let inputs = numbers(2 * (1 + number % 70), number);
        let model = engine.prepare(&network).unwrap();
        assert_eq!(model.predict(&inputs).unwrap().len(), inputs.len() / 2 * 3);
        let gradient = numbers(inputs.len() / 2 * 3, number);
        engine.backward(&network, &inputs, &gradient).unwrap();
        let double = common::double(&inputs);
        pollster::block_on(engine.forward(&network, &double, Output::Logits)).unwrap();
    };
    let engine = Engine::from(CpuEngine::new(Some(2)).unwrap());
    assert_returns("predictors of the CPU", CPU, |number| work(&engine, number % 90));
    for engine in common::gpu_engines() {
        let (name, engine) = (format!("{engine:?}"), Engine::from(engine));
        assert_returns(&format!("predictors of {name}"), gpu(), |number| {
            work(&engine, number % GPU_SHAPES);
        });
    }
}

/// Asserts that work ended well or with the error of a lost device.
fn assert_lost_or_done<T>(phase: &str, result: Result<T>) {
    match result {
        Ok(_) | Err(Error::DeviceLost { .. }) => {}
        Err(error) => panic!("{phase}: {error}"),
    }
}

/// Does `work` on another thread, and gives the device up meanwhile.
fn lose_during(engine: &GpuEngine, delay: Duration, work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let working = scope.spawn(work);
        thread::sleep(delay);
        engine.destroy();
        working.join().expect("no panic");
    });
}

#[test]
fn long_lived_programs_lose_devices_in_every_phase() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let data = &samples(3_000);
    let large = &numbers(400_000, 3);
    let lose = |phase: &str, engine: GpuEngine, number: usize| {
        let handle = &Engine::from(&engine);
        // Other moments each time.
        let delay = Duration::from_millis(number as u64 * 3 % 20);
        let trainer = Trainer { epochs: 1_000_000, batch_size: 3_000, ..Trainer::default() };
        match phase {
            "opening" => {
                engine.destroy();
                assert!(whole_life(handle, number).is_err(), "{phase}");
            }
            "search" => {
                let tuned = &Engine::from(engine.clone().with_tuning(true));
                let network = network(&[20 + number % 20, 30]);
                lose_during(&engine, delay, || {
                    assert_lost_or_done(phase, trainer.begin(tuned, &network, data));
                });
            }
            "training" => {
                let watch = |event: &Event| {
                    if matches!(event, Event::Progress { .. }) {
                        engine.destroy();
                    }
                    ControlFlow::Continue(())
                };
                let result = trainer.fit_with(handle, &mut network(&[8]), data, watch);
                assert!(matches!(result, Err(Error::DeviceLost { .. })), "{phase}: {result:?}");
            }
            "reading back" => {
                let mut training = trainer.begin(handle, &network(&[8]), data).unwrap();
                training.step(1 + number as u64 % 5).unwrap();
                lose_during(&engine, delay / 10, || {
                    assert_lost_or_done(phase, training.state());
                    assert_lost_or_done(phase, training.network());
                });
            }
            _ => lose_during(&engine, delay, || {
                assert_lost_or_done(phase, handle.predict(&network(&[40, 40]), large));
            }),
        }
        assert!(whole_life(handle, number).is_err(), "{phase}: a lost device is used");
    };
    for adapter in common::adapters() {
        for phase in ["opening", "search", "training", "reading back", "painting"] {
            let what = format!("devices lost in {phase} on {adapter}");
            assert_returns(&what, (gpu().0 / 2, gpu().1), |number| {
                let kernels = [Kernels::Auto, Kernels::Layerwise][number % 2];
                lose(phase, common::open(&adapter).with_kernels(kernels), number);
            });
        }
    }
}
