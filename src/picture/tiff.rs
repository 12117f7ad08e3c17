//! TIFF files of every kind of pixel that the crate `tiff` decodes, and palettes.

use super::color::{Meaning, of_inks};
use super::decoded::{Decoded, Numbers};
use super::promise;
use crate::memory;
use ::tiff::ColorType;
use ::tiff::decoder::{BufferLayoutPreference, Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use std::io::{Cursor, Read, Seek, SeekFrom};

/// The largest entry of a file's header: profiles have up to some megabytes.
const LARGEST_ENTRY: usize = 64 << 20;

/// Extra samples that are alpha, already multiplied into the colors.
const ASSOCIATED: u16 = 1;

/// What a file says of its pixels.
struct Header {
    width: usize,
    height: usize,
    color: ColorType,
    /// Numbers in a pixel of the file.
    samples: usize,
    bits: u8,
    profile: Option<Vec<u8>>,
    orientation: u8,
    is_premultiplied: bool,
    /// Red, green and blue of each color, if the numbers are those of colors.
    palette: Option<Vec<u16>>,
}

/// Decodes the first picture of a file of so many bytes. `check` is asked whether its size is allowed, at so many bytes a pixel.
///
/// # Errors
/// A reason, which ends with what to do.
pub(super) fn decode<E: From<String>>(
    reader: &mut (impl Read + Seek),
    length: u64,
    check: impl FnOnce(usize, usize, u64) -> Result<(), E>,
) -> Result<(Decoded, u8, Vec<String>), E> {
    let failed = |error: ::tiff::TiffError| {
        E::from(format!(
            "cannot be decoded ({error}): convert it to PNG, or to a TIFF file of gray or RGB"
        ))
    };
    reader.seek(SeekFrom::Start(0)).map_err(|e| failed(e.into()))?;
    let palette = palette_kind(reader).map_err(|e| failed(e.into()))?;
    if let Some(patch) = palette {
        // The crate refuses palettes, but decodes their numbers as gray.
        let mut bytes = Vec::new();
        let is_reserved =
            usize::try_from(length).is_ok_and(|length| memory::reserve(&mut bytes, length));
        if !is_reserved {
            return Err(no_memory(length).into());
        }
        reader.seek(SeekFrom::Start(0)).map_err(|e| failed(e.into()))?;
        reader.take(length).read_to_end(&mut bytes).map_err(|e| failed(e.into()))?;
        if let Some(kind) = bytes.get_mut(patch..patch + 2) {
            let black_is_zero: u16 = 1;
            let is_little = kind[0] != 0;
            let value =
                if is_little { black_is_zero.to_le_bytes() } else { black_is_zero.to_be_bytes() };
            kind.copy_from_slice(&value);
        }
        return decode_with(&mut Cursor::new(bytes), length, true, check, failed);
    }
    reader.seek(SeekFrom::Start(0)).map_err(|e| failed(e.into()))?;
    decode_with(reader, length, false, check, failed)
}

fn decode_with<E: From<String>>(
    reader: &mut (impl Read + Seek),
    length: u64,
    has_palette: bool,
    check: impl FnOnce(usize, usize, u64) -> Result<(), E>,
    failed: impl Fn(::tiff::TiffError) -> E,
) -> Result<(Decoded, u8, Vec<String>), E> {
    let mut decoder = Decoder::new(reader).map_err(&failed)?;
    let (width, height) = decoder.dimensions().map_err(&failed)?;
    let (width, height) = (width as usize, height as usize);
    // The size was checked, and data in the file cannot be longer than the file.
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::MAX;
    limits.ifd_value_size = LARGEST_ENTRY;
    limits.intermediate_buffer_size = usize::try_from(length).unwrap_or(usize::MAX);
    let mut decoder = decoder.with_limits(limits);
    let color = decoder.colortype().map_err(&failed)?;
    // An estimate: some depths become wider numbers.
    let samples = u64::from(color.num_samples());
    let bytes = samples * u64::from(color.bit_depth()).div_ceil(8);
    check(width, height, bytes)?;
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).ok().flatten();
    let expansion = promise::most_expansion_of_tiff(compression.unwrap_or(1));
    let size = [width as u32, height as u32];
    promise::check(size, samples * u64::from(color.bit_depth()), expansion, length)?;
    // The decoder would abort.
    let needed = (width * height) as u64 * bytes;
    if !usize::try_from(needed).is_ok_and(memory::has_room::<u8>) {
        return Err(no_memory(needed).into());
    }
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
    let orientation = decoder.find_tag_unsigned::<u32>(Tag::Orientation).ok().flatten();
    let profile = decoder.find_tag(Tag::IccProfile).ok().flatten();
    let palette = if has_palette {
        Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(&failed)?)
    } else {
        None
    };
    let samples = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel).ok().flatten();
    let header = Header {
        width,
        height,
        color,
        samples: samples.map_or(1, usize::from),
        bits: color.bit_depth(),
        profile: profile.and_then(|value| value.into_u8_vec().ok()),
        orientation: orientation.map_or(1, |value| value.min(255) as u8),
        is_premultiplied: extra.and_then(|e| e.first().copied()) == Some(ASSOCIATED),
        palette,
    };
    let mut result = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut result).map_err(&failed)?;
    let numbers = numbers(&header, result, &layout).map_err(E::from)?;
    let (decoded, notes) = header.interpret(numbers).map_err(E::from)?;
    Ok((decoded, header.orientation, notes))
}

