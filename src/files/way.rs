//! How a place will be written, found out by the first steps of writing it.

use super::place::{Place, resolve};
use super::system;
use super::temporary::Temporary;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// How a file gets its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The temporary file is renamed.
    Replace,
    /// The file that is there is written, since no other can take its place.
    InPlace,
    /// A new file is written under its own name, since files of the folder cannot be renamed.
    Create,
}

/// A place with all that a write of it needs. Dropped, it leaves nothing.
pub struct Prepared {
    pub place: Place,
    pub way: Way,
    /// Where the contents go first.
    pub temporary: Temporary,
}

impl Prepared {
    /// Finds out how a file can be written.
    ///
    /// # Errors
    /// The folder is missing, or neither a new file nor the one that is there can be written.
    pub fn new(path: &Path) -> io::Result<Self> {
        let mut place = resolve(path)?;
        let target = place.path();
        let old = match fs::symlink_metadata(&target) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(old) = &old {
            check_old(&target, old)?;
        }
        let folder = system::attributes(place.folder());
        if old.is_none() && folder.is_immutable {
            return Err(io::Error::other(
                "nothing in its folder may be changed: name another folder, or run 'chattr -i' on it",
            ));
        }
        let is_fixed = folder.is_append_only || folder.is_immutable;
        let Some(old) = old else {
            if is_fixed {
                let temporary = Temporary::elsewhere()?;
                return Ok(Self { place, way: Way::Create, temporary });
            }
            let temporary = Temporary::beside(place.folder(), None)?;
            place.set_ignores_case(temporary.ignores_case());
            return Ok(Self { place, way: Way::Replace, temporary });
        };
        let about = fs::metadata(place.folder())?;
        let is_mounted = system::attributes(&target).is_mount_point
            || system::is_on_another_device(&old, &about);
        let is_kept = system::is_kept_by_its_owner(&old, &about);
        let (is_fixed, is_in_place) = (is_fixed, is_fixed || is_mounted || is_kept);
        let beside = if is_fixed {
            Err(io::ErrorKind::PermissionDenied.into())
        } else {
            Temporary::beside(place.folder(), Some(&old))
        };
        if let Ok(temporary) = &beside {
            place.set_ignores_case(temporary.ignores_case());
        }
        let opened = open_old(&target);
        let beside = match beside {
            Ok(temporary) if !is_in_place => {
                let keeps = system::take_after(temporary.file(), &old)?;
                let is_better_kept = !keeps || system::has_access_list(&target);
                if !is_better_kept || opened.is_err() {
                    return Ok(Self { place, way: Way::Replace, temporary });
                }
                Ok(temporary)
            }
            other => other,
        };
        if let Err(error) = opened {
            return Err(match beside {
                _ if is_kept => io::Error::other(
                    "it belongs to another user, and only owners replace files in that folder: name another file",
                ),
                Err(reason) if !is_in_place => reason,
                _ => error,
            });
        }
        place.set_in_place(true);
        let temporary = beside.or_else(|_| Temporary::elsewhere())?;
        Ok(Self { place, way: Way::InPlace, temporary })
    }
}

/// Refuses what is no file, or one that nothing can replace.
fn check_old(target: &Path, old: &Metadata) -> io::Result<()> {
    let attributes = system::attributes(target);
    let reason = if old.is_dir() {
        "it is a directory: name a file in it"
    } else if !old.is_file() {
        "it is no file any more: name another"
    } else if attributes.is_immutable {
        "it is there already and may not be changed: name another file, or run 'chattr -i' on it"
    } else if attributes.is_append_only {
        "it is there already and may only be added to: name another file, or run 'chattr -a' on it"
    } else if old.permissions().readonly() {
        "it is there already and read-only"
    } else {
        return Ok(());
    };
    Err(io::Error::other(reason))
}

/// Opens a file that is there, to read and to write it.
pub fn open_old(target: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    system::careful(options.read(true).write(true)).open(target)
}
