//! Every activation, loss, optimizer, schedule and encoding, by its name.
//!
//! What the library gains is tested here as it is.

use crate::studio::Studio;
use impasto::activation::Backward;
use impasto::{Activation, Encoding, Loss, Optimizer, Schedule};
use serde_json::Value;

/// The activations that a hidden layer may have.
fn activations() -> Vec<&'static str> {
    let hidden = |a: &&Activation| !matches!(a.backward(), Backward::Row | Backward::None);
    Activation::ALL.iter().filter(hidden).map(|a| a.name()).collect()
}

/// Whether a loss is for classes alone.
fn is_for_classes(loss: Loss) -> bool {
    loss.folded_activation().is_some_and(|folded| folded.backward() == Backward::Row)
}

/// The losses that colors can be learned with.
fn losses() -> Vec<&'static str> {
    Loss::ALL.iter().filter(|loss| !is_for_classes(**loss)).map(|loss| loss.name()).collect()
}

/// A schedule by its name, with other parameters where its defaults change nothing for thousands of
/// steps.
fn within_a_short_run(schedule: &'static str) -> &'static str {
    if schedule == "exponential-steps" { "exponential-steps:start=10" } else { schedule }
}

fn optimizers() -> Vec<&'static str> {
    Optimizer::ALL.iter().map(|optimizer| optimizer.name()).collect()
}

/// The losses of all epochs of a short run.
fn history(arguments: &str) -> Vec<Value> {
    let studio = Studio::with_picture();
    studio.quick(&format!("picture.png {arguments} --report run.json")).succeeded();
    let report = studio.json("run.json");
    report["history"].as_array().unwrap().iter().map(|epoch| epoch["loss"].clone()).collect()
}

/// Asserts that training goes its own way with each of `values`.
fn assert_each_makes_a_difference(option: &str, values: &[&str]) {
    let mut earlier: Vec<(Vec<Value>, &str)> = Vec::new();
    for value in values {
        let losses = history(&format!("{option} {value}"));
        let same = earlier.iter().find(|(other, _)| *other == losses);
        assert_eq!(same.map(|(_, other)| other), None, "as {option} {value}");
        earlier.push((losses, value));
    }
}

#[test]
fn every_component_makes_a_difference() {
    assert_each_makes_a_difference("--activation", &activations());
    assert_each_makes_a_difference("--loss", &losses());
    // Long enough for AMSGrad's gradients to fall, the step schedule to halve the rate, and the
    // plateau to wait without effect.
    assert_each_makes_a_difference("--epochs 200 --optimizer", &optimizers());
    let schedules: Vec<&str> = Schedule::ALL.iter().map(|s| within_a_short_run(s.name())).collect();
    assert_each_makes_a_difference("--epochs 200 --learning-rate 0.03 --schedule", &schedules);
    assert_each_makes_a_difference("--warm-up", &["0", "3"]);
    let encodings: Vec<_> = Encoding::ALL
        .iter()
        .filter(|encoding| encoding.takes(2))
        .map(|encoding| encoding.name())
        .collect();
    assert_each_makes_a_difference("--encoding", &encodings);
}

#[test]
fn parameters_are_set_by_name() {
    for (option, default, other) in [
        ("--activation", "leaky-relu:slope=0.01", "leaky-relu:slope=0.2"),
        ("--loss", "huber:delta=1", "huber:delta=0.125"),
        ("--optimizer", "sgd:momentum=0,nesterov=false", "sgd:momentum=0.5,nesterov=true"),
        ("--schedule", "exponential:factor=0.99", "exponential:factor=0.5"),
        ("--schedule", "step:every=50", "step:every=1"),
        ("--encoding", "frequency:octaves=6", "frequency:octaves=3"),
        // Random waves follow the run's seed unless they are given their own.
        ("--seed 7 --encoding", "fourier:features=64", "fourier:seed=8"),
    ] {
        let (name, _) = default.split_once(':').unwrap();
        assert_eq!(history(&format!("{option} {name}")), history(&format!("{option} {default}")));
        assert_each_makes_a_difference(option, &[default, other]);
    }
}

#[test]
fn help_lists_every_component_with_its_defaults() {
    let studio = Studio::new();
    let long = studio.run("--help").succeeded().stdout;
    let short = studio.run("-h").succeeded().stdout;
    let paragraph = |help: &str, option: &str| {
        let (_, rest) = help.split_once(&format!("{option} <NAME[:PARAMETER=VALUE,…]>")).unwrap();
        rest.split("\n      --").next().unwrap().to_string()
    };
    let hidden = Activation::ALL.iter().filter(|a| activations().contains(&a.name()));
    for (option, written) in [
        ("--activation", hidden.map(ToString::to_string).collect::<Vec<_>>()),
        ("--loss", Loss::ALL.iter().map(ToString::to_string).collect()),
        ("--optimizer", Optimizer::ALL.iter().map(ToString::to_string).collect()),
        ("--schedule", Schedule::ALL.iter().map(ToString::to_string).collect()),
        (
            "--encoding",
            Encoding::ALL
                .iter()
                .filter(|encoding| encoding.takes(2))
                .map(ToString::to_string)
                .collect(),
        ),
    ] {
        let names: Vec<&str> = written.iter().filter_map(|text| text.split(':').next()).collect();
        let named = format!(": {} [", names.join(", "));
        assert!(paragraph(&short, option).contains(&named), "{named} in {short}");
        let paragraph = paragraph(&long, option);
        let lines = paragraph.lines().filter_map(|line| line.strip_prefix("            "));
        assert_eq!(lines.collect::<Vec<_>>(), written, "{paragraph}");
    }
}

