//! Every option and its effect.

use crate::common;
use crate::studio::Studio;
use impasto::Picture;
use serde_json::json;

#[test]
fn help_names_every_option_with_its_default() {
    let help = Studio::new().run("--help").succeeded().stdout;
    for (option, default) in [
        ("--backend", "auto"),
        ("--hidden", "10x100"),
        ("--activation", "relu"),
        ("--steps", "4000, for pictures of more than 10,000 pixels up to 20000"),
        ("--batch", "200, for pictures of more than 10,000 pixels up to 1000"),
        ("--loss", "mean-squared-error, with --classify softmax-cross-entropy"),
        ("--optimizer", "adam"),
        ("--learning-rate", "0.002, with sine and finer 0.0001"),
        ("--schedule", "cosine"),
        ("--warm-up", "0, with --start a fifth of the steps, at most 2000"),
        ("--seed", "0"),
        ("--output", "painted.png"),
        ("--encoding", "identity"),
        ("--frame-count", "60"),
    ] {
        let (_, rest) = help.split_once(&format!("{option} <")).expect(option);
        let paragraph = rest.split("\n  -").next().unwrap();
        let paragraph = paragraph.split("\n      --").next().unwrap();
        assert!(paragraph.contains(&format!("[default: {default}]")), "{option}: {paragraph}");
    }
}

#[test]
fn every_option_is_tried_by_some_test() {
    let tests = [
        include_str!("budgets.rs"),
        include_str!("bits.rs"),
        include_str!("components.rs"),
        include_str!("configurations.rs"),
        include_str!("engines.rs"),
        include_str!("frames.rs"),
        include_str!("interruptions.rs"),
        include_str!("large.rs"),
        include_str!("masks.rs"),
        include_str!("metrics.rs"),
        include_str!("options.rs"),
        include_str!("preview.rs"),
        include_str!("quality.rs"),
        include_str!("refusals.rs"),
        include_str!("report.rs"),
        include_str!("start.rs"),
        include_str!("streams.rs"),
        include_str!("subjects.rs"),
        include_str!("videos.rs"),
        include_str!("../checkpoints/options.rs"),
    ];
    let help = Studio::new().run("--help").succeeded().stdout;
    let options: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('-').map(|_| line))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")))
        .collect();
    assert!(options.len() >= 18, "{options:?}");
    for option in options {
        let used = |text: &str| {
            let mut after = text.split(option).skip(1);
            // As an argument: a value or the end of the string follows, not the end of a name.
            after.any(|rest| rest.starts_with([' ', '"']) && !rest.starts_with("\","))
        };
        assert!(tests.iter().any(|text| used(text)), "no test uses {option}");
    }
}

