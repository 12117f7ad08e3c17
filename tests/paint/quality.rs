//! The quality of the painted logo.
//!
//! Slower than the rest.

use crate::studio::Studio;

/// Runs on the logo and returns a figure of the report.
fn result(arguments: &str, key: &str) -> f64 {
    let studio = Studio::new();
    studio.put_bytes("logo.jpg", include_bytes!("../../logo.jpg"));
    let arguments = format!("logo.jpg --backend cpu --report run.json {arguments}");
    studio.run(&arguments).succeeded();
    studio.json("run.json")["result"][key].as_f64().expect("a number")
}

#[test]
fn paints_the_logo_well() {
    let psnr = result("", "psnr_db");
    assert!(psnr >= 34.0, "{psnr} dB");
}

#[test]
fn classifies_the_logo_s_ink_and_paper() {
    let accuracy = result("--classify --epochs 40", "accuracy");
    assert!(accuracy >= 0.97, "{accuracy}");
}

#[test]
fn activations_that_need_their_own_settings_have_them_by_default() {
    for (activation, least) in [("sigmoid", 22.0), ("tanh", 22.0), ("sine", 30.0), ("finer", 30.0)]
    {
        let psnr = result(&format!("--activation {activation} --steps 3000"), "psnr_db");
        assert!(psnr >= least, "{activation}: {psnr} dB");
    }
}
