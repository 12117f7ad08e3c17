//! The search for the driver's manifest.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

/// Finds RADV's manifest: the one named, else the first `radeon_icd*.json` among the files that
/// `VK_DRIVER_FILES` or `VK_ICD_FILENAMES` names, else in the folder `vulkan/icd.d` of each of
/// `XDG_DATA_DIRS`, `/usr/local/share`, `/usr/share` and `/etc`.
///
/// # Errors
///
/// When there is none.
pub fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        ensure!(path.is_file(), "there is no file {}", path.display());
        return Ok(path.to_owned());
    }
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        let value = env::var_os(variable).unwrap_or_default();
        if let Some(path) = env::split_paths(&value).find(|path| is_radv(path) && path.is_file()) {
            return Ok(path);
        }
    }
    let data_folders = env::var_os("XDG_DATA_DIRS").unwrap_or_default();
    let folders = env::split_paths(&data_folders)
        .filter(|folder| !folder.as_os_str().is_empty())
        .chain(["/usr/local/share", "/usr/share", "/etc"].map(PathBuf::from));
    for folder in folders {
        if let Some(path) = in_folder(&folder.join("vulkan").join("icd.d")) {
            return Ok(path);
        }
    }
    bail!(
        "AMD's Vulkan driver is not installed: no radeon_icd*.json in a vulkan/icd.d folder (on \
         Debian and Ubuntu it comes with mesa-vulkan-drivers; --icd names one that is elsewhere)"
    )
}

/// RADV's manifest in a folder, preferably the one for this processor.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut found: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_radv(path)).collect();
    found.sort();
    let own = format!("radeon_icd.{}.json", env::consts::ARCH);
    let position = found.iter().position(|path| path.file_name() == Some(OsStr::new(&own)));
    found.into_iter().nth(position.unwrap_or(0))
}

fn is_radv(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("radeon_icd") && name.ends_with(".json")
}
