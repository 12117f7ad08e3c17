//! Installs what the tests need with the system's package manager.
//!
//! That is Mesa's software Vulkan driver, the validator of SPIR-V, `strace`, and what builds and opens the page.
//!
//! The driver lets the GPU tests run on a machine without a GPU. The EGL library comes along because the
//! tests exercise the OpenGL adapter too, where they find one.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::vulkan;
use crate::workspace::gpu_is_required;

struct PackageManager {
    program: &'static str,
    /// Fetches the list of packages, where installing does not do so by itself.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    packages: &'static [&'static str],
}

const PACKAGE_MANAGERS: [PackageManager; 5] = [
    PackageManager {
        program: "apt-get",
        refresh: Some(&["update"]),
        install: &["install", "--yes", "--no-install-recommends"],
        packages: &["mesa-vulkan-drivers", "libvulkan1", "libegl1"],
    },
    PackageManager {
        program: "dnf",
        refresh: None,
        install: &["install", "--assumeyes"],
        packages: &["mesa-vulkan-drivers", "vulkan-loader", "mesa-libEGL"],
    },
    PackageManager {
        program: "pacman",
        // Arch supports no refresh without a full upgrade, which is not ours to start.
        refresh: None,
        install: &["--sync", "--needed", "--noconfirm"],
        packages: &["vulkan-swrast", "vulkan-icd-loader", "mesa"],
    },
    PackageManager {
        program: "zypper",
        refresh: None,
        install: &["--non-interactive", "install"],
        packages: &["libvulkan_lvp", "libvulkan1", "Mesa-libEGL1"],
    },
    PackageManager {
        program: "apk",
        refresh: None,
        install: &["add", "--update-cache"],
        packages: &["mesa-vulkan-swrast", "vulkan-loader", "mesa-egl"],
    },
];

impl PackageManager {
    fn of_this_system() -> Option<&'static Self> {
        PACKAGE_MANAGERS.iter().find(|manager| program_exists(manager.program))
    }

    fn install_line<'a>(&self, packages: &[&'a str]) -> Vec<&'a str> {
        let mut line = vec![self.program];
        line.extend(self.install);
        line.extend(packages);
        line
    }

    fn refresh_line(&self) -> Option<Vec<&'static str>> {
        self.refresh.map(|arguments| {
            let mut line = vec![self.program];
            line.extend(arguments);
            line
        })
    }

    /// What to type where this program may not install anything itself.
    fn by_hand(&self, packages: &[&str]) -> String {
        self.refresh_line()
            .into_iter()
            .chain([self.install_line(packages)])
            .map(|line| format!("sudo {}", line.join(" ")))
            .collect::<Vec<_>>()
            .join(" && ")
    }
}

/// Sees to it that a Vulkan driver is there, as far as this machine lets it.
///
/// # Errors
///
/// When none is there afterwards and `IMPASTO_REQUIRE_GPU=1`. Without that variable a message
/// says what is missing and how to install it, and the tests continue.
pub fn vulkan_driver() -> Result<()> {
    let missing = vulkan::missing();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing: {}.", missing.join(" and "));

    let advice = if let Some(variable) = vulkan::choosing_variable() {
        format!(
            "{variable} chooses the driver and leads to none: unset it, or let it name a \
             driver's manifest."
        )
    } else if let Some(manager) = PackageManager::of_this_system() {
        let outcome = install(manager, manager.packages);
        if vulkan::missing().is_empty() {
            return Ok(());
        }
        let reason = outcome.map_or_else(
            |error| format!("{error:#}"),
            |()| "the packages are installed and it is missing still".to_owned(),
        );
        advice_by_hand(&reason, manager, manager.packages)
    } else {
        "No package manager known to this program was found: install Mesa's Vulkan drivers and \
         the Vulkan loader by hand."
            .to_owned()
    };

    ensure!(!gpu_is_required(), "no Vulkan driver, and IMPASTO_REQUIRE_GPU=1. {advice}");
    println!("{advice}\nThe tests that need a Vulkan driver will report themselves as skipped.");
    Ok(())
}

/// A program that tests use.
pub struct Tool {
    program: &'static str,
    /// Has this name in all of the systems above.
    package: &'static str,
    /// What is not tested without it.
    loss: &'static str,
}

