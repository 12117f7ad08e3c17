//! The files a run writes, checked before any work is done.

use super::canvas::sheet_size;
use super::film;
use super::options::Options;
use super::progress::Brush;
use super::streams::{self, is_standard};
use super::view::Frame;
use impasto::files::{Place, Reservation};
use impasto::{Engine, Error, Network, Picture, Result, Subject, memory};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where the pictures go.
pub struct Outputs {
    /// The painting.
    pub picture: PathBuf,
    /// The comparison sheet, if one is made.
    sheet: Option<PathBuf>,
    /// Where no sheet is made: the file with a sheet's name, which would show an older painting.
    outdated: Option<PathBuf>,
    /// What is painted.
    pub frame: Frame,
    /// Keeps other runs from writing the same files.
    _reservation: Reservation,
}

/// An error if two outputs go to standard output, or bytes to a terminal.
pub fn check_standard(options: &Options) -> Result<()> {
    let binary = [Some(&options.output), options.save.as_ref()];
    let watching = options.watching.files().map(|(_, path)| path);
    let all = binary.into_iter().chain([options.report.as_ref()]).chain(watching);
    let leads_there = |path: &&PathBuf| is_standard(path) || streams::names_standard_output(path);
    if all.flatten().filter(leads_there).count() > 1 {
        return Err(Error::Setting(
            "two outputs would go to standard output: name a file for all but one".into(),
        ));
    }
    if binary.into_iter().flatten().any(|path| is_standard(path)) {
        streams::check_redirected()?;
    }
    Ok(())
}

/// Whether a path leads to the same file as an output.
fn is_one_file(path: &Path, output: Option<&PathBuf>) -> bool {
    let places = (Place::of(path), output.map(|output| Place::of(output)));
    matches!(places, (Ok(place), Some(Ok(output))) if place.is_same(&output))
}

/// Reserves all outputs: makes sure that each can be written, and that none is in the way of another or of an input, which
/// is that of the options unless another is given.
pub fn reserve(
    options: &Options,
    input: Option<&PathBuf>,
    sheet: Option<&PathBuf>,
) -> Result<Reservation> {
    let watching = &options.watching;
    let frames = watching.frames.as_deref();
    frames.map_or(Ok(()), film::check_folder)?;
    // The network that a run starts from may be replaced by the one that it ends with, and by no other output.
    let start = options.start.as_ref().filter(|start| !is_one_file(start, options.save.as_ref()));
    let inputs = [
        ("the network to start from", start),
        ("the input", input.or(options.image.as_ref()).or(options.repaint.as_ref())),
        ("the configuration", options.config.as_ref()),
        ("the mask", options.masking.mask.as_ref()),
    ];
    let outputs = [
        ("the painting", Some(&options.output)),
        ("the comparison sheet", sheet),
        ("the report", options.report.as_ref()),
        ("the saved network", options.save.as_ref()),
    ];
    let outputs = outputs.into_iter().chain(watching.files());
    let mut reservation = streams::reserve(inputs, outputs)?;
    if let Some(folder) = frames {
        reservation.add_folder("the folder of the frames", folder)?;
    }
    Ok(reservation)
}

impl Outputs {
    /// Settles the names, and makes sure that every file can be written and none is in the way of
    /// another or of an input, which is that of the options unless another is given.
    pub fn check(options: &Options, subject: Subject, input: Option<&PathBuf>) -> Result<Self> {
        let picture = options.output.clone();
        let beside = sheet_beside(&picture);
        let has_sheet = options.repaint.is_none() && !subject.classify && !is_standard(&picture);
        let sheet = has_sheet.then(|| beside.clone());
        check_standard(options)?;
        let (channels, maximum) = subject.painted_kind();
        let frame = options.view.frame(options.size, subject)?;
        let size = if subject.classify && options.repaint.is_none() {
            sheet_size(subject, 2)
        } else {
            frame.painted()
        };
        if !is_standard(&picture) {
            Picture::check_saving(&picture, size, channels, maximum)?;
        }
        if let Some(path) = &sheet {
            Picture::check_saving(path, sheet_size(subject, 3), channels, maximum)?;
        }
        let reservation = reserve(options, input, sheet.as_ref())?;
        let is_older_sheet = sheet.is_none()
            && !is_standard(&picture)
            && fs::metadata(&beside).is_ok_and(|f| f.is_file() && !f.permissions().readonly())
            && Place::of(&beside).is_ok_and(|place| !reservation.includes(&place));
        let outdated = is_older_sheet.then_some(beside);
        Ok(Self { picture, sheet, outdated, frame, _reservation: reservation })
    }

