//! All measurements, as stored in `docs/benchmarks/benchmarks.json`.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::gpu::GpuRun;
use super::machine::Setting;
use super::points::{Cost, Size};
use super::quality::figures::Quality;
use super::statistics::median;

/// All kinds of measurement, the last of each class of machine.
#[derive(Default, Deserialize, Serialize)]
pub struct Results {
    /// `cargo xtask peers`: the last run of each [class](Peers::class).
    #[serde(default)]
    pub peers: Vec<Peers>,
    /// `cargo xtask peers --small`: the last run of each class.
    #[serde(default)]
    pub small: Vec<Small>,
    /// `cargo xtask peers --kit`: the last run of each GPU.
    #[serde(default)]
    pub gpus: Vec<GpuRun>,
    /// `cargo xtask scaling`
    pub scaling: Option<Scaling>,
    /// `cargo xtask quality`
    #[serde(default)]
    pub quality: Quality,
}

impl Results {
    /// Adds a run, which replaces earlier figures of the same class. A run on the processor and on an
    /// adapter is in two parts.
    pub fn add(&mut self, run: Peers) {
        for part in run.parts() {
            let class = part.class();
            self.peers.retain(|older| older.class() != class);
            self.peers.push(part);
        }
        // The processor first.
        self.peers.sort_by_key(|run| (run.is_on_adapter(), run.class()));
    }

    /// Adds a run of small networks, which replaces earlier figures of the same class.
    pub fn add_small(&mut self, run: Small) {
        self.small.retain(|older| older.class() != run.class());
        self.small.push(run);
        self.small.sort_by_key(Small::class);
    }

    /// Adds a run of the kit, which replaces earlier figures of the same adapter.
    pub fn add_gpu(&mut self, run: GpuRun) {
        self.gpus.retain(|older| older.adapter.name != run.adapter.name);
        self.gpus.push(run);
        self.gpus.sort_by(|a, b| a.adapter.name.cmp(&b.adapter.name));
    }
}

/// A device's name without its details: all before a parenthesis or a comma.
pub fn first_words(device: &str) -> String {
    device.split(['(', ',']).next().unwrap_or_default().trim().into()
}

/// Contestants on the same work.
#[derive(Clone, Deserialize, Serialize)]
pub struct Peers {
    /// Where and when.
    pub setting: Setting,
    /// Samples of the picture.
    pub samples: usize,
    /// Floating-point operations of an epoch.
    pub epoch_flop: f64,
    /// The loss of the best constant color.
    pub constant_loss: f64,
    /// Rounds in which every contestant had a turn.
    pub rounds: usize,
    /// The vector instructions that all were restricted to, if any.
    #[serde(default)]
    pub vectors: Option<String>,
    /// The machine's matrix-product rate.
    pub product: Option<Product>,
    /// One for each contestant and batch size.
    pub entries: Vec<Entry>,
    /// Those that could not be measured, each with the reason.
    pub left_out: Vec<LeftOut>,
}

impl Peers {
    /// Whether it has an adapter's figures.
    pub fn is_on_adapter(&self) -> bool {
        self.entries.iter().any(|entry| entry.gpu)
    }

    /// The class of machine that its figures are good for: the vector instructions that Impasto's CPU engine
    /// ran with, or the name of the adapter.
    pub fn class(&self) -> String {
        class(&self.entries.iter().collect::<Vec<_>>(), &self.setting)
    }

    /// The part on the processor and the part on an adapter.
    fn parts(self) -> Vec<Self> {
        let both = self.is_on_adapter() && self.entries.iter().any(|entry| !entry.gpu);
        let part = |gpu: bool| {
            let mut part = self.clone();
            part.entries.retain(|entry| entry.gpu == gpu);
            let is_here = |one: &LeftOut| {
                let name = one.contestant.split(" at batch").next().unwrap_or_default();
                !both || ["impasto-gpu", "burn-wgpu"].contains(&name) == gpu
            };
            part.left_out.retain(is_here);
            part
        };
        [false, true].map(part).into_iter().filter(|part| !part.entries.is_empty()).collect()
    }
}

/// The class of machine of some entries, by those of Impasto.
fn class(entries: &[&Entry], setting: &Setting) -> String {
    let ours = entries.iter().find(|entry| entry.contestant.starts_with("impasto-"));
    match ours.or(entries.first()) {
        Some(entry) if entry.gpu => first_words(&entry.device),
        // "CPU, 2 threads, AVX-512".
        Some(entry) if entry.contestant == "impasto-cpu" => {
            entry.device.split(", ").nth(2).unwrap_or("no vector instructions").into()
        }
        _ => setting.simd.rsplit(", ").next().unwrap_or_default().into(),
    }
}

