//! Tests of folders and files that another user may have written.

use super::*;
use crate::gpu::cache::Cache;
use rustix::fs::{CWD, FileType, Gid, Uid, chown, mknodat};
use std::fs::{self, Permissions};
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// Another user, if this one may give files away.
fn other_user() -> Option<Uid> {
    let is_root = geteuid().is_root();
    if !is_root {
        eprintln!("files of another user are not tested, since only root can make them");
    }
    is_root.then(|| Uid::from_raw(65_534))
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("changed");
}

fn mode(path: &Path) -> u32 {
    symlink_metadata(path).expect("there").mode() & 0o7777
}

fn give_away(path: &Path, user: Uid) {
    chown(path, Some(user), None::<Gid>).expect("given away");
}

/// A folder with a file `name`, which is read.
fn filled() -> (TempDir, PathBuf, Cache) {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("cache");
    let cache = Cache::named(&folder);
    cache.write("name", b"contents");
    assert_eq!(cache.read("name").as_deref(), Some(&b"contents"[..]));
    assert_eq!(cache.distrust(), None);
    (parent, folder, cache)
}

/// The one sentence about a cache of which nothing is read now.
fn reason(cache: &Cache) -> String {
    assert_eq!(cache.read("name"), None);
    let reason = cache.distrust().expect("a reason").to_string();
    // Reported once, whatever else is wrong later.
    assert_eq!((cache.read("name"), cache.distrust()), (None, Some(reason.as_str())));
    reason
}

#[test]
fn what_is_made_is_for_the_user_alone() {
    let (parent, folder, cache) = filled();
    assert_eq!((mode(&folder), mode(&folder.join("name"))), (0o700, 0o600));
    let deep = parent.path().join("missing/below");
    Cache::named(&deep).write("name", b"contents");
    assert_eq!((mode(&deep), mode(deep.parent().expect("a parent"))), (0o700, 0o700));
    cache.write("name", b"others");
    assert_eq!(cache.read("name").as_deref(), Some(&b"others"[..]));
    assert_eq!(fs::read_dir(&folder).expect("listed").count(), 1);
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    for open in [0o777, 0o770, 0o702, 0o1777] {
        let (_parent, folder, cache) = filled();
        set_mode(&folder, open);
        let reason = reason(&cache);
        assert!(reason.contains(&folder.display().to_string()), "{reason}");
        assert!(reason.contains("other users") && reason.contains("IMPASTO_CACHE"), "{reason}");
        cache.write("name", b"new");
        assert_eq!(fs::read(folder.join("name")).expect("read"), b"contents");
        // A folder that the user named may have another use, so its mode stays.
        assert_eq!(mode(&folder), open);
    }
    let (_parent, folder, cache) = filled();
    set_mode(&folder, 0o755);
    assert!(cache.read("name").is_some());
}

#[test]
fn the_own_folder_is_closed_to_others() {
    let (_parent, folder, _) = filled();
    set_mode(&folder, 0o775);
    let opened = Folder::open(&folder, true).expect("closed");
    assert_eq!(opened.read("name", 100).expect("read"), b"contents");
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn a_folder_or_file_of_another_user_is_not_used() {
    let Some(other) = other_user() else { return };
    let (_parent, folder, cache) = filled();
    give_away(&folder, other);
    let reason = reason(&cache);
    assert!(reason.contains("another user") && reason.contains("IMPASTO_CACHE"), "{reason}");
    cache.write("name", b"new");
    assert_eq!(fs::read(folder.join("name")).expect("read"), b"contents");
    assert!(Folder::open(&folder, true).is_err(), "its mode is not ours to change");

    let (_parent, folder, cache) = filled();
    give_away(&folder.join("name"), other);
    let reason = self::reason(&cache);
    assert!(reason.contains("/name is not used") && reason.contains("another user"), "{reason}");
    cache.write("name", b"new");
    assert_eq!(cache.read("name").as_deref(), Some(&b"new"[..]), "replaced");
}

#[test]
fn a_file_that_others_can_write_to_is_replaced() {
    for open in [0o666, 0o620, 0o602] {
        let (_parent, folder, cache) = filled();
        set_mode(&folder.join("name"), open);
        let reason = reason(&cache);
        assert!(reason.contains("/name is not used") && reason.contains("replaced"), "{reason}");
        cache.write("name", b"new");
        assert_eq!(cache.read("name").as_deref(), Some(&b"new"[..]));
        assert_eq!(mode(&folder.join("name")), 0o600);
    }
}

#[test]
fn links_are_not_followed() {
    let (parent, folder, cache) = filled();
    let precious = parent.path().join("precious");
    fs::write(&precious, "precious").expect("written");
    set_mode(&precious, 0o600);
    let make: [fn(&Path, &Path); 2] = [
        |target, link| symlink(target, link).expect("linked"),
        |target, link| fs::hard_link(target, link).expect("linked"),
    ];
    for (make, reason) in make.into_iter().zip(["it is a link", "another name"]) {
        let (name, cache) = (folder.join("name"), Cache::named(&folder));
        fs::remove_file(&name).expect("removed");
        make(&precious, &name);
        let found = self::reason(&cache);
        assert!(found.contains(reason), "{found}");
        cache.write("name", b"new");
        assert_eq!(fs::read(&precious).expect("read"), b"precious");
        assert_eq!(cache.read("name").as_deref(), Some(&b"new"[..]));
        assert!(!symlink_metadata(&name).expect("there").is_symlink());
    }
    // A link to nothing creates nothing.
    let missing = parent.path().join("missing");
    symlink(&missing, folder.join("dangling")).expect("linked");
    cache.write("dangling", b"new");
    assert!(!missing.exists());
    // A folder behind a link, also with a separator at the end.
    for end in ["link", "link/"] {
        let link = parent.path().join(end);
        let _ = symlink(&folder, parent.path().join("link"));
        let reason = reason(&Cache::named(&link));
        assert!(reason.contains("link is a link"), "{reason}");
    }
}

#[test]
fn pipes_folders_and_long_files_are_no_cache_files() {
    let (_parent, folder, cache) = filled();
    let pipe = folder.join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    fs::create_dir(folder.join("folder")).expect("made");
    for name in ["pipe", "folder", "missing"] {
        assert_eq!(cache.read(name), None, "{name}");
    }
    cache.write("pipe", b"new");
    assert_eq!(cache.read("pipe").as_deref(), Some(&b"new"[..]));
    cache.write("folder", b"new");
    assert!(folder.join("folder").is_dir());
    let opened = Folder::open(&folder, false).expect("opens");
    assert_eq!(opened.read("name", 8).expect("short enough"), b"contents");
    assert!(opened.read("name", 7).is_err());
    assert_eq!(cache.distrust(), None);
    let mut names: Vec<_> = fs::read_dir(&folder).expect("listed").flatten().collect();
    names.sort_by_key(fs::DirEntry::file_name);
    assert!(names.iter().map(fs::DirEntry::file_name).eq(["folder", "name", "pipe"]));
}

#[test]
fn what_a_killed_program_was_writing_is_removed() {
    let (_parent, folder, cache) = filled();
    let [old, new, other] =
        [".impasto-1.part", ".impasto-2.part", "other.part"].map(|name| folder.join(name));
    for path in [&old, &new, &other] {
        fs::write(path, "half").expect("written");
    }
    for path in [&old, &other] {
        let file = File::options().write(true).open(path).expect("opened");
        let long_ago = std::time::SystemTime::now() - 2 * ABANDONED;
        file.set_modified(long_ago).expect("changed");
    }
    cache.write("name", b"new");
    assert!(!old.exists() && new.exists() && other.exists());
}
