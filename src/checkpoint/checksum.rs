//! The checksum in the metadata of a file, which detects damage.
//!
//! It is a text of 16 hexadecimal digits. It covers the whole file with zeros in the place of these digits. Another
//! program that writes the file again may copy the text, although it writes other bytes. Its files are recognized by the
//! order of keys in the header, and are not checked.
//!
//! A file without the key is not checked either, since older versions wrote none.

use crate::checksum::fnv;

/// The key of the metadata that has the checksum.
pub(super) const KEY: &str = "impasto-checksum";

/// What is in the place of the digits while the checksum is computed.
pub(super) const ZEROS: &str = "0000000000000000";

/// What every tensor of this library's files has in the header, where keys are sorted. Other programs begin with `dtype`.
const OURS: &[u8] = b":{\"data_offsets\":";

/// Writes the checksum over the zeros in its place.
pub(super) fn write(bytes: &mut [u8]) {
    if let Some(place) = place(bytes) {
        let digits = format!("{:016x}", fnv(bytes.iter().copied()));
        bytes[place..place + ZEROS.len()].copy_from_slice(digits.as_bytes());
    }
}

/// An error if a file of this library has a checksum that is not that of its bytes. Older files have none.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let Some(place) = place(bytes) else { return Ok(()) };
    let end = place + ZEROS.len();
    let covered = bytes[..place].iter().chain(ZEROS.as_bytes()).chain(&bytes[end..]);
    let digits = format!("{:016x}", fnv(covered.copied()));
    if bytes[place..end] == *digits.as_bytes() || find(header(bytes), OURS).is_none() {
        return Ok(());
    }
    Err("it is damaged: its checksum is not that of its contents".into())
}

/// The header of a file, after its length.
fn header(bytes: &[u8]) -> &[u8] {
    let Some((length, rest)) = bytes.split_first_chunk() else { return &[] };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    &rest[..length.min(rest.len())]
}

/// Where the digits are in a file that has them.
fn place(bytes: &[u8]) -> Option<usize> {
    let key = format!("\"{KEY}\":\"");
    let start = 8 + find(header(bytes), key.as_bytes())? + key.len();
    (start + ZEROS.len() <= bytes.len()).then_some(start)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
