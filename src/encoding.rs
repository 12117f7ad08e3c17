//! Input encodings, one file each.
//!
//! Users name them by [`Encoding`]. Every encoding so far is a set of waves over the inputs. So all of them
//! use one matrix of frequencies `B`, in turns (full periods) for each unit of input, and one kernel:
//! `out[2f] = sin(2π Σᵢ B[f, i]·xᵢ)`, `out[2f + 1] = cos(2π Σᵢ B[f, i]·xᵢ)`. See
//! [`reference::fourier_encoding`](crate::reference::fourier_encoding).

// To add one: a file with its formula and its `About`, and a line in the `family!` below.

use crate::error::Result;
use crate::family::{self, About, family};

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
    }
}

/// The formula of an encoding.
pub trait Formula: Copy {
    /// With its default parameters, those of `paint`.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;

    /// How many numbers the first layer is given for `inputs` inputs.
    fn outputs(self, inputs: usize) -> usize;

    /// The matrix of frequencies, `[features, inputs]`, in turns for each unit of input, rounded
    /// to f32 so that every engine computes with the same numbers. `None` for the inputs as they are.
    fn frequencies(self, inputs: usize) -> Option<Vec<f32>>;

    /// Whether parameters in their ranges make sense.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(self) -> Result<()> {
        Ok(())
    }
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

    /// The matrix of frequencies, `[features, inputs]`, in turns for each unit of input, rounded
    /// to f32 so that every engine computes with the same numbers. `None` for the identity.
    pub fn frequencies(self, inputs: usize) -> Option<Vec<f32>> {
        struct Frequencies(usize);
        impl Visitor for Frequencies {
            type Output = Option<Vec<f32>>;
            fn visit<F: Formula>(self, formula: F) -> Self::Output {
                formula.frequencies(self.0)
            }
        }
        self.visit(Frequencies(inputs))
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
