//! Tests of reading pictures: what their colors mean, what their numbers mean, and what they may lack.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use impasto::Picture;
use moxcms::{ColorProfile, ToneReprCurve};
use std::borrow::Cow;
use std::io::Cursor;
use tiff::encoder::{TiffEncoder, colortype};

type Read = (Picture, Vec<String>);

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/files");
    std::fs::read(format!("{folder}/{name}")).expect("a file of the tests")
}

fn read(bytes: &[u8]) -> Read {
    Picture::decode(bytes).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(bytes: &[u8]) -> String {
    Picture::decode(bytes).expect_err("refused").to_string()
}

/// The numbers of a file as the crate `image` decodes them.
fn numbers(bytes: &[u8]) -> Vec<u16> {
    let image = image::load_from_memory(bytes).expect("a picture");
    image.into_bytes().into_iter().map(u16::from).collect()
}

/// The light of a level of sRGB, 0 to 1.
fn light(level: f64) -> f64 {
    if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
}

/// The level of sRGB of light, 0 to 1.
fn level(light: f64) -> f64 {
    let light = light.clamp(0.0, 1.0);
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

fn assert_close(found: &[u16], expected: &[f64], maximum: f64, tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let expected = expected * maximum;
        assert!((f64::from(*found) - expected).abs() <= tolerance, "{i}: {found}, not {expected}");
    }
}

/// A PNG file of `[pixels, channels]` in one row, with what `describe` adds.
fn png(
    bytes: &[u8],
    color: png::ColorType,
    depth: png::BitDepth,
    describe: impl FnOnce(&mut png::Info<'_>),
) -> Vec<u8> {
    let size = color.samples() * if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let mut info = png::Info::with_size((bytes.len() / size) as u32, 1);
    (info.color_type, info.bit_depth) = (color, depth);
    describe(&mut info);
    let mut file = Vec::new();
    let encoder = png::Encoder::with_info(&mut file, info).expect("a header");
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(bytes).expect("pixels");
    writer.finish().expect("an end");
    file
}

/// All levels of a channel from 0 to 255, by 5.
fn ramp() -> Vec<u8> {
    (0..=51).map(|i| 5 * i).collect()
}

/// Colors in RGB.
fn colors() -> Vec<u8> {
    (0..120).map(|i: u32| (i * 89 % 256) as u8).collect()
}

fn unit(bytes: &[u8]) -> Vec<f64> {
    bytes.iter().map(|byte| f64::from(*byte) / 255.0).collect()
}

/// A profile of gray with this exponent.
fn gray_profile(exponent: f32) -> Vec<u8> {
    ColorProfile::new_gray_with_gamma(exponent).encode().expect("a profile")
}

/// What sRGB numbers are in sRGB, if they were Display P3.
fn from_p3(numbers: &[f64]) -> Vec<f64> {
    // Display P3 to sRGB, both linear, as CSS Color 4 defines them.
    const MATRIX: [[f64; 3]; 3] = [
        [1.224_940_176, -0.224_940_176, 0.0],
        [-0.042_056_955, 1.042_056_955, 0.0],
        [-0.019_637_555, -0.078_636_046, 1.098_273_600],
    ];
    let convert = |pixel: &[f64; 3]| {
        let linear = pixel.map(light);
        MATRIX.map(|row| level(row.iter().zip(linear).map(|(a, b)| a * b).sum()))
    };
    numbers.as_chunks::<3>().0.iter().flat_map(convert).collect()
}

#[test]
fn profiles_of_files_are_converted_to_srgb() {
    let bytes = file("icc-swap.png");
    let (picture, notes) = read(&bytes);
    let swapped: Vec<f64> = numbers(&bytes)
        .as_chunks::<3>()
        .0
        .iter()
        .flat_map(|[r, g, b]| [b, g, r].map(|v| f64::from(*v) / 255.0))
        .collect();
    assert_close(&picture.values(), &swapped, 255.0, 1.5);
    assert!(notes.len() == 1 && notes[0].contains("converted from"), "{notes:?}");

    let bytes = file("icc-p3.jpg");
    let (picture, notes) = read(&bytes);
    let raw: Vec<f64> = numbers(&bytes).iter().map(|v| f64::from(*v) / 255.0).collect();
    let expected = from_p3(&raw);
    let moved = expected.iter().zip(&raw).filter(|(a, b)| (*a - *b).abs() > 4.0 / 255.0).count();
    assert!(moved > 0, "the picture has no color that a profile changes");
    assert_close(&picture.values(), &expected, 255.0, 1.5);
    assert!(notes.iter().any(|note| note.contains("sRGB")), "{notes:?}");
}

#[test]
fn profiles_of_srgb_change_nothing() {
    let profile = ColorProfile::new_srgb().encode().expect("a profile");
    let bytes = png(&colors(), png::ColorType::Rgb, png::BitDepth::Eight, |info| {
        info.icc_profile = Some(Cow::from(profile));
    });
    let (picture, notes) = read(&bytes);
    assert_eq!((&*picture.values(), notes.len()), (&numbers(&bytes)[..], 0));
}

#[test]
fn gray_and_deep_pictures_have_profiles_too() {
    let expected: Vec<f64> = unit(&ramp()).into_iter().map(level).collect();
    let linear = gray_profile(1.0);
    let bytes = png(&ramp(), png::ColorType::Grayscale, png::BitDepth::Eight, |info| {
        info.icc_profile = Some(Cow::from(linear.clone()));
    });
    assert_close(&read(&bytes).0.values(), &expected, 255.0, 1.0);
    let deep: Vec<u8> = ramp().into_iter().flat_map(|v| [v, v]).collect();
    let bytes = png(&deep, png::ColorType::Grayscale, png::BitDepth::Sixteen, |info| {
        info.icc_profile = Some(Cow::from(linear.clone()));
    });
    let (picture, _) = read(&bytes);
    assert_eq!((picture.channels(), picture.maximum()), (1, 65_535));
    assert_close(&picture.values(), &expected, 65_535.0, 80.0);
    // Alpha is no color.
    let alpha: Vec<u8> = ramp().into_iter().flat_map(|v| [v, 255 - v]).collect();
    let bytes = png(&alpha, png::ColorType::GrayscaleAlpha, png::BitDepth::Eight, |info| {
        info.icc_profile = Some(Cow::from(linear));
    });
    let (picture, _) = read(&bytes);
    let found: Vec<u16> = picture.pixels().map(|pixel| pixel[1]).collect();
    assert_eq!(found, ramp().into_iter().map(|v| u16::from(255 - v)).collect::<Vec<_>>());
    assert_close(&picture.pixels().map(|p| p[0]).collect::<Vec<_>>(), &expected, 255.0, 1.0);
    // A gray picture with a profile of colors.
    let mut profile = ColorProfile::new_srgb();
    let curve = ToneReprCurve::Lut(Vec::new());
    (profile.red_trc, profile.green_trc) = (Some(curve.clone()), Some(curve.clone()));
    (profile.blue_trc, profile.cicp) = (Some(curve), None);
    let profile = profile.encode().expect("a profile");
    let bytes = png(&ramp(), png::ColorType::Grayscale, png::BitDepth::Eight, |info| {
        info.icc_profile = Some(Cow::from(profile));
    });
    let (picture, _) = read(&bytes);
    assert_eq!(picture.channels(), 1);
    assert_close(&picture.values(), &expected, 255.0, 1.0);
}

#[test]
fn what_cannot_be_converted_is_said() {
    for profile in [b"no profile at all".to_vec(), gray_profile(1.0)] {
        let bytes = png(&colors(), png::ColorType::Rgb, png::BitDepth::Eight, |info| {
            info.icc_profile = Some(Cow::from(profile));
        });
        let (picture, notes) = read(&bytes);
        assert_eq!(picture.values(), numbers(&bytes));
        assert!(notes.len() == 1 && notes[0].contains("unconverted"), "{notes:?}");
    }
}

#[test]
fn chunks_of_png_say_what_colors_mean() {
    let expected: Vec<f64> = unit(&ramp()).into_iter().map(level).collect();
    let gray = |describe: &dyn Fn(&mut png::Info<'_>)| {
        let bytes = png(&ramp(), png::ColorType::Grayscale, png::BitDepth::Eight, describe);
        read(&bytes)
    };
    let linear = |info: &mut png::Info<'_>| {
        info.source_gamma = Some(png::ScaledFloat::from_scaled(100_000));
    };
    let (picture, notes) = gray(&linear);
    assert_close(&picture.values(), &expected, 255.0, 1.0);
    assert!(notes.iter().any(|note| note.contains("gAMA")), "{notes:?}");
    // What old files of sRGB say.
    let (picture, notes) = gray(&|info: &mut png::Info<'_>| {
        info.source_gamma = Some(png::ScaledFloat::from_scaled(45_455));
    });
    assert_eq!(picture.values(), ramp().into_iter().map(u16::from).collect::<Vec<_>>());
    assert!(notes.is_empty(), "{notes:?}");

    let rgb = |describe: &dyn Fn(&mut png::Info<'_>)| {
        read(&png(&colors(), png::ColorType::Rgb, png::BitDepth::Eight, describe))
    };
    let (picture, notes) = rgb(&|info: &mut png::Info<'_>| {
        info.source_chromaticities = Some(png::SourceChromaticities::new(
            (0.3127, 0.3290),
            (0.680, 0.320),
            (0.265, 0.690),
            (0.150, 0.060),
        ));
    });
    let p3 = from_p3(&unit(&colors()));
    assert_close(&picture.values(), &p3, 255.0, 1.5);
    assert!(notes.iter().any(|note| note.contains("cHRM")), "{notes:?}");

    // cICP, written by hand: the crate `png` reads it only.
    let with_points = |points: [u8; 4]| {
        let bytes = png(&colors(), png::ColorType::Rgb, png::BitDepth::Eight, |_| {});
        read(&inserted(&bytes, *b"cICP", &points))
    };
    let (picture, notes) = with_points([12, 13, 0, 1]);
    assert_close(&picture.values(), &p3, 255.0, 1.5);
    assert!(notes.iter().any(|note| note.contains("cICP")), "{notes:?}");
    let raw: Vec<u16> = colors().into_iter().map(u16::from).collect();
    let (picture, notes) = with_points([1, 13, 0, 1]);
    assert_eq!((&*picture.values(), notes.len()), (&raw[..], 0));
    let (picture, notes) = with_points([9, 16, 0, 1]);
    assert!(notes.iter().any(|note| note.contains("HDR (PQ)")), "{notes:?}");
    assert_eq!(picture.values(), raw);
}

