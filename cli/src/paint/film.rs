//! `--animate` and `--frames`: the painting as it develops.

use super::animation::Form;
use super::console::warn;
use super::ending::Failures;
use super::streams::is_standard;
use super::text::counted;
use super::watching::Watching;
use impasto::{Engine, Error, Network, Picture, Result, Subject, files};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Milliseconds of a frame.
const EACH: u32 = 100;

/// Milliseconds of the last frame.
const LAST: u32 = 2_000;

/// The longest side of an animation, in pixels.
const MOST_SIDE: usize = 480;

/// The steps after which frames are painted: `count` of them from `first` to `last`, each further from the one before by
/// about the same factor.
fn steps(first: u64, last: u64, count: usize) -> Vec<u64> {
    // Steps count from here, or half of the frames would be of the first few steps.
    let origin = (last as f64 / 200.0).clamp(1.0, 100.0);
    let mut steps = vec![first];
    for left in (1..count).rev() {
        let before = steps[steps.len() - 1];
        if before >= last {
            break;
        }
        let place = before as f64 + origin;
        let ratio = (last as f64 + origin) / place;
        let next = (place * ratio.powf(1.0 / left as f64) - origin).round() as u64;
        steps.push(if left == 1 { last } else { next.clamp(before + 1, last) });
    }
    steps
}

/// The size of an animation of a painting of this size.
fn small((width, height): (usize, usize)) -> (usize, usize) {
    let longest = width.max(height);
    if longest <= MOST_SIDE {
        return (width, height);
    }
    let side = |pixels: usize| ((pixels * MOST_SIDE + longest / 2) / longest).max(1);
    (side(width), side(height))
}

/// Takes frames of a run.
pub struct Film {
    animation: Option<(PathBuf, Form)>,
    folder: Option<PathBuf>,
    subject: Subject,
    /// Size of the painting.
    size: (usize, usize),
    /// The steps of the frames to come, the next one last.
    steps: Vec<u64>,
    /// The step of the last frame.
    taken: Option<u64>,
    /// Frames taken.
    count: usize,
    /// Frames of the animation.
    pictures: Vec<Picture>,
    /// Why a frame could not be written to the folder.
    failure: Option<Error>,
}

impl Film {
    /// For a run from the step after `first` to `last`, if the options ask for frames.
    pub fn new(
        options: &Watching,
        subject: Subject,
        size: Option<(usize, usize)>,
        first: u64,
        last: u64,
    ) -> Result<Option<Self>> {
        let animation = match &options.animate {
            Some(path) => {
                Some((path.clone(), Form::of(path, "--animate").map_err(Error::Setting)?))
            }
            None => None,
        };
        let folder = options.frames.clone();
        if animation.is_none() && folder.is_none() {
            return Ok(None);
        }
        if let Some(folder) = &folder {
            let error = |source| Error::File { action: "write", path: folder.clone(), source };
            fs::create_dir_all(folder).map_err(error)?;
        }
        let mut steps = steps(first, last.max(first), options.frame_count());
        steps.reverse();
        Ok(Some(Self {
            animation,
            folder,
            subject,
            size: size.unwrap_or((subject.width, subject.height)),
            steps,
            taken: None,
            count: 0,
            pictures: Vec::new(),
            failure: None,
        }))
    }

    /// The step of the next frame.
    pub fn next(&self) -> Option<u64> {
        self.steps.last().copied()
    }

