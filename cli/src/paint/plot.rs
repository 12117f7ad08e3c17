//! `--plot`: the course of a run as SVG.

use super::metrics::Point;
use super::text::thousands;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

const WIDTH: u32 = 760;

/// The height of a panel.
const PANEL: u32 = 230;

/// Text and lines of the axes, in a gray that is legible on white and on black alike. The plot has no background.
const GRAY: RGBColor = RGBColor(118, 118, 118);

/// Space for the numbers of an axis.
const LEFT: u32 = 64;

/// Space for the numbers below and a word.
const BELOW: u32 = 38;

/// Marks along each axis.
const MARKS: usize = 6;

/// A curve with an axis of its own.
struct Panel {
    title: &'static str,
    points: Vec<(f64, f64)>,
    /// Of Okabe and Ito, which color-blind readers can distinguish.
    color: RGBColor,
    is_logarithmic: bool,
    format: fn(f64) -> String,
}

/// Draws the loss, the PSNR if there is one and the learning rate, below each other.
pub fn draw(points: &[Point]) -> Result<String, Box<dyn Error>> {
    let curve = |value: fn(&Point) -> Option<f64>| -> Vec<(f64, f64)> {
        let place = |point: &Point| Some((point.step as f64, value(point)?));
        points.iter().filter_map(place).filter(|(_, value)| value.is_finite()).collect()
    };
    let loss = curve(|point| Some(point.loss));
    let mut panels = vec![
        Panel {
            title: "loss",
            is_logarithmic: loss.iter().all(|(_, loss)| *loss > 0.0),
            points: loss,
            color: RGBColor(213, 94, 0),
            format: short,
        },
        Panel {
            title: "PSNR in dB",
            points: curve(|point| point.psnr),
            color: RGBColor(0, 130, 190),
            is_logarithmic: false,
            format: short,
        },
        Panel {
            title: "learning rate",
            points: curve(|point| Some(point.learning_rate)),
            color: RGBColor(0, 158, 115),
            is_logarithmic: false,
            format: short,
        },
    ];
    panels.retain(|panel| !panel.points.is_empty());
    let height = PANEL * panels.len().max(1) as u32;
    let last = panels.len().saturating_sub(1);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let areas = root.split_evenly((panels.len().max(1), 1));
        for (number, (panel, area)) in panels.iter().zip(areas).enumerate() {
            panel.draw(&area, number == last)?;
        }
        root.present()?;
    }
    Ok(svg)
}

impl Panel {
    /// Draws it; the last one says what is below all of them.
    fn draw(
        &self,
        area: &DrawingArea<SVGBackend, Shift>,
        is_last: bool,
    ) -> Result<(), Box<dyn Error>> {
        let steps = 0.0..self.points.iter().map(|(step, _)| *step).fold(1.0, f64::max);
        let values = wide(self.points.iter().map(|(_, value)| *value));
        if self.is_logarithmic {
            self.draw_over(area, is_last, steps, values.log_scale())
        } else {
            self.draw_over(area, is_last, steps, values)
        }
    }

    fn draw_over<Y>(
        &self,
        area: &DrawingArea<SVGBackend, Shift>,
        is_last: bool,
        steps: Range<f64>,
        values: Y,
    ) -> Result<(), Box<dyn Error>>
    where
        Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let style = |size: i32| ("sans-serif", size).into_font().color(&GRAY);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            // Half of the last number below.
            .margin_right(36)
            .caption(self.title, style(16))
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(steps, values)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRAY.mix(0.3))
            .axis_style(GRAY)
            .label_style(style(13))
            .axis_desc_style(style(13))
            .x_desc(if is_last { "steps" } else { "" })
            .x_labels(MARKS)
            .y_labels(MARKS)
            .x_label_formatter(&|step| thousands(step.round().max(0.0) as u64))
            .y_label_formatter(&|value| (self.format)(*value))
            .draw()?;
        let line = LineSeries::new(self.points.iter().copied(), self.color.stroke_width(2));
        chart.draw_series(line)?;
        Ok(())
    }
}

/// From the least to the greatest number, and some range if they are one.
fn wide(numbers: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let least = numbers.clone().fold(f64::INFINITY, f64::min);
    let greatest = numbers.fold(f64::NEG_INFINITY, f64::max);
    if greatest > least {
        return least..greatest;
    }
    let around = if least == 0.0 { 1.0 } else { least.abs() / 2.0 };
    least - around..greatest + around
}

/// `0.00025`, `2.5e-7`, `31.5`.
fn short(number: f64) -> String {
    let size = number.abs();
    // What is left of 0 after a sum of rounded steps.
    if size < 1e-12 {
        return "0".into();
    }
    if (1e-4..1e6).contains(&size) {
        let digits = (2 - size.log10().floor() as i32).max(0) as usize;
        let text = format!("{number:.digits$}");
        if text.contains('.') {
            return text.trim_end_matches('0').trim_end_matches('.').into();
        }
        return text;
    }
    let text = format!("{number:.1e}");
    text.replace(".0e", "e")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64, psnr: Option<f64>) -> Point {
        Point {
            step,
            epoch: 1,
            seconds: 0.1,
            loss: 1.0 / step as f64,
            psnr,
            learning_rate: 0.002 - 1e-6 * step as f64,
            samples_per_second: 1e5,
        }
    }

    #[test]
    fn each_curve_has_a_panel() {
        let points: Vec<Point> = (1..200).map(|step| point(step, Some(step as f64))).collect();
        let svg = draw(&points).expect("drawn");
        for title in ["loss", "PSNR in dB", "learning rate"] {
            assert!(svg.contains(title), "{title}");
        }
        assert!(svg.matches("<polyline").count() >= 3);
        // Classes have no PSNR.
        let classes: Vec<Point> = (1..200).map(|step| point(step, None)).collect();
        assert!(!draw(&classes).expect("drawn").contains("PSNR"));
    }

    #[test]
    fn few_points_and_odd_numbers_are_drawn() {
        let infinite = Point { loss: 0.0, ..point(5, Some(f64::INFINITY)) };
        for points in
            [&[][..], &[point(1, Some(3.0))], &[infinite], &[infinite, point(9, Some(1.0))]]
        {
            let svg = draw(points).expect("drawn");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn numbers_of_an_axis_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (0.002, "0.002"),
            (0.000_25, "0.00025"),
            (2.5e-7, "2.5e-7"),
            (1e-5, "1e-5"),
            (31.5, "31.5"),
            (100.0, "100"),
            (-3.0, "-3"),
            (2e9, "2e9"),
        ] {
            assert_eq!(short(number), text);
        }
    }
}
