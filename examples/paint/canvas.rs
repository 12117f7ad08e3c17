//! What a network learns and paints: the picture's colours, or its two classes.

use crate::options::Options;
use crate::outputs::Outputs;
use crate::progress::{Brush, counted};
use impasto::{Dataset, Engine, Error, Network, Picture, Result, Subject};
use std::fmt;
use std::path::{Path, PathBuf};

/// The largest r + g + b, of 765, that counts as ink.
const INK: f64 = 600.0;

/// White pixels between the pictures of a sheet.
const GAP: usize = 4;

/// Channels and largest value of the painting.
pub fn painted_kind(subject: Subject) -> (usize, u16) {
    if subject.classify { (1, 255) } else { (subject.channels, subject.maximum) }
}

/// Width and height of a sheet of `pictures` side by side.
pub fn sheet_size(subject: Subject, pictures: usize) -> (usize, usize) {
    (pictures * (subject.width + GAP) - GAP, subject.height)
}

/// Paints with `network`, at the subject's size; nothing if that was interrupted.
pub fn paint(
    subject: Subject,
    engine: &Engine,
    network: &Network,
    mut brush: Brush,
) -> Result<Option<Picture>> {
    let Subject { width, height, .. } = subject;
    let watch = |done| brush.watch(done, width * height);
    let sampling = Picture::sample(engine, network, (width, height), subject.centred, watch);
    let values = pollster::block_on(sampling);
    brush.finish();
    let Some(values) = values? else { return Ok(None) };
    let picture = if subject.classify {
        let ink: Vec<bool> = values.chunks_exact(2).map(|p| p[0] > p[1]).collect();
        classes(width, height, &ink)
    } else {
        Picture::from_unit(width, height, subject.channels, subject.maximum, &values)
    };
    picture.map(Some)
}

/// Ink in black on white paper.
fn classes(width: usize, height: usize, ink: &[bool]) -> Result<Picture> {
    let values = ink.iter().map(|ink| if *ink { 0 } else { 255 }).collect();
    Picture::new(width, height, 1, 255, values)
}

/// Loads a network that was saved with its subject.
pub fn load(path: &Path) -> Result<(Network, Subject)> {
    let (network, texts) = impasto::load(path)?;
    let subject = Subject::from_metadata(&network, &texts).map_err(|error| match error {
        Error::Format(reason) => Error::Checkpoint { path: path.into(), reason },
        other => other,
    })?;
    Ok((network, subject))
}

/// The picture that is learned.
pub struct Canvas {
    /// Where it was read from.
    pub path: PathBuf,
    /// The picture.
    pub picture: Picture,
    subject: Subject,
}

impl Canvas {
    /// Reads the picture named in the options.
    pub fn load(options: &Options) -> Result<Self> {
        // clap requires a path.
        let path = options.image.clone().unwrap_or_default();
        let picture = Picture::load(&path)?;
        let subject = Subject::new(&picture, options.encoding(), options.classify);
        Ok(Self { path, picture, subject })
    }

    /// What painting needs to know.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// `logo.jpg: 100×100 pixels, RGB, 8 bits`.
    pub fn describe(&self) -> String {
        let kind = ["grey", "grey with alpha", "RGB", "RGBA"][self.subject.channels - 1];
        let bits = if self.subject.maximum == 255 { 8 } else { 16 };
        let (width, height) = (self.subject.width, self.subject.height);
        let pixels = counted((width * height) as u64, "pixel");
        format!("{}: {width}×{height} ({pixels}), {kind}, {bits} bits", self.path.display())
    }

    /// One sample a pixel: its place, and its colour or class.
    pub fn dataset(&self) -> Result<Dataset> {
        if !self.subject.classify {
            return self.picture.to_dataset(self.subject.centred);
        }
        // One-hot: 255 means 1.
        let one_hot = |ink: bool| if ink { [255, 0] } else { [0, 255] };
        let targets = self.ink().into_iter().flat_map(one_hot);
        let Subject { width, height, centred, .. } = self.subject;
        Dataset::from_pixels(width, height, targets, 2, centred)
    }

    /// Whether each pixel, laid on white paper if it has an alpha channel, is ink.
    fn ink(&self) -> Vec<bool> {
        let maximum = f64::from(self.subject.maximum);
        let is_ink = |pixel: &[u16]| {
            let unit: Vec<f64> = pixel.iter().map(|v| f64::from(*v) / maximum).collect();
            let (colours, alpha) = match unit.as_slice() {
                [grey] => ([*grey; 3], 1.0),
                [grey, alpha] => ([*grey; 3], *alpha),
                [r, g, b] => ([*r, *g, *b], 1.0),
                [r, g, b, alpha, ..] => ([*r, *g, *b], *alpha),
                [] => ([1.0; 3], 1.0),
            };
            let sum: f64 = colours.iter().map(|c| c * alpha + 1.0 - alpha).sum();
            (255.0 * sum).round() <= INK
        };
        self.picture.pixels().map(is_ink).collect()
    }

    /// Paints, compares with the picture, and writes both down; nothing of that if it was
    /// interrupted.
    pub fn paint(
        &self,
        engine: &Engine,
        network: &Network,
        outputs: &Outputs,
        brush: Brush,
    ) -> Result<Option<Judged>> {
        let Some(painted) = paint(self.subject, engine, network, brush)? else { return Ok(None) };
        let files = outputs.names();
        if self.subject.classify {
            let expected = classes(self.subject.width, self.subject.height, &self.ink())?;
            let pairs = painted.values().iter().zip(expected.values());
            let right = pairs.filter(|(painted, expected)| painted == expected).count();
            outputs.write_picture(&Picture::beside(&[&painted, &expected], GAP)?)?;
            let accuracy = right as f64 / painted.values().len() as f64;
            return Ok(Some(Judged { files, accuracy: Some(accuracy), psnr: None, ssim: None }));
        }
        let difference = self.picture.difference(&painted, 4)?;
        let sheet = Picture::beside(&[&self.picture, &painted, &difference], GAP)?;
        // Both are tried, even if the first fails.
        let written = outputs.write_picture(&painted);
        outputs.write_sheet(&sheet).and(written)?;
        Ok(Some(Judged {
            files,
            accuracy: None,
            psnr: Some(impasto::psnr(&self.picture, &painted)?),
            ssim: Some(impasto::ssim(&self.picture, &painted)?),
        }))
    }
}

/// How good the painting is.
pub struct Judged {
    files: String,
    /// Fraction of the pixels whose class is right.
    pub accuracy: Option<f64>,
    /// In dB; infinite for an exact painting.
    pub psnr: Option<f64>,
    /// 1 for an exact painting.
    pub ssim: Option<f64>,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "painted {}", self.files)?;
        if let Some(accuracy) = self.accuracy {
            write!(f, ": {:.2} % of the pixels in the right class", 100.0 * accuracy)?;
        }
        if let Some(psnr) = self.psnr {
            if psnr.is_finite() {
                write!(f, ": PSNR {psnr:.1} dB")?;
            } else {
                write!(f, ": exact, no PSNR")?;
            }
        }
        if let Some(ssim) = self.ssim {
            write!(f, ", SSIM {ssim:.4}")?;
        }
        Ok(())
    }
}
