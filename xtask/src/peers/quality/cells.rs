//! Cells of the tables, and what is said below a table.

use super::figures::Table;
use crate::peers::page::{DASH, repeat};

/// A load above this may have slowed a program down.
const QUIET: f64 = 1.5;

/// A figure of PSNR.
pub fn decibels(psnr: f64) -> String {
    if psnr.is_finite() { format!("{psnr:.2}") } else { "∞".into() }
}

/// Names as cells.
pub fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).into()).collect()
}

/// Rows of cells.
pub fn strings<const N: usize>(rows: &[[&str; N]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| header(row)).collect()
}

/// The values in the order in which they come first.
pub fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// The mean of nothing is `None`.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A cell of a figure, if there is one.
pub fn cell(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| DASH.into(), format)
}

/// Whether other programs ran beside it, so that rates of PyTorch and ratios are not shown: threads that wait for each
/// other lose far more than others.
pub fn is_busy<T>(measured: &Table<T>) -> bool {
    measured.load.is_some_and(|load| load > QUIET)
}

/// The machine, how busy it was, and the command.
pub fn where_and_when<T>(measured: &Table<T>) -> String {
    let load = match measured.load {
        Some(load) if load > QUIET => format!(
            "\n**The machine was busy**: its load was {load:.1} before. Measure times and rates again before you \
             quote them.\n"
        ),
        Some(load) => format!(" Its load was {load:.1} before.\n"),
        None => "\n".into(),
    };
    format!("\nOn {}.{load}{}", measured.setting.describe(), repeat(&measured.setting))
}
