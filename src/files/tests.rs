//! Tests of files.

use super::*;

#[test]
fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.txt");
    write(&path, b"one").expect("written");
    write(&path, b"two").expect("replaced");
    assert_eq!(fs::read(&path).expect("read"), b"two");
    check_writable(&folder.path().join("b.txt")).expect("writable");
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
}

#[cfg(unix)]
#[test]
fn links_are_followed_even_where_they_lead_to_nothing_yet() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let [link, target, round] = ["link", "target", "round"].map(|n| folder.path().join(n));
    symlink("target", &link).expect("linked");
    symlink("round", &round).expect("linked");
    assert_eq!(
        Place::of(&link).expect("a place").path(),
        Place::of(&target).expect("a place").path()
    );
    write(&link, b"through").expect("written");
    assert_eq!(fs::read(&target).expect("read"), b"through");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert!(check_writable(&round).expect_err("unwritable").to_string().contains("itself"));
}

#[test]
fn impossible_names_are_found_out_early() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.png/".to_string(), "a".repeat(300)] {
        assert!(check_writable(&folder.path().join(name)).is_err());
    }
}

#[test]
fn unwritable_places_are_found_out_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = |path: &Path| check_writable(path).expect_err("unwritable").to_string();
    assert!(message(folder.path()).contains("directory"));
    assert!(message(&folder.path().join("missing/a.txt")).contains("no folder"));
    let path = folder.path().join("read-only.txt");
    fs::write(&path, "kept").expect("written");
    let mut permissions = fs::metadata(&path).expect("there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("set");
    assert!(message(&path).contains("read-only"));
    if cfg!(target_os = "linux") {
        let message = message(Path::new("/proc/picture.png"));
        assert!(message.contains("No such file") && !message.contains(".impasto"), "{message}");
    }
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("listed");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> =
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_writer_leaves_the_old_file_until_it_is_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.txt");
    write(&path, b"old").expect("written");
    let mut writer = Writer::create(&path).expect("created");
    writer.write_all(b"half").expect("written");
    drop(writer);
    assert_eq!(fs::read(&path).expect("read"), b"old");
    let mut writer = Writer::create(&path).expect("created");
    writer.write_all(b"whole").expect("written");
    writer.finish().expect("finished");
    assert_eq!(fs::read(&path).expect("read"), b"whole");
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn files_of_dead_runs_are_removed_and_those_of_live_ones_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for name in [".impasto-dead.part", ".impasto-dead.png", "dead.part"] {
        fs::write(folder.join(name), "left").expect("written");
    }
    let live = temporary::Temporary::beside(folder, None).expect("created");
    assert_eq!(names(folder).len(), 3, "the first write removes one");
    temporary::remove_dead(folder);
    assert_eq!(names(folder).len(), 3, "the live one stays");
    drop(live);
    assert_eq!(names(folder), [".impasto-dead.png", "dead.part"]);
}

