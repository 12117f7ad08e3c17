//! The mesh of a network that was trained on a shape.

use super::Options;
use crate::output;
use crate::paint::signals::Signal;
use crate::paint::text::counted;
use crate::shape::Shape;
use fast_surface_nets::ndshape::RuntimeShape;
use fast_surface_nets::{SurfaceNetsBuffer, surface_nets};
use impasto::{Error, Network, Result};
use std::fmt::Write;
use std::process::ExitCode;

/// Places along a side of the cube, if the user does not choose.
const RESOLUTION: u32 = 128;

/// The range of --resolution.
const RESOLUTIONS: std::ops::RangeInclusive<u32> = 8..=512;

/// Writes the mesh as OBJ.
pub fn run(options: &Options, network: &Network, shape: &Shape) -> Result<ExitCode> {
    let side = options.resolution.unwrap_or(RESOLUTION);
    if !RESOLUTIONS.contains(&side) {
        return Err(Error::Setting(format!(
            "--resolution {side}: it is at least {} and at most {}",
            RESOLUTIONS.start(),
            RESOLUTIONS.end()
        )));
    }
    let engine = options.device.open()?;
    let model = engine.prepare(network)?;
    let signal = Signal::listen();
    let at = |number: u32| number as f32 / (side - 1) as f32;
    let mut distances: Vec<f32> = Vec::new();
    for z in 0..side {
        let rows = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        let places: Vec<f32> = rows.flat_map(|(x, y)| [at(x), at(y), at(z)]).collect();
        distances.extend(model.predict(&places)?);
        if let Some(code) = signal.exit_code() {
            return Ok(ExitCode::from(code));
        }
    }
    let mut mesh = SurfaceNetsBuffer::default();
    let cube = RuntimeShape::<u32, 3>::new([side; 3]);
    surface_nets(&distances, &cube, [0; 3], [side - 1; 3], &mut mesh);
    if mesh.indices.is_empty() {
        return Err(Error::Data(format!(
            "{} has no surface in its cube: train it for longer",
            options.network.display()
        )));
    }
    output::write(&options.output, text(&mesh, shape, side).as_bytes())?;
    let triangles = mesh.indices.len() as u64 / 3;
    options
        .device
        .say(format!("{}, at {side} places along a side", counted(triangles, "triangle")));
    Ok(ExitCode::SUCCESS)
}

/// The mesh as OBJ.
fn text(mesh: &SurfaceNetsBuffer, shape: &Shape, side: u32) -> String {
    let mut text = String::new();
    for place in &mesh.positions {
        let place = place.map(|x| f64::from(x) / f64::from(side - 1));
        let [x, y, z] = shape.to_mesh(place).map(|x| x as f32);
        // Writing to a string does not fail.
        let _ = writeln!(text, "v {x} {y} {z}");
    }
    for triangle in mesh.indices.chunks_exact(3) {
        let [a, b, c] = [0, 1, 2].map(|corner: usize| triangle[corner] + 1);
        let _ = writeln!(text, "f {a} {b} {c}");
    }
    text
}
