//! No encoding.

use super::{Computation, Formula};
use crate::family::About;

/// The inputs as they are.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Formula for Identity {
    const DEFAULT: Self = Self;
    const ABOUT: About =
        About { formula: "x", source: "No encoding", pytorch: "", parameters: &[] };

    const WGSL: &'static str = include_str!("../../shaders/encodings/identity.wgsl");

    fn outputs(self, inputs: usize) -> usize {
        inputs
    }

    fn computation(self) -> Computation {
        Computation::Identity
    }
}
