//! `cargo xtask examples`: a short real run of every program in `examples/`.
//!
//! The programs are read from the folder, so a new one is run without being named here. It must
//! take `--backend`, end without an error, and print something.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::vulkan;
use crate::workspace::{Cargo, gpu_is_required, root};

/// # Errors
///
/// When an example does not build, fails, or leaves out what it should give.
pub fn run() -> Result<()> {
    let folder = root().join("examples");
    let names = example_names(&folder)?;
    ensure!(!names.is_empty(), "no examples in {}", folder.display());

    let runner = Runner {
        cargo: Cargo::checked(),
        with_gpu: gpu_is_required() || vulkan::missing().is_empty(),
    };
    if !runner.with_gpu {
        println!("No Vulkan driver: the examples are not run on the GPU engine.");
    }
    for name in &names {
        if name == "paint" {
            runner.paint()?;
        } else {
            runner.generic(name)?;
        }
    }
    Ok(())
}

/// Names of the examples in `folder`, sorted: each `NAME.rs` and each `NAME/main.rs`.
fn example_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let is_example = path.join("main.rs").is_file()
            || (path.is_file() && path.extension().is_some_and(|extension| extension == "rs"));
        if let Some(name) = path.file_stem().filter(|_| is_example) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

struct Runner {
    cargo: Cargo,
    with_gpu: bool,
}

impl Runner {
    /// Any example but `paint`: on every engine, at its own default size.
    fn generic(&self, name: &str) -> Result<()> {
        let backends = ["reference", "cpu", "gpu"];
        for backend in &backends[..if self.with_gpu { 3 } else { 2 }] {
            let printed = self.example(name, &["--backend".into(), backend.into()])?;
            ensure!(!printed.trim_ascii().is_empty(), "{name} --backend {backend} printed nothing");
        }
        Ok(())
    }

    /// `paint` at its real size takes minutes, so it paints for three epochs; on the GPU engine,
    /// where the adapter may be a processor in disguise, with a smaller network.
    fn paint(&self) -> Result<()> {
        self.paint_with(&["--backend", "cpu"])?;
        if self.with_gpu {
            self.paint_with(&["--backend", "gpu", "--hidden", "2x32"])?;
        }
        Ok(())
    }

    fn paint_with(&self, options: &[&str]) -> Result<()> {
        let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
        let painted = folder.path().join("painted.png");
        let report = folder.path().join("report.json");
        let mut arguments: Vec<OsString> = vec![
            "logo.jpg".into(),
            "--epochs".into(),
            "3".into(),
            "--output".into(),
            painted.clone().into(),
            "--report".into(),
            report.clone().into(),
            "--quiet".into(),
        ];
        arguments.extend(options.iter().map(OsString::from));
        self.example("paint", &arguments)?;

        image::open(&painted).context("paint left no picture that can be read")?;
        let written = fs::read(&report).context("paint left no report")?;
        ensure!(!written.is_empty(), "paint left an empty report");
        Ok(())
    }

    /// Runs one example, prints one line about it, and returns what it wrote to standard output.
    fn example(&self, name: &str, arguments: &[OsString]) -> Result<Vec<u8>> {
        let shown = arguments
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let program = self.cargo.example(name)?;
        let start = Instant::now();
        let output = Command::new(&program)
            .args(arguments)
            .current_dir(root())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let seconds = start.elapsed().as_secs_f64();
        if !output.status.success() {
            // Nothing can be done where even this cannot be written.
            let _ = std::io::stdout().write_all(&output.stdout);
            let _ = std::io::stderr().write_all(&output.stderr);
            bail!("{name} {shown} failed ({})", output.status);
        }
        println!("{seconds:6.1} s  {name} {shown}");
        Ok(output.stdout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_kinds_of_examples_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["second", "shared"] {
            fs::create_dir(at(path)).unwrap();
        }
        for path in ["third.rs", "first.rs", "notes.md", "second/main.rs", "shared/a.rs"] {
            fs::write(at(path), "").unwrap();
        }
        assert_eq!(example_names(folder.path()).unwrap(), ["first", "second", "third"]);
    }
}
