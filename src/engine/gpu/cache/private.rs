//! A folder of cache files that no other user can write to, on Unix.
//!
//! The folder is opened once for each read or write, and the open folder is checked, not its name. Its files are
//! then reached through it. Folders above it are not checked: a user who may rename those can put another folder in
//! this one's place, and that folder is checked like this one.

use rustix::fs::{AtFlags, Dir, Mode, OFlags, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::collections::hash_map::RandomState;
use std::fs::{DirBuilder, File, Metadata, symlink_metadata};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The mode of a folder that is made here: only the user can enter it.
const FOLDER_MODE: u32 = 0o700;

/// The bits of a mode that let others write. The write bit of a group is also set where an access control list lets
/// another user write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The beginning and the end of the name of a file that is being written.
const TEMPORARY: [&str; 2] = [".impasto-", ".part"];

/// How old a file is that is no longer being written. A program that was killed has left it.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Why a file was not read or written.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another user may have written it. The sentence is for the user.
    Untrusted(String),
    /// It is missing, or the operating system refused.
    Other,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Other
    }
}

impl From<Errno> for Failure {
    fn from(_: Errno) -> Self {
        Self::Other
    }
}

type Result<T> = std::result::Result<T, Failure>;

/// An open folder that is the user's alone.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    opened: File,
}

impl Folder {
    /// Opens a folder. If it is `ours`, made by this program under a name of its own, and others may write to it,
    /// they no longer may.
    pub(super) fn open(path: &Path, ours: bool) -> Result<Self> {
        // Without a last separator, after which a link would be followed.
        let path: PathBuf = path.components().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match open(&path, flags, Mode::empty()) {
            Ok(opened) => File::from(opened),
            Err(_) if symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) => {
                return untrusted_folder(&path, "is a link", "the folder that it leads to");
            }
            Err(error) => return Err(error.into()),
        };
        let found = opened.metadata()?;
        if found.uid() != geteuid().as_raw() {
            return untrusted_folder(&path, "belongs to another user", "a folder of your own");
        }
        if found.mode() & WRITABLE_BY_OTHERS != 0 {
            let only_the_user = PermissionsExt::from_mode(FOLDER_MODE);
            if !ours || opened.set_permissions(only_the_user).is_err() {
                let is_open = "can be written to by other users";
                return untrusted_folder(&path, is_open, "a folder that only you can write to");
            }
        }
        Ok(Self { path, opened })
    }

    /// Makes a folder that only the user can enter, and those above it that are missing, and opens it. One that
    /// exists is opened.
    pub(super) fn create(path: &Path, ours: bool) -> Result<Self> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        Self::open(path, ours)
    }

    /// The contents of a file of at most `most` bytes.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Vec<u8>> {
        // Without blocking, so that a pipe is opened too, and then seen not to be a file.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = match openat(&self.opened, name, flags | OFlags::CLOEXEC, Mode::empty()) {
            Ok(opened) => File::from(opened),
            Err(Errno::LOOP | Errno::MLINK) => return self.untrusted_file(name, "it is a link"),
            Err(error) => return Err(error.into()),
        };
        let found = opened.metadata()?;
        if !found.is_file() {
            return Err(Failure::Other);
        }
        if let Some(reason) = distrust(&found) {
            return self.untrusted_file(name, reason);
        }
        // The file may have another size than it has just had, and those of the kernel have none.
        let mut bytes = Vec::new();
        opened.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most { Err(Failure::Other) } else { Ok(bytes) }
    }

    /// Writes a file whole or not at all, and replaces whatever has its name but a folder.
    ///
    /// It is not synchronized with the disk: the contents show whether a crash of the system cut them short.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.remove_abandoned();
        let [start, end] = TEMPORARY;
        let temporary = format!("{start}{:016x}{end}", RandomState::new().build_hasher().finish());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let opened = openat(&self.opened, &temporary, flags | OFlags::CLOEXEC, mode)?;
        let written = File::from(opened).write_all(bytes).map_err(Failure::from);
        let renamed = written.and_then(|()| {
            renameat(&self.opened, &temporary, &self.opened, name).map_err(Failure::from)
        });
        if renamed.is_err() {
            let _ = unlinkat(&self.opened, &temporary, AtFlags::empty());
        }
        renamed
    }

    /// Removes what programs that were killed were writing.
    fn remove_abandoned(&self) {
        let Ok(entries) = Dir::read_from(&self.opened) else { return };
        let [start, end] = TEMPORARY;
        for entry in entries.filter_map(std::result::Result::ok) {
            let Ok(name) = entry.file_name().to_str() else { continue };
            let found = symlink_metadata(self.path.join(name)).and_then(|found| found.modified());
            let age = found.ok().and_then(|modified| modified.elapsed().ok());
            if name.starts_with(start) && name.ends_with(end) && age.is_some_and(|a| a > ABANDONED)
            {
                let _ = unlinkat(&self.opened, name, AtFlags::empty());
            }
        }
    }

    fn untrusted_file<T>(&self, name: &str, reason: &str) -> Result<T> {
        let path = self.path.join(name);
        Err(Failure::Untrusted(format!(
            "the cache file {} is not used, since {reason}: it will be replaced",
            path.display()
        )))
    }
}

fn untrusted_folder<T>(path: &Path, is: &str, instead: &str) -> Result<T> {
    Err(Failure::Untrusted(format!(
        "nothing is remembered from run to run, since the cache folder {} {is}: set the environment variable {} to \
         {instead}",
        path.display(),
        super::FOLDER_VARIABLE
    )))
}

/// Why another user may have written a file, if one may have.
fn distrust(file: &Metadata) -> Option<&'static str> {
    if file.uid() != geteuid().as_raw() {
        Some("it belongs to another user")
    } else if file.mode() & WRITABLE_BY_OTHERS != 0 {
        Some("other users can write to it")
    } else if file.nlink() > 1 {
        // Made by this user for something else, and linked to from here while others could write to the folder.
        Some("it has another name too")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
