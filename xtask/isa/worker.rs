//! Compilation in a child process, one for each GPU.
//!
//! The driver reads the GPU to simulate from its environment, once, and ends the process if it does
//! not know that GPU. A crash of the compiler ends only the child.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::compile::Shader;
use super::disassembly::Cycles;

/// Names the folder with the work, in a child.
const FOLDER_VARIABLE: &str = "IMPASTO_ISA_WORKER";

/// Asks a child for any device of this machine.
const OWN_VARIABLE: &str = "IMPASTO_ISA_OWN";

/// Marks the start of the compiler's output about a kernel, in a child's standard error.
const MARK: &str = "impasto: compiling";

/// The driver whose compiler is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Driver {
    pub device: String,
    pub version: String,
}

/// The driver's report about a kernel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Compiled {
    pub subgroup_size: u32,
    /// Name and value, in the driver's order.
    pub statistics: Vec<(String, f64)>,
    /// Name and text: NIR, ACO's own representation, the assembly.
    pub representations: Vec<(String, String)>,
    /// What ACO thinks each instruction of the assembly takes, waiting included.
    #[serde(default)]
    pub cycles: Vec<Cycles>,
}

impl Compiled {
    /// A statistic by its name, if this version of the driver has it.
    pub fn statistic(&self, name: &str) -> Option<f64> {
        let found = self.statistics.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|&(_, value)| value)
    }

    /// Which kinds of registers did not fit, and scratch memory, in words; empty when all did.
    ///
    /// # Errors
    ///
    /// When the driver does not report them.
    pub fn spills(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for name in ["Spilled VGPRs", "Spilled SGPRs", "Scratch size"] {
            let value = self
                .statistic(name)
                .with_context(|| format!("the driver has no statistic '{name}'"))?;
            if value != 0.0 {
                found.push(format!("{name}: {value}"));
            }
        }
        Ok(found)
    }

    /// The assembly, where the driver was built with a disassembler.
    pub fn assembly(&self) -> Option<&str> {
        let found = self.representations.iter().find(|(name, _)| name.contains("Assembly"));
        found.map(|(_, text)| text.as_str())
    }
}

/// The results of a child: one for each kernel, in their order.
pub struct Outcome {
    pub driver: Driver,
    pub kernels: Vec<Result<Compiled, String>>,
}

/// Why there is no outcome.
pub enum Failure {
    /// The driver does not know the GPU.
    UnknownFamily,
    Other(anyhow::Error),
}

/// Whose compiler is used.
#[derive(Clone, Copy)]
pub enum Compiler<'a> {
    /// AMD's, of the driver of this manifest, for the GPU that it calls by this name.
    Family(&'a Path, &'a str),
    /// That of the first device of this machine whose driver reports what it made of a kernel.
    Own,
}

/// Compiles `shaders`.
///
/// The rest of the environment is passed on, so that the driver's own variables work.
pub fn compile(compiler: Compiler, shaders: &[Shader]) -> Result<Outcome, Failure> {
    start_and_read(compiler, shaders).unwrap_or_else(|error| Err(Failure::Other(error)))
}

fn start_and_read(compiler: Compiler, shaders: &[Shader]) -> Result<Result<Outcome, Failure>> {
    let folder = tempfile::Builder::new()
        .prefix("impasto-isa-")
        .tempdir()
        .context("cannot create a temporary folder")?;
    write(&folder.path().join("job.json"), &shaders)?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command
        .args(arguments())
        .env(FOLDER_VARIABLE, folder.path())
        // What comes from the cache may lack statistics.
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .stdin(Stdio::null());
    match compiler {
        Compiler::Family(icd, family) => command
            .env("VK_DRIVER_FILES", icd)
            // Its older name, the only one that older loaders know.
            .env("VK_ICD_FILENAMES", icd)
            .env("RADV_FORCE_FAMILY", family)
            // Has ACO print each instruction with its cycles.
            .env("ACO_DEBUG", aco_debug()),
        Compiler::Own => command.env(OWN_VARIABLE, "1"),
    };
    let output = command.output().context("cannot start the compiling process")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaint = said.trim().trim_start_matches("error: ");

    let path = folder.path().join("driver.json");
    if !path.exists() {
        if said.contains("Unknown family") {
            return Ok(Err(Failure::UnknownFamily));
        }
        match compiler {
            Compiler::Family(icd, family) => {
                bail!("{} gives no device for {family}: {complaint}", icd.display())
            }
            Compiler::Own => bail!("no device of this machine can be asked: {complaint}"),
        }
    }
    let driver = read(&path)?;
    let mut sayings = said.split(MARK).skip(1);
    let kernels = (0..shaders.len())
        .map(|i| {
            let saying = sayings.next().unwrap_or_default();
            let path = result_path(folder.path(), i);
            if !path.exists() {
                return Err(format!("the compiler ended ({})", output.status));
            }
            let outcome: Result<Compiled, String> =
                read(&path).unwrap_or_else(|error| Err(format!("{error:#}")));
            outcome.map(|compiled| Compiled { cycles: Cycles::parse(saying), ..compiled })
        })
        .collect();
    Ok(Ok(Outcome { driver, kernels }))
}

/// The user's own wishes, and the one for cycles.
fn aco_debug() -> String {
    let own = std::env::var("ACO_DEBUG").unwrap_or_default();
    if own.is_empty() { "perfinfo".into() } else { format!("{own},perfinfo") }
}

/// What makes this very program a worker besides the variable: of the tests, the one of that name.
fn arguments() -> &'static [&'static str] {
    if cfg!(test) { &["tests::worker", "--exact", "--ignored", "--nocapture"] } else { &[] }
}

/// The folder of the work to do, if this process is a worker.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from)
}

/// Does a worker's work.
#[cfg(target_os = "linux")]
pub fn work(folder: &Path) -> Result<()> {
    let shaders: Vec<Shader> = read(&folder.join("job.json"))?;
    let is_own = std::env::var_os(OWN_VARIABLE).is_some();
    let device = super::device::Device::open(is_own)?;
    write(&folder.join("driver.json"), &device.driver)?;
    for (i, shader) in shaders.iter().enumerate() {
        eprintln!("{MARK}");
        let outcome: Result<Compiled, String> =
            device.compile(shader).map_err(|error| format!("{error:#}"));
        write(&result_path(folder, i), &outcome)?;
    }
    Ok(())
}

/// Nothing, as the driver is for Linux.
#[cfg(not(target_os = "linux"))]
pub fn work(_folder: &Path) -> Result<()> {
    bail!("the driver with AMD's compiler is there on Linux only")
}

fn result_path(folder: &Path, i: usize) -> PathBuf {
    folder.join(format!("{i}.json"))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_vec(value)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("cannot parse {}", path.display()))
}
