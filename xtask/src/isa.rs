//! `cargo xtask isa`: kernels through AMD's compiler, on any Linux machine.
//!
//! Mesa's Vulkan driver for AMD (RADV) can stand for a GPU that is not there; its shader compiler
//! (ACO) is the one that runs where the GPU is.

mod compile;
#[cfg(target_os = "linux")]
mod device;
mod disassembly;
mod estimate;
mod icd;
mod listings;
mod table;
mod worker;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use compile::{Guarantees, Shader};
use estimate::{Chip, Estimate};
use table::Table;
use worker::{Compiled, Failure, Outcome};

/// The GPUs that are asked for without `--family`: RDNA 2, RDNA 3, GCN 5.
const FAMILIES: [&str; 3] = ["NAVI21", "NAVI31", "VEGA10"];

/// A kernel as one dispatch of a training step uses it.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub name: String,
    pub wgsl: String,
    /// Pipeline-overridable constants.
    pub constants: Vec<(String, f64)>,
    pub workgroups: [u32; 3],
    /// Of a dispatch: additions and multiplications.
    pub flops: f64,
    /// Of a dispatch: what must be read and written at least.
    pub bytes: f64,
    /// How often a step dispatches it; 0 for one that it does not use.
    pub dispatches: u32,
    /// How often a loop runs, by its depth in the compiled kernel, outermost first.
    pub trips: Vec<f64>,
}

const ABOUT: &str = "\
Compile kernels with AMD's shader compiler (ACO), and tell registers, occupancy and a time.

It needs Linux and Mesa's Vulkan driver for AMD, but no GPU. --family is passed to the driver as
RADV_FORCE_FAMILY, for example NAVI21 (RX 6800, 6900), NAVI31 (RX 7900), VEGA10, NAVI10, POLARIS10.
Mesa 22 knows NAVI31 by its older name GFX1100, which is tried too. Variables of the driver, such as
RADV_PERFTEST=cswave32, are passed on.

The driver's manifest is the one given with --icd; else the first radeon_icd*.json in
VK_DRIVER_FILES or VK_ICD_FILENAMES, else in vulkan/icd.d of XDG_DATA_DIRS, /usr/local/share,
/usr/share, /etc. A driver that is unpacked elsewhere may also need LD_LIBRARY_PATH.

Without --wgsl, every kernel of the engine is compiled as a training step of a 2 -> 10x100 -> 3
network dispatches it.";

const COLUMNS: &str = "\
Columns: `wave` lanes of a wave; `VGPR`, `SGPR` vector and scalar registers; `spill V`, `spill S`
those that did not fit; `LDS` bytes of workgroup memory; `scratch` bytes a wave needs for what is in
no register; `waves/SIMD` how many fit at once, as the driver counts: on RDNA there are 16 places,
and half as many fit as it says where waves have 64 lanes (the estimate's `fit` knows); `instr`,
`VALU` instructions, and those of the vector unit. `loop:ops` operations of the innermost loop with
the most multiply-adds (a pair that RDNA 3 issues at once is two), `fma` the share of them that
multiplies and adds, `vmem`, `lds`, `smem` the loads in it, by kind. `latency`, `inv.thr.` cycles as
the driver estimates them: of one wave from start to end, and from one wave of 64 lanes to the next
on a full SIMD. For these it takes loops to run 8, 32, 64... times by their depth, whatever they do,
and does not count the width of memory accesses.

Estimate, for each dispatch: its `times` in a step, its `waves`, those on the fullest SIMD, how many
`fit` there at once, and in microseconds the largest of
  busy     what keeps the busiest part of the fullest SIMD (VALU, scalar, VMEM, LDS) occupied
  latency  rounds of waves that fit at once, times what one takes from start to end
  memory   bytes of the dispatch through the memory's bandwidth
with the trip counts of the kernel's loops and both sides of every branch. It knows nothing of cache
misses, bank conflicts, launching (some microseconds a dispatch) and barriers between dispatches. It
tells kernels apart; it does not foretell a stopwatch. Beside it the roofline: the larger of
operations over the GPU's peak and bytes over its bandwidth.";

#[derive(Args)]
#[command(about = "Compile kernels for AMD's GPUs, none of which need be there", long_about = ABOUT,
          after_long_help = COLUMNS)]
