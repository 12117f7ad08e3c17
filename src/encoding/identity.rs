//! No encoding.

use super::Formula;
use crate::family::About;

/// The inputs as they are.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Formula for Identity {
    const DEFAULT: Self = Self;
    const ABOUT: About =
        About { formula: "x", source: "No encoding", pytorch: "", parameters: &[] };

    fn outputs(self, inputs: usize) -> usize {
        inputs
    }

    fn frequencies(self, _: usize) -> Option<Vec<f32>> {
        None
    }
}
