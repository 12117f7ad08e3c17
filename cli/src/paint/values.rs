//! Values of options that are no plain numbers: layers, sizes, times and decibels; and the endings of names.

use impasto::Error;
use impasto::config::widths;
use std::ffi::OsStr;
use std::path::Path;
use std::str::FromStr;

/// The widths of the hidden layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hidden(pub Vec<usize>);

impl FromStr for Hidden {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Err(Error::Setting(format!(
                "'{text}' is no number of neurons: write 10x100, or 64,32"
            )));
        }
        widths(text).map(Self)
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

/// The ending of a name, in lower case.
pub fn ending(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase()
}