#[test]
fn outputs_are_reserved_until_they_are_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, other] = ["one.png", "./other.png"].map(|name| folder.path().join(name));
    let (first, second) = (reserve(&[], &[("the painting", &one)]), ("the plot", other.as_path()));
    let error = reserve(&[], &[second, ("the report", &one)]).expect_err("taken").to_string();
    assert!(error.contains("one.png: another run is going to write it"), "{error}");
    drop(first.expect("reserved"));
    let error = reserve(&[], &[second, ("the film", &folder.path().join("other.png"))]);
    let error = error.expect_err("twice").to_string();
    assert!(error.contains("would be both the plot and the film"), "{error}");
    reserve(&[], &[second, ("the report", &one)]).expect("free again");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn names_are_compared_as_the_folder_compares_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let [input, output] = ["in.png", "IN.PNG"].map(|name| folder.path().join(name));
    fs::write(&input, "input").expect("written");
    let ignores_case = output.exists();
    let reserved = reserve(&[("the input", &input)], &[("the painting", &output)]);
    assert_eq!(reserved.is_err(), ignores_case);
    let [mut one, other] = ["Größe.png", "GRÖSSE.PNG"]
        .map(|name| Place::of(&folder.path().join(name.replace("ß", "ss"))).expect("a place"));
    assert!(!one.is_same(&other));
    one.set_ignores_case(true);
    assert!(one.is_same(&other) && other.is_same(&one));
    assert!(!one.is_same(&Place::of(&output).expect("a place")));
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        for wanted in [0o600, 0o640, 0o666, 0o700] {
            fs::write(&path, "old").expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).expect("set");
            write(&path, b"new").expect("replaced");
            assert_eq!(mode(&path), wanted);
            assert_eq!(fs::read(&path).expect("read"), b"new");
        }
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: keeping the owner of a file needs root.");
            return;
        }
        std::os::unix::fs::chown(&path, Some(65_534), Some(65_533)).expect("given away");
        write(&path, b"newer").expect("replaced");
        let found = fs::metadata(&path).expect("there");
        assert_eq!((found.uid(), found.gid(), mode(&path)), (65_534, 65_533, 0o700));
    }

    #[test]
    fn an_output_that_becomes_a_link_to_an_input_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let [input, output, other] =
            ["in.png", "out.png", "other.png"].map(|name| folder.path().join(name));
        fs::write(&input, "input").expect("written");
        let inputs = [("the input", input.as_path())];
        let reserved = reserve(&inputs, &[("the painting", &output)]).expect("reserved");
        let begun = Writer::create(&output).expect("begun");
        for (target, words) in [(&input, "leads to the input now"), (&other, "was not checked")] {
            symlink(target, &output).expect("linked");
            let error = write(&output, b"painted").expect_err("refused").to_string();
            assert!(error.contains(words), "{error}");
            fs::remove_file(&output).expect("removed");
        }
        symlink(&input, &output).expect("linked");
        let error = begun.finish().expect_err("refused").to_string();
        assert!(error.contains("leads to"), "{error}");
        assert_eq!(fs::read(&input).expect("read"), b"input");
        fs::remove_file(&output).expect("removed");
        write(&output, b"painted").expect("written");
        drop(reserved);
    }

    #[test]
    fn an_output_is_no_hard_link_that_is_written_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let [input, output] = ["in.png", "out.png"].map(|name| folder.path().join(name));
        fs::write(&input, "input").expect("written");
        fs::hard_link(&input, &output).expect("linked");
        let [mut one, other] = [&input, &output].map(|path| Place::of(path).expect("a place"));
        assert!(!one.is_same(&other), "renaming leaves the other name");
        one.set_in_place(true);
        assert!(one.is_same(&other) && other.is_same(&one));
    }

    #[test]
    fn what_cannot_be_renamed_is_written_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        fs::write(&path, "a longer old text").expect("written");
        let before = fs::metadata(&path).expect("there").ino();
        for text in ["new", "a still longer new text"] {
            let mut prepared = Prepared::new(&path).expect("prepared");
            prepared.way = way::Way::InPlace;
            prepared.temporary.file_mut().write_all(text.as_bytes()).expect("written");
            let mut file = install::install(prepared, |_| Ok(())).expect("installed");
            file.write_all(b", and more").expect("written");
            assert_eq!(fs::read_to_string(&path).expect("read"), format!("{text}, and more"));
        }
        assert_eq!(fs::metadata(&path).expect("there").ino(), before);
        assert_eq!(names(folder.path()), ["a.txt"]);
        // A file that is another at the write.
        let mut prepared = Prepared::new(&path).expect("prepared");
        prepared.way = way::Way::InPlace;
        prepared.temporary.file_mut().write_all(b"painted").expect("written");
        fs::write(folder.path().join("b.txt"), "another").expect("written");
        fs::rename(folder.path().join("b.txt"), &path).expect("renamed");
        let error = install::install(prepared, |_| Ok(())).expect_err("refused").to_string();
        assert!(error.contains("another file took its place"), "{error}");
        assert_eq!(fs::read(&path).expect("read"), b"another");
        let kept = error.split_once("is in ").expect("the name of the file").1;
        assert_eq!(fs::read(kept).expect("kept"), b"painted");
    }

    fn pipe(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        path
    }

    #[test]
    fn a_pipe_without_a_reader_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = pipe(folder.path());
        let errors = [reserve(&[], &[("the report", &path)]).map(drop), write(&path, b"text")];
        for error in errors {
            let error = error.expect_err("refused").to_string();
            assert!(error.contains("no program reads it: start its reader first"), "{error}");
        }
    }

    #[test]
    fn a_reader_of_a_pipe_gets_what_is_written_long_after_the_check() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = pipe(folder.path());
        let read = {
            let path = path.clone();
            std::thread::spawn(move || fs::read(path).expect("read"))
        };
        let clock = Instant::now();
        let reserved = loop {
            match reserve(&[], &[("the report", &path)]) {
                Ok(reserved) => break reserved,
                Err(error) => assert!(clock.elapsed() < Duration::from_secs(60), "{error}"),
            }
        };
        std::thread::sleep(Duration::from_millis(50));
        let text = "0123456789".repeat(100_000);
        write(&path, text.as_bytes()).expect("written");
        assert!(read.join().expect("a reader") == text.as_bytes());
        drop(reserved);
    }

    #[test]
    fn a_reader_that_takes_nothing_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = pipe(folder.path());
        let reader = fs::OpenOptions::new().read(true).write(true).open(&path).expect("opened");
        let stream = stream::Stream::open(&path).expect("opened");
        let mut stream = stream.with_patience(Duration::from_millis(50));
        let error = stream.write_all(&vec![0; 1 << 20]).expect_err("refused");
        assert!(error.to_string().contains("took nothing"), "{error}");
        drop(reader);
    }
}