/// Contestants on small networks.
#[derive(Clone, Deserialize, Serialize)]
pub struct Small {
    /// Where and when.
    pub setting: Setting,
    /// Rounds in which every contestant had a turn.
    pub rounds: usize,
    /// The vector instructions that all were restricted to, if any.
    pub vectors: Option<String>,
    /// The networks.
    pub works: Vec<SmallWork>,
    /// Those that could not be measured, each with the reason.
    pub left_out: Vec<LeftOut>,
}

/// A small network with its samples.
#[derive(Clone, Deserialize, Serialize)]
pub struct SmallWork {
    /// For people.
    pub name: String,
    /// Steps in an epoch.
    pub steps: usize,
    /// The loss of the best constant output.
    pub constant_loss: f64,
    /// One for each contestant.
    pub entries: Vec<Entry>,
}

impl Small {
    /// As [`Peers::class`].
    pub fn class(&self) -> String {
        class(&self.works.iter().flat_map(|work| &work.entries).collect::<Vec<_>>(), &self.setting)
    }
}

/// The rate of one large float32 matrix product.
#[derive(Clone, Deserialize, Serialize)]
pub struct Product {
    /// What computed it.
    pub version: String,
    /// Rows and columns.
    pub size: usize,
    /// Operations a second, the best of all rounds.
    pub flop_per_second: f64,
    /// Operations a second in each round, the median of its products.
    #[serde(default)]
    pub rounds: Vec<f64>,
}

impl Product {
    /// What part of this rate `entry` comes to with `epoch_flop` operations an epoch: the median over
    /// the rounds, or beside the best of them where only that was kept.
    pub fn share(&self, entry: &Entry, epoch_flop: f64) -> Option<f64> {
        let shares: Vec<f64> = entry
            .rounds()
            .iter()
            .zip(&self.rounds)
            .map(|(seconds, rate)| epoch_flop / seconds / rate)
            .collect();
        median(&shares).or_else(|| Some(epoch_flop / entry.seconds()? / self.flop_per_second))
    }
}

/// A contestant at one batch size.
#[derive(Clone, Deserialize, Serialize)]
pub struct Entry {
    /// Its name in the protocol.
    pub contestant: String,
    /// Its name, with the version.
    pub version: String,
    /// The device that computes.
    pub device: String,
    /// Whether it computes on an adapter rather than on the processor.
    pub gpu: bool,
    /// Samples in a step.
    pub batch: usize,
    /// Seconds of its very first epoch.
    pub first_epoch_s: f64,
    /// Mean loss of that epoch.
    pub first_loss: f64,
    /// Seconds an epoch: each span of each round.
    pub epoch_s: Vec<Vec<f64>>,
    /// Epochs trained in all.
    pub epochs: usize,
    /// Mean loss of the last.
    pub final_loss: f64,
    /// Whether that is a good deal below the loss of the best constant color.
    pub learned: bool,
}

impl Entry {
    /// The median span of each round.
    pub fn rounds(&self) -> Vec<f64> {
        self.epoch_s.iter().filter_map(|spans| median(spans)).collect()
    }

    /// How many times as long the slowest round took as the fastest; 1 where there is none.
    pub fn spread(&self) -> f64 {
        let rounds = self.rounds();
        let slowest = rounds.iter().copied().fold(0.0, f64::max);
        let fastest = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        (slowest / fastest).max(1.0)
    }

    /// Seconds an epoch: the median over the rounds.
    pub fn seconds(&self) -> Option<f64> {
        median(&self.rounds())
    }
}

/// A contestant that has no figures.
#[derive(Clone, Deserialize, Serialize)]
pub struct LeftOut {
    /// Which, and at which batch size if not at all.
    pub contestant: String,
    /// Why.
    pub reason: String,
}

/// The cost of training as the work grows.
#[derive(Clone, Deserialize, Serialize)]
pub struct Scaling {
    /// Where and when.
    pub setting: Setting,
    /// One for each size and engine.
    pub points: Vec<Point>,
}

/// A size with what it cost.
#[derive(Clone, Deserialize, Serialize)]
pub struct Point {
    /// Which of the series it belongs to: `side`, `depth` or `width`.
    pub series: String,
    /// The size.
    pub size: Size,
    /// Its cost, or why it has none.
    pub cost: Result<Cost, String>,
}

impl Results {
    /// The contents of the file; empty if there is no file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds something else.
    pub fn load(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} holds no results: delete it", path.display()))
    }

    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("cannot write JSON")?;
        text.push('\n');
        write_whole(path, &text)
    }
}