    /// Paints a frame with the network after `step`, unless there is one of it. `stopped` ends the painting early, and
    /// there is no frame then.
    pub fn take(
        &mut self,
        step: u64,
        engine: &Engine,
        network: &Network,
        stopped: impl Fn() -> bool,
    ) -> Result<()> {
        while self.next().is_some_and(|next| next <= step) {
            self.steps.pop();
        }
        if self.taken == Some(step) {
            return Ok(());
        }
        let paint = |subject: Subject, size: (usize, usize)| {
            let watch =
                |_| if stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            subject.paint(engine, network, size, watch)
        };
        // Animations have 8 bits.
        let shallow = Subject { maximum: 255, ..self.subject };
        let mut large = None;
        if self.folder.is_some() {
            let Some(painted) = paint(self.subject, self.size)? else { return Ok(()) };
            large = Some(painted);
        }
        if self.animation.is_some() {
            let size = small(self.size);
            let same = large.clone().filter(|_| size == self.size && self.subject == shallow);
            let painted = match same {
                Some(painted) => Some(painted),
                None => paint(shallow, size)?,
            };
            let Some(painted) = painted else { return Ok(()) };
            self.pictures.push(painted);
        }
        (self.taken, self.count) = (Some(step), self.count + 1);
        if let (Some(folder), Some(painted)) = (&self.folder, large) {
            let path = folder.join(format!("frame-{:04}.png", self.count));
            if let Err(error) = painted.save(&path) {
                // The run is worth more than its frames.
                warn(&error);
                self.folder = None;
                self.failure = Some(error);
            }
        }
        Ok(())
    }

    /// Writes the animation. Returns what to print.
    pub fn finish(self, failures: &mut Failures) -> Vec<String> {
        let frames = counted(self.count as u64, "frame");
        let mut lines = Vec::new();
        if let Some(folder) = &self.folder {
            lines.push(format!("wrote {frames} to {}", folder.display()));
        }
        if let Some(error) = self.failure {
            failures.add(error);
        }
        if let Some((path, form)) = &self.animation {
            let mut delays = vec![EACH; self.pictures.len()];
            if let Some(last) = delays.last_mut() {
                *last = LAST;
            }
            let encoded = form
                .encode(&self.pictures, &delays)
                .map_err(|error| Error::Picture { path: path.clone(), reason: error.to_string() });
            if failures.take(encoded.and_then(|file| files::write(path, &file))).is_some() {
                lines.push(format!("animated {} with {frames}", path.display()));
            }
        }
        lines
    }
}

/// An error unless frames can be written to this folder, which need not be there yet.
pub fn check_folder(folder: &Path) -> Result<()> {
    if is_standard(folder) {
        return Err(Error::Setting(
            "the frames are files in a folder, which standard output is not: name a folder for --frames".into(),
        ));
    }
    match fs::symlink_metadata(folder) {
        // Frames of another run would be among those of this one.
        Ok(_) if !files::is_empty_folder(folder)? => Err(Error::Setting(format!(
            "the folder {} is not empty: name a new one for the frames, or empty it",
            folder.display()
        ))),
        Ok(_) => files::check_writable(&folder.join("frame-0001.png")),
        // Where its parent is there, a file of its name could be written too.
        Err(source) if source.kind() == io::ErrorKind::NotFound => files::check_writable(folder),
        Err(source) => Err(Error::File { action: "write", path: folder.into(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_close_together_at_first() {
        let all = steps(0, 4_000, 60);
        assert_eq!(all.len(), 60);
        assert_eq!(all[..5], [0, 2, 4, 6, 8]);
        assert_eq!(all[59], 4_000);
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        let gaps: Vec<u64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.windows(2).all(|pair| pair[1] + 2 >= pair[0]), "{gaps:?}");
        assert_eq!(steps(0, 3, 60), [0, 1, 2, 3]);
        assert_eq!(steps(0, 9, 2), [0, 9]);
        // A run that goes on, and one that is over.
        assert_eq!(steps(1_000, 4_000, 3), [1_000, 2_005, 4_000]);
        assert_eq!(steps(7, 7, 9), [7]);
        assert_eq!(steps(0, u64::MAX, 500).len(), 500);
    }

    #[test]
    fn animations_keep_the_shape_of_the_painting() {
        assert_eq!(small((100, 80)), (100, 80));
        assert_eq!(small((4_000, 3_000)), (480, 360));
        assert_eq!(small((3, 9_600)), (1, 480));
    }
}
