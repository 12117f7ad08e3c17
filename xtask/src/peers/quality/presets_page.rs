//! The tables of the presets in Markdown.

use super::cells::{decibels, distinct, header, where_and_when};
use super::figures::{Painted, Table};
use crate::peers::format::{count, escaped, figure, table};

/// The title of the tables.
pub const TITLE: &str = "Presets";

/// Picture by picture.
pub fn whole(measured: &Table<Painted>) -> String {
    let mut part = format!("\n## {TITLE}\n\n{}\n", by_preset(measured));
    let names = ["picture", "preset", "parameters", "steps", "s", "PSNR", "SSIM"];
    let row = |row: &Painted| {
        let [width, height] = row.size;
        vec![
            format!("{}, {width}×{height}", escaped(&row.picture)),
            row.preset.clone(),
            count(row.parameters as f64),
            format!("{} of {}", count(row.steps as f64), count(row.batch as f64)),
            figure(row.seconds),
            decibels(row.psnr.unwrap_or(f64::INFINITY)),
            format!("{:.4}", row.ssim),
        ]
    };
    part += &table(&header(&names), &measured.rows.iter().map(row).collect::<Vec<_>>());
    part += "\n`impasto paint PICTURE --preset NAME --backend cpu`, with as many steps as it takes by default. PSNR is of \
             8 bits a\ncolor. The sheet has the pictures in turn, made larger.\n";
    part + &where_and_when(measured)
}

/// A column for each preset.
pub fn by_preset(measured: &Table<Painted>) -> String {
    let presets = distinct(measured.rows.iter().map(|row| row.preset.as_str()));
    let mut names = vec!["PSNR (s) with the preset"];
    names.extend(&presets);
    let pictures = distinct(measured.rows.iter().map(|row| row.picture.as_str()));
    let row = |picture: &str| {
        let mut cells = vec![escaped(picture)];
        for preset in &presets {
            let mut rows = measured.rows.iter();
            let found = rows.find(|row| row.picture == picture && row.preset == *preset);
            cells.push(found.map_or_else(String::new, |row| {
                let psnr = row.psnr.unwrap_or(f64::INFINITY);
                format!("{} ({})", decibels(psnr), figure(row.seconds))
            }));
        }
        cells
    };
    table(&header(&names), &pictures.into_iter().map(row).collect::<Vec<_>>())
}
