//! The pictures of `cargo xtask quality`, and their samples as files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};

/// Endings of the files of a folder that are read.
const ENDINGS: [&str; 8] = ["bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// A picture with numbers in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// The name of its file, without the ending.
    pub name: String,
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Colors of a pixel, 1 or 3.
    pub colors: usize,
    /// `[height, width, colors]`
    pub values: Vec<f32>,
}

/// The pictures of a folder, sorted by name; with names, only those, in this order.
///
/// # Errors
///
/// A folder that cannot be read, one without these pictures, or a picture that cannot be read.
pub fn of_folder(folder: &Path, names: &[String]) -> Result<Vec<Photo>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if ENDINGS.contains(&ending.as_str()) {
            files.push(path);
        }
    }
    files.sort();
    let named = |name: &String| -> Result<PathBuf> {
        let file = files.iter().find(|file| stem(file) == *name).cloned();
        file.with_context(|| format!("{} has no picture {name}", folder.display()))
    };
    if !names.is_empty() {
        files = names.iter().map(named).collect::<Result<_>>()?;
    }
    ensure!(!files.is_empty(), "{} has no picture: {}", folder.display(), ENDINGS.join(", "));
    files.iter().map(|file| read(file)).collect()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A picture of a file, with 8 bits a color and without transparency.
///
/// # Errors
///
/// When it cannot be read.
pub fn read(file: &Path) -> Result<Photo> {
    let picture = image::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Photo::new(stem(file), &picture))
}

/// Rings that get finer outward, in three colors: 256×256 pixels that the project draws itself.
pub fn rings() -> Photo {
    let pixel = |column: u32, row: u32| {
        let (x, y) = (f64::from(column) / 256.0, f64::from(row) / 256.0);
        let wave = |x: f64, y: f64| 127.5 + 127.5 * (120.0 * (x * x + y * y)).cos();
        image::Rgb([wave(x, y) as u8, wave(1.0 - x, y) as u8, wave(0.5 - x, 0.5 - y) as u8])
    };
    Photo::new("rings".into(), &RgbImage::from_fn(256, 256, pixel).into())
}

impl Photo {
    fn new(name: String, picture: &DynamicImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let has_color = picture.color().has_color();
        let bytes =
            if has_color { picture.to_rgb8().into_raw() } else { picture.to_luma8().into_raw() };
        let values = bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect();
        Self { name, width, height, colors: if has_color { 3 } else { 1 }, values }
    }

    /// The middle square, with so many pixels along each side.
    pub fn square(&self, side: usize) -> Self {
        if self.width == side && self.height == side {
            return self.clone();
        }
        let picture = self.picture();
        let (width, height) = (picture.width(), picture.height());
        let least = width.min(height);
        let middle = picture.crop_imm((width - least) / 2, (height - least) / 2, least, least);
        let side = side as u32;
        Self::new(self.name.clone(), &middle.resize_exact(side, side, FilterType::Lanczos3))
    }

    /// With 8 bits a color.
    fn picture(&self) -> DynamicImage {
        let bytes = self.values.iter().map(|value| (255.0 * value).round() as u8).collect();
        let (width, height) = (self.width as u32, self.height as u32);
        let picture = if self.colors == 3 {
            RgbImage::from_raw(width, height, bytes).map(DynamicImage::from)
        } else {
            image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::from)
        };
        picture.unwrap_or_default()
    }

    /// Writes the picture as a file whose ending says its format.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        self.picture().save(file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Pixels.
    pub fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// Writes all pixels at their centers, the longer side in [0, 1].
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_all(&self, file: &Path) -> Result<()> {
        let longer = self.width.max(self.height) as f32;
        let place = |i: usize| (i as f32 + 0.5) / longer;
        self.write(file, (0, 1), place)
    }

    /// Writes each second pixel of each second row, from `first` on, at column/width and row/width.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_every_second(&self, file: &Path, first: usize) -> Result<()> {
        let width = self.width as f32;
        self.write(file, (first, 2), |i| i as f32 / width)
    }

    fn write(
        &self,
        file: &Path,
        (first, step): (usize, usize),
        place: impl Fn(usize) -> f32,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for row in (first..self.height).step_by(step) {
            for column in (first..self.width).step_by(step) {
                let pixel = row * self.width + column;
                let colors = &self.values[pixel * self.colors..][..self.colors];
                for value in [place(column), place(row)].iter().chain(colors) {
                    bytes.extend(value.to_le_bytes());
                }
            }
        }
        std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(file: &Path) -> Vec<f32> {
        let bytes = std::fs::read(file).unwrap();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn small() -> Photo {
        let values = (0..8).map(|i| i as f32).collect();
        Photo { name: "small".into(), width: 4, height: 2, colors: 1, values }
    }

    #[test]
    fn training_and_test_pixels_are_offset_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples");
        small().write_every_second(&file, 0).unwrap();
        assert_eq!(read_back(&file), [0.0, 0.0, 0.0, 0.5, 0.0, 2.0]);
        small().write_every_second(&file, 1).unwrap();
        assert_eq!(read_back(&file), [0.25, 0.25, 5.0, 0.75, 0.25, 7.0]);
    }

    #[test]
    fn all_pixels_are_at_their_centers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples");
        small().write_all(&file).unwrap();
        let found = read_back(&file);
        assert_eq!((found.len(), &found[..6]), (24, &[0.125, 0.125, 0.0, 0.375, 0.125, 1.0][..]));
        assert_eq!(found[21..], [0.875, 0.375, 7.0]);
    }

    #[test]
    fn a_square_is_cut_from_the_middle() {
        let rows = (0..4).flat_map(|_| [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]).collect();
        let wide = Photo { name: "wide".into(), width: 6, height: 4, colors: 1, values: rows };
        let square = wide.square(8);
        assert_eq!((square.width, square.height), (8, 8));
        assert!(square.values.iter().all(|value| *value == 1.0));
        assert_eq!(rings().square(256), rings());
        assert_eq!(rings().square(64).colors, 3);
    }

    #[test]
    fn pictures_of_a_folder_are_sorted_or_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of_folder(folder.path(), &[]).unwrap_err().to_string().contains("no picture"));
        for name in ["b.png", "a.png"] {
            image::GrayImage::new(2, 3).save(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "none").unwrap();
        let names = |chosen: &[String]| -> Vec<String> {
            of_folder(folder.path(), chosen).unwrap().into_iter().map(|photo| photo.name).collect()
        };
        assert_eq!(names(&[]), ["a", "b"]);
        assert_eq!(names(&["b".into()]), ["b"]);
        assert!(of_folder(folder.path(), &["c".into()]).unwrap_err().to_string().contains('c'));
        std::fs::write(folder.path().join("c.png"), "none").unwrap();
        assert!(of_folder(folder.path(), &[]).is_err());
        assert!(of_folder(&folder.path().join("absent"), &[]).is_err());
    }
}
