//! The Python environment of the peers, in `target/peers/python`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// A Python that has all that `requirements` names: `given` if it does, or one that is made in
/// `folder`, or was made there before.
///
/// # Errors
///
/// When there is no Python, or the packages cannot be had.
pub fn environment(folder: &Path, requirements: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let wanted = pins(&wanted);
    if let Some(python) = given {
        let missing = missing(python, &wanted)?;
        ensure!(missing.is_empty(), "{} does not have {}", python.display(), missing.join(", "));
        return Ok(python.to_owned());
    }
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if missing(&python, &wanted).is_ok_and(|missing| missing.is_empty()) {
        return Ok(python);
    }
    println!("Installing {} into {}", wanted.join(", "), folder.display());
    let base = ["python3", "python"]
        .into_iter()
        .find(|name| succeeds(Command::new(name).args(["-c", "import venv, ensurepip"])))
        .context(
            "there is no Python 3 with its venv module (Debian: apt-get install python3-venv)",
        )?;
    let made = succeeds(Command::new(base).args(["-m", "venv"]).arg(folder));
    ensure!(made, "`{base} -m venv {}` failed", folder.display());
    let status = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements)
        .stdin(Stdio::null())
        .status()
        .context("cannot start pip")?;
    ensure!(status.success(), "pip could not install {}: is there a network?", wanted.join(", "));
    let missing = missing(&python, &wanted)?;
    if !missing.is_empty() {
        bail!("pip installed all but {}", missing.join(", "));
    }
    Ok(python)
}

/// The lines `package==version`.
fn pins(requirements: &str) -> Vec<String> {
    let lines = requirements.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from).collect()
}

/// Those of the pins that `python` does not have.
fn missing(python: &Path, pins: &[String]) -> Result<Vec<String>> {
    const SCRIPT: &str = "
import sys
from importlib.metadata import PackageNotFoundError, version
for pin in sys.argv[1:]:
    name, wanted = pin.split('==')
    try:
        found = version(name)
    except PackageNotFoundError:
        found = None
    if found != wanted:
        print(pin)
";
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .args(pins)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", python.display()))?;
    ensure!(output.status.success(), "{} cannot list its packages", python.display());
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_pins() {
        let requirements = include_str!("../../peers/python/requirements.txt");
        let pins = pins(requirements);
        assert!(!pins.is_empty());
        assert!(pins.iter().all(|pin| pin.split("==").count() == 2), "{pins:?}");
    }

    #[test]
    fn a_python_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let requirements = folder.path().join("requirements.txt");
        std::fs::write(&requirements, "# none\nnumpy==1.0\n").unwrap();
        let absent = folder.path().join("python");
        assert!(environment(folder.path(), &requirements, Some(&absent)).is_err());
    }
}
