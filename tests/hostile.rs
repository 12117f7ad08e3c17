//! Damaged input for everything that reads files and text.
//!
//! The input is the seeds of the fuzz targets and some thousand changes of them, the same on every machine.
//! `cargo xtask fuzz` searches for more, with a nightly compiler.
//!
//! `IMPASTO_WRITE_SEEDS=1 cargo test --test hostile` writes the seeds anew.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use impasto::reference::ReferenceEngine;
use impasto::{
    Activation, Dataset, EarlyStopping, Encoding, Loss, Metric, Network, ParameterBits, Picture,
    Schedule, Subject, Trainer, Wrappers,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fs;
use std::path::{Path, PathBuf};

/// Changed seeds that each target is given.
const CASES: u32 = 5000;

/// A change of some bytes. Places are fractions of the length.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Overwrite(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Truncate(Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bits) => *at.get_mut(bytes) ^= bits,
            Self::Overwrite(at, new) => {
                let at = at.index(bytes.len());
                let end = bytes.len().min(at + new.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            Self::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + count));
            }
            Self::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let again = bytes[at..bytes.len().min(at + count)].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let critical: [&[u8]; 12] = [
        &[0; 4],
        &[0xFF; 4],
        &[0xFF; 8],
        &[0, 0, 0, 0x80],
        &[0xFF, 0xFF, 0xFF, 0x7F],
        b"0",
        b"-1",
        b"1e999",
        b"1e-320",
        b"18446744073709551615",
        b"null",
        b"NaN",
    ];
    let new = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..9),
        prop::sample::select(critical.to_vec()).prop_map(<[u8]>::to_vec),
    ];
    let at = any::<Index>;
    let change = prop_oneof![
        (at(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (at(), new.clone()).prop_map(|(at, new)| Change::Overwrite(at, new)),
        (at(), new).prop_map(|(at, new)| Change::Insert(at, new)),
        (at(), 1..20_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1..200_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        at().prop_map(Change::Truncate),
    ];
    prop::collection::vec(change, 1..5)
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder(target)).expect("a folder");
    fs::write(folder(target).join(name), bytes).expect("a file");
}

/// The file without its checksum, for which every change would be refused.
fn unchecked(mut bytes: Vec<u8>) -> Vec<u8> {
    let key = bytes.windows(16).position(|key| key == b"impasto-checksum");
    bytes[key.expect("a checksum")] = b'I';
    bytes
}

/// Gives a target its seeds, which it accepts, and changes of them.
fn check(target: &str, accepts: fn(&[u8]) -> bool, write_seeds: fn()) {
    if std::env::var("IMPASTO_WRITE_SEEDS").is_ok_and(|value| value == "1") {
        write_seeds();
    }
    let entries = fs::read_dir(folder(target)).expect("a folder of seeds");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target}");
    let mut seeds = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).expect("a file");
        assert!(accepts(&bytes), "{} is not accepted", path.display());
        seeds.push(bytes);
    }
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random)
        .run(&(prop::sample::select(seeds), changes()), |(mut bytes, changes)| {
            for change in &changes {
                change.apply(&mut bytes);
            }
            accepts(&bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{target}: {error}"));
}

#[test]
fn saved_networks() {
    check("network", targets::network, || {
        let encode = |network: &Network| unchecked(network.encode().expect("a small network"));
        let builder = Network::builder(2).encoding(Encoding::Frequency { octaves: 2 });
        let encoded = builder.hidden(&[3], Activation::LeakyRelu { slope: 0.25 });
        let encoded = encoded.output(2, Activation::Identity).build().expect("a network");
        put("network", "encoded.safetensors", &encode(&encoded));
        let dropping = Network::builder(2).hidden(&[3], Activation::Tanh).dropout(0.25);
        let dropping = dropping.layer(3, Activation::Softmax, false).build().expect("a network");
        put("network", "dropping.safetensors", &encode(&dropping));
        let painting = Network::builder(2).output(3, Activation::Sigmoid).build();
        let painting = painting.expect("a network");
        let picture = Picture::new(5, 4, 3, 255, vec![9; 60]).expect("5×4");
        let subject = Subject::new(&picture, Encoding::Identity, false);
        let texts = subject.to_metadata().expect("texts");
        let bytes = painting.encode_with(&texts).expect("a small network");
        put("network", "painting.safetensors", &unchecked(bytes));
        for (name, bits) in [("eight", ParameterBits::Eight), ("sixteen", ParameterBits::Sixteen)] {
            let bytes = encoded.encode_compact(bits, &texts).expect("a small network");
            put("network", &format!("{name}.safetensors"), &unchecked(bytes));
        }
    });
}

#[test]
fn saved_runs() {
    check("run", targets::run, || {
        let network = Network::builder(2).hidden(&[3], Activation::Tanh);
        let network = network.output(1, Activation::Sigmoid).build().expect("a network");
        let numbers = |count: u8| (0..count).map(|i| f32::from(i) / 16.0).collect();
        let dataset = Dataset::new(numbers(16), numbers(8), 2, 1).expect("samples");
        let plain = Trainer { epochs: 9, batch_size: 3, ..Trainer::default() };
        let wrappers = ["ema", "lookahead", "clip-norm"].map(|name| name.parse().expect("one"));
        let elaborate = Trainer {
            loss: Loss::BinaryCrossEntropy,
            optimizer: "amsgrad".parse().expect("an optimizer"),
            schedule: "plateau".parse().expect("a schedule"),
            wrappers: Wrappers::new(wrappers).expect("all different"),
            early_stopping: Some(EarlyStopping::default()),
            validation_fraction: Some(0.25),
            metrics: vec![Metric::R2],
            ..plain.clone()
        };
        for (name, trainer) in [("plain", plain), ("elaborate", elaborate)] {
            let training = trainer.begin(ReferenceEngine::new(), &network, &dataset);
            let mut training = training.expect("begins");
            training.step(7).expect("no device to fail");
            let bytes = training.state().expect("a state").encode().expect("bytes");
            put("run", &format!("{name}.safetensors"), &unchecked(bytes));
        }
    });
}

#[test]
fn pictures() {
    check("picture", targets::picture, || {
        let folder = folder("picture");
        fs::create_dir_all(&folder).expect("a folder");
        let picture = |channels: usize, maximum: u16| {
            let values = (0..5 * 4 * channels).map(|i| (i * 13 % 256) as u16 * (maximum / 255));
            Picture::new(5, 4, channels, maximum, values.collect()).expect("5×4")
        };
        for ending in ["bmp", "gif", "jpg", "pnm", "qoi", "tga", "tiff", "webp"] {
            let path = folder.join(format!("rgb.{ending}"));
            picture(3, 255).save(&path).expect("a format for RGB");
        }
        picture(1, 255).save(folder.join("gray.png")).expect("PNG");
        picture(4, 255).save(folder.join("rgba.ico")).expect("ICO");
        picture(4, 65_535).save(folder.join("deep.png")).expect("PNG");
        picture(4, 65_535).save(folder.join("deep.ff")).expect("farbfeld");
    });
}

#[test]
fn configurations() {
    check("configuration", targets::configuration, || {
        let texts = [
            "leaky-relu:slope=0.25",
            "huber:delta=0.5",
            "sgd:momentum=0.9,nesterov=true",
            "one-cycle",
            "step:every=3,factor=0.25",
            "fourier:features=8,scale=2,seed=3",
            "lookahead:every=5,alpha=0.5",
            "cpu",
            "layerwise",
        ];
        for text in texts {
            let name = text.split(':').next().unwrap_or(text);
            put("configuration", name, text.as_bytes());
        }
        let schedule: Schedule = "exponential-steps".parse().expect("a schedule");
        let trainer = Trainer { epochs: 2, schedule, ..Trainer::default() };
        let json = serde_json::to_vec(&trainer).expect("plain data");
        put("configuration", "trainer.json", &json);
    });
}

#[test]
fn found_shapes() {
    check("shapes", targets::shapes, || {
        let step = serde_json::json!({
            "lanes": 8, "groups": 7, "rows": 4, "columns": 8, "broadcast": 0
        });
        let gradients = serde_json::json!({
            "lanes": 13, "groups": 7, "rows": 8, "columns": 8, "broadcast": 0
        });
        let shapes = serde_json::json!({ "step": step, "gradients": gradients, "slice": 32 });
        let file = serde_json::json!({ "A GPU | kernels 0 | [2, 48, 48, 3] | batch 432": shapes });
        put("shapes", "tuning.json", file.to_string().as_bytes());
    });
}
