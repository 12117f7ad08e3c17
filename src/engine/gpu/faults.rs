//! Tests on small devices and on drivers that refuse something.

use super::adapter::{self, Candidate};
use super::backward::Kept;
use super::cache::Cache;
use super::device::{Gpu, MOST_KERNELS};
use super::kernels::KernelKey;
use super::layout::Layout;
use super::session::GpuSession;
use super::shape::{Shape, Shapes};
use super::twins::{adapters, random};
use super::{Choice, GpuEngine, Kernels};
use crate::activation::Activation;
use crate::dataset::{Dataset, Levels, Places};
use crate::device::{Device, DeviceType};
use crate::engine::{Compute, Outcome, Output, Plan, Session, Step};
use crate::error::{Result, unsupported};
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::trainer::Trainer;
use std::sync::Arc;

/// Every adapter as a device with buffers of at most so many bytes.
fn small_devices(largest_buffer: u64) -> Vec<Arc<Gpu>> {
    let open = |candidate: Candidate| {
        let limits = wgpu::Limits {
            max_buffer_size: largest_buffer,
            max_storage_buffer_binding_size: largest_buffer,
            ..candidate.adapter.limits()
        };
        Arc::new(pollster::block_on(Gpu::open_with(candidate, limits)).expect("opens"))
    };
    pollster::block_on(adapter::find()).into_iter().map(open).collect()
}

/// A network, how it is trained, and its samples.
pub(super) fn task(hidden: &[usize], samples: usize) -> (Network, Plan, Dataset) {
    let network = Network::builder(2)
        .hidden(hidden, Activation::Relu)
        .output(3, Activation::Identity)
        .build()
        .expect("a network");
    let (inputs, targets) = (random(1, 2 * samples), random(2, 3 * samples));
    let dataset = Dataset::new(inputs, targets, 2, 3).expect("samples");
    // One vector of state, which is then no larger than the parameters.
    let optimizer = Optimizer::SGD;
    let plan = Trainer { batch_size: samples, optimizer, ..Trainer::default() }.plan(&dataset);
    (network, plan, dataset)
}

/// A step of all samples.
pub(super) fn step(number: u64, count: usize) -> Step {
    Step { number, epoch: number, first: 0, count, learning_rate: 1e-3 }
}

#[test]
fn parameters_as_large_as_a_buffer_are_read_back() {
    // 360,003 parameters take 1.4 MB, and two copies of them more than a buffer may have.
    let (network, plan, dataset) = task(&[60_000], 4);
    for gpu in small_devices(2 << 20) {
        let work = async {
            let mut session =
                GpuSession::start(&gpu, &network, &plan, &dataset, Choice::default()).await?;
            session.train(&[step(1, 4)])?.await?;
            session.parameters().await
        };
        let learned = pollster::block_on(work).expect("trains and reads back");
        assert_eq!(learned.len(), network.parameters().len());
        assert!(learned.iter().zip(network.parameters()).any(|(now, before)| now != before));
        // Again in parts of a few bytes, which do not divide it.
        let work = async {
            let mut session =
                GpuSession::start(&gpu, &network, &plan, &dataset, Choice::default()).await?;
            session.train(&[step(1, 4)])?.await?;
            gpu.limit_buffers(100_004);
            session.parameters().await
        };
        assert_eq!(pollster::block_on(work).expect("reads in parts"), learned, "{}", gpu.info);
    }
}

