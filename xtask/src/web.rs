//! `cargo xtask web`: the engine as WebAssembly, the npm package, and the page.
//!
//! Two toolchains can do it: rustup's with its target `wasm32-unknown-unknown`, which is fetched where
//! it is missing, and Debian's packages `rustc-web`, `cargo-web` and `rust-web-src`, which bring the
//! standard library as source.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

use crate::install;
use crate::workspace::{Cargo, root};

const TARGET: &str = "wasm32-unknown-unknown";

/// What both modules may use: the vectors of 128 bits that every browser of today has.
pub const FLAGS: &str = "-C target-feature=+simd128";

/// The modules, one for any browser and one for those that multiply and add in one instruction, and the
/// features of the crate that make them.
const MODULES: [(&str, &[&str]); 2] = [("simd128", &[]), ("relaxed", &["relaxed-simd"])];

#[derive(clap::Args)]
pub struct Options {
    /// Serve the page on loopback until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// The port to serve it on
    #[arg(long, default_value_t = 8000, requires = "serve")]
    port: u16,
    /// Run the tests of the page in Chromium
    #[arg(long)]
    test: bool,
    /// Measure beside TensorFlow.js and jax-js in Chromium, and print a table
    #[arg(long)]
    speed: bool,
}

/// Builds the package and the page, and serves, tests or measures them.
///
/// # Errors
///
/// When a tool is missing and cannot be had, or one fails.
pub fn run(options: &Options) -> Result<()> {
    let web = Web::new();
    web.build()?;
    if options.test {
        web.test()?;
    }
    if options.speed {
        web.speed()?;
    }
    if options.serve {
        let port = options.port.to_string();
        web.node(&["build.mjs", "--serve", "--port", &port], &[])?;
    } else if !options.test && !options.speed {
        println!("Built web/dist (the page) and web/package (for npm).");
    }
    Ok(())
}

/// Builds everything and runs the tests of the page.
///
/// # Errors
///
/// As [`run`].
pub fn test() -> Result<()> {
    let web = Web::new();
    web.build()?;
    web.test()
}

/// That a tool is neither there nor to be installed by this program.
#[derive(Debug)]
pub struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tool that the page needs is missing")
    }
}

struct Web {
    cargo: Cargo,
    root: PathBuf,
    folder: PathBuf,
}

impl Web {
    fn new() -> Self {
        let root = root();
        // As the tests build it, since its programs are the same.
        Self { cargo: Cargo::checked(), folder: root.join("web"), root }
    }

    fn build(&self) -> Result<()> {
        if !install::program_exists("node") || !install::program_exists("npm") {
            install::debian(&["nodejs", "npm"]).context(Missing)?;
        }
        let toolchain = self.toolchain()?;
        for (name, features) in MODULES {
            let module = self.compile(&toolchain, features)?;
            let mut bind = Command::new(self.cargo.example("bindgen")?);
            execute(bind.arg(module).arg(self.folder.join("pkg").join(name)))?;
        }
        npm_packages(&self.folder)?;
        self.node(&["node_modules/typescript/bin/tsc", "--noEmit"], &[])?;
        self.node(&["build.mjs"], &[])?;
        self.node(&["pack.mjs"], &[]).context("the npm package is not complete")
    }

    /// The engine as a module of WebAssembly; where it lies.
    fn compile(&self, toolchain: &Toolchain, features: &[&str]) -> Result<PathBuf> {
        let mut command = match toolchain {
            Toolchain::Rustup => self.cargo.command(),
            Toolchain::Debian(linker) => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .current_dir(&self.root)
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    .args(["-Z", "build-std=std,panic_abort"]);
                command
            }
        };
        command.args(["build", "--release", "--package", "impasto-web", "--target", TARGET]);
        command.args(["--features", &features.join(",")]);
        // The standard library and the flags differ from those of everything else.
        command.args(["--target-dir", "target/web"]);
        execute(command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", FLAGS))?;
        Ok(self.root.join(format!("target/web/{TARGET}/release/impasto_web.wasm")))
    }

