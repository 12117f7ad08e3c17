//! `--bits`: saved networks in fewer bits, and how many a pixel takes.

use super::canvas::Canvas;
use super::progress::Brush;
use super::streams;
use clap::Args;
use impasto::{Engine, Network, ParameterBits, Result, Subject};
use std::fmt;
use std::path::Path;

/// How a network is saved.
#[derive(Clone, Debug, Args)]
pub struct Rounding {
    /// Bits of each parameter in the file of --save: 32, 16, or 8, even steps over the range of each tensor. What that
    /// costs in PSNR is measured
    #[arg(
        long,
        value_name = "BITS",
        value_parser = bits,
        requires = "save",
        conflicts_with_all = ["repaint", "resume", "save_every"]
    )]
    bits: Option<ParameterBits>,
}

impl Rounding {
    /// Bits of a parameter.
    pub fn bits(&self) -> ParameterBits {
        self.bits.unwrap_or_default()
    }
}

fn bits(text: &str) -> std::result::Result<ParameterBits, String> {
    match text.trim() {
        "32" => Ok(ParameterBits::ThirtyTwo),
        "16" => Ok(ParameterBits::Sixteen),
        "8" => Ok(ParameterBits::Eight),
        _ => Err("a parameter is saved in 32, 16 or 8 bits".into()),
    }
}

/// A network in a file.
pub struct SavedFile {
    pub bits: ParameterBits,
    pub bytes: usize,
    /// Pixels of the picture.
    pixels: usize,
    /// The network as it is read from the file, if it is rounded.
    rounded: Option<Network>,
    /// Its PSNR in dB, or for classes the fraction of pixels whose class is right.
    pub quality: Option<f64>,
}

impl SavedFile {
    /// Saves `network` at `path`.
    pub fn write(
        path: &Path,
        subject: Subject,
        network: &Network,
        rounding: &Rounding,
    ) -> Result<Self> {
        let bits = rounding.bits();
        let file = subject.encode_compact(network, bits)?;
        streams::save_bytes(path, &file)?;
        let is_rounded = bits != ParameterBits::ThirtyTwo;
        let rounded = is_rounded.then(|| Network::decode(&file)).transpose()?;
        let (bytes, pixels) = (file.len(), subject.width * subject.height);
        Ok(Self { bits, bytes, pixels, rounded, quality: None })
    }

    /// Measures the quality of what is in the file, if it is rounded.
    pub fn judge(&mut self, canvas: &Canvas, engine: &Engine, brush: Brush) -> Result<()> {
        if let Some(network) = &self.rounded {
            self.quality = canvas.quality(engine, network, brush)?;
        }
        Ok(())
    }

    /// The bits that the file takes for each pixel of the picture.
    pub fn bits_per_pixel(&self) -> f64 {
        8.0 * self.bytes as f64 / self.pixels as f64
    }
}

/// `8 bits` or `16 bits`.
impl fmt::Display for SavedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bits", self.bits.count())
    }
}
