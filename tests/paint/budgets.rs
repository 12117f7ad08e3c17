//! How much is trained: steps, time, a quality, and smaller copies.

use crate::pictures;
use crate::studio::Studio;
use serde_json::json;

#[test]
fn an_icon_gets_enough_steps_by_default() {
    let studio = Studio::new();
    studio.put("icon.png", &pictures::stones(16, 16));
    let run = studio.run("icon.png --backend cpu --hidden 4x64 --report run.json").succeeded();
    assert!(run.stdout.contains("\ntrained 4,000 steps (2,000 epochs) in "), "{run}");
    let report = studio.json("run.json");
    let training = &report["training"];
    assert_eq!((&training["steps"], &training["batch"]), (&json!(4000), &json!(200)));
    assert_eq!(training["ending"], "finished");
    let psnr = report["result"]["psnr_db"].as_f64().unwrap();
    assert!(psnr > 30.0, "{psnr} dB");
}

#[test]
fn steps_end_a_run_within_an_epoch() {
    let studio = Studio::with_picture();
    // 432 pixels are three steps of 200 an epoch.
    let run = studio.quick("picture.png --steps 7 --report run.json").succeeded();
    assert!(run.stdout.contains("\ntrained 7 steps (2 epochs) in "), "{run}");
    let report = studio.json("run.json");
    assert_eq!(report["training"]["steps"], 7);
    assert_eq!(report["history"].as_array().unwrap().len(), 2);
    let run = studio.quick("picture.png --steps 1 --report run.json").succeeded();
    assert!(run.stdout.contains("\ntrained 1 step (0 epochs) in "), "{run}");
    assert!(studio.json("run.json")["result"]["loss"].is_null());
    studio.quick("picture.png --steps 0").failed_saying(&["0 steps"]);
    studio.quick("picture.png --steps 5 --epochs 5").misused_saying(&["--steps", "--epochs"]);
}

#[test]
fn time_alone_is_filled_and_otherwise_a_limit() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --time 1s --report run.json").succeeded();
    let training = studio.json("run.json")["training"].clone();
    let seconds = training["seconds"].as_f64().unwrap();
    assert!((0.3..3.0).contains(&seconds), "{training}");
    assert!(training["steps"].as_u64() > Some(100), "{training}");
    let arguments = "picture.png --time 0.5s --epochs 1000000000 --report run.json";
    let run = studio.quick(arguments).succeeded();
    assert!(run.stdout.contains(" until the time was over, in "), "{run}");
    let training = studio.json("run.json")["training"].clone();
    assert_eq!(training["ending"], "time limit");
    assert!(training["seconds"].as_f64() >= Some(0.5), "{training}");
    // Less than the limit.
    studio.quick("picture.png --time 1h --steps 3 --report run.json").succeeded();
    assert_eq!(studio.json("run.json")["training"]["ending"], "finished");
    for wrong in ["0s", "-1s", "soon", "5", "infs"] {
        studio.quick(&format!("picture.png --time={wrong}")).misused_saying(&["--time", "10s"]);
    }
}

#[test]
fn a_quality_ends_a_run() {
    let studio = Studio::with_picture();
    let all = "--hidden 4x32 --epochs 1000000000 --time 60s --report run.json";
    let run = studio.quick(&format!("picture.png --until 20dB {all}")).succeeded();
    assert!(run.stdout.contains(" dB were reached, in "), "{run}");
    let report = studio.json("run.json");
    assert_eq!(report["training"]["ending"], "quality");
    let psnr = report["result"]["psnr_db"].as_f64().unwrap();
    assert!(psnr > 19.8, "{psnr} dB");
    // One that is never reached, written in another way.
    let run = studio.quick("picture.png --until 200 --time 1.2s --report run.json").succeeded();
    assert!(!run.stdout.contains("reached"), "{run}");
    for (options, words) in [
        ("--until 40dB --classify", &["--until", "--classify"][..]),
        ("--until good", &["--until", "40dB"]),
        ("--until 0", &["--until", "above 0"]),
    ] {
        studio.quick(&format!("picture.png {options}")).misused_saying(words);
    }
}

