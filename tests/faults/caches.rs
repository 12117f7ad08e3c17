//! The cache of the GPU engine as strangers and broken disks may leave it.

use crate::common;
use crate::studio::{Run, Studio, finish, quick};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

/// A short run on the GPU engine, if there is an adapter, with a cache in the folder `cache`. It searches for nothing.
fn run(studio: &Studio) -> Option<Run> {
    let adapter = common::adapters().into_iter().next()?;
    let arguments = quick("picture.png --backend gpu --no-tune");
    let mut command = studio.command(&arguments);
    command
        .env("IMPASTO_ADAPTER", adapter.description())
        .env("IMPASTO_CACHE", studio.path("cache"));
    Some(finish(command.spawn().expect("started"), &arguments))
}

/// The files of the cache.
fn files(studio: &Studio) -> Vec<PathBuf> {
    let entries = fs::read_dir(studio.path("cache")).expect("a cache");
    entries.map(|entry| entry.expect("listed").path()).collect()
}

/// A studio whose cache a run has filled.
fn filled() -> Option<Studio> {
    let studio = Studio::with_picture();
    run(&studio)?.succeeded();
    Some(studio)
}

#[test]
fn a_cache_is_closed_to_others_and_one_that_is_open_to_them_is_not_believed() {
    let Some(studio) = filled() else { return };
    let folder = studio.path("cache");
    assert_eq!(fs::metadata(&folder).expect("made").permissions().mode() & 0o777, 0o700);
    assert!(!files(&studio).is_empty());
    for file in files(&studio) {
        let closed = fs::metadata(&file).expect("there").permissions();
        assert_eq!(closed.mode() & 0o077, 0, "{}", file.display());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("set");
    }
    let noted = run(&studio).expect("an adapter").succeeded();
    assert!(noted.stdout.contains("is not used, since"), "{noted}");
}

#[test]
fn what_a_link_in_the_cache_leads_to_is_not_written() {
    let Some(studio) = filled() else { return };
    studio.put_bytes("precious", b"of the user");
    for file in files(&studio) {
        fs::remove_file(&file).expect("removed");
        symlink(studio.path("precious"), &file).expect("linked");
    }
    run(&studio).expect("an adapter").succeeded();
    assert_eq!(studio.bytes("precious"), b"of the user");
}

#[test]
fn damaged_files_of_the_cache_are_no_error() {
    let Some(studio) = filled() else { return };
    let original: Vec<_> =
        files(&studio).into_iter().map(|file| (fs::read(&file).expect("read"), file)).collect();
    // Within the header of the driver, its key, the contents, and a file that ends early.
    for place in [0, 20, 40, usize::MAX] {
        for (bytes, file) in &original {
            let mut changed = bytes.clone();
            match changed.get_mut(place) {
                Some(byte) => *byte ^= 0x55,
                None => changed.truncate(bytes.len() / 2),
            }
            fs::write(file, changed).expect("written");
        }
        let again = run(&studio).expect("an adapter");
        assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""), "{place}: {again}");
    }
}