#[test]
fn a_picture_larger_than_a_buffer_is_divided_among_several() {
    // 60,000 pixels of 16 bits take 480 KB in words, four buffers.
    let (width, height, channels) = (300, 200, 3);
    let levels = (0..width * height * channels).map(|i| (i * 40_503 % 65_536) as u16);
    let levels = Levels::Words(levels.collect());
    let places = Places::square(width, height, true);
    let pixels = Dataset::from_levels(places, levels.into(), channels).expect("pixels");
    let (network, plan, _) = task(&[8], 500);
    let train = |gpu: &Arc<Gpu>| {
        pollster::block_on(async {
            let choice = Choice { tune: false, ..Choice::default() };
            let mut session = GpuSession::start(gpu, &network, &plan, &pixels, choice).await?;
            session.train(&[step(1, 500), Step { first: 500, ..step(2, 500) }])?.await?;
            session.parameters().await
        })
    };
    let fused = Choice { kernels: Kernels::Fused, ..Choice::default() };
    for (small, large) in small_devices(128 << 10).into_iter().zip(small_devices(4 << 20)) {
        let refused =
            pollster::block_on(GpuSession::start(&small, &network, &plan, &pixels, fused));
        assert!(refused.err().expect("too large").to_string().contains("fit in a buffer"));
        let (divided, whole) = (train(&small).expect("trains"), train(&large).expect("trains"));
        for (divided, whole) in divided.iter().zip(&whole) {
            assert!((divided - whole).abs() < 1e-5, "{}: {divided} and {whole}", small.info);
        }
        assert_ne!(divided, network.parameters(), "{}", small.info);
    }
}

#[test]
fn a_read_that_the_driver_refuses_is_an_error_and_leaves_the_device_usable() {
    for gpu in small_devices(2 << 20) {
        let work = async {
            let half = gpu.upload("half", &vec![1.0_f32; 400_000]).await?;
            let both = [(&half, 0..1_600_000), (&half, 0..1_600_000)];
            let refused = gpu.read(gpu.encoder("both"), &both, "both")?.await;
            let error = refused.expect_err("it is larger than a buffer may be").to_string();
            assert!(error.contains("reading back the both"), "{error}");
            gpu.read_in_parts(&half, 0..8, "half").await
        };
        let bytes = pollster::block_on(work).expect("the device still works");
        assert_eq!(bytes, bytemuck::cast_slice::<f32, u8>(&[1.0, 1.0]), "{}", gpu.info);
    }
}

/// Every adapter as a device that refuses some kernels and remembers nothing from earlier runs.
fn refusing<F: Fn(&KernelKey) -> bool + Send + 'static>(
    refuses: impl Fn(&Gpu) -> F,
) -> Vec<Arc<Gpu>> {
    let open = |candidate| {
        let mut gpu = pollster::block_on(Gpu::open(candidate)).expect("opens");
        gpu.cache = Cache::none();
        let refuses = refuses(&gpu);
        *gpu.refuses.lock().expect("unlocked") = Some(Box::new(refuses));
        Arc::new(gpu)
    };
    pollster::block_on(adapter::find()).into_iter().map(open).collect()
}

/// Hidden layers and samples that are enough work for a search.
const HIDDEN: [usize; 2] = [20, 20];
const SAMPLES: usize = 3_000;

/// A step of training and a prediction on a device.
fn train_and_predict(gpu: &Arc<Gpu>, choice: Choice) -> Result<(Outcome, Vec<f64>)> {
    let (network, plan, dataset) = task(&HIDDEN, SAMPLES);
    pollster::block_on(async {
        let mut session = GpuSession::start(gpu, &network, &plan, &dataset, choice).await?;
        let outcome = session.train(&[step(1, SAMPLES)])?.await?;
        let engine = GpuEngine { gpu: Arc::clone(gpu), choice, kept: Kept::default() };
        Ok((outcome, engine.forward(&network, &[0.5, 0.25], Output::Activated).await?))
    })
}

#[test]
fn a_shape_that_the_driver_refuses_is_passed_over() {
    let usual = |gpu: &Gpu| {
        let (network, ..) = task(&HIDDEN, 1);
        gpu.candidates(&Layout::new(&network, SAMPLES))[0]
    };
    // Of each kernel the shape that is taken unmeasured, known by its rows and columns.
    let refuses = |gpu: &Gpu| {
        let Shapes { step, gradients, .. } = usual(gpu);
        let lines = [("fused_step", step), ("weight_gradients", gradients)].map(|(name, shape)| {
            let Shape { rows, columns, .. } = shape;
            (name, format!("const ROWS: u32 = {rows}u;\nconst COLUMNS: u32 = {columns}u;\n"))
        });
        move |key: &KernelKey| {
            lines.iter().any(|(name, line)| {
                key.to_string() == *name && key.clone().into_text().contains(line)
            })
        }
    };
    for tune in [false, true] {
        for gpu in refusing(refuses) {
            let choice = Choice { kernels: Kernels::Fused, tune, ..Choice::default() };
            let (outcome, output) = train_and_predict(&gpu, choice).expect("another shape");
            assert!(outcome.losses[0].is_finite() && output.len() == 3, "{}", gpu.info);
            let notes = gpu.notes();
            let refused = ["fused_step", "weight_gradients"]
                .map(|name| format!("compiling the kernel '{name}': a test refuses it; another"));
            assert!(notes.iter().all(|n| refused.iter().any(|r| n.contains(r))), "{notes:?}");
            assert!(refused.iter().all(|r| notes.iter().any(|n| n.contains(r))), "{notes:?}");
        }
    }
}

