//! The files a run writes, checked before any work is done.

use crate::canvas::Subject;
use crate::options::Options;
use impasto::{Error, Picture, Result, files};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the pictures go.
pub struct Outputs {
    /// The painting.
    pub picture: PathBuf,
    /// The comparison sheet, if one is made.
    sheet: Option<PathBuf>,
}

impl Outputs {
    /// Settles the names, and makes sure that every file can be written and none is in the way of
    /// another or of an input.
    pub fn check(options: &Options, subject: Subject) -> Result<Self> {
        let picture = options.output.clone();
        let sheet =
            (options.repaint.is_none() && !subject.classify).then(|| sheet_beside(&picture));
        let (channels, maximum) = subject.painted_kind();
        for path in [Some(&picture), sheet.as_ref()].into_iter().flatten() {
            Picture::check_saving(path, channels, maximum)?;
        }
        for path in [&options.report, &options.save].into_iter().flatten() {
            files::check_writable(path)?;
        }
        let outputs =
            [Some(&picture), sheet.as_ref(), options.report.as_ref(), options.save.as_ref()];
        let inputs = [options.image.as_ref(), options.repaint.as_ref()];
        let mut taken: Vec<PathBuf> = inputs.into_iter().flatten().map(|p| absolute(p)).collect();
        for path in outputs.into_iter().flatten() {
            let place = absolute(path);
            if taken.contains(&place) && !place.starts_with("/dev") {
                return Err(Error::Invalid(format!(
                    "{} would overwrite another file of this run: choose another name",
                    path.display()
                )));
            }
            taken.push(place);
        }
        Ok(Self { picture, sheet })
    }

    /// Writes the painting.
    pub fn write_picture(&self, picture: &Picture) -> Result<()> {
        picture.save(&self.picture)
    }

    /// Writes the comparison sheet.
    pub fn write_sheet(&self, sheet: &Picture) -> Result<()> {
        self.sheet.as_ref().map_or(Ok(()), |path| sheet.save(path))
    }

    /// The names, for people.
    pub fn names(&self) -> String {
        match &self.sheet {
            Some(sheet) => format!("{} and {}", self.picture.display(), sheet.display()),
            None => self.picture.display().to_string(),
        }
    }
}

/// `painted.png` → `painted-comparison.png`.
fn sheet_beside(picture: &Path) -> PathBuf {
    let part =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(picture.file_stem()), part(picture.extension()));
    picture.with_file_name(format!("{stem}-comparison.{ending}"))
}

/// The one name of a file, whether or not it is there yet.
fn absolute(path: &Path) -> PathBuf {
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).unwrap_or_default();
    folder.join(path.file_name().unwrap_or_default())
}
