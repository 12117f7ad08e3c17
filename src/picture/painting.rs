//! Painting: what a network learns of a picture, and the picture that it paints.

use super::Picture;
use super::subject::Subject;
use crate::activation::Activation;
use crate::dataset::Dataset;
use crate::engine::{Engine, Output};
use crate::error::{Result, invalid_shape};
use crate::initialization::Initialization;
use crate::input_encoding::InputEncoding;
use crate::loss::Loss;
use crate::network::Network;
use crate::network::builder::Builder;
use std::ops::ControlFlow;

/// Pixels that are painted at once: enough for every core or GPU, little memory.
const BAND: usize = 1 << 16;

/// The largest r + g + b, of 765, that counts as ink.
const INK: f64 = 600.0;

impl Picture {
    /// Runs `network` at every pixel of a picture of that size: `[height, width, outputs]`, the
    /// network's outputs unchanged. `watch` receives the number of finished pixels after every ten
    /// thousand or so. If it breaks, the result is `None`. Blocks; see
    /// [`sample_async`](Self::sample_async).
    ///
    /// ```
    /// use impasto::{Activation, Backend, Engine, Network, Picture};
    /// use std::ops::ControlFlow;
    ///
    /// let network = Network::builder(2).output(3, Activation::Sigmoid).build()?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// let go_on = |_| ControlFlow::Continue(());
    /// let colors = Picture::sample(&engine, &network, (5, 4), true, go_on)?;
    /// assert_eq!(colors.map(|colors| colors.len()), Some(5 * 4 * 3));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A size out of range, a network that does not take two inputs, or a device that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn sample(
        engine: impl Into<Engine>,
        network: &Network,
        size: (usize, usize),
        centered: bool,
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f64>>> {
        pollster::block_on(Self::sample_async(engine, network, size, centered, watch))
    }

    /// [`sample`](Self::sample) for callers that must not block. See [`sample`](Self::sample) for an example.
    ///
    /// # Errors
    /// A size out of range, a network that does not take two inputs, or a device that failed.
    pub async fn sample_async(
        engine: impl Into<Engine>,
        network: &Network,
        (width, height): (usize, usize),
        centered: bool,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f64>>> {
        let engine = engine.into();
        Self::check_size(width, height)?;
        if network.inputs() != 2 {
            return invalid_shape(format!(
                "a network of {} inputs paints no picture: it takes 2, x and y",
                network.inputs()
            ));
        }
        let pixels = width * height;
        let mut outputs = Vec::with_capacity(pixels * network.outputs());
        for first in (0..pixels).step_by(BAND) {
            let end = pixels.min(first + BAND);
            let inputs: Vec<f64> = (first..end)
                .flat_map(|pixel| Self::coordinates(pixel, width, height, centered))
                .collect();
            outputs.extend(engine.forward(network, &inputs, Output::Activated).await?);
            if watch(end).is_break() && end < pixels {
                return Ok(None);
            }
        }
        Ok(Some(outputs))
    }

    /// Whether each pixel, laid on white paper if it has an alpha channel, is ink.
    fn ink(&self) -> impl Iterator<Item = bool> {
        let maximum = f64::from(self.maximum);
        self.pixels().map(move |pixel| {
            let unit: Vec<f64> = pixel.iter().map(|v| f64::from(*v) / maximum).collect();
            let (colors, alpha) = match unit.as_slice() {
                [gray] => ([*gray; 3], 1.0),
                [gray, alpha] => ([*gray; 3], *alpha),
                [r, g, b] => ([*r, *g, *b], 1.0),
                [r, g, b, alpha, ..] => ([*r, *g, *b], *alpha),
                [] => ([1.0; 3], 1.0),
            };
            let sum: f64 = colors.iter().map(|c| c * alpha + 1.0 - alpha).sum();
            (255.0 * sum).round() <= INK
        })
    }

    /// Ink in black on white paper.
    fn of_ink(width: usize, height: usize, ink: impl Iterator<Item = bool>) -> Result<Self> {
        let values = ink.map(|ink| if ink { 0 } else { 255 }).collect();
        Self::new(width, height, 1, 255, values)
    }
}

impl Subject {
    /// Starts a network that paints this with `hidden` layers, to be trained with `loss`. Its initial
    /// weights suit the activation: its own where it has some, those of [`Initialization::GlorotSigmoid`] in hidden layers
    /// of sigmoids, else those of [`Initialization::He`].
    pub fn builder(
        &self,
        encoding: impl Into<InputEncoding>,
        hidden: &[usize],
        activation: Activation,
        loss: Loss,
    ) -> Builder {
        let output = loss.folded_activation().unwrap_or(self.output_activation());
        let builder = Network::builder(2)
            .encoding(encoding)
            .hidden(hidden, activation)
            .output(self.outputs(), output);
        match activation {
            own if own.initialization(2, true).is_some() => builder,
            // With He's, ten layers take thousands of steps until they paint more than one color.
            Activation::Sigmoid => builder.hidden_weights(Initialization::GlorotSigmoid),
            _ => builder.weights(Initialization::He),
        }
    }

