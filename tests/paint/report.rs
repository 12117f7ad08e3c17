//! The report in JSON, which scripts read.

use crate::pictures;
use crate::studio::Studio;
use serde_json::{Value, json};

/// Every key of the report: the objects' own keys, sorted.
const KEYS: [(&str, &[&str]); 5] = [
    ("/image", &["channels", "height", "learned", "mask", "path", "width"]),
    ("/network", &["activation", "encoding", "layers", "parameters"]),
    (
        "/engine",
        &["adapter", "api", "backend", "device_type", "driver", "setup_seconds", "threads"],
    ),
    (
        "/training",
        &[
            "batch",
            "ending",
            "epochs",
            "learning_rate",
            "loss",
            "optimizer",
            "precision",
            "samples_per_second",
            "schedule",
            "seconds",
            "steps",
            "warm_up",
        ],
    ),
    ("/result", &["accuracy", "file", "loss", "psnr_db", "ssim"]),
];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Asserts that every key is there and no other. `missing` are the objects that do not apply.
fn check_keys(report: &Value, missing: &[&str]) {
    let all = [
        "candidates",
        "engine",
        "history",
        "image",
        "kernels",
        "network",
        "result",
        "seed",
        "training",
        "version",
    ];
    assert_eq!(keys(report), all);
    for (place, expected) in KEYS {
        let object = report.pointer(place).expect(place);
        if missing.contains(&place) {
            assert!(object.is_null(), "{place}: {object}");
        } else {
            assert_eq!(keys(object), expected, "{place}");
        }
    }
    for epoch in report["history"].as_array().expect("a list") {
        assert_eq!(keys(epoch), ["epoch", "loss", "seconds"]);
    }
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
}

fn positive(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number > 0.0 && number.is_finite())
}

#[test]
fn a_run_is_reported_in_full() {
    let studio = Studio::with_picture();
    let arguments = "picture.png --hidden 3x10 --epochs 7 --batch 100 --seed 5 --report run.json";
    studio.quick(arguments).succeeded();
    let report = studio.json("run.json");
    check_keys(&report, &[]);
    let image = json!({
        "path": "picture.png",
        "width": 24,
        "height": 18,
        "channels": 3,
        "learned": [24, 18],
        "mask": null,
    });
    assert_eq!(report["image"], image);
    let network = json!({
        "layers": [2, 10, 10, 10, 3],
        "activation": "relu",
        "encoding": "identity",
        "parameters": 283,
    });
    assert_eq!(report["network"], network);
    let engine = &report["engine"];
    assert_eq!((&engine["backend"], &engine["device_type"]), (&json!("cpu"), &json!("CPU")));
    assert!(engine["adapter"].as_str().is_some_and(|name| !name.is_empty()));
    assert!(engine["driver"].is_null() && engine["api"].is_null(), "{engine}");
    assert!(engine["setup_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    let training = &report["training"];
    // 432 pixels in steps of 100: four whole ones and one of 32.
    assert_eq!((&training["epochs"], &training["steps"]), (&json!(7), &json!(35)));
    assert_eq!(training["batch"], 100);
    assert!(positive(&training["seconds"]) && positive(&training["samples_per_second"]));
    let product =
        training["seconds"].as_f64().unwrap() * training["samples_per_second"].as_f64().unwrap();
    assert!((product - 7.0 * 432.0).abs() < 0.01, "{training}");
    let history = report["history"].as_array().unwrap();
    assert_eq!(history.len(), 7);
    for (position, epoch) in history.iter().enumerate() {
        assert_eq!(epoch["epoch"], position + 1);
        assert!(positive(&epoch["loss"]) && positive(&epoch["seconds"]), "{epoch}");
    }
    assert_eq!(report["result"]["loss"], history[6]["loss"]);
    assert!(report["result"]["accuracy"].is_null());
    assert_eq!(report["seed"], 5);
}

#[test]
fn the_reported_quality_is_that_of_the_written_file() {
    for (name, picture) in pictures::all() {
        let studio = Studio::new();
        studio.put("picture.png", &picture);
        studio.quick("picture.png --epochs 30 --report run.json").succeeded();
        let painted = studio.picture("painted.png");
        let result = &studio.json("run.json")["result"];
        let psnr = impasto::psnr(&picture, &painted).unwrap();
        match result["psnr_db"].as_f64() {
            Some(value) => assert!((value - psnr).abs() < 1e-9, "{name}: {value} and {psnr}"),
            None => assert_eq!(psnr, f64::INFINITY, "{name}"), // JSON has no infinity
        }
        let ssim = impasto::ssim(&picture, &painted).unwrap();
        let reported = result["ssim"].as_f64().unwrap();
        assert!((reported - ssim).abs() < 1e-9, "{name}: {reported} and {ssim}");
    }
}

#[test]
fn what_does_not_apply_is_null() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --classify --save net.safetensors --report run.json").succeeded();
    let report = studio.json("run.json");
    check_keys(&report, &[]);
    assert_eq!(report["network"]["layers"], json!([2, 8, 8, 2]));
    assert!(report["result"]["psnr_db"].is_null() && report["result"]["ssim"].is_null());
    assert!(report["result"]["accuracy"].as_f64().is_some_and(|part| (0.0..=1.0).contains(&part)));

    studio.run("--repaint net.safetensors --backend cpu -o a.png --report again.json").succeeded();
    let report = studio.json("again.json");
    check_keys(&report, &["/image", "/training"]);
    assert_eq!(report["history"], json!([]));
    assert!(report["engine"]["setup_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    let result = report["result"].as_object().unwrap();
    assert!(result.values().all(Value::is_null), "{result:?}");
}
