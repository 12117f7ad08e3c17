//! The tables of `cargo xtask quality` in Markdown.

use super::cells::{cell, decibels, distinct, header, is_busy, mean, strings, where_and_when};
use super::figures::{Fitted, Mapped, Quality, Raced, Table};
use super::job::{Answer, Rounded};
use super::presets_page;
use crate::peers::format::{count, escaped, figure, table};
use crate::peers::page::{DASH, times};
use crate::peers::statistics::{median, ratio};

/// The page with every picture, from the folder that is written into.
pub const FILE: &str = "docs/benchmarks/quality.md";

/// Tancik et al. 2020, table 3: a mapping, of natural pictures, of text.
const TANCIK: [[&str; 3]; 3] = [
    ["none", "19.32 ± 2.48", "18.40 ± 2.23"],
    ["positional", "24.95 ± 3.72", "27.57 ± 3.07"],
    ["gaussian", "25.57 ± 4.19", "30.47 ± 2.11"],
];

/// Zhang et al. 2024 (GaussianImage), table 1, on the 24 pictures of Kodak and one V100: a network, its parameters,
/// seconds, PSNR.
const KODAK: [[&str; 4]; 4] = [
    ["SIREN", "273,000", "6,582", "40.83"],
    ["WIRE", "137,000", "14,339", "41.47"],
    ["hash grid of instant-ngp", "300,000", "491", "43.88"],
    ["GaussianImage", "560,000", "107", "44.08"],
];

/// The same source, on Kodak: bits a pixel and PSNR.
const COMPRESSED: [[&str; 4]; 2] = [
    ["JPEG", "0.221 → 23.78", "0.423 → 28.04", "0.906 → 32.06"],
    ["COIN", "0.160 → 24.64", "0.611 → 28.41", "1.209 → 30.64"],
];

/// The page with every picture.
pub fn render(quality: &Quality) -> String {
    let mut page = String::from(
        "# Quality\n\n\
         How well networks learn pictures, and how fast. Written by `cargo xtask quality`. Training is on the CPU engine.\n\
         PSNR is in dB.\n",
    );
    page += &quality
        .presets
        .as_ref()
        .map_or_else(|| missing(presets_page::TITLE, "--presets"), presets_page::whole);
    page += &quality.grid.as_ref().map_or_else(|| missing("The hash grid", "--grid"), grid);
    page +=
        &quality.fourier.as_ref().map_or_else(|| missing("Fourier features", "--fourier"), fourier);
    page +=
        &quality.fitting.as_ref().map_or_else(|| missing("Whole pictures", "--fitting"), fitting);
    page
}

fn missing(title: &str, option: &str) -> String {
    format!("\n## {title}\n\nNot measured yet: `cargo xtask quality {option}`.\n")
}

/// The section of `BENCHMARKS.md`: means over the pictures.
pub fn section(quality: &Quality) -> String {
    let mut part = format!(
        "\n## Quality\n\n\
         How well networks learn pictures. [Each picture]({FILE}), and how it was measured.\n"
    );
    let Quality { fourier, fitting, grid, presets } = quality;
    if fourier.is_none() && fitting.is_none() && grid.is_none() && presets.is_none() {
        return part + "\nNot measured yet: `cargo xtask quality`.\n";
    }
    if let Some(presets) = presets {
        part += &["\n", &presets_page::by_preset(presets)].concat();
    }
    if let Some(grid) = grid {
        part += &["\n", &grid_table(grid)].concat();
        if is_busy(grid) {
            part +=
                "\n**The machine was busy**, so rates are too low, and PyTorch's are left out.\n";
        }
    }
    if let Some(fourier) = fourier {
        part += &["\n", &fourier_means(fourier)].concat();
    }
    if let Some(fitting) = fitting {
        part += &["\n", &fitting_means(fitting)].concat();
    }
    part
}

/// The grid beside PyTorch.
pub fn grid(measured: &Table<Raced>) -> String {
    let mut part = String::from("\n## The hash grid\n\n");
    part += &grid_table(measured);
    let theirs = measured.rows.iter().flat_map(|row| &row.theirs).next();
    part += "\nThe grid has 16 levels, from 16 to 512 along each side, with two features in an entry; two layers of 64 \
             with ReLU;\nmean squared error, batches of 8,192, Adam with 1e-2, β₂ 0.99 and ε 1e-15, a cosine schedule. \
             PSNR is of all pixels of\nthe picture, in 8 bits a color.\n";
    if let Some(theirs) = theirs {
        part += &escaped(&theirs.version);
        part += " computes the grid with tensor operations, and updates with its fused Adam. The programs take turns\n\
                 of four seconds. A ratio is the median of the rounds', with the least and the most.\n";
        if is_busy(measured) {
            part += "Its rates on a busy machine are left out, and so are ratios, which would be too favorable.\n";
        }
    }
    part + &where_and_when(measured)
}

