//! Cache files: found shapes and compiled kernels.
//!
//! A cache file only saves time. A file that is missing, damaged or foreign is ignored, and a file
//! that cannot be written is skipped.

#[cfg(not(target_arch = "wasm32"))]
use crate::files;
use serde::Serialize;
use std::path::PathBuf;

/// The environment variable that names the folder; empty turns remembering off.
#[cfg(not(target_arch = "wasm32"))]
const FOLDER_VARIABLE: &str = "IMPASTO_CACHE";

/// The most bytes that are read from a file; compiled kernels take some hundred thousand.
const LARGEST: u64 = 16 << 20;

/// A file in the folder of what is remembered: `impasto` in the user's cache folder.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The user's.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn of_the_user() -> Self {
        let folder = match std::env::var_os(FOLDER_VARIABLE) {
            Some(named) if named.is_empty() => None,
            Some(named) => Some(PathBuf::from(named)),
            None => dirs::cache_dir().map(|folder| folder.join("impasto")),
        };
        Self { folder }
    }

    /// One that remembers nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { folder: None }
    }

    /// A browser has no files.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn of_the_user() -> Self {
        Self { folder: None }
    }

    /// The contents of a file, if it is one and no larger than any that is written here.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(name);
        let known = std::fs::metadata(&path).ok()?;
        if !known.is_file() || known.len() > LARGEST {
            return None;
        }
        std::fs::read(path).ok()
    }

    /// Writes a file, whole or not at all.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        if let Some(folder) = &self.folder
            && bytes.len() as u64 <= LARGEST
            && std::fs::create_dir_all(folder).is_ok()
        {
            let path = folder.join(name);
            // Writing to a named pipe would block.
            if !files::is_stream(&path) {
                let _ = files::write(&path, bytes);
            }
        }
    }

    #[cfg(target_arch = "wasm32")]
    #[allow(clippy::unused_self, reason = "a browser has no files, and the native form does")]
    pub(super) fn write(&self, _: &str, _: &[u8]) {}

    /// Writes a file of JSON.
    pub(super) fn write_json<T: Serialize>(&self, name: &str, value: &T) {
        if let Ok(bytes) = serde_json::to_vec_pretty(value) {
            self.write(name, &bytes);
        }
    }
}
