//! The search for shapes, and its cache file: missing, damaged or foreign.
//!
//! The tests run `paint`, since an environment variable names the file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(dead_code, reason = "the shared modules have more than this file needs")]

mod common;
mod pictures;

#[path = "paint/studio.rs"]
mod studio;

use impasto::Device;
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use studio::{Run, Studio};

/// A network and a batch of all 24×18 pixels: just enough work that shapes are looked for.
const PAINTING: &str = "picture.png --backend gpu --hidden 2x48 --batch 432 --epochs 2";

/// The file in the folder `cache`.
const FILE: &str = "cache/tuning.json";

/// Paints with that `IMPASTO_CACHE`, relative to the studio.
fn paint(studio: &Studio, adapter: &Device, cache: &str, options: &str) -> Run {
    let arguments = format!("{PAINTING} {options}");
    let mut command = Command::new(common::example("paint"));
    command
        .args(arguments.split_whitespace())
        .current_dir(studio.path(""))
        .env("IMPASTO_ADAPTER", adapter.description())
        .env("IMPASTO_CACHE", cache)
        // Where the user's own folder would be.
        .env("XDG_CACHE_HOME", studio.path("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    studio::finish(command.spawn().unwrap(), &arguments).succeeded()
}

/// The files in the studio without the drivers' own cache.
fn names(studio: &Studio) -> Vec<String> {
    assert!(!studio.path("home/impasto").exists());
    studio.names().into_iter().filter(|name| name != "home").collect()
}

/// The one entry in the file: its key and its shapes.
fn entry(studio: &Studio) -> (String, Value) {
    let file = studio.json(FILE);
    let entries = file.as_object().unwrap();
    assert_eq!(entries.len(), 1, "{file}");
    entries.iter().next().map(|(key, shapes)| (key.clone(), shapes.clone())).unwrap()
}

/// The same shapes with another number at `place`.
fn changed(shapes: &Value, place: &str, number: u64) -> Value {
    let mut changed = shapes.clone();
    let old = changed.pointer_mut(place).expect(place);
    assert_ne!(*old, json!(number), "{place}");
    *old = json!(number);
    changed
}

#[test]
fn a_search_is_remembered() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    paint(&studio, &adapter, "cache", "-o first.png");
    let (key, _) = entry(&studio);
    assert!(key.contains(&adapter.description()) && key.contains("batch 432"), "{key}");
    // A search ends with the file being written anew.
    let written = || fs::metadata(studio.path(FILE)).unwrap().modified().unwrap();
    let (before, bytes) = (written(), studio.bytes(FILE));
    paint(&studio, &adapter, "cache", "-o second.png");
    assert_eq!((before, bytes), (written(), studio.bytes(FILE)), "{key}");
    assert_eq!(studio.bytes("first.png"), studio.bytes("second.png"), "{key}");
    names(&studio);
}

#[test]
fn a_file_that_cannot_be_is_replaced() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    paint(&studio, &adapter, "cache", "-o good.png");
    let (key, shapes) = entry(&studio);
    let good = studio.picture("good.png");
    let entry_of = |shapes: Value| json!({ &key: shapes }).to_string().into_bytes();
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for bad in [
        b"{\"unfinished".to_vec(),
        deep,
        entry_of(json!({ "step": 5 })),
        entry_of(changed(&shapes, "/step/rows", 0)),
        entry_of(changed(&shapes, "/step/columns", 3)),
        entry_of(changed(&shapes, "/step/lanes", 4_294_967_295)),
        entry_of(changed(&shapes, "/slice", 0)),
    ] {
        studio.put_bytes(FILE, &bad);
        paint(&studio, &adapter, "cache", "-o bad.png");
        let what = String::from_utf8_lossy(&bad[..bad.len().min(300)]).into_owned();
        let (found, shapes) = entry(&studio);
        assert_eq!(found, key, "{what}");
        assert_ne!(studio.bytes(FILE), bad, "{what}");
        assert!(shapes["step"]["rows"].as_u64().is_some_and(|rows| rows > 0), "{what}");
        let quality = impasto::psnr(&good, &studio.picture("bad.png")).unwrap();
        assert!(quality > 50.0, "{quality} dB after {what}");
    }
}

#[test]
fn what_others_found_stays_and_is_not_used() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    let foreign = json!({ "lanes": 0, "groups": 0, "rows": 0, "columns": 3, "broadcast": 9 });
    let foreign = json!({ "step": foreign, "gradients": foreign, "slice": 0 });
    let key = "Another GPU (discrete GPU, Vulkan) | kernels 0 | [2, 48, 48, 3] | batch 432";
    fs::create_dir(studio.path("cache")).unwrap();
    studio.put_bytes(FILE, json!({ key: foreign }).to_string().as_bytes());
    paint(&studio, &adapter, "cache", "");
    let file = studio.json(FILE);
    assert_eq!((file.as_object().unwrap().len(), &file[key]), (2, &foreign), "{file}");
}

#[test]
fn a_folder_that_cannot_be_written_is_no_error() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    // A file is no folder, and a folder no file.
    paint(&studio, &adapter, "picture.png", "");
    paint(&studio, &adapter, "picture.png/below", "");
    fs::create_dir_all(studio.path(FILE)).unwrap();
    paint(&studio, &adapter, "cache", "");
    assert_eq!(names(&studio), ["cache", "painted-comparison.png", "painted.png", "picture.png"]);
    assert_eq!(fs::read_dir(studio.path(FILE)).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_way_is_not_waited_for() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    fs::create_dir(studio.path("cache")).unwrap();
    let made = Command::new("mkfifo").arg(studio.path(FILE)).status();
    assert!(made.unwrap().success());
    paint(&studio, &adapter, "cache", "");
}

#[test]
fn without_a_search_or_a_folder_nothing_is_written() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    paint(&studio, &adapter, "", "");
    assert_eq!(names(&studio), ["painted-comparison.png", "painted.png", "picture.png"]);
    // What the driver compiled may be remembered still, but nothing was searched.
    paint(&studio, &adapter, "cache", "--no-tune");
    assert!(!studio.path(FILE).exists());
}

#[test]
fn a_profile_lists_what_the_search_measured() {
    let Some(adapter) = common::adapters().into_iter().next() else { return };
    let studio = Studio::with_picture();
    for searched in [true, false] {
        let run = paint(&studio, &adapter, "cache", "--profile --report run.json");
        let text = run.stdout;
        assert_eq!(text.contains("shapes that the search tried"), searched, "{text}");
        let report = studio.json("run.json");
        let candidates = report["candidates"].as_array().unwrap();
        assert_eq!(!candidates.is_empty(), searched, "{report}");
        for candidate in candidates {
            let shapes = candidate["shapes"].as_str().unwrap();
            assert!(text.contains(shapes), "{shapes}: {text}");
            assert!(candidate["seconds"].as_f64().unwrap() > 0.0, "{report}");
        }
        let kernels = report["kernels"].as_array().unwrap();
        assert_eq!(kernels.len(), 3, "{report}");
        assert!(kernels.iter().all(|kernel| kernel["seconds"].as_f64().is_some()), "{report}");
    }
    names(&studio);
}
