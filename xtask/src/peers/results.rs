//! All measurements, as stored in `docs/benchmarks/benchmarks.json`.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::machine::Setting;
use super::points::{Cost, Size};
use super::statistics::median;

/// Both kinds of measurement, each from its last run.
#[derive(Default, Deserialize, Serialize)]
pub struct Results {
    /// `cargo xtask peers`: the last run on the processor, and the last on an adapter, which may be
    /// the same.
    #[serde(default)]
    pub peers: Vec<Peers>,
    /// `cargo xtask scaling`
    pub scaling: Option<Scaling>,
}

impl Results {
    /// Adds a run, which replaces earlier figures of the same kind.
    pub fn add(&mut self, run: Peers) {
        let again = |gpu| run.entries.iter().any(|entry| entry.gpu == gpu);
        for older in &mut self.peers {
            older.entries.retain(|entry| !again(entry.gpu));
        }
        self.peers.retain(|older| !older.entries.is_empty());
        self.peers.push(run);
        // The processor first.
        self.peers.sort_by_key(|run| run.entries.iter().all(|entry| entry.gpu));
    }
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
    /// The machine's matrix-product rate.
    pub product: Option<Product>,
    /// One for each contestant and batch size.
    pub entries: Vec<Entry>,
    /// Those that could not be measured, each with the reason.
    pub left_out: Vec<LeftOut>,
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

    #[test]
    fn a_run_replaces_what_it_measures_anew() {
        let entry = |gpu, batch| Entry {
            contestant: "impasto".into(),
            version: String::new(),
            device: String::new(),
            gpu,
            batch,
            first_epoch_s: 1.0,
            first_loss: 1.0,
            epoch_s: Vec::new(),
            epochs: 1,
            final_loss: 0.0,
            learned: true,
        };
        let run = |entries| Peers {
            setting: Setting::default(),
            samples: 1,
            epoch_flop: 1.0,
            constant_loss: 1.0,
            rounds: 1,
            product: None,
            entries,
            left_out: Vec::new(),
        };
        let mut results = Results::default();
        results.add(run(vec![entry(false, 1), entry(true, 1)]));
        results.add(run(vec![entry(false, 2)]));
        let left = |results: &Results| -> Vec<Vec<(bool, usize)>> {
            let of = |run: &Peers| run.entries.iter().map(|e| (e.gpu, e.batch)).collect();
            results.peers.iter().map(of).collect()
        };
        assert_eq!(left(&results), [[(false, 2)], [(true, 1)]]);
        results.add(run(vec![entry(true, 3)]));
        assert_eq!(left(&results), [[(false, 2)], [(true, 3)]]);
        results.add(run(vec![entry(false, 4), entry(true, 4)]));
        assert_eq!(left(&results), [[(false, 4), (true, 4)]]);
    }
}
