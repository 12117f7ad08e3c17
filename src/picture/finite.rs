//! Counts the pixels of a painting that have no color, since the network computes no finite number for them.

use crate::engine::Engine;

/// The pixels whose outputs are not all finite.
#[derive(Debug, Default)]
pub(super) struct NotFinite {
    pixels: usize,
    all: usize,
}

impl NotFinite {
    /// Counts pixels with so many outputs each.
    pub(super) fn add(&mut self, outputs: &[f64], each: usize) {
        let pixels = outputs.chunks_exact(each);
        self.all += pixels.len();
        // The whole band first, which is fast and usually enough.
        if !outputs.iter().all(|output| output.is_finite()) {
            self.pixels += pixels.filter(|pixel| !pixel.iter().all(|v| v.is_finite())).count();
        }
    }

    /// Adds a note to those of the engine, if there are such pixels.
    pub(super) fn note(self, engine: &Engine) {
        let Self { pixels, all } = self;
        if pixels > 0 {
            engine.add_note(format!(
                "the network computes NaN or infinity for {pixels} of {all} pixels, which are painted black or white"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::ReferenceEngine;

    #[test]
    fn pixels_without_a_color_are_noted_once() {
        let engine = Engine::from(ReferenceEngine::new());
        let count = |bands: &[&[f64]]| {
            let mut counted = NotFinite::default();
            for band in bands {
                counted.add(band, 3);
            }
            counted.note(&engine);
        };
        count(&[&[0.0, -1e300, 1.0]]);
        assert_eq!(engine.notes(), [""; 0]);
        count(&[&[0.0, f64::NAN, f64::INFINITY, 0.0, 1.0, 2.0], &[f64::NEG_INFINITY, 0.0, 0.0]]);
        let notes = engine.notes();
        assert!(notes.len() == 1 && notes[0].contains("for 2 of 3 pixels"), "{notes:?}");
    }
}