/// The file with a chunk behind its header.
fn inserted(png: &[u8], name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let (head, rest) = png.split_at(33);
    let body = [&name[..], data].concat();
    let length = (data.len() as u32).to_be_bytes();
    [head, &length, &body, &crc(&body).to_be_bytes(), rest].concat()
}

/// The checksum of a chunk of PNG.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |c, _| step(c)))
}

#[test]
fn light_of_hdr_files_becomes_srgb() {
    let pixels = [image::Rgb([0.0, 0.25, 0.5]), image::Rgb([1.0, 0.125, 8.0])];
    let mut bytes = Vec::new();
    image::codecs::hdr::HdrEncoder::new(&mut bytes).encode(&pixels, 2, 1).expect("encodes");
    let (picture, notes) = read(&bytes);
    let expected: Vec<f64> = [0.0, 0.25, 0.5, 1.0, 0.125, 1.0].map(level).to_vec();
    // An exponent is shared by three channels of 8 bits.
    assert_close(&picture.values(), &expected, 65_535.0, 700.0);
    assert!(notes.len() == 1 && notes[0].starts_with("1 of 2 pixels are brighter"), "{notes:?}");
}

#[test]
#[cfg(feature = "exr")]
fn light_of_openexr_files_becomes_srgb() {
    use image::ImageEncoder;
    use image::codecs::openexr::OpenExrEncoder;

    let encode = |values: &[f32], color| {
        let mut bytes = Cursor::new(Vec::new());
        let encoder = OpenExrEncoder::new(&mut bytes);
        encoder.write_image(bytemuck::cast_slice(values), 2, 1, color).expect("encodes");
        bytes.into_inner()
    };
    let pixels = [0.0, 0.25, 0.5, 1.0, 0.125, 8.0];
    let (picture, notes) = read(&encode(&pixels, image::ExtendedColorType::Rgb32F));
    let expected: Vec<f64> = [0.0, 0.25, 0.5, 1.0, 0.125, 1.0].map(level).to_vec();
    assert_eq!(picture.channels(), 3);
    assert_close(&picture.values(), &expected, 65_535.0, 1.0);
    assert!(notes.len() == 1 && notes[0].starts_with("1 of 2 pixels are brighter"), "{notes:?}");
    // Colors come multiplied by alpha, which is not light.
    let pixels = [0.0, 0.25, 0.5, 0.5, 1.0, 0.125, 0.75, 1.0];
    let (picture, _) = read(&encode(&pixels, image::ExtendedColorType::Rgba32F));
    let expected = [0.0, 0.5, 1.0, 0.5, 1.0, 0.125, 0.75, 1.0];
    let is_alpha = |i: usize| i % 4 == 3;
    let levels = expected.iter().enumerate();
    let levels: Vec<f64> = levels.map(|(i, v)| if is_alpha(i) { *v } else { level(*v) }).collect();
    assert_close(&picture.values(), &levels, 65_535.0, 1.0);
}

