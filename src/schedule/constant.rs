//! A constant learning rate.

use super::Formula;
use crate::family::About;

/// The base rate throughout.
#[derive(Clone, Copy, Debug)]
pub struct Constant;

impl Formula for Constant {
    const DEFAULT: Self = Self;
    const ABOUT: About =
        About { formula: "rate", source: "Robbins & Monro 1951", pytorch: "", parameters: &[] };

    fn multiplier(self, _: u64, _: u64, _: u64) -> f64 {
        1.0
    }
}