#[test]
fn the_version_is_that_of_the_crate() {
    let version = Studio::new().run("--version").succeeded().stdout;
    assert_eq!(version, format!("paint {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn adapters_are_listed_or_said_to_be_missing() {
    let list = Studio::new().run("--list-adapters").succeeded().stdout;
    assert!(list.lines().count() >= 1 && list.lines().all(|line| !line.is_empty()), "{list:?}");
}

#[test]
fn drivers_do_not_complain_of_a_missing_runtime_folder() {
    let studio = Studio::new();
    studio.run("--list-adapters").succeeded();
    for invalid in ["", "not/absolute"] {
        studio.run_with(("XDG_RUNTIME_DIR", invalid), "--list-adapters").succeeded();
    }
}

#[test]
fn every_backend_paints() {
    for (name, expected) in
        [("cpu", &["cpu"][..]), ("reference", &["reference"]), ("auto", &["cpu", "gpu"])]
    {
        let studio = Studio::with_picture();
        let run = studio.quick(&format!("picture.png --backend {name} --report run.json"));
        let backend = studio.json("run.json")["engine"]["backend"].as_str().unwrap().to_string();
        assert!(expected.contains(&backend.as_str()), "{name}: {backend}");
        let said = run.succeeded().stdout;
        assert!(said.contains(&format!("{backend} engine on ")), "{name}");
        // Why no GPU is used, where one would have been taken.
        let without = name == "auto" && backend == "cpu";
        assert_eq!(said.contains("note: no GPU can be used; there is "), without, "{said}");
        assert_eq!(
            studio.names(),
            ["painted-comparison.png", "painted.png", "picture.png", "run.json"]
        );
    }
}

#[test]
fn every_adapter_paints_as_the_cpu_does() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --backend cpu -o cpu.png").succeeded();
    let list = studio.run("--list-adapters").succeeded().stdout;
    let adapters = common::adapters();
    assert_eq!(list.lines().count(), adapters.len().max(1), "{list}");
    for adapter in adapters {
        assert!(list.contains(&adapter.description()), "{list}");
        let named = adapter.description();
        let run = studio.quick_on(&named, "picture.png -o gpu.png --report run.json").succeeded();
        assert!(run.stdout.contains(&format!("gpu engine on {named}")), "{}", run.stdout);
        let engine = &studio.json("run.json")["engine"];
        assert_eq!(
            (&engine["backend"], &engine["adapter"]),
            (&json!("gpu"), &json!(adapter.adapter))
        );
        assert_eq!(engine["api"], adapter.api.expect("of an adapter").name());
        let quality = impasto::psnr(&studio.picture("cpu.png"), &studio.picture("gpu.png"));
        assert!(quality.unwrap() > 50.0, "{named}");
    }
}

#[test]
fn both_kinds_of_kernels_paint_alike() {
    for adapter in common::adapters() {
        let (studio, named) = (Studio::with_picture(), adapter.description());
        for kind in ["fused", "layerwise"] {
            studio
                .quick_on(&named, &format!("picture.png --kernels {kind} -o {kind}.png"))
                .succeeded();
        }
        let quality = impasto::psnr(&studio.picture("fused.png"), &studio.picture("layerwise.png"));
        assert!(quality.unwrap() > 50.0, "{named}");
        let wide = studio.quick_on(&named, "picture.png --kernels fused --hidden 200");
        wide.failed_saying(&["at most 128 neurons", "layerwise"]);
        let wide = studio.quick_on(&named, "picture.png --kernels auto --hidden 200 --no-tune");
        let said = wide.succeeded().stdout;
        let note = "note: the fused kernels take layers of at most 128 neurons";
        assert!(said.contains(note) && said.contains("the layerwise kernels are used"), "{said}");
    }
    let refused = Studio::with_picture().quick("picture.png --kernels fused");
    refused.failed_saying(&["for the GPU engine"]);
}

/// Whether the adapter multiplies matrices or not: the report says in which precision the run was computed.
#[test]
fn mixed_precision_paints_alike_or_says_why_it_is_not_to_be_had() {
    for adapter in common::adapters() {
        let (studio, named) = (Studio::with_picture(), adapter.description());
        studio.quick_on(&named, "picture.png -o full.png").succeeded();
        let mixed = "picture.png --precision mixed -o mixed.png --report report.json";
        let said = studio.quick_on(&named, mixed).succeeded().stdout;
        let report = studio.json("report.json");
        let precision = report["training"]["precision"].as_str().expect("a precision");
        assert!(said.contains(&format!("trained in {precision} precision")), "{said}");
        let is_full = said.contains("note: ") && said.contains(": the run is computed in f32");
        assert_eq!(is_full, precision == "full", "{named}: {said}");
        let quality = impasto::psnr(&studio.picture("full.png"), &studio.picture("mixed.png"));
        assert!(quality.unwrap() > 30.0, "{named}");
    }
    let refused = Studio::with_picture().quick("picture.png --precision mixed");
    refused.failed_saying(&["mixed precision is for the GPU engine"]);
    let refused = Studio::with_picture().quick("picture.png --precision half");
    refused.misused_saying(&["there is no precision 'half'", "full, mixed, f16-storage"]);
}

#[test]
fn f16_in_storage_paints_alike() {
    for adapter in common::adapters() {
        let (studio, named) = (Studio::with_picture(), adapter.description());
        studio.quick_on(&named, "picture.png -o full.png").succeeded();
        let stored = "picture.png --precision f16-storage -o stored.png --report report.json";
        let said = studio.quick_on(&named, stored).succeeded().stdout;
        assert!(said.contains("trained in f16-storage precision"), "{named}: {said}");
        assert_eq!(studio.json("report.json")["training"]["precision"], "f16-storage", "{named}");
        let quality = impasto::psnr(&studio.picture("full.png"), &studio.picture("stored.png"));
        let quality = quality.unwrap();
        assert!(quality > 40.0, "{named}: {quality}");
        let again = "picture.png --precision f16-storage -o again.png";
        studio.quick_on(&named, again).succeeded();
        assert_eq!(studio.picture("again.png"), studio.picture("stored.png"), "{named}");
        let layerwise = "picture.png --precision f16-storage --kernels layerwise -o layerwise.png";
        let said = studio.quick_on(&named, layerwise).succeeded().stdout;
        let note =
            "the layerwise kernels store no values in f16: the run is computed in full precision";
        assert!(said.contains(note) && said.contains("trained in full precision"), "{said}");
    }
    let refused = Studio::with_picture().quick("picture.png --precision f16-storage");
    refused.failed_saying(&["f16-storage precision is for the GPU engine"]);
}

#[test]
fn a_profile_names_every_kernel_of_a_step() {
    let studio = Studio::with_picture();
    let refused = studio.quick("picture.png --profile --backend reference");
    refused.misused_saying(&["--profile", "GPU engine"]);
    assert_eq!(studio.names(), ["picture.png"], "refused before training");
    for adapter in common::adapters() {
        let named = adapter.description();
        let run = studio.quick_on(&named, "picture.png --profile --kernels fused");
        let text = run.succeeded().stdout;
        for kernel in ["fused_step", "weight_gradients", "update"] {
            let line = text.lines().find(|line| line.starts_with(kernel)).expect(kernel);
            assert!(line.contains(" µs ") && line.contains(" % "), "{line}");
        }
        assert!(text.contains("\nall                             3 "), "{text}");
    }
}

#[test]
fn a_profile_on_the_cpu_names_every_phase_of_a_step() {
    let studio = Studio::with_picture();
    let plain = studio.quick("picture.png --backend cpu -o plain.png").succeeded().stdout;
    let run = studio.quick("picture.png --profile --backend cpu -o profiled.png");
    let text = run.succeeded().stdout;
    assert!(text.contains("\nphase of a step") && !plain.contains("phase of a step"), "{text}");
    let mut sum = 0.0;
    for (phase, has_work) in [
        ("gather", true),
        ("forward products", true),
        ("loss", true),
        ("backward products", true),
        ("weight gradients", true),
        ("group sums and update", true),
        ("transposed weights", true),
        ("other", false),
    ] {
        let line = text.lines().find(|line| line.starts_with(phase)).expect(phase);
        assert!(line.contains(" µs ") && line.contains(" % "), "{line}");
        let words: Vec<&str> = line[phase.len()..].split_whitespace().collect();
        sum += words[3].parse::<f64>().expect("a share");
        assert_eq!(words[6] != "-", has_work, "{line}");
    }
    // On several threads they also wait.
    assert!((10.0..101.0).contains(&sum), "{text}");
    assert!(text.lines().any(|line| line.starts_with("all ") && line.ends_with(" µs")), "{text}");
    assert_eq!(studio.picture("plain.png"), studio.picture("profiled.png"));
}

#[test]
fn the_cpu_paints_as_the_reference_does() {
    let studio = Studio::with_picture();
    for backend in ["cpu", "reference"] {
        studio.quick(&format!("picture.png --backend {backend} -o {backend}.png")).succeeded();
    }
    let quality = impasto::psnr(&studio.picture("cpu.png"), &studio.picture("reference.png"));
    assert!(quality.unwrap() > 50.0);
}

#[test]
fn hidden_layers_are_written_in_two_ways() {
    let studio = Studio::with_picture();
    for (hidden, layers) in [
        ("3x8", &[2, 8, 8, 8, 3][..]),
        ("16,8", &[2, 16, 8, 3]),
        ("2x4,6", &[2, 4, 4, 6, 3]),
        ("5", &[2, 5, 3]),
    ] {
        studio.quick(&format!("picture.png --hidden {hidden} --report run.json")).succeeded();
        let network = &studio.json("run.json")["network"];
        assert_eq!(network["layers"], json!(layers), "{hidden}");
        let parameters: usize = layers.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        assert_eq!(network["parameters"], parameters, "{hidden}");
    }
}

#[test]
fn the_same_seed_gives_the_same_painting_and_network() {
    for encoding in ["identity", "fourier"] {
        let studio = Studio::with_picture();
        let paint = |seed: &str| {
            let arguments =
                format!("picture.png --encoding {encoding} --save net.safetensors {seed}");
            studio.quick(&arguments).succeeded();
            (studio.bytes("painted.png"), studio.bytes("net.safetensors"))
        };
        let first = paint("--seed 7");
        assert!(first == paint("--seed 7"), "{encoding}");
        assert!(first != paint("--seed 8"), "{encoding}");
        assert!(paint("") == paint("--seed 0"), "{encoding}");
    }
}

#[test]
fn a_batch_may_be_one_pixel_or_more_than_there_are() {
    let studio = Studio::with_picture();
    for (batch, used, steps) in [("1", 1, 864), ("18446744073709551615", 432, 2)] {
        studio.quick(&format!("picture.png --batch {batch} --report run.json")).succeeded();
        let training = &studio.json("run.json")["training"];
        assert_eq!((&training["batch"], &training["steps"]), (&used.into(), &steps.into()));
    }
}

#[test]
fn the_painting_goes_where_it_is_asked_to() {
    let studio = Studio::with_picture();
    std::fs::create_dir(studio.path("folder")).unwrap();
    for format in ["png", "bmp", "tiff", "webp", "jpg", "gif"] {
        studio.quick(&format!("picture.png --output folder/duck.{format}")).succeeded();
        let painting = studio.picture(&format!("folder/duck.{format}"));
        let sheet = studio.picture(&format!("folder/duck-comparison.{format}"));
        assert_eq!((painting.width(), painting.height()), (24, 18), "{format}");
        assert_eq!((sheet.width(), sheet.height()), (3 * 24 + 2 * 4, 18), "{format}");
    }
    assert_eq!(studio.names(), ["folder", "picture.png"]);
}

#[test]
fn an_existing_painting_is_replaced() {
    let studio = Studio::with_picture();
    studio.put_bytes("painted.png", b"an old one");
    studio.quick("picture.png").succeeded();
    assert_eq!(studio.picture("painted.png").width(), 24);
}

#[test]
fn an_older_sheet_does_not_stay_beside_a_painting_that_has_none() {
    for arguments in ["picture.png --classify", "--repaint net.safetensors --backend cpu"] {
        let studio = Studio::with_picture();
        studio.quick("picture.png --save net.safetensors").succeeded();
        studio.put_bytes("other-comparison.png", b"kept");
        let run = if arguments.starts_with("--") { Studio::run } else { Studio::quick };
        let said = run(&studio, arguments).succeeded().stdout;
        assert!(said.contains("removed the older painted-comparison.png"), "{said}");
        assert_eq!(
            studio.names(),
            ["net.safetensors", "other-comparison.png", "painted.png", "picture.png"]
        );
        let again = run(&studio, arguments).succeeded().stdout;
        assert!(!again.contains("removed"), "{again}");
    }
}

#[test]
fn a_sheet_that_is_an_input_or_another_output_is_not_removed() {
    let studio = Studio::new();
    studio.put("painted-comparison.png", &crate::pictures::stones(24, 18));
    studio.quick("painted-comparison.png --classify").succeeded();
    assert_eq!(studio.picture("painted-comparison.png").width(), 24);
    let arguments = "painted-comparison.png --classify -o a.png --report a-comparison.png";
    studio.quick(arguments).succeeded();
    assert!(studio.json("a-comparison.png")["result"]["accuracy"].is_f64());
    std::fs::create_dir(studio.path("b-comparison.png")).unwrap();
    studio.quick("painted-comparison.png --classify -o b.png").succeeded();
    assert!(studio.path("b-comparison.png").is_dir());
    // Nor is one that is read-only.
    let sheet = studio.path("c-comparison.png");
    std::fs::write(&sheet, b"kept").unwrap();
    let mut mode = std::fs::metadata(&sheet).unwrap().permissions();
    mode.set_readonly(true);
    std::fs::set_permissions(&sheet, mode).unwrap();
    studio.quick("painted-comparison.png --classify -o c.png").succeeded();
    assert_eq!(std::fs::read(&sheet).unwrap(), b"kept");
    // Nor is it where nothing was painted.
    studio.put_bytes("painted.png", b"kept");
    studio.run("nothere.jpg --classify").failed_saying(&["nothere.jpg"]);
    assert_eq!(studio.picture("painted-comparison.png").width(), 24);
}

#[test]
fn quiet_is_quiet() {
    let studio = Studio::with_picture();
    for arguments in ["picture.png --quiet --save net.safetensors", "picture.png -q --classify"] {
        assert_eq!(studio.quick(arguments).succeeded().stdout, "", "{arguments}");
    }
    let run = studio.run("--repaint net.safetensors --backend cpu --quiet").succeeded();
    assert_eq!(run.stdout, "");
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let studio = Studio::with_picture();
    let output = studio.quick("picture.png --epochs 300").succeeded().stdout;
    assert!(!output.contains(['\u{1b}', '\r']), "{output:?}");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 6, "{output}");
    assert_eq!(lines[0], "picture.png: 24×18 (432 pixels), RGB, 8 bits");
    assert_eq!(lines[1], "network 2 → 2×8 → 3, relu, 123 parameters");
    let training = "training mean-squared-error with adam, learning rate 0.002, schedule cosine";
    assert_eq!(lines[2], training);
    assert!(lines[4].starts_with("trained 300 epochs in "), "{output}");
    assert!(
        lines[5].starts_with("painted painted.png and painted-comparison.png: PSNR "),
        "{output}"
    );
}

