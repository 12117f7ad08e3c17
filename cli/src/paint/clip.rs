//! The frames of an animation or of a folder.

use super::streams::is_standard;
use super::text::counted;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frame, Frames, ImageDecoder, ImageError, ImageFormat, ImageReader};
use impasto::{Error, Picture, Result, input};
use std::fs;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

/// Milliseconds of a frame from a folder, and of one that an animation gives no time.
const EACH: u32 = 100;

/// Pixels of all frames: as many as a video may have.
const MOST_PIXELS: usize = 1 << 28;

/// The pictures of a video, each with the milliseconds that it is shown.
pub struct Clip {
    pub frames: Vec<Picture>,
    pub delays: Vec<u32>,
    /// Notes from reading.
    pub notes: Vec<String>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

impl Clip {
    /// Reads the frames of a GIF, an animated PNG or WebP, or the pictures of a folder in the order of their names.
    pub fn load(path: &Path) -> Result<Self> {
        if is_standard(path) {
            return Err(unfit(path, "--video reads a file or a folder, not standard input"));
        }
        let clip = if path.is_dir() { of_folder(path)? } else { of_animation(path)? };
        if clip.frames.len() < 2 {
            return Err(unfit(path, "it has a single frame: leave --video out"));
        }
        Ok(clip)
    }

    /// `clip.gif: 24 frames of 320×240 (1,843,200 pixels), RGB, 2.4 s`.
    pub fn describe(&self, path: &Path) -> String {
        let first = &self.frames[0];
        let (width, height, frames) = (first.width(), first.height(), self.frames.len());
        let pixels = counted((width * height * frames) as u64, "pixel");
        let kind = ["gray", "gray with alpha", "RGB", "RGBA"][first.channels() - 1];
        let seconds: f64 = self.delays.iter().map(|delay| f64::from(*delay) / 1000.0).sum();
        let path = path.display();
        format!("{path}: {frames} frames of {width}×{height} ({pixels}), {kind}, {seconds:.1} s")
    }
}

fn unfit(path: &Path, reason: &str) -> Error {
    Error::Picture { path: path.into(), reason: reason.into() }
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::File { action: "read", path: path.into(), source }
}

/// The pictures of a folder.
fn of_folder(folder: &Path) -> Result<Clip> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut notes = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        let name = path.file_name().unwrap_or_default();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden || ImageFormat::from_path(&path).is_err() {
            continue;
        }
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => paths.push(path),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                notes.push(format!("{} is a link that leads nowhere: left out", path.display()));
            }
            Err(error) => return Err(unreadable(&path, error)),
        }
    }
    if paths.is_empty() {
        return Err(unfit(folder, "the folder has no pictures"));
    }
    paths.sort_by_cached_key(|path| ordered(&path.to_string_lossy()));
    notes.sort();
    let (mut frames, mut pixels) = (Vec::new(), 0);
    for path in &paths {
        let (frame, said) = Picture::load_with_notes(path)?;
        let first = frames.first().unwrap_or(&frame);
        let shape = |p: &Picture| (p.width(), p.height(), p.channels(), p.maximum());
        if shape(first) != shape(&frame) {
            let what = |p: &Picture| {
                format!("{}×{} pixels with {} channels", p.width(), p.height(), p.channels())
            };
            return Err(unfit(
                path,
                &format!(
                    "it has {}, and {} has {}: the frames of a video must be alike, also in their bits",
                    what(&frame),
                    paths[0].display(),
                    what(first)
                ),
            ));
        }
        pixels += frame.width() * frame.height();
        check_pixels(folder, pixels)?;
        note(&mut notes, said);
        frames.push(frame);
    }
    Ok(Clip { delays: vec![EACH; frames.len()], frames, notes, files: paths })
}

/// Adds the notes that are not in the list yet.
fn note(notes: &mut Vec<String>, said: impl IntoIterator<Item = String>) {
    for line in said {
        if !notes.contains(&line) {
            notes.push(line);
        }
    }
}

fn check_pixels(path: &Path, pixels: usize) -> Result<()> {
    if pixels <= MOST_PIXELS {
        return Ok(());
    }
    Err(unfit(path, "its frames have more than 268,435,456 pixels: make them smaller or fewer"))
}

/// Parts of a name that compare as people order names: frame 2 comes before frame 10.
fn ordered(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    for part in name.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let text = String::from_utf8_lossy(part).into_owned();
        parts.push((text.parse().unwrap_or(0), text));
    }
    parts
}

