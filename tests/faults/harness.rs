//! Runs the program with faults from outside: `strace` for system calls, a shell for limits, mounts, other users.

use crate::studio::{Run, Studio, finish};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many faults of each kind a test injects.
pub fn count(usual: usize) -> usize {
    env::var("IMPASTO_FAULTS").map_or(usual, |text| text.parse().expect("a number of faults"))
}

/// Whether this machine must be able to do what the tests need, as in CI.
fn is_required() -> bool {
    env::var("IMPASTO_REQUIRE_GPU").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// Whether the tests run as root. Says so where they do not.
pub fn is_root(what: &str) -> bool {
    let id = Command::new("id").arg("-u").output().expect("the command id").stdout;
    let is_root = String::from_utf8_lossy(&id).trim() == "0";
    if !is_root {
        eprintln!("SKIPPED: {what} needs root.");
    }
    is_root
}

/// Whether `strace` can inject faults here. Says so where it cannot.
pub fn has_strace() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_string();
            eprintln!("SKIPPED: strace may not trace programs here: {reason}");
            false
        }
        Err(error) => {
            assert!(!is_required(), "strace is needed and cannot be started: {error}");
            eprintln!("SKIPPED: no strace, which `cargo xtask test` installs: {error}");
            false
        }
    }
}

/// Starts another program in front of the program of a studio, with the same folder and environment.
pub fn behind(studio: &Studio, front: &[&str], arguments: &str) -> Command {
    let plain = studio.command(arguments);
    let mut command = Command::new(front[0]);
    command.args(&front[1..]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(studio.path(""));
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program in a shell that executes `limits` before, such as `ulimit -v 900000`.
pub fn limited(studio: &Studio, limits: &str, arguments: &str) -> Run {
    let script = format!("{limits}; exec \"$0\" \"$@\"");
    let mut command = behind(studio, &["sh", "-c", &script], arguments);
    finish(command.spawn().expect("a shell"), &format!("{arguments} ({limits})"))
}

/// Runs the program with faults that `strace` injects, such as `fsync:error=EINVAL`.
pub fn injected(studio: &Studio, faults: &[&str], arguments: &str) -> Run {
    let mut front = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
    let calls: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
    let traced = format!("trace={}", calls.join(","));
    front.extend(["-e", &traced]);
    let faults: Vec<String> = faults.iter().map(|fault| format!("inject={fault}")).collect();
    front.extend(faults.iter().flat_map(|fault| ["-e", fault.as_str()]));
    let mut command = behind(studio, &front, arguments);
    finish(command.spawn().expect("strace"), &format!("{arguments} ({})", faults.join(" ")))
}

/// How often each call was made in a run: in all, and before the program opened the file `first`.
pub fn calls(studio: &Studio, calls: &[&str], first: &str, arguments: &str) -> Vec<[usize; 2]> {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let traced = format!("trace=openat,{}", calls.join(","));
    let path = log.path().to_str().expect("UTF-8");
    let front = ["strace", "-f", "-qq", "-o", path, "-e", &traced];
    let run = behind(studio, &front, arguments).spawn().expect("strace");
    finish(run, arguments).succeeded();
    let text = fs::read_to_string(log.path()).expect("the log of strace");
    let begun = text.lines().position(|line| line.contains(first)).expect("the input is opened");
    let counted = |call: &&str| {
        let is_call = |line: &&str| line.contains(&format!(" {call}("));
        let early = text.lines().take(begun).filter(is_call).count();
        [early, text.lines().filter(is_call).count()]
    };
    calls.iter().map(counted).collect()
}

/// The names of the temporary files in a studio.
pub fn temporary(studio: &Studio) -> Vec<String> {
    studio.names().into_iter().filter(|name| name.starts_with(".impasto-")).collect()
}

/// A file system that is mounted while this lives.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts with the arguments of `mount`, the last of which is the folder or file to mount on. None, and a line that
    /// says so, where this machine does not allow it.
    pub fn new<S: Into<OsString> + Clone>(arguments: &[S], on: &Path) -> Option<Self> {
        if !is_root("mounting") {
            return None;
        }
        let mut command = Command::new("mount");
        command.args(arguments.iter().cloned().map(Into::into)).arg(on);
        let output = command.output().expect("the command mount");
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_string();
            eprintln!("SKIPPED: this machine mounts nothing: {reason}");
            return None;
        }
        Some(Self(on.into()))
    }

    /// A file system in memory of so many kilobytes.
    pub fn in_memory(kilobytes: usize, on: &Path) -> Option<Self> {
        let size = format!("size={kilobytes}k");
        Self::new(&["-t", "tmpfs", "-o", &size, "tmpfs"], on)
    }

    /// A folder or a file, at a second place.
    pub fn again(what: &Path, on: &Path) -> Option<Self> {
        Self::new(&["--bind".into(), what.as_os_str().to_os_string()], on)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, so that a program that still runs does not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
