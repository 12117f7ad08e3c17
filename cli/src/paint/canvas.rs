//! What a network learns and paints: the picture's colors, or its two classes.

use super::ending::Failures;
use super::keeping::Resumed;
use super::mask::Masks;
use super::options::Options;
use super::outputs::Outputs;
use super::progress::Brush;
use super::rounding::SavedFile;
use super::smaller;
use super::start::Start;
use super::streams::{is_standard, load_picture};
use super::text::counted;
use impasto::{Comparison, Dataset, Engine, Network, Picture, Result, Subject};
use std::fmt;
use std::path::PathBuf;

/// White pixels between the pictures of a sheet.
const GAP: usize = 4;

/// How many times smaller than the picture those of a sheet are: 1, except for large pictures that are compared a few
/// rows at a time.
fn sheet_factor(subject: Subject) -> usize {
    let pixels = subject.width * subject.height;
    if !in_bands(subject) {
        return 1;
    }
    (pixels as f64 / Subject::SHEET_PIXELS as f64).sqrt().ceil() as usize
}

/// Whether a painting is compared a few rows at a time. Classes, which take a byte a pixel, are compared as whole
/// pictures.
fn in_bands(subject: Subject) -> bool {
    subject.is_large() && !subject.classify
}

/// Width and height of a sheet of `pictures` side by side.
pub fn sheet_size(subject: Subject, pictures: usize) -> (usize, usize) {
    let factor = sheet_factor(subject);
    let (width, height) = (subject.width.div_ceil(factor), subject.height.div_ceil(factor));
    (pictures * (width + GAP) - GAP, height)
}

/// The picture that is learned.
pub struct Canvas {
    /// Where it was read from.
    pub path: PathBuf,
    /// The picture.
    pub picture: Picture,
    /// Notes from reading.
    pub notes: Vec<String>,
    /// The smaller copy that is learned instead, if the options ask for one.
    smaller: Option<Picture>,
    /// How much each pixel counts, if the options say so.
    pub masks: Option<Masks>,
    subject: Subject,
}

impl Canvas {
    /// Reads the picture named in the options.
    pub fn load(options: &Options, start: &Start) -> Result<Self> {
        // clap requires a path.
        let path = options.image.clone().unwrap_or_default();
        let (picture, notes) = load_picture(&path)?;
        let smaller = smaller::copy(&picture, options)?;
        let masks = Masks::load(options, &picture)?;
        let subject = start.subject(options, &picture)?;
        Ok(Self { path, picture, notes, smaller, masks, subject })
    }

    /// The picture of a run that goes on.
    pub fn of_run(options: &Options, run: &Resumed) -> Result<Self> {
        let (picture, notes) = run.load_picture(options.image.is_some())?;
        let smaller = smaller::copy(&picture, options)?;
        let masks = Masks::load(options, &picture)?;
        run.check_mask(masks.as_ref())?;
        let (path, subject) = (run.picture.clone(), run.subject);
        Ok(Self { path, picture, notes, smaller, masks, subject })
    }

    /// What painting needs to know.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// `logo.jpg: 100×100 pixels, RGB, 8 bits`.
    pub fn describe(&self) -> String {
        let kind = ["gray", "gray with alpha", "RGB", "RGBA"][self.subject.channels - 1];
        let bits = if self.subject.maximum == 255 { 8 } else { 16 };
        let (width, height) = (self.subject.width, self.subject.height);
        let pixels = counted((width * height) as u64, "pixel");
        let name = if is_standard(&self.path) {
            "standard input".into()
        } else {
            self.path.display().to_string()
        };
        let copy = self.smaller.as_ref().map_or(String::new(), |copy| {
            format!(", learned from a copy of {}×{}", copy.width(), copy.height())
        });
        let masks = self.masks.as_ref();
        let mask = masks.map_or(String::new(), |masks| format!(", mask {}", masks.path.display()));
        format!("{name}: {width}×{height} ({pixels}), {kind}, {bits} bits{copy}{mask}")
    }

    /// The pixels that are learned.
    pub fn pixels(&self) -> usize {
        self.learned().width() * self.learned().height()
    }

    /// Width and height of what is learned.
    pub fn size(&self) -> (usize, usize) {
        (self.learned().width(), self.learned().height())
    }

    /// The picture that is learned: a smaller copy or the picture itself.
    pub fn learned(&self) -> &Picture {
        self.smaller.as_ref().unwrap_or(&self.picture)
    }

    /// One sample a pixel: its place, and its color or class.
    pub fn dataset(&self) -> Result<Dataset> {
        match &self.masks {
            Some(masks) => self.subject.masked_dataset(self.learned(), &masks.learned),
            None => self.subject.dataset(self.learned()),
        }
    }

