//! Tests of `xtask/kit/run.sh` with a kit whose programs are small scripts.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{LIST, seal};
use crate::workspace::root;

/// `paint`: reports the precision that was asked for.
const PAINT: &str = r#"#!/usr/bin/env bash
[ "$FAKE" = slow ] && [ "$1" != --list-adapters ] && exec sleep 60
precision=full
while [ $# -gt 0 ]; do
  case $1 in
  --list-adapters) echo "Fake (discrete GPU, Vulkan, 1)" ;;
  --precision) [ "$FAKE" = fallback ] || precision=$2 ;;
  --report) report=$2 ;;
  esac
  shift
done
epochs='[ {} ]'
[ "$FAKE" = hasty ] && epochs='[]'
[ "$FAKE" = silent ] || [ -z "$report" ] ||
  echo "{\"history\": $epochs, \"precision\": \"$precision\"}" >"$report"
"#;

/// `probe`: an adapter with the matrices of $MATRICES; gathering keeps the names of the stages.
const PROBE: &str = r#"#!/usr/bin/env bash
case $1 in
adapter) printf '{\n  "name": "Fake",\n  "matrices": [\n    "%s"\n  ]\n}\n' "$MATRICES" >"$2" ;;
dispatches) echo '{}' >"$2" ;;
gather) cp "$2/stages.txt" "$2/gpu.json" ;;
esac
"#;

/// A test program.
const TESTS: &str = r#"#!/usr/bin/env bash
echo "matrices $IMPASTO_REQUIRE_MATRICES, arguments $*"
case $FAKE in
failing) echo "test a ... FAILED" && exit 101 ;;
crashing) exit 139 ;;
esac
echo "test a ... ok"
"#;

const SQUARE: &str = "16×16×16 f16 → f32";

/// A kit, and folders for what it writes.
struct Studio {
    folder: TempDir,
}

impl Studio {
    fn new() -> Self {
        let studio = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["kit/deps", "kit/examples", "temporary", "tree/shaders"] {
            fs::create_dir_all(studio.at(folder)).unwrap();
        }
        let script = fs::read_to_string(root().join("xtask/kit/run.sh")).unwrap();
        let built = studio.at("built/on/another/machine");
        for (name, text) in [
            ("run.sh", script.as_str()),
            ("about.json", "{}"),
            ("left-out.txt", "structure\n"),
            ("torch_cuda.py", ""),
            ("root", &built.to_string_lossy()),
        ] {
            fs::write(studio.at("kit").join(name), text).unwrap();
        }
        let programs = script.lines().find_map(|line| line.strip_prefix("programs=(")).unwrap();
        for name in programs.trim_end_matches(')').split(' ').chain(["impasto"]) {
            studio.pack(&format!("kit/deps/{name}"), TESTS);
        }
        studio.pack("kit/examples/paint", PAINT);
        studio.pack("kit/examples/probe", PROBE);
        let mut tar = Command::new("tar");
        tar.arg("cJf").arg(studio.at("kit/tree.tar.xz")).arg("-C").arg(studio.at("tree")).arg(".");
        assert!(tar.status().unwrap().success());
        seal(&studio.at("kit")).unwrap();
        studio
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pack(&self, name: &str, text: &str) {
        let mut xz = Command::new("xz")
            .arg("-c")
            .stdin(Stdio::piped())
            .stdout(fs::File::create(self.at(&format!("{name}.xz"))).unwrap())
            .spawn()
            .unwrap();
        xz.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(xz.wait().unwrap().success());
    }

    fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new("bash");
        command
            .arg(self.at("kit/run.sh"))
            .env("OUT", self.at("out"))
            .env("TMPDIR", self.at("temporary"))
            .env("PYTHON", "false")
            .env("MATRICES", SQUARE)
            .env_remove("FAKE")
            .env_remove("ONLY")
            .env_remove("WORK")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, variables: &[(&str, &str)]) -> Output {
        self.command(variables).output().unwrap()
    }

    /// Runs it: the exit code and what it says as an error.
    fn refused(&self, variables: &[(&str, &str)]) -> String {
        let output = self.run(variables);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!self.at("out").exists(), "{output:?}");
        assert_eq!(fs::read_dir(self.at("temporary")).unwrap().count(), 0, "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn result(&self, name: &str) -> String {
        fs::read_to_string(self.at("out").join(name)).unwrap_or_default()
    }

    fn has_stage(&self, name: &str) -> bool {
        self.result("gpu.json").lines().any(|line| line == name)
    }

    #[track_caller]
    fn nothing_is_left_behind(&self) {
        assert!(!self.at("built").exists(), "the link and its folders");
        assert_eq!(fs::read_dir(self.at("temporary")).unwrap().count(), 0);
    }
}

