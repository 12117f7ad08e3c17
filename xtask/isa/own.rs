//! What the driver of this machine's own GPU reports.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use impasto::gpu::Listing;

use super::compile::Shader;
use super::dump;
use super::table::{self, Table};
use super::worker::{self, Compiler, Failure};

/// Prints what the driver of this machine reports of each kernel, by the driver's own names.
///
/// # Errors
///
/// When no driver of this machine reports anything, or one refuses a kernel.
pub fn show(shaders: &[Shader], sources: &[Listing], dump: Option<&Path>) -> Result<()> {
    let outcome = match worker::compile(Compiler::Own, shaders) {
        Ok(outcome) => outcome,
        Err(Failure::Other(error)) => return Err(error),
        Err(Failure::UnknownFamily) => bail!("the driver of this machine knows no GPU"),
    };
    println!("{}, {}", outcome.driver.device, outcome.driver.version);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in outcome.kernels.iter().flatten().flat_map(|kernel| &kernel.statistics) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut table = Table::new(&[&["kernel", "subgroup"], names.as_slice()].concat());
    let mut refused = Vec::new();
    for ((shader, source), kernel) in shaders.iter().zip(sources).zip(&outcome.kernels) {
        match kernel {
            Ok(compiled) => {
                table.row(table::own_statistics(&shader.name, compiled, &names));
                if let Some(folder) = dump {
                    dump::write(folder, "own", source, compiled)?;
                }
            }
            Err(error) => refused.push(format!("{} does not compile: {error}", shader.name)),
        }
    }
    table.print();
    ensure!(refused.is_empty(), "{}", refused.join("\n"));
    Ok(())
}
