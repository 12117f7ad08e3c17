//! Outputs at places where a file cannot simply be replaced, or which lead elsewhere than it seems.

use crate::harness::{Mount, behind, has_strace, injected, is_root, temporary};
use crate::studio::{Run, Studio, finish, quick};
use impasto::Picture;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A user other than root, who owns nothing.
const OTHER: u32 = 65_534;

/// The calls that rename a file.
const RENAMES: [&str; 3] = ["rename", "renameat", "renameat2"];

/// A command that must succeed. False, with a line that says so, where this machine does not allow it.
fn is_done(program: &str, arguments: &[&str]) -> bool {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            eprintln!("SKIPPED: {program} {}: {}", arguments.join(" "), reason.trim());
            false
        }
        Err(error) => {
            eprintln!("SKIPPED: there is no {program}: {error}");
            false
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A file or folder that `chattr` gave an attribute, until it is dropped.
struct Attribute(PathBuf, String);

impl Attribute {
    fn new(path: &Path, attribute: char) -> Option<Self> {
        let is_set =
            is_root("chattr") && is_done("chattr", &[&format!("+{attribute}"), text(path)]);
        is_set.then(|| Self(path.into(), format!("-{attribute}")))
    }
}

impl Drop for Attribute {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg(&self.1).arg(&self.0).status();
    }
}

/// Runs the program for a short time with a fault of each of these system calls, such as `error=EINVAL`.
fn with_fault(studio: &Studio, calls: &[&str], fault: &str, arguments: &str) -> Run {
    let faults: Vec<String> = calls.iter().map(|call| format!("{call}:{fault}")).collect();
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    injected(studio, &faults, &quick(arguments))
}

/// Starts a run that lasts until it is ended, and waits until it has learned something.
fn start(studio: &Studio, arguments: &str) -> Child {
    let child = studio.start(&quick(&format!("{arguments} --time 100s --metrics steps.csv")));
    let steps = || fs::read_to_string(studio.path("steps.csv")).unwrap_or_default();
    wait_for(|| steps().lines().count() > 1);
    child
}

/// Asserts that a run ended with this error, and other lines at most for the network that it saved instead.
fn check_failed(run: &Run, words: &[&str]) {
    assert_eq!(run.code, Some(1), "{run}");
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && words.iter().all(|word| errors[0].contains(word)), "{run}");
}

