//! `--animate` and `--frames`: the painting as it develops.

use crate::common;
use crate::pictures;
use crate::studio::{Studio, finish, quick};
use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use impasto::Picture;
use std::io::Cursor;
use std::time::Duration;

/// The frames of an animation: milliseconds, and the pixels as RGBA.
fn animation(studio: &Studio, name: &str) -> Vec<(u32, image::RgbaImage)> {
    let file = Cursor::new(studio.bytes(name));
    let frames = match name.rsplit_once('.').expect("an ending").1 {
        "gif" => GifDecoder::new(file).expect("a GIF").into_frames(),
        "webp" => WebPDecoder::new(file).expect("a WebP").into_frames(),
        _ => PngDecoder::new(file).expect("a PNG").apng().expect("an animation").into_frames(),
    };
    let frame = |frame: image::ImageResult<image::Frame>| {
        let frame = frame.expect("a frame");
        (frame.delay().numer_denom_ms().0 / frame.delay().numer_denom_ms().1, frame.into_buffer())
    };
    frames.map(frame).collect()
}

/// Whether an RGB picture has these pixels.
fn is_same(frame: &image::RgbaImage, picture: &Picture) -> bool {
    let pixels = picture.pixels().flat_map(|pixel| {
        let rgb: Vec<u8> = pixel.iter().map(|value| *value as u8).collect();
        [rgb[0], rgb[1], rgb[2], 255]
    });
    frame.as_raw().iter().copied().eq(pixels)
}

#[test]
fn every_format_shows_the_run_up_to_the_painting() {
    let studio = Studio::with_picture();
    for name in ["a.gif", "a.png", "a.apng", "a.webp"] {
        let run = format!("picture.png --steps 400 --frame-count 9 --animate {name}");
        let run = studio.quick(&run).succeeded();
        assert!(run.stdout.contains(&format!("\nanimated {name} with 9 frames\n")), "{run}");
        let frames = animation(&studio, name);
        let times: Vec<u32> = frames.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [100, 100, 100, 100, 100, 100, 100, 100, 2000], "{name}");
        let (first, last) = (&frames[0].1, &frames[8].1);
        assert_eq!(last.dimensions(), (24, 18));
        let painted = studio.picture("painted.png");
        if name == "a.gif" {
            // At most 256 colors.
            let pairs = last.as_raw().chunks(4).zip(painted.pixels());
            let apart = pairs.map(|(a, b)| u32::from(u16::from(a[0]).abs_diff(b[0])));
            assert!(apart.sum::<u32>() < 12 * 24 * 18, "{name}");
        } else {
            assert!(is_same(last, &painted), "{name}");
        }
        assert_ne!(first, last);
    }
    let mut names = studio.names();
    names.retain(|name| !name.starts_with("painted"));
    assert_eq!(names, ["a.apng", "a.gif", "a.png", "a.webp", "picture.png"]);
}

#[test]
fn a_folder_has_frames_of_the_size_and_the_bits_of_the_painting() {
    let studio = Studio::new();
    studio.put("deep.png", &pictures::deep_gradient(30, 20));
    let run = "deep.png --steps 50 --frames made --frame-count 5 --size 15x10";
    let run = studio.quick(run).succeeded();
    assert!(run.stdout.contains("\nwrote 5 frames to made\n"), "{run}");
    let last = studio.picture("made/frame-0005.png");
    assert_eq!((last.width(), last.height(), last.maximum()), (15, 10, 65_535));
    assert!(last == studio.picture("painted.png"));
    assert!(studio.picture("made/frame-0001.png") != last);
    assert_eq!(std::fs::read_dir(studio.path("made")).expect("listed").count(), 5);
    studio.quick("deep.png --steps 50 --frames small --frame-count 2 --scale 0.5").succeeded();
    assert!(studio.picture("small/frame-0002.png") == studio.picture("painted.png"));
    // Frames of two runs are never mixed.
    let again = studio.quick("deep.png --steps 50 --frames made");
    again.failed_saying(&["made", "is not empty"]);
    assert_eq!(std::fs::read_dir(studio.path("made")).expect("listed").count(), 5);
}

#[test]
fn a_large_painting_has_a_small_animation() {
    let studio = Studio::new();
    studio.put("wide.png", &pictures::stones(960, 30));
    studio.quick("wide.png --steps 20 --frame-count 3 --animate a.png --frames all").succeeded();
    let frames = animation(&studio, "a.png");
    assert_eq!((frames.len(), frames[0].1.dimensions()), (3, (480, 15)));
    assert_eq!(studio.picture("all/frame-0003.png").width(), 960);
}

