//! `--config`, `--preset` and `--print-config`, and the advice for photographs.

use crate::pictures;
use crate::studio::Studio;
use impasto::Picture;
use serde_json::Value;

const HASH: &[u8] = include_bytes!("../config/hash.json");
const ONE_BLOB: &[u8] = include_bytes!("../config/oneblob.json");

/// What `--print-config` prints.
fn printed(studio: &Studio, arguments: &str) -> Value {
    let run = studio.run(&format!("{arguments} --print-config")).succeeded();
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[cfg(target_os = "linux")]
#[test]
fn a_configuration_may_be_a_pipe() {
    let studio = Studio::with_picture();
    let made = std::process::Command::new("mkfifo").arg(studio.path("pipe")).status();
    assert!(made.unwrap().success());
    let path = studio.path("pipe");
    let writer = std::thread::spawn(move || std::fs::write(path, "{ \"seed\": 7 }").unwrap());
    let run = studio.quick("picture.png --config pipe --report run.json").succeeded();
    writer.join().unwrap();
    assert_eq!(studio.json("run.json")["seed"], 7, "{run}");
}

#[test]
fn the_samples_of_tiny_cuda_nn_run_unchanged() {
    let studio = Studio::new();
    studio.put("picture.png", &pictures::stones(12, 10));
    studio.put_bytes("hash.json", HASH);
    studio.put_bytes("oneblob.json", ONE_BLOB);
    for (name, encoding, layers) in [
        ("hash.json", "grid:", vec![2, 64, 64, 3]),
        ("oneblob.json", "one-blob:bins=64", vec![2, 128, 128, 128, 128, 128, 3]),
    ] {
        let run =
            format!("picture.png --backend reference --config {name} --epochs 3 --report run.json");
        let said = studio.run(&run).succeeded().stdout;
        let report = studio.json("run.json");
        let network = &report["network"];
        assert!(network["encoding"].as_str().unwrap().starts_with(encoding), "{network}");
        assert_eq!(network["layers"], serde_json::json!(layers));
        let training = &report["training"];
        assert_eq!(training["loss"], "relative-l2:epsilon=0.01");
        assert_eq!(
            (&training["learning_rate"], &training["schedule"]),
            (&0.01.into(), &"constant".into())
        );
        assert!(said.contains("relative-l2 with adam:"), "{said}");
        let losses: Vec<f64> = report["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["loss"].as_f64().unwrap())
            .collect();
        assert!(losses.len() == 3 && losses[2] < losses[0], "{losses:?}");
    }
}

#[test]
fn options_override_a_file_and_a_preset() {
    let studio = Studio::new();
    studio.put_bytes("hash.json", HASH);
    let file = printed(&studio, "--config hash.json");
    assert_eq!((&file["learning_rate"], &file["l2"]), (&0.01.into(), &1e-6.into()));
    assert_eq!((&file["network"]["biases"], &file["epochs"]), (&false.into(), &Value::Null));
    // Wherever they are.
    let options = "--learning-rate 0.5 --loss l1 --epochs 3 --batch 7 --seed 9 --hidden 8,4 --activation tanh \
                   --optimizer sgd --schedule cosine --warm-up 5 --encoding frequency";
    for arguments in
        [format!("{options} --config hash.json"), format!("--config hash.json {options}")]
    {
        let config = printed(&studio, &arguments);
        for (key, expected) in [
            ("learning_rate", Value::from(0.5)),
            ("epochs", 3.into()),
            ("batch_size", 7.into()),
            ("seed", 9.into()),
            ("warm_up", 5.into()),
            ("l2", 1e-6.into()),
        ] {
            assert_eq!(config[key], expected, "{key}");
        }
        for (key, expected) in [
            ("loss", "l1"),
            ("optimizer", "sgd"),
            ("schedule", "cosine"),
            ("encoding", "frequency"),
        ] {
            assert_eq!(config[key]["name"], expected);
        }
        assert_eq!(config["network"]["hidden"], "8,4");
        assert_eq!(config["network"]["activation"]["name"], "tanh");
        // What no option changes is still that of the file.
        assert_eq!(config["network"]["biases"], false);
    }
    let preset = printed(&studio, "--epochs 3 --preset siren");
    assert_eq!((&preset["epochs"], &preset["learning_rate"]), (&3.into(), &3e-4.into()));
}

#[test]
fn what_is_printed_paints_the_same() {
    let studio = Studio::with_picture();
    for arguments in [
        "--hidden 2x8 --epochs 2",
        "--hidden 8 --epochs 2 --encoding fourier:features=8 --seed 5 --loss huber --optimizer lion",
        "--hidden 8 --epochs 2 --activation sine --schedule one-cycle --warm-up 3 --batch 50",
        "--preset siren --hidden 2x16 --epochs 1",
        "--classify --hidden 8 --epochs 2",
    ] {
        let first = format!("picture.png --backend cpu {arguments}");
        studio.run(&first).succeeded();
        let painted = studio.bytes("painted.png");
        let config = studio.run(&format!("picture.png {arguments} --print-config")).succeeded();
        studio.put_bytes("config.json", config.stdout.as_bytes());
        studio.put_bytes("painted.png", b"");
        studio.run("picture.png --backend cpu --config config.json").succeeded();
        assert!(studio.bytes("painted.png") == painted, "{arguments}: {config}");
        // What is read is printed again.
        let again = studio.run("picture.png --config config.json --print-config").succeeded();
        assert_eq!(again.stdout, config.stdout);
    }
}

#[test]
fn steps_end_a_run() {
    let studio = Studio::with_picture();
    studio.put_bytes("config.json", br#"{ "steps": 4, "batch_size": 100, "network": "8" }"#);
    studio.run("picture.png --backend cpu --config config.json --report run.json").succeeded();
    let training = &studio.json("run.json")["training"];
    // 432 pixels are 5 steps of 100.
    assert_eq!((&training["steps"], &training["batch"]), (&4.into(), &100.into()));
}

#[test]
fn presets_depend_on_the_picture() {
    let studio = Studio::new();
    studio.put("icon.png", &pictures::gradient(32, 24));
    studio.put("wide.png", &pictures::gradient(1024, 256));
    let (icon, wide) =
        (printed(&studio, "icon.png --preset hash"), printed(&studio, "wide.png --preset hash"));
    assert_eq!((&icon["batch_size"], &wide["batch_size"]), (&256.into(), &2048.into()));
    assert_eq!(
        (&icon["encoding"]["log2_size"], &wide["encoding"]["log2_size"]),
        (&9.into(), &17.into())
    );
    let growth = wide["encoding"]["level_scale"].as_f64().unwrap();
    assert!((16.0 * growth.powi(7) - 1024.0).abs() < 1e-6, "{growth}");
    studio
        .run("--preset hash --print-config")
        .failed_saying(&["--preset hash depends on the size of the picture"]);
    for preset in ["plain", "fourier", "siren", "finer"] {
        printed(&studio, &format!("--preset {preset}"));
    }
    assert_eq!(printed(&studio, "--preset plain"), printed(&studio, ""));
}

#[test]
fn configurations_that_cannot_be_used() {
    let studio = Studio::with_picture();
    studio.put_bytes(
        "wrong.json",
        br#"{ "encoding": { "otype": "Composite", "nested": [{ "n_bin": 4 }] } }"#,
    );
    studio.put_bytes("no.json", b"{ network: 5 }");
    studio.put_bytes("bytes.json", b"\xff\xfe");
    studio.put_bytes("classes.json", br#"{ "loss": "softmax-cross-entropy" }"#);
    studio.put_bytes(
        "good.json",
        br#"{ "network": "4", "epochs": 1, "classify": true, "loss": "softmax-cross-entropy" }"#,
    );
    let before = studio.names();
    for (options, words) in [
        ("--config nowhere.json", &["cannot read nowhere.json"][..]),
        (
            "--config wrong.json",
            &["wrong.json: encoding.nested[0].n_bin: there is no such key: there is otype, n_bins"],
        ),
        ("--config no.json", &["no.json: no JSON: ", "line 1"]),
        ("--config bytes.json", &["cannot read bytes.json"]),
        ("--config classes.json", &["softmax-cross-entropy", "classes", "--classify"]),
        (
            "--config good.json --report good.json",
            &["good.json would be both the configuration and the report"],
        ),
    ] {
        studio.run(&format!("picture.png {options}")).failed_saying(words);
    }
    for (options, words) in [
        ("--config good.json --preset plain", &["--config", "--preset"][..]),
        ("--preset nerf", &["nerf", "plain, fourier, siren, finer, hash"]),
        ("--repaint net.safetensors --config good.json", &["--repaint", "--config"]),
        ("--resume net.safetensors --preset plain", &["--resume", "--preset"]),
    ] {
        let image = if options.contains("--re") { "" } else { "picture.png " };
        studio.run(&format!("{image}{options}")).misused_saying(words);
    }
    assert_eq!(studio.names(), before);
    studio.run("picture.png --backend cpu --config good.json").succeeded();
}

/// A picture of blocks in a few colors, with a slight gradient over all.
fn drawing(width: usize, height: usize) -> Picture {
    let value = |i: usize| {
        let (pixel, channel) = (i / 3, i % 3);
        let (x, y) = (pixel % width, pixel / width);
        let block = (x / 40 * 3 + y / 30 * 5 + channel * 2) % 7;
        (30 * block + x * 40 / width) as u16
    };
    Picture::new(width, height, 3, 255, (0..width * height * 3).map(value).collect()).unwrap()
}

/// Fine grain over a gradient, as in a photograph.
fn grain(width: usize, height: usize) -> Picture {
    let smooth = pictures::stones(width, height);
    let mut random = 1_u32;
    let smooth = smooth.values();
    let values = smooth.iter().map(|value| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (value + (random >> 28) as u16).min(255)
    });
    Picture::new(width, height, 3, 255, values.collect()).unwrap()
}

/// Grain whose pixels are `factor` times as wide, with straight lines between them, as photographs that were made larger.
fn soft_grain(width: usize, height: usize, factor: usize) -> Picture {
    let sharp = grain(width / factor + 2, height);
    let stride = 3 * sharp.width();
    let values = sharp.values();
    let value = |i: usize| {
        let (x, y, channel) = (i / 3 % width, i / (3 * width), i % 3);
        let (cell, inside) = (x / factor, x % factor);
        let at = |cell: usize| usize::from(values[y * stride + 3 * cell + channel]);
        ((at(cell) * (factor - inside) + at(cell + 1) * inside) / factor) as u16
    };
    Picture::new(width, height, 3, 255, (0..3 * width * height).map(value).collect()).unwrap()
}

#[test]
fn a_photograph_is_better_learned_by_another_preset() {
    const ADVICE: &str = "note: this looks like a photograph, which --preset hash learns better";
    let studio = Studio::new();
    let run = |options: &str| {
        let run =
            format!("picture.png --backend cpu --hidden 4 --epochs 1 --batch 20000 {options}");
        studio.run(&run).succeeded().stdout
    };
    for (what, picture, is_photograph) in [
        ("grain", grain(300, 260), true),
        ("a small one", grain(256, 256), false),
        ("a large soft one", soft_grain(3072, 24, 12), true),
        ("a large gradient", pictures::gradient(3072, 24), false),
        ("a drawing", drawing(300, 260), false),
        ("a gradient", pictures::gradient(300, 260), false),
        ("a deep gradient", pictures::deep_gradient(300, 260), false),
        ("a disc", pictures::soft_disc(300, 260), false),
    ] {
        studio.put("picture.png", &picture);
        let said = run("");
        assert_eq!(said.contains(ADVICE), is_photograph, "{what}: {said}");
    }
    studio.put("picture.png", &grain(300, 260));
    for options in [
        "--encoding frequency:octaves=1",
        "--activation sine",
        "--preset plain",
        "--quiet",
        "--classify",
    ] {
        let said = run(options);
        assert!(!said.contains("photograph"), "{options}: {said}");
    }
}
