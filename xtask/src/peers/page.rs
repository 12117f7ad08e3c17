//! Writes `BENCHMARKS.md`.

use super::format::{count, figure, table};
use super::gpu_page;
use super::machine::Setting;
use super::plots;
use super::quality;
use super::results::{Entry, LeftOut, Peers, Point, Results, Scaling, first_words};
use super::scaling::BATCH;
use super::small_page;
use super::statistics::{Ratio, median, ratio};
use super::vectors::Vectors;
use super::work;

/// Impasto's contestants.
pub const OURS: [&str; 2] = ["impasto-cpu", "impasto-gpu"];

/// The whole page.
pub fn render(results: &Results) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n\
         How fast Impasto trains: beside other libraries on the same work, and as the work grows. How well\n\
         networks learn pictures. This page and [its figures](docs/benchmarks/benchmarks.json) are written by\n\
         `cargo xtask peers`, `cargo xtask scaling` and `cargo xtask quality`. There is a section for each class of machine: the\n\
         vector instructions of a processor, or an adapter. A run replaces the section of its class.\n",
    );
    if results.peers.is_empty() {
        page += "\nNot compared with others yet: `cargo xtask peers`.\n";
    }
    for peers in &results.peers {
        page += &peers_part(peers);
        let plot = plots::epochs_file(&peers.class());
        page +=
            &["\n![Seconds an epoch over the batch size](docs/benchmarks/", &plot, ")\n"].concat();
    }
    for small in &results.small {
        page += &small_page::part(small);
    }
    for run in &results.gpus {
        page += &gpu_page::part(run);
    }
    page += &quality::page::section(&results.quality);
    match &results.scaling {
        Some(scaling) => page += &scaling_part(scaling),
        None => page += "\n## As the work grows\n\nNot measured yet: `cargo xtask scaling`.\n",
    }
    page
}

/// A contestant in words.
pub fn title(entry: &Entry) -> String {
    let version = &entry.version;
    match entry.contestant.as_str() {
        "impasto-cpu" => format!("{version}, CPU engine"),
        "impasto-gpu" => format!("{version}, GPU engine on {}", first_words(&entry.device)),
        "scikit-learn-float64" => format!("{version}, float64 (its default)"),
        "scikit-learn-float32" => format!("{version}, float32"),
        "pytorch" => format!("{version}, CPU, fused Adam"),
        "pytorch-compiled" => format!("{version}, CPU, fused Adam, torch.compile"),
        "burn-flex" => format!("{version}, flex (CPU)"),
        "burn-wgpu" => format!("{version}, wgpu on {}", first_words(&entry.device)),
        _ => format!("{version}, CPU"),
    }
}

/// A ratio with the least and the most.
pub fn times(ratio: &Ratio) -> String {
    let digits =
        |value: f64| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
    format!("**{}×** ({}–{})", digits(ratio.median), digits(ratio.lowest), digits(ratio.highest))
}

/// Where rounds differ by more than this, the machine was busy with something else.
const BUSY: f64 = 1.5;

/// A cell without a figure.
pub const DASH: &str = "–";

impl Peers {
    /// Batch sizes, in the order in which they were measured.
    fn batches(&self) -> Vec<usize> {
        let mut batches: Vec<usize> = self.entries.iter().map(|entry| entry.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        batches
    }

    /// Contestants in the order of the tables.
    fn contestants(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in &self.entries {
            if !names.contains(&entry.contestant.as_str()) {
                names.push(&entry.contestant);
            }
        }
        names
    }

    fn entry(&self, contestant: &str, batch: usize) -> Option<&Entry> {
        self.entries.iter().find(|e| e.contestant == contestant && e.batch == batch)
    }

    fn any(&self, contestant: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.contestant == contestant)
    }

    /// A row for each contestant that `wanted` lets through, a cell for each batch size.
    fn rows(
        &self,
        wanted: impl Fn(&Entry) -> bool,
        cell: impl Fn(&Entry) -> Option<String>,
    ) -> Vec<Vec<String>> {
        self.contestants()
            .into_iter()
            .filter_map(|name| self.any(name).filter(|entry| wanted(entry)))
            .map(|first| {
                let cells = self.batches().into_iter().map(|batch| {
                    self.entry(&first.contestant, batch)
                        .and_then(|entry| if entry.learned { cell(entry) } else { None })
                        .unwrap_or_else(|| DASH.into())
                });
                std::iter::once(title(first)).chain(cells).collect()
            })
            .collect()
    }

