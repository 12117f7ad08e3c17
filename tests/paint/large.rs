//! Large pictures, and parts of paintings.

use super::studio::{Studio, finish, quick};
use impasto::Picture;
use std::process::{Command, Stdio};

/// A picture of 12 million pixels of 16 bits as the bytes of a file, 72 MB: PPM, since that is written quickly.
fn twelve_million() -> Vec<u8> {
    let (width, height) = (4_000_usize, 3_000_usize);
    let row: Vec<u8> = (0..2 * width)
        .flat_map(|x| (0..3).map(move |k| (x * (90 + 40 * k) % 65_536) as u16))
        .flat_map(u16::to_be_bytes)
        .collect();
    let mut file = format!("P6\n{width} {height}\n65535\n").into_bytes();
    for y in 0..height {
        let first = y * 6;
        file.extend_from_slice(&row[first..first + 6 * width]);
    }
    file
}

/// Address space that the program may take, in KiB: the picture, and 580 MB. Its threads and its code take 200 MB of
/// that. Rows of numbers alone would take 240 MB, and the sheet in full size 432 MB.
#[cfg(target_os = "linux")]
const LIMIT: &str = "ulimit -v 640000; exec \"$0\" \"$@\"";

#[test]
#[cfg(target_os = "linux")]
fn a_large_picture_takes_little_memory_beside_its_pixels() {
    let studio = Studio::new();
    studio.put_bytes("large.ppm", &twelve_million());
    let program = studio.command("").get_program().to_os_string();
    let limited = |arguments: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", LIMIT]).arg(&program).args(arguments.split_whitespace());
        command.current_dir(studio.path("")).env("IMPASTO_CACHE", "").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().expect("a shell"), arguments)
    };
    let arguments = "large.ppm --backend cpu --threads 2 --hidden 1x4 --steps 20 -o large.png";
    let run = limited(arguments).succeeded();
    assert!(run.stdout.contains("the pictures of the sheet are 2 times smaller"), "{run}");
    let sheet = studio.picture("large-comparison.png");
    assert_eq!((sheet.width(), sheet.height()), (3 * 2_000 + 8, 1_500));
    // What is written is what was compared.
    let (before, after) = (studio.picture("large.ppm"), studio.picture("large.png"));
    let psnr = impasto::psnr(&before, &after).unwrap();
    assert!(run.stdout.contains(&format!("PSNR {psnr:.1} dB")), "{run}");
}

#[test]
fn a_region_is_a_part_of_the_painting() {
    let studio = Studio::with_picture();
    let run = studio.quick("picture.png --save net.safetensors").succeeded();
    let whole = studio.picture("painted.png");
    let part = |picture: &Picture, x: usize, y: usize, wide: usize, high: usize| -> Vec<Vec<u16>> {
        let pixels: Vec<Vec<u16>> = picture.pixels().map(|pixel| pixel.to_vec()).collect();
        let rows = pixels.chunks(picture.width()).skip(y).take(high);
        rows.flat_map(|row| row[x..x + wide].to_vec()).collect()
    };
    let all = |picture: &Picture| part(picture, 0, 0, picture.width(), picture.height());
    // After training, and from the saved network; the comparison is that of the whole picture.
    let other = studio.quick("picture.png --region 5,7,11,3 -o part.png").succeeded();
    // PSNR and SSIM: the first run was also saved, and says how many bits a pixel takes.
    let compared = |text: &str| {
        let found = text[text.find("PSNR").unwrap()..].trim().split(", ");
        found.take(2).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(compared(&other.stdout), compared(&run.stdout));
    let (sheet, same) = ("part-comparison.png", "painted-comparison.png");
    assert!(studio.picture(sheet) == studio.picture(same));
    let painted = studio.picture("part.png");
    assert_eq!((painted.width(), painted.height()), (11, 3));
    assert_eq!(all(&painted), part(&whole, 5, 7, 11, 3));
    let repaint = "--repaint net.safetensors --backend cpu";
    let run = studio.run(&format!("{repaint} --region 5,7,11,3 -o again.png")).succeeded();
    assert!(run.stdout.contains("painted again.png at 11×3"), "{run}");
    assert!(studio.picture("again.png") == painted);
    // Of a larger painting: 24×18 pixels three times as large.
    studio.run(&format!("{repaint} --scale 3x -o three.png")).succeeded();
    studio.run(&format!("{repaint} --size 72x54 -o size.png")).succeeded();
    let three = studio.picture("three.png");
    assert!(three == studio.picture("size.png"));
    studio.run(&format!("{repaint} --scale 3x --region 40,50,32,4 -o p.png")).succeeded();
    assert_eq!(all(&studio.picture("p.png")), part(&three, 40, 50, 32, 4));
    studio.quick("picture.png --scale 0.5 -o half.png").succeeded();
    assert_eq!(studio.picture("half.png").width(), 12);
    // A small part of a painting that would be too large.
    studio.run(&format!("{repaint} --scale 10000 --region 9,9,2,2 -o tiny.png")).succeeded();
}

#[test]
fn regions_and_scales_that_do_not_fit_are_refused_before_training() {
    let studio = Studio::with_picture();
    let before = studio.names();
    for (options, words) in [
        ("--region 20,0,5,5", &["--region 20,0,5,5", "24×18"][..]),
        ("--scale 2x --region 20,30,5,7", &["--region 20,30,5,7", "48×36"]),
        ("--scale 1e6", &["24000000×18000000", "smaller"]),
        ("--scale 1e300", &["2³¹"]),
    ] {
        studio.quick(&format!("picture.png {options}")).failed_saying(words);
    }
    for (options, words) in [
        ("--region 1,2,3", &["X,Y,WIDTH,HEIGHT"][..]),
        ("--region 1,2,0,3", &["no pixel"]),
        ("--scale 0", &["'0'", "2x"]),
        ("--scale -2", &["'-2'"]),
        ("--scale 2x --size 3x3", &["--scale", "--size"]),
        ("--classify --region 0,0,2,2", &["--region", "--classify"]),
        ("--classify --scale 2", &["--scale", "--classify"]),
    ] {
        let run = studio.run(&quick(&format!("picture.png {options}")));
        run.misused_saying(words);
    }
    assert_eq!(studio.names(), before);
}
