//! Pictures: read, written, turned into samples and back, and compared.

pub(crate) mod quality;

use crate::dataset::Dataset;
use crate::engine::{Engine, Output};
use crate::error::{Error, Result, invalid};
use crate::network::Network;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// The most pixels a picture may have: 8,192 × 8,192.
const MOST_PIXELS: u64 = 1 << 26;

/// Pixels that are painted at once: enough for every core or GPU, little memory.
const BAND: usize = 1 << 16;

/// A picture of 1 to 4 channels (grey, grey and alpha, RGB, RGBA) and 8 or 16 bits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    maximum: u16,
    values: Vec<u16>,
}

impl Picture {
    /// From values row by row, `[height, width, channels]`, each at most `maximum`, which is 255
    /// or 65,535.
    ///
    /// # Errors
    /// No pixel, too many, other than 1 to 4 channels, or values of another number or range.
    pub fn new(
        width: usize,
        height: usize,
        channels: usize,
        maximum: u16,
        values: Vec<u16>,
    ) -> Result<Self> {
        Self::check_size(width, height)?;
        if !(1..=4).contains(&channels) {
            return invalid(format!("a picture of {channels} channels: it has 1 to 4"));
        }
        if maximum != 255 && maximum != 65_535 {
            return invalid(format!("a largest value of {maximum}: it is 255 or 65535"));
        }
        if values.len() != width * height * channels || values.iter().any(|v| *v > maximum) {
            return invalid(format!(
                "{} values are no picture of {width}×{height} with {channels} channels up to {maximum}",
                values.len()
            ));
        }
        Ok(Self { width, height, channels, maximum, values })
    }

    /// Reads a picture of any format that was compiled in, upright if the file says which way is
    /// up. The first frame of an animation. Palettes become RGB, floating point becomes 16 bits.
    ///
    /// # Errors
    /// No such file, no picture, a broken one, or one of more than 67 million pixels, which is
    /// refused from its header.
    pub fn load(path: &Path) -> Result<Self> {
        let unreadable = |source| Error::File { action: "read", path: path.into(), source };
        let broken =
            |e: image::ImageError| Error::Picture { path: path.into(), reason: explain(&e) };
        if path.is_dir() {
            return Err(unreadable(std::io::Error::other(
                "it is a directory: name a picture in it",
            )));
        }
        let unfit = |reason: &str| Error::Picture { path: path.into(), reason: reason.into() };
        let found = std::fs::metadata(path).map_err(unreadable)?;
        if !found.is_file() {
            return Err(unfit("no regular file: save the picture to a file first"));
        }
        let reader = ImageReader::open(path)
            .and_then(ImageReader::with_guessed_format)
            .map_err(unreadable)?;
        if found.len() == 0 {
            return Err(unfit("the file is empty"));
        }
        let Some(format) = reader.format() else {
            return Err(unfit("not a picture of a known format: convert it to PNG or JPEG"));
        };
        let mut decoder = reader.into_decoder().map_err(broken)?;
        if format == ImageFormat::Jpeg && !ends_as_jpeg(path).map_err(unreadable)? {
            return Err(unfit("the JPEG file ends too early: get a complete copy of it"));
        }
        let (width, height) = decoder.dimensions();
        check_size(&path.display().to_string(), width.into(), height.into())?;
        let orientation = decoder.orientation().map_err(broken)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
        image.apply_orientation(orientation);
        Ok(Self::from(image))
    }