    fn header(&self, first: &str) -> Vec<String> {
        let batches = self.batches();
        std::iter::once(first.into())
            .chain(batches.into_iter().map(|batch| format!("batch {}", count(batch as f64))))
            .collect()
    }

    /// How many times as long as `ours` the peers of its kind take; empty if there is none.
    fn ratios(&self, ours: &str) -> String {
        let Some(us) = self.any(ours) else { return String::new() };
        let rows = self.rows(
            |entry| entry.gpu == us.gpu && !OURS.contains(&entry.contestant.as_str()),
            |entry| {
                let ours = self.entry(ours, entry.batch).filter(|ours| ours.learned)?;
                ratio(&entry.rounds(), &ours.rounds()).as_ref().map(times)
            },
        );
        if rows.is_empty() {
            return String::new();
        }
        table(&self.header(&format!("{} is so many times as fast as", title(us))), &rows)
    }

    /// Whether the adapter is the processor in disguise.
    fn is_software(&self) -> bool {
        self.any("impasto-gpu").is_some_and(|entry| entry.device.contains("software adapter"))
    }
}

fn peers_part(peers: &Peers) -> String {
    let mut part = format!(
        "\n## Against others on {}\n\n\
         {} pixels of a picture, 10 hidden layers of 100 neurons, ReLU, Adam, mean squared error,\n\
         on {}.\n\n",
        peers.class(),
        count(peers.samples as f64),
        peers.setting.describe()
    );
    part += &restriction(peers.vectors.as_deref());
    for ours in OURS {
        let ratios = peers.ratios(ours);
        if !ratios.is_empty() {
            part += &(ratios + "\n");
        }
    }
    part += "Above 1 Impasto is faster, below 1 slower. In parentheses: the least and the most of \
             the rounds.\n";
    if peers.is_software() {
        part += "The adapter is a software adapter: it computes on the processor, not on a GPU.\n";
    }
    part += &busy(peers.entries.iter());
    part += "\n### Seconds an epoch\n\n";
    part +=
        &table(&peers.header("median"), &peers.rows(|_| true, |entry| entry.seconds().map(figure)));
    part += &share(peers);
    part += &proof(peers);
    part += &left_out(&peers.left_out);
    part += &method(peers);
    part
}

/// What all were restricted to.
pub fn restriction(vectors: Option<&str>) -> String {
    let Some(vectors) = vectors else { return String::new() };
    let variables = Vectors::describe();
    let words = ", as on a processor without wider vector instructions\n(";
    ["All were restricted to ", vectors, words, &variables, ").\n\n"].concat()
}

/// A warning where rounds differ too much.
pub fn busy<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let spread = entries.map(Entry::spread).fold(1.0, f64::max);
    if spread <= BUSY {
        return String::new();
    }
    format!(
        "\n**The machine was busy**: the slowest round of a contestant took {spread:.1} times as long as\n\
         its fastest. Measure again before you quote these figures.\n"
    )
}

/// The share of each contestant in the machine's rate of matrix products.
fn share(peers: &Peers) -> String {
    let Some(product) = &peers.product else { return String::new() };
    let rows = peers.rows(
        |entry| !entry.gpu || peers.is_software(),
        |entry| Some(format!("{:.0} %", 100.0 * product.share(entry, peers.epoch_flop)?)),
    );
    let (rate, which) = match median(&product.rounds) {
        Some(rate) => {
            (rate, "the median of the rounds; a share is the median of the rounds' shares")
        }
        None => (product.flop_per_second, "the best of all rounds"),
    };
    format!(
        "\n### Share of the machine's matrix-product rate\n\n{}\n\
         One float32 product of two {size}×{size} matrices runs at {:.0} GFLOP/s here\n\
         ({}, {which}).\n\
         An epoch takes {:.2} GFLOP: 6 · weights · samples, since each weight meets\n\
         each sample in three products (forward, gradient of the weights, gradient of the inputs),\n\
         each time in one multiplication and one addition. Biases, activations and Adam come on top\n\
         and are not counted.\n",
        table(&peers.header("of that rate"), &rows),
        rate / 1e9,
        product.version,
        peers.epoch_flop / 1e9,
        size = count(product.size as f64),
    )
}