    /// Writes the painting. Where it gets no sheet, an older one is removed.
    pub fn write_picture(&self, picture: &Picture) -> Result<()> {
        streams::save_picture(&self.picture, picture)?;
        self.remove_older_sheet()
    }

    /// What is painted, as a subject of its own.
    fn part(&self, subject: Subject) -> Subject {
        let (width, height) = self.frame.painted();
        Subject { width, height, ..subject }
    }

    /// Whether the painting goes into its file a few rows at a time.
    fn is_streamed(&self, subject: Subject) -> bool {
        let fits = is_standard(&self.picture) || subject.paints_into(&self.picture);
        fits && self.part(subject).is_large()
    }

    /// Bytes that the file of a painting takes: those of a row where it is written a few rows at a time. A format other than
    /// PNG takes its bytes three times, those of the sheet of a small painting and those of a large painting itself too.
    pub fn memory(&self, subject: Subject) -> u64 {
        let (channels, maximum) = subject.painted_kind();
        let bytes = if maximum == 255 { 1 } else { 2 };
        let part = self.part(subject);
        if self.is_streamed(subject) {
            return subject.row_bytes(part.width);
        }
        let is_png = self.picture.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
        let times = match (part.is_large(), is_png || is_standard(&self.picture)) {
            (false, true) => 0,
            (false, false) => 3 * 3,
            (true, _) => 1 + 3,
        };
        (part.width * part.height * channels) as u64 * bytes * times
    }

    /// Paints what the options ask for, and gives the rows of each band to `take`. Returns whether it came to the end.
    pub fn paint(
        &self,
        subject: Subject,
        engine: &Engine,
        network: &Network,
        brush: &mut Brush,
        mut take: impl FnMut(&[u16]) -> Result<()>,
    ) -> Result<bool> {
        let Frame { size, region } = self.frame;
        let (width, height) = self.frame.painted();
        let watch = |done| brush.watch(done, width * height);
        if self.is_streamed(subject) {
            let into = |path: &Path| {
                subject.paint_file_with(engine, network, size, region, path, watch, take)
            };
            let is_whole = streams::write_picture_with(&self.picture, into)?;
            return if is_whole { self.remove_older_sheet().map(|()| true) } else { Ok(false) };
        }
        let (channels, maximum) = subject.painted_kind();
        let what = format_args!("a painting of {width}×{height} pixels");
        let advice = "end the name in .png, which is painted a few rows at a time";
        // Levels of 8 bits are kept as bytes, those of 16 as words. The other vector is empty.
        let (count, is_deep) = (width * height * channels, maximum > 255);
        let mut words = memory::room(if is_deep { count } else { 0 }, what, advice)?;
        let mut bytes = memory::room(if is_deep { 0 } else { count }, what, advice)?;
        let keep = |rows: &[u16]| {
            if is_deep {
                words.extend_from_slice(rows);
            } else {
                bytes.extend(rows.iter().map(|value| *value as u8));
            }
            take(rows)
        };
        if !subject.paint_rows(engine, network, size, region, watch, keep)? {
            return Ok(false);
        }
        let picture = if is_deep {
            Picture::new(width, height, channels, maximum, words)
        } else {
            Picture::from_bytes(width, height, channels, bytes)
        };
        self.write_picture(&picture?)?;
        Ok(true)
    }

    fn remove_older_sheet(&self) -> Result<()> {
        let Some(path) = &self.outdated else { return Ok(()) };
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::File { action: "remove", path: path.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// Whether there is a comparison sheet.
    pub fn has_sheet(&self) -> bool {
        self.sheet.is_some()
    }

    /// Writes the comparison sheet.
    pub fn write_sheet(&self, sheet: &Picture) -> Result<()> {
        self.sheet.as_ref().map_or(Ok(()), |path| sheet.save(path))
    }

    /// The line that names the sheet that [`write_picture`](Self::write_picture) removed, if any.
    pub fn removal(&self) -> Option<String> {
        let path = self.outdated.as_ref()?;
        Some(format!("removed the older {}, which showed another painting", path.display()))
    }

    /// The names, for people.
    pub fn names(&self) -> String {
        match &self.sheet {
            Some(sheet) => format!("{} and {}", self.picture.display(), sheet.display()),
            None => self.name(),
        }
    }

    /// The name of the painting, for people.
    pub fn name(&self) -> String {
        if is_standard(&self.picture) {
            "to standard output".into()
        } else {
            self.picture.display().to_string()
        }
    }
}

/// `painted.png` → `painted-comparison.png`.
fn sheet_beside(picture: &Path) -> PathBuf {
    let mut name = picture.file_stem().unwrap_or_default().to_os_string();
    name.push("-comparison");
    if let Some(ending) = picture.extension() {
        name.push(".");
        name.push(ending);
    }
    picture.with_file_name(name)
}
