//! Configurations for pictures, by name.

use super::{Configuration, Length};
use crate::activation::Activation;
use crate::encoding::Encoding;
use crate::error::{Result, invalid_setting};
use crate::grid::{GridKind, Interpolation};
use crate::optimizer::Optimizer;

/// A configuration for pictures. `docs/notebook/presets.md` has the measurements that they come from.
///
/// ```
/// use impasto::config::presets::Preset;
///
/// for preset in Preset::ALL {
///     let configuration = preset.configuration((512, 512))?;
///     println!("{}: {} hidden layers", preset.name(), configuration.hidden.len());
/// }
/// assert_eq!(Preset::from_name("hash")?, Preset::Hash);
/// assert!(Preset::Hash.depends_on_size() && !Preset::Plain.depends_on_size());
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// The defaults of `paint`: ten layers of 100, the place as input. For drawings.
    Plain,
    /// Random waves of the place, three layers of 256. For text and sharp edges. Tancik et al. 2020.
    Fourier,
    /// Three layers of 256 sines. For photographs. Sitzmann et al. 2020.
    Siren,
    /// The same with sines of variable frequency. Liu et al. 2024.
    Finer,
    /// A grid of learned features, two layers of 64. For photographs. Müller et al. 2022.
    Hash,
}

/// Samples that the hash grid is trained on: at least, and at most.
const HASH_SAMPLES: [usize; 2] = [7_000_000, 200_000_000];

/// Passes over the pixels of a large picture, unless those are too many samples.
const HASH_EPOCHS: usize = 10;

impl Preset {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Plain, Self::Fourier, Self::Siren, Self::Finer, Self::Hash];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Fourier => "fourier",
            Self::Siren => "siren",
            Self::Finer => "finer",
            Self::Hash => "hash",
        }
    }

    /// The one with this name.
    ///
    /// # Errors
    /// There is none; the message lists all.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|preset| preset.name() == name);
        if let Some(preset) = found {
            return Ok(preset);
        }
        let names: Vec<&str> = Self::ALL.iter().map(|preset| preset.name()).collect();
        invalid_setting(format!("there is no preset '{name}': choose one of {}", names.join(", ")))
    }

    /// Whether the configuration depends on the size of the picture.
    pub fn depends_on_size(self) -> bool {
        self == Self::Hash
    }

    /// The configuration for a picture of that width and height.
    ///
    /// # Errors
    /// A picture without pixels.
    pub fn configuration(self, size: (usize, usize)) -> Result<Configuration> {
        self.configuration_of_video(size, 1)
    }

    /// The configuration for a video of so many frames of that width and height. See [`Preset`] for an example.
    ///
    /// # Errors
    /// A video without pixels.
    pub fn configuration_of_video(
        self,
        (width, height): (usize, usize),
        frames: usize,
    ) -> Result<Configuration> {
        let pixels = width.saturating_mul(height).saturating_mul(frames);
        if pixels == 0 {
            return invalid_setting(format!("a picture of {width}×{height} pixels has none"));
        }
        let plain = Configuration::default();
        Ok(match self {
            Self::Plain => plain,
            Self::Fourier => Configuration {
                hidden: vec![256; 3],
                encoding: Encoding::Fourier { features: 256, scale: 14.0, seed: 1 }.into(),
                learning_rate: 1e-3,
                ..plain
            },
            Self::Siren => Configuration {
                hidden: vec![256; 3],
                activation: Activation::SINE,
                learning_rate: 3e-4,
                ..plain
            },
            Self::Finer => Configuration {
                hidden: vec![256; 3],
                activation: Activation::FINER,
                learning_rate: 2e-4,
                ..plain
            },
            Self::Hash => Configuration {
                hidden: vec![64; 2],
                encoding: grid(width.max(height), pixels).into(),
                optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-15 },
                learning_rate: 1e-2,
                batch_size: Some(hash_batch(pixels)),
                length: Some(hash_length(pixels)),
                ..plain
            },
        })
    }
}

impl std::str::FromStr for Preset {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::from_name(text)
    }
}

/// Pixels in a step with the hash grid. Larger steps are a little faster, and learn less of the same pixels.
fn hash_batch(pixels: usize) -> usize {
    (pixels / 16).clamp(256, 2_048)
}

/// How long the hash grid is trained.
fn hash_length(pixels: usize) -> Length {
    let [least, most] = HASH_SAMPLES;
    if pixels.saturating_mul(HASH_EPOCHS) > most {
        return Length::Steps(most.div_ceil(hash_batch(pixels)) as u64);
    }
    Length::Epochs(least.div_ceil(pixels).max(HASH_EPOCHS))
}

/// A grid of eight levels whose resolutions grow from 16 to the longest side, with half as many entries in a level as
/// there are pixels.
fn grid(longest: usize, pixels: usize) -> Encoding {
    const LEVELS: usize = 8;
    const BASE: usize = 16;
    let growth = longest.clamp(BASE, 1 << 16) as f64 / BASE as f64;
    let log2_pixels = pixels.next_power_of_two().trailing_zeros() as usize;
    Encoding::Grid {
        kind: GridKind::Hash,
        levels: LEVELS,
        features: 2,
        log2_size: log2_pixels.saturating_sub(1).clamp(8, 21),
        base_resolution: BASE,
        level_scale: libm::pow(growth, 1.0 / (LEVELS - 1) as f64),
        interpolation: Interpolation::Linear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_make_networks_for_pictures_of_every_size() {
        for preset in Preset::ALL {
            assert_eq!(Preset::from_name(preset.name()).ok(), Some(*preset));
            for size in [(1, 1), (3, 100), (512, 512), (8192, 8192), (1 << 26, 1)] {
                let configuration = preset.configuration(size).expect("a configuration");
                let network = configuration.network(2, 3).expect("a network");
                configuration.trainer(size.0 * size.1).check(&network).expect("trains");
            }
            assert!(preset.configuration((0, 5)).is_err());
        }
        let error = Preset::from_name("nerf").expect_err("none").to_string();
        assert!(error.ends_with("plain, fourier, siren, finer, hash"), "{error}");
    }

    #[test]
    fn the_last_level_of_the_grid_has_the_resolution_of_the_picture() {
        for longest in [16, 100, 512, 4096] {
            let Encoding::Grid { level_scale, log2_size, .. } = grid(longest, longest * longest)
            else {
                panic!("a grid");
            };
            let last = 16.0 * level_scale.powi(7);
            assert!((last - longest as f64).abs() < 1e-6 * longest as f64, "{last}");
            assert!(log2_size <= 21);
        }
    }

    #[test]
    fn small_pictures_are_seen_often_and_huge_ones_less_than_ten_times() {
        assert_eq!((hash_batch(10_000), hash_length(10_000)), (625, Length::Epochs(700)));
        assert_eq!((hash_batch(12_000_000), hash_length(12_000_000)), (2_048, Length::Epochs(10)));
        assert_eq!(hash_length(100_000_000), Length::Steps(97_657));
    }
}
