//! Where initial parameters come from.

use crate::error::{Result, invalid};
use crate::random::gaussian;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Where the initial weights (or biases) of a layer come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialization {
    /// All zero.
    Zeros,
    /// Uniform in [low, high).
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end, at least `low`.
        high: f64,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, 0 or more.
        standard_deviation: f64,
    },
    /// Uniform in ±√(6 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 16.
    Glorot,
    /// Normal with standard deviation √(2 / fan_in). He et al. 2015, eq. 10.
    He,
}

impl Initialization {
    /// Fills the weights or biases of a layer of `(fan_in, fan_out)`.
    pub(crate) fn draw(self, fan: (usize, usize), random: &mut ChaCha8Rng, values: &mut [f64]) {
        let (fan_in, fan_out) = (fan.0 as f64, fan.1 as f64);
        match self {
            Self::Zeros => values.fill(0.0),
            Self::Uniform { low, high } => {
                for value in values {
                    *value = low + (high - low) * random.random::<f64>();
                }
            }
            Self::Normal { mean, standard_deviation } => {
                for value in values {
                    *value = mean + standard_deviation * gaussian(random);
                }
            }
            Self::Glorot => {
                let limit = (6.0 / (fan_in + fan_out)).sqrt();
                Self::Uniform { low: -limit, high: limit }.draw(fan, random, values);
            }
            Self::He => {
                let standard_deviation = (2.0 / fan_in).sqrt();
                Self::Normal { mean: 0.0, standard_deviation }.draw(fan, random, values);
            }
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        let sensible = match self {
            Self::Uniform { low, high } => low.is_finite() && high.is_finite() && low <= high,
            Self::Normal { mean, standard_deviation } => {
                mean.is_finite() && standard_deviation.is_finite() && standard_deviation >= 0.0
            }
            Self::Zeros | Self::Glorot | Self::He => true,
        };
        if sensible {
            Ok(())
        } else {
            invalid(format!("{self:?} is no distribution to draw parameters from"))
        }
    }
}
