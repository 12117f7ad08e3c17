//! What files are written with on Unix: who owns them, what may be done with them, and pipes that do not block.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// A file or a folder, whatever its names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// The identity of a file.
#[allow(clippy::unnecessary_wraps, reason = "other systems have none")]
pub fn identity(file: &Metadata) -> Option<Identity> {
    Some(Identity { device: file.dev(), inode: file.ino() })
}

/// What a file system says of a file or a folder beside its mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// A file system, or a part of one, is mounted on it.
    pub is_mount_point: bool,
    /// Nothing of it may be changed.
    pub is_immutable: bool,
    /// It may only be added to.
    pub is_append_only: bool,
}

/// The attributes of a file, or of a folder; none where the system does not say.
#[cfg(target_os = "linux")]
pub fn attributes(path: &Path) -> Attributes {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let Ok(found) = statx(CWD, path, flags, StatxFlags::BASIC_STATS) else {
        return Attributes::default();
    };
    let has = |attribute| found.stx_attributes.contains(attribute);
    Attributes {
        is_mount_point: has(StatxAttributes::MOUNT_ROOT),
        is_immutable: has(StatxAttributes::IMMUTABLE),
        is_append_only: has(StatxAttributes::APPEND),
    }
}

/// None: a write finds out by itself.
#[cfg(not(target_os = "linux"))]
pub fn attributes(_: &Path) -> Attributes {
    Attributes::default()
}

/// Whether a folder on one file system contains a file of another.
pub fn is_on_another_device(file: &Metadata, folder: &Metadata) -> bool {
    file.dev() != folder.dev()
}

/// Whether only the owner of a file may replace it in this folder, and this user is neither its owner nor the folder's.
pub fn is_kept_by_its_owner(file: &Metadata, folder: &Metadata) -> bool {
    let user = rustix::process::geteuid();
    let is_mine = |owner: u32| user.is_root() || user.as_raw() == owner;
    folder.mode() & 0o1000 != 0 && !is_mine(file.uid()) && !is_mine(folder.uid())
}

/// Whether a file has a list of users who may use it, which another file would not have.
#[cfg(target_os = "linux")]
pub fn has_access_list(path: &Path) -> bool {
    let list = rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut [0_u8; 1][..]);
    matches!(list, Ok(1..) | Err(rustix::io::Errno::RANGE))
}

/// None that this program could ask for.
#[cfg(not(target_os = "linux"))]
pub fn has_access_list(_: &Path) -> bool {
    false
}

/// The mode of a new file: what the umask leaves of read and write for all; beside an older file, nothing for others
/// until it gets the mode of that one.
pub fn new_mode(is_replacing: bool) -> std::fs::Permissions {
    PermissionsExt::from_mode(if is_replacing { 0o600 } else { 0o666 })
}

/// Gives `file` the owner, the group and the mode of `old`. False if the owner or the group cannot be kept; the file may
/// then be read by no one who could not read the old one.
pub fn take_after(file: &File, old: &Metadata) -> io::Result<bool> {
    let (owner, group) = (Some(old.uid()), Some(old.gid()));
    let keeps_both = std::os::unix::fs::fchown(file, owner, group).is_ok();
    let keeps_group = keeps_both || std::os::unix::fs::fchown(file, None, group).is_ok();
    let mode = old.mode() & 0o777;
    // A member of another group may do what all users may do.
    let mode = if keeps_group { mode } else { mode & !0o070 | (mode & mode << 3) & 0o070 };
    match file.set_permissions(PermissionsExt::from_mode(mode)) {
        Ok(()) => Ok(keeps_both),
        // Some file systems have no modes of their own. Nothing is open to more users than before.
        Err(_) if file.metadata()?.mode() & 0o777 & !mode == 0 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Options that open a file, and neither follow a link nor wait for what is not a file.
pub fn careful(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
}

/// Opens a stream to write to its end. Nothing waits: neither this nor a write.
///
/// # Errors
/// No program reads the pipe, or what the system says.
pub fn open_stream(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // To the end of what others wrote there: standard output may well be a file.
    options.append(true);
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    options.open(path).map_err(|error| {
        let is_pipe = || std::fs::metadata(path).is_ok_and(|found| is_named_pipe(&found));
        if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NXIO) && is_pipe() {
            return io::Error::new(error.kind(), "no program reads it: start its reader first");
        }
        error
    })
}

/// Whether a file is a pipe with a name.
pub fn is_named_pipe(file: &Metadata) -> bool {
    file.file_type().is_fifo()
}

/// Waits until a stream takes bytes. False if it takes none for so long.
pub fn wait_for(stream: &File, most: Duration) -> io::Result<bool> {
    let mut streams = [PollFd::new(stream, PollFlags::OUT)];
    let most = Timespec::try_from(most).map_err(io::Error::other)?;
    match poll(&mut streams, Some(&most)) {
        Ok(ready) => Ok(ready > 0),
        // A signal: the caller tries again.
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
