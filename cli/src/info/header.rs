//! The header of a safetensors file: its tensors and its metadata, without its numbers.

use impasto::{Error, Result, input};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The most bytes of a header, as in the library.
const MOST_BYTES: u64 = 16 << 20;

/// A tensor.
#[derive(Clone, Debug, Deserialize)]
pub struct Tensor {
    #[serde(skip)]
    pub name: String,
    /// Its type, such as F32.
    pub dtype: String,
    pub shape: Vec<u64>,
    /// Where its numbers begin, and end.
    data_offsets: (u64, u64),
}

impl Tensor {
    /// How many numbers it has.
    pub fn len(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side))
    }

    /// The bits of a number, if its type is known: those in the name of the type, such as BF16.
    pub fn bits(&self) -> Option<u32> {
        if self.dtype == "BOOL" {
            return Some(8);
        }
        let digits = self.dtype.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    }
}

/// What a header contains.
#[derive(Debug)]
pub struct Header {
    /// Bytes of the file.
    pub bytes: u64,
    /// In the order of their numbers in the file.
    pub tensors: Vec<Tensor>,
    pub metadata: BTreeMap<String, String>,
}

impl Header {
    /// Reads the header of a file, however large the file is.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |source| Error::File { action: "read", path: path.into(), source };
        let wrong = |reason: String| Error::Checkpoint { path: path.into(), reason };
        let (mut file, bytes) = input::open(path)?;
        let mut length = [0; 8];
        if bytes < 8 {
            return Err(wrong("it is no safetensors file".into()));
        }
        file.read_exact(&mut length).map_err(unreadable)?;
        if length.starts_with(b"PK\x03\x04") || length[0] == 0x80 {
            return Err(wrong(
                "it is a pickle, as torch.save writes it: save it with safetensors.torch.save_file"
                    .into(),
            ));
        }
        let length = u64::from_le_bytes(length);
        if length <= bytes - 8 && length > MOST_BYTES {
            return Err(wrong(format!("its header has {length} bytes, more than {MOST_BYTES}")));
        }
        if length > bytes - 8 {
            return Err(wrong("it is no safetensors file, or was cut short".into()));
        }
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text).map_err(unreadable)?;
        Self::parse(&text, bytes).map_err(|reason| wrong(format!("its header: {reason}")))
    }

    /// Parses a header of a file of so many bytes.
    fn parse(text: &[u8], bytes: u64) -> std::result::Result<Self, String> {
        let entries: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let (mut tensors, mut metadata) = (Vec::new(), BTreeMap::new());
        for (name, entry) in entries {
            if name == "__metadata__" {
                metadata = serde_json::from_value(entry).map_err(|error| error.to_string())?;
                continue;
            }
            let mut tensor: Tensor =
                serde_json::from_value(entry).map_err(|error| format!("'{name}': {error}"))?;
            let (first, end) = tensor.data_offsets;
            let data_bytes = bytes - 8 - text.len() as u64;
            if first > end || end > data_bytes {
                return Err(format!("'{name}' is not within the file, which may be cut short"));
            }
            tensor.name = name;
            tensors.push(tensor);
        }
        tensors.sort_by_key(|tensor| tensor.data_offsets);
        Ok(Self { bytes, tensors, metadata })
    }

    /// Numbers in all tensors.
    pub fn numbers(&self) -> u64 {
        self.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked() {
        let entry = |dtype: &str, end: u64| {
            format!(
                r#"{{"a": {{"dtype": "{dtype}", "shape": [2, 3], "data_offsets": [0, {end}]}}}}"#
            )
        };
        for (dtype, bits) in [
            ("F32", Some(32)),
            ("BF16", Some(16)),
            ("F8_E4M3", Some(8)),
            ("I64", Some(64)),
            ("BOOL", Some(8)),
            ("STRANGE", None),
        ] {
            let header = Header::parse(entry(dtype, 24).as_bytes(), 500).expect("fits");
            assert_eq!((header.tensors[0].bits(), header.numbers()), (bits, 6), "{dtype}");
        }
        for text in [entry("F32", 1000), "[]".into(), r#"{"a": 3}"#.into(), String::new()] {
            assert!(Header::parse(text.as_bytes(), 500).is_err(), "{text}");
        }
        let huge =
            r#"{"a": {"dtype": "F32", "shape": [9223372036854775807, 9], "data_offsets": [0, 0]}}"#;
        assert_eq!(Header::parse(huge.as_bytes(), 500).expect("read").numbers(), u64::MAX);
    }
}
