//! What files are written with on systems other than Unix, where a file is known by its path.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

/// No file has one: two places are one if their paths are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {}

/// None.
pub fn identity(_: &Metadata) -> Option<Identity> {
    None
}

/// What a file system says of a file or a folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes {
    /// A file system, or a part of one, is mounted on it.
    pub is_mount_point: bool,
    /// Nothing of it may be changed.
    pub is_immutable: bool,
    /// It may only be added to.
    pub is_append_only: bool,
}

/// None: a write finds out by itself.
pub fn attributes(_: &Path) -> Attributes {
    Attributes::default()
}

/// Never: a file is where its folder is.
pub fn is_on_another_device(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// Never.
pub fn is_kept_by_its_owner(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// Never.
pub fn has_access_list(_: &Path) -> bool {
    false
}

/// Always true: a new file is accessible as its folder says.
#[allow(clippy::unnecessary_wraps, reason = "Unix has errors")]
pub fn take_after(_: &File, _: &Metadata) -> io::Result<bool> {
    Ok(true)
}

/// The options as they are.
pub fn careful(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Opens a stream to write to its end.
///
/// # Errors
/// What the system says.
pub fn open_stream(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

/// Never: pipes have names of another kind here.
pub fn is_named_pipe(_: &Metadata) -> bool {
    false
}

/// Always true: a write waits by itself.
#[allow(clippy::unnecessary_wraps, reason = "Unix has errors")]
pub fn wait_for(_: &File, _: Duration) -> io::Result<bool> {
    Ok(true)
}