#[test]
fn frames_do_not_change_what_is_learned() {
    let studio = Studio::with_picture();
    let mut engines =
        vec![("--backend cpu".to_string(), None), ("--backend reference".into(), None)];
    for adapter in common::adapters() {
        engines.push(("--backend gpu --no-tune".into(), Some(adapter.description())));
    }
    for (engine, adapter) in engines {
        let run = |more: &str| {
            let arguments = format!("picture.png --steps 70 {engine} {more}");
            match &adapter {
                Some(name) => studio.run_with(("IMPASTO_ADAPTER", name), &quick(&arguments)),
                None => studio.quick(&arguments),
            }
            .succeeded();
        };
        run("--save plain.safetensors");
        run("--save watched.safetensors --animate a.gif --metrics m.csv --plot p.svg");
        assert!(
            studio.bytes("plain.safetensors") == studio.bytes("watched.safetensors"),
            "{engine}"
        );
        assert!(animation(&studio, "a.gif").len() > 50);
    }
}

#[test]
fn a_run_that_goes_on_is_shown_from_there() {
    let studio = Studio::with_picture();
    let run = "picture.png --steps 100 --save-every 1h --save run.safetensors";
    studio.quick(run).succeeded();
    let run = "--resume run.safetensors --steps 300 --animate a.png --frame-count 4 -o b.png";
    studio.run(run).succeeded();
    let frames = animation(&studio, "a.png");
    assert_eq!(frames.len(), 4);
    assert!(is_same(&frames[0].1, &studio.picture("painted.png")));
    assert!(is_same(&frames[3].1, &studio.picture("b.png")));
}

#[test]
fn ctrl_c_keeps_the_frames_so_far() {
    if !cfg!(unix) {
        return; // there is no such signal
    }
    let studio = Studio::with_picture();
    let run = "picture.png --epochs 1000000000000 --animate a.png --frames all";
    let child = studio.start(&quick(run));
    while std::fs::read_dir(studio.path("all")).map_or(0, Iterator::count) < 5 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!studio.names().contains(&"a.png".to_string()), "it is written when it is whole");
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(finish(child, "and Ctrl-C").code, Some(130));
    let frames = animation(&studio, "a.png");
    assert!(frames.len() >= 5 && frames[frames.len() - 1].0 == 2000);
    assert!(is_same(&frames[frames.len() - 1].1, &studio.picture("painted.png")));
    assert_eq!(std::fs::read_dir(studio.path("all")).expect("listed").count(), frames.len());
}

#[test]
fn every_kind_of_picture_is_animated() {
    for (name, picture) in pictures::all() {
        let studio = Studio::new();
        studio.put("picture.png", &picture);
        for (file, more) in [("a.gif", ""), ("a.png", ""), ("a.webp", ""), ("b.gif", "--classify")]
        {
            let run = format!("picture.png --frame-count 2 --animate {file} {more}");
            studio.quick(&run).succeeded();
            assert_eq!(animation(&studio, file).len(), 2, "{name}");
        }
    }
}

#[test]
fn unfit_options_of_frames_are_refused() {
    let studio = Studio::with_picture();
    for (arguments, words) in [
        ("--animate a.mp4", ["a.mp4", ".gif, .png, .apng or .webp"]),
        ("--frame-count 9", ["--frame-count", "--animate and --frames"]),
        ("--animate a.gif --frame-count 1", ["--frame-count 1", "from 2 to 500"]),
        ("--animate a.gif --frame-count 501", ["--frame-count 501", "from 2 to 500"]),
    ] {
        studio.quick(&format!("picture.png {arguments}")).misused_saying(&words);
    }
    let repaint = "--repaint net.safetensors --animate a.gif";
    studio.run(repaint).misused_saying(&["--animate", "--repaint"]);
    studio.quick("picture.png --animate painted.png").failed_saying(&["painted.png", "both"]);
    studio.quick("picture.png --frames picture.png").failed_saying(&["picture.png"]);
    studio.quick("picture.png --frames none/made").failed_saying(&["none", "no folder"]);
    studio.quick("picture.png --frames -").failed_saying(&["standard output", "name a folder"]);
    assert_eq!(studio.names(), ["picture.png"]);
}
