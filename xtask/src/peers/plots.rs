//! The plots of `BENCHMARKS.md`, as SVG.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::format::{count, short};
use super::page;
use super::results::{Peers, Point, Results, Scaling, first_words};

/// Series of `cargo xtask scaling`.
pub const SIDE: &str = "side";
/// See [`SIDE`].
pub const DEPTH: &str = "depth";
/// See [`SIDE`].
pub const WIDTH: &str = "width";

/// Without the legend.
const SIZE: (u32, u32) = (760, 420);

const LEGEND_COLUMNS: usize = 2;
const LEGEND_ROW: u32 = 20;

/// Colors that color-blind readers can distinguish (Okabe and Ito), the strongest first.
const COLORS: [RGBColor; 9] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(140, 140, 140),
    RGBColor(120, 80, 160),
];

/// The contents of one plot.
struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// An axis: what it shows, and how a number on it is written.
struct Axis {
    title: &'static str,
    logarithmic: bool,
    format: fn(f64) -> String,
}

/// All plots that the results have figures for: (name of the file, SVG).
///
/// # Errors
///
/// When one cannot be drawn.
pub fn draw(results: &Results) -> Result<Vec<(String, String)>> {
    let mut plots: Vec<(String, Plot)> =
        results.peers.iter().map(|run| (epochs_file(&run.class()), epochs(run))).collect();
    if let Some(scaling) = &results.scaling {
        plots.push(("pixels.svg".into(), time(scaling, SIDE, PIXELS, "the picture grows")));
        plots.push(("depth.svg".into(), time(scaling, DEPTH, LAYERS, "the network gets deeper")));
        plots.push(("width.svg".into(), time(scaling, WIDTH, NEURONS, "the layers get wider")));
        plots.push(("memory.svg".into(), memory(scaling)));
    }
    plots.into_iter().map(|(name, plot)| Ok((name, svg(&plot)?))).collect()
}

/// The name of the file with the plot of a class of machine.
pub fn epochs_file(class: &str) -> String {
    let letters = class.to_lowercase();
    let words = letters.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("epochs-{}.svg", words.join("-"))
}

const PIXELS: Axis = Axis { title: "pixels", logarithmic: true, format: count };
const LAYERS: Axis = Axis { title: "hidden layers", logarithmic: true, format: count };
const NEURONS: Axis =
    Axis { title: "neurons in each hidden layer", logarithmic: true, format: count };

fn epochs(run: &Peers) -> Plot {
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for entry in &run.entries {
        let (Some(seconds), title) = (entry.seconds(), page::title(entry)) else { continue };
        let point = (entry.batch as f64, seconds);
        match lines.iter_mut().find(|(name, _)| *name == title) {
            Some((_, points)) => points.push(point),
            None => lines.push((title, vec![point])),
        }
    }
    Plot {
        title: format!("Seconds an epoch on {}; lower is better", run.class()),
        x: Axis { title: "batch size", logarithmic: true, format: count },
        y: Axis { title: "seconds an epoch", logarithmic: true, format: short },
        lines,
    }
}

/// The numbers on the axis of growth.
fn grown(point: &Point) -> f64 {
    match point.series.as_str() {
        SIDE => (point.size.side * point.size.side) as f64,
        DEPTH => point.size.depth as f64,
        _ => point.size.width as f64,
    }
}

fn lines_of(
    scaling: &Scaling,
    series: &str,
    value: impl Fn(&Point) -> Option<f64>,
) -> Vec<(String, Vec<(f64, f64)>)> {
    [(false, "CPU engine"), (true, "GPU engine")]
        .into_iter()
        .filter_map(|(gpu, name)| {
            let of_engine =
                || scaling.points.iter().filter(|p| p.series == series && p.size.gpu == gpu);
            let device = of_engine().find_map(|p| p.cost.as_ref().ok())?.device.clone();
            let points = of_engine().filter_map(|p| Some((grown(p), value(p)?))).collect();
            let place = if gpu { format!(" on {}", first_words(&device)) } else { String::new() };
            Some((format!("{name}{place}"), points))
        })
        .collect()
}

fn time(scaling: &Scaling, series: &str, x: Axis, what: &str) -> Plot {
    let microseconds = |point: &Point| point.cost.as_ref().ok().map(|cost| cost.sample_s * 1e6);
    Plot {
        title: format!("Time for a sample as {what}"),
        x,
        y: Axis { title: "microseconds a sample", logarithmic: true, format: short },
        lines: lines_of(scaling, series, microseconds),
    }
}

fn memory(scaling: &Scaling) -> Plot {
    const MEBIBYTE: f64 = 1024.0 * 1024.0;
    let mut lines = lines_of(scaling, SIDE, |point| {
        Some(point.cost.as_ref().ok()?.host_bytes? as f64 / MEBIBYTE)
    });
    for (name, _) in &mut lines {
        name.push_str(", host");
    }
    let device = lines_of(scaling, SIDE, |point| {
        Some(point.cost.as_ref().ok()?.device_bytes? as f64 / MEBIBYTE)
    });
    lines.extend(device.into_iter().map(|(name, points)| (format!("{name}, device"), points)));
    lines.retain(|(_, points)| !points.is_empty());
    Plot {
        title: "Memory as the picture grows".into(),
        x: PIXELS,
        y: Axis { title: "MiB", logarithmic: true, format: short },
        lines,
    }
}

