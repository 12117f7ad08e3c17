//! Reading pictures: the format, the colors, and which way is up.

use super::color::Meaning;
use super::decoded::{Decoded, Numbers};
use super::jpeg::{Survey, completed};
use super::{Picture, check_size, png_end, promise, tiff};
use crate::error::{Error, Result};
use crate::input;
use crate::memory;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

/// What to do with a file that cannot be read.
const CONVERT: &str = "convert it to PNG";

impl Picture {
    /// Reads a picture of any format that was compiled in, upright if the file says which way is
    /// up, and in sRGB. The first frame of an animation. Palettes become RGB, floating point becomes 16 bits.
    /// [`load_with_notes`](Self::load_with_notes) also says what was converted.
    ///
    /// # Errors
    /// No such file, no picture, a broken one, or one of more than 2³⁰ pixels or of more than there is memory
    /// for, which is refused from its header.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with_notes(path).map(|(picture, _)| picture)
    }

    /// Like [`load`](Self::load), with a line for each thing that a user should know: colors that were
    /// converted or could not be, a range of numbers that was found, an end marker that is missing.
    ///
    /// Colors become sRGB by the file's ICC profile (JPEG, PNG, WebP, TIFF) or by the chunks cICP, gAMA
    /// and cHRM of PNG. Linear light (HDR) becomes sRGB.
    ///
    /// ```no_run
    /// let (picture, notes) = impasto::Picture::load_with_notes("photograph.jpg")?;
    /// println!("{} pixels", picture.width() * picture.height());
    /// notes.iter().for_each(|note| println!("note: {note}"));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_notes(path: impl AsRef<Path>) -> Result<(Self, Vec<String>)> {
        let path = path.as_ref();
        let (file, length) = input::open(path)?;
        // Some formats are known by their names alone.
        let named = ImageFormat::from_path(path).ok();
        read(&mut BufReader::new(file), length, named).map_err(|failure| failure.at(path))
    }

    /// The picture in the bytes of a file, as [`load_with_notes`](Self::load_with_notes) reads it.
    ///
    /// ```
    /// let (logo, notes) = impasto::Picture::decode(&std::fs::read("logo.jpg")?)?;
    /// assert_eq!((logo.width(), notes.len()), (100, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// No picture, a broken one, one of more than 2³⁰ pixels, or one of a format that is
    /// known by the file's name alone (TGA).
    pub fn decode(bytes: &[u8]) -> Result<(Self, Vec<String>)> {
        if bytes.is_empty() {
            return Failure::from("the file is empty").into_err();
        }
        let length = bytes.len() as u64;
        read(&mut Cursor::new(bytes), length, None)
            .map_err(|failure| failure.at(Path::new("the picture")))
    }
}

/// Why a picture cannot be read.
enum Failure {
    /// A reason for the user.
    Unfit(String),
    /// Width and height that are too large or 0.
    Size(u64, u64),
    /// Width and height, the bytes that they take, and those that are left.
    Memory([usize; 2], u64, u64),
    /// The operating system's error.
    Io(std::io::Error),
}

impl Failure {
    /// The error for the file at `path`.
    fn at(self, path: &Path) -> Error {
        match self {
            Self::Unfit(reason) => Error::Picture { path: path.into(), reason },
            Self::Io(source) => Error::File { action: "read", path: path.into(), source },
            Self::Memory([width, height], needed, left) => Error::OutOfMemory {
                what: format!("reading {}, {width}×{height} pixels,", path.display()),
                needed,
                advice: format!("{left} are left, so make the picture smaller"),
            },
            Self::Size(width, height) => {
                match check_size(&path.display().to_string(), width, height) {
                    Err(error) => error,
                    Ok(()) => Error::Internal("a size was refused that is allowed".into()),
                }
            }
        }
    }

