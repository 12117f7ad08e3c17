//! Painting: what a network learns of a picture, and the picture that it paints.

use super::finite::NotFinite;
use super::mask::Mask;
use super::subject::Subject;
use super::{Picture, level};
use crate::activation::Activation;
use crate::dataset::{Dataset, Levels, Places};
use crate::engine::{Engine, Output};
use crate::error::{Result, invalid_shape};
use crate::initialization::Initialization;
use crate::input_encoding::InputEncoding;
use crate::loss::Loss;
use crate::memory::{self, SMALLER};
use crate::network::Network;
use crate::network::builder::Builder;
use std::ops::ControlFlow;

/// Pixels that are painted at once: enough for every core or GPU, little memory.
pub(super) const BAND: usize = 1 << 16;

/// Bytes of a painting that is large.
const LARGE: u64 = 1 << 24;

/// Bytes for painting and comparing a few rows at a time, without the sheet: 3 to 25 MB were measured.
const IN_BANDS: u64 = 1 << 25;

/// The largest r + g + b, of 765, that counts as ink.
const INK: f64 = 600.0;

impl Picture {
    /// Runs `network` at every pixel of a picture of that size ([`coordinates`](Self::coordinates)):
    /// `[height, width, outputs]`, the network's outputs unchanged. [`Subject::sample`] runs it at the places of
    /// a picture that was learned. `watch` receives the number of finished pixels after every ten
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
    /// A size out of range, a network that does not take two inputs, too little memory, or a device that failed.
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
    /// A size out of range, a network that does not take two inputs, too little memory, or a device that failed.
    pub async fn sample_async(
        engine: impl Into<Engine>,
        network: &Network,
        (width, height): (usize, usize),
        centered: bool,
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f64>>> {
        let places = Places::square(width, height, centered);
        sample(&engine.into(), network, (width, height), places, watch).await
    }

    /// Whether each pixel, laid on white paper if it has an alpha channel, is ink.
    fn ink(&self) -> impl Iterator<Item = bool> {
        let maximum = f64::from(self.maximum());
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
        let mut values = memory::room(width * height, "a picture of ink", SMALLER)?;
        values.extend(ink.map(|ink| if ink { 0 } else { 255 }));
        Self::from_bytes(width, height, 1, values)
    }
}

/// Runs `network` at the places of all pixels, a band of them at a time, and gives the outputs of each band
/// to `take`. Returns whether it came to the end.
async fn sample_bands(
    engine: &Engine,
    network: &Network,
    (width, height): (usize, usize),
    places: Places,
    mut watch: impl FnMut(usize) -> ControlFlow<()>,
    mut take: impl FnMut(&[f64]),
) -> Result<bool> {
    Picture::check_size(width, height)?;
    if network.inputs() != 2 {
        return invalid_shape(format!(
            "a network of {} inputs paints no picture: it takes 2, x and y",
            network.inputs()
        ));
    }
    let pixels = width * height;
    for first in (0..pixels).step_by(BAND) {
        let end = pixels.min(first + BAND);
        let inputs: Vec<f64> = (first..end).flat_map(|pixel| places.at(pixel)).collect();
        take(&engine.forward(network, &inputs, Output::Activated).await?);
        if watch(end).is_break() && end < pixels {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The outputs at the places of all pixels, `[height, width, outputs]`.
async fn sample(
    engine: &Engine,
    network: &Network,
    size: (usize, usize),
    places: Places,
    watch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Vec<f64>>> {
    Picture::check_size(size.0, size.1)?;
    let count = size.0.saturating_mul(size.1).saturating_mul(network.outputs());
    let what = format_args!("the outputs for {}×{} pixels", size.0, size.1);
    let mut outputs = memory::room(count, what, SMALLER)?;
    let take = |band: &[f64]| outputs.extend_from_slice(band);
    let is_whole = sample_bands(engine, network, size, places, watch, take).await?;
    Ok(is_whole.then_some(outputs))
}

impl Subject {
    /// Runs `network` at the places of the picture that was learned, in any number of pixels:
    /// `[height, width, outputs]`, the network's outputs unchanged. `watch` is that of
    /// [`Picture::sample`]. Blocks; see [`sample_async`](Self::sample_async).
    ///
    /// ```
    /// use impasto::{Activation, Backend, Encoding, Engine, Loss, Picture, Subject};
    /// use std::ops::ControlFlow;
    ///
    /// let picture = Picture::new(2, 1, 1, 255, vec![0, 255])?;
    /// let subject = Subject::new(&picture, Encoding::Identity, false);
    /// let loss = Loss::MeanSquaredError;
    /// let network = subject.builder(Encoding::Identity, &[8], Activation::Relu, loss).build()?;
    /// let engine = Engine::open(Backend::Cpu)?;
    /// let go_on = |_| ControlFlow::Continue(());
    /// let first_layer = network.first_layers(1)?;
    /// let neurons = subject.sample(&engine, &first_layer, (16, 8), go_on)?;
    /// assert_eq!(neurons.map(|neurons| neurons.len()), Some(16 * 8 * 8));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// A size out of range, a network that does not take two inputs, too little memory, or a device that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn sample(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        size: (usize, usize),
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f64>>> {
        pollster::block_on(self.sample_async(engine, network, size, watch))
    }

    /// [`sample`](Self::sample) for callers that must not block. See [`sample`](Self::sample) for an example.
    ///
    /// # Errors
    /// A size out of range, a network that does not take two inputs, too little memory, or a device that failed.
    pub async fn sample_async(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        size: (usize, usize),
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<f64>>> {
        sample(&engine.into(), network, size, self.places(size), watch).await
    }

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
    /// channels, or its class, as targets. Where a pixel is fully transparent, the targets of its color are a
    /// smooth continuation of the visible colors around it.
    ///
    /// # Errors
    /// Too little memory for the samples.
    pub fn dataset(&self, picture: &Picture) -> Result<Dataset> {
        if !self.classify {
            let places = self.places((picture.width, picture.height));
            return picture.without_hidden_colors()?.to_dataset_at(places);
        }
        // One-hot: 255 means 1.
        let targets = picture.ink().flat_map(|ink| if ink { [255, 0] } else { [0, 255] });
        Dataset::from_pixels_at(self.places((picture.width, picture.height)), targets, 2)
    }

    /// [`dataset`](Self::dataset) with the numbers of a mask as the [weights](Dataset::with_weights) of the pixels. See
    /// [`Mask`] for an example.
    ///
    /// # Errors
    /// A mask of another size, or too little memory.
    pub fn masked_dataset(&self, picture: &Picture, mask: &Mask) -> Result<Dataset> {
        mask.check(picture)?;
        Ok(self.dataset(picture)?.with_shared_weights(mask.shared()))
    }

    /// The painting of `picture` by a network without any error: the picture itself, or its classes, ink
    /// in black and paper in white.
    ///
    /// # Errors
    /// Too little memory for the painting.
    pub fn expected(&self, picture: &Picture) -> Result<Picture> {
        if self.classify {
            Picture::of_ink(picture.width, picture.height, picture.ink())
        } else {
            Ok(picture.clone())
        }
    }

    /// Whether the painting takes more than 16 MiB. Then [`check_memory`](Self::check_memory) counts on painting
    /// and comparing a few rows at a time, as `paint_file` and [`Comparison`](crate::Comparison) do.
    ///
    /// ```
    /// use impasto::{Encoding, Picture, Subject};
    ///
    /// let picture = Picture::new(2, 1, 3, 255, vec![255, 0, 0, 255, 255, 255])?;
    /// let small = Subject::new(&picture, Encoding::Identity, false);
    /// let large = Subject { width: 10_000, height: 10_000, ..small };
    /// assert!(large.is_large() && !small.is_large());
    /// # Ok::<(), impasto::Error>(())
    /// ```
    pub fn is_large(&self) -> bool {
        self.pixels().saturating_mul(self.painted_bytes()) > LARGE
    }

    /// About how many pixels each picture of a sheet has that is scaled down, for [`Comparison`](crate::Comparison).
    pub const SHEET_PIXELS: usize = 1 << 22;

    fn pixels(&self) -> u64 {
        (self.width as u64).saturating_mul(self.height as u64)
    }

    /// Finds out whether learning, painting and comparing a picture of this size can have the memory that they
    /// take, before anything is trained. The estimate is for the picture itself being in memory already, and
    /// for a sheet of the picture, the painting and their difference. It does not count the network, nor the
    /// copy of the samples on a GPU.
    ///
    /// ```
    /// use impasto::{Encoding, Picture, Subject};
    ///
    /// let picture = Picture::new(2, 1, 3, 255, vec![255, 0, 0, 255, 255, 255])?;
    /// Subject::new(&picture, Encoding::Identity, false).check_memory()?;
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) where the machine, a control group or a limit of address space
    /// leaves less. Where the system does not say how much there is, there is no error.
    pub fn check_memory(&self) -> Result<()> {
        self.check_memory_beside(0)
    }

    /// [`check_memory`](Self::check_memory) where the caller needs so many bytes more. See there for an example.
    ///
    /// # Errors
    /// As [`check_memory`](Self::check_memory).
    pub fn check_memory_beside(&self, bytes: u64) -> Result<()> {
        self.check_memory_of(memory::available(), bytes)
    }

    /// The same where so many bytes are left.
    fn check_memory_of(&self, available: Option<u64>, more: u64) -> Result<()> {
        let pixels = self.bytes_a_pixel().saturating_mul(self.pixels());
        let needed = pixels.saturating_add(self.bytes_in_bands()).saturating_add(more);
        let Some(available) = available.filter(|available| needed > *available) else {
            return Ok(());
        };
        let (width, height) = (self.width, self.height);
        let what = format_args!("learning, painting and comparing {width}×{height} pixels");
        let smaller = if more > pixels { "picture or the network" } else { "picture" };
        let advice = format_args!("{available} are left, so make the {smaller} smaller");
        memory::missing(needed, what, advice)
    }

    /// Bytes for painting and comparing a few rows at a time, if that is done: three smaller copies, and the sheet that they
    /// are put into.
    fn bytes_in_bands(&self) -> u64 {
        if !self.is_large() || self.classify {
            return 0;
        }
        IN_BANDS + self.painted_bytes() * self.pixels().min(Self::SHEET_PIXELS as u64) * (3 + 3)
    }

    /// Bytes of a painted pixel.
    fn painted_bytes(&self) -> u64 {
        let (channels, maximum) = self.painted_kind();
        channels as u64 * if maximum == 255 { 1 } else { 2 }
    }

    /// Bytes for each pixel, beside the picture: the samples that it does not share, and, unless all that goes a
    /// few rows at a time, the painting, the difference, and a sheet of three.
    fn bytes_a_pixel(&self) -> u64 {
        let painted = self.painted_bytes();
        if self.classify {
            // Two classes to learn; the painting, the expected one, and both in a sheet.
            return 2 + 1 + 1 + 2;
        }
        // Colors that cannot be seen are smoothed in a copy.
        let samples = if self.channels.is_multiple_of(2) { painted } else { 0 };
        samples + if self.is_large() { 0 } else { painted * (1 + 1 + 3) }
    }

    /// An error unless `network` paints this.
    pub(super) fn check_network(&self, network: &Network) -> Result<()> {
        if network.inputs() == 2 && network.outputs() == self.outputs() {
            return Ok(());
        }
        invalid_shape(format!(
            "a network of {} inputs and {} outputs cannot paint what takes 2 and {}",
            network.inputs(),
            network.outputs(),
            self.outputs()
        ))
    }

    /// Levels of a painting from outputs of the network.
    pub(super) fn levels<'a>(&self, outputs: &'a [f64]) -> Box<dyn Iterator<Item = u16> + 'a> {
        if self.classify {
            let is_ink = outputs.as_chunks().0.iter().map(|[ink, paper]| ink > paper);
            return Box::new(is_ink.map(|ink| if ink { 0 } else { 255 }));
        }
        let maximum = self.maximum;
        Box::new(outputs.iter().map(move |value| level(*value, maximum)))
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
    /// A size out of range, a network that does not paint this, too little memory, or a device that failed.
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
    /// A size out of range, a network that does not paint this, too little memory, or a device that failed.
    pub async fn paint_async(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        (width, height): (usize, usize),
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Picture>> {
        self.check_network(network)?;
        let size = (width, height);
        let (channels, maximum) = self.painted_kind();
        Picture::check_size(width, height)?;
        let mut levels = Levels::with_capacity(maximum, width * height * channels)?;
        let mut not_finite = NotFinite::default();
        let take = |outputs: &[f64]| {
            not_finite.add(outputs, network.outputs());
            levels.extend(self.levels(outputs));
        };
        let (engine, places) = (engine.into(), self.places(size));
        if !sample_bands(&engine, network, size, places, watch, take).await? {
            return Ok(None);
        }
        not_finite.note(&engine);
        Picture::of_levels(width, height, channels, levels).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;
    use crate::error::Error;

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
    fn memory_is_checked_by_the_pixel() {
        let picture = Picture::new(2, 1, 3, 255, vec![0; 6]).expect("2×1");
        let subject = Subject::new(&picture, Encoding::Identity, false);
        let five_million = Subject { width: 2500, height: 2000, ..subject };
        // The painting, the difference, and a sheet of three; the samples are the picture.
        assert_eq!((five_million.bytes_a_pixel(), five_million.bytes_in_bands()), (3 * 5, 0));
        assert!(five_million.check_memory_of(Some(80_000_000), 0).is_ok());
        let error = five_million.check_memory_of(Some(70_000_000), 0).expect_err("too little");
        assert!(matches!(error, Error::OutOfMemory { needed: 75_000_000, .. }), "{error}");
        assert!(five_million.check_memory_of(Some(80_000_000), 20_000_000).is_err());
        let error = five_million.check_memory_of(Some(0), 1 << 40).expect_err("too little");
        assert!(error.to_string().ends_with("make the picture or the network smaller"), "{error}");
        assert!(five_million.check_memory_of(None, 0).is_ok());
        // What is large is painted in bands. With an alpha channel, a copy is learned.
        let large = Subject { width: 4000, height: 3000, ..subject };
        assert!(large.is_large() && large.bytes_a_pixel() == 0);
        assert!(large.check_memory_of(Some(110_000_000), 0).is_ok());
        assert!(large.check_memory_of(Some(105_000_000), 0).is_err());
        let deep = Subject { maximum: 65_535, ..large };
        let alpha = Subject { channels: 4, ..deep };
        assert_eq!((deep.bytes_a_pixel(), alpha.bytes_a_pixel()), (0, 8));
        let classes = Subject { classify: true, ..deep };
        assert_eq!(classes.bytes_a_pixel(), 6);
    }

    #[test]
    fn classes_are_ink_and_paper() {
        // Dark, light, dark but transparent.
        let values = vec![100, 255, 220, 255, 0, 0];
        let picture = Picture::new(3, 1, 2, 255, values).expect("3×1");
        let subject = Subject::new(&picture, Encoding::Identity, true);
        assert_eq!((subject.outputs(), subject.painted_kind()), (2, (1, 255)));
        assert_eq!(*subject.expected(&picture).expect("classes").values(), [0, 255, 255]);
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
