//! `cargo xtask kit`: a folder that checks and times a GPU on a machine without Rust.
//!
//! Such a machine may have no network and no Vulkan loader either, and be at hand for minutes. The folder has
//! the test programs of the library, stripped and compressed, `paint`, the program in `xtask/kit/probe`, the
//! files that tests read, Vulkan's loader, and `xtask/kit/run.sh`, which runs it all.

#[cfg(all(test, target_os = "linux"))]
mod script;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::workspace::{Cargo, root};

/// Test programs that check files and no device.
const FILES: [&str; 10] = [
    "config",
    "documents",
    "faults",
    "files",
    "guide",
    "hostile",
    "public_functions",
    "reading",
    "reference_page",
    "structure",
];

/// The examples that the tests start.
const EXAMPLES: [&str; 2] = ["paint", "neuron"];

/// What the tests read when they run.
const TREE: [&str; 6] =
    ["logo.jpg", "tests", "shaders", "examples", "src/engine/gpu/texts", "Cargo.toml"];

/// Sides of the picture that has 65,536 pixels for a batch.
const SIDE: u32 = 512;

/// The loader alone: EGL would bring NVIDIA's OpenGL adapter, which cannot be opened without a display.
const LOADER: [&str; 1] = ["libvulkan1"];

/// Libraries of the windowing system for a driver that does not load without them.
const MORE: [&str; 6] = ["libegl1", "libglvnd0", "libopengl0", "libgl1", "libglx0", "libgles2"];

/// What a kit says of itself, and is known by.
const ABOUT: &str = "about.json";

/// The list of the kit's files, without which `run.sh` starts nothing.
const LIST: &str = "files.txt";

/// The most bytes of a kit.
const LARGEST: u64 = 64 << 20;

/// Options of `cargo xtask kit`.
#[derive(Args)]
pub struct Options {
    /// Folder to fill; what is in it is replaced [default: target/kit]
    #[arg(long)]
    output: Option<PathBuf>,
}

/// # Errors
///
/// When something does not build or cannot be written, or the folder contains something else.
pub fn run(options: &Options) -> Result<()> {
    let root = root();
    let kit = options.output.clone().unwrap_or_else(|| root.join("target/kit"));
    clear(&kit)?;
    // First what a kit is known by, so that the next call can replace one that was not finished.
    fs::create_dir_all(&kit).with_context(|| format!("cannot create {}", kit.display()))?;
    let about = about(&root);
    write(&kit.join(ABOUT), &(serde_json::to_string_pretty(&about)? + "\n"))?;
    for folder in ["deps", "examples", "loader", "more"] {
        fs::create_dir_all(kit.join(folder))
            .with_context(|| format!("cannot create {}", kit.join(folder).display()))?;
    }
    write(&kit.join("root"), &format!("{}\n", root.display()))?;
    let cargo = Cargo::new();
    let mut all = programs(&cargo, &["--package", "impasto", "--lib", "--tests"])?;
    all.retain(|program| program.kind != Kind::Test || !FILES.contains(&program.name.as_str()));
    for name in EXAMPLES {
        all.extend(built(&cargo, &["--package", "impasto", "--example", name])?);
    }
    all.extend(built(&cargo, &["--package", "xtask", "--example", "probe"])?);
    for program in &all {
        pack(program, &kit)?;
    }
    write(&kit.join("left-out.txt"), &format!("{}\n", FILES.join(", ")))?;
    tree(&root, &kit)?;
    for name in ["run.sh", "torch_cuda.py"] {
        let source = root.join("xtask/kit").join(name);
        fs::copy(&source, kit.join(name))
            .with_context(|| format!("cannot copy {}", source.display()))?;
    }
    for (packages, folder) in [(&LOADER[..], "loader"), (&MORE[..], "more")] {
        if let Err(error) = fetch(packages, &kit.join(folder)) {
            println!("Without {}: {error:#}", packages.join(", "));
        }
    }
    let bytes = seal(&kit)?;
    ensure!(
        bytes <= LARGEST,
        "{} has {bytes} bytes, and a kit may have {LARGEST} so that it can be carried to a machine",
        kit.display()
    );
    println!(
        "Filled {} with {:.1} MiB: run `bash {}/run.sh` on the machine",
        kit.display(),
        bytes as f64 / f64::from(1 << 20),
        name_of(&kit)
    );
    Ok(())
}

