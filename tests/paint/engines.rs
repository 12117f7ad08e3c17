//! Which engine, adapter and threads a run takes, from options and from the environment.

use crate::common;
use crate::studio::{Studio, quick};
use serde_json::json;

#[test]
fn threads_are_chosen_and_reported() {
    let studio = Studio::with_picture();
    let report = |name: &str| studio.json(name)["engine"]["threads"].clone();
    for (threads, said) in [(1, "CPU, 1 thread"), (3, "CPU, 3 threads")] {
        let arguments =
            format!("picture.png --threads {threads} -o {threads}.png --report run.json");
        let run = studio.quick(&arguments).succeeded();
        assert!(run.stdout.contains(said), "{run}");
        assert_eq!(report("run.json"), threads);
    }
    assert!(studio.bytes("1.png") == studio.bytes("3.png"), "the same painting");
    let with = |value: &str, arguments: &str| {
        studio.run_with(("RAYON_NUM_THREADS", value), &quick(arguments))
    };
    with("1", "picture.png --report run.json").succeeded();
    assert_eq!(report("run.json"), 1);
    with("1", "picture.png --threads 2 --report run.json").succeeded();
    assert_eq!(report("run.json"), 2);
    with("many", "picture.png").failed_saying(&["RAYON_NUM_THREADS", "'many'"]);
    studio.quick("picture.png --threads 0").failed_saying(&["0 threads"]);
    studio.quick("picture.png --threads -1").misused_saying(&["--threads"]);
    for backend in ["gpu", "reference"] {
        let run = studio.quick(&format!("picture.png --threads 2 --backend {backend}"));
        run.failed_saying(&["2 threads", "CPU engine"]);
    }
    studio.quick("picture.png --backend reference --report run.json").succeeded();
    assert!(report("run.json").is_null());
}

#[test]
fn adapters_are_chosen_by_number() {
    let studio = Studio::with_picture();
    let list = studio.run("--list-adapters").succeeded().stdout;
    for (number, adapter) in common::adapters().iter().enumerate() {
        let named = adapter.description();
        assert_eq!(list.lines().nth(number), Some(format!("{number}: {named}").as_str()));
        let run = studio.quick(&format!("picture.png --backend gpu --adapter {number}"));
        assert!(run.succeeded().stdout.contains(&format!("gpu engine on {named}\n")));
    }
}

#[test]
fn the_environment_names_an_adapter() {
    let studio = Studio::with_picture();
    let run = |variable: &str, value: &str, options: &str| {
        studio.run_with((variable, value), &quick(&format!("picture.png {options}")))
    };
    for variable in ["IMPASTO_ADAPTER", "WGPU_ADAPTER_NAME"] {
        for backend in ["auto", "gpu"] {
            let refused = run(variable, "no-such-adapter", &format!("--backend {backend}"));
            refused.failed_saying(&["no-such-adapter", variable]);
        }
        run(variable, "no-such-adapter", "--backend cpu").succeeded();
        // The option comes first.
        let refused = run(variable, "unused", "--backend gpu --adapter other");
        let refused = refused.failed_saying(&["'other'"]);
        assert!(!refused.stderr.contains(variable), "{refused}");
        // Set to nothing is as if not set.
        let default = run(variable, "", "--backend auto").succeeded();
        assert!(default.stdout.contains(" engine on "), "{default}");
    }
    for adapter in common::adapters() {
        let named = adapter.description();
        let said = run("WGPU_ADAPTER_NAME", &named, "--backend auto").succeeded().stdout;
        assert!(said.contains(&format!("gpu engine on {named}\n")), "{said}");
    }
}

#[test]
fn an_empty_adapter_is_as_if_not_given() {
    let studio = Studio::with_picture();
    for backend in ["cpu", "reference", "auto"] {
        let arguments = format!("picture.png --adapter= --backend {backend} --report run.json");
        studio.quick(&arguments).succeeded();
        if backend != "auto" {
            assert_eq!(studio.json("run.json")["engine"]["backend"], json!(backend));
        }
    }
    let plain = studio.quick("picture.png --backend auto").succeeded().stdout;
    let empty = studio.quick("picture.png --backend auto --adapter=").succeeded().stdout;
    let engine =
        |text: &str| text.lines().find(|line| line.contains(" engine on ")).map(String::from);
    assert_eq!(engine(&plain), engine(&empty));
}

#[test]
fn backends_that_wgpu_does_not_know_are_named() {
    let studio = Studio::with_picture();
    let run = |value: &str, options: &str| {
        studio.run_with(("WGPU_BACKEND", value), &quick(&format!("picture.png {options}")))
    };
    run("vulcan", "--backend gpu").failed_saying(&["WGPU_BACKEND", "'vulcan'", "vulkan"]);
    let said = run("vulcan", "--backend auto").succeeded().stdout;
    assert!(said.contains("note: ") && said.contains("WGPU_BACKEND"), "{said}");
    // Known, and not to be had here.
    let absent = if cfg!(windows) { "metal" } else { "dx12" };
    run(absent, "--backend gpu").failed_saying(&["no GPU adapter", "WGPU_BACKEND", absent]);
    let list = studio.run_with(("WGPU_BACKEND", absent), "--list-adapters").succeeded().stdout;
    assert!(list.contains("WGPU_BACKEND"), "{list}");
    let list = studio.run_with(("WGPU_BACKEND", ""), "--list-adapters").succeeded().stdout;
    assert_eq!(list, studio.run("--list-adapters").succeeded().stdout);
}
