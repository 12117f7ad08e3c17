//! `impasto completions` and `impasto man`: what a shell and `man` need of the command line.

use crate::output;
use crate::paint::streams::is_standard;
use clap::{Command, Parser};
use clap_complete::Shell;
use impasto::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Print the completions of a shell
///
/// For bash: impasto completions bash > ~/.local/share/bash-completion/completions/impasto
#[derive(Clone, Debug, Parser)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Write the manual pages, impasto.1 and one for each subcommand, to a folder
///
/// man -l FOLDER/impasto.1 shows one.
#[derive(Clone, Debug, Parser)]
pub struct Manual {
    /// The folder, which is created if it is missing
    pub folder: PathBuf,
}

/// Prints the completions.
pub fn complete(options: &Completions, command: &mut Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "impasto", &mut script);
    output::write(Path::new("-"), &script)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages.
pub fn write(options: &Manual, command: &Command) -> Result<ExitCode> {
    let folder = &options.folder;
    if is_standard(folder) {
        return Err(Error::Setting(
            "the pages are files in a folder, which standard output is not: name a folder".into(),
        ));
    }
    let failed = |source| Error::File { action: "create", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = command.clone();
    command.build();
    page(folder, &command, "impasto")?;
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        page(folder, subcommand, &format!("impasto-{}", subcommand.get_name()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of that name.
fn page(folder: &Path, command: &Command, name: &str) -> Result<()> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone());
    let path = folder.join(format!("{name}.1"));
    page.render(&mut text).map_err(|source| Error::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    output::write(&path, &text)
}
