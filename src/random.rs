//! Random numbers that are the same on every machine.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// One draw from normal(0, 1), the same on every machine: Box & Muller 1958, with the logarithm
/// and cosine of a portable library instead of the platform's.
pub(crate) fn gaussian(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - random.random::<f64>())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * random.random::<f64>())
}