/// A TIFF file of one row.
fn tiff<C: colortype::ColorType>(values: &[C::Inner]) -> Vec<u8>
where
    [C::Inner]: tiff::encoder::TiffValue,
{
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).expect("an encoder");
    let width = (values.len() / C::SAMPLE_FORMAT.len()) as u32;
    encoder.write_image::<C>(width, 1, values).expect("encodes");
    bytes.into_inner()
}

#[test]
fn ranges_of_numbers_are_found_in_every_kind_of_tiff() {
    let (picture, notes) = read(&file("float-0-to-255.tif"));
    assert!(notes.iter().any(|note| note.contains("255 as 1")), "{notes:?}");
    let mut levels: Vec<u16> = picture.values().to_vec();
    levels.sort_unstable();
    levels.dedup();
    assert!(levels.len() > 50 && levels.last() > Some(&60_000), "{} levels", levels.len());

    let unit: Vec<f32> = (0..12).map(|i| i as f32 / 11.0).collect();
    let scaled: Vec<f32> = unit.iter().map(|v| 255.0 * v).collect();
    let expected: Vec<f64> = unit.iter().map(|v| f64::from(*v)).collect();
    let assert_read = |bytes: &[u8], channels, expected: &[f64], notes_expected| {
        let (picture, notes) = read(bytes);
        assert_eq!((picture.channels(), notes.len()), (channels, notes_expected), "{notes:?}");
        assert_close(&picture.values(), expected, f64::from(picture.maximum()), 1.0);
    };
    assert_read(&tiff::<colortype::Gray32Float>(&unit), 1, &expected, 0);
    assert_read(&tiff::<colortype::Gray32Float>(&scaled), 1, &expected, 1);
    assert_read(&tiff::<colortype::RGB32Float>(&unit), 3, &expected, 0);
    assert_read(&tiff::<colortype::RGB32Float>(&scaled), 3, &expected, 1);
    assert_read(&tiff::<colortype::RGBA32Float>(&unit), 4, &expected, 0);
    let wide: Vec<f64> = scaled.iter().map(|v| f64::from(*v)).collect();
    assert_read(&tiff::<colortype::Gray64Float>(&wide), 1, &expected, 1);
    assert_read(&tiff::<colortype::RGB64Float>(&wide), 3, &expected, 1);
    let words: Vec<u16> = unit.iter().map(|v| (v * 65_535.0).round() as u16).collect();
    assert_read(&tiff::<colortype::Gray16>(&words), 1, &expected, 0);
    assert_read(&tiff::<colortype::RGB16>(&words), 3, &expected, 0);
    assert_read(&tiff::<colortype::RGBA16>(&words), 4, &expected, 0);
    let whole: Vec<u32> = unit.iter().map(|v| (f64::from(*v) * 4_294_967_295.0) as u32).collect();
    assert_read(&tiff::<colortype::Gray32>(&whole), 1, &expected, 1);
    assert_read(&tiff::<colortype::RGB32>(&whole), 3, &expected, 1);
    // Signed numbers have their least as black.
    let signed: Vec<i16> = vec![-100, 0, 100];
    assert_read(&tiff::<colortype::GrayI16>(&signed), 1, &[0.0, 0.5, 1.0], 1);
    let message = refusal(&tiff::<colortype::Gray32Float>(&[0.5, f32::INFINITY]));
    assert!(message.contains("pixel 1 has a value of inf") && message.contains("PNG"), "{message}");
}

