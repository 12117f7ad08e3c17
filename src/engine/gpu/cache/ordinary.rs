//! A folder of cache files, where the operating system is not Unix.

use crate::files;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why a file was not read or written.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another user may have written it. The sentence is for the user.
    #[allow(
        dead_code,
        reason = "the users of the system do not share this folder, and on Unix they can"
    )]
    Untrusted(String),
    /// It is missing, or the operating system refused.
    Other,
}

type Result<T> = std::result::Result<T, Failure>;

/// A folder, which the user's profile protects.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    #[allow(clippy::unnecessary_wraps, reason = "as on Unix, where the folder is checked")]
    pub(super) fn open(path: &Path, _ours: bool) -> Result<Self> {
        Ok(Self(path.into()))
    }

    pub(super) fn create(path: &Path, ours: bool) -> Result<Self> {
        fs::create_dir_all(path).map_err(|_| Failure::Other)?;
        Self::open(path, ours)
    }

    /// The contents of a file of at most `most` bytes.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Vec<u8>> {
        let opened = fs::File::open(self.0.join(name)).map_err(|_| Failure::Other)?;
        if !opened.metadata().is_ok_and(|found| found.is_file()) {
            return Err(Failure::Other);
        }
        let mut bytes = Vec::new();
        let read = opened.take(most + 1).read_to_end(&mut bytes);
        if read.is_ok() && bytes.len() as u64 <= most { Ok(bytes) } else { Err(Failure::Other) }
    }

    /// Writes a file whole or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write(&self.0.join(name), bytes).map_err(|_| Failure::Other)
    }
}