/// First epochs, and whether each contestant learns.
fn proof(peers: &Peers) -> String {
    let header: Vec<String> =
        ["", "batch", "first epoch", "slowest/fastest round", "epochs", "loss: first", "last"]
            .map(String::from)
            .to_vec();
    let rows: Vec<Vec<String>> = peers
        .contestants()
        .into_iter()
        .flat_map(|name| peers.batches().into_iter().filter_map(|batch| peers.entry(name, batch)))
        .map(|entry| {
            let last = format!("{:.4}", entry.final_loss);
            vec![
                title(entry),
                count(entry.batch as f64),
                format!("{} s", figure(entry.first_epoch_s)),
                format!("{:.2}", entry.spread()),
                count(entry.epochs as f64),
                format!("{:.4}", entry.first_loss),
                if entry.learned { last } else { format!("{last}, **did not learn**") },
            ]
        })
        .collect();
    format!(
        "\n### First epochs and losses\n\n\
         <details><summary>Each contestant at each batch size</summary>\n\n{}\n</details>\n\n\
         The time of the first epoch includes all that is compiled, chosen or loaded for it. A loss is\n\
         the mean over an epoch. A painting in the picture's mean color has a loss of {:.4}. A\n\
         contestant whose last loss is not below half of that has not learned and is not counted.\n\
         Contestants that had too few steps for it trained on, unmeasured. Each contestant trained as\n\
         many epochs as fitted into its time, so the losses do not show which one learns better.\n",
        table(&header, &rows),
        peers.constant_loss
    )
}

/// Those that were not measured.
pub fn left_out(all: &[LeftOut]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = all
        .iter()
        .map(|one| format!("- {}: {}", one.contestant, one.reason.replace(char::is_control, " ")))
        .collect();
    format!("\nNot measured:\n\n{}\n", lines.join("\n"))
}

/// How the peers in Rust are built.
const COMPILED_PEERS: &str = "- *Burn and Candle* are compiled for this processor, Burn with its AVX-512 kernels. Burn uses\n  \
     fusion and autotune, and runs its kernels as WGSL on an adapter. Candle with Intel's MKL, and\n  \
     CUDA and Metal, are not measured.\n";

fn method(peers: &Peers) -> String {
    let devices: Vec<String> = peers
        .contestants()
        .into_iter()
        .filter_map(|name| peers.any(name))
        .map(|entry| format!("- {}: {}", title(entry), entry.device))
        .collect();
    let devices = devices.join("\n");
    let has_compiled_peers = ["burn", "candle"]
        .iter()
        .any(|name| peers.entries.iter().any(|e| e.contestant.starts_with(name)));
    format!(
        "\n### How it was measured\n\n\
         - *The same work*: `{}`, {} samples (x and y of the pixel centers in [-1, 1] → red, green,\n  \
           blue in [0, 1]); Adam with a learning rate of {}, ε 1e-8, no weight decay; a new order\n  \
           of the samples in each epoch.\n\
         - *In turns*: each contestant is a process of its own for each batch size. They take turns in\n  \
           each of {} rounds, in an order that changes. A turn is up to three spans of one or\n  \
           more whole epochs, each timed from its first step until the device has finished the\n  \
           last. A figure is the median over the rounds of the median span, a ratio the median over\n  \
           the rounds of the ratio within the round.\n\
         - *As each documentation advises*: PyTorch and Burn keep the samples on the device, gather\n  \
           once an epoch and use no data loader. Adam is fused where that exists. scikit-learn calls\n  \
           `fit` once a span, without its L2 penalty. Impasto is built with its default profile.\n{}\n\
         Devices:\n\n{devices}\n\n{}",
        work::PICTURE,
        count(peers.samples as f64),
        work::LEARNING_RATE,
        peers.rounds,
        if has_compiled_peers { COMPILED_PEERS } else { "" },
        repeat(&peers.setting)
    )
}

/// Machine, versions, and the command.
pub fn repeat(setting: &Setting) -> String {
    format!(
        "Measured on {} with commit {} and {}; again with:\n\n```sh\n{}\n```\n",
        setting.date, setting.commit, setting.rustc, setting.command
    )
}

