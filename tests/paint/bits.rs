//! `--bits`, and how many bits a saved network takes for each pixel.

use crate::studio::Studio;

#[test]
fn fewer_bits_make_a_smaller_file_and_their_cost_is_said() {
    let studio = Studio::with_picture();
    let mut sizes = Vec::new();
    for bits in [32, 16, 8] {
        let run = format!(
            "picture.png --hidden 2x40 --epochs 100 --save {bits}.safetensors --bits {bits} --report run.json"
        );
        let said = studio.quick(&run).succeeded().stdout;
        let report = studio.json("run.json");
        let (result, file) = (&report["result"], &report["result"]["file"]);
        let keys: Vec<&String> = file.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["accuracy", "bits", "bits_per_pixel", "bytes", "psnr_db"]);
        let bytes = studio.bytes(&format!("{bits}.safetensors")).len();
        assert_eq!(
            (file["bits"].as_u64(), file["bytes"].as_u64()),
            (Some(bits), Some(bytes as u64))
        );
        let per_pixel = 8.0 * bytes as f64 / 432.0;
        assert_eq!(file["bits_per_pixel"].as_f64(), Some(per_pixel));
        let (_, end) = said.rsplit_once(", ").expect("a line");
        let said_bits: f64 =
            end.strip_suffix(" bits a pixel\n").expect("bits").parse().expect("bits");
        assert!((said_bits / per_pixel - 1.0).abs() < 0.005, "{said}");
        // What is painted from the file has the PSNR that was said.
        let repaint = format!("--repaint {bits}.safetensors --backend cpu -o again.png");
        studio.run(&repaint).succeeded();
        let again = studio.picture("again.png");
        let psnr = impasto::psnr(&studio.picture("picture.png"), &again).expect("same shape");
        assert!((file["psnr_db"].as_f64().expect("a PSNR") - psnr).abs() < 1e-9);
        let painted = result["psnr_db"].as_f64().expect("a PSNR");
        assert!((painted - psnr).abs() < 3.0, "{painted} and {psnr}");
        let both = format!("PSNR {painted:.1} dB, {psnr:.1} dB with {bits} bits, SSIM ");
        assert_eq!(said.contains(&both), bits < 32, "{said}");
        assert_eq!(again == studio.picture("painted.png"), bits == 32);
        // Training goes on from it.
        let start = format!("picture.png --start {bits}.safetensors --epochs 3 -o started.png");
        studio.quick(&start).succeeded();
        sizes.push(bytes);
    }
    assert!(sizes[1] < sizes[0] * 2 / 3 && sizes[2] < sizes[1] * 3 / 4, "{sizes:?}");
}

#[test]
fn the_network_that_is_painted_is_not_rounded() {
    let studio = Studio::with_picture();
    studio.quick("picture.png -o a.png").succeeded();
    studio.quick("picture.png -o b.png --save net.safetensors --bits 8").succeeded();
    assert!(studio.bytes("a.png") == studio.bytes("b.png"));
}

#[test]
fn classes_and_standard_output_have_bits_too() {
    let studio = Studio::with_picture();
    let run = "picture.png --classify --save net.safetensors --bits 8 --report run.json";
    let said = studio.quick(run).succeeded().stdout;
    assert!(said.contains(" % with 8 bits, ") && said.contains(" bits a pixel\n"), "{said}");
    let file = &studio.json("run.json")["result"]["file"];
    let accuracy = file["accuracy"].as_f64().expect("an accuracy");
    assert!((0.4..=1.0).contains(&accuracy) && file["psnr_db"].is_null(), "{file}");
    let run = crate::studio::quick("picture.png --save - --bits 16 -o c.png");
    let piped = studio.pipe(None, &run);
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert!(piped.stderr.contains(" dB with 16 bits, "), "{}", piped.stderr);
    studio.put_bytes("piped.safetensors", &piped.stdout);
    studio.run("--repaint piped.safetensors --backend cpu -o d.png").succeeded();
    // Without a file there are no bits.
    let run = studio.quick("picture.png --report run.json").succeeded();
    assert!(
        !run.stdout.contains("bits a pixel") && studio.json("run.json")["result"]["file"].is_null()
    );
}

#[test]
fn unfit_bits_are_refused() {
    let studio = Studio::with_picture();
    for (arguments, words) in [
        ("--save a.safetensors --bits 12", ["12", "32, 16 or 8 bits"]),
        ("--bits 8", ["--save", "required"]),
        ("--save a.safetensors --save-every 1s --bits 8", ["--bits", "--save-every"]),
        ("--save a.safetensors --resume b.safetensors --bits 8", ["--bits", "--resume"]),
    ] {
        studio.quick(&format!("picture.png {arguments}")).misused_saying(&words);
    }
    assert_eq!(studio.names(), ["picture.png"]);
}
