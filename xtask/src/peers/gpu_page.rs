//! The sections of `BENCHMARKS.md` on GPUs, from what a kit measured ([`GpuRun`]).

use super::format::{code, count, escaped, micro, table};
use super::gpu::{GpuRun, Omission};
use super::gpu_times::{MIXED, kernels, ratios, search, times};

/// The section of one GPU.
pub fn part(run: &GpuRun) -> String {
    let mut part = format!(
        "\n## Steps on {}\n\n\
         Training steps of 10 hidden layers of 100 neurons, ReLU, Adam, mean squared error,\n\
         on {}; {}.\n\n",
        escaped(&run.adapter.name),
        escaped(&run.adapter.description),
        escaped(&run.host)
    );
    if !run.note.is_empty() {
        part += &["**", &escaped(&run.note), "**\n\n"].concat();
    }
    part += &ratios(run);
    part += &times(run);
    part += &kernels(run, "fused", "The fused kernels");
    part += &kernels(run, MIXED, "The kernels of mixed precision");
    part += &search(run);
    part += &device(run);
    part += &tests(run);
    part += &left_out(run);
    let again = format!(
        "\nMeasured on {} with {} at commit {} and {}; again with:\n\n\
         ```sh\ncargo xtask kit\nbash kit/run.sh    # on that machine\n\
         cargo xtask peers --kit kit-results/gpu.json\n```\n",
        escaped(&run.date),
        escaped(&run.version),
        escaped(&run.commit),
        escaped(&run.rustc)
    );
    part + &again
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
        matrices => format!("Products of matrices: {}.", escaped(&matrices.join(", "))),
    });
    if !adapter.features.is_empty() {
        lines.push(format!("Features: {}.", escaped(&adapter.features.join(", "))));
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
                escaped(&tests.name),
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
        .flat_map(|tests| {
            let line = |name: &String| format!("- {}: {}\n", escaped(&tests.name), code(name));
            tests.failed.iter().map(line)
        })
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
    let line = |one: &Omission| format!("- {}: {}\n", escaped(&one.what), escaped(&one.reason));
    let lines: String = run.left_out.iter().map(line).collect();
    format!("\nNot measured:\n\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::gpu::{Adapter, Dispatches, Other, Steps, Tests, Timed};

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

    #[test]
    fn mixed_precision_has_tables_of_its_own() {
        let page = part(&run());
        assert!(!page.contains("mixed"), "{page}");
        assert!(page.contains("Impasto computes in f32; products in TF32"), "{page}");
        let mut run = run();
        let mut mixed = steps("mixed", 200, &[5e-5]);
        mixed.profile = vec![timed("mixed_step", 3e-5)];
        run.steps.push(mixed);
        let page = part(&run);
        for expected in [
            "| Impasto 1, mixed precision is so many times as fast as | precision |",
            "| PyTorch 2, CUDA graph | f32 | **10.0×** | – |",
            "| PyTorch 2, CUDA graph | f32 | **2.50×** | **1.50×** |",
            "| Impasto 1, mixed precision | f16, sums in f32 | 50.0 | – |",
            "| `mixed_step` | 30.0 | – |",
        ] {
            assert!(page.lines().any(|line| line.starts_with(expected)), "{expected}\n{page}");
        }
        assert!(page.contains("\n### The kernels of mixed precision\n"), "{page}");
        assert!(page.contains("Impasto computes in f32, and in mixed precision\n"), "{page}");
        // Without the fused kernels too.
        run.steps.retain(|steps| steps.kernels == "mixed");
        let page = part(&run);
        assert!(page.contains("**10.0×**") && !page.contains("fused"), "{page}");
    }

    #[test]
    fn what_a_file_says_is_text_and_no_markdown() {
        let bad = "a|b\n# c`<img>*[d](e)";
        let mut run = run();
        run.adapter.name = bad.into();
        run.adapter.description = bad.into();
        run.adapter.matrices = vec![bad.into()];
        run.adapter.features = vec![bad.into()];
        for text in [&mut run.note, &mut run.host, &mut run.date, &mut run.version] {
            *text = bad.into();
        }
        for text in [&mut run.commit, &mut run.rustc] {
            *text = bad.into();
        }
        run.steps[0].profile[0].name = bad.into();
        run.steps[0].candidates[2].name = bad.into();
        run.others[0].name = bad.into();
        run.others[0].precision = bad.into();
        run.left_out = vec![Omission { what: bad.into(), reason: bad.into() }];
        let failed = vec![bad.into()];
        run.tests = vec![Tests { name: bad.into(), passed: 1, failed, unfinished: 0 }];
        let page = part(&run);
        let escaped = r"a\|b # c\`\<img\>\*\[d\](e)";
        let code = r"`a\|b # c'<img>*[d](e)`";
        assert_eq!(page.replace(r"\<", "").matches("<img").count(), 2, "in code alone\n{page}");
        assert_eq!(page.matches(code).count(), 2, "{page}");
        assert!(page.matches(escaped).count() >= 17, "{page}");
        assert!(!page.contains("a|b") && !page.contains("\n# c"), "{page}");
        // A row has as many cells as its header.
        let cells = |line: &str| line.replace(r"\|", "").matches('|').count();
        let mut columns = 0;
        for line in page.lines().map(str::trim_end) {
            let here = cells(line);
            assert!(columns == 0 || here == 0 || here == columns, "{line}");
            columns = here;
        }
    }
}
