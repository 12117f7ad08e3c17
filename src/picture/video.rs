//! `Video`: what a network of x, y and time paints.

use super::Picture;
use super::finite::NotFinite;
use super::painting::BAND;
use super::subject::Subject;
use crate::dataset::Dataset;
use crate::engine::{Engine, Output};
use crate::error::{Error, Result, invalid_format, invalid_shape};
use crate::input_encoding::InputEncoding;
use crate::memory;
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// The metadata's key under which a saved network carries its [`Video`].
const KEY: &str = "video";

/// The inputs of a network that paints a video: x, y and time.
const INPUTS: usize = 3;

/// The most pixels of all frames together: 2²⁸.
const MOST_PIXELS: usize = 1 << 28;

/// What a network of x, y and time paints: pictures of one size, each for some time.
///
/// ```
/// use impasto::{Activation, Backend, Encoding, Engine, Network, Picture, Trainer, Video};
/// use std::ops::ControlFlow;
///
/// let frames = [0, 255].map(|gray| Picture::new(2, 1, 1, 255, vec![gray, 255]));
/// let [first, second] = frames;
/// let frames = [first?, second?];
/// let video = Video::new(&frames, vec![40, 40], Encoding::Identity)?;
/// let samples = video.dataset(&frames)?;
/// assert_eq!((samples.len(), samples.input_width()), (4, 3));
///
/// let mut network =
///     Network::builder(3).hidden(&[16], Activation::Tanh).output(1, Activation::Identity).build()?;
/// let engine = Engine::open(Backend::Cpu)?;
/// Trainer { epochs: 5, ..Trainer::default() }.fit(&engine, &mut network, &samples)?;
/// // Halfway between the two frames, twice as large.
/// let go_on = |_| ControlFlow::Continue(());
/// let painted = video.paint(&engine, &network, 0.5, (4, 2), go_on)?;
/// assert_eq!(painted.map(|picture| picture.width()), Some(4));
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    /// What a frame is.
    pub picture: Subject,
    /// How long each frame is shown, in milliseconds.
    pub delays: Vec<u32>,
}

impl Video {
    /// These frames, for a network with this encoding. Without an encoding, places and times are in [-1, 1]. A delay
    /// is how long a frame is shown, in milliseconds.
    ///
    /// # Errors
    /// No frame, frames of several sizes, channels or depths, another number of delays, or more than 2²⁸ pixels in all
    /// frames.
    pub fn new(
        frames: &[Picture],
        delays: Vec<u32>,
        encoding: impl Into<InputEncoding>,
    ) -> Result<Self> {
        let Some(first) = frames.first() else { return invalid_shape("a video has no frame") };
        if delays.len() != frames.len() {
            return invalid_shape(format!("{} delays for {} frames", delays.len(), frames.len()));
        }
        let video = Self { picture: Subject::new(first, encoding, false), delays };
        video.check_frames(frames)?;
        video.check_size()?;
        Ok(video)
    }

    /// Frames.
    pub fn frames(&self) -> usize {
        self.delays.len()
    }

    /// An error unless these are its frames.
    fn check_frames(&self, frames: &[Picture]) -> Result<()> {
        if frames.len() != self.frames() {
            return invalid_shape(format!(
                "{} frames for a video of {}",
                frames.len(),
                self.frames()
            ));
        }
        let Subject { width, height, channels, maximum, .. } = self.picture;
        let other = frames.iter().position(|frame| {
            (frame.width, frame.height) != (width, height)
                || (frame.channels, frame.maximum()) != (channels, maximum)
        });
        let Some(number) = other else { return Ok(()) };
        let frame = &frames[number];
        invalid_shape(format!(
            "frame {} has {}×{} pixels with {} channels up to {}, and the first {width}×{height} with {channels} up to \
             {maximum}: frames must be alike",
            number + 1,
            frame.width,
            frame.height,
            frame.channels,
            frame.maximum()
        ))
    }

    fn check_size(&self) -> Result<()> {
        let Subject { width, height, .. } = self.picture;
        let pixels = (width * height).checked_mul(self.frames());
        if pixels.is_some_and(|pixels| pixels <= MOST_PIXELS) {
            return Ok(());
        }
        invalid_shape(format!(
            "{} frames of {width}×{height} pixels are too many: all frames together may have {MOST_PIXELS}, so make \
             them smaller or fewer",
            self.frames()
        ))
    }