    fn into_err<T>(self) -> Result<T> {
        Err(self.at(Path::new("the picture")))
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Unfit(reason)
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Self::Unfit(reason.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let text = error.to_string();
        let line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        Self::Unfit(match error {
            ImageError::Unsupported(_) => format!("cannot be decoded ({line}): {CONVERT}"),
            _ => format!("cannot be decoded ({line}): get a complete copy of it, or {CONVERT}"),
        })
    }
}

/// Whether there may be a picture of that size, and whether there is memory for it at so many bytes a pixel.
fn check(width: usize, height: usize, bytes_a_pixel: u64) -> std::result::Result<(), Failure> {
    check_in(memory::available(), width, height, bytes_a_pixel)
}

/// [`check`] where so many bytes are left.
fn check_in(
    available: Option<u64>,
    width: usize,
    height: usize,
    bytes_a_pixel: u64,
) -> std::result::Result<(), Failure> {
    let (wide, high) = (width as u64, height as u64);
    check_size("", wide, high).map_err(|_| Failure::Size(wide, high))?;
    let needed = wide * high * bytes_a_pixel;
    match available {
        Some(left) if needed > left => Err(Failure::Memory([width, height], needed, left)),
        _ => Ok(()),
    }
}

/// Whether a file of so many bytes can have as many pixels as its header promises.
fn check_promise(
    size: [u32; 2],
    bits: u64,
    expansion: Option<u64>,
    length: u64,
) -> std::result::Result<(), Failure> {
    let [width, height] = size.map(u64::from);
    check_size("", width, height).map_err(|_| Failure::Size(width, height))?;
    Ok(promise::check(size, bits, expansion, length)?)
}

/// [`check_promise`], and whether there is memory for the pixels.
fn check_header(
    decoder: &impl ImageDecoder,
    format: ImageFormat,
    length: u64,
) -> std::result::Result<(), Failure> {
    let (width, height) = decoder.dimensions();
    let bits = u64::from(decoder.original_color_type().bits_per_pixel());
    check_promise([width, height], bits, promise::most_expansion(format), length)?;
    check(width as usize, height as usize, decoder.color_type().bytes_per_pixel().into())?;
    if format == ImageFormat::WebP {
        // The decoder keeps the picture as RGBA beside its output.
        let needed = 4 * u64::from(width) * u64::from(height) + decoder.total_bytes();
        if !usize::try_from(needed).is_ok_and(memory::has_room::<u8>) {
            return Err(Failure::Memory([width as usize, height as usize], needed, 0));
        }
    }
    Ok(())
}

/// All bytes of a file of this length.
fn whole(reader: &mut dyn Source, length: u64) -> std::result::Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let is_reserved =
        usize::try_from(length).is_ok_and(|length| memory::reserve(&mut bytes, length));
    if !is_reserved {
        return Err(Failure::Io(std::io::ErrorKind::OutOfMemory.into()));
    }
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a picture is read from. As a trait object, so that the decoders of all formats are compiled once and not for each kind.
trait Source: BufRead + Seek {}

impl<S: BufRead + Seek> Source for S {}

type Outcome = std::result::Result<(Picture, Vec<String>), Failure>;

/// Reads a picture of so many bytes. `named` is the format of the file's name, for content of no known format.
fn read(mut reader: &mut dyn Source, length: u64, named: Option<ImageFormat>) -> Outcome {
    let mut head = Vec::new();
    (&mut reader).take(64).read_to_end(&mut head)?;
    reader.rewind()?;
    let format = image::guess_format(&head).ok().or(named);
    let Some(format) = format else {
        return Err(match foreign(&head) {
            Some(name) => format!("{name} files are not supported: {CONVERT}").into(),
            None => "not a picture of a known format: convert it to PNG or JPEG".into(),
        });
    };
    if let Some(name) = foreign(&head)
        && !format.reading_enabled()
    {
        return Err(format!("{name} files are not supported: {CONVERT}").into());
    }
    match format {
        ImageFormat::Tiff => {
            let (decoded, orientation, mut notes) = tiff::decode(&mut reader, length, check)?;
            let (picture, more) = decoded.into_picture(orientation)?;
            notes.extend(more);
            Ok((picture, notes))
        }
        ImageFormat::Jpeg => read_jpeg(whole(reader, length)?),
        ImageFormat::Png => {
            let completed = png_end::completed(&mut reader)?;
            reader.rewind()?;
            let Some(bytes) = completed else { return read_png(reader, length) };
            let (picture, mut notes) = read_png(&mut Cursor::new(bytes), length)?;
            notes.insert(0, "the PNG file lacks its end, but no pixels".into());
            Ok((picture, notes))
        }
        ImageFormat::Ico => {
            let bytes = whole(reader, length)?;
            match icon(&bytes) {
                // The decoder of icons refuses all but RGBA.
                Some(png) => read(&mut Cursor::new(png), png.len() as u64, Some(ImageFormat::Png)),
                None => read_as(&mut Cursor::new(bytes), length, format, Some(Meaning::Srgb)),
            }
        }
        ImageFormat::Hdr | ImageFormat::OpenExr => {
            read_as(reader, length, format, Some(Meaning::Linear))
        }
        _ => read_as(reader, length, format, None),
    }
}

/// Reads a picture of this format. The meaning is that of its ICC profile, if none is given.
fn read_as(
    reader: &mut dyn Source,
    length: u64,
    format: ImageFormat,
    meaning: Option<Meaning>,
) -> Outcome {
    let mut decoder = ImageReader::with_format(reader, format).into_decoder()?;
    check_header(&decoder, format, length)?;
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.and_then(|exif| orientation(&exif)).unwrap_or(1);
    let profile = decoder.icc_profile().ok().flatten();
    let profile = || profile.map_or(Meaning::Srgb, |profile| Meaning::of_profile(&profile));
    let meaning = meaning.unwrap_or_else(profile);
    let decoded = decoded(decoder, meaning)?;
    // Its colors are multiplied by alpha.
    let is_premultiplied = format == ImageFormat::OpenExr && decoded.channels == 4;
    let decoded = if is_premultiplied { decoded.unmultiplied() } else { decoded };
    Ok(decoded.into_picture(orientation)?)
}

fn read_jpeg(bytes: Vec<u8>) -> Outcome {
    let survey = Survey::of(&bytes);
    let is_whole = survey.has_end;
    let bytes = if is_whole {
        bytes
    } else {
        // From the header, before anything is decoded.
        let decoder = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Jpeg);
        let decoder = decoder.into_decoder()?;
        check_header(&decoder, ImageFormat::Jpeg, bytes.len() as u64)?;
        let Some(completed) = completed(&bytes, &survey) else {
            return Err("the JPEG file ends too early: get a complete copy of it".into());
        };
        completed
    };
    let length = bytes.len() as u64;
    let (picture, mut notes) = read_as(&mut Cursor::new(bytes), length, ImageFormat::Jpeg, None)?;
    if survey.components == 4 && notes.is_empty() {
        notes.push("it has no profile for its inks (CMYK): the colors are a guess".into());
    }
    if !is_whole {
        notes.insert(0, "the JPEG file lacks its end marker, but no pixels".into());
    }
    Ok((picture, notes))
}