/// Checks the kernels in the form that Vulkan's drivers are given.
pub const SPIRV_VALIDATOR: Tool = Tool {
    program: "spirv-val",
    package: "spirv-tools",
    loss: "The SPIR-V of the kernels will not be validated.",
};

/// Injects faults into system calls. For Linux only.
pub const STRACE: Tool = Tool {
    program: "strace",
    package: "strace",
    loss: "The tests that inject faults into system calls will report themselves as skipped.",
};

/// Checks how a program uses its memory.
pub const VALGRIND: Tool =
    Tool { program: "valgrind", package: "valgrind", loss: "Nothing will be checked." };

/// Sees to it that a program is there, as far as this machine lets it.
///
/// # Errors
///
/// When it is not there afterwards and `IMPASTO_REQUIRE_GPU=1`. Without that variable a message says how
/// to install it, and what is not tested.
pub fn tool(tool: &Tool) -> Result<()> {
    let (program, packages) = (tool.program, [tool.package]);
    if program_exists(program) {
        return Ok(());
    }
    println!("Missing: {program}.");
    let advice = match PackageManager::of_this_system() {
        Some(manager) => match install(manager, &packages) {
            Ok(()) => return Ok(()),
            Err(error) => advice_by_hand(&format!("{error:#}"), manager, &packages),
        },
        None => format!("Install {} by hand.", tool.package),
    };
    ensure!(!gpu_is_required(), "no {program}, and IMPASTO_REQUIRE_GPU=1. {advice}");
    println!("{advice}\n{}", tool.loss);
    Ok(())
}

/// Installs packages of Debian or Ubuntu.
///
/// # Errors
///
/// When this is neither, or it may not or cannot be done; the message says what to install.
pub fn debian(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    ensure!(program_exists("apt-get"), "these are missing: {names}; install them by hand");
    let by_hand = format!("by hand: sudo apt-get install --yes {names}");
    let prefix = privilege().with_context(|| by_hand.clone())?;
    // As above: the installation decides.
    if let Err(error) = execute(prefix, &["apt-get", "update"]) {
        println!("{error:#}");
    }
    let mut line = vec!["apt-get", "install", "--yes", "--no-install-recommends"];
    line.extend(packages);
    execute(prefix, &line).context(by_hand)
}

fn advice_by_hand(reason: &str, manager: &PackageManager, packages: &[&str]) -> String {
    format!("Could not install it: {reason}. By hand: {}", manager.by_hand(packages))
}

fn install(manager: &PackageManager, packages: &[&str]) -> Result<()> {
    let prefix = privilege()?;
    if let Some(line) = manager.refresh_line() {
        // One unreachable source among many fails the refresh, yet the packages may be there:
        // the installation decides.
        if let Err(error) = execute(prefix, &line) {
            println!("{error:#}");
        }
    }
    execute(prefix, &manager.install_line(packages))
}

/// What to put before a command so that it runs as the administrator, without a question.
fn privilege() -> Result<&'static [&'static str]> {
    if output_of("id", &["-u"]).is_ok_and(|id| id.trim() == "0") {
        return Ok(&[]);
    }
    ensure!(
        output_of("sudo", &["-n", "true"]).is_ok(),
        "that takes the administrator's rights, and sudo does not give them without a password"
    );
    Ok(&["sudo", "-n"])
}

fn execute(prefix: &[&str], line: &[&str]) -> Result<()> {
    // Behind sudo a variable of our own would be dropped; `env` sets it after the change of user.
    let words: Vec<&str> = prefix
        .iter()
        .chain(&["env", "DEBIAN_FRONTEND=noninteractive"])
        .chain(line)
        .copied()
        .collect();
    let shown = line.join(" ");
    println!("Running: {shown}");
    let status = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

fn output_of(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{program} failed");
    Ok(String::from_utf8(output.stdout).map_err(io::Error::other)?)
}

/// Whether a program is on the path.
pub fn program_exists(name: &str) -> bool {
    program(name).is_some()
}

/// The file of a program on the path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_says_why_and_what_to_type() {
        assert_eq!(
            advice_by_hand("no rights", &PACKAGE_MANAGERS[0], PACKAGE_MANAGERS[0].packages),
            "Could not install it: no rights. By hand: sudo apt-get update && sudo apt-get install \
             --yes --no-install-recommends mesa-vulkan-drivers libvulkan1 libegl1"
        );
    }
}
