//! A file that does not fit on the disk.

use super::learned;
use super::studio::{Studio, finish};
use std::process::{Command, Stdio};

/// The limit of the shell counts blocks of 512 or 1,024 bytes. The file of a run has about 35,000 bytes, and the pictures
/// fit.
const LIMIT: &str = "trap '' XFSZ; ulimit -f 24; exec \"$0\" \"$@\"";

#[test]
fn a_file_that_no_longer_fits_leaves_the_one_before_whole_and_training_goes_on() {
    let studio = Studio::with_picture();
    let run = "picture.png --backend cpu --hidden 2x48 --save run.safetensors --schedule constant";
    studio.run(&format!("{run} --epochs 20 --save-every 1h")).succeeded();
    let (whole, before) = (studio.bytes("run.safetensors"), learned(&studio, "run.safetensors"));
    assert!(whole.len() > 24_576, "{} bytes", whole.len());
    let program = studio.command("").get_program().to_os_string();
    let limited = |arguments: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", LIMIT]).arg(&program).args(arguments.split_whitespace());
        command
            .current_dir(studio.path(""))
            .env("IMPASTO_CACHE", "")
            .env("XDG_DATA_HOME", studio.data())
            .stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().expect("a shell"), arguments)
    };
    let ended = limited("--resume run.safetensors --epochs 40 --save-every 5epochs");
    assert_eq!(ended.code, Some(1), "{ended}");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    // The data folder, the last resort, has the same limit.
    let (errors, warnings): (Vec<&str>, Vec<&str>) =
        lines.into_iter().partition(|line| line.starts_with("error: "));
    assert!(errors.len() == 2 && errors[0].contains("run.safetensors"), "{ended}");
    assert!(!warnings.is_empty(), "{ended}");
    for warning in warnings {
        assert!(
            warning.starts_with("warning: ") && warning.ends_with("training goes on"),
            "{ended}"
        );
    }
    // What was learned is painted, and the file is that of the run before, with nothing beside it.
    assert!(
        ended.stdout.contains("trained 40 epochs") && ended.stdout.contains("painted painted.png"),
        "{ended}"
    );
    assert!(studio.bytes("run.safetensors") == whole);
    let names = ["painted-comparison.png", "painted.png", "picture.png", "run.safetensors"];
    assert_eq!(studio.names(), names);
    // With room it goes on, as if nothing had happened.
    studio.run("--resume run.safetensors --epochs 40").succeeded();
    let after = learned(&studio, "run.safetensors");
    assert_eq!(after.1[..20], before.1[..]);
    studio.run(&format!("{run} --epochs 40 --save-every 1h")).succeeded();
    assert!(learned(&studio, "run.safetensors") == after);
}