#[test]
fn what_differs_from_the_defaults_is_printed_and_all_of_it_reported() {
    let studio = Studio::with_picture();
    let components = "--activation leaky-relu:slope=0.2 --loss huber:delta=0.5 \
                      --optimizer sgd:momentum=0.9 --learning-rate 0.125 --schedule step:every=9 \
                      --warm-up 2 --encoding frequency:octaves=2";
    let run = studio.quick(&format!("picture.png {components} --report run.json")).succeeded();
    let line = "training huber:delta=0.5 with sgd:momentum=0.9,nesterov=false, learning rate 0.125, \
                schedule step:every=9,factor=0.5 after 2 steps of warm-up";
    assert!(run.stdout.lines().any(|l| l == line), "{run}");
    assert!(run.stdout.contains(", leaky-relu:slope=0.2, 171 parameters\n"), "{run}");
    let report = studio.json("run.json");
    assert_eq!(report["network"]["activation"], "leaky-relu:slope=0.2");
    let training = &report["training"];
    assert_eq!(training["loss"], "huber:delta=0.5");
    assert_eq!(training["optimizer"], "sgd:momentum=0.9,nesterov=false");
    assert_eq!(training["warm_up"], 2);
    assert_eq!(training["learning_rate"], 0.125);
    assert_eq!(training["schedule"], "step:every=9,factor=0.5");
    assert_eq!(report["network"]["encoding"], "frequency:octaves=2");

    let run = studio.quick("picture.png --report run.json").succeeded();
    let line = "training mean-squared-error with adam, learning rate 0.002, schedule cosine";
    assert!(run.stdout.lines().any(|l| l == line), "{run}");
    let training = &studio.json("run.json")["training"];
    assert_eq!(training["optimizer"], "adam:beta1=0.9,beta2=0.999,epsilon=1e-8");
    assert_eq!(training["loss"], "mean-squared-error");
}

#[test]
fn the_loss_follows_from_what_is_learned_where_none_is_named() {
    let studio = Studio::with_picture();
    let loss = |arguments: &str| {
        studio.quick(&format!("picture.png --report run.json {arguments}")).succeeded();
        studio.json("run.json")["training"]["loss"].clone()
    };
    assert_eq!(loss(""), "mean-squared-error");
    assert_eq!(loss("--classify"), "softmax-cross-entropy");
    for name in Loss::ALL.iter().map(|loss| loss.name()) {
        // The luminance is that of three colors.
        if name != "relative-l2-luminance" {
            assert_eq!(
                loss(&format!("--classify --loss {name}")).as_str().unwrap().split(':').next(),
                Some(name)
            );
        }
    }
}

#[test]
fn a_loss_that_reads_logits_brings_its_output_activation() {
    let studio = Studio::with_picture();
    let options = "--loss binary-cross-entropy --epochs 60 --learning-rate 0.01";
    studio
        .quick(&format!("picture.png {options} --save net.safetensors --report run.json"))
        .succeeded();
    // Logits painted as they are would leave most channels black or white.
    let psnr = studio.json("run.json")["result"]["psnr_db"].as_f64().unwrap();
    assert!(psnr > 15.0, "{psnr} dB");
    studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
    assert!(studio.bytes("again.png") == studio.bytes("painted.png"));
}

#[test]
fn components_that_are_not_there_or_do_not_fit_are_refused() {
    let studio = Studio::with_picture();
    let names = |all: Vec<&str>| all[..2].join(", ");
    for (options, words) in [
        ("--activation swish", vec!["swish".to_string(), names(activations())]),
        ("--loss hubert", vec!["hubert".into(), names(losses())]),
        ("--optimizer adan", vec!["adan".into(), names(optimizers())]),
        ("--activation leaky-relu:slop=1", vec!["'slop'".into(), "slope".into()]),
        ("--loss huber:delta=-1", vec!["delta of huber is -1".into(), "above 0".into()]),
        ("--loss huber:0.5", vec!["'0.5'".into(), "huber:parameter=value".into()]),
        ("--loss mean-squared-error:delta=1", vec!["no parameter 'delta'".into()]),
        ("--optimizer sgd:momentum=fast", vec!["'fast'".into(), "a number".into()]),
        ("--optimizer sgd:nesterov=true", vec!["momentum".into()]),
        ("--schedule step:every=0", vec!["every of step is 0".into()]),
        ("--schedule step:every=1.5", vec!["'1.5'".into(), "whole number".into()]),
        ("--encoding frequency:octaves=25", vec!["25".into(), "1 to 24".into()]),
        ("--loss softmax-cross-entropy", vec!["--classify".into(), names(losses())]),
    ] {
        let run = studio.quick(&format!("picture.png {options}"));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = run.misused_saying(&words);
        assert_eq!(run.stderr.lines().next().map(|line| line.starts_with("error: ")), Some(true));
        assert_eq!(studio.names(), ["picture.png"], "{options}");
    }
    for option in ["--loss huber", "--optimizer sgd"] {
        let run = studio.run(&format!("--repaint net.safetensors {option}"));
        run.misused_saying(&["--repaint", "cannot be used with"]);
    }
}