/// Writes a file under another name and renames it, so that a run that is interrupted leaves the
/// old one whole.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file; the user's umask still applies.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.prefix(".benchmarks-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::gpu::Adapter;

    #[test]
    fn an_entry_is_the_median_of_medians() {
        let entry = Entry {
            contestant: "pytorch".into(),
            version: "PyTorch".into(),
            device: "2 threads".into(),
            gpu: false,
            batch: 200,
            first_epoch_s: 1.0,
            first_loss: 0.2,
            epoch_s: vec![vec![1.0, 9.0, 2.0], vec![3.0], vec![]],
            epochs: 10,
            final_loss: 0.01,
            learned: true,
        };
        assert_eq!(entry.rounds(), [2.0, 3.0]);
        assert_eq!(entry.seconds(), Some(2.5));
    }

    #[test]
    fn results_come_back_from_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docs/results.json");
        assert!(Results::load(&path).unwrap().peers.is_empty());
        Results::default().save(&path).unwrap();
        assert!(Results::load(&path).unwrap().scaling.is_none());
        fs::write(&path, "{").unwrap();
        assert!(Results::load(&path).is_err());
    }

    fn entry(gpu: bool, device: &str, batch: usize) -> Entry {
        Entry {
            contestant: if gpu { "impasto-gpu".into() } else { "impasto-cpu".into() },
            version: String::new(),
            device: device.into(),
            gpu,
            batch,
            first_epoch_s: 1.0,
            first_loss: 1.0,
            epoch_s: Vec::new(),
            epochs: 1,
            final_loss: 0.0,
            learned: true,
        }
    }

    fn run(entries: Vec<Entry>) -> Peers {
        let left_out = |name: &str| LeftOut { contestant: name.into(), reason: String::new() };
        Peers {
            setting: Setting::default(),
            samples: 1,
            epoch_flop: 1.0,
            constant_loss: 1.0,
            rounds: 1,
            vectors: None,
            product: None,
            entries,
            left_out: vec![left_out("Candle"), left_out("burn-wgpu at batch 1")],
        }
    }

    #[test]
    fn a_run_replaces_what_it_measures_anew_and_no_other_class() {
        const WIDE: &str = "CPU, 2 threads, AVX-512";
        const NARROW: &str = "CPU, 2 threads, AVX2";
        const SOFTWARE: &str = "llvmpipe (LLVM 15.0.6)";
        let mut results = Results::default();
        let left = |results: &Results| -> Vec<(String, usize)> {
            results.peers.iter().map(|run| (run.class(), run.entries[0].batch)).collect()
        };
        results.add(run(vec![entry(true, SOFTWARE, 1), entry(false, WIDE, 2)]));
        let both = [("AVX-512".to_string(), 2), ("llvmpipe".to_string(), 1)];
        assert_eq!(left(&results), both);
        let left_out = |place: usize| results.peers[place].left_out[0].contestant.clone();
        assert_eq!((left_out(0), left_out(1)), ("Candle".into(), "burn-wgpu at batch 1".into()));
        results.add(run(vec![entry(false, NARROW, 3)]));
        let narrow = ("AVX2".to_string(), 3);
        assert_eq!(left(&results), [both[0].clone(), narrow.clone(), both[1].clone()]);
        results.add(run(vec![entry(false, WIDE, 4)]));
        assert_eq!(left(&results), [("AVX-512".to_string(), 4), narrow, both[1].clone()]);
        results.add(run(vec![entry(true, "NVIDIA H100 (discrete GPU)", 5)]));
        assert_eq!(results.peers.len(), 4, "another adapter is another class");
    }

    #[test]
    fn a_run_of_small_networks_replaces_that_of_the_same_class() {
        let small = |device: &str, rounds: usize| Small {
            setting: Setting::default(),
            rounds,
            vectors: None,
            works: vec![SmallWork {
                name: "2-3-1".into(),
                steps: 1,
                constant_loss: 0.25,
                entries: vec![entry(false, device, 4)],
            }],
            left_out: Vec::new(),
        };
        let mut results = Results::default();
        results.add_small(small("CPU, 2 threads, AVX2", 1));
        results.add_small(small("CPU, 2 threads, AVX-512", 2));
        results.add_small(small("CPU, 2 threads, AVX2", 3));
        let rounds: Vec<usize> = results.small.iter().map(|run| run.rounds).collect();
        assert_eq!(rounds, [2, 3]);
    }

    #[test]
    fn a_run_of_the_kit_replaces_that_of_the_same_adapter() {
        let gpu = |name: &str, date: &str| GpuRun {
            date: date.into(),
            adapter: Adapter { name: name.into(), ..Adapter::default() },
            ..GpuRun::default()
        };
        let mut results = Results::default();
        results.add_gpu(gpu("B", "1"));
        results.add_gpu(gpu("A", "2"));
        results.add_gpu(gpu("B", "3"));
        let dates: Vec<&str> = results.gpus.iter().map(|run| run.date.as_str()).collect();
        assert_eq!(dates, ["2", "3"]);
    }
}
