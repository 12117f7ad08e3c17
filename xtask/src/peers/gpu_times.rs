//! The tables of `BENCHMARKS.md` with the times of training steps on a GPU: ratios, steps, kernels, searches.

use super::format::{code, count, escaped, figure, micro, table};
use super::gpu::{GpuRun, Steps, Timed};
use super::statistics::median;

const DASH: &str = "–";

/// Impasto's kernels, as the page names them.
struct Kind {
    kernels: &'static str,
    name: &'static str,
    precision: &'static str,
}

/// All of them, in the order of the tables.
const KINDS: [Kind; 3] = [
    Kind { kernels: "fused", name: "fused kernels", precision: "f32" },
    Kind { kernels: MIXED, name: "mixed precision", precision: "f16, sums in f32" },
    Kind { kernels: "layerwise", name: "layerwise kernels", precision: "f32" },
];

/// The kernels of mixed precision.
pub const MIXED: &str = "mixed";

/// Whether Impasto has these kernels.
pub fn is_known(kernels: &str) -> bool {
    KINDS.iter().any(|kind| kind.kernels == kernels)
}

/// A row of times: a contestant and its precision, as they are written, and the seconds of a step at a
/// batch size.
struct Row<'a> {
    name: String,
    precision: String,
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
    fn ours(&self, kernels: &str) -> Option<Row<'_>> {
        let kind = KINDS.iter().find(|kind| kind.kernels == kernels)?;
        self.steps.iter().find(|steps| steps.kernels == kernels)?;
        Some(Row {
            name: format!("{}, {}", escaped(&self.version), kind.name),
            precision: kind.precision.into(),
            seconds: Box::new(move |batch| median(&self.steps_of(kind.kernels, batch)?.step_s)),
        })
    }

    /// The times of the other libraries, in the order in which they were measured.
    fn theirs(&self) -> Vec<Row<'_>> {
        let mut known: Vec<(&str, &str)> = Vec::new();
        for other in &self.others {
            let key = (other.name.as_str(), other.precision.as_str());
            if !known.contains(&key) {
                known.push(key);
            }
        }
        let row = |(name, precision)| {
            let seconds = move |batch: usize| {
                let mut others = self.others.iter().filter(|other| other.batch == batch);
                let same = others.find(|o| o.name == name && o.precision == precision)?;
                median(&same.step_s)
            };
            Row { name: escaped(name), precision: escaped(precision), seconds: Box::new(seconds) }
        };
        known.into_iter().map(row).collect()
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

/// How many times as long as Impasto the others take: a table for the fused kernels and one for mixed
/// precision.
pub fn ratios(run: &GpuRun) -> String {
    let theirs = run.theirs();
    let ours: Vec<Row> = ["fused", MIXED].into_iter().filter_map(|kind| run.ours(kind)).collect();
    if ours.is_empty() {
        return String::new();
    }
    if theirs.is_empty() {
        return "Not compared with others: see below.\n".into();
    }
    let table_of = |ours: &Row| {
        let row = |row: &Row| {
            let cells = run.cells(|batch| {
                let ratio = (row.seconds)(batch)? / (ours.seconds)(batch)?;
                Some(format!("**{}×**", figure(ratio)))
            });
            [vec![row.name.clone(), row.precision.clone()], cells].concat()
        };
        let first = format!("{} is so many times as fast as", ours.name);
        let rows: Vec<Vec<String>> = theirs.iter().map(row).collect();
        table(&run.header(&[&first, "precision"]), &rows) + "\n"
    };
    let tables: String = ours.iter().map(table_of).collect();
    let how = if run.ours(MIXED).is_some() {
        "Impasto computes in f32, and in mixed precision\n\
         products of f16 with sums in f32; products in TF32 and f16 have 10 bits of a fraction, in bf16 7,\n\
         instead of 23."
    } else {
        "Impasto computes in f32; products in TF32 have 10\n\
         bits of a fraction, in bf16 7, instead of 23."
    };
    format!("{tables}Above 1 Impasto is faster, below 1 slower. {how}\n")
}

/// The times themselves.
pub fn times(run: &GpuRun) -> String {
    let ours = KINDS.iter().filter_map(|kind| run.ours(kind.kernels));
    let rows: Vec<Vec<String>> = ours
        .chain(run.theirs())
        .map(|row| {
            let cells = run.cells(|batch| (row.seconds)(batch).map(micro));
            [vec![row.name, row.precision], cells].concat()
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

/// The device's time for each kernel of these, under a title.
pub fn kernels(run: &GpuRun, kind: &str, title: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let steps = run.steps.iter().filter(|steps| steps.kernels == kind);
    for kernel in steps.flat_map(|steps| &steps.profile) {
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
                let profile = &run.steps_of(kind, batch)?.profile;
                let kernel = profile.iter().find(|kernel| kernel.name == name)?;
                Some(micro(kernel.seconds))
            });
            [vec![code(name)], cells].concat()
        })
        .collect();
    let header = run.header(&["µs of a step, by the device's clock"]);
    format!("\n### {title}\n\n{}", table(&header, &rows))
}

/// What the search measured.
pub fn search(run: &GpuRun) -> String {
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
                escaped(&sorted[0].name),
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
