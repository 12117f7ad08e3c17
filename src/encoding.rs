//! Input encodings, one file each.
//!
//! Users name them by [`Encoding`] and combine them by [`InputEncoding`](crate::InputEncoding). There are three ways to compute one ([`Computation`]):
//! - Waves: one matrix of frequencies `B`, in turns (full periods) for each unit of input, and one kernel,
//!   `out[2f] = sin(2π Σᵢ B[f, i]·xᵢ)`, `out[2f + 1] = cos(2π Σᵢ B[f, i]·xᵢ)`; see
//!   [`reference::fourier_encoding`](crate::reference::fourier_encoding).
//! - Formulas of the inputs of a sample alone.
//! - Grids, whose features are parameters of the network.

// To add one: a file with its formula and its `About`, and a line in the `family!` below.

use crate::error::Result;
use crate::family::{self, About, family};
use crate::grid::{GridKind, Interpolation};
use crate::number::Number;

family! {
    /// How a network's inputs are turned into those of its first layer.
    ///
    /// ```
    /// use impasto::Encoding;
    ///
    /// // A sine and a cosine for each of 2 inputs and 6 octaves.
    /// let encoding = Encoding::from_name("frequency:octaves=6")?;
    /// assert_eq!(encoding.outputs(2), 24);
    /// let matrix = encoding.frequencies(2).expect("waves");
    /// assert_eq!(matrix.len(), 12 * 2);
    /// println!("{}", encoding.about().formula);
    /// # Ok::<(), impasto::Error>(())
    /// ```
    Encoding, "encoding" {
        identity: Identity as "identity";
        frequency: Frequency as "frequency" { octaves: usize } = FREQUENCY;
        fourier: Fourier as "fourier" { features: usize, scale: f64, seed: u64 } = FOURIER;
        scaled: Scaled as "scaled" { scale: f64, offset: f64 } = SCALED;
        triangle_wave: TriangleWave as "triangle-wave" { octaves: usize } = TRIANGLE_WAVE;
        one_blob: OneBlob as "one-blob" { bins: usize } = ONE_BLOB;
        spherical_harmonics: SphericalHarmonics as "spherical-harmonics" { degree: usize } = SPHERICAL_HARMONICS;
        grid: Grid as "grid" {
            kind: GridKind, levels: usize, features: usize, log2_size: usize, base_resolution: usize,
            level_scale: f64, interpolation: Interpolation
        } = GRID;
    }
}

/// The formula of an encoding.
pub trait Formula: Copy {
    /// With its default parameters, those of `paint`.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;
    /// The same as [`encode`](Self::encode) and [`input_gradient`](Self::input_gradient) in WGSL, one number at a time:
    /// `encoded(column)`, its derivative `encoded_slope(column, input)`, and `columns_of(input)`, the first column that
    /// depends on an input and the end of those. Empty for waves and grids.
    const WGSL: &'static str = "";

    /// How many numbers it computes of `inputs` inputs.
    fn outputs(self, inputs: usize) -> usize;

    /// The way in which engines compute it.
    fn computation(self) -> Computation;

    /// The matrix of frequencies of an encoding that consists of waves, `[features, inputs]`, in turns for each unit
    /// of input, rounded to f32 so that every engine computes with the same numbers.
    fn frequencies(self, _inputs: usize) -> Vec<f32> {
        Vec::new()
    }

    /// Computes the outputs `y` of the inputs `x` of a sample, for an encoding that is computed
    /// [directly](Computation::Direct).
    fn encode<N: Number>(self, _x: &[N], _y: &mut [N]) {}

    /// Adds the gradient with respect to the inputs `x` of a sample, from that with respect to the outputs, `delta`,
    /// for an encoding that is computed [directly](Computation::Direct).
    fn input_gradient<N: Number>(self, _x: &[N], _delta: &[N], _gradient: &mut [N]) {}

    /// Whether parameters in their ranges make sense.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(self) -> Result<()> {
        Ok(())
    }

    /// Whether it can be computed of so many inputs.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check_inputs(self, _inputs: usize) -> Result<()> {
        Ok(())
    }
}

/// The way in which engines compute an encoding.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Computation {
    /// The inputs as they are.
    Identity,
    /// Waves, by their matrix of [frequencies](Formula::frequencies).
    Waves,
    /// By the encoding's [formula](Formula::encode).
    Direct,
    /// A grid of features that are parameters.
    Grid(crate::grid::Grid),
}

/// A function of any formula.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

impl Encoding {
    /// How many numbers the first layer is given for `inputs` inputs.
    pub fn outputs(self, inputs: usize) -> usize {
        struct Outputs(usize);
        impl Visitor for Outputs {
            type Output = usize;
            fn visit<F: Formula>(self, formula: F) -> usize {
                formula.outputs(self.0)
            }
        }
        self.visit(Outputs(inputs))
    }

    /// The way in which engines compute it.
    pub(crate) fn computation(self) -> Computation {
        struct How;
        impl Visitor for How {
            type Output = Computation;
            fn visit<F: Formula>(self, formula: F) -> Computation {
                formula.computation()
            }
        }
        self.visit(How)
    }

    /// Whether it can be computed of so many inputs: grids take 1 to 4, spherical harmonics 3.
    pub fn takes(self, inputs: usize) -> bool {
        self.check_inputs(inputs).is_ok()
    }

    /// The matrix of frequencies, `[features, inputs]`, in turns for each unit of input, rounded
    /// to f32 so that every engine computes with the same numbers. `None` for an encoding that is no set of waves.
    pub fn frequencies(self, inputs: usize) -> Option<Vec<f32>> {
        struct Frequencies(usize);
        impl Visitor for Frequencies {
            type Output = Vec<f32>;
            fn visit<F: Formula>(self, formula: F) -> Vec<f32> {
                formula.frequencies(self.0)
            }
        }
        (self.computation() == Computation::Waves).then(|| self.visit(Frequencies(inputs)))
    }

    /// How many parameters it has for `inputs` inputs.
    pub fn parameters(self, inputs: usize) -> usize {
        match self.computation() {
            Computation::Grid(grid) => usize::try_from(grid.entries(inputs))
                .unwrap_or(usize::MAX)
                .saturating_mul(grid.features),
            _ => 0,
        }
    }

    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        struct Check;
        impl Visitor for Check {
            type Output = Result<()>;
            fn visit<F: Formula>(self, formula: F) -> Result<()> {
                formula.check()
            }
        }
        family::check(self.name(), &self.about(), &self)?;
        self.visit(Check)
    }

    /// Whether it can be computed of so many inputs.
    pub(crate) fn check_inputs(self, inputs: usize) -> Result<()> {
        struct Check(usize);
        impl Visitor for Check {
            type Output = Result<()>;
            fn visit<F: Formula>(self, formula: F) -> Result<()> {
                formula.check_inputs(self.0)
            }
        }
        self.visit(Check(inputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_refused() {
        assert!(Encoding::ALL.iter().all(|encoding| encoding.check().is_ok()));
        for bad in [
            Encoding::Frequency { octaves: 0 },
            Encoding::Frequency { octaves: 25 },
            Encoding::Fourier { features: 0, scale: 4.0, seed: 1 },
            Encoding::Fourier { features: 1, scale: 0.0, seed: 1 },
            Encoding::Fourier { features: 1, scale: f64::INFINITY, seed: 1 },
        ] {
            assert!(bad.check().is_err(), "{bad}");
        }
    }
}