/// Writes the list of the kit's files, which `run.sh` compares with what it finds: the bytes of all.
fn seal(kit: &Path) -> Result<u64> {
    let files = files(kit, Path::new(""))?;
    let lines: Vec<String> =
        files.iter().map(|(name, bytes)| format!("{bytes} {name}\n")).collect();
    let list = lines.concat();
    write(&kit.join(LIST), &list)?;
    Ok(files.iter().map(|(_, bytes)| bytes).sum::<u64>() + list.len() as u64)
}

/// The files in a part of the kit, with their bytes.
fn files(kit: &Path, part: &Path) -> Result<Vec<(String, u64)>> {
    let folder = kit.join(part);
    let mut files = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry?;
        let (name, about) = (part.join(entry.file_name()), entry.metadata()?);
        if about.is_dir() {
            files.extend(self::files(kit, &name)?);
        } else {
            files.push((name.to_string_lossy().into_owned(), about.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Empties the folder of an earlier kit, whole or not.
fn clear(kit: &Path) -> Result<()> {
    let is_empty = !kit.exists() || fs::read_dir(kit).is_ok_and(|mut all| all.next().is_none());
    if is_empty {
        return Ok(());
    }
    let about = fs::read_to_string(kit.join(ABOUT)).unwrap_or_default();
    ensure!(
        about.contains("\"version\": \"Impasto "),
        "{} is no folder, or contains something other than a kit: name another folder with --output",
        kit.display()
    );
    // The folder itself may be a link, or the current one.
    for path in contents(kit)? {
        let removed = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// What is directly in the folder of a kit. What a kit is known by comes last: if only a part of the rest could be
/// removed, the folder is still known as a kit.
fn contents(kit: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(kit).with_context(|| format!("cannot read {}", kit.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort_by_key(|path| path.ends_with(ABOUT));
    Ok(paths)
}

fn name_of(kit: &Path) -> String {
    kit.file_name().unwrap_or(kit.as_os_str()).to_string_lossy().into_owned()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What the page says of the program that ran.
fn about(root: &Path) -> Value {
    let setting = crate::peers::setting(root);
    json!({
        "commit": setting.commit,
        "rustc": setting.rustc,
        "version": format!("Impasto {}", version(root)),
    })
}

/// Impasto's version, from its manifest.
fn version(root: &Path) -> String {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    line.unwrap_or_default().trim_matches('"').into()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Test,
    Example,
}

/// A program that cargo built.
#[derive(Debug, PartialEq)]
struct Program {
    name: String,
    kind: Kind,
    path: PathBuf,
}

/// Builds test programs without running them.
fn programs(cargo: &Cargo, arguments: &[&str]) -> Result<Vec<Program>> {
    build(cargo, &[&["test", "--no-run"], arguments].concat(), Kind::Test)
}

/// Builds an example.
fn built(cargo: &Cargo, arguments: &[&str]) -> Result<Vec<Program>> {
    build(cargo, &[&["build"], arguments].concat(), Kind::Example)
}

fn build(cargo: &Cargo, arguments: &[&str], kind: Kind) -> Result<Vec<Program>> {
    let output = cargo
        .command()
        .args(arguments)
        .args(["--release", "--quiet", "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "`cargo {}` failed", arguments.join(" "));
    let programs = executables(&String::from_utf8_lossy(&output.stdout), kind);
    ensure!(!programs.is_empty(), "`cargo {}` built no program", arguments.join(" "));
    Ok(programs)
}

/// The programs of a kind in the messages of cargo.
fn executables(messages: &str, kind: Kind) -> Vec<Program> {
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"].as_bool()?;
        let program = Program {
            name: message["target"]["name"].as_str()?.into(),
            kind,
            path: message["executable"].as_str()?.into(),
        };
        (is_test == (kind == Kind::Test)).then_some(program)
    };
    messages.lines().filter_map(program).collect()
}

/// Copies a program into the kit, where tests look for examples, strips and compresses it.
fn pack(program: &Program, kit: &Path) -> Result<()> {
    let folder = kit.join(if program.kind == Kind::Test { "deps" } else { "examples" });
    let file = folder.join(&program.name);
    println!("Packing {}", program.name);
    fs::copy(&program.path, &file)
        .with_context(|| format!("cannot copy {}", program.path.display()))?;
    // Debug information is not needed; without `strip` the kit is only larger.
    let _ = Command::new("strip").arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).status();
    succeed(Command::new("xz").args(["-T0", "-3", "-f"]).arg(&file))
}

fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    let reason = String::from_utf8_lossy(&output.stderr);
    let reason = reason.lines().last().unwrap_or("it gave no reason");
    ensure!(output.status.success(), "{name} failed: {reason}");
    Ok(())
}

/// The files that tests and stages read, and two forms of the picture.
fn tree(root: &Path, kit: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let picture = image::open(root.join("logo.jpg")).context("cannot read logo.jpg")?.to_rgb8();
    let large =
        image::imageops::resize(&picture, SIDE, SIDE, image::imageops::FilterType::CatmullRom);
    large.save(folder.path().join("logo-512.png")).context("cannot write logo-512.png")?;
    // A format that needs no library.
    let mut pixels = format!("P6\n{} {}\n255\n", picture.width(), picture.height()).into_bytes();
    pixels.extend(picture.as_raw());
    fs::write(folder.path().join("logo.ppm"), pixels).context("cannot write logo.ppm")?;
    succeed(
        Command::new("tar")
            .arg("cJf")
            .arg(kit.join("tree.tar.xz"))
            .arg("-C")
            .arg(folder.path())
            .args(["logo-512.png", "logo.ppm", "-C"])
            .arg(root)
            .args(TREE),
    )
}

/// Fetches Debian packages for x86-64 with lists of their own, so that no root is needed.
fn fetch(packages: &[&str], folder: &Path) -> Result<()> {
    let lists = tempfile::tempdir().context("cannot create a temporary folder")?;
    fs::create_dir(lists.path().join("partial")).context("cannot create a folder")?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["-oAPT::Architecture=amd64", "-oAPT::Architectures=amd64"])
            .arg(format!("-oDir::State::Lists={}", lists.path().display()))
            .arg("-qq")
            .args(arguments)
            .current_dir(folder);
        succeed(&mut command)
    };
    apt(&["update"])?;
    apt(&[&["download"], packages].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_the_messages_of_cargo() {
        let messages = r#"{"reason": "compiler-artifact", "target": {"name": "trainer"},
            "profile": {"test": true}, "executable": "/t/deps/trainer-1"}
            {"reason": "compiler-artifact", "target": {"name": "paint"},
            "profile": {"test": false}, "executable": "/t/examples/paint"}
            {"reason": "compiler-artifact", "target": {"name": "serde"},
            "profile": {"test": false}, "executable": null}
            {"reason": "build-finished", "success": true}"#
            .replace(",\n", ",");
        let tests = executables(&messages, Kind::Test);
        assert_eq!(tests.len(), 1, "{tests:?}");
        assert_eq!(
            (tests[0].name.as_str(), &tests[0].path),
            ("trainer", &"/t/deps/trainer-1".into())
        );
        let examples = executables(&messages, Kind::Example);
        assert_eq!(examples.len(), 1, "{examples:?}");
        assert_eq!(examples[0].name, "paint");
    }

    #[test]
    fn only_a_kit_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        clear(folder.path()).unwrap();
        clear(&folder.path().join("none")).unwrap();
        fs::write(folder.path().join("thesis.txt"), "").unwrap();
        assert!(clear(folder.path()).is_err());
        fs::write(folder.path().join("about.json"), "{}").unwrap();
        assert!(clear(folder.path()).is_err());
        // One that was not finished, too.
        let about = serde_json::to_string_pretty(&about(&root())).unwrap();
        fs::write(folder.path().join("about.json"), about).unwrap();
        fs::create_dir(folder.path().join("deps")).unwrap();
        for name in ["a", "z", "tree.tar.xz", LIST] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let contents = contents(folder.path()).unwrap();
        assert_eq!(contents.len(), 7, "{contents:?}");
        assert_eq!(contents[6], folder.path().join(ABOUT));
        clear(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_list_has_every_file_with_its_size() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("deps/empty")).unwrap();
        fs::write(folder.path().join("run.sh"), "four").unwrap();
        fs::write(folder.path().join("deps/trainer.xz"), "").unwrap();
        let expected = [("deps/trainer.xz".to_string(), 0), ("run.sh".to_string(), 4)];
        assert_eq!(files(folder.path(), Path::new("")).unwrap(), expected);
    }

    #[test]
    fn every_test_program_is_run_or_said_to_be_left_out() {
        let script = fs::read_to_string(root().join("xtask/kit/run.sh")).unwrap();
        for entry in fs::read_dir(root().join("tests")).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "rs") {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                let in_script = script
                    .lines()
                    .find_map(|line| line.strip_prefix("programs=("))
                    .is_some_and(|line| line.split([' ', ')']).any(|word| word == name));
                let left_out = FILES.contains(&name.as_str());
                assert!(in_script != left_out, "tests/{name}.rs: in run.sh or in FILES");
            }
        }
        for name in TREE {
            assert!(root().join(name).exists(), "{name}");
        }
    }
}
