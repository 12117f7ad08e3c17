//! `--mask`: how much each pixel counts, from a picture.

use super::digest::digest;
use super::options::Options;
use super::smaller;
use clap::Args;
use impasto::{Error, Mask, Picture, Result};
use std::path::PathBuf;

/// Which pixels count.
#[derive(Clone, Debug, Args)]
pub struct Masking {
    /// A picture of the same size that says how much each pixel counts: white 1, black 0, which is not learned. PSNR and
    /// SSIM are weighted by it
    #[arg(long, value_name = "FILE", conflicts_with = "repaint")]
    pub mask: Option<PathBuf>,
}

/// The mask of a picture that is learned.
pub struct Masks {
    /// Where it was read from.
    pub path: PathBuf,
    /// A hash of its size and pixels, which a resumed run compares.
    pub digest: String,
    /// For the picture.
    pub whole: Mask,
    /// For the smaller copy that is learned, or the same.
    pub learned: Mask,
}

impl Masks {
    /// Reads the mask that the options name, for `picture`.
    pub fn load(options: &Options, picture: &Picture) -> Result<Option<Self>> {
        let Some(path) = options.masking.mask.clone() else { return Ok(None) };
        let mask = Picture::load(&path)?;
        let [size, own] = [picture, &mask].map(|p| (p.width(), p.height()));
        if size != own {
            return Err(Error::Setting(format!(
                "the mask {} has {}×{} pixels and the picture {}×{}: they must have the same size",
                path.display(),
                own.0,
                own.1,
                size.0,
                size.1
            )));
        }
        let black = |_| {
            Error::Setting(format!(
                "the mask {} is black everywhere, so nothing would be learned",
                path.display()
            ))
        };
        let whole = Mask::new(&mask).map_err(black)?;
        let learned = match smaller::copy(&mask, options)? {
            Some(copy) => Mask::new(&copy).map_err(black)?,
            None => whole.clone(),
        };
        Ok(Some(Self { path, digest: digest(&mask), whole, learned }))
    }
}