    /// What a network learns of `picture`: a sample for each pixel, with its place as inputs and its
    /// channels, or its class, as targets.
    ///
    /// # Errors
    /// None for a picture; the type is that of [`Dataset::new`].
    pub fn dataset(&self, picture: &Picture) -> Result<Dataset> {
        if !self.classify {
            return picture.to_dataset(self.centered);
        }
        // One-hot: 255 means 1.
        let targets = picture.ink().flat_map(|ink| if ink { [255, 0] } else { [0, 255] });
        Dataset::from_pixels(picture.width, picture.height, targets, 2, self.centered)
    }

    /// The painting of `picture` by a network without any error: the picture itself, or its classes, ink
    /// in black and paper in white.
    ///
    /// # Errors
    /// None for a picture; the type is that of [`Picture::new`].
    pub fn expected(&self, picture: &Picture) -> Result<Picture> {
        if self.classify {
            Picture::of_ink(picture.width, picture.height, picture.ink())
        } else {
            Ok(picture.clone())
        }
    }

    /// The channels of a painting, and its largest value: 255 or 65,535.
    pub fn painted_kind(&self) -> (usize, u16) {
        if self.classify { (1, 255) } else { (self.channels, self.maximum) }
    }

    /// Paints with `network` at any size, `(width, height)`. `watch` receives the number of finished pixels
    /// after every ten thousand or so. If it breaks, there is no picture. Blocks; see
    /// [`paint_async`](Self::paint_async).
    ///
    /// # Errors
    /// A size out of range, a network that does not paint this, or a device that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn paint(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        size: (usize, usize),
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Picture>> {
        pollster::block_on(self.paint_async(engine, network, size, watch))
    }

    /// [`paint`](Self::paint) for callers that must not block. See [`paint`](Self::paint) for an example.
    ///
    /// # Errors
    /// A size out of range, a network that does not paint this, or a device that failed.
    pub async fn paint_async(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        (width, height): (usize, usize),
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Picture>> {
        if network.outputs() != self.outputs() {
            return invalid_shape(format!(
                "a network of {} outputs cannot paint what takes {}",
                network.outputs(),
                self.outputs()
            ));
        }
        let size = (width, height);
        let values = Picture::sample_async(engine, network, size, self.centered, watch).await?;
        let Some(values) = values else { return Ok(None) };
        let picture = if self.classify {
            let ink = values.as_chunks().0.iter().map(|[ink, paper]| ink > paper);
            Picture::of_ink(width, height, ink)
        } else {
            Picture::from_unit(width, height, self.channels, self.maximum, &values)
        };
        picture.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;

    #[test]
    fn painting_is_watched_and_can_be_stopped() {
        let network =
            Network::builder(2).output(1, Activation::Identity).build().expect("a network");
        let engine = crate::cpu::CpuEngine::new(Some(1)).expect("a thread");
        let (size, mut reported) = ((BAND, 2), Vec::new());
        let mut sample = |stop_at: usize| {
            let watch = |done| {
                reported.push(done);
                if done == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let sampled = Picture::sample(&engine, &network, size, false, watch);
            sampled.expect("no device to fail").map(|values| values.len())
        };
        assert_eq!(sample(0), Some(2 * BAND));
        assert_eq!(sample(BAND), None);
        // Too late: all is done.
        assert_eq!(sample(2 * BAND), Some(2 * BAND));
        assert_eq!(reported, [BAND, 2 * BAND, BAND, BAND, 2 * BAND]);
    }

    #[test]
    fn classes_are_ink_and_paper() {
        // Dark, light, dark but transparent.
        let values = vec![100, 255, 220, 255, 0, 0];
        let picture = Picture::new(3, 1, 2, 255, values).expect("3×1");
        let subject = Subject::new(&picture, Encoding::Identity, true);
        assert_eq!((subject.outputs(), subject.painted_kind()), (2, (1, 255)));
        assert_eq!(subject.expected(&picture).expect("classes").values(), [0, 255, 255]);
        let dataset = subject.dataset(&picture).expect("samples");
        assert_eq!(dataset.rows(0..3).1, [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        let subject = Subject { classify: false, ..subject };
        assert_eq!(subject.expected(&picture).expect("colors"), picture);
        let network =
            subject.builder(Encoding::Identity, &[4], Activation::Relu, Loss::MeanSquaredError);
        let network = network.build().expect("a network");
        let engine = crate::cpu::CpuEngine::new(Some(1)).expect("a thread");
        let paint = |subject: Subject| {
            let go_on = |_| ControlFlow::Continue(());
            subject.paint(&engine, &network, (5, 2), go_on)
        };
        let painted = paint(subject).expect("paints").expect("was not stopped");
        assert_eq!((painted.width(), painted.height(), painted.channels()), (5, 2, 2));
        assert!(paint(Subject { channels: 3, ..subject }).is_err());
    }
}
