//! `--repaint` with networks that PyTorch saved.

use super::studio::Studio;

fn with_networks() -> Studio {
    let studio = Studio::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files");
    for name in ["no-metadata", "sequential-no-meta", "orig-mod", "f16"] {
        let name = format!("{name}.safetensors");
        studio.put_bytes(&name, &std::fs::read(folder.join(&name)).unwrap());
    }
    studio
}

#[test]
fn networks_of_pytorch_are_painted() {
    let studio = with_networks();
    let paint = |name: &str, options: &str| {
        let run = format!("--repaint {name}.safetensors {options} --backend cpu -o {name}.png");
        studio.run(&run).succeeded();
        studio.picture(&format!("{name}.png"))
    };
    let expected = paint("orig-mod", "");
    assert_eq!((expected.width(), expected.height(), expected.channels()), (48, 32, 3));
    let half = paint("f16", "");
    assert!(impasto::psnr(&half, &expected).unwrap() > 40.0);
    // Files without metadata say no shape, so square pictures alone have the same places.
    let expected = paint("orig-mod", "--size 32x32");
    assert_eq!(paint("no-metadata", "--activation relu --size 32x32"), expected);
    assert_eq!(paint("sequential-no-meta", "--activation relu --size 32x32"), expected);
    let tanh = paint("no-metadata", "--activation tanh --size 32x32");
    assert!(tanh != expected, "another activation");
}

#[test]
fn what_is_missing_or_contradicts_the_file_is_named() {
    let studio = with_networks();
    let refused = |arguments: &str, words: &[&str]| {
        studio.run(&format!("--repaint {arguments} --backend cpu")).failed_saying(words);
        assert_eq!(studio.names().len(), 4, "{arguments}");
    };
    refused("no-metadata.safetensors --size 4x4", &["no-metadata", "--activation"]);
    refused("no-metadata.safetensors --activation relu", &["no-metadata", "--size"]);
    refused("no-metadata.safetensors --activation relu --size 4x4 --classify", &["does not fit"]);
    refused(
        "no-metadata.safetensors --activation relu --size 4x4 --encoding frequency:octaves=3",
        &["layer 0 has weights [16, 2]"],
    );
    refused("orig-mod.safetensors --activation tanh", &["relu by its own metadata, not tanh"]);
}

#[test]
fn a_network_of_pytorch_is_trained_on() {
    let studio = with_networks();
    studio.put("picture.png", &crate::pictures::stones(24, 18));
    let start = "picture.png --start no-metadata.safetensors";
    studio.quick(start).failed_saying(&["no-metadata", "--activation"]);
    studio.quick(&format!("{start} --activation relu --save net.safetensors")).succeeded();
    studio.run("--repaint net.safetensors --backend cpu -o again.png").succeeded();
    assert!(studio.bytes("again.png") == studio.bytes("painted.png"));
}