    /// The input of a moment, in frames: 0 is the first one, 0.5 halfway to the second.
    fn time(&self, frame: f64) -> f64 {
        let unit = (frame + 0.5) / self.frames() as f64;
        if self.picture.centered { 2.0 * unit - 1.0 } else { unit }
    }

    /// What a network learns of the frames: a sample for each pixel of each frame, with its place and the time as
    /// inputs and its channels as targets. A sample takes `4·(3 + channels)` bytes.
    ///
    /// # Errors
    /// Other frames than those of [`new`](Self::new), or too little memory.
    pub fn dataset(&self, frames: &[Picture]) -> Result<Dataset> {
        self.check_frames(frames)?;
        let Subject { width, height, channels, maximum, .. } = self.picture;
        let pixels = width * height;
        let needed = 4 * (INPUTS + channels) as u64 * (pixels * frames.len()) as u64;
        if let Some(available) = memory::available().filter(|available| needed > *available) {
            return Err(Error::OutOfMemory {
                what: format!("learning {} frames of {width}×{height} pixels", frames.len()),
                needed,
                advice: format!("{available} are left, so make the frames smaller or fewer"),
            });
        }
        let places = self.picture.places((width, height));
        let (all, what) = (pixels * frames.len(), "the samples of a video");
        let mut inputs = memory::room(INPUTS * all, what, "make the frames smaller or fewer")?;
        let mut targets = memory::room(channels * all, what, "make the frames smaller or fewer")?;
        for (number, frame) in frames.iter().enumerate() {
            let time = self.time(number as f64) as f32;
            for pixel in 0..pixels {
                let [x, y] = places.at(pixel);
                inputs.extend([x as f32, y as f32, time]);
            }
            let visible = frame.without_hidden_colors()?;
            targets.extend(visible.values().iter().map(|v| f32::from(*v) / f32::from(maximum)));
        }
        Dataset::new(inputs, targets, INPUTS, channels)
    }

    /// Paints a moment with `network` at any size, `(width, height)`. Moments are in frames, as 0 for the first and
    /// 0.5 for halfway to the second. `watch` receives the number of finished pixels after every ten thousand or so. If
    /// it breaks, there is no picture. Blocks; see [`paint_async`](Self::paint_async).
    ///
    /// # Errors
    /// A size out of range, a network that does not paint this, or a device that failed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn paint(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        frame: f64,
        size: (usize, usize),
        watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Picture>> {
        pollster::block_on(self.paint_async(engine, network, frame, size, watch))
    }

