//! `--video`: animations and folders of pictures, learned by place and time.

use crate::pictures;
use crate::studio::Studio;
use impasto::{Network, Picture, Video};

/// A folder of pictures in which a bright square moves to the right.
fn put_frames(studio: &Studio, folder: &str, count: usize) {
    std::fs::create_dir_all(studio.path(folder)).expect("a folder");
    for number in 0..count {
        let pixel = |i: usize| {
            let (x, y) = (i % 16, i / 16);
            let is_inside = (2 * number..2 * number + 5).contains(&x) && (3..8).contains(&y);
            if is_inside { [250, 220, 40] } else { [20, 40, 90] }
        };
        let values = (0..16 * 12).flat_map(pixel).collect();
        let frame = Picture::new(16, 12, 3, 255, values).expect("a frame");
        studio.put(&format!("{folder}/{}.png", number + 8), &frame);
    }
}

const QUICK: &str =
    "--hidden 2x48 --encoding frequency:octaves=4 --epochs 300 --batch 200 --backend cpu";

#[test]
fn a_folder_becomes_an_animation_that_is_learned_again() {
    let studio = Studio::new();
    put_frames(&studio, "frames", 5);
    let run = format!("frames --video -o made.webp --report r.json --metrics m.csv {QUICK}");
    let run = studio.run(&run).succeeded();
    assert!(
        run.stdout.starts_with("frames: 5 frames of 16×12 (960 pixels), RGB, 0.5 s\n"),
        "{run}"
    );
    assert!(run.stdout.contains("\nnetwork 3 → 24 (frequency) → 2×48 → 3"), "{run}");
    assert!(run.stdout.contains("\npainted made.webp: PSNR "), "{run}");
    let report = studio.json("r.json");
    assert_eq!(report["image"]["frames"], 5);
    let psnr = report["result"]["psnr_db"].as_f64().expect("a number");
    assert!(psnr > 25.0, "{psnr}");
    assert!(studio.bytes("m.csv").starts_with(b"step,"));
    // What was painted can be learned, and every format reads and writes all frames with their times.
    for (from, to) in [("made.webp", "made.png"), ("made.png", "made.gif"), ("made.gif", "a.apng")]
    {
        let run = format!("{from} --video -o {to} --steps 3 --hidden 4 --backend cpu");
        let run = studio.run(&run).succeeded();
        let first = format!("{from}: 5 frames of 16×12 (960 pixels), RGB, 0.5 s\n");
        assert!(run.stdout.starts_with(&first), "{run}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_reported() {
    let studio = Studio::new();
    put_frames(&studio, "frames", 2);
    std::os::unix::fs::symlink("gone.png", studio.path("frames/09a.png")).expect("a link");
    let run = studio.run("frames --video --steps 3 --hidden 4 --backend cpu").succeeded();
    assert!(run.stdout.contains("\nnote: frames/09a.png is a link that leads nowhere"), "{run}");
}

#[test]
fn a_saved_video_is_painted_at_any_size() {
    let studio = Studio::new();
    put_frames(&studio, "frames", 3);
    let run = format!("frames --video --save v.safetensors -o a.png {QUICK}");
    studio.run(&run).succeeded();
    let (network, texts) = Network::load_with(studio.path("v.safetensors")).expect("a network");
    let video = Video::from_metadata(&network, &texts).expect("texts").expect("a video");
    assert_eq!((video.frames(), video.picture.width, network.inputs()), (3, 16, 3));
    studio.run("--repaint v.safetensors -o b.png --backend cpu").succeeded();
    assert!(studio.bytes("a.png") == studio.bytes("b.png"));
    let run = studio.run("--repaint v.safetensors -o c.gif --size 32x24 --backend cpu").succeeded();
    assert!(run.stdout.contains("\npainted c.gif with 3 frames\n"), "{run}");
    assert_eq!(studio.picture("c.gif").width(), 32);
    studio
        .run("--repaint v.safetensors --region 0,0,2,2")
        .failed_saying(&["--region is for pictures, and this is a video"]);
}

#[test]
fn the_same_seed_paints_the_same_video_with_the_preset_of_its_size() {
    let studio = Studio::new();
    put_frames(&studio, "frames", 4);
    let printed = studio.run("frames --video --preset hash --print-config").succeeded();
    assert!(printed.stdout.contains("\"log2_size\": 9"), "{printed}");
    for name in ["a.png", "b.png"] {
        let run = format!("frames --video --preset hash --steps 40 --backend cpu -o {name}");
        studio.run(&run).succeeded();
    }
    assert!(studio.bytes("a.png") == studio.bytes("b.png"));
}

#[test]
fn what_is_no_video_is_refused() {
    let studio = Studio::with_picture();
    for (picture, reason) in
        [("picture.png", "it has a single frame: leave --video out"), ("absent.gif", "absent.gif")]
    {
        studio.run(&format!("{picture} --video")).failed_saying(&[picture, reason]);
    }
    studio.put_bytes("broken.gif", b"GIF89a");
    studio.run("broken.gif --video").failed_saying(&["broken.gif", "cannot be decoded"]);
    studio.put_bytes("notes.txt", b"no picture");
    studio.run("notes.txt --video").failed_saying(&["notes.txt", "or a folder of pictures"]);
    std::fs::create_dir(studio.path("empty")).expect("a folder");
    studio.run("empty --video").failed_saying(&["empty", "the folder has no pictures"]);
    put_frames(&studio, "mixed", 2);
    studio.put("mixed/9b.png", &pictures::gradient(3, 3));
    studio.run("mixed --video").failed_saying(&["9b.png", "must be alike"]);
    put_frames(&studio, "frames", 2);
    studio.run("frames --video -o a.jpg").failed_saying(&["--video writes GIF", "a.jpg"]);
    studio.run("frames --video --classify").misused_saying(&["--video", "--classify"]);
    studio
        .run("frames --video --save a.png -o a.png")
        .failed_saying(&["a.png would be both the painting and the saved network"]);
    studio
        .run("frames --video -o a.webp --size 20000x10")
        .failed_saying(&["a.webp", "longest side is 16384"]);
    studio
        .run("frames --video -o - --metrics -")
        .failed_saying(&["two outputs would go to standard output"]);
    studio.run("frames --video --plot absent/p.svg").failed_saying(&["absent"]);
    let before = studio.bytes("frames/8.png");
    for name in ["frames/8.png", "frames/new.png"] {
        let run = format!("frames --video -o {name}");
        studio.run(&run).failed_saying(&["would be among the frames that are learned"]);
    }
    assert!(studio.bytes("frames/8.png") == before);
    studio.run("- --video").failed_saying(&["not standard input"]);
    assert!(!studio.names().iter().any(|name| name.starts_with("painted")));
}