#[test]
fn inks_of_tiff_files_become_colors() {
    let (picture, notes) =
        read(&tiff::<colortype::CMYK8>(&[0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]));
    assert_eq!(*picture.values(), [255, 255, 255, 0, 255, 255, 0, 0, 0]);
    assert!(notes.len() == 1 && notes[0].contains("CMYK"), "{notes:?}");
}

/// A TIFF file of one strip in this byte order, from entries of (tag, kind, values).
fn handmade(is_little: bool, entries: &[(u16, u16, Vec<u32>)], pixels: &[u8]) -> Vec<u8> {
    let number = |value: u32, count: usize| -> Vec<u8> {
        let bytes = value.to_le_bytes()[..count].to_vec();
        if is_little { bytes } else { bytes.into_iter().rev().collect() }
    };
    let mut file = if is_little { b"II".to_vec() } else { b"MM".to_vec() };
    file.extend(number(42, 2));
    let (mut data, first) = (pixels.to_vec(), 8 + pixels.len());
    let header = first + 2 + 12 * (entries.len() + 2) + 4;
    file.extend(number(first as u32, 4));
    let mut all = entries.to_vec();
    all.push((273, 4, vec![8]));
    all.push((279, 4, vec![pixels.len() as u32]));
    all.sort_by_key(|entry| entry.0);
    let (mut table, mut behind) = (number(all.len() as u32, 2), Vec::new());
    for (tag, kind, values) in all {
        let width = if kind == 3 { 2 } else { 4 };
        let mut bytes: Vec<u8> = values.iter().flat_map(|v| number(*v, width)).collect();
        table.extend([number(tag.into(), 2), number(kind.into(), 2)].concat());
        table.extend(number(values.len() as u32, 4));
        if bytes.len() > 4 {
            table.extend(number((header + behind.len()) as u32, 4));
            behind.extend(bytes);
        } else {
            bytes.resize(4, 0);
            table.extend(bytes);
        }
    }
    table.extend([0; 4]);
    data.extend(table);
    data.extend(behind);
    file.extend(data);
    file
}

