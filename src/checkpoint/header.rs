//! The header of a file, which is read and checked before the numbers are.

use crate::error::{self, Error};
use crate::input;
use crate::memory;
use safetensors::tensor::{Metadata, TensorView};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

/// The most bytes of a header. The crate `safetensors` allows 100 MB, for which parsing takes more than 1 GB.
pub(super) const MOST_HEADER_BYTES: usize = 16 << 20;

/// The bytes of the header's length.
const LENGTH: usize = 8;

/// A header.
pub(super) struct Header {
    /// Bytes of its text.
    length: usize,
    metadata: Metadata,
}

impl Header {
    /// The header at the start of a file.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        let length = length_of(bytes, Some(bytes.len() as u64))?;
        let header = Self::parse(&bytes[LENGTH..LENGTH + length])?;
        header.check(bytes.len() as u64)?;
        Ok(header)
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let metadata = serde_json::from_slice(text).map_err(|e| format!("its header: {e}"))?;
        Ok(Self { length: text.len(), metadata })
    }

    /// Bytes of a file with this header.
    fn file_bytes(&self) -> u64 {
        (LENGTH as u64)
            .saturating_add(self.length as u64)
            .saturating_add(self.metadata.data_len() as u64)
    }

    /// An error unless a file of so many bytes has all numbers, and nothing else.
    fn check(&self, bytes: u64) -> Result<(), String> {
        let promised = self.file_bytes();
        if promised == bytes {
            return Ok(());
        }
        Err(format!(
            "by its header it has {promised} bytes, and it has {}{bytes}: it was cut short or damaged",
            if bytes > promised { "more, " } else { "" },
        ))
    }

    /// The texts of the header.
    pub(super) fn texts(&self) -> HashMap<String, String> {
        self.metadata.metadata().clone().unwrap_or_default()
    }

    /// The tensors in the bytes of a file with this header.
    pub(super) fn tensors<'a>(&'a self, bytes: &'a [u8]) -> Tensors<'a> {
        Tensors {
            metadata: &self.metadata,
            data: bytes.get(LENGTH + self.length..).unwrap_or_default(),
        }
    }
}

/// The tensors of a file.
#[derive(Clone, Copy)]
pub(super) struct Tensors<'a> {
    metadata: &'a Metadata,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.metadata.tensors().len()
    }

    /// The tensor of that name, if there is one.
    pub(super) fn tensor(&self, name: &str) -> Option<TensorView<'a>> {
        let info = self.metadata.info(name)?;
        let data = self.data.get(info.data_offsets.0..info.data_offsets.1)?;
        TensorView::new(info.dtype, info.shape.clone(), data).ok()
    }
}

/// The bytes of the header of a file that starts with these bytes, of which all are there. `whole` is the length of the
/// file, if it is known.
fn length_of(start: &[u8], whole: Option<u64>) -> Result<usize, String> {
    refuse_pickles(start)?;
    let Some(length) = start.first_chunk::<LENGTH>() else {
        return Err(format!("it is no safetensors file: it has {} bytes", start.len()));
    };
    let length = u64::from_le_bytes(*length);
    if whole.is_some_and(|whole| length > whole - LENGTH as u64) {
        return Err("it is no safetensors file, or was cut short".into());
    }
    if length > MOST_HEADER_BYTES as u64 {
        return Err(format!(
            "it is no safetensors file, or its header has {length} bytes, more than {MOST_HEADER_BYTES}"
        ));
    }
    Ok(length as usize)
}

/// An error if these are the first bytes of a file that PyTorch wrote with Python's pickle.
fn refuse_pickles(bytes: &[u8]) -> Result<(), String> {
    // A ZIP archive, or the older format: a pickle of protocol 2 alone. In a file of safetensors, these bytes are the
    // length of the header, whose upper half is 0.
    let is_length = bytes.get(4..8) == Some(&[0; 4]);
    if !is_length && [&b"PK\x03\x04"[..], b"\x80\x02"].iter().any(|s| bytes.starts_with(s)) {
        return Err("it is a file of torch.save, which is not read: convert it in Python with \
             safetensors.torch.save_file(torch.load('network.pt', weights_only=True), \
             'network.safetensors')"
            .into());
    }
    Ok(())
}

/// Why bytes were not read.
pub(super) enum Failure {
    /// What is wrong with them.
    Wrong(String),
    /// Bytes that the file would have, and those that it may have.
    TooLarge(u64, u64),
    /// Bytes for which there is no memory.
    Memory(u64),
    Io(io::Error),
}

