//! `Place`: where a path leads.

use super::system::{self, Identity};
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How many links a path may lead through.
const MOST_LINKS: usize = 40;

/// The one place that a path means, whether or not there is a file yet: links followed, the folder known by its identity
/// and not by its name.
///
/// ```
/// use impasto::files::Place;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let folder = folder.path();
/// let place = Place::of(&folder.join("a.png"))?;
/// assert!(place.is_same(&Place::of(&folder.join("./a.png"))?));
/// assert!(!place.is_same(&Place::of(&folder.join("b.png"))?));
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Place {
    /// Absolute and without links.
    folder: PathBuf,
    name: OsString,
    folder_identity: Option<Identity>,
    /// That of the file, if there is one.
    identity: Option<Identity>,
    /// Whether names that differ in case alone are one here. False where nothing asked yet.
    ignores_case: bool,
    /// Whether the file that is there will be written, and not replaced by another.
    overwrites: bool,
}

impl Place {
    /// Follows the links of a path.
    ///
    /// # Errors
    /// A missing folder, a name that ends in a separator, or links that lead nowhere.
    pub fn of(path: &Path) -> Result<Self> {
        resolve(path).map_err(|source| Error::File { action: "find", path: path.into(), source })
    }

    /// The path of this place: absolute and without links.
    ///
    /// ```
    /// use impasto::files::Place;
    ///
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let folder = folder.path();
    /// let place = Place::of(&folder.join("a.png"))?;
    /// assert!(place.path().is_absolute());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Whether two places are one: the same name in the same folder, which may be mounted twice. Names that differ in
    /// case are the same where [`reserve`](super::reserve()) found that the folder ignores it. Where the file is written
    /// in place, its hard links are the same place too. See [`Place`] for an example.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_one_file = self.identity.is_some() && self.identity == other.identity;
        if is_one_file && (self.overwrites || other.overwrites) {
            return true;
        }
        if !self.is_beside(other) {
            return false;
        }
        let ignores_case = self.ignores_case || other.ignores_case;
        self.name == other.name
            || ignores_case && (is_one_file || lowercase(&self.name) == lowercase(&other.name))
    }

    /// Whether two places are in the same folder.
    ///
    /// ```
    /// use impasto::files::Place;
    ///
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let folder = folder.path();
    /// let place = Place::of(&folder.join("a.png"))?;
    /// assert!(place.is_beside(&Place::of(&folder.join("b.png"))?));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn is_beside(&self, other: &Self) -> bool {
        match (self.folder_identity, other.folder_identity) {
            (Some(folder), Some(other)) => folder == other,
            _ => self.folder == other.folder,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The name, as the folder compares it.
    pub(super) fn compared_name(&self) -> Vec<u8> {
        if self.ignores_case {
            lowercase(&self.name).into_bytes()
        } else {
            self.name.as_encoded_bytes().to_vec()
        }
    }

    /// This place, with what was found out about `other` by writing to its folder.
    pub(super) fn like(self, other: &Self) -> Self {
        Self { ignores_case: other.ignores_case, overwrites: other.overwrites, ..self }
    }

    pub(super) fn set_ignores_case(&mut self, ignores_case: bool) {
        self.ignores_case = ignores_case;
    }

    pub(super) fn set_in_place(&mut self, is_in_place: bool) {
        self.overwrites = is_in_place;
    }
}

/// A name without its case. Bytes that are no text stay apart by what is shown of them.
fn lowercase(name: &OsString) -> String {
    name.to_string_lossy().to_lowercase()
}

/// As [`Place::of`], with an error that does not name the path.
pub(super) fn resolve(path: &Path) -> io::Result<Place> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let name = match path.file_name() {
            Some(name) if !ends_in_separator(&path) => name.to_os_string(),
            _ => return Err(io::Error::other("it names a folder: name a file in it")),
        };
        let folder = folder_of(&path);
        if let Ok(target) = fs::read_link(&path) {
            path = folder.join(target);
            continue;
        }
        let missing = || io::Error::other(format!("there is no folder {}", folder.display()));
        let folder = fs::canonicalize(folder).map_err(|_| missing())?;
        let about = fs::metadata(&folder).ok().filter(fs::Metadata::is_dir).ok_or_else(missing)?;
        let file = fs::symlink_metadata(folder.join(&name));
        return Ok(Place {
            folder_identity: system::identity(&about),
            identity: file.ok().and_then(|file| system::identity(&file)),
            folder,
            name,
            ignores_case: false,
            overwrites: false,
        });
    }
    Err(io::Error::other("it is a link that leads back to itself"))
}

fn ends_in_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|byte| b"/\\".contains(byte))
}

/// The folder that contains a path.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