/// An axis with the numbers that it shows, as plotters wants it.
struct Scale<'a> {
    axis: &'a Axis,
    /// Its ends, as places.
    ends: Range<f64>,
    /// The numbers that are written beside it.
    marks: Vec<f64>,
}

impl Axis {
    /// The position of a number.
    fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    /// A scale for these numbers, with a mark for each of them.
    fn marked(&self, values: impl Iterator<Item = f64>) -> Scale<'_> {
        let mut marks: Vec<f64> = values.collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        Scale { axis: self, ends: self.ends(&marks), marks }
    }

    /// A scale for these numbers, with marks at round ones: 1, 2 and 5 in each decade, or only 1
    /// where there are many decades.
    fn round(&self, values: impl Iterator<Item = f64>) -> Scale<'_> {
        let ends = self.ends(&values.collect::<Vec<f64>>());
        let steps: &[f64] = if ends.end - ends.start > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let marks = (ends.start.floor() as i32..=ends.end.ceil() as i32)
            .flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
            .filter(|mark| ends.contains(&self.place(*mark)))
            .collect();
        Scale { axis: self, ends, marks }
    }

    /// From a little below the lowest number to a little above the highest, as places.
    fn ends(&self, values: &[f64]) -> Range<f64> {
        let places = || values.iter().map(|value| self.place(*value));
        let (low, high) =
            (places().fold(f64::INFINITY, f64::min), places().fold(f64::NEG_INFINITY, f64::max));
        if !(low.is_finite() && high.is_finite()) {
            return 0.0..1.0;
        }
        let margin = ((high - low) * 0.08).max(0.1);
        low - margin..high + margin
    }
}

impl Ranged for Scale<'_> {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (self.axis.place(*value) - self.ends.start) / (self.ends.end - self.ends.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Lines between the marks would have no numbers.
        if hint.weight().allow_light_points() { Vec::new() } else { self.marks.clone() }
    }

    fn range(&self) -> Range<f64> {
        let value = |place: f64| if self.axis.logarithmic { 10_f64.powf(place) } else { place };
        value(self.ends.start)..value(self.ends.end)
    }
}

impl ValueFormatter<f64> for Scale<'_> {
    fn format_ext(&self, value: &f64) -> String {
        (self.axis.format)(*value)
    }
}

/// Draws a plot.
fn svg(plot: &Plot) -> Result<String> {
    let mut text = String::new();
    draw_into(plot, &mut text).map_err(|error| anyhow!("cannot draw {}: {error}", plot.title))?;
    Ok(text + "\n")
}

fn draw_into(plot: &Plot, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    // The legend is below, where it covers no line.
    let rows = plot.lines.len().div_ceil(LEGEND_COLUMNS);
    let size = (SIZE.0, SIZE.1 + rows as u32 * LEGEND_ROW);
    let area = SVGBackend::with_string(text, size).into_drawing_area();
    area.fill(&WHITE)?;
    let (upper, legend) = area.split_vertically(SIZE.1);
    let points = || plot.lines.iter().flat_map(|(_, points)| points);
    // Every size that was measured has its mark below.
    let x_scale = plot.x.marked(points().map(|point| point.0));
    let y_scale = plot.y.round(points().map(|point| point.1));
    let mut chart = ChartBuilder::on(&upper)
        .caption(&plot.title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(x_scale, y_scale)?;
    chart
        .configure_mesh()
        .x_desc(plot.x.title)
        .y_desc(plot.y.title)
        .label_style(("sans-serif", 14))
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    let cells = legend.split_evenly((rows.max(1), LEGEND_COLUMNS));
    let colors = COLORS.iter().cycle();
    for (((name, points), color), cell) in plot.lines.iter().zip(colors).zip(&cells) {
        // Impasto's own lines are the thick ones.
        let style = color.stroke_width(if name.contains("Impasto") { 4 } else { 2 });
        chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
        cell.draw(&PathElement::new([(24, 6), (48, 6)], style))?;
        cell.draw(&Text::new(name.as_str(), (56, 0), ("sans-serif", 13)))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis = Axis { title: "batch size", logarithmic: true, format: count };

    #[test]
    fn marks_are_round_numbers_in_sight() {
        let scale = AXIS.round([0.03, 0.3].into_iter());
        let marks: Vec<String> = scale.marks.iter().map(|mark| format!("{mark:.2}")).collect();
        assert_eq!(marks, ["0.05", "0.10", "0.20"]);
        // The lowest number is a little above the lower end, the highest a little below the
        // upper.
        let (low, high) = (scale.map(&0.03, (0, 1_000)), scale.map(&0.3, (0, 1_000)));
        assert!((1..100).contains(&low) && (900..1_000).contains(&high), "{low} {high}");
    }

    #[test]
    fn nothing_measured_draws_an_empty_plot() {
        let linear = Axis { logarithmic: false, ..AXIS };
        let plot = Plot { title: "Nothing".into(), x: linear, y: AXIS, lines: Vec::new() };
        assert!(svg(&plot).unwrap().contains("Nothing"));
    }

    #[test]
    fn a_plot_names_its_lines() {
        let lines = vec![("Impasto & co".into(), vec![(200.0, 0.1), (1_000.0, 0.05)])];
        let plot = Plot { title: "Seconds".into(), x: AXIS, y: AXIS, lines };
        let svg = svg(&plot).unwrap();
        assert!(svg.contains("Impasto &amp; co") && svg.contains("1,000"), "{svg}");
    }
}