#[test]
fn palettes_of_tiff_files_are_colors() {
    // Colors 0 to 3: black, red, green, and one of 16 bits or of 8.
    for (is_little, last) in [(true, 0xFFFF), (false, 0xFFFF), (true, 0x1234)] {
        let (red, green, blue) = ([0, 0xFFFF, 0, last], [0, 0, 0xFFFF, last], [0, 0, 0, last]);
        let palette = [red, green, blue].concat();
        let entries = [
            (256, 3, vec![4]),
            (257, 3, vec![1]),
            (258, 3, vec![2]),
            (259, 3, vec![1]),
            (262, 3, vec![3]),
            (277, 3, vec![1]),
            (320, 3, palette),
        ];
        let (picture, notes) = read(&handmade(is_little, &entries, &[0b11_01_10_00]));
        assert!(notes.is_empty(), "{notes:?}");
        if last == 0x1234 {
            assert_eq!(picture.maximum(), 65_535);
            assert_eq!(picture.values()[..6], [0x1234, 0x1234, 0x1234, 65_535, 0, 0]);
        } else {
            assert_eq!(picture.maximum(), 255);
            assert_eq!(*picture.values(), [255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 0]);
        }
    }
}

#[test]
fn orientations_are_read_from_numbers_of_any_width() {
    // Stored 2 wide and 1 high; upright it is 1 wide and 2 high.
    let entries = |kind| {
        [
            (256, 3, vec![2]),
            (257, 3, vec![1]),
            (258, 3, vec![8]),
            (259, 3, vec![1]),
            (262, 3, vec![1]),
            (274, kind, vec![6]),
            (277, 3, vec![1]),
        ]
    };
    for kind in [3, 4] {
        let (picture, _) = read(&handmade(false, &entries(kind), &[10, 20]));
        assert_eq!((picture.width(), &*picture.values()), (1, &[10, 20][..]), "{kind}");
        // EXIF data is such a file without pixels.
        for is_little in [true, false] {
            let exif = handmade(is_little, &[(274, kind, vec![6])], &[]);
            let bytes = png(&[10, 20], png::ColorType::Grayscale, png::BitDepth::Eight, |_| {});
            let (picture, _) = read(&inserted(&bytes, *b"eXIf", &exif));
            assert_eq!((picture.width(), &*picture.values()), (1, &[10, 20][..]), "{kind}");
        }
    }
}

