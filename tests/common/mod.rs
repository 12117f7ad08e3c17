//! The engines and helpers that the integration tests share.

#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "../../src/accuracy.rs"]
pub mod accuracy;

use impasto::cpu::CpuEngine;
use impasto::gpu::{self, GpuEngine, Kernels};
use impasto::reference::ReferenceEngine;
use impasto::{Api, Device, Engine};
use std::path::PathBuf;

/// Every engine there is: the reference, the CPU, and the GPU engine on every adapter.
pub fn engines() -> Vec<Engine> {
    let cpu = CpuEngine::new(None).expect("threads");
    let mut engines: Vec<Engine> = vec![ReferenceEngine::new().into(), cpu.into()];
    engines.extend(gpu_engines().into_iter().map(Engine::from));
    engines
}

/// The GPU engine on every adapter, with its fused kernels (where they can take a network) and with
/// its layerwise ones.
pub fn gpu_engines() -> Vec<GpuEngine> {
    let each = |adapter| {
        [Kernels::Auto, Kernels::Layerwise].map(|kernels| open(adapter).with_kernels(kernels))
    };
    adapters().iter().flat_map(each).collect()
}

/// Every adapter. Without one, says so loudly. Where `IMPASTO_REQUIRE_GPU` is set, one beyond OpenGL
/// must be there, or a Vulkan driver that broke would go unnoticed.
pub fn adapters() -> Vec<Device> {
    let found = gpu::adapters();
    let required = std::env::var("IMPASTO_REQUIRE_GPU").is_ok_and(|v| !v.is_empty() && v != "0");
    let modern = found.iter().any(|adapter| adapter.api != Some(Api::OpenGl));
    assert!(
        modern || !required,
        "IMPASTO_REQUIRE_GPU is set, but there is no adapter but OpenGL's"
    );
    if found.is_empty() {
        eprintln!("SKIPPED, nothing was checked on a GPU: {}", gpu::NO_ADAPTER);
    }
    found
}

/// Opens an adapter by its whole description.
pub fn open(adapter: &Device) -> GpuEngine {
    GpuEngine::open(Some(&adapter.description())).expect("the adapter opens")
}

/// A built example: tests run from `target/<profile>/deps`, examples are in
/// `target/<profile>/examples`.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("a target folder");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "there is no {}: run all tests at once, or build it with `cargo build --example {name}` \
         and the flags of this test",
        program.display()
    );
    program
}

/// Numbers in [-1, 1], the same for the same seed.
pub fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
    (0..count).map(number).collect()
}

/// The numbers in f64.
pub fn double(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|number| f64::from(*number)).collect()
}

/// Asserts that no number is off by more than `tolerance` times the largest expected one.
pub fn assert_near<T: Copy + Into<f64>>(found: &[T], expected: &[T], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3_f64, |most, number| most.max((*number).into().abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (found, expected): (f64, f64) = ((*found).into(), (*expected).into());
        let off = (found - expected).abs() / largest;
        assert!(off <= tolerance, "{what}, {place}: {found}, not {expected}");
    }
}
