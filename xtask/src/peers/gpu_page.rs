//! The sections of `BENCHMARKS.md` on GPUs, from what a kit measured ([`GpuRun`]).

use super::format::{count, figure, table};
use super::gpu::{GpuRun, Steps, Timed};
use super::statistics::median;

const DASH: &str = "–";

/// The section of one GPU.
pub fn part(run: &GpuRun) -> String {
    let mut part = format!(
        "\n## Steps on {}\n\n\
         Training steps of 10 hidden layers of 100 neurons, ReLU, Adam, mean squared error,\n\
         on {}; {}.\n\n",
        run.adapter.name, run.adapter.description, run.host
    );
    if !run.note.is_empty() {
        part += &["**", &run.note, "**\n\n"].concat();
    }
    part += &ratios(run);
    part += &times(run);
    part += &kernels(run);
    part += &search(run);
    part += &device(run);
    part += &tests(run);
    part += &left_out(run);
    let again = format!(
        "\nMeasured on {} with {} at commit {} and {}; again with:\n\n\
         ```sh\ncargo xtask kit\nbash kit/run.sh    # on that machine\n\
         cargo xtask peers --kit kit-results/gpu.json\n```\n",
        run.date, run.version, run.commit, run.rustc
    );
    part + &again
}

/// A row of times: a contestant, its precision, and the seconds of a step at a batch size.
struct Row<'a> {
    name: String,
    precision: &'a str,
    seconds: Box<dyn Fn(usize) -> Option<f64> + 'a>,
}