    /// Writes the picture, whole or not at all, in the format of the name's ending.
    ///
    /// # Errors
    /// An unknown ending, a format that cannot hold the channels or bits, or a file that cannot be
    /// written.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write(path, &self.encode(path)?)
    }

    /// Finds out whether [`save`](Self::save) can succeed for a picture of this size and kind,
    /// without making one.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn check_saving(
        path: &Path,
        (width, height): (usize, usize),
        channels: usize,
        maximum: u16,
    ) -> Result<()> {
        Self::new(1, 1, channels, maximum, vec![0; channels])?.encode(path)?;
        let most = ImageFormat::from_path(path).map_or(usize::MAX, longest_side);
        if width.max(height) > most {
            let reason = format!(
                "this format holds at most {most}×{most} pixels, not {width}×{height}: end the \
                 name in .png"
            );
            return Err(Error::Picture { path: path.into(), reason });
        }
        crate::files::check_writable(path)
    }

    /// Whether a picture may have this size.
    ///
    /// # Errors
    /// No pixel, or more than 67 million.
    pub fn check_size(width: usize, height: usize) -> Result<()> {
        check_size("the picture", width as u64, height as u64)
    }

    /// The bytes of the file.
    #[cfg(not(target_arch = "wasm32"))]
    fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let unfit = |reason| Error::Picture { path: path.into(), reason };
        let format =
            ImageFormat::from_path(path).ok().filter(ImageFormat::writing_enabled).ok_or_else(
                || unfit("no picture format can be told from this name: end it in .png".into()),
            )?;
        let mut bytes = std::io::Cursor::new(Vec::new());
        // Not `DynamicImage::write_to`, which would quietly drop what the format cannot hold.
        let mut image = self.to_image();
        let is_icon = format == ImageFormat::Ico;
        let fits = self.maximum == 255 || !is_icon;
        if is_icon {
            // Readers of ICO, ours among them, refuse pixels without an alpha channel.
            image = image.into_rgba8().into();
        }
        let (pixels, color) = (image.as_bytes(), image.color());
        let (width, height) = (image.width(), image.height());
        let write = image::write_buffer_with_format;
        if !fits || write(&mut bytes, pixels, width, height, color, format).is_err() {
            let kind = ["grey", "grey with alpha", "RGB", "RGBA"][self.channels - 1];
            let bits = if self.maximum == 255 { "an 8-bit" } else { "a 16-bit" };
            let reason =
                format!("this format cannot hold {bits} {kind} picture: end the name in .png");
            return Err(unfit(reason));
        }
        Ok(bytes.into_inner())
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn to_image(&self) -> DynamicImage {
        use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};
        macro_rules! image {
            ($variant:ident, $pixel:ident, $number:ty) => {{
                let values: Vec<$number> = self.values.iter().map(|v| *v as $number).collect();
                ImageBuffer::<$pixel<$number>, _>::from_raw(
                    self.width as u32,
                    self.height as u32,
                    values,
                )
                .map(DynamicImage::$variant)
            }};
        }
        let image = match (self.channels, self.maximum) {
            (1, 255) => image!(ImageLuma8, Luma, u8),
            (2, 255) => image!(ImageLumaA8, LumaA, u8),
            (3, 255) => image!(ImageRgb8, Rgb, u8),
            (4, 255) => image!(ImageRgba8, Rgba, u8),
            (1, _) => image!(ImageLuma16, Luma, u16),
            (2, _) => image!(ImageLumaA16, LumaA, u16),
            (3, _) => image!(ImageRgb16, Rgb, u16),
            (_, _) => image!(ImageRgba16, Rgba, u16),
        };
        // `new` made sure that the buffer has the size of the picture.
        image.unwrap_or_default()
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Numbers in a pixel, 1 to 4.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The value of white: 255 or 65,535.
    pub fn maximum(&self) -> u16 {
        self.maximum
    }

    /// Row by row, `[height, width, channels]`.
    pub fn values(&self) -> &[u16] {
        &self.values
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = &[u16]> {
        self.values.chunks_exact(self.channels)
    }

    /// One sample a pixel: its place ([`coordinates`](Self::coordinates)) and its channels in
    /// [0, 1]. With 8 bits a channel, it takes 4 bytes a pixel.
    ///
    /// # Errors
    /// None for a picture; the type is that of [`Dataset::new`].
    pub fn to_dataset(&self, centred: bool) -> Result<Dataset> {
        if self.maximum == 255 {
            // `new` saw to it that no value is above the maximum.
            let bytes = self.values.iter().map(|v| *v as u8);
            return Dataset::from_pixels(self.width, self.height, bytes, self.channels, centred);
        }
        let maximum = f32::from(self.maximum);
        let targets = self.values.iter().map(|v| f32::from(*v) / maximum).collect();
        let inputs = (0..self.width * self.height)
            .flat_map(|pixel| Self::coordinates(pixel, self.width, self.height, centred))
            .map(|c| c as f32)
            .collect();
        Dataset::new(inputs, targets, 2, self.channels)
    }

    /// Where a pixel's centre stands, x to the right and y down: in [0, 1], or in [-1, 1] if
    /// `centred` (for a network without an encoding).
    pub fn coordinates(pixel: usize, width: usize, height: usize, centred: bool) -> [f64; 2] {
        let place = |index: usize, size: usize| {
            let unit = (index as f64 + 0.5) / size as f64;
            if centred { 2.0 * unit - 1.0 } else { unit }
        };
        [place(pixel % width, width), place(pixel / width, height)]
    }

    /// Runs `network` at every pixel of a picture of that size: `[height, width, outputs]`, the
    /// numbers as they come out. `watch` is told after every some ten thousand pixels how many are
    /// done; if it says to stop, there is nothing.
    ///
    /// # Errors
    /// A size out of range, a network that does not take two inputs, or a device that failed.
    pub async fn sample(
        engine: impl Into<Engine>,
        network: &Network,
        (width, height): (usize, usize),
        centred: bool,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f64>>> {
        let engine = engine.into();
        Self::check_size(width, height)?;
        if network.inputs() != 2 {
            return invalid(format!(
                "a network of {} inputs paints no picture: it takes 2, x and y",
                network.inputs()
            ));
        }
        let pixels = width * height;
        let mut outputs = Vec::with_capacity(pixels * network.outputs());
        for first in (0..pixels).step_by(BAND) {
            let end = pixels.min(first + BAND);
            let inputs: Vec<f64> = (first..end)
                .flat_map(|pixel| Self::coordinates(pixel, width, height, centred))
                .collect();
            outputs.extend(engine.forward(network, &inputs, Output::Activated).await?);
            if watch(end).is_break() && end < pixels {
                return Ok(None);
            }
        }
        Ok(Some(outputs))
    }

    /// The picture whose channels, in [0, 1], stand in `values`; what lies outside is clamped.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_unit(
        width: usize,
        height: usize,
        channels: usize,
        maximum: u16,
        values: &[f64],
    ) -> Result<Self> {
        let level = |value: &f64| (value.clamp(0.0, 1.0) * f64::from(maximum)).round() as u16;
        Self::new(width, height, channels, maximum, values.iter().map(level).collect())
    }

    /// Pictures of the same height, channels and bits side by side, with a white gap of
    /// `gap` pixels between them.
    ///
    /// # Errors
    /// No picture, pictures that do not match, or a sheet wider than 2³² − 1 pixels.
    pub fn beside(pictures: &[&Self], gap: usize) -> Result<Self> {
        let Some(first) = pictures.first() else {
            return invalid("no picture to set side by side");
        };
        if pictures.iter().any(|p| {
            (p.height, p.channels, p.maximum) != (first.height, first.channels, first.maximum)
        }) {
            return invalid(
                "pictures of different heights, channels or bits do not go side by side",
            );
        }
        let width = pictures.iter().map(|p| p.width).sum::<usize>() + gap * (pictures.len() - 1);
        if u32::try_from(width).is_err() {
            return invalid(format!("a sheet {width} pixels wide: it can be 2³² − 1"));
        }
        let mut values = Vec::with_capacity(width * first.height * first.channels);
        for row in 0..first.height {
            for (position, picture) in pictures.iter().enumerate() {
                if position > 0 {
                    values.extend(std::iter::repeat_n(first.maximum, gap * first.channels));
                }
                let stride = picture.width * picture.channels;
                values.extend_from_slice(&picture.values[row * stride..][..stride]);
            }
        }
        // Not `new`: a sheet of large pictures has more pixels than one of them may have.
        let (height, channels, maximum) = (first.height, first.channels, first.maximum);
        Ok(Self { width, height, channels, maximum, values })
    }

    /// `|self − other|·factor`, channel by channel; an alpha channel is made opaque, or nothing
    /// would be seen.
    ///
    /// # Errors
    /// Pictures of different shapes.
    pub fn difference(&self, other: &Self, factor: u32) -> Result<Self> {
        self.check_same_shape(other)?;
        let has_alpha = self.channels.is_multiple_of(2);
        let values = self.values.iter().zip(&other.values).enumerate().map(|(i, (a, b))| {
            if has_alpha && i % self.channels == self.channels - 1 {
                self.maximum
            } else {
                (u32::from(a.abs_diff(*b)) * factor).min(u32::from(self.maximum)) as u16
            }
        });
        Self::new(self.width, self.height, self.channels, self.maximum, values.collect())
    }

    fn check_same_shape(&self, other: &Self) -> Result<()> {
        let shape = |p: &Self| (p.width, p.height, p.channels, p.maximum);
        if shape(self) == shape(other) {
            Ok(())
        } else {
            invalid(format!(
                "pictures of {}×{} and {}×{} pixels, {} and {} channels, cannot be compared",
                self.width, self.height, other.width, other.height, self.channels, other.channels
            ))
        }
    }
}

