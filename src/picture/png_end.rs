//! PNG files that lack only their end.

use std::io::{Read, Result, Seek, SeekFrom};

/// The last chunk.
const END: [u8; 12] = *b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// The bytes of a file without an end chunk, with one; nothing if it has one, or if it ends within its
/// pixels.
pub(super) fn completed(reader: &mut (impl Read + Seek)) -> Result<Option<Vec<u8>>> {
    let length = reader.seek(SeekFrom::End(0))?;
    // Behind the signature.
    let mut at = 8;
    while at + 12 <= length {
        let mut head = [0; 8];
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut head)?;
        let [a, b, c, d, name @ ..] = head;
        let end = at + 12 + u64::from(u32::from_be_bytes([a, b, c, d]));
        if name == *b"IEND" {
            return Ok(None);
        }
        if end > length {
            if name == *b"IDAT" {
                return Ok(None);
            }
            break;
        }
        at = end;
    }
    if at > length {
        return Ok(None);
    }
    reader.rewind()?;
    let mut bytes = Vec::new();
    reader.take(at).read_to_end(&mut bytes)?;
    bytes.extend(END);
    Ok(Some(bytes))
}
