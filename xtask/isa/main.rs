//! `cargo xtask isa`: the kernels through AMD's compiler, on any Linux machine.
//!
//! Mesa's Vulkan driver for AMD (RADV) can simulate a GPU that is absent. Its shader compiler (ACO)
//! is the one that machines with such a GPU use.
//!
//! The program is an example of the package `xtask`, so that only this command builds the library and
//! a translator of shaders.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should stop"))]

mod compile;
#[cfg(target_os = "linux")]
mod device;
mod disassembly;
mod dump;
mod estimate;
mod icd;
mod own;
mod table;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use impasto::gpu::{Dispatch, Listing, listings, mixed_listings, other_listings, packed_listings};
use impasto::{Activation, Loss, Network, Optimizer, Plan, Wrappers};

use compile::{Shader, Trust};
use estimate::{Chip, Estimate};
use table::Table;
use worker::{Compiler, Failure, Outcome};

/// The GPUs that are asked for without `--family`: RDNA 2, RDNA 3, GCN 5.
const FAMILIES: [&str; 3] = ["NAVI21", "NAVI31", "VEGA10"];

/// Those of them that multiply matrices: RDNA 3.
const WITH_MATRICES: [&str; 1] = ["NAVI31"];

const ABOUT: &str = "\
Compile kernels with AMD's shader compiler (ACO), and report registers, occupancy and a time.

It needs Linux and Mesa's Vulkan driver for AMD, but no GPU. --family is passed to the driver as
RADV_FORCE_FAMILY, for example NAVI21 (RX 6800, 6900), NAVI31 (RX 7900), VEGA10, NAVI10, POLARIS10.
Mesa 22 knows NAVI31 by its older name GFX1100, which is tried too. Variables of the driver, such as
RADV_PERFTEST=cswave32, are passed on. Mesa 26.1 has no RADV_FORCE_FAMILY any more: use an older one.

The driver's manifest is the one given with --icd; else the first radeon_icd*.json in
VK_DRIVER_FILES or VK_ICD_FILENAMES, else in vulkan/icd.d of XDG_DATA_DIRS, /usr/local/share,
/usr/share, /etc. A driver that is unpacked elsewhere may also need LD_LIBRARY_PATH.

With --own, the compiler is that of the first device of this machine whose driver has
VK_KHR_pipeline_executable_properties, and the columns are those that it has.

Without --wgsl, the kernels of the engine are compiled: first those of a training step of a
2 -> 10x100 -> 3 network (ReLU, a sigmoid at the end, squared error, Adam), in the shapes that are
taken unmeasured, then the same with f16 in storage, then all others, then those of mixed precision for
GPUs that multiply matrices.";

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

Estimate, for each dispatch: its `waves`, those on the fullest SIMD, how many `fit` there at once,
and in microseconds the largest of
  busy     what keeps the busiest part of the fullest SIMD (VALU, scalar, VMEM, LDS) occupied
  latency  rounds of waves that fit at once, times what one takes from start to end
  memory   bytes of the dispatch through the memory's bandwidth
with the trip counts of the loops that multiply (others run once) and both sides of every branch. It
knows nothing of cache misses, bank conflicts, launching (some microseconds a dispatch) and barriers
between dispatches. It compares kernels; it does not predict measured times. Beside it the roofline:
the larger of operations over the GPU's peak and bytes over its bandwidth.";

#[derive(Parser)]
#[command(bin_name = "cargo xtask isa", about = "Compile kernels for AMD's GPUs, none of which need be there", long_about = ABOUT,
          after_long_help = COLUMNS)]
