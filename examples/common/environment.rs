//! The environment that graphics drivers expect.

/// Sets `XDG_RUNTIME_DIR` where no login has set it, as in a container: without it, Mesa's drivers
/// print errors although nothing is wrong. Call it first in `main`.
///
/// `std::env::set_var` is unsafe, since another thread may be reading the environment. This starts the
/// program again in the same process (`exec`), with the variable set.
#[cfg(target_os = "linux")]
pub fn prepare() {
    use std::os::unix::{fs::MetadataExt, process::CommandExt};
    use std::path::Path;
    use std::process::Command;
    use std::{env, fs};

    // The specification calls a relative path invalid.
    let is_set = |path| Path::new(&path).is_absolute();
    if env::var_os("XDG_RUNTIME_DIR").is_some_and(is_set) {
        return;
    }
    let (Ok(program), Ok(process)) = (env::current_exe(), fs::metadata("/proc/self")) else {
        return;
    };
    let mut arguments = env::args_os();
    let Some(name) = arguments.next() else { return };
    // A different name means that an emulator or a loader runs the program.
    if Path::new(&name).file_name() != program.file_name() {
        return;
    }
    // If that fails, the program continues without the variable.
    let _ = Command::new(program)
        .arg0(name)
        .args(arguments)
        // The value that a login sets. The drivers work without the folder.
        .env("XDG_RUNTIME_DIR", format!("/run/user/{}", process.uid()))
        .exec();
}

/// Does nothing: the variable is known on Linux only.
#[cfg(not(target_os = "linux"))]
pub fn prepare() {}