impl GpuRun {
    /// Batch sizes of Impasto's steps, in order.
    fn batches(&self) -> Vec<usize> {
        let mut batches: Vec<usize> = self.steps.iter().map(|steps| steps.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        batches
    }

    fn steps_of(&self, kernels: &str, batch: usize) -> Option<&Steps> {
        self.steps.iter().find(|steps| steps.kernels == kernels && steps.batch == batch)
    }

    /// Impasto's times with these kernels.
    fn ours(&self, kernels: &'static str) -> Option<Row<'_>> {
        self.steps.iter().find(|steps| steps.kernels == kernels)?;
        Some(Row {
            name: format!("{}, {kernels} kernels", self.version),
            precision: "f32",
            seconds: Box::new(move |batch| median(&self.steps_of(kernels, batch)?.step_s)),
        })
    }

    /// The times of the other libraries, in the order in which they were measured.
    fn theirs(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = Vec::new();
        for other in &self.others {
            let (name, precision) = (&other.name, &other.precision);
            if rows.iter().any(|row| row.name == *name && row.precision == precision) {
                continue;
            }
            let seconds = move |batch: usize| {
                let same = self
                    .others
                    .iter()
                    .find(|o| o.name == *name && o.precision == *precision && o.batch == batch)?;
                median(&same.step_s)
            };
            rows.push(Row { name: name.clone(), precision, seconds: Box::new(seconds) });
        }
        rows
    }

    fn header(&self, first: &[&str]) -> Vec<String> {
        let batches =
            self.batches().into_iter().map(|batch| format!("batch {}", count(batch as f64)));
        first.iter().map(|&word| word.to_owned()).chain(batches).collect()
    }

    /// The cells of a row at each batch size.
    fn cells(&self, cell: impl Fn(usize) -> Option<String>) -> Vec<String> {
        self.batches().into_iter().map(|batch| cell(batch).unwrap_or_else(|| DASH.into())).collect()
    }
}

/// How many times as long as Impasto the others take.
fn ratios(run: &GpuRun) -> String {
    let (Some(ours), theirs) = (run.ours("fused"), run.theirs()) else { return String::new() };
    if theirs.is_empty() {
        return "Not compared with others: see below.\n".into();
    }
    let rows: Vec<Vec<String>> = theirs
        .iter()
        .map(|row| {
            let cells = run.cells(|batch| {
                let ratio = (row.seconds)(batch)? / (ours.seconds)(batch)?;
                Some(format!("**{}×**", figure(ratio)))
            });
            [vec![row.name.clone(), row.precision.to_owned()], cells].concat()
        })
        .collect();
    let first = format!("{} is so many times as fast as", ours.name);
    table(&run.header(&[&first, "precision"]), &rows)
        + "\nAbove 1 Impasto is faster, below 1 slower. Impasto computes in f32; products in TF32 have 10\n\
           bits of a fraction, in bf16 7, instead of 23.\n"
}

/// The times themselves.
fn times(run: &GpuRun) -> String {
    let ours = ["fused", "layerwise"].into_iter().filter_map(|kernels| run.ours(kernels));
    let rows: Vec<Vec<String>> = ours
        .chain(run.theirs())
        .map(|row| {
            let cells = run.cells(|batch| (row.seconds)(batch).map(micro));
            [vec![row.name, row.precision.to_owned()], cells].concat()
        })
        .collect();
    let spans = run.steps.iter().map(|steps| steps.step_s.len()).max().unwrap_or_default();
    let how = match spans {
        0 | 1 => "Each figure is from one run.".to_owned(),
        spans => format!(
            "A figure is the median of the {spans} spans of a run, whose first third does not count."
        ),
    };
    let clocks: Vec<f64> = run.steps.iter().filter_map(|steps| steps.clock_mhz).collect();
    let clocks =
        match (clocks.iter().copied().reduce(f64::min), clocks.iter().copied().reduce(f64::max)) {
            (Some(low), Some(high)) if low < high => {
                format!(" The device ran at {} to {} MHz.", count(low), count(high))
            }
            (Some(clock), _) => format!(" The device ran at {} MHz.", count(clock)),
            _ => String::new(),
        };
    let header = run.header(&["median", "precision"]);
    format!("\n### Microseconds a step\n\n{}\n{how}{clocks}\n", table(&header, &rows))
}

fn micro(seconds: f64) -> String {
    figure(seconds * 1e6)
}

/// The device's time for each kernel.
fn kernels(run: &GpuRun) -> String {
    let mut names: Vec<&str> = Vec::new();
    let fused = run.steps.iter().filter(|steps| steps.kernels == "fused");
    for kernel in fused.flat_map(|steps| &steps.profile) {
        if !names.contains(&kernel.name.as_str()) {
            names.push(&kernel.name);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = names
        .into_iter()
        .map(|name| {
            let cells = run.cells(|batch| {
                let profile = &run.steps_of("fused", batch)?.profile;
                profile
                    .iter()
                    .find(|kernel| kernel.name == name)
                    .map(|kernel| micro(kernel.seconds))
            });
            [vec![format!("`{name}`")], cells].concat()
        })
        .collect();
    let header = run.header(&["µs of a step, by the device's clock"]);
    format!("\n### The fused kernels\n\n{}", table(&header, &rows))
}

/// What the search measured.
fn search(run: &GpuRun) -> String {
    let searched = |steps: &&Steps| !steps.candidates.is_empty();
    let rows: Vec<Vec<String>> = run
        .steps
        .iter()
        .filter(searched)
        .map(|steps| {
            let mut sorted: Vec<&Timed> = steps.candidates.iter().collect();
            sorted.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
            let time = |place: usize| sorted.get(place).map_or(DASH.into(), |c| micro(c.seconds));
            vec![
                count(steps.batch as f64),
                sorted.len().to_string(),
                time(0),
                time(sorted.len() - 1),
                steps.candidates.first().map_or(DASH.into(), |first| micro(first.seconds)),
                format!("{:.1}", steps.setup_s),
                sorted[0].name.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let header: Vec<String> =
        ["batch", "tried", "fastest, µs", "slowest, µs", "first, µs", "seconds", "the fastest"]
            .map(String::from)
            .to_vec();
    format!(
        "\n### The search for shapes\n\n{}\n\
         The first are the shapes that are taken without a search. The seconds are those of opening,\n\
         compiling and searching. A step here is measured without Adam and without other steps in flight.\n",
        table(&header, &rows)
    )
}

/// What the device reports, what a dispatch costs, and whether it paints.
fn device(run: &GpuRun) -> String {
    let adapter = &run.adapter;
    let mut lines = Vec::new();
    if let Some(cost) = &run.dispatches {
        lines.push(format!(
            "An empty dispatch takes {} µs, one that waits for the one before {} µs.",
            micro(cost.empty_s),
            micro(cost.dependent_s)
        ));
        let order = match cost.in_order {
            Some(true) => ", in the order of `local_invocation_index`",
            Some(false) => ", **not** in the order of `local_invocation_index`",
            None => "",
        };
        if let Some(size) = cost.subgroup {
            lines.push(format!("A subgroup has {size} invocations{order}."));
        }
    }
    if let (Some(bytes), Some(invocations)) = (adapter.workgroup_memory, adapter.invocations) {
        lines.push(format!(
            "A workgroup has up to {} invocations and {} bytes of memory.",
            count(f64::from(invocations)),
            count(f64::from(bytes))
        ));
    }
    lines.push(match adapter.matrices.as_slice() {
        [] => "It lists no products of matrices (`EXPERIMENTAL_COOPERATIVE_MATRIX`).".into(),
        matrices => format!("Products of matrices: {}.", matrices.join(", ")),
    });
    if !adapter.features.is_empty() {
        lines.push(format!("Features: {}.", adapter.features.join(", ")));
    }
    if let Some(painting) = &run.painting {
        let again = painting.again_s.map_or_else(String::new, |seconds| {
            format!(" ({seconds:.2} s once kernels and shapes are remembered)")
        });
        let cpu = painting
            .cpu_psnr_db
            .map_or_else(String::new, |psnr| format!(", the CPU engine to {psnr:.1} dB"));
        lines.push(format!(
            "`paint logo.jpg` trained {} epochs in {:.2} s after {:.1} s of setup{again}, and painted to {:.1} dB{cpu}.",
            painting.epochs, painting.seconds, painting.setup_s, painting.psnr_db
        ));
    }
    format!("\n### The device\n\n- {}\n", lines.join("\n- "))
}

fn tests(run: &GpuRun) -> String {
    if run.tests.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = run
        .tests
        .iter()
        .map(|tests| {
            vec![
                tests.name.clone(),
                count(tests.passed as f64),
                count(tests.failed.len() as f64),
                count(tests.unfinished as f64),
            ]
        })
        .collect();
    let header = ["test program", "passed", "failed", "without time"].map(String::from);
    let failed: Vec<String> = run
        .tests
        .iter()
        .flat_map(|tests| tests.failed.iter().map(|name| format!("- {}: `{name}`\n", tests.name)))
        .collect();
    let failed = match failed.as_slice() {
        [] => String::new(),
        names => format!("\nFailed:\n\n{}", names.concat()),
    };
    format!("\n### Tests\n\n{}{failed}", table(&header, &rows))
}

fn left_out(run: &GpuRun) -> String {
    if run.left_out.is_empty() {
        return String::new();
    }
    let line = |what: &str, reason: &str| {
        format!("- {what}: {}\n", reason.replace(char::is_control, " ").replace('|', " "))
    };
    let lines: String = run.left_out.iter().map(|one| line(&one.what, &one.reason)).collect();
    format!("\nNot measured:\n\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::gpu::{Adapter, Dispatches, Omission, Other, Tests};

    fn steps(kernels: &str, batch: usize, step_s: &[f64]) -> Steps {
        Steps { kernels: kernels.into(), batch, step_s: step_s.to_vec(), ..Steps::default() }
    }

    fn other(name: &str, precision: &str, batch: usize, seconds: f64) -> Other {
        Other { name: name.into(), precision: precision.into(), batch, step_s: vec![seconds] }
    }

    fn timed(name: &str, seconds: f64) -> Timed {
        Timed { name: name.into(), seconds }
    }

    fn run() -> GpuRun {
        let mut fused = steps("fused", 200, &[1e-4, 3e-4, 2e-4]);
        fused.profile = vec![timed("fused_step", 1.5e-4), timed("update", 8e-6)];
        fused.candidates = vec![timed("usual", 3e-4), timed("slow", 9e-4), timed("quick", 2.5e-4)];
        fused.setup_s = 5.04;
        fused.clock_mhz = Some(1_980.0);
        GpuRun {
            version: "Impasto 1".into(),
            adapter: Adapter {
                name: "A GPU".into(),
                description: "A GPU (discrete GPU, Vulkan)".into(),
                ..Adapter::default()
            },
            dispatches: Some(Dispatches {
                empty_s: 1.6e-6,
                dependent_s: 2.3e-6,
                subgroup: Some(32),
                in_order: Some(true),
            }),
            steps: vec![
                fused,
                steps("fused", 10_000, &[4e-4]),
                steps("layerwise", 10_000, &[5e-3]),
            ],
            others: vec![
                other("PyTorch 2, CUDA graph", "f32", 200, 5e-4),
                other("PyTorch 2, CUDA graph", "TF32", 200, 1e-4),
                other("PyTorch 2, CUDA graph", "f32", 10_000, 6e-4),
            ],
            ..GpuRun::default()
        }
    }

    fn row(page: &str, start: &str) -> String {
        let found = page.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} in\n{page}")).to_owned()
    }

    #[test]
    fn a_run_becomes_tables() {
        let page = part(&run());
        assert!(page.starts_with("\n## Steps on A GPU\n"), "{page}");
        for expected in [
            "| PyTorch 2, CUDA graph | f32 | **2.50×** | **1.50×** |",
            "| PyTorch 2, CUDA graph | TF32 | **0.500×** | – |",
            "| Impasto 1, fused kernels | f32 | 200 | 400 |",
            "| Impasto 1, layerwise kernels | f32 | – | 5,000 |",
            "| PyTorch 2, CUDA graph | f32 | 500 | 600 |",
            "| `fused_step` | 150 | – |",
            "| 200 | 3 | 250 | 900 | 300 | 5.0 | quick |",
        ] {
            assert_eq!(row(&page, expected), expected);
        }
        for expected in
            ["at 1,980 MHz", "An empty dispatch takes 1.60 µs", "32 invocations, in the order"]
        {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut run = run();
        run.note = "Single rounds.".into();
        run.others.clear();
        run.left_out = vec![Omission { what: "PyTorch".into(), reason: "none\nhere".into() }];
        run.tests = vec![Tests {
            name: "trainer".into(),
            passed: 3,
            failed: vec!["a_test".into()],
            unfinished: 2,
        }];
        run.dispatches = None;
        let page = part(&run);
        for expected in [
            "**Single rounds.**",
            "Not compared with others",
            "- PyTorch: none here\n",
            "| trainer | 3 | 1 | 2 |",
            "- trainer: `a_test`",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        assert!(!page.contains("dispatch takes"), "{page}");
    }
}
