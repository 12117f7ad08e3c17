//! Tests of mixed precision on Mesa 26's llvmpipe, which multiplies f16 matrices.
//!
//! The drivers of a distribution are usually older. So Debian's packages are unpacked in the folder
//! `target/mesa`, without installing anything, and the unit tests run through the loader of that
//! folder, since the packages need its newer C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::install::{self, program_exists};
use crate::workspace::{Cargo, root};

/// What the packages are signed with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where the packages come from.
const SOURCES: &str = "\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie-backports main
";

/// What is asked for; apt adds what these need, 38 packages of 63 MB in all.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// The unit tests whose names contain one of these.
const TESTS: [&str; 1] = ["mixed"];

/// The libraries of the packages, and their loader.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";

/// Runs the tests.
///
/// # Errors
///
/// When the driver cannot be fetched, or a test fails. On another system than Linux on x86-64 a message says
/// that mixed precision is not checked.
pub fn test() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("SKIPPED: the tests of mixed precision, which need Linux on x86-64.");
        return Ok(());
    }
    let folder = root().join("target/mesa");
    let manifest = driver(&folder).context(
        "mixed precision cannot be tested: Mesa 26's llvmpipe, from Debian's trixie-backports, could not \
         be fetched",
    )?;
    let tests = Cargo::checked().program(&["test", "--lib", "--no-run"], "impasto")?;
    let packages = folder.join("root");
    let status = Command::new(packages.join(LOADER))
        .arg("--library-path")
        .arg(packages.join(LIBRARIES))
        .arg(&tests)
        .args(TESTS)
        .env("VK_DRIVER_FILES", manifest)
        .env("IMPASTO_REQUIRE_MATRICES", "1")
        .env("IMPASTO_CACHE", "")
        .env_remove("VK_ICD_FILENAMES")
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot start {}", tests.display()))?;
    ensure!(status.success(), "the tests of mixed precision failed ({status})");
    Ok(())
}

/// The manifest of the driver, which is fetched if it is not there.
fn driver(folder: &Path) -> Result<PathBuf> {
    let manifest = folder.join("llvmpipe.json");
    if manifest.is_file() {
        return Ok(manifest);
    }
    for program in ["apt-get", "dpkg-deb"] {
        ensure!(program_exists(program), "{program} is missing: Debian and Ubuntu have it");
    }
    // Ubuntu has it in a package.
    if !Path::new(KEYRING).is_file() {
        install::debian(&["debian-archive-keyring"])?;
    }
    let (packages, debs) = (folder.join("root"), folder.join("cache/archives"));
    for needed in [&packages, &debs.join("partial"), &folder.join("lists/partial")] {
        fs::create_dir_all(needed)
            .with_context(|| format!("cannot create {}", needed.display()))?;
    }
    fs::write(folder.join("sources.list"), SOURCES).context("cannot write sources.list")?;
    fs::write(folder.join("status"), "").context("cannot write an empty list of packages")?;
    apt(folder, &["update"])?;
    let install = ["install", "--yes", "--download-only", "--no-install-recommends"];
    let from = ["--target-release", "trixie-backports"];
    apt(folder, &[&install[..], &from, &PACKAGES].concat())?;
    let mut count = 0;
    for entry in fs::read_dir(&debs).context("nothing was fetched")? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|ending| ending == "deb") {
            let mut unpack = Command::new("dpkg-deb");
            succeed(unpack.arg("--extract").arg(&deb).arg(&packages))?;
            count += 1;
        }
    }
    ensure!(packages.join(LOADER).exists(), "{count} packages, and no {LOADER} among their files");
    // The paths in it are relative to folders in which nothing is installed.
    let original = packages.join("usr/share/vulkan/icd.d/lvp_icd.json");
    let text = fs::read_to_string(&original)
        .with_context(|| format!("cannot read {}", original.display()))?;
    fs::write(&manifest, absolute(&text, &packages.join(LIBRARIES))?)
        .context("cannot write the driver's manifest")?;
    Ok(manifest)
}

/// A manifest whose library is in this folder.
fn absolute(manifest: &str, libraries: &Path) -> Result<String> {
    let mut json: Value = serde_json::from_str(manifest).context("the driver's manifest")?;
    let place = json.pointer_mut("/ICD/library_path").context("a manifest without library_path")?;
    let name = place.as_str().and_then(|path| Path::new(path).file_name());
    let name = name.context("a library_path that is no path")?.to_owned();
    *place = libraries.join(name).to_string_lossy().into();
    Ok(json.to_string())
}

/// Runs apt-get with lists and files in the folder, as if nothing were installed.
fn apt(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    let options = [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::State", ""),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::Status", "status"),
        ("Dir::Cache", "cache"),
    ];
    for (name, path) in options {
        command.arg("-o").arg(format!("{name}={}", folder.join(path).display()));
    }
    for option in ["Dir::Etc::SourceParts=/dev/null", "APT::Architecture=amd64", "quiet=1"] {
        command.args(["-o", option]);
    }
    // The folder need not be readable for the user that apt-get fetches as otherwise.
    command.args(["-o", "APT::Sandbox::User="]);
    succeed(command.args(arguments))
}

fn succeed(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "{shown} failed ({status})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_library_by_an_absolute_path() {
        let text = r#"{"ICD": {"api_version": "1.4", "library_path": "libvulkan_lvp.so"}}"#;
        let changed: Value =
            serde_json::from_str(&absolute(text, Path::new("/some/lib")).unwrap()).unwrap();
        assert_eq!(changed["ICD"]["library_path"], "/some/lib/libvulkan_lvp.so");
        assert_eq!(changed["ICD"]["api_version"], "1.4");
        assert!(absolute("{}", Path::new("/")).is_err());
    }
}
