//! The contestants, and the program of each.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::results::LeftOut;
use super::vectors::Vectors;
use super::{Options, python};
use crate::workspace::Cargo;

/// A contestant: its name, where it computes, and its program.
pub struct Member {
    /// Its name in the protocol, the program's first argument.
    pub name: &'static str,
    /// Whether it computes on an adapter.
    pub gpu: bool,
    /// The program, and its arguments before the name.
    program: Vec<PathBuf>,
}

impl Member {
    fn new(name: &'static str, gpu: bool, program: &[PathBuf]) -> Self {
        Self { name, gpu, program: program.to_vec() }
    }

    /// How it is started. `threads` also for libraries that ask the environment alone. `cache` is
    /// an empty folder: with kernels that were compiled, or shapes that were found, on another day,
    /// the first epoch would not be one. `vectors` are those that it is restricted to.
    pub fn command(&self, threads: usize, vectors: Option<Vectors>, cache: &Path) -> Command {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).arg(self.name);
        command.envs(vectors.into_iter().flat_map(|vectors| vectors.variables().iter().copied()));
        for variable in
            ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]
        {
            command.env(variable, threads.to_string());
        }
        for variable in
            ["IMPASTO_CACHE", "XDG_CACHE_HOME", "MESA_SHADER_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"]
        {
            command.env(variable, cache);
        }
        command
    }
}

/// The contestants.
pub struct Roster {
    /// In the order of the tables.
    pub members: Vec<Member>,
    /// What measures the machine's rate of matrix products, where there is PyTorch.
    pub product: Option<Member>,
    /// Those that cannot.
    pub left_out: Vec<LeftOut>,
}

/// Builds Impasto and the wanted peers. A peer that cannot be had is left out.
///
/// # Errors
///
/// When Impasto does not build.
pub fn gather(cargo: &Cargo, root: &Path, options: &Options) -> Result<Roster> {
    let mut roster = Roster { members: Vec::new(), product: None, left_out: Vec::new() };
    let impasto = build_impasto(cargo)?;
    if !options.no_cpu {
        roster.members.push(Member::new("impasto-cpu", false, std::slice::from_ref(&impasto)));
    }
    if !options.no_python && !options.no_cpu {
        let folder = root.join("target/peers/python");
        let sources = root.join("xtask/peers/python");
        let requirements = sources.join("requirements.txt");
        match python::environment(&folder, &requirements, options.python.as_deref()) {
            Ok(python) => {
                let program = [python, sources.join("contestant.py")];
                for name in ["scikit-learn-float64", "scikit-learn-float32", "pytorch"] {
                    roster.members.push(Member::new(name, false, &program));
                }
                if !options.small {
                    roster.members.push(Member::new("pytorch-compiled", false, &program));
                    roster.product = Some(Member::new("matrix-product", false, &program));
                }
            }
            Err(error) => roster.leave_out("scikit-learn and PyTorch", &error),
        }
    }
    let wanted = options.burn || (options.burn_wgpu && !options.no_gpu);
    let burn = if wanted { roster.build(cargo, root, "Burn", "burn") } else { None };
    if let Some(program) = burn.as_ref().filter(|_| options.burn) {
        roster.members.push(Member::new("burn-flex", false, program));
    }
    if options.candle
        && let Some(program) = roster.build(cargo, root, "Candle", "candle")
    {
        roster.members.push(Member::new("candle", false, &program));
    }
    // An adapter is not restricted.
    if !options.no_gpu && !options.small && options.vectors.is_none() {
        roster.members.push(Member::new("impasto-gpu", true, &[impasto]));
        if let Some(program) = burn.as_ref().filter(|_| options.burn_wgpu) {
            roster.members.push(Member::new("burn-wgpu", true, program));
        }
    }
    Ok(roster)
}

impl Roster {
    /// Says that a contestant does not take part, and why.
    pub fn leave_out(&mut self, contestant: &str, error: &anyhow::Error) {
        let reason = format!("{error:#}");
        println!("Without {contestant}: {reason}");
        self.left_out.push(LeftOut { contestant: contestant.into(), reason });
    }

    /// Builds the peer in a folder of `xtask/peers`, a workspace of its own.
    fn build(
        &mut self,
        cargo: &Cargo,
        root: &Path,
        name: &str,
        folder: &str,
    ) -> Option<[PathBuf; 1]> {
        println!("Building {name}; the first time takes many minutes");
        // From its folder, so that cargo finds the settings of the peers.
        let built = cargo
            .command()
            .current_dir(root.join("xtask/peers").join(folder))
            .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
            .arg(root.join("target/peers/cargo"))
            .stdin(Stdio::null())
            .status()
            .context("cannot start `cargo build`")
            .and_then(|status| {
                ensure!(status.success(), "it does not build");
                Ok([executable(&root.join("target/peers/cargo"), "release", folder)])
            });
        built.map_err(|error| self.leave_out(name, &error)).ok()
    }
}

/// `peer-NAME` in a target folder.
fn executable(target: &Path, below: &str, name: &str) -> PathBuf {
    target.join(below).join(format!("peer-{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Builds the contestant that is Impasto: its program.
///
/// # Errors
///
/// When it does not build.
pub fn build_impasto(cargo: &Cargo) -> Result<PathBuf> {
    cargo.example("peer-impasto")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restriction_reaches_every_contestant() {
        let member = Member::new("pytorch", false, &["python".into()]);
        let variables = |vectors| -> Vec<(String, String)> {
            let command = member.command(2, vectors, Path::new("cache"));
            let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
            command
                .get_envs()
                .filter_map(|(name, value)| Some((text(name), text(value?))))
                .collect()
        };
        let (free, restricted) = (variables(None), variables(Some(Vectors::Avx2)));
        for (name, value) in Vectors::Avx2.variables() {
            assert!(!free.iter().any(|(known, _)| known == name), "{name}");
            assert!(restricted.contains(&((*name).into(), (*value).into())), "{name}");
        }
        assert!(restricted.contains(&("OMP_NUM_THREADS".into(), "2".into())));
    }
}