fn grid_table(measured: &Table<Raced>) -> String {
    let names = ["hash grid on", "parameters", "samples a second", "PyTorch", "ratio"];
    let mut names = header(&names);
    let first = measured.rows.first();
    names.push(format!("PSNR after {} s", cell(first.map(|row| row.seconds), figure)));
    let samples = first.and_then(|row| row.counted.as_ref()).map(|run| run.samples as f64 / 1e6);
    names.push(format!(
        "after {} million samples",
        cell(samples, |millions| format!("{millions:.0}"))
    ));
    let row = |row: &Raced| {
        let [ours, mut theirs] = row.times();
        if is_busy(measured) {
            theirs.clear();
        }
        let rate = |times: &[f64]| cell(median(times), |seconds| count(1.0 / seconds));
        vec![
            format!("{}, 2^{} entries", escaped(&row.picture), row.log2_size),
            count(row.timed.parameters as f64),
            rate(&ours),
            rate(&theirs),
            ratio(&theirs, &ours).map_or_else(|| DASH.into(), |ratio| times(&ratio)),
            format!("{} ({:.1} s)", decibels(row.timed.psnr), row.timed.seconds),
            row.counted.as_ref().map_or_else(|| DASH.into(), |run| decibels(run.psnr)),
        ]
    };
    table(&names, &measured.rows.iter().map(row).collect::<Vec<_>>())
}

/// Fourier features, picture by picture.
pub fn fourier(measured: &Table<Mapped>) -> String {
    let mut part = String::from("\n## Fourier features\n\n");
    let names = ["picture", "mapping", "Impasto", "PyTorch", "difference", "s a step", "PyTorch"];
    let seconds_a_step = |answer: &Answer| answer.seconds / answer.steps as f64;
    let row = |row: &Mapped| {
        let theirs = row.theirs.as_ref();
        vec![
            escaped(&row.picture),
            row.mapping.clone(),
            decibels(row.ours.psnr),
            cell(theirs.map(|answer| answer.psnr), decibels),
            cell(theirs.map(|answer| row.ours.psnr - answer.psnr), |d| format!("{d:+.2}")),
            figure(seconds_a_step(&row.ours)),
            cell(theirs.map(seconds_a_step), figure),
        ]
    };
    part += &table(&header(&names), &measured.rows.iter().map(row).collect::<Vec<_>>());
    part += &["\n", &fourier_means(measured)].concat();
    part += "\nAs Tancik et al. 2020, table 3: every second pixel of each second row of 512×512 is learned, and PSNR is of \
             the pixels\none column to the right and one row below. Three hidden layers of 256 with ReLU, a sigmoid, mean squared \
             error, all\nsamples in a step, Adam with 1e-3, 256 frequencies; σ 10 and 6 octaves, of text σ 14 and 5. Both \
             programs start with\nthe same parameters and frequencies. The paper took 2,000 steps:\n\n";
    part +=
        &table(&header(&["mapping, table 3 of the paper", "natural", "text"]), &strings(&TANCIK));
    part + &where_and_when(measured)
}

fn fourier_means(measured: &Table<Mapped>) -> String {
    let steps = measured.rows.first().map_or(0, |row| row.ours.steps);
    let pictures = distinct(measured.rows.iter().map(|row| row.picture.as_str())).len();
    let row = |mapping: &str| {
        let rows: Vec<&Mapped> =
            measured.rows.iter().filter(|row| row.mapping == mapping).collect();
        let ours: Vec<f64> = rows.iter().map(|row| row.ours.psnr).collect();
        let theirs: Vec<f64> =
            rows.iter().filter_map(|row| Some(row.theirs.as_ref()?.psnr)).collect();
        vec![mapping.into(), cell(mean(&ours), decibels), cell(mean(&theirs), decibels)]
    };
    let rows: Vec<_> = distinct(measured.rows.iter().map(|row| row.mapping.as_str()))
        .into_iter()
        .map(row)
        .collect();
    let what = format!(
        "pixels not learned, {} steps, mean of {}",
        count(steps as f64),
        plural(pictures, "picture")
    );
    table(&header(&[what.as_str(), "Impasto", "PyTorch"]), &rows)
}