#[test]
fn a_reader_that_goes_away_costs_nothing() {
    let studio = Studio::with_picture();
    let mut child = studio.start(&crate::studio::quick("picture.png"));
    drop(child.stdout.take());
    crate::studio::finish(child, "into a closed pipe").succeeded();
    assert_eq!(studio.picture("painted.png").width(), 24);
}

#[test]
fn a_saved_network_paints_the_same_again() {
    for options in ["", "--encoding fourier --seed 3", "--encoding frequency --activation tanh"] {
        let studio = Studio::with_picture();
        studio.quick(&format!("picture.png {options} --save net.safetensors")).succeeded();
        studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
        assert!(studio.bytes("again.png") == studio.bytes("painted.png"), "{options}");
        assert!(!studio.names().contains(&"again-comparison.png".to_string()));
    }
}

#[test]
fn a_saved_network_paints_at_any_size() {
    let studio = Studio::with_picture();
    studio.quick("picture.png --epochs 60 --save net.safetensors").succeeded();
    let run = studio.run("--repaint net.safetensors --size 64x48 --backend cpu -o large.png");
    assert!(run.succeeded().stdout.contains("painted large.png at 64×48"));
    let large = studio.picture("large.png");
    assert_eq!((large.width(), large.height(), large.channels()), (64, 48, 3));
    // A third of the size again shows what was learned: every third pixel's center is the same.
    studio.run("--repaint net.safetensors --size 72x54 --backend cpu -o triple.png").succeeded();
    let (triple, painted) = (studio.picture("triple.png"), studio.picture("painted.png"));
    let center = |picture: &Picture, x: usize, y: usize| -> Vec<u16> {
        let first = (y * picture.width() + x) * 3;
        picture.values()[first..first + 3].to_vec()
    };
    for (x, y) in [(0, 0), (11, 7), (23, 17)] {
        let (small, large) = (center(&painted, x, y), center(&triple, 3 * x + 1, 3 * y + 1));
        for (a, b) in small.iter().zip(&large) {
            assert!(a.abs_diff(*b) <= 1, "{small:?} and {large:?} at {x}, {y}");
        }
    }
}