fn scaling_part(scaling: &Scaling) -> String {
    let mut part = format!(
        "\n## As the work grows\n\n\
         Impasto alone, on {}.\n\
         Ten hidden layers of 100 and a picture of 100×100 where it is not the one or the other\n\
         that grows; batches of {}, Adam, mean squared error. Each size is\n\
         trained in a process of its own for some seconds, of large pictures a part of an epoch;\n\
         the first third of the time does not count. Host memory is the most that the process ever\n\
         held, the picture included.\n",
        scaling.setting.describe(),
        count(BATCH as f64)
    );
    let sections = [
        (plots::SIDE, "Pictures", "pixels.svg", "pixels"),
        (plots::DEPTH, "Depth", "depth.svg", "hidden layers"),
        (plots::WIDTH, "Width", "width.svg", "neurons in each hidden layer"),
    ];
    for (series, name, plot, x) in sections {
        let table = scaling_table(scaling, series, x);
        part += &["\n### ", name, "\n\n", &table].concat();
        part += &["\n![Time for a sample over ", x, "](docs/benchmarks/", plot, ")\n"].concat();
        if series == plots::SIDE {
            part += "\n![Memory over pixels](docs/benchmarks/memory.svg)\n";
        }
    }
    format!("{part}\n{}", repeat(&scaling.setting))
}

fn scaling_table(scaling: &Scaling, series: &str, x: &str) -> String {
    let header: Vec<String> =
        [x, "parameters", "engine", "µs a sample", "s an epoch", "host MiB", "device MiB"]
            .map(String::from)
            .to_vec();
    let rows: Vec<Vec<String>> =
        scaling.points.iter().filter(|point| point.series == series).map(scaling_row).collect();
    table(&header, &rows)
}

