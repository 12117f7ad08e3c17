//! Training on from a saved network.

use crate::pictures;
use crate::studio::Studio;

#[test]
fn a_saved_network_is_trained_on() {
    for options in ["", "--encoding frequency:octaves=2 --activation tanh", "--classify"] {
        let studio = Studio::with_picture();
        let first =
            format!("picture.png --epochs 40 --save net.safetensors --report a.json {options}");
        studio.quick(&first).succeeded();
        let second =
            "picture.png --start net.safetensors --epochs 40 --report b.json --save on.safetensors";
        studio.quick(second).succeeded();
        let (a, b) = (studio.json("a.json"), studio.json("b.json"));
        assert_eq!(a["network"], b["network"], "{options}");
        assert_eq!(a["training"]["loss"], b["training"]["loss"], "{options}");
        let loss = |report: &serde_json::Value, epoch: usize| {
            report["history"][epoch]["loss"].as_f64().unwrap()
        };
        // It begins where the other ended, and not anew.
        assert!(loss(&b, 0) < 1.2 * loss(&a, 39), "{options}: {} {}", loss(&b, 0), loss(&a, 39));
        assert!(loss(&b, 0) < loss(&a, 0) && loss(&b, 39) < loss(&a, 39), "{options}");
        // A fifth of the steps.
        assert_eq!(b["training"]["warm_up"], 24, "{options}");
        studio.run("--repaint on.safetensors --backend cpu -o again.png").succeeded();
    }
}

#[test]
fn another_picture_is_painted_with_its_own_size() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors").succeeded();
    studio.put("other.png", &pictures::gradient(30, 10));
    studio.quick("other.png --start net.safetensors --warm-up 0").succeeded();
    assert_eq!(studio.picture("painted.png").width(), 30);
}

#[test]
fn the_loss_is_that_of_the_output_layer() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --loss binary-cross-entropy --save net.safetensors").succeeded();
    studio.quick("picture.png --start net.safetensors --report run.json").succeeded();
    assert_eq!(studio.json("run.json")["training"]["loss"], "binary-cross-entropy");
}

#[test]
fn what_the_network_settles_cannot_be_chosen() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors").succeeded();
    studio.quick("picture.png --classify --save classes.safetensors").succeeded();
    let run = studio.quick("picture.png --start net.safetensors --hidden 4");
    run.misused_saying(&["--start", "cannot be used with"]);
    for option in ["--activation tanh", "--encoding fourier", "--classify"] {
        let run = studio.quick(&format!("picture.png --start net.safetensors {option}"));
        run.failed_saying(&["net.safetensors", "by its own metadata, not"]);
    }
    let run = studio.quick("picture.png --start classes.safetensors --until 40dB");
    run.failed_saying(&["--until", "--classify"]);
    studio.put("gray.png", &pictures::text("MOST"));
    let run = studio.quick("gray.png --start net.safetensors");
    run.failed_saying(&["net.safetensors", "3 channels", "has 1"]);
    studio.quick("picture.png --start missing").failed_saying(&["missing"]);
    studio
        .quick("picture.png --start picture.png")
        .failed_saying(&["picture.png", "not a network"]);
    let run = studio.run("--start net.safetensors");
    run.misused_saying(&["IMAGE"]);
}

#[test]
fn only_the_learned_network_may_replace_the_one_it_started_from() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors").succeeded();
    let before = studio.bytes("net.safetensors");
    let start = "picture.png --start net.safetensors";
    let run = studio.quick(&format!("{start} --report ./net.safetensors"));
    run.failed_saying(&["net.safetensors would be both the network to start from and the report"]);
    assert!(studio.bytes("net.safetensors") == before);
    std::fs::copy(studio.path("net.safetensors"), studio.path("net.png")).unwrap();
    let run = studio.quick("picture.png --start net.png -o net.png");
    run.failed_saying(&["net.png would be both the network to start from and the painting"]);
    assert!(studio.bytes("net.png") == before);
    studio.quick(&format!("{start} --save net.safetensors")).succeeded();
    assert!(studio.bytes("net.safetensors") != before);
}