fn plural(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Whole pictures, picture by picture.
pub fn fitting(measured: &Table<Fitted>) -> String {
    let mut part = String::from("\n## Whole pictures\n\n");
    let names = ["picture", "network", "parameters", "s", "PSNR", "MS-SSIM", "16 bits", "8 bits"];
    let row = |row: &Fitted| {
        let [width, height] = row.size;
        vec![
            format!("{}, {width}×{height}", escaped(&row.picture)),
            row.network.clone(),
            count(row.answer.parameters as f64),
            figure(row.answer.seconds),
            decibels(row.answer.psnr),
            cell(row.answer.ms_ssim, |similarity| format!("{similarity:.4}")),
            compressed(&row.answer, 16),
            compressed(&row.answer, 8),
        ]
    };
    part += &table(&header(&names), &measured.rows.iter().map(row).collect::<Vec<_>>());
    part += &["\n", &fitting_means(measured)].concat();
    part += "\nAll pixels are learned and compared, in 8 bits a color, with Adam and a cosine schedule in batches of 8,192. \
             The last\ncolumns are bits a pixel and PSNR with parameters that were rounded after training, evenly over the range of \
             each tensor.\nA tensor takes two more numbers of 32 bits. MS-SSIM needs 176 pixels along each side. Published, on \
             the 24\npictures of Kodak, 768×512:\n\n";
    part += &table(
        &header(&["GaussianImage, table 1", "parameters", "s on a V100", "PSNR"]),
        &strings(&KODAK),
    );
    part += "\n";
    part +=
        &table(&header(&["bits a pixel → PSNR", "low", "middle", "high"]), &strings(&COMPRESSED));
    part + &where_and_when(measured)
}

fn rounded(answer: &Answer, bits: u32) -> Option<&Rounded> {
    answer.rounded.iter().find(|rounded| rounded.bits == bits)
}

fn compressed(answer: &Answer, bits: u32) -> String {
    rounded(answer, bits).map_or_else(
        || DASH.into(),
        |found| format!("{} → {}", figure(found.bits_a_pixel), decibels(found.psnr)),
    )
}

fn fitting_means(measured: &Table<Fitted>) -> String {
    let pictures = distinct(measured.rows.iter().map(|row| row.picture.as_str())).len();
    let row = |network: &str| {
        let answers =
            || measured.rows.iter().filter(|row| row.network == network).map(|r| &r.answer);
        let mean_of = |value: &dyn Fn(&Answer) -> Option<f64>| {
            mean(&answers().filter_map(value).collect::<Vec<f64>>())
        };
        let compressed = |bits| {
            let rate = mean_of(&|answer| Some(rounded(answer, bits)?.bits_a_pixel));
            let psnr = mean_of(&|answer| Some(rounded(answer, bits)?.psnr));
            format!("{} → {}", cell(rate, figure), cell(psnr, decibels))
        };
        vec![
            network.into(),
            cell(mean_of(&|answer| Some(answer.seconds)), figure),
            cell(mean_of(&|answer| Some(answer.psnr)), decibels),
            cell(mean_of(&|answer| answer.ms_ssim), |similarity| format!("{similarity:.4}")),
            compressed(16),
            compressed(8),
        ]
    };
    let networks = distinct(measured.rows.iter().map(|row| row.network.as_str()));
    let rows: Vec<_> = networks.into_iter().map(row).collect();
    let first = format!("whole pictures, mean of {}", plural(pictures, "picture"));
    let names = [&first, "s", "PSNR", "MS-SSIM", "16 bits: bits a pixel → PSNR", "8 bits"];
    table(&header(&names), &rows)
}

#[cfg(test)]
mod tests {
    use super::super::figures::Painted;
    use super::super::worker::tests::answer;
    use super::*;
    use crate::peers::machine::Setting;

    fn quality() -> Quality {
        let setting = Setting {
            date: "2026-11-27".into(),
            commit: "0123456789ab".into(),
            command: "cargo xtask quality photos".into(),
            processor: "A processor".into(),
            threads: 2,
            ..Setting::default()
        };
        let mapped = |picture: &str, mapping: &str, ours, theirs: Option<f64>| Mapped {
            picture: picture.into(),
            mapping: mapping.into(),
            ours: answer(2.0, ours),
            theirs: theirs.map(|psnr| answer(5.0, psnr)),
        };
        let fitted = |picture: &str, network: &str, psnr| Fitted {
            picture: picture.into(),
            size: [768, 512],
            network: network.into(),
            answer: answer(30.0, psnr),
        };
        let raced = Raced {
            picture: "a_b".into(),
            log2_size: 14,
            ours: vec![answer(1.0, 20.0), answer(2.0, 20.0), answer(1.0, 20.0)],
            theirs: vec![answer(6.0, 20.0), answer(10.0, 20.0), answer(5.0, 20.0)],
            timed: answer(29.96, 41.234),
            seconds: 30.0,
            counted: None,
        };
        fn table<T>(setting: &Setting, load: f64, rows: Vec<T>) -> Table<T> {
            Table { setting: setting.clone(), load: Some(load), rows }
        }
        let pixels = vec![
            mapped("camera", "none", 20.0, None),
            mapped("camera", "gaussian", 25.5, Some(25.25)),
            mapped("text", "gaussian", 30.5, Some(31.25)),
        ];
        let preset = Painted {
            picture: "c_d".into(),
            size: [8, 5],
            preset: "hash".into(),
            parameters: 50_643,
            steps: 1_000,
            batch: 256,
            seconds: 2.05,
            psnr: Some(45.678),
            ssim: 0.98765,
        };
        let pictures = vec![fitted("camera", "SIREN", 30.0), fitted("text", "SIREN", 32.0)];
        Quality {
            fourier: Some(table(&setting, 0.5, pixels)),
            fitting: Some(table(&setting, 3.25, pictures)),
            grid: Some(table(&setting, 0.5, vec![raced])),
            presets: Some(table(&setting, 0.5, vec![preset])),
        }
    }

    #[test]
    fn the_page_has_each_picture_and_how_to_repeat_it() {
        let page = render(&quality());
        for expected in [
            "| c\\_d, 8×5 | hash | 50,643 | 1,000 of 256 | 2.05 | 45.68 | 0.9877 |",
            "| a\\_b, 2^14 entries | 1,000 | 640 | 107 | **5.00×** (5.00–6.00) | 41.23 (30.0 s) | – |",
            "| PSNR after 30.0 s | after – million samples |",
            "| camera | none | 20.00 | – | – | 0.200 | – |",
            "| camera | gaussian | 25.50 | 25.25 | +0.25 | 0.200 | 0.500 |",
            "| gaussian | 28.00 | 28.25 |",
            "| pixels not learned, 10 steps, mean of 2 pictures | Impasto | PyTorch |",
            "| camera, 768×512 | SIREN | 1,000 | 30.0 | 30.00 | 0.9500 | 1.50 → 29.50 | – |",
            "| SIREN | 30.0 | 31.00 | 0.9500 | 1.50 → 30.50 | – → – |",
            "| gaussian | 25.57 ± 4.19 | 30.47 ± 2.11 |",
            "**The machine was busy**: its load was 3.2 before.",
            "Its load was 0.5 before.",
            "cargo xtask quality photos",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
    }

    #[test]
    fn the_section_has_the_means() {
        let part = section(&quality());
        assert!(
            part.starts_with("\n## Quality\n") && part.contains("(docs/benchmarks/quality.md)")
        );
        assert!(
            part.contains("| gaussian | 28.00 | 28.25 |")
                && part.contains("| SIREN | 30.0 | 31.00")
        );
        assert!(part.contains("**5.00×**") && !part.contains("camera"), "{part}");
    }

    #[test]
    fn a_busy_machine_has_no_ratio() {
        let mut quality = quality();
        quality.grid.as_mut().unwrap().load = Some(6.0);
        for page in [render(&quality), section(&quality)] {
            assert!(page.contains("| 640 | – | – | 41.23 (30.0 s) |"), "{page}");
            assert!(page.contains("**The machine was busy**") && !page.contains("5.00×"), "{page}");
        }
    }

    #[test]
    fn tables_that_were_not_measured_say_so() {
        let page = render(&Quality::default());
        for option in ["--grid", "--fourier", "--fitting", "--presets"] {
            assert!(
                page.contains(&format!("Not measured yet: `cargo xtask quality {option}`")),
                "{page}"
            );
        }
        assert!(section(&Quality::default()).contains("Not measured yet"));
    }

    #[test]
    fn figures_survive_json() {
        let text = serde_json::to_string(&quality()).unwrap();
        let again: Quality = serde_json::from_str(&text).unwrap();
        assert_eq!(render(&again), render(&quality()));
        assert!(serde_json::from_str::<Quality>("{}").unwrap().grid.is_none());
    }
}