impl From<DynamicImage> for Picture {
    fn from(image: DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let wide = |bytes: Vec<u8>| bytes.into_iter().map(u16::from).collect();
        let (channels, maximum, values) = match image {
            DynamicImage::ImageLuma8(image) => (1, 255, wide(image.into_raw())),
            DynamicImage::ImageLumaA8(image) => (2, 255, wide(image.into_raw())),
            DynamicImage::ImageRgb8(image) => (3, 255, wide(image.into_raw())),
            DynamicImage::ImageRgba8(image) => (4, 255, wide(image.into_raw())),
            DynamicImage::ImageLuma16(image) => (1, 65_535, image.into_raw()),
            DynamicImage::ImageLumaA16(image) => (2, 65_535, image.into_raw()),
            DynamicImage::ImageRgb16(image) => (3, 65_535, image.into_raw()),
            DynamicImage::ImageRgba16(image) => (4, 65_535, image.into_raw()),
            other if other.color().has_alpha() => (4, 65_535, other.into_rgba16().into_raw()),
            other => (3, 65_535, other.into_rgb16().into_raw()),
        };
        Self { width, height, channels, maximum, values }
    }
}

/// An error unless `what` has at least one pixel and not too many.
fn check_size(what: &str, width: u64, height: u64) -> Result<()> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return invalid(format!("{what} is {width}×{height}: it needs at least 1 pixel"));
    }
    if pixels > MOST_PIXELS {
        return Err(Error::TooLarge {
            what: format!("{what} of {width}×{height} pixels"),
            needed: pixels.saturating_mul(4),
            limit: MOST_PIXELS * 4,
            advice: "make it smaller, at most 67 million pixels".into(),
        });
    }
    Ok(())
}