struct Options {
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
    /// How often the loops that multiply run, outermost first, for that estimate
    #[arg(long, value_name = "N,N,...", requires = "workgroups", value_delimiter = ',')]
    trips: Vec<f64>,
    /// Additions and multiplications of the dispatch, for the roofline
    #[arg(long, value_name = "NUMBER", requires = "workgroups", default_value_t = 0.0)]
    flops: f64,
    /// Bytes that the dispatch reads and writes, for the roofline
    #[arg(long, value_name = "NUMBER", requires = "workgroups", default_value_t = 0.0)]
    bytes: f64,
    /// Samples in a step, for the kernels of the engine
    #[arg(long, value_name = "SAMPLES", default_value_t = 200, conflicts_with = "wgsl",
          value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    batch: u32,
    /// Compile every shape that is tried on a GPU
    #[arg(long, conflicts_with = "wgsl")]
    all_shapes: bool,
    /// The GPU, as Mesa calls it [default: NAVI21, NAVI31 and VEGA10]
    #[arg(long, value_name = "NAME")]
    family: Vec<String>,
    /// The driver's manifest (radeon_icd*.json) [default: searched]
    #[arg(long, value_name = "FILE")]
    icd: Option<PathBuf>,
    /// Compile with the driver of a GPU of this machine instead, and print what it reports
    #[arg(long, conflicts_with_all = ["family", "icd"])]
    own: bool,
    /// Compile into every kernel the checks of wgpu for kernels that are not trusted: indices into
    /// arrays of fixed size, loops that end
    #[arg(long)]
    checked: bool,
    /// Write the WGSL, NIR, ACO's representation, the assembly and all statistics into this folder
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

fn main() -> ExitCode {
    let outcome = match worker::folder() {
        Some(folder) => worker::work(&folder),
        None => run(&Options::parse()),
    };
    // Returned from `main`, an error would bring a stack trace where RUST_BACKTRACE is set, and
    // none of these errors is a fault of this program.
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut kernels = Kernels::default();
    let mut matrices = Kernels::default();
    if options.wgsl.is_empty() {
        let network = network()?;
        for step in mixed_listings(&network, &plan(options.batch))? {
            matrices.add_step(step, options.checked)?;
        }
        let shapes = if options.all_shapes { usize::MAX } else { 1 };
        for step in listings(&network, &plan(options.batch))?.into_iter().take(shapes) {
            kernels.add_step(step, options.checked)?;
        }
        for step in packed_listings(&network, &plan(options.batch))?.into_iter().take(shapes) {
            kernels.add_step(step, options.checked)?;
        }
        kernels.add(other_listings(&network)?, options.checked)?;
    } else {
        kernels.add_step(from_files(options)?, options.checked)?;
    }
    if options.own {
        return own::show(&kernels.shaders, &kernels.sources, options.dump.as_deref());
    }
    let icd = icd::find(options.icd.as_deref())?;
    let families: Vec<&str> = if options.family.is_empty() {
        FAMILIES.to_vec()
    } else {
        options.family.iter().map(String::as_str).collect()
    };
    let mut all_compiled = true;
    for family in families {
        let named = !options.family.is_empty();
        all_compiled &= kernels.show(&icd, family, named, options.dump.as_deref())?;
        if WITH_MATRICES.contains(&family.to_uppercase().as_str()) && !matrices.shaders.is_empty() {
            all_compiled &= matrices.show(&icd, family, named, options.dump.as_deref())?;
        }
    }
    ensure!(all_compiled, "not every kernel compiled");
    Ok(())
}

/// The network that kernels are judged by.
fn network() -> Result<Network> {
    let network = Network::builder(2)
        .hidden(&[100; 10], Activation::Relu)
        .output(3, Activation::Sigmoid)
        .build()?;
    Ok(network)
}

/// How it is trained.
fn plan(batch: u32) -> Plan {
    Plan {
        loss: Loss::MeanSquaredError,
        optimizer: Optimizer::ADAM,
        l2: 0.0,
        batch_size: batch as usize,
        shuffle: Some(0),
        seed: 0,
        wrappers: Wrappers::default(),
    }
}

fn from_files(options: &Options) -> Result<Vec<Listing>> {
    let shared = options.shared.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let workgroups = |i: usize| options.workgroups.get(i).copied().unwrap_or(1);
    let dispatch = (!options.workgroups.is_empty()).then(|| Dispatch {
        workgroups: [workgroups(0), workgroups(1), workgroups(2)],
        flops: options.flops,
        bytes: options.bytes,
        trips: vec![options.trips.clone()],
    });
    let listing = |path: &PathBuf| {
        Ok(Listing {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            wgsl: [shared.as_slice(), &[read(path)?]].concat().join("\n"),
            constants: options.constant.clone(),
            trusted: true,
            dispatch: dispatch.clone(),
        })
    };
    options.wgsl.iter().map(listing).collect()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Kernels translated for the driver.
#[derive(Default)]
struct Kernels {
    /// Each text once.
    shaders: Vec<Shader>,
    /// What each of the shaders was translated from.
    sources: Vec<Listing>,
    /// Of each training step its dispatches, and their shaders.
    steps: Vec<Vec<(Listing, usize)>>,
}

impl Kernels {
    fn add_step(&mut self, listings: Vec<Listing>, checked: bool) -> Result<()> {
        let shaders = self.add(listings.clone(), checked)?;
        self.steps.push(listings.into_iter().zip(shaders).collect());
        Ok(())
    }

    /// Translates what is not there yet, and returns the shader of each listing.
    fn add(&mut self, listings: Vec<Listing>, checked: bool) -> Result<Vec<usize>> {
        let mut places = Vec::new();
        for listing in listings {
            let same = |known: &Listing| {
                known.wgsl == listing.wgsl && known.constants == listing.constants
            };
            let place = self.sources.iter().position(same).unwrap_or(self.sources.len());
            if place == self.sources.len() {
                let Listing { name, wgsl, constants, trusted, .. } = &listing;
                let trust = if checked || !trusted { Trust::Checks } else { Trust::Trusts };
                self.shaders.push(compile::compile(name, wgsl, constants, trust)?);
                self.sources.push(listing);
            }
            places.push(place);
        }
        Ok(places)
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
        for (i, kernel) in outcome.kernels.iter().enumerate() {
            let (shader, source) = (&self.shaders[i], &self.sources[i]);
            match kernel {
                Ok(compiled) => {
                    // A kernel can differ with the shape of another, and need the same.
                    table.new_row(table::statistics(&shader.name, compiled));
                    let spills = compiled.spills()?;
                    if !spills.is_empty() {
                        notes.push(format!("{} spills: {}", shader.name, spills.join(", ")));
                    }
                    if let Some(folder) = dump {
                        dump::write(folder, family, source, compiled)?;
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
        if self.steps.iter().flatten().any(|(listing, _)| listing.dispatch.is_some()) {
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
        for dispatches in &self.steps {
            let mut step = table::Step::default();
            for (listing, shader) in dispatches {
                let Some(dispatch) = &listing.dispatch else { continue };
                let Some(Ok(compiled)) = outcome.kernels.get(*shader) else { continue };
                let size = self.shaders[*shader].workgroup_size;
                if let Some(estimate) = Estimate::new(chip, dispatch, size, compiled) {
                    step.add(&estimate);
                    table.row(table::estimate(&listing.name, &estimate));
                }
            }
            table.row(step.row());
        }
        table.print();
    }
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
        match worker::compile(Compiler::Family(icd, name), shaders) {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(Failure::UnknownFamily) => {}
            Err(Failure::Other(error)) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use impasto::Encoding;

    use super::worker::Compiled;
    use super::*;

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

    /// Whether a missing driver is an error: `IMPASTO_REQUIRE_GPU` set to anything but 0.
    fn gpu_is_required() -> bool {
        std::env::var_os("IMPASTO_REQUIRE_GPU")
            .is_some_and(|value| !value.is_empty() && value != "0")
    }

    /// Not a test: what the others start as a child process, since they cannot start the chore.
    #[test]
    #[ignore = "does the work of the others"]
    fn worker() {
        if let Some(folder) = worker::folder() {
            worker::work(&folder).unwrap();
        }
    }

    /// Reports it on standard error, which is shown even if the test passes.
    fn skipped(why: &str) {
        let _ = writeln!(std::io::stderr(), "SKIPPED, not checked by AMD's compiler: {why}");
    }

    /// The driver's manifest; `None` is a reason to skip the test.
    fn icd() -> Option<PathBuf> {
        match icd::find(None) {
            Ok(icd) => Some(icd),
            Err(error) => {
                assert!(!gpu_is_required(), "IMPASTO_REQUIRE_GPU is set, but {error:#}");
                skipped(&format!("{error:#}"));
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
                skipped(&format!("this driver does not know {family}"));
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

    /// The kernels of a step in every shape that is tried, and all others.
    fn every_kernel(network: &Network, plan: &Plan) -> Kernels {
        let mut kernels = Kernels::default();
        for step in listings(network, plan).unwrap() {
            kernels.add_step(step, false).unwrap();
        }
        for step in packed_listings(network, plan).unwrap() {
            kernels.add_step(step, false).unwrap();
        }
        kernels.add(other_listings(network).unwrap(), false).unwrap();
        kernels
    }

    fn no_kernel_spills(network: &Network, plan: &Plan) {
        let kernels = every_kernel(network, plan);
        assert!(kernels.steps.len() > 1 && kernels.shaders.len() > 20);
        on_every_family(&kernels, |family, shader, compiled| {
            let spills = compiled.spills().unwrap();
            assert!(spills.is_empty(), "{} on {family}: {}", shader.name, spills.join(", "));
        });
    }

    #[test]
    fn no_kernel_of_the_engine_spills() {
        no_kernel_spills(&network().unwrap(), &plan(200));
    }

    /// What is longest: as wide as can be, an encoding, several activations, softmax.
    #[test]
    fn no_kernel_of_an_unusual_network_spills() {
        let network = Network::builder(2)
            .encoding(Encoding::Fourier { features: 64, scale: 10.0, seed: 0 })
            .hidden(&[128; 3], Activation::Tanh)
            .hidden(&[64], Activation::LeakyRelu { slope: 0.1 })
            .output(10, Activation::Softmax)
            .build()
            .unwrap();
        let plan = Plan { loss: Loss::MeanSquaredError, ..plan(1000) };
        no_kernel_spills(&network, &plan);
    }

    /// The kernels of mixed precision multiply matrices in hardware, and in registers.
    #[test]
    fn no_kernel_of_mixed_precision_spills() {
        let mut kernels = Kernels::default();
        for batch in [200, 10_000] {
            for step in mixed_listings(&network().unwrap(), &plan(batch)).unwrap() {
                kernels.add_step(step, false).unwrap();
            }
        }
        let Some(icd) = icd() else { return };
        for family in WITH_MATRICES {
            let Some(outcome) = compile_for(&icd, family, &kernels.shaders).unwrap() else {
                skipped(&format!("this driver does not know {family}"));
                continue;
            };
            if outcome.kernels.iter().any(Result::is_err) {
                // RADV has cooperative matrices from Mesa 23.3 on.
                skipped(&format!("{} compiles no matrices for {family}", outcome.driver.version));
                continue;
            }
            for (shader, compiled) in kernels.shaders.iter().zip(outcome.kernels) {
                let compiled = compiled.unwrap();
                let spills = compiled.spills().unwrap();
                assert!(spills.is_empty(), "{}: {}", shader.name, spills.join(", "));
                let assembly = compiled.assembly().unwrap_or_default();
                let multiplies = shader.name.starts_with("mixed_step")
                    || shader.name.starts_with("mixed_gradients");
                assert_eq!(
                    assembly.contains("v_wmma_f32_16x16x16_f16"),
                    multiplies,
                    "{}",
                    shader.name
                );
            }
        }
    }

    #[test]
    fn a_kernel_that_spills_is_noticed() {
        let listing = Listing { name: "hungry".into(), wgsl: HUNGRY.into(), ..Listing::default() };
        let mut kernels = Kernels::default();
        kernels.add(vec![listing], false).unwrap();
        on_every_family(&kernels, |family, _, compiled| {
            assert!(!compiled.spills().unwrap().is_empty(), "on {family}");
        });
    }

    /// What the estimate is made of is there. Another version of the driver may print it
    /// otherwise, and an estimate is worth no failure where nothing is required.
    #[test]
    fn every_instruction_has_its_cycles() {
        let mut kernels = Kernels::default();
        let step = listings(&network().unwrap(), &plan(200)).unwrap().swap_remove(0);
        let nests: Vec<usize> =
            step.iter().map(|l| l.dispatch.as_ref().unwrap().trips.len()).collect();
        kernels.add_step(step, false).unwrap();
        on_every_family(&kernels, |family, shader, compiled| {
            let assembly = disassembly::Assembly::parse(compiled.assembly().unwrap_or_default());
            let place = kernels.shaders.iter().position(|s| s.name == shader.name).unwrap();
            let counted = Some(compiled.cycles.len() as f64);
            let complete = !assembly.instructions.is_empty()
                && assembly.align(&compiled.cycles).is_some()
                && compiled.statistic("Instructions") == counted
                && assembly.nests().len() == nests[place];
            if !complete {
                let name = &shader.name;
                assert!(!gpu_is_required(), "{name} on {family}: the cycles do not match");
                skipped(&format!("{name} on {family}: the driver's cycles are not understood"));
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
    fn a_step_is_three_dispatches() {
        let steps = listings(&network().unwrap(), &plan(200)).unwrap();
        assert!(steps.iter().all(|step| step.len() == 3));
        for step in steps {
            let dispatches = step.into_iter().map(|listing| listing.dispatch.unwrap());
            let trips: Vec<_> = dispatches.map(|dispatch| dispatch.trips).collect();
            // Forward and back; over samples; over slices.
            assert_eq!(trips.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
            assert!(trips.iter().flatten().flatten().all(|&runs| runs >= 1.0), "{trips:?}");
        }
    }

    #[test]
    fn equal_texts_are_compiled_once() {
        let mut kernels = Kernels::default();
        let network = network().unwrap();
        for step in listings(&network, &plan(200)).unwrap() {
            kernels.add_step(step, false).unwrap();
        }
        kernels.add(other_listings(&network).unwrap(), false).unwrap();
        let named =
            |name: &str| kernels.shaders.iter().filter(|shader| shader.name == name).count();
        assert_eq!((named("update adam"), named("matmul in registers")), (1, 1));
    }
}
