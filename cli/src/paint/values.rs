//! Values of options that are no plain numbers: layers, sizes, times and decibels.

use impasto::Error;
use std::str::FromStr;

/// The widths of the hidden layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hidden(pub Vec<usize>);

/// The most hidden layers that can be asked for.
const MOST_LAYERS: usize = 1000;

impl FromStr for Hidden {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |text: &str| {
            text.trim().parse::<usize>().map_err(|_| {
                Error::Setting(format!("'{text}' is no number of neurons: write 10x100, or 64,32"))
            })
        };
        let mut widths = Vec::new();
        for part in text.split(',') {
            let (times, width) = match part.split_once(['x', 'X', '×']) {
                Some((times, width)) => (number(times)?, number(width)?),
                None => (1, number(part)?),
            };
            if times == 0 || width == 0 {
                return Err(Error::Setting(format!(
                    "'{part}' is no hidden layer: it needs at least 1 layer of at least 1 neuron"
                )));
            }
            if times > MOST_LAYERS - widths.len().min(MOST_LAYERS) {
                return Err(Error::Setting(format!("more than {MOST_LAYERS} hidden layers")));
            }
            widths.extend(std::iter::repeat_n(width, times));
        }
        Ok(Self(widths))
    }
}

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl FromStr for Size {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once(['x', 'X', '×']).and_then(|(width, height)| {
            Some(Self { width: width.trim().parse().ok()?, height: height.trim().parse().ok()? })
        });
        if parsed.is_some_and(|size: Self| size.width == 0 || size.height == 0) {
            return Err(Error::Setting(format!("'{text}' has no pixel: write 640x480")));
        }
        parsed.ok_or_else(|| Error::Setting(format!("'{text}' is no size: write 640x480")))
    }
}

/// A time, written `10s`, `5m` or `2h`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// Seconds, above 0.
    pub seconds: f64,
}

impl FromStr for Time {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let units = [("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0)];
        let parsed = units.iter().find_map(|(unit, seconds)| {
            let number = text.strip_suffix(unit)?.trim_end().parse::<f64>().ok()?;
            Some(number * seconds)
        });
        match parsed {
            Some(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(Self { seconds }),
            _ => Err(Error::Setting(format!("'{text}' is no time above 0: write 10s, 5m or 2h"))),
        }
    }
}

/// A quality, written `40dB` or `40`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decibels(pub f64);

impl FromStr for Decibels {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let lower = text.trim().to_lowercase();
        let number = lower.strip_suffix("db").unwrap_or(&lower).trim_end().parse::<f64>();
        match number {
            Ok(decibels) if decibels.is_finite() && decibels > 0.0 => Ok(Self(decibels)),
            _ => Err(Error::Setting(format!("'{text}' is no PSNR above 0: write 40dB"))),
        }
    }
}