    /// [`paint`](Self::paint) for callers that must not block. See [`paint`](Self::paint) for an example.
    ///
    /// # Errors
    /// A size out of range, a network that does not paint this, or a device that failed.
    pub async fn paint_async(
        &self,
        engine: impl Into<Engine>,
        network: &Network,
        frame: f64,
        (width, height): (usize, usize),
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Picture>> {
        let engine = engine.into();
        Picture::check_size(width, height)?;
        self.check_network(network)?;
        let Subject { channels, maximum, .. } = self.picture;
        let (places, time) = (self.picture.places((width, height)), self.time(frame));
        let pixels = width * height;
        let mut values = Vec::with_capacity(channels * pixels);
        let mut not_finite = NotFinite::default();
        for first in (0..pixels).step_by(BAND) {
            let end = pixels.min(first + BAND);
            let place = |pixel| {
                let [x, y] = places.at(pixel);
                [x, y, time]
            };
            let inputs: Vec<f64> = (first..end).flat_map(place).collect();
            let outputs = engine.forward(network, &inputs, Output::Activated).await?;
            not_finite.add(&outputs, channels);
            values.extend(self.picture.levels(&outputs));
            if watch(end).is_break() && end < pixels {
                return Ok(None);
            }
        }
        not_finite.note(&engine);
        Picture::new(width, height, channels, maximum, values).map(Some)
    }

    /// An error unless `network` paints this.
    fn check_network(&self, network: &Network) -> Result<()> {
        let channels = self.picture.channels;
        if network.inputs() == INPUTS && network.outputs() == channels {
            return Ok(());
        }
        invalid_shape(format!(
            "a network of {} inputs and {} outputs cannot paint a video, which takes {INPUTS} and {channels}",
            network.inputs(),
            network.outputs()
        ))
    }

    /// The texts to save with the network (`Network::save_with`).
    ///
    /// ```
    /// use impasto::{Activation, Encoding, Network, Picture, Video};
    ///
    /// let frame = Picture::new(1, 1, 1, 255, vec![0])?;
    /// let video = Video::new(&[frame], vec![40], Encoding::Identity)?;
    /// let network = Network::builder(3).output(1, Activation::Identity).build()?;
    /// assert_eq!(Video::from_metadata(&network, &video.to_metadata()?)?, Some(video));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// None; the type is that of the JSON library.
    pub fn to_metadata(&self) -> Result<HashMap<String, String>> {
        match serde_json::to_string(self) {
            Ok(text) => Ok(HashMap::from([(KEY.to_string(), text)])),
            Err(error) => invalid_format(error.to_string()),
        }
    }

    /// The video that was saved with `network`, if one was. See [`to_metadata`](Self::to_metadata) for an example.
    ///
    /// # Errors
    /// The texts contain something else under its name, or the network does not fit it.
    pub fn from_metadata(
        network: &Network,
        texts: &HashMap<String, String>,
    ) -> Result<Option<Self>> {
        let Some(text) = texts.get(KEY) else { return Ok(None) };
        let video: Self = match serde_json::from_str(text) {
            Ok(video) => video,
            Err(error) => return invalid_format(format!("its '{KEY}' entry: {error}")),
        };
        video.picture.check_kind()?;
        if video.delays.is_empty() || video.picture.classify {
            return invalid_format(format!("its '{KEY}' entry is no video"));
        }
        video.check_size()?;
        video.check_network(network)?;
        Ok(Some(video))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::encoding::Encoding;

    fn frame(width: usize, values: &[u16]) -> Picture {
        Picture::new(width, values.len() / width, 1, 255, values.to_vec()).expect("a frame")
    }

    #[test]
    fn samples_are_the_pixels_of_all_frames() {
        let frames = [frame(2, &[0, 51]), frame(2, &[102, 153]), frame(2, &[204, 255])];
        let video = Video::new(&frames, vec![10, 20, 30], Encoding::Identity).expect("a video");
        let samples = video.dataset(&frames).expect("samples");
        let (inputs, targets) = samples.rows(0..6);
        assert_eq!(targets, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        let third = 2.0 / 3.0;
        assert_eq!(inputs[..6], [-0.5, 0.0, -third, 0.5, 0.0, -third]);
        assert!((inputs[15] - 0.5).abs() < 1e-6 && (inputs[17] - third).abs() < 1e-6);
        let octaves = Encoding::Frequency { octaves: 2 };
        let video = Video::new(&frames, vec![10, 20, 30], octaves).expect("a video");
        let (inputs, _) = video.dataset(&frames).expect("samples").rows(0..1);
        assert_eq!(inputs, [0.25, 0.25, 1.0 / 6.0]);
    }

    #[test]
    fn frames_must_be_alike() {
        let error = |frames: &[Picture], delays| {
            let video = Video::new(frames, delays, Encoding::Identity);
            video.expect_err("refused").to_string()
        };
        assert!(error(&[], vec![]).contains("no frame"));
        assert!(error(&[frame(1, &[0])], vec![]).contains("0 delays for 1 frames"));
        let unlike = [frame(1, &[0]), frame(2, &[0, 0])];
        let text = error(&unlike, vec![1, 1]);
        assert!(text.contains("frame 2 has 2×1 pixels") && text.contains("alike"), "{text}");
        let video = Video::new(&unlike[..1], vec![1], Encoding::Identity).expect("a video");
        assert!(video.dataset(&unlike[1..]).is_err() && video.dataset(&unlike).is_err());
    }

    #[test]
    fn texts_of_another_network_are_refused() {
        let video = Video::new(&[frame(1, &[0])], vec![1], Encoding::Identity).expect("a video");
        let mut texts = video.to_metadata().expect("JSON");
        let network = |inputs: usize| {
            Network::builder(inputs).output(1, Activation::Identity).build().expect("a network")
        };
        assert!(Video::from_metadata(&network(2), &texts).is_err());
        assert_eq!(Video::from_metadata(&network(3), &HashMap::new()).expect("no video"), None);
        for (from, to) in [("[1]", "[]"), ("\"channels\":1", "\"channels\":9"), ("{", "")] {
            let text = &texts[KEY];
            let broken = HashMap::from([(KEY.to_string(), text.replacen(from, to, 1))]);
            assert_ne!(broken, texts);
            assert!(Video::from_metadata(&network(3), &broken).is_err(), "{to}");
        }
        texts.remove(KEY);
        assert_eq!(Video::from_metadata(&network(3), &texts).expect("no video"), None);
    }
}