#[test]
fn a_long_run_says_how_long_it_takes_and_where_it_is() {
    let studio = Studio::with_picture();
    let run = studio.quick("picture.png --epochs 1000000000000 --time 11.5s").succeeded();
    let lines: Vec<&str> = run.stdout.lines().collect();
    let announced = lines.iter().filter(|line| line.starts_with("training takes about 12 s: "));
    assert_eq!(announced.count(), 1, "{run}");
    let state = lines.iter().find(|line| line.starts_with("step ")).expect("a line");
    for word in
        [" of 3,000,000,000,000 (0 %), ", " s left ", " epoch ", " loss ", " PSNR ", " px/s"]
    {
        assert!(state.contains(word), "{word} in {state}");
    }
    assert!(!run.stdout.contains("it is shorter with"), "{run}");
    assert!(!run.stdout.contains(['\u{1b}', '\r']), "{run}");
}

#[test]
fn a_smaller_copy_is_learned_and_the_whole_picture_painted() {
    let studio = Studio::new();
    studio.put("picture.png", &pictures::stones(60, 40));
    for (options, learned) in [
        ("--max-pixels 600", json!([30, 20])),
        ("--resize 20x10", json!([20, 10])),
        ("--max-pixels 2400", json!([60, 40])),
        ("--resize 60x40", json!([60, 40])),
    ] {
        let run = studio
            .quick(&format!("picture.png {options} --save net.safetensors --report run.json"))
            .succeeded();
        let report = studio.json("run.json");
        assert_eq!(report["image"]["learned"], learned, "{options}");
        assert_eq!(report["image"]["width"], 60);
        let is_smaller = learned != json!([60, 40]);
        assert_eq!(run.stdout.contains(", learned from a copy of "), is_smaller, "{run}");
        assert_eq!(studio.picture("painted.png").width(), 60);
        assert_eq!(studio.picture("painted-comparison.png").width(), 188);
        let painted = studio.bytes("painted.png");
        studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
        assert!(studio.bytes("again.png") == painted, "{options}");
    }
    // Of every kind.
    for (name, picture) in pictures::all() {
        studio.put("any.png", &picture);
        let run = studio.quick("any.png --max-pixels 50 -o any-painted.png").succeeded();
        let painted = studio.picture("any-painted.png");
        assert_eq!(painted.width(), picture.width(), "{name}: {run}");
    }
    for (options, words) in
        [("--resize 61x40", &["enlarge", "60×40"][..]), ("--max-pixels 0", &["--max-pixels 0"])]
    {
        studio.quick(&format!("picture.png {options}")).failed_saying(words);
    }
    studio.quick("picture.png --resize 0x4").misused_saying(&["0x4"]);
    let both = "picture.png --resize 5x5 --max-pixels 5";
    studio.quick(both).misused_saying(&["--resize", "--max-pixels"]);
}

#[test]
fn the_painting_has_another_size_where_asked_for() {
    let studio = Studio::with_picture();
    let run = studio.quick("picture.png --size 60x50 --save net.safetensors").succeeded();
    let painted = studio.picture("painted.png");
    assert_eq!((painted.width(), painted.height()), (60, 50), "{run}");
    assert_eq!(studio.picture("painted-comparison.png").width(), 80);
    studio.run("--repaint net.safetensors --size 60x50 --backend cpu -o again.png").succeeded();
    assert!(studio.bytes("again.png") == studio.bytes("painted.png"));
    studio.quick("picture.png --size 100000x100000").failed_saying(&["100000×100000"]);
}

#[test]
fn a_copy_paints_nearly_as_well_as_the_picture() {
    // A smooth picture, of which a quarter of the pixels says all.
    let studio = Studio::new();
    studio.put("picture.png", &pictures::gradient(40, 40));
    let psnr = |options: &str| {
        let all = "--hidden 3x32 --steps 600 --report run.json";
        studio.quick(&format!("picture.png {all} {options}")).succeeded();
        studio.json("run.json")["result"]["psnr_db"].as_f64().unwrap()
    };
    let (whole, copy) = (psnr(""), psnr("--max-pixels 400"));
    assert!(copy > 30.0 && whole > 30.0, "{copy} dB, {whole} dB");
}
