//! Animations as GIF, animated PNG and animated WebP.

use super::values::ending;
use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::webp::WebPEncoder;
use image::{Delay, ExtendedColorType, Frame, ImageEncoder, RgbaImage};
use impasto::Picture;
use std::error::Error;
use std::path::Path;

/// Pixels of a frame whose colors are chosen for GIF with all care.
const FEW_PIXELS: usize = 20_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The format of an animation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Gif,
    Apng,
    WebP,
}

impl Form {
    /// That of a file of this name, which `option` asks for.
    pub fn of(path: &Path, option: &str) -> Result<Self, String> {
        match ending(path).as_str() {
            "gif" => Ok(Self::Gif),
            "png" | "apng" => Ok(Self::Apng),
            "webp" => Ok(Self::WebP),
            _ => Err(format!(
                "{option} writes GIF, animated PNG and WebP: {} needs the ending .gif, .png, .apng or .webp",
                path.display()
            )),
        }
    }

    /// The most pixels along a side.
    pub fn longest_side(self) -> usize {
        match self {
            Self::Gif => 0xFFFF,
            Self::Apng => 0x7FFF_FFFF,
            // It stores both in 14 bits of a frame.
            Self::WebP => 1 << 14,
        }
    }

    /// The bytes of an animation of pictures of 8 bits that all have one size, each shown for so many milliseconds. It
    /// repeats for ever.
    pub fn encode(self, pictures: &[Picture], delays: &[u32]) -> Outcome<Vec<u8>> {
        match self {
            Self::Gif => gif(pictures, delays),
            Self::Apng => apng(pictures, delays),
            Self::WebP => webp(pictures, delays),
        }
    }
}

fn bytes(picture: &Picture) -> Vec<u8> {
    picture.values().iter().map(|value| *value as u8).collect()
}

/// The pixels as RGBA.
fn rgba(picture: &Picture) -> Vec<u8> {
    let pixel = |pixel: &[u16]| match *pixel {
        [gray] => [gray, gray, gray, 255],
        [gray, alpha] => [gray, gray, gray, alpha],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, alpha, ..] => [r, g, b, alpha],
        [] => [0; 4],
    };
    picture.pixels().flat_map(|values| pixel(&values).map(|value| value as u8)).collect()
}

fn gif(pictures: &[Picture], delays: &[u32]) -> Outcome<Vec<u8>> {
    let mut file = Vec::new();
    let pixels = pictures.first().map_or(0, |first| first.width() * first.height());
    // 1 is best and slow; above 10 the colors become poor.
    let speed = i32::try_from(pixels / FEW_PIXELS).map_or(10, |speed| speed.clamp(1, 10));
    let mut encoder = GifEncoder::new_with_speed(&mut file, speed);
    encoder.set_repeat(Repeat::Infinite)?;
    for (picture, time) in pictures.iter().zip(delays) {
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        let pixels = RgbaImage::from_raw(width, height, rgba(picture)).unwrap_or_default();
        let delay = Delay::from_numer_denom_ms(*time, 1);
        encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay))?;
    }
    drop(encoder);
    Ok(file)
}