fn wait_for(is_so: impl Fn() -> bool) {
    let clock = Instant::now();
    while !is_so() {
        assert!(clock.elapsed() < Duration::from_secs(60), "it does not become so");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn interrupt(child: Child, signal: &str, arguments: &str) -> Run {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    finish(child, arguments)
}

#[test]
fn an_input_is_recognized_in_a_folder_that_is_mounted_twice() {
    let studio = Studio::new();
    for name in ["folder", "again"] {
        fs::create_dir(studio.path(name)).expect("made");
    }
    let input = studio.path("folder/in.png");
    crate::pictures::stones(24, 18).save(&input).expect("written");
    let before = fs::read(&input).expect("read");
    let Some(_mount) = Mount::again(&studio.path("folder"), &studio.path("again")) else { return };
    for [input, output] in [["again/in.png", "folder/in.png"], ["folder/in.png", "again/in.png"]] {
        let run = studio.quick(&format!("{input} -o {output}"));
        run.failed_saying(&[output, "both the input and the painting"]);
        let run = studio.quick(&format!("{input} -o {output} --save again/net"));
        run.failed_saying(&["both"]);
    }
    let run = studio.quick("again/in.png -o folder/a.png --report again/a.png");
    run.failed_saying(&["both the painting and the report"]);
    assert!(fs::read(&input).expect("read") == before);
    studio.quick("again/in.png -o folder/out.png").succeeded();
    Picture::load(studio.path("again/out.png")).expect("a picture");
}

#[test]
fn a_mount_point_is_written_in_place() {
    let studio = Studio::with_picture();
    let names = ["painted.png", "painted-comparison.png", "net.safetensors", "run.csv"];
    let mut mounts = Vec::new();
    for name in names {
        studio.put_bytes(name, b"");
        // Longer than some of the outputs, and shorter than others.
        studio.put_bytes(&format!("outside-{name}"), &[b'o'; 5_000]);
        let mount = Mount::again(&studio.path(&format!("outside-{name}")), &studio.path(name));
        let Some(mount) = mount else { return };
        mounts.push(mount);
    }
    studio.quick("picture.png --save net.safetensors --metrics run.csv").succeeded();
    let painted =
        [studio.picture("outside-painted.png"), studio.picture("outside-painted-comparison.png")];
    assert_eq!(painted.map(|picture| picture.width() >= 24), [true; 2]);
    impasto::Network::load(studio.path("outside-net.safetensors")).expect("a network");
    let lines = String::from_utf8(studio.bytes("outside-run.csv")).expect("UTF-8");
    assert!(lines.starts_with("step,epoch,") && lines.lines().count() > 2, "{lines}");
    assert!(lines.lines().all(|line| line.split(',').count() == 7), "{lines}");
    // The input, mounted where the output is.
    studio.put_bytes("in.png", b"");
    let _mount = Mount::again(&studio.path("picture.png"), &studio.path("in.png"));
    let run = studio.quick("picture.png -o in.png");
    run.failed_saying(&["in.png would be both the input and the painting"]);
    drop(mounts);
    assert_eq!(temporary(&studio), [""; 0]);
}

#[test]
fn a_write_in_place_that_fails_leaves_the_old_contents() {
    let studio = Studio::with_picture();
    studio.put_bytes("painted.png", b"");
    studio.put_bytes("outside.png", b"the old contents");
    let mount = Mount::again(&studio.path("outside.png"), &studio.path("painted.png"));
    let Some(_mount) = mount else { return };
    if !has_strace() {
        return;
    }
    // The first of these copies the old contents aside, and the second writes the new ones.
    let run = with_fault(&studio, &["copy_file_range"], "error=EIO:when=2", "picture.png");
    check_failed(&run, &["painted.png", "Input/output error", "is in "]);
    assert_eq!(studio.bytes("outside.png"), b"the old contents");
    check_kept(&run);
    assert_eq!(temporary(&studio), [""; 0]);
}

/// Asserts that the file is a picture that the error says.
fn check_kept(run: &Run) {
    let kept = run.stderr.trim_end().rsplit_once("what it would contain is in ").expect("a name").1;
    assert!(Picture::load(kept).is_ok(), "{kept} is no picture: {run}");
    fs::remove_file(kept).expect("removed");
}

/// The program, where another user can run it, and a studio where he can write.
fn as_other(studio: &Studio, arguments: &str) -> Run {
    let program = studio.path("paint");
    if !program.exists() {
        fs::copy(studio.command("").get_program(), &program).expect("copied");
    }
    let user = OTHER.to_string();
    let mut front = vec!["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    // The shell runs the copy instead of the program, which is the `$0` of the script.
    front.extend(["sh", "-c", "exec ./paint \"$@\""]);
    let mut command = behind(studio, &front, &quick(arguments));
    finish(command.spawn().expect("setpriv"), arguments)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

#[test]
fn the_file_of_another_user_in_a_sticky_folder_is_written_in_place_or_refused() {
    if !is_root("running as another user") {
        return;
    }
    let studio = Studio::with_picture();
    set_mode(&studio.path(""), 0o1777);
    for (name, mode) in [("open.png", 0o666), ("open-comparison.png", 0o666), ("closed.png", 0o644)]
    {
        studio.put_bytes(name, b"old");
        set_mode(&studio.path(name), mode);
    }
    as_other(&studio, "picture.png -o open.png").succeeded();
    assert_eq!(fs::metadata(studio.path("open.png")).expect("there").uid(), 0);
    assert_eq!(studio.picture("open.png").width(), 24);
    let run = as_other(&studio, "picture.png -o closed.png");
    run.failed_saying(&["closed.png", "belongs to another user", "name another file"]);
    let run = as_other(&studio, "picture.png -o new.png --report closed.png");
    run.failed_saying(&["closed.png", "belongs to another user"]);
    assert_eq!(studio.bytes("closed.png"), b"old");
    assert!(!studio.path("new.png").exists());
    as_other(&studio, "picture.png -o new.png").succeeded();
    assert_eq!(temporary(&studio), [""; 0]);
}

#[test]
fn a_file_in_a_folder_that_may_not_be_changed_is_written_in_place() {
    if !is_root("running as another user") {
        return;
    }
    let studio = Studio::with_picture();
    set_mode(&studio.path(""), 0o755);
    for name in ["open.png", "open-comparison.png"] {
        studio.put_bytes(name, b"old");
        set_mode(&studio.path(name), 0o666);
    }
    as_other(&studio, "picture.png -o open.png").succeeded();
    assert_eq!(studio.picture("open.png").width(), 24);
    as_other(&studio, "picture.png -o new.png").failed_saying(&["new.png", "Permission denied"]);
}

#[test]
fn what_chattr_forbids_is_refused_before_training_or_done_another_way() {
    let studio = Studio::with_picture();
    for (attribute, words) in [('i', "may not be changed"), ('a', "may only be added to")] {
        studio.put_bytes("painted.png", b"old");
        let Some(_set) = Attribute::new(&studio.path("painted.png"), attribute) else { return };
        studio.quick("picture.png").failed_saying(&["painted.png", words, "chattr"]);
        assert_eq!(studio.bytes("painted.png"), b"old");
    }
    for (attribute, takes_new) in [('i', false), ('a', true)] {
        let folder = studio.path(&format!("folder-{attribute}"));
        fs::create_dir(&folder).expect("made");
        for name in ["old.png", "old-comparison.png"] {
            fs::write(folder.join(name), "old").expect("written");
        }
        let Some(set) = Attribute::new(&folder, attribute) else { return };
        studio.quick(&format!("picture.png -o folder-{attribute}/old.png")).succeeded();
        let run = studio.quick(&format!("picture.png -o folder-{attribute}/new.png"));
        if takes_new {
            run.succeeded();
            Picture::load(folder.join("new.png")).expect("a picture");
        } else {
            run.failed_saying(&["new.png", "nothing in its folder may be changed"]);
        }
        Picture::load(folder.join("old.png")).expect("a picture");
        drop(set);
        let names = fs::read_dir(&folder).expect("listed").count();
        assert_eq!(names, if takes_new { 4 } else { 2 });
    }
}

#[test]
fn refused_renames_and_missing_syncs_cost_nothing() {
    if !has_strace() {
        return;
    }
    let studio = Studio::with_picture();
    let syncs = ["fsync", "fdatasync"];
    let faults = [
        (&syncs[..], "EINVAL"),
        (&syncs[..], "EOPNOTSUPP"),
        (&syncs[..], "ENOSYS"),
        (&RENAMES[..], "EBUSY"),
        (&RENAMES[..], "EPERM"),
        (&RENAMES[..], "EXDEV"),
    ];
    for (calls, error) in faults {
        // The first time there is nothing, and then a file.
        for name in ["painted.png", "painted-comparison.png"] {
            let _ = fs::remove_file(studio.path(name));
        }
        for seed in [1, 2] {
            let arguments = format!("picture.png --seed {seed}");
            with_fault(&studio, calls, &format!("error={error}"), &arguments).succeeded();
            let painted = studio.bytes("painted.png");
            studio.quick(&format!("picture.png --seed {seed} -o plain.png")).succeeded();
            assert!(painted == studio.bytes("plain.png"), "{calls:?} {error}");
        }
        assert_eq!(temporary(&studio), [""; 0]);
    }
}

#[test]
fn what_cannot_be_renamed_at_all_is_kept_under_another_name() {
    if !has_strace() {
        return;
    }
    let studio = Studio::with_picture();
    studio.put_bytes("painted.png", b"old");
    let run = with_fault(&studio, &RENAMES, "error=EIO:when=1", "picture.png");
    check_failed(&run, &["painted.png", "Input/output error"]);
    assert_eq!(studio.bytes("painted.png"), b"old");
    check_kept(&run);
    assert_eq!(temporary(&studio), [""; 0]);
}

#[test]
fn a_replaced_file_is_not_open_to_more_users() {
    let studio = Studio::with_picture();
    for name in ["painted.png", "net.safetensors"] {
        studio.put_bytes(name, b"old");
        set_mode(&studio.path(name), 0o600);
    }
    if is_root("giving a file away") {
        std::os::unix::fs::chown(studio.path("painted.png"), Some(OTHER), None)
            .expect("given away");
    }
    let owner = |name: &str| fs::metadata(studio.path(name)).expect("there");
    let before = owner("painted.png").uid();
    studio.quick("picture.png --save net.safetensors").succeeded();
    for name in ["painted.png", "net.safetensors"] {
        assert_eq!(owner(name).mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(owner("painted.png").uid(), before);
}

fn pipe(studio: &Studio, name: &str) {
    assert!(Command::new("mkfifo").arg(studio.path(name)).status().expect("mkfifo").success());
}

#[test]
fn a_pipe_needs_a_reader_before_training_and_keeps_it_waiting_until_the_end() {
    let studio = Studio::with_picture();
    pipe(&studio, "pipe");
    for option in ["--report", "--save", "-o painted.png --metrics"] {
        let name = if option.ends_with("metrics") { "pipe.csv" } else { "pipe" };
        if name != "pipe" {
            pipe(&studio, name);
        }
        let run = studio.quick(&format!("picture.png {option} {name}"));
        run.failed_saying(&[name, "no program reads it: start its reader first"]);
    }
    assert!(!studio.path("painted.png").exists());
    let path = studio.path("pipe");
    let reader = std::thread::spawn(move || fs::read(path).expect("read"));
    // The reader may not be there yet.
    let clock = Instant::now();
    while studio.quick("picture.png --report pipe").code != Some(0) {
        assert!(clock.elapsed() < Duration::from_secs(60));
    }
    let report = reader.join().expect("a reader");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert!(report["training"].is_object(), "{report}");
}

#[test]
fn a_painting_does_not_wait_for_the_reader_of_a_network() {
    let studio = Studio::with_picture();
    pipe(&studio, "net");
    let (path, painted) = (studio.path("net"), studio.path("painted.png"));
    let reader = std::thread::spawn(move || {
        let mut pipe = fs::File::open(path).expect("opened");
        wait_for(|| painted.exists());
        let mut network = Vec::new();
        std::io::Read::read_to_end(&mut pipe, &mut network).expect("read");
        network
    });
    // More than a pipe holds. The reader may not be there yet.
    let clock = Instant::now();
    while studio.quick("picture.png --hidden 2x200 --save net").code != Some(0) {
        assert!(clock.elapsed() < Duration::from_secs(60));
    }
    studio.put_bytes("net.safetensors", &reader.join().expect("a reader"));
    impasto::Network::load(studio.path("net.safetensors")).expect("a network");
}

#[test]
fn an_output_that_becomes_a_pipe_holds_nothing_up() {
    let studio = Studio::with_picture();
    let arguments = "picture.png --report run.json";
    let child = start(&studio, arguments);
    pipe(&studio, "run.json");
    let run = interrupt(child, "-INT", arguments);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("run.json: no program reads it"), "{run}");
    assert_eq!(studio.picture("painted.png").width(), 24);
}

#[test]
fn an_output_that_becomes_a_link_to_the_input_does_not_replace_it() {
    let studio = Studio::with_picture();
    let before = studio.bytes("picture.png");
    let arguments = "picture.png -o link.png --report run.json";
    let child = start(&studio, arguments);
    symlink("picture.png", studio.path("link.png")).expect("linked");
    let run = interrupt(child, "-INT", arguments);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("link.png: it leads to the input now"), "{run}");
    assert!(studio.bytes("picture.png") == before);
    assert!(studio.path("run.json").exists(), "the others are written: {run}");
}

#[test]
fn two_runs_with_one_output_notice_each_other() {
    let studio = Studio::with_picture();
    let first = start(&studio, "picture.png --save net.safetensors");
    for other in ["", "-o other.png --report net.safetensors"] {
        let run = studio.quick(&format!("picture.png {other}"));
        run.failed_saying(&["another run is going to write it", "name another file"]);
    }
    studio.quick("picture.png -o other.png").succeeded();
    let run = interrupt(first, "-KILL", "");
    assert_eq!(run.code, None, "{run}");
    assert!(!temporary(&studio).is_empty(), "it was killed");
    studio.quick("picture.png").succeeded();
    assert_eq!(temporary(&studio), [""; 0], "the next run removes what it left");
}

/// A file system that ignores case, if this machine has one: ext4, FAT or XFS in a file.
fn ignoring_case(studio: &Studio) -> Option<Mount> {
    let (image, on) = (studio.path("image"), studio.path("folder"));
    fs::File::create(&image).and_then(|file| file.set_len(320 << 20)).expect("made");
    fs::create_dir(&on).expect("made");
    let kinds = [
        ("mkfs.ext4", &["-q", "-O", "casefold"][..]),
        ("mkfs.vfat", &[]),
        ("mkfs.xfs", &["-q", "-f", "-n", "version=ci"]),
    ];
    for (make, options) in kinds {
        if !is_done(make, &[options, &[text(&image)]].concat()) {
            continue;
        }
        if let Some(mount) = Mount::new(&["-o", "loop", text(&image)], &on) {
            if make == "mkfs.ext4" {
                fs::remove_dir(on.join("lost+found")).expect("removed");
                assert!(is_done("chattr", &["+F", text(&on)]));
            }
            return Some(mount);
        }
    }
    None
}

#[test]
fn names_are_one_in_a_folder_that_ignores_case() {
    let studio = Studio::with_picture();
    if !is_root("mounting") {
        return;
    }
    let Some(_mount) = ignoring_case(&studio) else { return };
    fs::copy(studio.path("picture.png"), studio.path("folder/in.png")).expect("copied");
    let before = studio.bytes("folder/in.png");
    studio
        .quick("folder/in.png -o folder/IN.PNG")
        .failed_saying(&["both the input and the painting"]);
    let run = studio.quick("folder/in.png -o folder/out.png --save folder/Out.png");
    run.failed_saying(&["both the painting and the saved network"]);
    assert!(studio.bytes("folder/in.png") == before);
    let child = studio.start(&quick("folder/in.png -o folder/out.png --time 100s"));
    let is_reserved = || {
        let names = fs::read_dir(studio.path("folder")).expect("listed");
        names.flatten().any(|name| name.file_name().to_string_lossy().contains("claim"))
    };
    wait_for(is_reserved);
    studio.quick("folder/in.png -o folder/OUT.png").failed_saying(&["another run"]);
    assert_eq!(interrupt(child, "-INT", "").code, Some(130));
    studio.quick("folder/in.png -o folder/OUT.png").succeeded();
}
