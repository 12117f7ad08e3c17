//! Tests of the search as it goes on a real GPU, on every adapter.

use super::*;
use crate::gpu::cache::Cache;
use crate::gpu::candidates::candidates;
use crate::gpu::faults::task;
use crate::gpu::fused::Source;
use crate::gpu::samples::Stored;
use crate::gpu::twins::adapters;

/// Samples enough for several numbers of slices.
const SAMPLES: usize = 2_000;

/// The shapes of a GPU for a small network: one other than the first of each kernel, and other slices.
fn few_candidates(gpu: &Gpu, network: &Network) -> Vec<Shapes> {
    let abilities = Abilities { software: false, broadcast: 0, ..gpu.abilities.clone() };
    let all = candidates(&abilities, &Layout::new(network, SAMPLES));
    let first = all[0];
    let one = |differs: &dyn Fn(&Shapes) -> bool| {
        *all.iter().find(|shapes| differs(shapes)).expect("another")
    };
    vec![
        first,
        one(&|shapes| shapes.step != first.step),
        one(&|shapes| shapes.gradients != first.gradients),
        one(&|shapes| shapes.slice != first.slice),
    ]
}

/// Time enough for a search on a slow machine.
const LONG: Duration = Duration::from_secs(1_000);

/// Searches among some shapes as on a GPU. All of them, and what was found.
fn search(
    gpu: &Arc<Gpu>,
    budget: Duration,
    choose: impl Fn(&[Shapes]) -> Vec<Shapes>,
) -> (Vec<Shapes>, Shapes) {
    let (network, plan, dataset) = task(&[7], SAMPLES);
    let all = few_candidates(gpu, &network);
    let best = pollster::block_on(async {
        let samples = Stored::upload(gpu, &dataset, true).await?;
        let source = Source::of(gpu, &samples).await?;
        let trial = Trial { network: &network, loss: plan.loss, batch: SAMPLES, source: &source };
        in_turns(gpu, &choose(&all), &trial, budget).await
    });
    (all, best.expect("shapes"))
}

/// Whether both kernels of some shapes were compiled.
fn is_compiled(gpu: &Gpu, shapes: Shapes) -> bool {
    let (network, plan, _) = task(&[7], 1);
    let keys = Keys::training(&network, SAMPLES, shapes, Samples::TABLE, plan.loss);
    let keys = keys.expect("templates without mistakes");
    let mut kernels = gpu.kernels.lock().expect("unlocked");
    [Some(keys.pass), keys.gradients].iter().flatten().all(|key| kernels.get(key).is_some())
}

#[test]
fn shapes_measured_in_turns_are_of_those_tried() {
    for gpu in adapters() {
        let begun = Instant::now();
        let (all, best) = search(&gpu, LONG, <[Shapes]>::to_vec);
        assert!(is_possible(&best, &all), "{best:?}");
        assert!(begun.elapsed() >= WARM_UP, "the device was not warmed up");
        assert!(all.iter().all(|shapes| is_compiled(&gpu, *shapes)), "all were tried");
    }
}

#[test]
fn a_search_without_time_takes_the_first_shapes() {
    for gpu in adapters() {
        let (all, best) = search(&gpu, Duration::ZERO, <[Shapes]>::to_vec);
        assert_eq!(best, all[0], "there is no time for another");
        assert!(!all[1..].iter().any(|shapes| is_compiled(&gpu, *shapes)), "none was tried");
    }
}

#[test]
fn shapes_that_are_refused_are_not_measured() {
    for candidate in pollster::block_on(crate::gpu::adapter::find()) {
        let mut gpu = pollster::block_on(Gpu::open(candidate)).expect("opens");
        gpu.cache = Cache::none();
        let (network, ..) = task(&[7], 1);
        let refused = few_candidates(&gpu, &network)[1].step;
        let Shape { lanes, rows, columns, .. } = refused;
        let lines = [
            format!("const LANES: u32 = {lanes}u;\n"),
            format!("const ROWS: u32 = {rows}u;\nconst COLUMNS: u32 = {columns}u;\n"),
        ];
        *gpu.refuses.lock().expect("unlocked") = Some(Box::new(move |key| {
            let text = key.clone().into_text();
            key.to_string() == "fused_step" && lines.iter().all(|line| text.contains(line))
        }));
        let gpu = Arc::new(gpu);
        let (all, best) = search(&gpu, LONG, <[Shapes]>::to_vec);
        assert_eq!(best.step, all[0].step, "the other one is refused");
        let notes = gpu.notes();
        assert!(notes.iter().any(|note| note.contains("a test refuses it; another")), "{notes:?}");
        // The same where it is the first.
        let (all, best) = search(&gpu, LONG, |all| vec![all[1], all[0]]);
        assert_eq!(best.step, all[0].step);
    }
}

#[test]
fn the_fastest_of_each_part_is_taken() {
    let limits = crate::gpu::shape::desktop_limits();
    let network = task(&[100], 1).0;
    let all = candidates(&Abilities::of_gpu(limits), &Layout::new(&network, 10_000));
    let first = all[0];
    let steps: Vec<Shapes> = all.iter().copied().filter(|s| s.step != first.step).collect();
    let gradients: Vec<Shapes> =
        all.iter().copied().filter(|s| s.gradients != first.gradients).collect();
    let slices: Vec<Shapes> = all.iter().copied().filter(|s| s.slice != first.slice).collect();
    assert!(steps.len() > 8 && gradients.len() == 4 && slices.len() == 2);
    let times = |quick: &[Shapes]| -> Vec<(Shapes, f64)> {
        let time = |shapes| if quick.contains(&shapes) { 1.0 } else { 2.0 };
        let each = [&steps[..], &gradients, &slices].concat().into_iter();
        [(first, 1.5)].into_iter().chain(each.map(|s| (s, time(s)))).collect()
    };
    assert_eq!(fastest(first, &times(&[])), first);
    let best = fastest(first, &times(&[steps[3], slices[1]]));
    assert_eq!(best, Shapes { step: steps[3].step, slice: slices[1].slice, ..first });
    let best = fastest(first, &times(&[gradients[2]]));
    assert_eq!(best, gradients[2]);
}
