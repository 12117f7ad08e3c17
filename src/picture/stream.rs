//! Painting straight into a file, a band of rows at a time, so that a painting may be larger than memory.

use super::Picture;
use super::finite::NotFinite;
use super::painting::BAND;
use super::subject::Subject;
use crate::dataset::Places;
use crate::engine::{Engine, Output};
use crate::error::{Error, Result, invalid_setting, invalid_shape};
use crate::files;
use crate::memory::Need;
use crate::network::Network;
use ::tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16};
use ::tiff::encoder::{TiffEncoder, TiffValue};
use image::ImageFormat;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// The longest side of a painting, which PNG can hold.
const LONGEST: usize = (1 << 31) - 1;

/// A rectangle of the pixels of a painting.
///
/// ```
/// // The right half of a painting of 200×100 pixels.
/// let half = impasto::Region { x: 100, y: 0, width: 100, height: 100 };
/// assert_eq!(half.width * half.height, 10_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Pixels to the left of it.
    pub x: usize,
    /// Rows above it.
    pub y: usize,
    /// Pixels in a row of it.
    pub width: usize,
    /// Its rows.
    pub height: usize,
}

impl Region {
    /// Whether it has pixels and is within a painting of size `(width, height)`.
    ///
    /// ```
    /// let corner = impasto::Region { x: 90, y: 0, width: 10, height: 10 };
    /// assert!(corner.check((100, 50)).is_ok() && corner.check((99, 50)).is_err());
    /// ```
    ///
    /// # Errors
    /// It has none, or is not within it, or the painting has a side of more than 2³¹ − 1 pixels.
    pub fn check(&self, (width, height): (usize, usize)) -> Result<()> {
        let is_within = |start: usize, length: usize, size: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= size)
        };
        if width.max(height) > LONGEST {
            return invalid_shape(format!(
                "a painting of {width}×{height} pixels: a side has at most 2³¹ − 1"
            ));
        }
        let Self { x, y, width: wide, height: high } = *self;
        if !is_within(x, wide, width) || !is_within(y, high, height) {
            return invalid_shape(format!(
                "a region of {wide}×{high} pixels at {x},{y} is not within {width}×{height}"
            ));
        }
        Ok(())
    }
}

/// What paints a region of a painting, a band of rows after the other.
struct Bands<'a> {
    subject: &'a Subject,
    engine: Engine,
    network: &'a Network,
    places: Places,
    /// Pixels in a row of the painting.
    width: usize,
    region: Region,
    /// Rows of a band.
    rows: usize,
    /// The next row of the region.
    next: usize,
    not_finite: NotFinite,
}

impl<'a> Bands<'a> {
    fn new(
        subject: &'a Subject,
        engine: Engine,
        network: &'a Network,
        size: (usize, usize),
        region: Option<Region>,
    ) -> Result<Self> {
        subject.check_network(network)?;
        let region = region.unwrap_or(Region { x: 0, y: 0, width: size.0, height: size.1 });
        region.check(size)?;
        let (places, rows) = (subject.places(size), (BAND / region.width).max(1));
        let mut need = Need::default();
        need.add(1, subject.band_bytes(region.width.saturating_mul(rows)), "make it narrower");
        need.check(format_args!("painting rows of {} pixels", region.width))?;
        let not_finite = NotFinite::default();
        Ok(Self {
            subject,
            engine,
            network,
            places,
            width: size.0,
            region,
            rows,
            next: 0,
            not_finite,
        })
    }