fn scaling_row(point: &Point) -> Vec<String> {
    let size = &point.size;
    let grown = match point.series.as_str() {
        plots::SIDE => format!("{0}×{0}", count(size.side as f64)),
        plots::DEPTH => count(size.depth as f64),
        _ => count(size.width as f64),
    };
    let engine = if size.gpu { "GPU" } else { "CPU" };
    let cost = match &point.cost {
        Ok(cost) => cost,
        Err(reason) => {
            let reason = reason.replace(['|', '\n'], " ");
            return vec![
                grown,
                DASH.into(),
                engine.into(),
                reason,
                DASH.into(),
                DASH.into(),
                DASH.into(),
            ];
        }
    };
    let mebibytes = |bytes: Option<u64>| {
        bytes.map_or_else(|| DASH.into(), |bytes| count(bytes as f64 / 1024.0 / 1024.0))
    };
    vec![
        grown,
        count(cost.parameters as f64),
        if size.gpu { format!("GPU, {}", first_words(&cost.device)) } else { engine.into() },
        figure(cost.sample_s * 1e6),
        figure(cost.sample_s * (size.side * size.side) as f64),
        mebibytes(cost.host_bytes),
        mebibytes(cost.device_bytes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::points::{Cost, Size};
    use crate::peers::results::{LeftOut, Product};

    fn setting() -> Setting {
        Setting {
            date: "2026-11-22".into(),
            commit: "0123456789ab".into(),
            command: "cargo xtask peers --burn".into(),
            processor: "A processor".into(),
            threads: 2,
            simd: "AVX2".into(),
            memory_gib: Some(4.0),
            system: "Linux".into(),
            rustc: "rustc 1.95.0".into(),
        }
    }

    fn entry(contestant: &str, gpu: bool, batch: usize, rounds: &[f64]) -> Entry {
        let processor = "CPU, 2 threads, AVX-512";
        let device = if gpu { "llvmpipe (software adapter, not a GPU)" } else { processor };
        Entry {
            contestant: contestant.into(),
            version: contestant.to_uppercase(),
            device: device.into(),
            gpu,
            batch,
            first_epoch_s: 1.5,
            first_loss: 0.2,
            epoch_s: rounds.iter().map(|seconds| vec![*seconds]).collect(),
            epochs: 9,
            final_loss: 0.01,
            learned: true,
        }
    }

    fn results() -> Results {
        let peers = Peers {
            setting: setting(),
            samples: 10_000,
            epoch_flop: 5.43e9,
            constant_loss: 0.1,
            rounds: 3,
            vectors: None,
            product: Some(Product {
                version: "PyTorch".into(),
                size: 4096,
                flop_per_second: 271.5e9,
                rounds: vec![271.5e9, 200e9, 271.5e9],
            }),
            entries: vec![
                entry("impasto-cpu", false, 200, &[0.04, 0.04, 0.05]),
                entry("candle", false, 200, &[0.08, 0.09, 0.10]),
                entry("impasto-gpu", true, 200, &[0.4]),
                entry("burn-wgpu", true, 200, &[0.8]),
                entry("impasto-cpu", false, 1_000, &[0.04, 0.04, 0.05]),
            ],
            left_out: vec![LeftOut { contestant: "PyTorch".into(), reason: "no network".into() }],
        };
        let size = Size {
            gpu: false,
            adapter: None,
            threads: 2,
            picture: "logo.jpg".into(),
            side: 1_000,
            depth: 10,
            width: 100,
            batch: 1_000,
            seconds: 1.0,
        };
        let cost = Cost {
            device: "CPU, 2 threads".into(),
            parameters: 91_503,
            setup_s: 0.1,
            steps: 100,
            sample_s: 4e-6,
            host_bytes: Some(64 << 20),
            device_bytes: None,
        };
        let point = |cost| Point { series: plots::SIDE.into(), size: size.clone(), cost };
        let points = vec![point(Ok(cost)), point(Err("no adapter".into()))];
        let scaling = Some(Scaling { setting: setting(), points });
        let mut results = Results { scaling, ..Results::default() };
        results.add(peers);
        results
    }

    #[test]
    fn ratios_come_first_and_compare_like_with_like() {
        let page = render(&results());
        let row = |name: &str| {
            page.lines().find(|line| line.starts_with(&format!("| {name}"))).unwrap().to_owned()
        };
        assert_eq!(row("CANDLE"), "| CANDLE, CPU | **2.00×** (2.00–2.25) | – |");
        assert_eq!(row("BURN-WGPU"), "| BURN-WGPU, wgpu on llvmpipe | **2.00×** (2.00–2.00) |");
        assert!(page.find("times as fast").unwrap() < page.find("Seconds an epoch").unwrap());
        assert!(page.contains("software adapter"));
    }

    #[test]
    fn the_page_has_seconds_shares_and_how_to_repeat_it() {
        let page = render(&results());
        for expected in [
            "| IMPASTO-CPU, CPU engine | 0.0400 | 0.0400 |",
            "| IMPASTO-CPU, CPU engine | 50 % | 50 % |",
            "- PyTorch: no network",
            "cargo xtask peers --burn",
            "0123456789ab",
            "| 1,000×1,000 | 91,503 | CPU | 4.00 | 4.00 | 64 | – |",
            "no adapter",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }

    #[test]
    fn a_contestant_that_does_not_learn_is_not_counted() {
        let mut results = results();
        for entry in &mut results.peers[0].entries {
            entry.learned = entry.contestant != "candle";
        }
        let page = render(&results);
        assert!(page.contains("| CANDLE, CPU | – | – |"), "{page}");
        assert!(page.contains("**did not learn**"));
    }

    #[test]
    fn a_busy_machine_is_reported() {
        let mut results = results();
        assert!(!render(&results).contains("was busy"));
        let peers = &mut results.peers[0];
        peers.entries.push(entry("candle", false, 1_000, &[0.1, 0.3]));
        assert!(render(&results).contains("3.0 times as long"));
    }

    #[test]
    fn a_page_without_figures_says_so() {
        let page = render(&Results::default());
        assert!(page.contains("Not compared") && page.contains("Not measured"));
    }

    #[test]
    fn each_class_has_a_section_that_says_what_was_restricted() {
        let mut results = results();
        let mut narrow = results.peers[0].clone();
        narrow.vectors = Some("AVX2".into());
        for entry in &mut narrow.entries {
            entry.device = "CPU, 2 threads, AVX2".into();
        }
        let before = render(&results);
        results.add(narrow);
        let page = render(&results);
        for heading in ["AVX-512", "AVX2", "llvmpipe"] {
            assert!(page.contains(&format!("\n## Against others on {heading}\n")), "{page}");
        }
        assert!(page.contains("restricted to AVX2") && page.contains("`IMPASTO_VECTORS=avx2`"));
        assert!(page.contains("docs/benchmarks/epochs-avx-512.svg"), "{page}");
        assert!(!before.contains("restricted"));
    }
}
