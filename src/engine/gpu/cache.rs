//! Cache files: found shapes and compiled kernels.
//!
//! A cache file only saves time. A file that is missing, damaged or foreign is ignored, and a file
//! that cannot be written is skipped. Drivers run what is in the file of compiled kernels. So on Unix nothing is
//! used that another user may have written (`private`).

#[cfg(all(not(unix), not(target_arch = "wasm32")))]
#[path = "cache/ordinary.rs"]
mod folder;
#[cfg(unix)]
#[path = "cache/private.rs"]
mod folder;

#[cfg(not(target_arch = "wasm32"))]
use self::folder::{Failure, Folder};
use serde::Serialize;
#[cfg(not(target_arch = "wasm32"))]
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The environment variable that names the folder; empty turns remembering off.
#[cfg(not(target_arch = "wasm32"))]
const FOLDER_VARIABLE: &str = "IMPASTO_CACHE";

/// The most bytes that are read from a file; compiled kernels take some hundred thousand.
#[cfg(not(target_arch = "wasm32"))]
const LARGEST: u64 = 16 << 20;

/// A file in the folder of what is remembered: `impasto` in the user's cache folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    #[cfg(not(target_arch = "wasm32"))]
    folder: Option<PathBuf>,
    /// Whether the folder has a name that this program chose: nothing else is in it.
    #[cfg(not(target_arch = "wasm32"))]
    is_ours: bool,
    /// Why the folder or a file was not trusted first.
    distrust: Arc<OnceLock<String>>,
}

impl Cache {
    /// The user's.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn of_the_user() -> Self {
        match std::env::var_os(FOLDER_VARIABLE) {
            Some(named) if named.is_empty() => Self::default(),
            Some(named) => Self::named(named),
            None => {
                let folder = dirs::cache_dir().map(|folder| folder.join("impasto"));
                Self { folder, is_ours: true, ..Self::default() }
            }
        }
    }

    /// One in a folder of the caller's.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn named(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// One that remembers nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// A browser has no files.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn of_the_user() -> Self {
        Self::default()
    }

    /// A sentence for the user: why the folder or a file is not used, if another user may have written it.
    pub(super) fn distrust(&self) -> Option<&str> {
        self.distrust.get().map(String::as_str)
    }

    /// The contents of a file, if it is the user's and no larger than any that is written here.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let folder = Folder::open(self.folder.as_ref()?, self.is_ours);
        self.trusted(folder.and_then(|folder| folder.read(name, LARGEST)))
    }

    #[cfg(target_arch = "wasm32")]
    #[allow(clippy::unused_self, reason = "a browser has no files, and the native form does")]
    pub(super) fn read(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    /// Writes a file, whole or not at all.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let Some(folder) = self.folder.as_ref().filter(|_| bytes.len() as u64 <= LARGEST) else {
            return;
        };
        let folder = Folder::create(folder, self.is_ours);
        let _ = self.trusted(folder.and_then(|folder| folder.write(name, bytes)));
    }

    #[cfg(target_arch = "wasm32")]
    #[allow(clippy::unused_self, reason = "a browser has no files, and the native form does")]
    pub(super) fn write(&self, _: &str, _: &[u8]) {}

    /// Notes what was not trusted.
    #[cfg(not(target_arch = "wasm32"))]
    fn trusted<T>(&self, done: Result<T, Failure>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(Failure::Untrusted(reason)) => {
                self.distrust.get_or_init(|| reason);
                None
            }
            Err(Failure::Other) => None,
        }
    }

    /// Writes a file of JSON.
    pub(super) fn write_json<T: Serialize>(&self, name: &str, value: &T) {
        if let Ok(bytes) = serde_json::to_vec_pretty(value) {
            self.write(name, &bytes);
        }
    }
}