    /// The levels of the next band; nothing after the last, or if `watch` breaks before it.
    fn paint(
        &mut self,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<u16>>> {
        let Region { x, y, width, height } = self.region;
        let end = height.min(self.next + self.rows);
        let pixels = (self.next..end).flat_map(|row| {
            let first = (y + row) * self.width + x;
            first..first + width
        });
        let inputs: Vec<f64> = pixels.flat_map(|pixel| self.places.at(pixel)).collect();
        let outputs = self.engine.forward(self.network, &inputs, Output::Activated);
        let outputs = pollster::block_on(outputs)?;
        let band = self.subject.levels(&outputs).collect();
        self.next = end;
        self.not_finite.add(&outputs, self.network.outputs());
        if end == height {
            std::mem::take(&mut self.not_finite).note(&self.engine);
        }
        let is_stopped = watch(end * width).is_break() && end < height;
        Ok((!is_stopped).then_some(band))
    }
}

impl Subject {
    /// Bytes for so many pixels of a painting, which are computed at once: their places, what the network computes of them,
    /// their levels, and those in the bytes of a file.
    pub(super) fn band_bytes(&self, pixels: usize) -> usize {
        let each = 2 * size_of::<f64>()
            + self.outputs() * size_of::<f64>()
            + self.painted_kind().0 * 2 * size_of::<u16>();
        pixels.saturating_mul(each)
    }

    /// Bytes for painting a row of so many pixels, where paintings are painted a few rows at a time. A row is painted at
    /// once, however long it is.
    ///
    /// ```
    /// use impasto::{Encoding, Picture, Subject};
    ///
    /// let picture = Picture::new(2, 1, 3, 255, vec![255, 0, 0, 255, 255, 255])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// assert!(subject.row_bytes(1_000_000) > 50_000_000);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn row_bytes(&self, width: usize) -> u64 {
        self.band_bytes(width) as u64
    }

    /// The size of a painting of the picture that was learned, `scale` times as large, at least 1×1.
    ///
    /// ```
    /// use impasto::{Encoding, Picture, Subject};
    ///
    /// let picture = Picture::new(4, 2, 1, 255, vec![0; 8])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// assert_eq!(subject.scaled(2.5)?, (10, 5));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A scale that is not above 0, or sides of more than 2³¹ − 1 pixels.
    pub fn scaled(&self, scale: f64) -> Result<(usize, usize)> {
        if !(scale.is_finite() && scale > 0.0) {
            return invalid_setting(format!("a scale of {scale}: it must be above 0"));
        }
        let [width, height] =
            [self.width, self.height].map(|size| (size as f64 * scale).round().max(1.0));
        if width.max(height) > LONGEST as f64 {
            return invalid_setting(format!(
                "{scale} times as large is {width}×{height} pixels: a side has at most 2³¹ − 1"
            ));
        }
        Ok((width as usize, height as usize))
    }