impl Failure {
    /// The error of the file that is called `name`.
    pub(super) fn of(self, name: &Path) -> Error {
        match self {
            Self::Wrong(reason) => Error::Checkpoint { path: name.into(), reason },
            Self::TooLarge(needed, limit) => Error::TooLarge {
                what: name.display().to_string(),
                needed,
                limit,
                advice: "it is no network this version can read".into(),
            },
            Self::Memory(needed) => Error::OutOfMemory {
                what: format!("reading {}", name.display()),
                needed,
                advice: "close other programs, or save a smaller network".into(),
            },
            Self::Io(source) => Error::File { action: "read", path: name.into(), source },
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes of the file at `path`, of at most `most`, and its header.
pub(super) fn read_file(path: &Path, most: u64) -> error::Result<(Vec<u8>, Header)> {
    let (file, length) = input::open(path)?;
    if length > most {
        return Err(Failure::TooLarge(length, most).of(path));
    }
    read(file, Some(length), most).map_err(|failure| failure.of(path))
}

/// The bytes of a network and its header. The numbers are read once the header has been found to be right. `length` is how
/// many bytes there are, if that is known.
pub(super) fn read(
    mut reader: impl Read,
    length: Option<u64>,
    most: u64,
) -> Result<(Vec<u8>, Header), Failure> {
    let mut bytes = Vec::new();
    reader.by_ref().take(LENGTH as u64).read_to_end(&mut bytes)?;
    let whole = length.filter(|whole| *whole >= LENGTH as u64 && bytes.len() == LENGTH);
    let header_bytes = length_of(&bytes, whole)?;
    reader.by_ref().take(header_bytes as u64).read_to_end(&mut bytes)?;
    if bytes.len() < LENGTH + header_bytes {
        return Err(Failure::Wrong("it is no safetensors file, or was cut short".into()));
    }
    let header = Header::parse(&bytes[LENGTH..])?;
    let promised = header.file_bytes();
    length.map_or(Ok(()), |length| header.check(length))?;
    if promised > most {
        return Err(Failure::TooLarge(promised, most));
    }
    let rest = promised - bytes.len() as u64;
    let is_reserved = usize::try_from(rest).is_ok_and(|rest| memory::reserve(&mut bytes, rest));
    if !is_reserved {
        return Err(Failure::Memory(promised));
    }
    // One more, to find out whether there are more.
    reader.take(rest + 1).read_to_end(&mut bytes)?;
    header.check(bytes.len() as u64)?;
    Ok((bytes, header))
}

#[cfg(test)]
mod tests {
    use super::super::MOST_BYTES;
    use super::*;

    fn file(header: &str, numbers: usize) -> Vec<u8> {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &vec![0; numbers]].concat()
    }

    fn reason(bytes: &[u8]) -> String {
        let of = |failure: Failure| failure.of(Path::new("a")).to_string();
        let whole = Header::of(bytes).err().expect("refused");
        let found = of(read(bytes, Some(bytes.len() as u64), 1000).err().expect("refused"));
        assert!(found.ends_with(&whole), "{found}: {whole}");
        assert!(read(bytes, None, MOST_BYTES).is_err(), "{whole}");
        whole
    }

    /// A reader that fails the test if it is asked for more than it has.
    struct Only<'a>(&'a [u8]);

    impl Read for Only<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "read further than the header");
            self.0.read(buffer)
        }
    }

    #[test]
    fn wrong_headers_are_refused_before_numbers_are_read() {
        let one = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let (bytes, header) = read(&*file(one, 8), None, 1000).ok().expect("read");
        let tensors = header.tensors(&bytes);
        assert_eq!((tensors.names(), tensors.len()), (vec!["a".into()], 1));
        assert_eq!(tensors.tensor("a").expect("there").data(), [0; 8]);
        assert!(tensors.tensor("b").is_none());
        for (bytes, words) in [
            (file(one, 7), "70 bytes, and it has 69"),
            (file(one, 9), "70 bytes, and it has more, 71"),
            (b"seven b".to_vec(), "it has 7 bytes"),
            (b"a text that is no network".to_vec(), "no safetensors file, or was cut short"),
            (file(&one.replace("[0,8]", "[4,12]"), 12), "its header: "),
            (file(&one.replace("[2]", "[3]"), 8), "its header: "),
            (file(&one.replace("[2]", "[4611686018427387904,9]"), 8), "its header: "),
            (file("no json!", 8), "its header: "),
            (file(&" ".repeat(MOST_HEADER_BYTES + 1), 8), "more than 16777216"),
        ] {
            let found = reason(&bytes);
            assert!(found.contains(words), "{words}: {found}");
        }
        // Too long by its first 8 bytes, of the wrong length by its header, and too large.
        let huge = one.replace("[2]", "[536870912]").replace("[0,8]", "[0,2147483648]");
        for (start, length) in [
            (u64::MAX.to_le_bytes().to_vec(), None),
            ((MOST_HEADER_BYTES as u64 + 1).to_le_bytes().to_vec(), Some(u64::MAX)),
            (file(one, 0), Some(1 << 40)),
            (file(&huge, 0), None),
        ] {
            assert!(read(Only(&start), length, MOST_BYTES).is_err());
        }
        let refused = read(Only(&file(&huge, 0)), None, MOST_BYTES).err().expect("refused");
        let text = refused.of(Path::new("a.st")).to_string();
        assert!(text.starts_with("a.st needs 2147483727 bytes"), "{text}");
    }

    #[test]
    fn a_file_that_grows_is_refused() {
        let one = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let grown = file(one, 8).into_iter().chain(std::iter::repeat_n(0, 1 << 20));
        let grown: Vec<u8> = grown.collect();
        let refused = read(&*grown, Some(70), 1000).err().expect("refused");
        let text = refused.of(Path::new("a.st")).to_string();
        assert!(text.contains("has more, 71"), "{text}");
    }
}
