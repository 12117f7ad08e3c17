//! Pictures of many kinds and formats, in colors and in classes.

use crate::pictures;
use crate::studio::Studio;
use impasto::{Activation, Encoding, Loss, Picture, Subject};

/// Width, height, channels and largest value.
fn kind(picture: &Picture) -> (usize, usize, usize, u16) {
    (picture.width(), picture.height(), picture.channels(), picture.maximum())
}

/// The columns `first..first + width` of a sheet.
fn part(sheet: &Picture, first: usize, width: usize) -> Picture {
    let channels = sheet.channels();
    let all = sheet.values();
    let rows = all.chunks_exact(sheet.width() * channels);
    let values = rows.flat_map(|row| row[first * channels..][..width * channels].to_vec());
    Picture::new(width, sheet.height(), channels, sheet.maximum(), values.collect())
        .expect("part of a sheet")
}

#[test]
fn paintings_are_of_the_kind_of_their_pictures() {
    for (name, picture) in pictures::all() {
        let studio = Studio::new();
        studio.put("picture.png", &picture);
        assert_eq!(kind(&studio.picture("picture.png")), kind(&picture), "{name}");
        studio.quick("picture.png --save net.safetensors").succeeded();
        let painted = studio.picture("painted.png");
        assert_eq!(kind(&painted), kind(&picture), "{name}");
        studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
        assert_eq!(studio.picture("again.png"), painted, "{name}");
    }
}

#[test]
fn the_sheet_shows_original_painting_and_difference() {
    for (name, picture) in pictures::all() {
        let studio = Studio::new();
        studio.put("picture.png", &picture);
        studio.quick("picture.png").succeeded();
        let (painted, sheet) =
            (studio.picture("painted.png"), studio.picture("painted-comparison.png"));
        let width = picture.width();
        assert_eq!(sheet.width(), 3 * width + 8, "{name}");
        let place = |position: usize| part(&sheet, position * (width + 4), width);
        assert_eq!(place(0), picture, "{name}");
        assert_eq!(place(1), painted, "{name}");
        assert_eq!(place(2), picture.difference(&painted, 4).unwrap(), "{name}");
        let gap = part(&sheet, width, 4);
        assert!(gap.values().iter().all(|value| *value == picture.maximum()), "{name}");
    }
}

#[test]
fn pictures_of_every_common_format_are_read() {
    let (gray, color, alpha) =
        (pictures::text("TOP"), pictures::gradient(20, 14), pictures::soft_disc(16, 16));
    for (format, picture) in [
        ("png", &alpha),
        ("jpg", &color),
        ("jpeg", &gray),
        ("gif", &color),
        ("webp", &alpha),
        ("bmp", &color),
        ("tiff", &gray),
        ("tif", &pictures::deep_gradient(12, 9)),
        ("tga", &color),
        ("qoi", &alpha),
        ("ppm", &color),
    ] {
        let studio = Studio::new();
        let name = format!("picture.{format}");
        studio.put(&name, picture);
        studio.quick(&name).succeeded();
        let (read, painted) = (studio.picture(&name), studio.picture("painted.png"));
        assert_eq!(kind(&painted), kind(&read), "{format}");
        assert_eq!((read.width(), read.height()), (picture.width(), picture.height()), "{format}");
    }
}

#[test]
fn what_a_picture_is_shows_in_its_bytes_not_in_its_name() {
    let studio = Studio::new();
    studio.put("picture.bmp", &pictures::gradient(8, 8));
    std::fs::rename(studio.path("picture.bmp"), studio.path("picture.jpg")).unwrap();
    studio.quick("picture.jpg").succeeded();
    assert_eq!(studio.picture("painted.png").channels(), 3);
}

#[test]
fn classes_are_painted_beside_the_expected_ones() {
    let ink_of = |picture: &Picture| -> Vec<u16> {
        let is_ink = |pixel: &[u16]| {
            let white = f64::from(picture.maximum());
            let channel = |i: usize| f64::from(pixel[i.min(pixel.len() - 1)]) / white;
            let (colors, alpha) = match pixel.len() {
                1 => ([0, 0, 0], 1.0),
                4 => ([0, 1, 2], channel(3)),
                _ => ([0, 1, 2], 1.0),
            };
            let sum: f64 = colors.iter().map(|i| channel(*i) * alpha + 1.0 - alpha).sum();
            if (sum * 255.0).round() <= 600.0 { 0 } else { 255 }
        };
        picture.pixels().map(|pixel| is_ink(&pixel)).collect()
    };
    for (name, picture) in pictures::all() {
        let studio = Studio::new();
        studio.put("picture.png", &picture);
        let run = studio.quick("picture.png --classify --epochs 5 --report run.json").succeeded();
        assert!(run.stdout.contains("% of the pixels in the right class"), "{name}: {run}");
        assert_eq!(studio.names(), ["painted.png", "picture.png", "run.json"]);
        let sheet = studio.picture("painted.png");
        let (width, height) = (picture.width(), picture.height());
        assert_eq!(kind(&sheet), (2 * width + 4, height, 1, 255), "{name}");
        let (predicted, expected) = (part(&sheet, 0, width), part(&sheet, width + 4, width));
        assert_eq!(expected.values(), ink_of(&picture), "{name}");
        let pairs = predicted.pixels().zip(expected.pixels());
        let right = pairs.filter(|(a, b)| a == b).count() as f64;
        let accuracy = studio.json("run.json")["result"]["accuracy"].as_f64().unwrap();
        assert!((accuracy - right / (width * height) as f64).abs() < 1e-12, "{name}");
    }
}

#[test]
fn saved_classes_are_painted_again() {
    let studio = Studio::new();
    studio.put("picture.png", &pictures::text("MOST"));
    studio.quick("picture.png --classify --save net.safetensors").succeeded();
    let sheet = studio.picture("painted.png");
    studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
    let again = studio.picture("again.png");
    assert_eq!(again, part(&sheet, 0, again.width()));
}

#[test]
fn pixels_without_a_finite_color_are_reported() {
    let studio = Studio::with_picture();
    let subject = Subject::new(&studio.picture("picture.png"), Encoding::Identity, false);
    let loss = Loss::MeanSquaredError;
    let mut network =
        subject.builder(Encoding::Identity, &[2], Activation::Relu, loss).build().expect("valid");
    let largest = vec![3.4e38; network.parameters().len()];
    network.set_parameters(&largest).expect("finite");
    subject.save(studio.path("net.safetensors"), &network).expect("written");
    for backend in ["cpu", "reference"] {
        let run = studio.run(&format!("--repaint net.safetensors --backend {backend}"));
        let run = run.succeeded();
        let is_reported = run.stdout.contains("note: the network computes NaN or infinity for ")
            && run.stdout.contains(" of 432 pixels, which are painted black or white");
        assert_eq!(is_reported, backend == "cpu", "{run}");
    }
}