#[test]
fn a_whole_run_succeeds_and_leaves_nothing_behind() {
    let studio = Studio::new();
    let output = studio.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for stage in ["adapter", "paint-cpu", "steps-mixed-65536", "test-mixed", "test-paint"] {
        assert!(studio.has_stage(stage), "{stage}");
    }
    let log = studio.result("test-mixed.txt");
    assert!(log.contains("matrices 1, arguments --test-threads 4 mixed"), "{log}");
    let log = studio.result("test-impasto.txt");
    assert!(log.contains("matrices , ") && log.contains("engine::gpu --skip mixed"), "{log}");
    assert!(!studio.result("left-out.txt").contains("texts"), "the link is there");
    studio.nothing_is_left_behind();
    // A folder that was there stays.
    fs::create_dir(studio.at("built")).unwrap();
    assert_eq!(studio.run(&[]).status.code(), Some(0));
    assert_eq!(fs::read_dir(studio.at("built")).unwrap().count(), 0);
}

#[test]
fn a_failure_is_in_the_exit_code() {
    let studio = Studio::new();
    for (fake, stage, left_out) in [
        ("failing", "test-trainer", ""),
        ("crashing", "test-trainer", "further tests of trainer\texit 139"),
        ("silent", "paint-first", "paint-first\texit 0"),
        // `probe gather` says why.
        ("fallback", "steps-mixed-200", ""),
        ("hasty", "steps-mixed-200", ""),
        ("hasty", "steps-fused-200", ""),
    ] {
        let output = studio.run(&[("FAKE", fake), ("ONLY", stage)]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{fake}: {said}");
        assert!(said.ends_with(&format!("s, failed: {stage}\n")), "{fake}: {said}");
        assert!(studio.result("left-out.txt").contains(left_out), "{fake}: {said}");
        let output = studio.run(&[("ONLY", stage)]);
        assert_eq!(output.status.code(), Some(0), "{stage}: {output:?}");
    }
}

#[test]
fn mixed_precision_is_left_out_where_there_are_no_matrices_for_it() {
    let studio = Studio::new();
    for matrices in ["", "16×8×16 f16 → f32", "16×16×16 f16 → f16", "32×32×32 f16 → f32"]
    {
        let output = studio.run(&[("MATRICES", matrices), ("ONLY", ".*mixed.*|test-impasto")]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(studio.result("left-out.txt").contains("mixed precision\tFake lists no products"));
        assert!(!studio.result("gpu.json").contains("mixed"), "{matrices}");
        assert!(studio.result("test-impasto.txt").contains("--skip mixed"));
    }
}

#[test]
fn only_what_this_run_made_is_gathered() {
    let studio = Studio::new();
    assert_eq!(studio.run(&[]).status.code(), Some(0));
    let output = studio.run(&[("ONLY", "steps-fused-200"), ("FAKE", "silent")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(studio.result("gpu.json"), "adapter\nsteps-fused-200\n");
    assert_eq!(studio.result("steps-fused-200.json"), "", "it is of the run before");
    assert!(studio.result("steps-fused-1000.json").contains("full"), "it is not this run's");
    let left_out = studio.result("left-out.txt");
    assert!(left_out.contains("the other stages\tONLY was 'steps-fused-200'\n"), "{left_out}");
    let output = studio.run(&[("LIMIT", "1"), ("ONLY", "torch")]);
    assert!(!output.status.success(), "nothing had time");
    assert_eq!(studio.result("gpu.json"), "");
}

#[test]
fn a_wrong_variable_is_refused_before_anything_runs() {
    let studio = Studio::new();
    for name in ["LIMIT", "STEPS", "TEST_THREADS"] {
        for value in ["0", "-1", "1.5", "08", "many", "1 2", "a[$(touch pwned)]"] {
            let expected =
                format!("error: {name} is '{value}': it must be a whole number from 1 to 99999\n");
            assert_eq!(studio.refused(&[(name, value)]), expected);
        }
    }
    for value in ["(", "[", "a)(b"] {
        let expected =
            format!("error: ONLY is '{value}': it must be an extended regular expression\n");
        assert_eq!(studio.refused(&[("ONLY", value)]), expected);
    }
    let said = studio.refused(&[("ONLY", "steps")]);
    assert!(said.contains("no stage has such a name: adapters adapter"), "{said}");
}

#[test]
fn an_incomplete_kit_is_refused_before_anything_runs() {
    let studio = Studio::new();
    fs::remove_file(studio.at("kit/deps/trainer.xz")).unwrap();
    fs::write(studio.at("kit/examples/paint.xz"), "half").unwrap();
    let said = studio.refused(&[]);
    assert!(said.ends_with("other size: deps/trainer.xz examples/paint.xz\n"), "{said}");
    fs::remove_file(studio.at("kit").join(LIST)).unwrap();
    let said = studio.refused(&[]);
    assert!(said.ends_with(&format!("other size: {LIST}\n")), "{said}");
}

#[test]
fn a_signal_ends_everything_and_keeps_what_was_measured() {
    let studio = Studio::new();
    let variables = [("ONLY", "dispatches|test-impasto|steps-fused-200"), ("FAKE", "slow")];
    let mut script = studio.command(&variables).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !studio.result("stages.txt").contains("steps-fused-200") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", studio.result("log.txt"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(studio.at("built/on/another/machine/shaders").exists());
    let kill = Command::new("kill").arg("-TERM").arg(script.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(script.wait().unwrap().code(), Some(143));
    assert!(studio.has_stage("test-impasto"));
    assert!(studio.result("left-out.txt").contains("\tthe run was stopped\n"));
    studio.nothing_is_left_behind();
}
