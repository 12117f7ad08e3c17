//! `cargo xtask isa`: kernels through AMD's compiler, on any Linux machine.

mod compile;
#[cfg(target_os = "linux")]
mod device;
mod disassembly;
mod icd;
mod table;
mod worker;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use compile::{Guarantees, Shader};
use table::Table;
use worker::{Compiled, Failure, Outcome};

/// The GPUs that are asked for without `--family`: RDNA 2, RDNA 3, GCN 5.
const FAMILIES: [&str; 3] = ["NAVI21", "NAVI31", "VEGA10"];

#[derive(Args)]
pub struct Options {
    /// A WGSL file with a compute entry point `main`
    #[arg(long, value_name = "FILE")]
    wgsl: Vec<PathBuf>,
    /// WGSL put before every file
    #[arg(long, value_name = "FILE")]
    shared: Vec<PathBuf>,
    /// Sets a pipeline-overridable constant of the file
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_constant)]
    constant: Vec<(String, f64)>,
    /// The GPU, as Mesa calls it [default: NAVI21, NAVI31 and VEGA10]
    #[arg(long, value_name = "NAME")]
    family: Vec<String>,
    /// The driver's manifest (radeon_icd*.json) [default: searched]
    #[arg(long, value_name = "FILE")]
    icd: Option<PathBuf>,
    /// Compile in what wgpu checks unless told to trust a kernel
    #[arg(long)]
    checked: bool,
    /// Write assembly, ACO's representation and all statistics into this folder
    #[arg(long, value_name = "FOLDER")]
    dump: Option<PathBuf>,
}

fn parse_constant(text: &str) -> Result<(String, f64)> {
    let (name, value) = text.split_once('=').context("not of the form NAME=VALUE")?;
    let value = match value.trim() {
        "true" => 1.0,
        "false" => 0.0,
        number => number.parse().with_context(|| format!("'{number}' is no number"))?,
    };
    Ok((name.trim().to_owned(), value))
}

pub fn run(options: &Options) -> Result<()> {
    if let Some(folder) = worker::folder() {
        return worker::work(&folder);
    }
    let icd = icd::find(options.icd.as_deref())?;
    let guarantees = if options.checked { Guarantees::Checked } else { Guarantees::None };
    let mut shaders = Vec::new();
    let shared = options.shared.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    for path in &options.wgsl {
        let text = [shared.as_slice(), &[read(path)?]].concat().join("\n");
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        shaders.push(compile::compile(&name, &text, &options.constant, guarantees)?);
    }
    let families: Vec<&str> = if options.family.is_empty() {
        FAMILIES.to_vec()
    } else {
        options.family.iter().map(String::as_str).collect()
    };
    let mut all_compiled = true;
    for family in families {
        all_compiled &= show(&icd, family, &shaders, options.dump.as_deref())?;
    }
    ensure!(all_compiled, "not every kernel compiled");
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Mesa's older name of a GPU, from before it was sold.
fn alias(family: &str) -> Option<&'static str> {
    match family {
        "NAVI31" => Some("GFX1100"),
        "NAVI32" => Some("GFX1101"),
        "NAVI33" => Some("GFX1102"),
        _ => None,
    }
}

/// Compiles for one GPU; `None` where this version of the driver does not know it.
fn compile_for(icd: &Path, family: &str, shaders: &[Shader]) -> Result<Option<Outcome>> {
    for name in std::iter::once(family).chain(alias(family)) {
        match worker::compile(icd, name, shaders) {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(Failure::UnknownFamily) => {}
            Err(Failure::Other(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Prints the table of one GPU; false where a kernel did not compile.
fn show(icd: &Path, family: &str, shaders: &[Shader], dump: Option<&Path>) -> Result<bool> {
    let Some(outcome) = compile_for(icd, family, shaders)? else {
        println!("{family}: unknown to this driver; a newer Mesa has it (see --icd)\n");
        return Ok(true);
    };
    println!("{family}: {}, {}", outcome.driver.device, outcome.driver.version);
    let mut table = Table::new(&table::STATISTICS);
    let mut failures = Vec::new();
    for (shader, kernel) in shaders.iter().zip(&outcome.kernels) {
        match kernel {
            Ok(compiled) => {
                table.row(table::statistics(&shader.name, compiled));
                if let Some(folder) = dump {
                    write_dump(folder, family, &shader.name, compiled)?;
                }
            }
            Err(error) => failures.push(format!("{}: {error}", shader.name)),
        }
    }
    table.print();
    for failure in &failures {
        println!("{failure}");
    }
    println!();
    Ok(failures.is_empty())
}

/// Writes `KERNEL.FAMILY.REPRESENTATION.txt` for each representation, and the statistics.
fn write_dump(folder: &Path, family: &str, name: &str, compiled: &Compiled) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let statistics: String =
        compiled.statistics.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let mut texts = vec![("statistics".to_owned(), statistics.as_str())];
    for (title, text) in &compiled.representations {
        let words: Vec<_> =
            title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        texts.push((words.join("-").to_lowercase(), text));
    }
    for (title, text) in texts {
        let path = folder.join(format!("{name}.{family}.{title}.txt"));
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