    /// Paints with `network` into a file, whole or not at all. Of the painting of size `(width, height)` it
    /// paints `region`, or all of it. Rows are computed, encoded and written a band at a time, so the memory
    /// does not depend on the number of rows. The file is PNG or TIFF by its name's ending. `watch` receives
    /// the number of finished pixels; if it breaks, there is no file, and the result is `false`.
    ///
    /// ```
    /// use impasto::{Activation, Backend, Encoding, Engine, Loss, Picture, Region, Subject};
    /// use std::ops::ControlFlow;
    ///
    /// let picture = Picture::new(2, 1, 1, 255, vec![0, 255])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// let loss = Loss::MeanSquaredError;
    /// let network = subject.builder(Encoding::Identity, &[8], Activation::Relu, loss).build()?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// let go_on = |_| ControlFlow::Continue(());
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("corner.png");
    /// // A corner of a painting of 2 billion pixels.
    /// let corner = Region { x: 0, y: 0, width: 30, height: 20 };
    /// let size = (65_536, 32_768);
    /// assert!(subject.paint_file(&engine, &network, size, Some(corner), &path, go_on)?);
    /// assert_eq!(Picture::load(&path)?.width(), 30);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// No pixel, a side of more than 2³¹ − 1 pixels, a region that is not within the painting, a network that
    /// does not paint this, a device that failed, another ending of the name, a format that cannot hold the
    /// channels, or a file that cannot be written.
    pub fn paint_file(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        (width, height): (usize, usize),
        region: Option<Region>,
        path: impl AsRef<Path>,
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<bool> {
        self.paint_file_with(engine, network, (width, height), region, path, watch, |_| Ok(()))
    }

    /// Like [`paint_file`](Self::paint_file), for callers that look at what is painted, as a
    /// [`Comparison`](crate::Comparison) does. `take` receives the rows of each band, `[rows, width, channels]`.
    ///
    /// ```
    /// use impasto::{Activation, Backend, Comparison, Encoding, Engine, Loss, Picture, Subject};
    /// use std::ops::ControlFlow;
    ///
    /// let picture = Picture::new(2, 1, 1, 255, vec![0, 255])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// let loss = Loss::MeanSquaredError;
    /// let network = subject.builder(Encoding::Identity, &[8], Activation::Relu, loss).build()?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// let go_on = |_| ControlFlow::Continue(());
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("painted.png");
    /// let mut comparison = Comparison::new(&picture, None)?;
    /// let add = |rows: &[u16]| comparison.add(rows);
    /// subject.paint_file_with(&engine, &network, (2, 1), None, &path, go_on, add)?;
    /// let painted = Picture::load(&path)?;
    /// assert_eq!(comparison.psnr(), impasto::psnr(&picture, &painted)?);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`paint_file`](Self::paint_file), or an error of `take`.
    pub fn paint_file_with(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        size: (usize, usize),
        region: Option<Region>,
        path: impl AsRef<Path>,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
        mut take: impl FnMut(&[u16]) -> Result<()>,
    ) -> Result<bool> {
        let path = path.as_ref();
        let mut all = Bands::new(self, engine.into(), network, size, region)?;
        let (region, rows) = (all.region, all.rows);
        let bands = || -> Result<Option<Vec<u16>>> {
            let band = all.paint(&mut watch)?;
            band.as_deref().map_or(Ok(()), &mut take)?;
            Ok(band)
        };
        let size = (region.width as u32, region.height as u32);
        let kind = self.painted_kind();
        let format = ImageFormat::from_path(path).ok();
        files::write_with(path, |file| match (format, kind) {
            (Some(ImageFormat::Png), _) => {
                write_png(file, path, size, kind, png::Compression::Balanced, bands)
            }
            (Some(ImageFormat::Tiff), (1, 255)) => {
                write_tiff::<Gray8>(file, path, size, rows, bands, |v| v as u8)
            }
            (Some(ImageFormat::Tiff), (3, 255)) => {
                write_tiff::<RGB8>(file, path, size, rows, bands, |v| v as u8)
            }
            (Some(ImageFormat::Tiff), (4, 255)) => {
                write_tiff::<RGBA8>(file, path, size, rows, bands, |v| v as u8)
            }
            (Some(ImageFormat::Tiff), (1, _)) => {
                write_tiff::<Gray16>(file, path, size, rows, bands, |v| v)
            }
            (Some(ImageFormat::Tiff), (3, _)) => {
                write_tiff::<RGB16>(file, path, size, rows, bands, |v| v)
            }
            (Some(ImageFormat::Tiff), (4, _)) => {
                write_tiff::<RGBA16>(file, path, size, rows, bands, |v| v)
            }
            _ => {
                let reason = "rows are painted into PNG files, and into TIFF files without alpha in gray: \
                              end the name in .png";
                Err(Error::Picture { path: path.into(), reason: reason.into() })
            }
        })
    }

    /// Paints with `network` without a file: `take` receives the rows of each band, `[rows, width, channels]`,
    /// of `region` or of the whole painting of size `(width, height)`. If `watch` breaks, the result is `false`.
    /// See [`paint_file_with`](Self::paint_file_with) for an example.
    ///
    /// # Errors
    /// As [`paint_file`](Self::paint_file), but for those of files, or an error of `take`.
    pub fn paint_rows(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        size: (usize, usize),
        region: Option<Region>,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
        mut take: impl FnMut(&[u16]) -> Result<()>,
    ) -> Result<bool> {
        let mut bands = Bands::new(self, engine.into(), network, size, region)?;
        while bands.next < bands.region.height {
            let Some(band) = bands.paint(&mut watch)? else { return Ok(false) };
            take(&band)?;
        }
        Ok(true)
    }

    /// Whether [`paint_file`](Self::paint_file) can write a painting of this kind into a file of that name.
    ///
    /// ```
    /// use impasto::{Encoding, Picture, Subject};
    ///
    /// let picture = Picture::new(2, 1, 1, 255, vec![0, 255])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// assert!(subject.paints_into("large.png") && !subject.paints_into("large.jpg"));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn paints_into(&self, path: impl AsRef<Path>) -> bool {
        match ImageFormat::from_path(path) {
            Ok(ImageFormat::Png) => true,
            Ok(ImageFormat::Tiff) => self.painted_kind().0 != 2,
            _ => false,
        }
    }
}

