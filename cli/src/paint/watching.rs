//! The options for watching a run: `--metrics`, `--plot`, `--animate`, `--frames` and `--preview`.

use super::animation::Form;
use super::metrics::Layout;
use super::streams::is_standard;
use super::values::ending;
use clap::Args;
use std::path::PathBuf;

/// Frames of an animation unless the user says otherwise.
const FRAMES: usize = 60;

/// The most frames: those of an animation are kept until it is written.
const MOST_FRAMES: usize = 500;

/// What shows how a run goes.
#[derive(Clone, Debug, Args)]
pub struct Watching {
    /// Write numbers of the run as it goes, line by line: step, epoch, seconds, loss, PSNR, learning rate, samples a
    /// second; - is standard output, as CSV
    #[arg(long, value_name = "FILE.csv|FILE.jsonl", conflicts_with = "repaint")]
    pub metrics: Option<PathBuf>,

    /// Draw the loss, the PSNR and the learning rate over the steps, when training ends
    #[arg(long, value_name = "FILE.svg", conflicts_with = "repaint")]
    pub plot: Option<PathBuf>,

    /// Write an animation of the painting as it develops, at most 480 pixels wide and high: GIF, animated PNG or WebP
    #[arg(long, value_name = "FILE.gif|FILE.png|FILE.webp", conflicts_with = "repaint")]
    pub animate: Option<PathBuf>,

    /// Write the painting as it develops to this folder, as frame-0001.png and so on, at the size of the painting
    #[arg(long, value_name = "FOLDER", conflicts_with = "repaint")]
    pub frames: Option<PathBuf>,

    /// Frames of --animate and --frames, close together at first and then ever further apart [default: 60]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    frame_count: Option<usize>,

    /// Show the painting above the progress bar about every two seconds, where there is a terminal
    #[arg(long, conflicts_with_all = ["repaint", "quiet"])]
    pub preview: bool,
}

impl Watching {
    /// Frames of an animation.
    pub fn frame_count(&self) -> usize {
        self.frame_count.unwrap_or(FRAMES)
    }

    /// The files that are written, with what they are.
    pub fn files(&self) -> [(&'static str, Option<&PathBuf>); 3] {
        [
            ("the metrics", self.metrics.as_ref()),
            ("the plot", self.plot.as_ref()),
            ("the animation", self.animate.as_ref()),
        ]
    }

    /// What clap cannot check by itself.
    pub fn check(&self) -> Result<(), String> {
        if let Some(path) = self.metrics.as_ref().filter(|path| !is_standard(path)) {
            Layout::of(path)?;
        }
        let plot = self.plot.as_deref();
        if let Some(path) = plot.filter(|path| ending(path) != "svg") {
            return Err(format!("--plot writes SVG: {} needs the ending .svg", path.display()));
        }
        if let Some(path) = &self.animate {
            Form::of(path, "--animate")?;
        }
        match self.frame_count {
            Some(_) if self.animate.is_none() && self.frames.is_none() => {
                Err("--frame-count is for --animate and --frames: add one of them".into())
            }
            Some(count) if !(2..=MOST_FRAMES).contains(&count) => {
                Err(format!("--frame-count {count} is out of range: it is from 2 to {MOST_FRAMES}"))
            }
            _ => Ok(()),
        }
    }
}