#[test]
fn the_layerwise_kernels_take_over_from_refused_ones() {
    for name in ["fused_step", "weight_gradients"] {
        for gpu in refusing(|_| move |key: &KernelKey| key.to_string() == name) {
            let forced = Choice { kernels: Kernels::Fused, ..Choice::default() };
            let error = train_and_predict(&gpu, forced).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains("a test refuses it"), "{error}");
            for tune in [false, true] {
                let auto = Choice { tune, ..Choice::default() };
                let (outcome, output) = train_and_predict(&gpu, auto).expect(name);
                assert!(outcome.losses[0].is_finite() && output.len() == 3, "{name}");
            }
            let notes = gpu.notes();
            let note = "a test refuses it: the layerwise kernels are used";
            assert!(notes.iter().any(|n| n.contains(name) && n.ends_with(note)), "{notes:?}");
        }
    }
}

#[test]
fn only_the_kernels_used_last_are_kept() {
    let kernel = |n: usize| {
        let text = format!("const N: u32 = {n}u;\n@compute @workgroup_size(1)\nfn main() {{}}\n");
        KernelKey::specialized("weight_gradients", text)
    };
    for gpu in adapters() {
        for n in 0..3 * MOST_KERNELS {
            let compiled = pollster::block_on(gpu.kernel(&kernel(n))).expect("compiles");
            // The one used before is still there.
            let used = pollster::block_on(gpu.kernel(&kernel(n))).expect("compiles");
            assert!(Arc::ptr_eq(&compiled, &used));
        }
        assert_eq!(gpu.kernels_held(), MOST_KERNELS, "{}", gpu.info);
    }
}

#[test]
fn a_gpu_that_cannot_be_opened_is_passed_over_and_reported() {
    // Called software, since the machine may have a real GPU.
    let software = || {
        pollster::block_on(adapter::find()).into_iter().take(1).map(|candidate| {
            let device = Device { device_type: DeviceType::Software, ..candidate.device };
            Candidate { device, ..candidate }
        })
    };
    let gpu = |name: &'static str| {
        software().map(move |candidate| {
            let adapter = name.to_string();
            let device =
                Device { adapter, device_type: DeviceType::DiscreteGpu, ..candidate.device };
            Candidate { device, ..candidate }
        })
    };
    // Opens an adapter that is called good.
    let open = async |candidate: Candidate| match candidate.device.adapter.as_str() {
        "good" => Ok("opened"),
        name => unsupported(format!("{name} is asleep")),
    };
    let first = |found: Vec<Candidate>| pollster::block_on(adapter::open_first(found, open));
    if software().count() == 0 {
        return;
    }
    let opened = first(gpu("bad").chain(gpu("good")).chain(gpu("worse")).collect());
    assert_eq!(opened.expect("one works"), ("opened", vec!["bad is asleep".to_string()]));
    let none = first(gpu("bad").chain(software()).collect()).expect_err("none works");
    assert_eq!(none.to_string(), "no GPU can be used; bad is asleep");
    let none = first(software().collect()).expect_err("none is a GPU").to_string();
    let listed = software().map(|c| c.device.description()).collect::<String>();
    assert_eq!(none, format!("no GPU can be used; there is only {listed}"));
    let none = first(Vec::new()).expect_err("there is none").to_string();
    assert_eq!(none, format!("no GPU can be used; {}", adapter::NO_ADAPTER));
}
