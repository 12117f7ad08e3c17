//! Writing pictures, in the formats that the crate `image` was built with.

use super::{Picture, Pixel};
use crate::dataset::Levels;
use crate::error::{Error, Result};
use crate::memory::{self, Need, SMALLER};
use image::{ExtendedColorType, ImageFormat};
use std::path::Path;

/// Bytes of a file beside its pixels.
const FRAME: usize = 1 << 16;

impl Picture {
    /// Writes the picture, whole or not at all, in the format of the name's ending.
    ///
    /// # Errors
    /// An unknown ending, a format that cannot hold the channels or bits, too little memory, or a file that cannot be
    /// written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match ImageFormat::from_path(path) {
            Ok(ImageFormat::Png) => self.save_png(path),
            _ => crate::files::write(path, &self.encode(path)?),
        }
    }

    /// Finds out whether [`save`](Self::save) can succeed for a picture of this size and kind,
    /// without making one.
    ///
    /// # Errors
    /// As [`save`](Self::save).
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

    /// The bytes of the file.
    fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let unfit = |reason| Error::Picture { path: path.into(), reason };
        let format = ImageFormat::from_path(path)
            .ok()
            .filter(ImageFormat::writing_enabled)
            .ok_or_else(|| unfit("the name has no known picture format: end it in .png".into()))?;
        // The file is not much larger than the pixels, and some encoders copy them.
        let size = self.levels.bytes();
        let what = format_args!("the file {}", path.display());
        let room = memory::room(size + size / 64 + FRAME, what, SMALLER)?;
        let mut need = Need::default();
        need.add(1, 2 * size, SMALLER);
        need.check(what)?;
        let mut bytes = std::io::Cursor::new(room);
        // Not `DynamicImage::write_to`, which would drop channels that the format cannot hold, without an error.
        let is_icon = format == ImageFormat::Ico;
        let fits = self.maximum() == 255 || !is_icon;
        let rgba;
        let (pixels, color): (&[u8], _) = match &*self.levels {
            // Readers of ICO, this one among them, refuse pixels without an alpha channel.
            Levels::Bytes(_) if is_icon => {
                rgba = self.rgba();
                (&rgba, ExtendedColorType::Rgba8)
            }
            Levels::Bytes(bytes) => (bytes, self.color()),
            Levels::Words(words) => (bytemuck::cast_slice(words), self.color()),
        };
        let (width, height) = (self.width as u32, self.height as u32);
        let write = image::write_buffer_with_format;
        if !fits || write(&mut bytes, pixels, width, height, color, format).is_err() {
            let kind = ["gray", "gray with alpha", "RGB", "RGBA"][self.channels - 1];
            let bits = if self.maximum() == 255 { "an 8-bit" } else { "a 16-bit" };
            let reason =
                format!("this format cannot hold {bits} {kind} picture: end the name in .png");
            return Err(unfit(reason));
        }
        Ok(bytes.into_inner())
    }

    /// The kind of its pixels.
    fn color(&self) -> ExtendedColorType {
        match (self.channels, self.maximum()) {
            (1, 255) => ExtendedColorType::L8,
            (2, 255) => ExtendedColorType::La8,
            (3, 255) => ExtendedColorType::Rgb8,
            (_, 255) => ExtendedColorType::Rgba8,
            (1, _) => ExtendedColorType::L16,
            (2, _) => ExtendedColorType::La16,
            (3, _) => ExtendedColorType::Rgb16,
            (_, _) => ExtendedColorType::Rgba16,
        }
    }

    /// A picture of 8 bits as RGBA.
    fn rgba(&self) -> Vec<u8> {
        let rgba = |pixel: Pixel| match *pixel {
            [gray] => [gray, gray, gray, 255],
            [gray, alpha] => [gray, gray, gray, alpha],
            [r, g, b] => [r, g, b, 255],
            [r, g, b, alpha, ..] => [r, g, b, alpha],
            [] => [0; 4],
        };
        self.pixels().flat_map(rgba).map(|value| value as u8).collect()
    }
}

/// The most pixels in a row or column that a format can hold.
fn longest_side(format: ImageFormat) -> usize {
    match format {
        ImageFormat::Ico => 256,
        ImageFormat::WebP => 16_383,
        ImageFormat::Gif | ImageFormat::Jpeg | ImageFormat::Tga => 65_535,
        _ => u32::MAX as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