/// The frames of an animation.
fn of_animation(path: &Path) -> Result<Clip> {
    let failed = |error: ImageError| match error {
        ImageError::IoError(source) => unreadable(path, source),
        other => unfit(path, &format!("cannot be decoded ({other}): get a complete copy of it")),
    };
    let (mut file, _) = input::open(path)?;
    let promised = promised_frames(&mut file).map_err(|source| unreadable(path, source))?;
    let reader = ImageReader::new(BufReader::new(file));
    let reader = reader.with_guessed_format().map_err(|source| unreadable(path, source))?;
    let format = reader.format();
    let reader = reader.into_inner();
    match format {
        Some(ImageFormat::Gif) => gather(path, GifDecoder::new(reader).map_err(failed)?, None),
        Some(ImageFormat::WebP) => {
            let mut decoder = WebPDecoder::new(reader).map_err(failed)?;
            let profile = decoder.icc_profile().ok().flatten();
            gather(path, decoder, profile.as_deref())
        }
        Some(ImageFormat::Png) => {
            let mut decoder = PngDecoder::new(reader).map_err(failed)?;
            let profile = decoder.icc_profile().ok().flatten();
            if !decoder.is_apng().map_err(failed)? {
                if let Some(frames) = promised {
                    let reason = format!(
                        "it says that it has {frames} frames, which is no number of frames"
                    );
                    return Err(unfit(path, &format!("{reason}: get a complete copy of it")));
                }
                return Err(unfit(path, "it has a single frame: leave --video out"));
            }
            gather(path, decoder.apng().map_err(failed)?, profile.as_deref())
        }
        _ => Err(unfit(
            path,
            "--video takes a GIF, an animated PNG or WebP, or a folder of pictures: convert it to one of these",
        )),
    }
}

/// How many frames a PNG file says that it has, if it says so. The file is then at its start. Decoders ignore 0 and what is
/// beyond 2³¹ − 1.
fn promised_frames(file: &mut (impl Read + Seek)) -> std::io::Result<Option<u32>> {
    // As much as a color profile may take before the number.
    let mut head = Vec::new();
    file.by_ref().take(16 << 20).read_to_end(&mut head)?;
    file.rewind()?;
    let number = |at: usize| head.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    if !head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(None);
    }
    let mut at = 8;
    while let Some(length) = number(at) {
        match head.get(at + 4..at + 8) {
            Some(b"acTL") => return Ok(number(at + 8)),
            Some(b"IDAT") | None => break,
            _ => at += 12 + length as usize,
        }
    }
    Ok(None)
}

/// All frames of a decoder, in sRGB.
fn gather<'a>(
    path: &Path,
    decoder: impl AnimationDecoder<'a>,
    profile: Option<&[u8]>,
) -> Result<Clip> {
    let frames: Frames<'a> = decoder.into_frames();
    let (mut decoded, mut delays, mut pixels) = (Vec::new(), Vec::new(), 0);
    for frame in frames {
        let frame = frame.map_err(|error| {
            let number = decoded.len() + 1;
            unfit(path, &format!("frame {number} cannot be decoded ({error}): get a complete copy"))
        })?;
        pixels += frame.buffer().as_raw().len() / 4;
        check_pixels(path, pixels)?;
        delays.push(milliseconds(&frame));
        decoded.push(frame.into_buffer());
    }
    let pixels = || decoded.iter().flat_map(|frame| frame.pixels());
    // A channel that says nothing is not learned.
    let has_alpha = pixels().any(|pixel| pixel.0[3] < 255);
    let has_color = pixels().any(|pixel| pixel.0[0] != pixel.0[1] || pixel.0[1] != pixel.0[2]);
    let (mut frames, mut notes) = (Vec::new(), Vec::new());
    for frame in decoded {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let mut bytes = Vec::with_capacity(4 * width * height);
        for pixel in frame.pixels() {
            bytes.extend(&pixel.0[..if has_color { 3 } else { 1 }]);
            bytes.extend(has_alpha.then_some(pixel.0[3]));
        }
        let channels = if has_color { 3 } else { 1 } + usize::from(has_alpha);
        let mut picture = Picture::from_bytes(width, height, channels, bytes)?;
        if let Some(profile) = profile {
            let (converted, said) = picture.converted_to_srgb(profile);
            picture = converted;
            note(&mut notes, said);
        }
        frames.push(picture);
    }
    Ok(Clip { frames, delays, notes, files: vec![path.into()] })
}

/// How long a frame is shown.
fn milliseconds(frame: &Frame) -> u32 {
    let (numerator, denominator) = frame.delay().numer_denom_ms();
    match numerator.checked_div(denominator) {
        Some(time @ 1..) => time.min(60_000),
        _ => EACH,
    }
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn numbers_in_names_are_ordered_by_size() {
        let mut names = ["f10.png", "f9.png", "f1.png", "e20.png", "f01.png"];
        names.sort_by_cached_key(|name| ordered(name));
        assert_eq!(names, ["e20.png", "f01.png", "f1.png", "f9.png", "f10.png"]);
    }
}