pub struct Options {
    /// A WGSL file with a compute entry point `main` [default: the kernels of the engine]
    #[arg(long, value_name = "FILE")]
    wgsl: Vec<PathBuf>,
    /// WGSL put before each of the files
    #[arg(long, value_name = "FILE", requires = "wgsl")]
    shared: Vec<PathBuf>,
    /// Sets a pipeline-overridable constant of the files
    #[arg(long, value_name = "NAME=VALUE", requires = "wgsl", value_parser = parse_constant)]
    constant: Vec<(String, f64)>,
    /// Workgroups of the dispatch, for an estimate of its time
    #[arg(long, value_name = "X,Y,Z", requires = "wgsl", value_delimiter = ',', num_args = 1..=3)]
    workgroups: Vec<u32>,
    /// How often loops run, by their depth, outermost first, for that estimate
    #[arg(long, value_name = "N,N,...", requires = "workgroups", value_delimiter = ',')]
    trips: Vec<f64>,
    /// Additions and multiplications of the dispatch, for the roofline
    #[arg(long, value_name = "NUMBER", requires = "workgroups", default_value_t = 0.0)]
    flops: f64,
    /// Bytes that the dispatch reads and writes, for the roofline
    #[arg(long, value_name = "NUMBER", requires = "workgroups", default_value_t = 0.0)]
    bytes: f64,
    /// Samples in a step, for the kernels of the engine
    #[arg(long, value_name = "SAMPLES", default_value_t = 1000, conflicts_with = "wgsl",
          value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// The GPU, as Mesa calls it [default: NAVI21, NAVI31 and VEGA10]
    #[arg(long, value_name = "NAME")]
    family: Vec<String>,
    /// The driver's manifest (radeon_icd*.json) [default: searched]
    #[arg(long, value_name = "FILE")]
    icd: Option<PathBuf>,
    /// Compile in what wgpu checks unless told to trust a kernel: indices into arrays of fixed
    /// size, loops that end; and zero the workgroup memory
    #[arg(long)]
    checked: bool,
    /// Write NIR, ACO's representation, the assembly and all statistics into this folder
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

/// # Errors
///
/// When the driver or a file is missing, or a kernel does not compile.
pub fn run(options: &Options) -> Result<()> {
    if let Some(folder) = worker::folder() {
        return worker::work(&folder);
    }
    let icd = icd::find(options.icd.as_deref())?;
    let listings = if options.wgsl.is_empty() {
        listings::listings(options.batch)?
    } else {
        from_files(options)?
    };
    let guarantees = if options.checked { Guarantees::Checked } else { Guarantees::None };
    let kernels = Kernels::new(listings, guarantees)?;
    let families: Vec<&str> = if options.family.is_empty() {
        FAMILIES.to_vec()
    } else {
        options.family.iter().map(String::as_str).collect()
    };
    let mut all_compiled = true;
    for family in families {
        let named = !options.family.is_empty();
        all_compiled &= kernels.show(&icd, family, named, options.dump.as_deref())?;
    }
    ensure!(all_compiled, "not every kernel compiled");
    Ok(())
}

fn from_files(options: &Options) -> Result<Vec<Listing>> {
    let shared = options.shared.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let workgroups = |i: usize| options.workgroups.get(i).copied().unwrap_or(1);
    let listing = |path: &PathBuf| {
        Ok(Listing {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            wgsl: [shared.as_slice(), &[read(path)?]].concat().join("\n"),
            constants: options.constant.clone(),
            workgroups: [workgroups(0), workgroups(1), workgroups(2)],
            flops: options.flops,
            bytes: options.bytes,
            dispatches: u32::from(!options.workgroups.is_empty()),
            trips: options.trips.clone(),
        })
    };
    options.wgsl.iter().map(listing).collect()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Kernels translated for the driver.
struct Kernels {
    listings: Vec<Listing>,
    /// Those of the listings that differ as text or in constants.
    shaders: Vec<Shader>,
    /// Of each listing, its shader.
    shader_of: Vec<usize>,
}

impl Kernels {
    fn new(listings: Vec<Listing>, guarantees: Guarantees) -> Result<Self> {
        let mut shaders = Vec::new();
        let mut shader_of = Vec::new();
        let mut known: Vec<&Listing> = Vec::new();
        for listing in &listings {
            let same = |other: &&Listing| {
                other.wgsl == listing.wgsl && other.constants == listing.constants
            };
            let Listing { name, wgsl, constants, .. } = listing;
            if let Some(position) = known.iter().position(same) {
                let shader: &mut Shader = &mut shaders[position];
                shader.name = common_words(&shader.name, name);
                shader_of.push(position);
                continue;
            }
            shader_of.push(shaders.len());
            shaders.push(compile::compile(name, wgsl, constants, guarantees)?);
            known.push(listing);
        }
        Ok(Self { listings, shaders, shader_of })
    }

    /// Prints the tables of one GPU; false where a kernel did not compile.
    ///
    /// A GPU that the driver does not know is an error where the user has named it.
    fn show(&self, icd: &Path, family: &str, named: bool, dump: Option<&Path>) -> Result<bool> {
        let Some(outcome) = compile_for(icd, family, &self.shaders)? else {
            ensure!(!named, "{} knows no GPU of the name {family}", icd.display());
            println!("{family}: unknown to this driver; a newer Mesa may know it (--icd)\n");
            return Ok(true);
        };
        println!("{family}: {}, {}", outcome.driver.device, outcome.driver.version);
        let mut table = Table::new(&table::STATISTICS);
        let mut notes = Vec::new();
        let mut all_compiled = true;
        for (shader, kernel) in self.shaders.iter().zip(&outcome.kernels) {
            match kernel {
                Ok(compiled) => {
                    table.row(table::statistics(&shader.name, compiled));
                    let spills = compiled.spills()?;
                    if !spills.is_empty() {
                        notes.push(format!("{} spills: {}", shader.name, spills.join(", ")));
                    }
                    if let Some(folder) = dump {
                        write_dump(folder, family, &shader.name, compiled)?;
                    }
                }
                Err(error) => {
                    notes.push(format!("{} does not compile: {error}", shader.name));
                    all_compiled = false;
                }
            }
        }
        table.print();
        for note in &notes {
            println!("{note}");
        }
        if self.listings.iter().any(|listing| listing.dispatches > 0) {
            match estimate::chip(family) {
                Some(chip) => self.show_estimates(chip, &outcome),
                None => println!("No estimate: clock and size of this GPU are not in the table."),
            }
        }
        println!();
        Ok(all_compiled)
    }

    fn show_estimates(&self, chip: &Chip, outcome: &Outcome) {
        println!("\n{}", table::chip(chip));
        let mut table = Table::new(&table::ESTIMATES);
        let mut step = table::Step::default();
        for (listing, &shader) in self.listings.iter().zip(&self.shader_of) {
            if listing.dispatches == 0 {
                continue;
            }
            let Some(Ok(compiled)) = outcome.kernels.get(shader) else { continue };
            let size = self.shaders[shader].workgroup_size;
            if let Some(estimate) = Estimate::new(chip, listing, size, compiled) {
                step.add(listing, &estimate);
                table.row(table::estimate(listing, &estimate));
            }
        }
        table.row(step.row());
        table.print();
    }
}

/// The words with which both names begin; `a` if there are none.
fn common_words(a: &str, b: &str) -> String {
    let words = a.split(' ').zip(b.split(' ')).take_while(|(a, b)| a == b);
    let common = words.map(|(word, _)| word).collect::<Vec<_>>().join(" ");
    if common.is_empty() { a.into() } else { common }
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

/// Writes `KERNEL.FAMILY.REPRESENTATION.txt` for each representation, and the statistics.
fn write_dump(folder: &Path, family: &str, name: &str, compiled: &Compiled) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let lines: Vec<_> =
        compiled.statistics.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let statistics = lines.join("\n");
    let mut texts = vec![("statistics".to_owned(), statistics.as_str())];
    for (title, text) in &compiled.representations {
        texts.push((file_name(title).to_lowercase(), text));
    }
    for (title, text) in texts {
        let path = folder.join(format!("{}.{family}.{title}.txt", file_name(name)));
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The words of a title, joined.
fn file_name(title: &str) -> String {
    let title = title.replace("(s)", "s");
    let words = title.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::workspace::gpu_is_required;

    /// More registers than there are: an array of 300, of which any element may be meant.
    const HUNGRY: &str = "
@group(0) @binding(0) var<storage, read> numbers: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var held: array<f32, 300>;
    for (var i = 0u; i < 300u; i++) { held[i] = numbers[id.x * 300u + i]; }
    for (var i = 0u; i < 300u; i++) { held[u32(numbers[i]) % 300u] += held[i] * 2.0; }
    out[id.x] = held[u32(numbers[id.x]) % 300u];
}
";

    /// Not a test: what the others start as a child process, since they cannot start the chore.
    #[test]
    #[ignore = "does the work of the others"]
    fn worker() {
        if let Some(folder) = worker::folder() {
            worker::work(&folder).unwrap();
        }
    }

    /// The driver's manifest; `None` is a reason to skip the test.
    fn icd() -> Option<PathBuf> {
        match icd::find(None) {
            Ok(icd) => Some(icd),
            Err(error) => {
                assert!(!gpu_is_required(), "IMPASTO_REQUIRE_GPU is set, but {error:#}");
                eprintln!("SKIPPED: {error:#}");
                None
            }
        }
    }

    /// Calls `check` with what each of the GPUs' compilers makes of the kernels.
    fn on_every_family(kernels: &Kernels, check: impl Fn(&str, &Shader, &Compiled)) {
        let Some(icd) = icd() else { return };
        let mut known = 0;
        for family in FAMILIES {
            let Some(outcome) = compile_for(&icd, family, &kernels.shaders).unwrap() else {
                eprintln!("SKIPPED on {family}, which this driver does not know");
                continue;
            };
            known += 1;
            assert_eq!(outcome.kernels.len(), kernels.shaders.len());
            for (shader, kernel) in kernels.shaders.iter().zip(&outcome.kernels) {
                let named = |error| format!("{} on {family}: {error}", shader.name);
                check(family, shader, kernel.as_ref().map_err(named).unwrap());
            }
        }
        assert!(known > 0, "the driver {} knows none of {FAMILIES:?}", icd.display());
    }

    #[test]
    fn no_kernel_of_the_engine_spills() {
        for guarantees in [Guarantees::None, Guarantees::Checked] {
            let kernels = Kernels::new(listings::listings(1000).unwrap(), guarantees).unwrap();
            assert!(kernels.shaders.len() > 10);
            on_every_family(&kernels, |family, shader, compiled| {
                let spills = compiled.spills().unwrap();
                assert!(spills.is_empty(), "{} on {family}: {}", shader.name, spills.join(", "));
            });
        }
    }

    #[test]
    fn a_kernel_that_spills_is_noticed() {
        let listing = Listing { name: "hungry".into(), wgsl: HUNGRY.into(), ..Listing::default() };
        let kernels = Kernels::new(vec![listing], Guarantees::None).unwrap();
        on_every_family(&kernels, |family, _, compiled| {
            assert!(!compiled.spills().unwrap().is_empty(), "on {family}");
        });
    }

    /// What the estimate is made of is there. Another version of the driver may print it
    /// otherwise, and an estimate is worth no failure where nothing is required.
    #[test]
    fn every_instruction_has_its_cycles() {
        let kernels = Kernels::new(listings::listings(1000).unwrap(), Guarantees::None).unwrap();
        on_every_family(&kernels, |family, shader, compiled| {
            let assembly = disassembly::Assembly::parse(compiled.assembly().unwrap_or_default());
            let counted = Some(compiled.cycles.len() as f64);
            let complete = !assembly.instructions.is_empty()
                && assembly.align(&compiled.cycles).is_some()
                && compiled.statistic("Instructions") == counted
                && (assembly.hottest_loop().is_some() || !shader.name.starts_with("matmul"));
            if !complete {
                let name = &shader.name;
                assert!(!gpu_is_required(), "{name} on {family}: the cycles do not match");
                eprintln!("SKIPPED: {name} on {family}: the driver's cycles are not understood");
            }
        });
    }

    #[test]
    fn constants_are_parsed() {
        assert_eq!(parse_constant("TILE=8").unwrap(), ("TILE".into(), 8.0));
        assert_eq!(parse_constant("on=true").unwrap(), ("on".into(), 1.0));
        assert!(parse_constant("TILE").is_err());
        assert!(parse_constant("TILE=x").is_err());
    }

    #[test]
    fn the_engine_takes_its_step_in_80_dispatches() {
        let listings = listings::listings(1000).unwrap();
        assert_eq!(listings.iter().map(|listing| listing.dispatches).sum::<u32>(), 80);
    }

    #[test]
    fn shapes_of_one_kernel_are_compiled_once() {
        assert_eq!(common_words("matmul 1x2x3", "matmul 4x5x6"), "matmul");
        assert_eq!(common_words("a", "b"), "a");
        let kernels = Kernels::new(listings::listings(10).unwrap(), Guarantees::None).unwrap();
        let named =
            |name: &str| kernels.shaders.iter().filter(|shader| shader.name == name).count();
        assert_eq!(named("matmul"), 1);
    }
}
