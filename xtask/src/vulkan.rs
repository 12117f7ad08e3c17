//! The search for a Vulkan driver on this machine.
//!
//! On Linux two things must be there: the loader, `libvulkan.so.1`, and a driver, announced by
//! a JSON manifest in one of the folders that the loader searches
//! (<https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md>).
//! Elsewhere the driver is a part of the system, and there is nothing to look for.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LOADER: &str = "libvulkan.so.1";

/// The parts that are missing for a Vulkan device, in words; empty if none is missing.
pub fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if cfg!(target_os = "linux") {
        if !loader_is_installed() {
            missing.push("the Vulkan loader (libvulkan.so.1)");
        }
        if !driver_is_installed(|name| env::var_os(name)) {
            missing.push("a Vulkan driver (a manifest in a vulkan/icd.d folder)");
        }
    }
    missing
}

/// The variable by which the user has chosen the drivers, so that installed ones do not count.
pub fn choosing_variable() -> Option<&'static str> {
    chosen_drivers(|name| env::var_os(name)).map(|(name, _)| name)
}

/// The variable that replaces the loader's search, and its value.
///
/// `variable` looks up an environment variable; a parameter so that a test can supply its own.
fn chosen_drivers(variable: impl Fn(&str) -> Option<OsString>) -> Option<(&'static str, OsString)> {
    // The loader's own order: the second is the older name of the first.
    ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
        .into_iter()
        .filter_map(|name| Some((name, variable(name)?)))
        .find(|(_, value)| !value.is_empty())
}

fn driver_is_installed(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    if let Some((_, value)) = chosen_drivers(&variable) {
        return env::split_paths(&value).any(|path| path.is_file() || contains_manifest(&path));
    }
    manifest_folders(variable).iter().any(|folder| contains_manifest(folder))
}

/// The folders that the loader searches, in its order, with the defaults of the XDG base
/// directory specification.
fn manifest_folders(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(PathBuf::from);
    let personal = |name: &str, default: &str| {
        set(name).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(default)))
    };
    let shared = |name: &str, default: &str| {
        let list = set(name).unwrap_or_else(|| default.into());
        env::split_paths(&list).collect::<Vec<_>>()
    };

    let mut bases = Vec::new();
    bases.extend(personal("XDG_CONFIG_HOME", ".config"));
    bases.extend(shared("XDG_CONFIG_DIRS", "/etc/xdg"));
    bases.push("/etc".into());
    bases.extend(personal("XDG_DATA_HOME", ".local/share"));
    bases.extend(shared("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    // Searched with any XDG_DATA_DIRS.
    bases.push("/usr/local/share".into());
    bases.push("/usr/share".into());
    bases.iter().map(|base| base.join("vulkan").join("icd.d")).collect()
}

fn contains_manifest(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.path().extension() == Some(OsStr::new("json")))
    })
}

fn loader_is_installed() -> bool {
    in_library_cache() || in_library_folders()
}

/// Asks the dynamic linker's cache, which knows every folder of a distribution with glibc.
fn in_library_cache() -> bool {
    // An ordinary user's PATH does not always hold /sbin.
    ["ldconfig", "/sbin/ldconfig"].iter().any(|program| {
        Command::new(program)
            .arg("-p")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(LOADER))
    })
}

/// For systems without that cache (musl, Nix), and for a loader of the user's own.
fn in_library_folders() -> bool {
    let own = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/run/opengl-driver/lib",
    ];
    env::split_paths(&own)
        .filter(|folder| !folder.as_os_str().is_empty())
        .chain(usual.iter().map(PathBuf::from))
        .any(|folder| folder.join(LOADER).exists())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_environment() {
        let folders = manifest_folders(|name| match name {
            "HOME" => Some("/home/anna".into()),
            "XDG_DATA_DIRS" => Some("/opt/a:/opt/b".into()),
            _ => None,
        });
        for expected in [
            "/home/anna/.config/vulkan/icd.d",
            "/home/anna/.local/share/vulkan/icd.d",
            "/etc/vulkan/icd.d",
            "/opt/a/vulkan/icd.d",
            "/opt/b/vulkan/icd.d",
            "/usr/share/vulkan/icd.d",
        ] {
            assert!(folders.contains(&expected.into()), "{expected}");
        }
    }

    #[test]
    fn a_named_driver_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("driver.json");
        let named = |name: &str| (name == "VK_DRIVER_FILES").then(|| manifest.clone().into());
        assert!(!driver_is_installed(named));
        std::fs::write(&manifest, "{}").unwrap();
        assert!(driver_is_installed(named));
    }

    #[test]
    fn a_manifest_in_the_home_folder_counts() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".local/share/vulkan/icd.d");
        assert!(!contains_manifest(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!contains_manifest(&folder));
        std::fs::write(folder.join("driver.json"), "{}").unwrap();
        assert!(driver_is_installed(|name| { (name == "HOME").then(|| home.path().into()) }));
    }
}