    fn toolchain(&self) -> Result<Toolchain> {
        if self.has_target() {
            return Ok(Toolchain::Rustup);
        }
        if let Some(linker) = debian_linker() {
            return Ok(Toolchain::Debian(linker));
        }
        if install::program_exists("rustup") {
            println!("Running: rustup target add {TARGET}");
            let added = Command::new("rustup").args(["target", "add", TARGET]).status();
            if added.is_ok_and(|status| status.success()) && self.has_target() {
                return Ok(Toolchain::Rustup);
            }
        }
        install::debian(&["rustc-web", "cargo-web", "rust-web-src", "lld-19"]).context(Missing)?;
        match debian_linker() {
            Some(linker) => Ok(Toolchain::Debian(linker)),
            None => {
                Err(anyhow!("no compiler for {TARGET}: `rustup target add {TARGET}` brings it"))
                    .context(Missing)
            }
        }
    }

    /// Whether the compiler that built this program has the target's standard library.
    fn has_target(&self) -> bool {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .current_dir(&self.root)
            .args(["--print", "target-libdir", "--target", TARGET])
            .output();
        output.is_ok_and(|output| {
            let folder = String::from_utf8_lossy(&output.stdout);
            output.status.success() && Path::new(folder.trim()).is_dir()
        })
    }

    fn test(&self) -> Result<()> {
        let chromium = chromium()?;
        let paint = self.cargo.example("paint")?;
        let variables =
            [("IMPASTO_CHROMIUM", chromium.as_os_str()), ("IMPASTO_PAINT", paint.as_os_str())];
        // One file after the other, since the tests of the page need the processor.
        let options = ["--test", "--test-reporter=spec", "--test-concurrency=1"];
        let files = ["tests/package.test.mjs", "tests/page.test.mjs"];
        self.node(&[&options[..], &files].concat(), &variables)
            .context("the tests of the package and the page")
    }

    fn speed(&self) -> Result<()> {
        let chromium = chromium()?;
        npm_packages(&self.folder.join("speed"))?;
        self.node(&["speed/build.mjs"], &[])?;
        self.node(&["speed/run.mjs"], &[("IMPASTO_CHROMIUM", chromium.as_os_str())])
    }

    fn node(&self, arguments: &[&str], variables: &[(&str, &std::ffi::OsStr)]) -> Result<()> {
        let mut command = Command::new("node");
        command.current_dir(&self.folder).args(arguments).envs(variables.iter().copied());
        execute(&mut command)
    }
}

enum Toolchain {
    Rustup,
    /// With this linker.
    Debian(PathBuf),
}

/// The linker for Debian's compiler, where both are there and new enough.
fn debian_linker() -> Option<PathBuf> {
    let version = Command::new("/usr/bin/rustc").arg("--version").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    let number = version.split_whitespace().nth(1)?;
    let minor: u32 = number.split('.').nth(1)?.parse().ok()?;
    let source = PathBuf::from(format!("/usr/src/rustc-{number}/library"));
    let linker = (19..40).map(|n| PathBuf::from(format!("/usr/bin/wasm-ld-{n}")));
    let linker = linker.into_iter().find(|linker| linker.is_file())?;
    let whole = minor >= 89 && source.is_dir() && Path::new("/usr/bin/cargo").is_file();
    whole.then_some(linker)
}

/// A Chromium, installed where there is none.
fn chromium() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("IMPASTO_CHROMIUM") {
        return Ok(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let find = || names.iter().find_map(|name| install::program(name));
    if let Some(program) = find() {
        return Ok(program);
    }
    install::debian(&["chromium"]).context(Missing)?;
    find().context("no Chromium: install it, or name one in IMPASTO_CHROMIUM").context(Missing)
}

/// The npm packages of a folder, as its lock file has them; nothing where they are there.
fn npm_packages(folder: &Path) -> Result<()> {
    let changed = |name: &str| std::fs::metadata(folder.join(name)).and_then(|m| m.modified());
    let there = changed("node_modules/.package-lock.json");
    if let (Ok(there), Ok(wanted)) = (there, changed("package-lock.json"))
        && there >= wanted
    {
        return Ok(());
    }
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    execute(command.current_dir(folder).args(arguments)).context(Missing)
}

/// Runs a command; an error if it fails.
fn execute(command: &mut Command) -> Result<()> {
    let shown: OsString = command.get_program().into();
    let name = Path::new(&shown).file_name().unwrap_or(&shown).to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}