fn no_memory(needed: u64) -> String {
    format!("needs {needed} bytes, more than this machine has: make the picture smaller")
}

/// Where the two bytes are that say that the first picture has a palette, if it has one.
fn palette_kind(reader: &mut (impl Read + Seek)) -> std::io::Result<Option<usize>> {
    const PHOTOMETRIC: u64 = 262;
    let mut head = [0; 16];
    if reader.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let is_little = head[0] == b'I';
    let number = |bytes: &[u8]| -> u64 {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if is_little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    };
    let is_big = number(&head[2..4]) == 43;
    let first = if is_big { number(&head[8..16]) } else { number(&head[4..8]) };
    let (count_bytes, entry_bytes) = if is_big { (8, 20) } else { (2, 12) };
    reader.seek(SeekFrom::Start(first))?;
    let mut bytes = [0; 20];
    if reader.read_exact(&mut bytes[..count_bytes]).is_err() {
        return Ok(None);
    }
    let count = number(&bytes[..count_bytes]).min(65_535);
    for entry in 0..count {
        if reader.read_exact(&mut bytes[..entry_bytes]).is_err() {
            return Ok(None);
        }
        if number(&bytes[..2]) == PHOTOMETRIC {
            let value = entry_bytes - if is_big { 8 } else { 4 };
            let at = first + count_bytes as u64 + entry * entry_bytes as u64 + value as u64;
            let is_palette = number(&bytes[value..value + 2]) == 3;
            return Ok(is_palette.then_some(at as usize));
        }
    }
    Ok(None)
}