impl Picture {
    /// Writes the picture as PNG, a few rows at a time.
    pub(super) fn save_png(&self, path: &Path) -> Result<()> {
        let (width, height, channels) = (self.width(), self.height(), self.channels());
        let rows = (BAND / width).max(1);
        let mut bands = (0..height).step_by(rows);
        let mut row = Vec::new();
        let band = || {
            let first = bands.next().unwrap_or(height);
            let last = height.min(first + rows);
            let mut band = Vec::with_capacity((last - first) * width * channels);
            for number in first..last {
                self.read_row(number, &mut row);
                band.extend_from_slice(&row);
            }
            Ok(Some(band))
        };
        let (size, kind) = ((width as u32, height as u32), (channels, self.maximum()));
        // Twice as fast as the compression of large paintings, whose files are smaller.
        let quick = png::Compression::Fast;
        files::write_with(path, |file| write_png(file, path, size, kind, quick, band)).map(drop)
    }
}

/// The error of an encoder.
fn failed(path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::Picture { path: path.into(), reason: format!("cannot be written ({error})") }
}

/// Writes the bands until there is none. Returns whether they came to the end.
fn write_png(
    file: &mut File,
    path: &Path,
    (width, height): (u32, u32),
    (channels, maximum): (usize, u16),
    compression: png::Compression,
    mut bands: impl FnMut() -> Result<Option<Vec<u16>>>,
) -> Result<bool> {
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(match channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.set_compression(compression);
    let is_deep = maximum != 255;
    encoder.set_depth(if is_deep { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
    let mut writer = encoder.write_header().map_err(|e| failed(path, &e))?;
    let mut stream = writer.stream_writer().map_err(|e| failed(path, &e))?;
    let mut left = u64::from(width) * u64::from(height) * channels as u64;
    while left > 0 {
        let Some(band) = bands()? else { return Ok(false) };
        left -= band.len() as u64;
        let bytes: Vec<u8> = if is_deep {
            band.into_iter().flat_map(u16::to_be_bytes).collect()
        } else {
            band.into_iter().map(|v| v as u8).collect()
        };
        stream.write_all(&bytes).map_err(|e| failed(path, &e))?;
    }
    stream.finish().map_err(|e| failed(path, &e))?;
    writer.finish().map_err(|e| failed(path, &e))?;
    Ok(true)
}

/// Writes the bands, each of which is a strip of `rows`. Returns whether they came to the end.
fn write_tiff<C: ColorType>(
    file: &mut File,
    path: &Path,
    (width, height): (u32, u32),
    rows: usize,
    mut bands: impl FnMut() -> Result<Option<Vec<u16>>>,
    number: impl Fn(u16) -> C::Inner,
) -> Result<bool>
where
    [C::Inner]: TiffValue,
{
    let mut encoder = TiffEncoder::new(BufWriter::new(file)).map_err(|e| failed(path, &e))?;
    let mut image = encoder.new_image::<C>(width, height).map_err(|e| failed(path, &e))?;
    let rows = rows.min(height as usize) as u32;
    image.rows_per_strip(rows).map_err(|e| failed(path, &e))?;
    for _ in 0..height.div_ceil(rows) {
        let Some(band) = bands()? else { return Ok(false) };
        let strip: Vec<C::Inner> = band.into_iter().map(&number).collect();
        image.write_strip(&strip).map_err(|e| failed(path, &e))?;
    }
    image.finish().map_err(|e| failed(path, &e))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::cpu::CpuEngine;
    use crate::encoding::Encoding;
    use crate::loss::Loss;
    use crate::picture::Picture;

    fn go_on(_: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn files_have_the_pixels_of_the_painting() {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = CpuEngine::new(Some(1)).expect("a thread");
        for (name, channels, maximum) in [
            ("a.png", 3, 255),
            ("b.png", 2, 65_535),
            ("c.tiff", 3, 255),
            ("d.tif", 1, 65_535),
            ("e.tiff", 4, 65_535),
        ] {
            let values = vec![0; 6 * channels];
            let picture = Picture::new(3, 2, channels, maximum, values).expect("3×2");
            let subject = Subject::new(&picture, Encoding::Identity, false);
            let (hidden, loss) = ([8], Loss::MeanSquaredError);
            let builder = subject.builder(Encoding::Identity, &hidden, Activation::Tanh, loss);
            let network = builder.build().expect("a network");
            // More than a band of rows.
            let size = (700, 200);
            let painted = subject.paint(&engine, &network, size, go_on).expect("paints");
            let painted = painted.expect("was not stopped");
            let path = folder.path().join(name);
            let file = |region, watch: &mut dyn FnMut(usize) -> ControlFlow<()>| {
                subject.paint_file(&engine, &network, size, region, &path, watch)
            };
            let mut done = Vec::new();
            let whole = file(None, &mut |pixels| {
                done.push(pixels);
                ControlFlow::Continue(())
            });
            assert!(whole.expect("paints"));
            assert!(done.len() > 2 && done.last() == Some(&140_000), "{done:?}");
            assert!(Picture::load(&path).expect("a picture") == painted, "{name}");
            let region = Region { x: 600, y: 150, width: 100, height: 7 };
            assert!(file(Some(region), &mut go_on).expect("paints"));
            let part = Picture::load(&path).expect("a picture");
            assert_eq!((part.width(), part.height()), (100, 7));
            let row = |picture: &Picture, first: usize| -> Vec<u16> {
                picture.values()[first * channels..][..100 * channels].to_vec()
            };
            assert_eq!(row(&part, 600), row(&painted, 156 * 700 + 600), "{name}");
            // What is stopped leaves the file that was there.
            let stopped = file(None, &mut |_| ControlFlow::Break(()));
            assert!(!stopped.expect("stops"));
            assert!(Picture::load(&path).expect("a picture") == part);
            for region in [
                Region { x: 601, ..region },
                Region { y: 194, ..region },
                Region { width: 0, ..region },
                Region { x: usize::MAX, ..region },
            ] {
                assert!(file(Some(region), &mut go_on).is_err(), "{region:?}");
            }
            let jpeg = folder.path().join("a.jpg");
            let refused = subject.paint_file(&engine, &network, size, None, &jpeg, go_on);
            assert!(refused.expect_err("refused").to_string().contains(".png"));
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 5);
    }

    #[test]
    fn sizes_are_scaled() {
        let picture = Picture::new(100, 50, 1, 255, vec![0; 5000]).expect("100×50");
        let subject = Subject::new(&picture, Encoding::Identity, false);
        assert_eq!(subject.scaled(0.001).expect("a size"), (1, 1));
        assert_eq!(subject.scaled(400.0).expect("a size"), (40_000, 20_000));
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e30] {
            assert!(subject.scaled(scale).is_err(), "{scale}");
        }
    }
}