#[test]
fn files_that_lack_only_their_end_are_read() {
    let (picture, notes) = read(&file("no-eoi.jpg"));
    assert!(picture.width() > 1);
    assert!(notes.len() == 1 && notes[0].contains("end marker"), "{notes:?}");

    let pixels: Vec<u8> = (0..64_u32 * 64).map(|i| (i * 31 % 256) as u8).collect();
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut bytes)
        .encode(&pixels, 64, 64, image::ExtendedColorType::L8)
        .expect("encodes");
    let (whole, notes) = read(&bytes);
    assert!(notes.is_empty());
    // What follows the end marker does not matter.
    assert_eq!(read(&[&bytes[..], b"more"].concat()).0, whole);
    for lacking in [1, 2] {
        let (picture, notes) = read(&bytes[..bytes.len() - lacking]);
        assert_eq!((&picture, notes.len()), (&whole, 1), "{lacking}");
    }
    for length in [3, 20, bytes.len() / 2, bytes.len() - 40, bytes.len() - 5] {
        let message = refusal(&bytes[..length]);
        assert!(length <= 20 || message.contains("too early"), "{length}: {message}");
    }

    let bytes = png(&ramp(), png::ColorType::Grayscale, png::BitDepth::Eight, |_| {});
    for lacking in [1, 6, 12] {
        let (picture, notes) = read(&bytes[..bytes.len() - lacking]);
        assert_eq!((&picture, notes.len()), (&read(&bytes).0, 1), "{lacking}");
    }
    assert!(refusal(&bytes[..bytes.len() - 30]).contains("complete copy"));
}

#[test]
fn icons_with_png_of_any_kind_are_read() {
    for (color, samples) in [(png::ColorType::Rgb, 3), (png::ColorType::Grayscale, 1)] {
        let png = png(&colors()[..16 * samples], color, png::BitDepth::Eight, |_| {});
        let mut icon = vec![0, 0, 1, 0, 1, 0, 16, 1, 0, 0, 1, 0, 24, 0];
        icon.extend((png.len() as u32).to_le_bytes());
        icon.extend(22_u32.to_le_bytes());
        icon.extend(&png);
        let (picture, _) = read(&icon);
        assert_eq!((picture.width(), picture.channels()), (16, samples));
        assert_eq!(picture, read(&png).0);
    }
}

#[test]
fn refusals_say_what_to_convert_to() {
    let avif = b"\0\0\0\x20ftypavif\0\0\0\0avifmif1";
    let heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    let lab = [
        (256, 3, vec![1]),
        (257, 3, vec![1]),
        (258, 3, vec![8, 8, 8]),
        (259, 3, vec![1]),
        (262, 3, vec![8]),
        (277, 3, vec![3]),
    ];
    for (bytes, name) in [
        (&avif[..], "AVIF"),
        (heif, "HEIF"),
        (b"\xFF\x0A\0\0", "JPEG XL"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        #[cfg(not(feature = "exr"))]
        (b"v/1\x01\x02\0\0\0", "OpenEXR"),
        (b"hello", "known format"),
        (&handmade(true, &lab, &[1, 2, 3]), "decoded"),
        (&file("icc-swap.png")[..60], "decoded"),
    ] {
        let message = refusal(bytes);
        assert!(message.contains(name) && message.contains("PNG"), "{message}");
    }
    assert!(refusal(b"").contains("empty"));
}