fn read_png(reader: &mut dyn Source, length: u64) -> Outcome {
    // If the header cannot be read, reading the pixels fails too, with a message.
    let header = png::Decoder::new(&mut *reader).read_info().ok();
    let meaning = header.as_ref().map(|header| Meaning::of_png(header.info()));
    if let Some(header) = &header {
        let info = header.info();
        let bits = info.bits_per_pixel() as u64;
        check_promise([info.width, info.height], bits, Some(promise::DEFLATE), length)?;
    }
    reader.rewind()?;
    read_as(reader, length, ImageFormat::Png, meaning)
}

/// Decodes the pixels, straight into the memory that the picture has.
fn decoded(decoder: impl ImageDecoder, meaning: Meaning) -> std::result::Result<Decoded, Failure> {
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let (channels, numbers) = match decoder.color_type() {
        kind @ (ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8) => {
            let mut bytes = zeros::<u8>(&decoder)?;
            decoder.read_image(&mut bytes)?;
            (kind.channel_count(), Numbers::Bytes(bytes))
        }
        kind @ (ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16) => {
            let mut words = zeros::<u16>(&decoder)?;
            decoder.read_image(bytemuck::cast_slice_mut(&mut words))?;
            (kind.channel_count(), Numbers::Words(words))
        }
        kind => {
            // In the memory of the decoder, then as f32 with or without alpha.
            drop(zeros::<u8>(&decoder)?);
            let image = DynamicImage::from_decoder(decoder)?;
            if kind.has_alpha() {
                (4, Numbers::Floats(image.into_rgba32f().into_raw()))
            } else {
                (3, Numbers::Floats(image.into_rgb32f().into_raw()))
            }
        }
    };
    Ok(Decoded { width, height, channels: channels.into(), numbers, meaning })
}

