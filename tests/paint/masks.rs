//! `--mask`: how much each pixel counts.

use crate::common;
use crate::pictures;
use crate::studio::{Studio, quick};
use impasto::{Mask, Picture};

const SIZE: (usize, usize) = (24, 18);

/// A mask that is white on the left of this column and black elsewhere.
fn left_of(end: usize) -> Picture {
    let values = (0..SIZE.0 * SIZE.1).map(|i| if i % SIZE.0 < end { 255 } else { 0 });
    Picture::new(SIZE.0, SIZE.1, 1, 255, values.collect()).expect("a mask")
}

fn studio() -> Studio {
    let studio = Studio::with_picture();
    studio.put("mask.png", &left_of(12));
    studio
}

#[test]
fn what_the_mask_hides_is_not_learned_on_any_engine() {
    let studio = studio();
    // A picture that differs where the mask is black.
    let picture = studio.picture("picture.png");
    let other = picture.pixels().enumerate().flat_map(|(i, pixel)| {
        let is_hidden = i % SIZE.0 >= 12;
        pixel.iter().map(|v| if is_hidden { 255 - v } else { *v }).collect::<Vec<_>>()
    });
    let other = Picture::new(SIZE.0, SIZE.1, 3, 255, other.collect()).expect("a picture");
    studio.put("other.png", &other);
    let mut engines = vec![("cpu", None), ("reference", None)];
    for adapter in common::adapters() {
        engines.push(("gpu --kernels fused --no-tune", Some(adapter.description())));
        engines.push(("gpu --kernels layerwise", Some(adapter.description())));
    }
    for (engine, adapter) in engines {
        let run = |name: &str, more: &str| {
            let arguments = format!("{name}.png --backend {engine} {more} -o {name}-painted.png");
            let arguments = quick(&arguments);
            match &adapter {
                Some(name) => studio.run_with(("IMPASTO_ADAPTER", name), &arguments),
                None => studio.run(&arguments),
            }
            .succeeded()
        };
        let masked = "--mask mask.png --report run.json";
        let said = run("picture", masked).stdout;
        run("other", masked);
        let painted = studio.picture("picture-painted.png");
        assert!(painted == studio.picture("other-painted.png"), "{engine}");
        assert!(said.contains(" by the mask"), "{said}");
        run("other", "");
        assert!(painted != studio.picture("other-painted.png"), "{engine}: without the mask");
    }
}

#[test]
fn the_report_weighs_pixels_by_the_mask() {
    let studio = studio();
    let run =
        studio.quick("picture.png --epochs 600 --mask mask.png --report run.json").succeeded();
    let report = studio.json("run.json");
    assert_eq!(report["image"]["mask"], "mask.png");
    let (picture, painted) = (studio.picture("picture.png"), studio.picture("painted.png"));
    let mask = Mask::new(&left_of(12)).expect("a mask");
    let [psnr, ssim] = ["psnr_db", "ssim"].map(|key| report["result"][key].as_f64().expect(key));
    assert!((psnr - mask.psnr(&picture, &painted).expect("same shape")).abs() < 1e-9);
    assert!((ssim - mask.ssim(&picture, &painted).expect("same shape")).abs() < 1e-9);
    let whole = impasto::psnr(&picture, &painted).expect("same shape");
    assert!(psnr > whole + 1.0, "{psnr} within, {whole} in all");
    // The loss is a mean over all pixels, and the PSNR of the metrics is that of those which count.
    assert!(
        run.stdout.contains(&format!("PSNR {psnr:.1} dB, SSIM {ssim:.4} by the mask")),
        "{run}"
    );
    studio.quick("picture.png --epochs 600 --mask mask.png --metrics run.csv").succeeded();
    let text = String::from_utf8(studio.bytes("run.csv")).expect("UTF-8");
    let last: Vec<&str> = text.lines().last().expect("a line").split(',').collect();
    let found: f64 = last[4].parse().expect("a PSNR");
    assert!((found - psnr).abs() < 0.5, "{found} and {psnr}");

    let run = "picture.png --classify --mask mask.png --report run.json";
    studio.quick(run).succeeded();
    let accuracy = studio.json("run.json")["result"]["accuracy"].as_f64().expect("an accuracy");
    assert!((0.4..=1.0).contains(&accuracy), "{accuracy}");
}

#[test]
fn a_white_mask_changes_no_bit() {
    let studio = Studio::with_picture();
    studio.put("mask.png", &left_of(24));
    studio.quick("picture.png --save a.safetensors").succeeded();
    studio.quick("picture.png --save b.safetensors --mask mask.png").succeeded();
    assert!(studio.bytes("a.safetensors") == studio.bytes("b.safetensors"));
}

#[test]
fn smaller_copies_have_smaller_masks() {
    let studio = studio();
    let run = "picture.png --max-pixels 200 --mask mask.png --epochs 20";
    let run = studio.quick(run).succeeded();
    assert!(run.stdout.contains("learned from a copy of 16×12, mask mask.png"), "{run}");
}

#[test]
fn a_run_that_goes_on_keeps_its_mask() {
    let studio = studio();
    let run = "picture.png --backend cpu --hidden 2x8 --schedule constant --mask mask.png";
    let whole = format!("{run} --epochs 9 --save-every 1h --save whole.safetensors -o whole.png");
    studio.run(&whole).succeeded();
    studio.run(&format!("{run} --epochs 4 --save-every 1h --save run.safetensors")).succeeded();
    let resume = "--resume run.safetensors --epochs 9";
    studio.run(&format!("{resume} --save second.safetensors -o second.png")).succeeded();
    assert!(studio.bytes("second.png") == studio.bytes("whole.png"));
    std::fs::rename(studio.path("mask.png"), studio.path("moved.png")).expect("renamed");
    studio.run(resume).failed_saying(&["mask.png"]);
    studio.put("mask.png", &left_of(11));
    studio.run(resume).failed_saying(&["mask.png", "not the mask"]);
    studio.run(&format!("{resume} --mask moved.png -o third.png")).succeeded();
    assert!(studio.bytes("third.png") == studio.bytes("whole.png"));
    // A run without a mask goes on without one.
    let plain = run.replace(" --mask mask.png", "");
    studio.run(&format!("{plain} --epochs 4 --save-every 1h --save run.safetensors")).succeeded();
    studio.run(&format!("{resume} --mask mask.png")).failed_saying(&["without a mask"]);
}

#[test]
fn unfit_masks_are_refused() {
    let studio = studio();
    studio.put("large.png", &pictures::stones(25, 18));
    studio.put("black.png", &left_of(0));
    for (mask, words) in [
        ("large.png", ["25×18 pixels and the picture 24×18", "same size"]),
        ("black.png", ["black everywhere", "black.png"]),
        ("missing.png", ["missing.png", "read"]),
    ] {
        studio.quick(&format!("picture.png --mask {mask}")).failed_saying(&words);
    }
    let same = studio.quick("picture.png --mask mask.png -o mask.png");
    same.failed_saying(&["mask.png", "both"]);
    studio.run("--repaint a.safetensors --mask mask.png").misused_saying(&["--mask"]);
    assert_eq!(studio.names(), ["black.png", "large.png", "mask.png", "picture.png"]);
}