/// The most pixels in a row or column that a format can hold.
#[cfg(not(target_arch = "wasm32"))]
fn longest_side(format: ImageFormat) -> usize {
    match format {
        ImageFormat::Ico => 256,
        ImageFormat::WebP => 16_383,
        ImageFormat::Gif | ImageFormat::Jpeg | ImageFormat::Tga => 65_535,
        _ => u32::MAX as usize,
    }
}

/// Whether a JPEG file goes on to its end marker. If it does not, the decoder says nothing and
/// makes up the missing pixels.
fn ends_as_jpeg(path: &Path) -> std::io::Result<bool> {
    let mut file = BufReader::new(File::open(path)?);
    let mut to_end = || -> std::io::Result<()> {
        loop {
            file.skip_until(0xFF)?;
            let mut marker = [0xFF];
            while marker == [0xFF] {
                file.read_exact(&mut marker)?;
            }
            match marker {
                [0xD9] => return Ok(()),
                // No markers but data, and markers that carry none.
                [0x00 | 0x01 | 0xD0..=0xD8] => {}
                _ => {
                    let mut length = [0; 2];
                    file.read_exact(&mut length)?;
                    file.seek_relative(i64::from(u16::from_be_bytes(length)) - 2)?;
                }
            }
        }
    };
    match to_end() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The decoder's complaint in one line.
fn explain(error: &image::ImageError) -> String {
    let text = error.to_string();
    let line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    format!("cannot be decoded ({line})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_pixel_centres() {
        assert_eq!(Picture::coordinates(0, 2, 1, false), [0.25, 0.5]);
        assert_eq!(Picture::coordinates(5, 4, 2, true), [-0.25, 0.5]);
    }

    #[test]
    fn painting_is_watched_and_can_be_stopped() {
        let network =
            Network::builder(2).output(1, crate::Activation::Identity).build().expect("a network");
        let engine = crate::cpu::CpuEngine::new(Some(1)).expect("a thread");
        let (size, mut told) = ((BAND, 2), Vec::new());
        let mut sample = |stop_at: usize| {
            let watch = |done| {
                told.push(done);
                if done == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let sampled = Picture::sample(&engine, &network, size, false, watch);
            pollster::block_on(sampled).expect("no device to fail").map(|values| values.len())
        };
        assert_eq!(sample(0), Some(2 * BAND));
        assert_eq!(sample(BAND), None);
        // Too late: all is done.
        assert_eq!(sample(2 * BAND), Some(2 * BAND));
        assert_eq!(told, [BAND, 2 * BAND, BAND, BAND, 2 * BAND]);
    }

    #[test]
    fn every_kind_survives_a_png_file() {
        let folder = tempfile::tempdir().expect("a folder");
        for channels in 1..=4 {
            for maximum in [255, 65_535] {
                let values = (0..3 * 2 * channels)
                    .map(|i| (i * 37 % 256) as u16 * (maximum / 255))
                    .collect();
                let picture = Picture::new(3, 2, channels, maximum, values).expect("3×2");
                let path = folder.path().join("picture.png");
                Picture::check_saving(&path, (3, 2), channels, maximum).expect("can be saved");
                picture.save(&path).expect("saved");
                assert_eq!(Picture::load(&path).expect("loaded"), picture);
            }
        }
    }

    #[test]
    fn what_is_saved_can_be_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        for ending in ["bmp", "ff", "gif", "ico", "jpg", "pnm", "png", "qoi", "tga", "tiff", "webp"]
        {
            let mut saved = 0;
            for (channels, maximum) in (1..=4).flat_map(|c| [(c, 255), (c, 65_535)]) {
                let picture = Picture::new(3, 2, channels, maximum, vec![7; 6 * channels]);
                let path = folder.path().join(format!("{channels}-{maximum}.{ending}"));
                if picture.expect("3×2").save(&path).is_ok() {
                    let loaded = Picture::load(&path).unwrap_or_else(|error| panic!("{error}"));
                    assert_eq!((loaded.width(), loaded.height()), (3, 2), "{}", path.display());
                    saved += 1;
                }
            }
            assert!(saved > 0, "{ending}");
        }
    }

    #[test]
    fn formats_that_cannot_hold_it_are_refused_before_saving() {
        let refused = |name: &str, size, channels, maximum| {
            Picture::check_saving(Path::new(name), size, channels, maximum)
                .expect_err("refused")
                .to_string()
        };
        let message = |name: &str, channels, maximum| refused(name, (1, 1), channels, maximum);
        assert!(message("a.jpg", 4, 255).contains("RGBA"));
        assert!(message("a.jpg", 3, 65_535).contains("16-bit"));
        assert!(message("a.txt", 3, 255).contains(".png"));
        assert!(message("a", 3, 255).contains(".png"));
        // One more than what each can hold, which the encoder would find out after training.
        for (name, most) in [
            ("a.ico", 256),
            ("a.webp", 16_383),
            ("a.jpg", 65_535),
            ("a.gif", 65_535),
            ("a.tga", 65_535),
        ] {
            assert!(refused(name, (most + 1, 1), 3, 255).contains("at most"), "{name}");
            assert!(refused(name, (1, most + 1), 3, 255).contains("at most"), "{name}");
            let widest = Picture::new(most, 1, 3, 255, vec![0; 3 * most]).expect("a line");
            assert!(widest.encode(Path::new(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_jpeg_file_that_ends_early_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("picture.jpg");
        let values = (0..64 * 64).map(|i| i * 31 % 256).collect();
        Picture::new(64, 64, 1, 255, values).expect("64×64").save(&path).expect("saved");
        let bytes = std::fs::read(&path).expect("read");
        assert!(Picture::load(&path).is_ok());
        // What follows the end marker does not matter.
        std::fs::write(&path, [&bytes[..], b"more"].concat()).expect("written");
        assert!(Picture::load(&path).is_ok());
        for length in [3, 20, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).expect("written");
            let message = Picture::load(&path).expect_err("refused").to_string();
            assert!(length <= 20 || message.contains("too early"), "{message}");
        }
    }

    #[test]
    fn sheets_and_differences() {
        let a = Picture::new(1, 1, 2, 255, vec![10, 7]).expect("1×1");
        let b = Picture::new(1, 1, 2, 255, vec![90, 200]).expect("1×1");
        assert_eq!(a.difference(&b, 4).expect("same shape").values(), [255, 255]);
        assert_eq!(
            Picture::beside(&[&a, &b], 1).expect("a sheet").values(),
            [10, 7, 255, 255, 90, 200]
        );
        let c = Picture::new(1, 1, 1, 255, vec![0]).expect("1×1");
        assert!(a.difference(&c, 1).is_err() && Picture::beside(&[&a, &c], 0).is_err());
        assert!(Picture::new(0, 1, 1, 255, vec![]).is_err());
    }

    #[test]
    fn unit_values_are_clamped_and_rounded() {
        let picture = Picture::from_unit(3, 1, 1, 255, &[-1.0, 0.5, 2.0]).expect("3×1");
        assert_eq!(picture.values(), [0, 128, 255]);
    }
}