/// Space for all numbers of a picture.
fn zeros<T: bytemuck::Zeroable>(
    decoder: &impl ImageDecoder,
) -> std::result::Result<Vec<T>, Failure> {
    let (width, height) = decoder.dimensions();
    let count = decoder.total_bytes() as usize / size_of::<T>();
    // Zeros of the system, which take no memory until pixels are written: a broken file may promise many.
    memory::zeros(count, "a picture", "")
        .map_err(|_| Failure::Memory([width as usize, height as usize], decoder.total_bytes(), 0))
}

/// The PNG file in an icon, if the best of its pictures is one: the deepest, of these the largest.
fn icon(bytes: &[u8]) -> Option<&[u8]> {
    let number = |at: usize, count: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + count)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let side = |at| number(at, 1).map(|side| if side == 0 { 256 } else { side });
    let mut best = None;
    for entry in 0..number(4, 2)? {
        let at = 6 + 16 * entry;
        let place = (number(at + 8, 4)?, number(at + 12, 4)?);
        let score = (number(at + 6, 2)?, side(at)? * side(at + 1)?);
        // Of equal ones the last, as the decoder of icons takes it.
        if best.is_none_or(|(other, _)| score >= other) {
            best = Some((score, place));
        }
    }
    let (_, (length, offset)) = best?;
    let png = bytes.get(offset..offset.checked_add(length)?)?;
    png.starts_with(b"\x89PNG\r\n\x1a\n").then_some(png)
}

/// The orientation in EXIF data, 1 to 8. Numbers of any width are read, as browsers read them.
fn orientation(exif: &[u8]) -> Option<u8> {
    const ORIENTATION: usize = 0x0112;
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let is_little = exif.starts_with(b"II");
    let number = |at: usize, count: usize| -> Option<usize> {
        let bytes = exif.get(at..at.checked_add(count)?)?;
        let join = |number, byte: &u8| number << 8 | usize::from(*byte);
        Some(if is_little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
    };
    let first = number(4, 4)?;
    for entry in 0..number(first, 2)? {
        let at = first + 2 + 12 * entry;
        if number(at, 2)? == ORIENTATION {
            // Bytes, numbers of 16 bits and of 32 bits.
            let width = match number(at + 2, 2)? {
                1 => 1,
                3 => 2,
                4 => 4,
                _ => return None,
            };
            return number(at + 8, width).filter(|value| (1..=8).contains(value)).map(|v| v as u8);
        }
    }
    None
}

/// The name of a format that this crate does not read.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let brand = head.get(4..12).unwrap_or_default();
    Some(match brand {
        b"ftypavif" | b"ftypavis" => "AVIF",
        b"ftypheic" | b"ftypheix" | b"ftyphevc" | b"ftypmif1" | b"ftypmsf1" => "HEIF",
        b"JXL \r\n\x87\n" => "JPEG XL",
        b"jP  \r\n\x87\n" => "JPEG 2000",
        _ if head.starts_with(b"\xFF\x0A") => "JPEG XL",
        _ if head.starts_with(b"\xFF\x4F\xFF\x51") => "JPEG 2000",
        _ if head.starts_with(b"8BPS") => "Photoshop",
        _ if head.starts_with(b"%PDF") => "PDF",
        _ if head.starts_with(b"v/1\x01") => "OpenEXR",
        _ if head.starts_with(b"\0\0\x02\0") && head.get(5) == Some(&0) => "cursor",
        _ if head.windows(4).any(|part| part == b"<svg") => "SVG",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_without_memory_are_refused_with_numbers() {
        let message = |failure: std::result::Result<(), Failure>| {
            failure.expect_err("refused").at(Path::new("a.png")).to_string()
        };
        assert!(check_in(Some(600), 10, 10, 6).is_ok() && check_in(None, 10, 10, 6).is_ok());
        let text = message(check_in(Some(599), 10, 10, 6));
        for part in ["a.png", "10×10", "600", "599"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(message(check_in(None, 1 << 16, 1 << 16, 1)).contains("65536×65536"));
        assert!(message(check_in(None, 0, 9, 1)).contains("at least 1 pixel"));
    }
}
