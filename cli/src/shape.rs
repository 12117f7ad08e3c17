//! Shapes: what a saved network says of the mesh that it was trained on, as JSON under `shape` in the file's metadata.

use impasto::{Error, Network, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The key of the metadata.
pub const KEY: &str = "shape";

/// The version of the format.
const FORMAT: u32 = 1;

/// A signed distance, below 0 inside, as a function of the place in a cube.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    format: u32,
    /// The middle of the cube, in the unit of the mesh.
    center: [f64; 3],
    /// The side of the cube, in the same unit. Places in the cube are in [0, 1].
    pub side: f64,
    /// The distance that an output of 1 is, in sides of the cube.
    pub scale: f64,
}

impl Shape {
    pub fn new(center: [f64; 3], side: f64, scale: f64) -> Self {
        Self { format: FORMAT, center, side, scale }
    }

    /// The shape in the texts of a saved network, if there is one.
    pub fn of(network: &Network, texts: &HashMap<String, String>) -> Result<Option<Self>> {
        let Some(text) = texts.get(KEY) else { return Ok(None) };
        let wrong = |reason: String| Error::Format(format!("its '{KEY}' entry: {reason}"));
        let shape: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if shape.format != FORMAT {
            return Err(wrong(format!("its format is {}, from a later version", shape.format)));
        }
        let is_length = |number: f64| number.is_finite() && number > 0.0;
        let fits = (network.inputs(), network.outputs()) == (3, 1)
            && shape.center.iter().all(|x| x.is_finite())
            && is_length(shape.side)
            && is_length(shape.scale);
        if fits { Ok(Some(shape)) } else { Err(wrong("it does not fit the network".into())) }
    }

    /// The text of the metadata.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::Format(error.to_string()))
    }

    /// A place of the mesh in the cube.
    pub fn to_cube(&self, place: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| (place[axis] - self.center[axis]) / self.side + 0.5)
    }

    /// A place in the cube in the unit of the mesh.
    pub fn to_mesh(&self, place: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| (place[axis] - 0.5) * self.side + self.center[axis])
    }

    /// `a cube of side 2.5000 around (0.0000, 0.0000, 1.0000)`.
    pub fn describe(&self) -> String {
        let ([x, y, z], side) = (self.center, self.side);
        format!("a cube of side {side:.4} around ({x:.4}, {y:.4}, {z:.4})")
    }
}