/// The numbers of the file, `[height, width, samples]`.
fn numbers(
    header: &Header,
    result: DecodingResult,
    layout: &BufferLayoutPreference,
) -> Result<Numbers, String> {
    let Header { width, height, .. } = *header;
    let planes = layout.planes.max(1);
    let samples = header.samples;
    let expected = width * height * samples;
    let wide = |values: Vec<f32>| Numbers::Floats(values);
    let numbers = match result {
        DecodingResult::U8(bytes) if header.bits < 8 => {
            if planes > 1 {
                return Err("has planes of less than 8 bits: convert it to PNG".into());
            }
            Numbers::Bytes(unpacked(&bytes, width * samples, header.bits, header.palette.is_some()))
        }
        DecodingResult::U8(values) => Numbers::Bytes(values),
        DecodingResult::U16(values) => Numbers::Words(values),
        DecodingResult::U32(values) => wide(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::U64(values) => wide(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::F16(values) => wide(values.into_iter().map(f32::from).collect()),
        DecodingResult::F32(values) => wide(values),
        DecodingResult::F64(values) => wide(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::I8(values) => wide(values.into_iter().map(f32::from).collect()),
        DecodingResult::I16(values) => wide(values.into_iter().map(f32::from).collect()),
        DecodingResult::I32(values) => wide(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::I64(values) => wide(values.into_iter().map(|v| v as f32).collect()),
    };
    let numbers = if planes > 1 { numbers.interleaved(planes) } else { numbers };
    if numbers.len() < expected {
        return Err("has fewer pixels than it says: get a complete copy of it".into());
    }
    Ok(numbers)
}

/// Bytes of numbers of 1, 2 or 4 bits, with the largest number as 255, or as they are.
fn unpacked(bytes: &[u8], in_row: usize, bits: u8, as_they_are: bool) -> Vec<u8> {
    let per_byte = usize::from(8 / bits.max(1));
    let largest = (1_u16 << bits) - 1;
    let scale = if as_they_are { 1 } else { 255 / largest };
    let mut values = Vec::new();
    for row in bytes.chunks_exact(in_row.div_ceil(per_byte)) {
        values.extend((0..in_row).map(|i| {
            let shift = 8 - usize::from(bits) * (i % per_byte + 1);
            let value = (u16::from(row[i / per_byte]) >> shift) & largest;
            (value * scale) as u8
        }));
    }
    values
}

impl Header {
    /// Gray or RGB, with or without alpha.
    fn interpret(&self, numbers: Numbers) -> Result<(Decoded, Vec<String>), String> {
        let mut notes = Vec::new();
        let mut meaning = self.profile.as_deref().map_or(Meaning::Srgb, Meaning::of_profile);
        let samples = self.samples;
        let (numbers, channels) = match self.color {
            ColorType::Gray(_) => match &self.palette {
                Some(palette) => (colors(&numbers, palette)?, 3),
                None => (numbers, 1),
            },
            // More samples than colors and alpha are something else.
            ColorType::GrayA(_) => (numbers.first_of(samples, 2), 2),
            ColorType::Multiband { .. } => {
                notes
                    .push(format!("the first 1 of its {samples} samples a pixel is read, as gray"));
                (numbers.first_of(samples, 1), 1)
            }
            ColorType::RGB(_) => (numbers.first_of(samples, 3), 3),
            ColorType::RGBA(_) => (numbers.first_of(samples, 4), 4),
            ColorType::YCbCr(8) => (of_luma(numbers), 3),
            ColorType::CMYK(_) | ColorType::CMYKA(_) => {
                let inks = numbers.first_of(samples, 4);
                let (maximum, inks) = match inks {
                    Numbers::Bytes(bytes) => (255, bytes.into_iter().map(u16::from).collect()),
                    Numbers::Words(words) => (65_535, words),
                    Numbers::Floats(_) => {
                        return Err("has inks (CMYK) in floating point: convert it to PNG".into());
                    }
                };
                let (colors, note) = of_inks(&inks, maximum, self.profile.as_deref());
                notes.push(note);
                meaning = Meaning::Srgb;
                let colors = if maximum == 255 {
                    Numbers::Bytes(colors.into_iter().map(|v| v as u8).collect())
                } else {
                    Numbers::Words(colors)
                };
                (colors, 3)
            }
            other => return Err(format!("has pixels of kind {other:?}: convert it to PNG")),
        };
        let Self { width, height, .. } = *self;
        let decoded = Decoded { width, height, channels, numbers, meaning };
        let has_alpha = channels % 2 == 0;
        Ok((
            if self.is_premultiplied && has_alpha { decoded.unmultiplied() } else { decoded },
            notes,
        ))
    }
}

/// The colors of the numbers of a palette.
fn colors(numbers: &Numbers, palette: &[u16]) -> Result<Numbers, String> {
    let count = palette.len() / 3;
    let is_wide = palette.iter().any(|v| v % 257 != 0);
    // Some programs write colors of 8 bits as they are.
    let is_narrow = palette.iter().all(|v| *v <= 255);
    let color = |index: usize| {
        if index >= count {
            return Err(format!(
                "has a pixel of color {index} of {count}: get a complete copy of it"
            ));
        }
        Ok([0, 1, 2].map(|part| palette[part * count + index]))
    };
    let indices: Box<dyn Iterator<Item = usize>> = match numbers {
        Numbers::Bytes(bytes) => Box::new(bytes.iter().map(|v| usize::from(*v))),
        Numbers::Words(words) => Box::new(words.iter().map(|v| usize::from(*v))),
        Numbers::Floats(_) => {
            return Err("has a palette for floating point: convert it to PNG".into());
        }
    };
    let mut found = Vec::new();
    for index in indices {
        found.extend(color(index)?);
    }
    if is_wide && !is_narrow {
        return Ok(Numbers::Words(found));
    }
    let byte = |v: u16| if is_narrow { v as u8 } else { (v / 257) as u8 };
    Ok(Numbers::Bytes(found.into_iter().map(byte).collect()))
}

/// RGB of luma and chroma, as JFIF converts them.
fn of_luma(numbers: Numbers) -> Numbers {
    let Numbers::Bytes(mut bytes) = numbers else { return numbers };
    for [y, cb, cr] in bytes.as_chunks_mut::<3>().0 {
        let (luma, b, r) = (f64::from(*y), f64::from(*cb) - 128.0, f64::from(*cr) - 128.0);
        let level = |value: f64| value.round().clamp(0.0, 255.0) as u8;
        (*y, *cb, *cr) = (
            level(luma + 1.402 * r),
            level(luma - 0.344_136 * b - 0.714_136 * r),
            level(luma + 1.772 * b),
        );
    }
    Numbers::Bytes(bytes)
}
