//! The options `--save-every` and `--resume`.

use super::learned;
use super::studio::Studio;

const RUN: &str =
    "picture.png --backend cpu --hidden 2x8 --schedule constant --save run.safetensors";

#[test]
fn a_run_goes_on_where_its_file_says() {
    let studio = Studio::with_picture();
    studio.run(&format!("{RUN} --epochs 9 --save-every 2epochs")).succeeded();
    let expected = learned(&studio, "run.safetensors");
    studio.run(&format!("{RUN} --epochs 4 --save-every 1000steps")).succeeded();
    let run = studio.run("--resume run.safetensors --epochs 9 --report run.json").succeeded();
    assert!(run.stdout.contains("goes on after 4 epochs (12 steps)"), "{run}");
    assert!(run.stdout.contains("trained 9 epochs"), "{run}");
    assert_eq!(studio.json("run.json")["training"]["epochs"], 9);
    assert_eq!(studio.json("run.json")["history"].as_array().unwrap().len(), 9);
    assert!(learned(&studio, "run.safetensors") == expected);
    // The same file is a saved network.
    studio.run("--repaint run.safetensors --backend cpu -o again.png").succeeded();
    assert!(studio.bytes("again.png") == studio.bytes("painted.png"));
    // Nothing is left to do, or only to paint.
    studio.run("--resume run.safetensors -o third.png").succeeded();
    assert!(studio.bytes("third.png") == studio.bytes("painted.png"));
    assert!(learned(&studio, "run.safetensors") == expected);
}

#[test]
fn classes_random_waves_and_another_place_are_remembered() {
    let studio = Studio::with_picture();
    let run = "picture.png --backend cpu --hidden 8 --classify --encoding fourier:features=4 --seed 7 --optimizer \
               lion --loss softmax-cross-entropy --schedule constant --batch 100";
    studio.run(&format!("{run} --epochs 6 --save-every 1h -o a.png")).succeeded();
    studio.run(&format!("{run} --epochs 2 --save-every 1h -o b.png")).succeeded();
    assert!(studio.names().contains(&"a.safetensors".to_string()), "beside the painting");
    studio.run("--resume b.safetensors --epochs 6 --save c.safetensors -o b.png").succeeded();
    assert!(learned(&studio, "c.safetensors") == learned(&studio, "a.safetensors"));
    assert!(studio.bytes("b.png") == studio.bytes("a.png"));
    assert_eq!(learned(&studio, "b.safetensors").1.len(), 2, "saved elsewhere");
}

#[test]
fn the_picture_must_be_the_same() {
    let studio = Studio::with_picture();
    studio.run(&format!("{RUN} --epochs 2 --save-every 1h")).succeeded();
    let resume = "--resume run.safetensors --epochs 3";
    let saved = studio.bytes("run.safetensors");
    studio.put("other.png", &crate::pictures::stones(18, 24));
    studio.run(&format!("{resume} other.png")).failed_saying(&["other.png", "not the picture"]);
    std::fs::rename(studio.path("picture.png"), studio.path("moved.png")).unwrap();
    studio.run(resume).failed_saying(&["picture.png", "Name it after --resume"]);
    std::fs::rename(studio.path("other.png"), studio.path("picture.png")).unwrap();
    studio.run(resume).failed_saying(&["picture.png", "its pixels are others"]);
    assert!(studio.bytes("run.safetensors") == saved);
    studio.run(&format!("{resume} moved.png")).succeeded();
    // The file now says where it is.
    studio.run("--resume run.safetensors --epochs 4").succeeded();
}

#[test]
fn options_that_the_file_decides_are_refused_by_name() {
    let studio = Studio::with_picture();
    studio.run(&format!("{RUN} --epochs 3 --save-every 1h")).succeeded();
    for option in [
        "--hidden 4",
        "--activation tanh",
        "--batch 7",
        "--loss huber",
        "--optimizer sgd",
        "--learning-rate 1",
        "--schedule cosine",
        "--warm-up 3",
        "--seed 1",
        "--encoding frequency",
        "--classify",
        "--precision mixed",
        "--kernels fused",
        "--repaint run.safetensors",
    ] {
        let name = option.split(' ').next().unwrap();
        let run = studio.run(&format!("--resume run.safetensors {option}"));
        run.misused_saying(&["--resume", name, "cannot be used with"]);
    }
    let fewer = studio.run("--resume run.safetensors --epochs 2");
    fewer.failed_saying(&["--epochs 2", "raised only"]);
    for interval in ["5", "s", "0s", "3weeks", "-1s", "18446744073709551615h", "1.5h"] {
        let run = studio.run(&format!("{RUN} --save-every={interval}"));
        run.misused_saying(&["--save-every", interval]);
    }
}

#[test]
fn files_without_a_run_are_refused() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --save net.safetensors").succeeded();
    studio
        .run("--resume net.safetensors")
        .failed_saying(&["net.safetensors", "no run that could go on"]);
    studio.run("--resume nothere").failed_saying(&["nothere"]);
    studio.run(&format!("{RUN} --epochs 3 --save-every 1h")).succeeded();
    let whole = studio.bytes("run.safetensors");
    studio.put_bytes("short.safetensors", &whole[..whole.len() / 2]);
    studio.run("--resume short.safetensors").failed_saying(&["short.safetensors"]);
    let mut changed = whole.clone();
    changed[whole.len() - 40] ^= 1;
    studio.put_bytes("changed.safetensors", &changed);
    studio.run("--resume changed.safetensors").failed_saying(&["it is damaged"]);
    studio.run("--repaint changed.safetensors").failed_saying(&["it is damaged"]);
    // A run of the library, which learns no picture that paint knows of.
    let state = impasto::TrainingState::decode(&whole).unwrap();
    state.save(studio.path("library.safetensors")).unwrap();
    studio
        .run("--resume library.safetensors")
        .failed_saying(&["library.safetensors", "not saved by paint"]);
}

#[test]
fn smaller_copies_steps_and_standard_streams() {
    let studio = Studio::with_picture();
    let run =
        "picture.png --backend cpu --hidden 8 --schedule constant --max-pixels 200 --batch 20";
    studio.run(&format!("{run} --steps 50 --save-every 20steps --save a.safetensors")).succeeded();
    studio.run(&format!("{run} --steps 25 --save-every 1h --save b.safetensors")).succeeded();
    let fewer = studio.run("--resume b.safetensors --steps 24");
    fewer.failed_saying(&["--steps 24", "25 steps", "raised only"]);
    studio.run("--resume b.safetensors --steps 50").succeeded();
    assert!(learned(&studio, "b.safetensors") == learned(&studio, "a.safetensors"));
    let standard = studio.run(&format!("{run} --steps 9 --save-every 1h --save -"));
    standard.failed_saying(&["--save-every", "name a file"]);
}