    /// The PSNR of a painting in dB, or the fraction of its pixels whose class is right.
    fn quality_of(&self, painted: &Picture) -> Result<f64> {
        let mask = self.masks.as_ref().map(|masks| &masks.whole);
        if !self.subject.classify {
            return match mask {
                Some(mask) => mask.psnr(&self.picture, painted),
                None => impasto::psnr(&self.picture, painted),
            };
        }
        let expected = self.subject.expected(&self.picture)?;
        match mask {
            Some(mask) => mask.pixel_accuracy(painted, &expected),
            None => impasto::pixel_accuracy(painted, &expected),
        }
    }

    /// Compares a painting that comes a few rows at a time. `sheet` is how many times smaller the pictures of the sheet are;
    /// without it there is no sheet.
    fn comparison(&self, sheet: Option<usize>) -> Result<Comparison<'_>> {
        let comparison = Comparison::new(&self.picture, sheet)?;
        match &self.masks {
            Some(masks) => comparison.with_mask(&masks.whole),
            None => Ok(comparison),
        }
    }

    /// The quality of what `network` paints: the PSNR in dB, or the fraction of the pixels whose class is right. Nothing
    /// if that was interrupted.
    pub fn quality(
        &self,
        engine: &Engine,
        network: &Network,
        mut brush: Brush,
    ) -> Result<Option<f64>> {
        let size = (self.subject.width, self.subject.height);
        let watch = |done| brush.watch(done, size.0 * size.1);
        let quality = if in_bands(self.subject) {
            let mut comparison = self.comparison(None)?;
            let compare = |rows: &[u16]| comparison.add(rows);
            let is_whole = self.subject.paint_rows(engine, network, size, None, watch, compare)?;
            is_whole.then(|| comparison.psnr())
        } else {
            let painted = self.subject.paint(engine, network, size, watch)?;
            painted.map(|painted| self.quality_of(&painted)).transpose()?
        };
        brush.finish();
        Ok(quality)
    }

    /// Paints, compares with the picture, and writes both down; nothing of that if it was
    /// interrupted. A file that cannot be written is one of the failures, and the comparison goes on.
    pub fn paint(
        &self,
        engine: &Engine,
        network: &Network,
        outputs: &Outputs,
        mut brush: Brush,
        failures: &mut Failures,
    ) -> Result<Option<Judged>> {
        let judged = if in_bands(self.subject) {
            self.paint_in_bands(engine, network, outputs, &mut brush, failures)
        } else {
            self.paint_in_memory(engine, network, outputs, &mut brush, failures)
        };
        brush.finish();
        judged
    }

    /// [`paint`](Self::paint) with everything in memory.
    fn paint_in_memory(
        &self,
        engine: &Engine,
        network: &Network,
        outputs: &Outputs,
        brush: &mut Brush,
        failures: &mut Failures,
    ) -> Result<Option<Judged>> {
        let Subject { width, height, .. } = self.subject;
        let watch = |done| brush.watch(done, width * height);
        let painted = self.subject.paint(engine, network, (width, height), watch)?;
        let Some(painted) = painted else { return Ok(None) };
        if self.subject.classify {
            let expected = self.subject.expected(&self.picture)?;
            let written = outputs.write_picture(&Picture::beside(&[&painted, &expected], GAP)?);
            let is_painted = failures.take(written).is_some();
            return Ok(Some(Judged {
                accuracy: Some(self.quality_of(&painted)?),
                is_masked: self.masks.is_some(),
                one_color: is_one_color(&painted) && !is_one_color(&expected),
                ..Judged::of(outputs, is_painted, true)
            }));
        }
        let written = if outputs.frame.is_whole(self.subject) {
            outputs.write_picture(&painted)
        } else {
            match outputs.paint(self.subject, engine, network, brush, |_| Ok(())) {
                Ok(false) => return Ok(None),
                written => written.map(drop),
            }
        };
        let is_painted = failures.take(written).is_some();
        let sheet = self
            .picture
            .difference(&painted, 4)
            .and_then(|difference| Picture::beside(&[&self.picture, &painted, &difference], GAP));
        let has_sheet = failures.take(sheet.and_then(|sheet| outputs.write_sheet(&sheet)));
        Ok(Some(Judged {
            one_color: is_one_color(&painted) && !is_one_color(&self.picture),
            psnr: Some(self.quality_of(&painted)?),
            ssim: Some(match &self.masks {
                Some(masks) => masks.whole.ssim(&self.picture, &painted)?,
                None => impasto::ssim(&self.picture, &painted)?,
            }),
            is_masked: self.masks.is_some(),
            ..Judged::of(outputs, is_painted, has_sheet.is_some())
        }))
    }

    /// [`paint`](Self::paint) a few rows at a time, for large pictures. The pictures of the sheet are smaller.
    fn paint_in_bands(
        &self,
        engine: &Engine,
        network: &Network,
        outputs: &Outputs,
        brush: &mut Brush,
        failures: &mut Failures,
    ) -> Result<Option<Judged>> {
        let Subject { width, height, .. } = self.subject;
        let factor = sheet_factor(self.subject);
        let mut comparison = self.comparison(outputs.has_sheet().then_some(factor))?;
        let compare = |rows: &[u16]| comparison.add(rows);
        let painted = if outputs.frame.is_whole(self.subject) {
            outputs.paint(self.subject, engine, network, brush, compare)?
        } else {
            let watch = |done| brush.watch(done, width * height);
            let size = (width, height);
            self.subject.paint_rows(engine, network, size, None, watch, compare)?
                && outputs.paint(self.subject, engine, network, brush, |_| Ok(()))?
        };
        if !painted {
            return Ok(None);
        }
        let (psnr, ssim) = (Some(comparison.psnr()), comparison.ssim());
        let one_color =
            is_small(comparison.contrast(), &self.picture) && !is_one_color(&self.picture);
        let (mut note, mut has_sheet) = (None, true);
        if let Some(pictures) = comparison.into_sheet()? {
            let sheet = Picture::beside(&pictures.each_ref(), GAP)?;
            drop(pictures);
            has_sheet = failures.take(outputs.write_sheet(&sheet)).is_some();
            note = (factor > 1).then(|| {
                format!("note: the pictures of the sheet are {factor} times smaller, since {width}×{height} are many pixels")
            });
        }
        let is_masked = self.masks.is_some();
        Ok(Some(Judged {
            psnr,
            ssim,
            is_masked,
            one_color,
            note,
            ..Judged::of(outputs, true, has_sheet)
        }))
    }
}

