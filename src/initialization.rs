//! The distributions that initial parameters are drawn from.

use crate::error::{Result, invalid_setting};
use crate::random::gaussian;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// How the initial weights (or biases) of a layer are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
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
    /// Uniform in ±4·√(6 / (fan_in + fan_out)), for hidden layers of sigmoids: the slope of a sigmoid at 0 is a quarter of
    /// that of tanh. Glorot & Bengio 2010 for tanh; the factor is that of the Deep Learning Tutorials (LISA lab 2013).
    GlorotSigmoid,
    /// Normal with standard deviation √(2 / fan_in). He et al. 2015, eq. 10.
    He,
}

impl Initialization {
    /// Uniform in [-limit, limit).
    pub(crate) fn within(limit: f64) -> Self {
        Self::Uniform { low: -limit, high: limit }
    }

    /// Fills `values`, the weights or biases of a layer with so many inputs and outputs.
    pub(crate) fn draw(
        self,
        [fan_in, fan_out]: [usize; 2],
        random: &mut ChaCha8Rng,
        values: &mut [f64],
    ) {
        let (inputs, outputs) = (fan_in as f64, fan_out as f64);
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
                let limit = (6.0 / (inputs + outputs)).sqrt();
                Self::within(limit).draw([fan_in, fan_out], random, values);
            }
            Self::GlorotSigmoid => {
                let limit = 4.0 * (6.0 / (inputs + outputs)).sqrt();
                Self::within(limit).draw([fan_in, fan_out], random, values);
            }
            Self::He => {
                let standard_deviation = (2.0 / inputs).sqrt();
                let normal = Self::Normal { mean: 0.0, standard_deviation };
                normal.draw([fan_in, fan_out], random, values);
            }
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        let sensible = match self {
            Self::Uniform { low, high } => low.is_finite() && high.is_finite() && low <= high,
            Self::Normal { mean, standard_deviation } => {
                mean.is_finite() && standard_deviation.is_finite() && standard_deviation >= 0.0
            }
            Self::Zeros | Self::Glorot | Self::GlorotSigmoid | Self::He => true,
        };
        if sensible {
            Ok(())
        } else {
            invalid_setting(format!("{self:?} is no distribution to draw parameters from"))
        }
    }
}