fn apng(pictures: &[Picture], delays: &[u32]) -> Outcome<Vec<u8>> {
    let Some(first) = pictures.first() else { return Ok(Vec::new()) };
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, first.width() as u32, first.height() as u32);
    encoder.set_color(match first.channels() {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.set_depth(png::BitDepth::Eight);
    // Neighbors in a painting are alike.
    encoder.set_filter(png::Filter::Adaptive);
    encoder.set_animated(pictures.len() as u32, 0)?;
    let mut writer = encoder.write_header()?;
    for (picture, time) in pictures.iter().zip(delays) {
        writer.set_frame_delay(u16::try_from(*time).unwrap_or(u16::MAX), 1_000)?;
        writer.write_image_data(&bytes(picture))?;
    }
    writer.finish()?;
    Ok(file)
}

/// The container around the lossless frames that `image` encodes, which has no animations itself.
fn webp(pictures: &[Picture], delays: &[u32]) -> Outcome<Vec<u8>> {
    let Some(first) = pictures.first() else { return Ok(Vec::new()) };
    let (width, height) = (first.width() as u32, first.height() as u32);
    let size = [three_bytes(width - 1), three_bytes(height - 1)].concat();
    let has_alpha = first.channels().is_multiple_of(2);
    // The flags: bit 1 is that it is animated, bit 4 that it has alpha.
    let flags = 0b10 | if has_alpha { 0b1_0000 } else { 0 };
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    push_chunk(&mut file, *b"VP8X", &[&[flags, 0, 0, 0], &size[..]].concat());
    // The color behind it, and 0 for no end of repeats.
    push_chunk(&mut file, *b"ANIM", &[0; 6]);
    for (picture, time) in pictures.iter().zip(delays) {
        let (pixels, color) = if has_alpha {
            (rgba(picture), ExtendedColorType::Rgba8)
        } else if picture.channels() == 1 {
            (bytes(picture), ExtendedColorType::L8)
        } else {
            (bytes(picture), ExtendedColorType::Rgb8)
        };
        let mut still = Vec::new();
        WebPEncoder::new_lossless(&mut still).write_image(&pixels, width, height, color)?;
        // A still file of such pixels has one chunk, behind 12 bytes.
        let (kind, frame) = (still.get(12..16), still.get(12..).unwrap_or_default());
        if kind != Some(b"VP8L") {
            return Err("the encoder of WebP wrote another chunk than VP8L first".into());
        }
        // At the corner, for so long. The last byte has the flags: it replaces the one before.
        let place = [&[0; 6], &size[..], &three_bytes((*time).min(0xFF_FFFF)), &[0b10]].concat();
        push_chunk(&mut file, *b"ANMF", &[&place[..], frame].concat());
    }
    let length = u32::try_from(file.len() - 8)?;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    Ok(file)
}

fn three_bytes(number: u32) -> [u8; 3] {
    let [a, b, c, _] = number.to_le_bytes();
    [a, b, c]
}

/// A chunk of a RIFF file, of an even length.
fn push_chunk(file: &mut Vec<u8>, name: [u8; 4], contents: &[u8]) {
    file.extend(name);
    file.extend((contents.len() as u32).to_le_bytes());
    file.extend(contents);
    file.resize(file.len().next_multiple_of(2), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::gif::GifDecoder;
    use image::codecs::png::PngDecoder;
    use image::codecs::webp::WebPDecoder;
    use image::{AnimationDecoder, RgbaImage};
    use std::io::Cursor;

    /// Three pictures of few colors.
    fn pictures(channels: usize) -> Vec<Picture> {
        let value = |i: usize| {
            if channels.is_multiple_of(2) && i % channels == channels - 1 {
                255
            } else {
                (i % 7 * 40) as u16
            }
        };
        let picture = |shift: usize| {
            let values = (0..7 * 5 * channels).map(|i| value(i + shift * channels)).collect();
            Picture::new(7, 5, channels, 255, values).expect("a picture")
        };
        (0..3).map(picture).collect()
    }

    /// The frames of a file, with their milliseconds.
    fn frames(form: Form, file: Vec<u8>) -> Vec<(u32, RgbaImage)> {
        let file = Cursor::new(file);
        let frames = match form {
            Form::Gif => GifDecoder::new(file).expect("a GIF").into_frames(),
            Form::Apng => {
                let decoder = PngDecoder::new(file).expect("a PNG");
                decoder.apng().expect("an animation").into_frames()
            }
            Form::WebP => {
                let decoder = WebPDecoder::new(file).expect("a WebP");
                assert!(decoder.has_animation());
                decoder.into_frames()
            }
        };
        let frame = |frame: image::ImageResult<Frame>| {
            let frame = frame.expect("a frame");
            let (numerator, denominator) = frame.delay().numer_denom_ms();
            (numerator / denominator, frame.into_buffer())
        };
        frames.map(frame).collect()
    }

    #[test]
    fn decoders_read_every_frame_and_its_time() {
        for channels in 1..=4 {
            let pictures = pictures(channels);
            for form in [Form::Gif, Form::Apng, Form::WebP] {
                let file = form.encode(&pictures, &[100, 50, 2_000]).expect("encoded");
                let found = frames(form, file);
                let times: Vec<u32> = found.iter().map(|(time, _)| *time).collect();
                assert_eq!(times, [100, 50, 2_000], "{form:?}");
                for ((_, frame), picture) in found.iter().zip(&pictures) {
                    let expected = rgba(picture);
                    // Few colors are exact in GIF too.
                    assert_eq!(frame.as_raw(), &expected, "{form:?}, {channels} channels");
                }
            }
        }
    }

    #[test]
    fn names_say_the_format() {
        for (name, form) in [
            ("a.GIF", Form::Gif),
            ("b.png", Form::Apng),
            ("c.apng", Form::Apng),
            ("d.webp", Form::WebP),
        ] {
            assert_eq!(Form::of(Path::new(name), "--animate"), Ok(form));
        }
        assert!(
            Form::of(Path::new("e.mp4"), "--video").expect_err("refused").contains(".gif, .png")
        );
    }
}
