//! WAV files, also those that were written as a stream, whose headers do not have their lengths.

use impasto::input;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

/// Bytes in which the samples must begin.
const HEAD: u64 = 1 << 20;

/// Lengths from here on say that the length was not known: ffmpeg writes 2³² − 1, SoX less than 2³¹.
const UNKNOWN: u32 = 0x7FFF_F000;

/// Why a file is not opened.
pub enum Failure {
    /// What is wrong with it.
    Wrong(String),
    /// The library's error.
    Other(impasto::Error),
}

/// Opens a WAV file. Where the header lacks the length of the samples, it has that of the file.
pub fn open(path: &Path) -> Result<impl Read + use<>, Failure> {
    let (file, length) = input::open(path).map_err(Failure::Other)?;
    let mut file = BufReader::new(file);
    let head = head(&mut file).map_err(|source| {
        Failure::Other(impasto::Error::File { action: "read", path: path.into(), source })
    })?;
    let head = completed(head, length).map_err(Failure::Wrong)?;
    Ok(Cursor::new(head).chain(file))
}

fn head(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// The start of a file of so many bytes, with the length of its samples.
fn completed(mut head: Vec<u8>, length: u64) -> Result<Vec<u8>, String> {
    if !head.starts_with(b"RIFF") || head.get(8..12) != Some(b"WAVE") {
        return Ok(head);
    }
    let number = |head: &[u8], at: usize| {
        head.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    };
    let whole = number(&head, 4).unwrap_or_default();
    let (mut at, mut frame, mut format) = (12, 1, 12..12);
    // Another reader says what is wrong with the rest.
    while let (Some(&name), Some(size)) =
        (head.get(at..).and_then(<[u8]>::first_chunk::<4>), number(&head, at + 4))
    {
        let start = at + 8;
        if name == *b"fmt " {
            format = at..start.saturating_add(size as usize).min(head.len());
            frame = number(&head, start + 12).map_or(1, |bytes| (bytes & 0xFFFF).max(1));
        }
        if name == *b"data" {
            let there = length.saturating_sub(start as u64);
            let is_unknown = size >= UNKNOWN || (size == 0 && (whole == 0 || whole >= UNKNOWN));
            if is_unknown {
                let there = u32::try_from(there).unwrap_or(u32::MAX);
                head[at + 4..start].copy_from_slice(&(there - there % frame).to_le_bytes());
            } else if u64::from(size) > there {
                return Err(format!(
                    "it has {there} bytes of samples, and says that it has {size}: get a complete copy of it"
                ));
            }
            // Without what is between, of which `hound` does not skip odd lengths.
            return Ok([&head[..12], &head[format], &head[at..]].concat());
        }
        at = start.saturating_add(size as usize).saturating_add(size as usize % 2);
    }
    Ok(head)
}

/// A sentence for an error of the crate `hound`.
pub fn reason(error: &hound::Error) -> &'static str {
    match error {
        hound::Error::IoError(_) => "it ends before its samples begin: get a complete copy of it",
        hound::Error::FormatError(_) => {
            "it is no WAV file that can be read: convert it with ffmpeg -i SOUND OUT.wav"
        }
        _ => {
            "its samples are of a kind that is not read: convert it with ffmpeg -i SOUND -c:a pcm_s16le OUT.wav"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(whole: u32, size: u32, samples: usize) -> Vec<u8> {
        let format = [1_u16, 2, 8000, 0, 32_000, 0, 4, 16].map(u16::to_le_bytes).concat();
        let mut bytes = b"RIFF".to_vec();
        bytes.extend(whole.to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0");
        bytes.extend(format);
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend(size.to_le_bytes());
        bytes.extend(vec![1; samples]);
        bytes
    }

    #[test]
    fn lengths_that_were_not_known_are_those_of_the_file() {
        let found = |whole, size, samples| {
            let bytes = wav(whole, size, samples);
            let length = bytes.len() as u64;
            let bytes = completed(bytes, length)?;
            hound::WavReader::new(&*bytes)
                .map(|reader| (reader.duration(), reader.into_samples::<i16>().count()))
                .map_err(|error| reason(&error).to_string())
        };
        for (whole, size, samples) in [
            (80, 40, 40),
            (u32::MAX, u32::MAX, 40),
            (u32::MAX, u32::MAX, 43),
            (0x7FFF_F024, 0x7FFF_F000, 41),
            (0, 0, 42),
        ] {
            assert_eq!(found(whole, size, samples), Ok((10, 20)), "{size} {samples}");
        }
        assert_eq!(found(40, 0, 40), Ok((0, 0)));
        let cut = found(80, 40, 39).expect_err("refused");
        assert!(cut.contains("39 bytes of samples, and says that it has 40"), "{cut}");
    }
}