/// How good the painting is.
pub struct Judged {
    files: String,
    /// Whether the painting was written.
    pub is_painted: bool,
    /// Fraction of the pixels whose class is right.
    pub accuracy: Option<f64>,
    /// In dB; infinite for an exact painting.
    pub psnr: Option<f64>,
    /// 1 for an exact painting.
    pub ssim: Option<f64>,
    /// Whether pixels were weighted by a mask.
    is_masked: bool,
    /// The file of the network, if one is written.
    pub file: Option<SavedFile>,
    /// Whether the painting is of one color, and the picture is not: nothing was learned.
    pub one_color: bool,
    /// What there is to say about the sheet.
    pub note: Option<String>,
}

impl Judged {
    /// Nothing yet about the quality, and whether the painting and the sheet were written.
    fn of(outputs: &Outputs, is_painted: bool, has_sheet: bool) -> Self {
        let files = match (is_painted, has_sheet) {
            (true, true) => outputs.names(),
            (true, false) => outputs.name(),
            (false, _) => "in memory".into(),
        };
        Self {
            files,
            is_painted,
            accuracy: None,
            psnr: None,
            ssim: None,
            is_masked: false,
            file: None,
            one_color: false,
            note: None,
        }
    }
}

/// Whether a difference of two levels is at most a hundredth of white.
fn is_small(difference: u16, picture: &Picture) -> bool {
    difference <= picture.maximum() / 100
}

/// Whether no channel differs by more than a hundredth of white.
fn is_one_color(picture: &Picture) -> bool {
    let channels = picture.channels();
    let (mut least, mut most) = (vec![u16::MAX; channels], vec![0; channels]);
    for pixel in picture.pixels() {
        for (channel, value) in pixel.iter().enumerate() {
            least[channel] = least[channel].min(*value);
            most[channel] = most[channel].max(*value);
        }
    }
    least.iter().zip(&most).all(|(least, most)| is_small(most - least, picture))
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "painted {}", self.files)?;
        let rounded = self.file.as_ref().and_then(|file| Some((file, file.quality?)));
        if let Some(accuracy) = self.accuracy {
            write!(f, ": {:.2} % of the pixels in the right class", 100.0 * accuracy)?;
            if let Some((bits, accuracy)) = rounded {
                write!(f, ", {:.2} % with {bits}", 100.0 * accuracy)?;
            }
        }
        if let Some(psnr) = self.psnr {
            if psnr.is_finite() {
                write!(f, ": PSNR {psnr:.1} dB")?;
            } else {
                write!(f, ": exact, no PSNR")?;
            }
            if let Some((bits, psnr)) = rounded {
                write!(f, ", {psnr:.1} dB with {bits}")?;
            }
        }
        if let Some(ssim) = self.ssim {
            write!(f, ", SSIM {ssim:.4}")?;
        }
        if self.is_masked {
            write!(f, " by the mask")?;
        }
        if let Some(file) = &self.file {
            let bits = file.bits_per_pixel();
            let digits = (2.0 - bits.log10().floor()).clamp(0.0, 5.0) as usize;
            write!(f, ", {bits:.digits$} bits a pixel")?;
        }
        Ok(())
    }
}
