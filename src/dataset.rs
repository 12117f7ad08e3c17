//! `Dataset`: samples in host memory, as rows of numbers or as pixels.

#[cfg(feature = "ndarray")]
mod arrays;
mod forms;
mod levels;
mod places;
mod scale;
mod split;
mod weights;

use crate::error::{Error, Result, invalid_data, invalid_shape};
use crate::memory::{self, FEWER, SMALLER};
use crate::permutation::Permutation;
pub(crate) use levels::Levels;
#[cfg(feature = "gpu")]
pub(crate) use levels::Packing;
pub(crate) use places::{Grid, Places};
use std::fmt;
use std::sync::Arc;

/// The most samples: their numbers stay within 32 bits on every device.
const MOST_SAMPLES: usize = u32::MAX as usize;

/// Inputs and targets, sample by sample.
///
/// Samples are rows of numbers ([`from_rows`](Self::from_rows), [`new`](Self::new),
/// [`from_labels`](Self::from_labels)), or the pixels of a picture, which take a byte for each channel
/// ([`from_pixels`](Self::from_pixels)). A clone or a [`split`](Self::split) shares the samples.
///
/// ```
/// use impasto::Dataset;
///
/// // 10 samples of 2 inputs and 1 target.
/// let inputs: Vec<f32> = (0..20).map(|i| i as f32 / 20.0).collect();
/// let targets: Vec<f32> = inputs.chunks(2).map(|pair| pair[0] * pair[1]).collect();
/// let dataset = Dataset::new(inputs, targets, 2, 1)?;
/// let (training, validation) = dataset.split(0.2, 1)?;
/// assert_eq!((training.len(), validation.len()), (8, 2));
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    samples: Arc<Samples>,
    /// The weight of each of them, if they have weights.
    weights: Option<Arc<Vec<f32>>>,
    /// Which of them, if not all.
    part: Part,
}

/// The samples themselves.
#[derive(Debug, PartialEq)]
pub(crate) enum Samples {
    /// Rows of numbers.
    Table(Table),
    /// The pixels of a picture.
    Pixels(Pixels),
}

impl Samples {
    /// How many there are.
    fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.inputs().len() / table.input_width,
            Self::Pixels(pixels) => pixels.len(),
        }
    }

    /// Writes the targets of the sample at `position` to the beginning of `targets`.
    #[inline]
    fn read_targets(&self, position: usize, targets: &mut [f32]) {
        match self {
            Self::Table(table) => {
                let width = table.target_width;
                targets[..width].copy_from_slice(&table.targets()[position * width..][..width]);
            }
            Self::Pixels(pixels) => pixels.levels.read(position, pixels.channels, targets),
        }
    }
}

/// Numbers that a [`Dataset`] can keep without a copy.
///
/// Such numbers are a `Vec<f32>`, an `Arc<[f32]>`, a `&'static [f32]`, or a type of the caller's, such as one
/// around a file in memory. See [`Dataset::from_storage`].
pub trait Storage: AsRef<[f32]> + Send + Sync + 'static {}
impl<T: AsRef<[f32]> + Send + Sync + 'static> Storage for T {}

/// Samples in rows.
pub(crate) struct Table {
    /// `[samples, input_width]`.
    inputs: Box<dyn Storage>,
    /// `[samples, target_width]`.
    targets: Box<dyn Storage>,
    pub(crate) input_width: usize,
    pub(crate) target_width: usize,
}

impl Table {
    /// `[samples, input_width]`.
    #[inline]
    pub(crate) fn inputs(&self) -> &[f32] {
        self.inputs.as_ref().as_ref()
    }

    /// `[samples, target_width]`.
    #[inline]
    pub(crate) fn targets(&self) -> &[f32] {
        self.targets.as_ref().as_ref()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("inputs", &self.inputs())
            .field("targets", &self.targets())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        (self.input_width, self.target_width) == (other.input_width, other.target_width)
            && self.inputs() == other.inputs()
            && self.targets() == other.targets()
    }
}

/// Samples whose inputs are the places of a picture's pixels and whose targets are up to four numbers
/// of 8 or 16 bits, 0 for 0 and the largest for 1.
#[derive(Debug, PartialEq)]
pub(crate) struct Pixels {
    pub(crate) grid: Grid,
    /// Numbers in a pixel, 1 to 4.
    pub(crate) channels: usize,
    /// Row by row, `[pixels, channels]`. A picture may share them.
    levels: Arc<Levels>,
}

impl Pixels {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.levels.len() / self.channels
    }
}

/// As a device stores them.
#[cfg(feature = "gpu")]
impl Pixels {
    pub(crate) fn packing(&self) -> Packing {
        self.levels.packing(self.channels)
    }

    /// The words of some pixels, `[range, pitch]`.
    pub(crate) fn words(&self, range: std::ops::Range<usize>) -> Vec<u32> {
        self.levels.words(self.channels, range)
    }
}

/// A part of some samples: those at `first..first + len` in an order of all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) order: Permutation,
    pub(crate) first: usize,
    len: usize,
}

impl Dataset {
    /// From flat rows: `inputs` is `[samples, input_width]`, `targets` is
    /// `[samples, target_width]`.
    ///
    /// # Errors
    /// A width of 0, lengths that are no whole samples, inputs and targets of different numbers of samples,
    /// no sample, more than 2³² − 1 samples, or a number that is not finite.
    pub fn new(
        inputs: Vec<f32>,
        targets: Vec<f32>,
        input_width: usize,
        target_width: usize,
    ) -> Result<Self> {
        Self::from_storage(inputs, targets, input_width, target_width)
    }

    /// Like [`new`](Self::new), for numbers that other parts of the program use, too. They are not copied.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let shared: Arc<[f32]> = Arc::from([0.0, 0.5, 1.0]);
    /// let squares = vec![0.0, 0.25, 1.0];
    /// let dataset = impasto::Dataset::from_storage(Arc::clone(&shared), squares, 1, 1)?;
    /// assert_eq!(dataset.rows(1..2), (vec![0.5], vec![0.25]));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_storage(
        inputs: impl Storage,
        targets: impl Storage,
        input_width: usize,
        target_width: usize,
    ) -> Result<Self> {
        let (inputs, targets) = (Box::new(inputs), Box::new(targets));
        Self::from_table(Table { inputs, targets, input_width, target_width })
    }

    fn from_table(table: Table) -> Result<Self> {
        let (inputs, targets) = (table.inputs(), table.targets());
        let Table { input_width, target_width, .. } = table;
        if input_width == 0 || target_width == 0 {
            return invalid_shape("a sample needs at least 1 input and 1 target");
        }
        let samples = inputs.len() / input_width;
        if !inputs.len().is_multiple_of(input_width)
            || !targets.len().is_multiple_of(target_width)
            || samples != targets.len() / target_width
        {
            return invalid_shape(format!(
                "{} input numbers in rows of {input_width} and {} target numbers in rows of \
                 {target_width} are not the same number of whole samples",
                inputs.len(),
                targets.len()
            ));
        }
        if samples == 0 {
            return invalid_data("there is no sample to learn from");
        }
        #[allow(clippy::absurd_extreme_comparisons, reason = "32 bits on WebAssembly")]
        if samples > MOST_SAMPLES {
            return Err(Error::TooLarge {
                what: format!("a dataset of {samples} samples"),
                needed: inputs.len() as u64 * 4,
                limit: MOST_SAMPLES as u64 * input_width as u64 * 4,
                advice: "train on a part of it".into(),
            });
        }
        for (name, values, width) in
            [("input", inputs, input_width), ("target", targets, target_width)]
        {
            if let Some(position) = values.iter().position(|v| !v.is_finite()) {
                return invalid_data(format!(
                    "{name} {} of sample {} is {}",
                    position % width,
                    position / width,
                    values[position]
                ));
            }
        }
        Ok(Self::whole(Samples::Table(table), samples))
    }

    /// One sample for each pixel, row by row. Its inputs are the center of the pixel, x to the right and y
    /// down, with one scale for both axes. The longer axis spans [0, 1], or [-1, 1] if `centered`. The shorter
    /// one begins at 0 too, or has its middle there. Its targets are 1 to 4 numbers in [0, 1], which
    /// `targets` contains as bytes, 0 for 0 and 255 for 1, `[height, width, target_width]`. The dataset takes
    /// `target_width` bytes a pixel.
    ///
    /// ```
    /// // Two gray pixels beside each other: black and white.
    /// let dataset = impasto::Dataset::from_pixels(2, 1, [0, 255], 1, false)?;
    /// assert_eq!(dataset.rows(0..2), (vec![0.25, 0.25, 0.75, 0.25], vec![0.0, 1.0]));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Errors
    /// No pixel, more than 2³² − 1 pixels, other than 1 to 4 targets a pixel, another number of bytes, or too little memory.
    pub fn from_pixels(
        width: usize,
        height: usize,
        targets: impl IntoIterator<Item = u8>,
        target_width: usize,
        centered: bool,
    ) -> Result<Self> {
        Self::from_pixels_at(Places::square(width, height, centered), targets, target_width)
    }

    /// [`from_pixels`](Self::from_pixels) with pixels at these places.
    pub(crate) fn from_pixels_at(
        places: Places,
        targets: impl IntoIterator<Item = u8>,
        target_width: usize,
    ) -> Result<Self> {
        let pixels = check_pixels(&places, target_width)?;
        let numbers = pixels.saturating_mul(target_width);
        let mut targets = targets.into_iter();
        let what = format_args!("{pixels} pixels");
        let mut bytes: Vec<u8> = memory::room(numbers, what, SMALLER)?;
        bytes.extend(targets.by_ref().take(numbers));
        if bytes.len() < numbers || targets.next().is_some() {
            let amount = if bytes.len() < numbers { "fewer" } else { "more" };
            let Places { width, height, .. } = places;
            return invalid_shape(format!("{amount} targets than {width}×{height} pixels have"));
        }
        Self::from_levels(places, Arc::new(Levels::Bytes(bytes)), target_width)
    }

    /// A sample for each pixel of `[height, width, channels]`, at these places. The levels are shared.
    pub(crate) fn from_levels(
        places: Places,
        levels: Arc<Levels>,
        channels: usize,
    ) -> Result<Self> {
        let pixels = check_pixels(&places, channels)?;
        if levels.len() != pixels.saturating_mul(channels) {
            return invalid_shape(format!("{} levels for {pixels} pixels", levels.len()));
        }
        let grid = places.grid();
        Ok(Self::whole(Samples::Pixels(Pixels { grid, channels, levels }), pixels))
    }

    fn whole(samples: Samples, len: usize) -> Self {
        let part = Part { order: Permutation::identity(len), first: 0, len };
        Self { samples: Arc::new(samples), weights: None, part }
    }

    /// Number of samples, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "a dataset is never empty")]
    pub fn len(&self) -> usize {
        self.part.len
    }

    /// Numbers in a sample's input.
    pub fn input_width(&self) -> usize {
        match &*self.samples {
            Samples::Table(table) => table.input_width,
            Samples::Pixels(_) => 2,
        }
    }

    /// Numbers in a sample's target.
    pub fn target_width(&self) -> usize {
        match &*self.samples {
            Samples::Table(table) => table.target_width,
            Samples::Pixels(pixels) => pixels.channels,
        }
    }

    /// Writes the numbers of sample `index` to the beginning of `inputs` and `targets`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len), as indexing a slice does, or if `inputs` or
    /// `targets` is shorter than the sample.
    ///
    /// ```
    /// use impasto::Dataset;
    ///
    /// let dataset = Dataset::from_rows(&[[0.0, 1.0], [2.0, 3.0]], &[[4.0], [5.0]])?;
    /// let (mut inputs, mut targets) = ([0.0; 2], [0.0; 1]);
    /// dataset.read(1, &mut inputs, &mut targets);
    /// assert_eq!((inputs, targets), ([2.0, 3.0], [5.0]));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    #[inline]
    pub fn read(&self, index: usize, inputs: &mut [f32], targets: &mut [f32]) {
        let sample = self.position(index);
        match &*self.samples {
            Samples::Table(table) => {
                let width = table.input_width;
                inputs[..width].copy_from_slice(&table.inputs()[sample * width..][..width]);
            }
            Samples::Pixels(pixels) => inputs[..2].copy_from_slice(&pixels.grid.place(sample)),
        }
        self.samples.read_targets(sample, targets);
    }

    /// Writes the targets of sample `index`, as [`read`](Self::read) does.
    pub(crate) fn read_targets(&self, index: usize, targets: &mut [f32]) {
        self.samples.read_targets(self.position(index), targets);
    }

    /// The position of sample `index` among all samples, of which this dataset may be a part.
    #[inline]
    fn position(&self, index: usize) -> usize {
        // Beyond a part there may be samples, those of the other side of a split.
        assert!(index < self.len(), "sample {index} of a dataset of {}", self.len());
        self.part.order.index(self.part.first + index)
    }

    /// The samples of `range`: inputs, `[range, input_width]`, and targets, `[range, target_width]`.
    ///
    /// ```
    /// let dataset = impasto::Dataset::from_rows(&[[1.0, 2.0], [3.0, 4.0]], &[[0.0], [1.0]])?;
    /// assert_eq!(dataset.rows(1..2), (vec![3.0, 4.0], vec![1.0]));
    /// # Ok::<(), impasto::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `range` ends beyond [`len`](Self::len) or before it starts, as slicing does.
    pub fn rows(&self, range: std::ops::Range<usize>) -> (Vec<f32>, Vec<f32>) {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "samples {range:?} of a dataset of {}",
            self.len()
        );
        let mut inputs = vec![0.0; range.len() * self.input_width()];
        let mut targets = vec![0.0; range.len() * self.target_width()];
        self.read_rows(range, &mut inputs, &mut targets);
        (inputs, targets)
    }

    /// The same of all samples, or an error where there is too little memory.
    pub(crate) fn all_rows(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let (what, advice) = (format_args!("{} samples", self.len()), FEWER);
        let mut inputs = memory::zeros(self.len() * self.input_width(), what, advice)?;
        let mut targets = memory::zeros(self.len() * self.target_width(), what, advice)?;
        self.read_rows(0..self.len(), &mut inputs, &mut targets);
        Ok((inputs, targets))
    }

    fn read_rows(&self, range: std::ops::Range<usize>, inputs: &mut [f32], targets: &mut [f32]) {
        let inputs = inputs.chunks_exact_mut(self.input_width());
        let rows = inputs.zip(targets.chunks_exact_mut(self.target_width()));
        for (index, (inputs, targets)) in range.zip(rows) {
            self.read(index, inputs, targets);
        }
    }

    /// Whether both are parts of the same samples in memory, with the same weights.
    #[cfg(feature = "gpu")]
    pub(crate) fn shares_samples(&self, other: &Self) -> bool {
        let weights = match (&self.weights, &other.weights) {
            (None, None) => true,
            (Some(own), Some(others)) => Arc::ptr_eq(own, others),
            _ => false,
        };
        weights && Arc::ptr_eq(&self.samples, &other.samples)
    }

    /// All samples, of which this dataset may be a part.
    pub(crate) fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Which part of them it is.
    #[cfg(feature = "gpu")]
    pub(crate) fn part(&self) -> Part {
        self.part
    }
}

/// How many pixels there are at these places. An error for none or too many, or for other than 1 to 4
/// targets a pixel.
fn check_pixels(places: &Places, target_width: usize) -> Result<usize> {
    let (width, height) = (places.width, places.height);
    if !(1..=4).contains(&target_width) {
        return invalid_shape(format!("pixels of {target_width} targets: they have 1 to 4"));
    }
    let pixels = width.checked_mul(height).filter(|pixels| (1..=MOST_SAMPLES).contains(pixels));
    let Some(pixels) = pixels else {
        return invalid_shape(format!(
            "{width}×{height} pixels are no dataset: it has 1 to 2³² − 1"
        ));
    };
    Ok(pixels)
}

/// The numbers of `values`, rows of `width`, in f32. `name` is what one of them is called.
fn to_single(name: &str, values: &[f64], width: usize) -> Result<Vec<f32>> {
    let what = format_args!("{} numbers", values.len());
    let single = values.iter().map(|value| *value as f32);
    let single: Vec<f32> = memory::collect(single, what, FEWER)?;
    let outside = |(value, single): (&f64, &f32)| value.is_finite() && single.is_infinite();
    match values.iter().zip(&single).position(outside) {
        None => Ok(single),
        Some(position) => invalid_data(format!(
            "{name} {} of sample {} is {:?}, outside the range of f32, ±{:?}: scale the {name}s",
            position % width,
            position / width,
            values[position],
            f32::MAX
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 and 7 of ten samples.
    fn sides() -> (Dataset, Dataset) {
        let samples: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let dataset = Dataset::new(samples.clone(), samples, 1, 1).expect("ten samples");
        let (rest, held_out) = dataset.split(0.3, 5).expect("3 of 10");
        (held_out, rest)
    }

    #[test]
    #[should_panic(expected = "samples 2..4 of a dataset of 3")]
    fn a_range_beyond_a_part_panics() {
        sides().0.rows(2..4);
    }

    #[test]
    #[should_panic(expected = "samples 5..2 of a dataset of 7")]
    #[expect(clippy::reversed_empty_ranges, reason = "it must panic")]
    fn a_range_that_ends_before_it_starts_panics() {
        sides().1.rows(5..2);
    }

    #[test]
    #[should_panic(expected = "samples 0..4 of a dataset of 3")]
    fn weights_beyond_a_part_panic() {
        sides().0.weights(0..4);
    }

    #[test]
    #[should_panic(expected = "sample 7 of a dataset of 7")]
    fn a_sample_beyond_a_part_panics() {
        sides().1.read(7, &mut [0.0], &mut [0.0]);
    }

    #[test]
    fn a_split_keeps_every_sample_on_one_side() {
        let samples: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let dataset = Dataset::new(samples.clone(), samples, 1, 1).expect("ten samples");
        let (rest, held_out) = dataset.split(0.3, 5).expect("3 of 10");
        assert_eq!((rest.len(), held_out.len()), (7, 3));
        let ((inputs, targets), (others, _)) = (rest.rows(0..7), held_out.rows(0..3));
        assert_eq!(inputs, targets);
        let mut all = [inputs.clone(), others].concat();
        all.sort_by(f32::total_cmp);
        assert!(all.iter().copied().eq((0..10).map(|i| i as f32)));
        // A part of a part has samples of that part only.
        let (first, second) = rest.split(0.5, 6).expect("4 of 7");
        let mut parts = [first.rows(0..first.len()).0, second.rows(0..second.len()).0].concat();
        parts.sort_by(f32::total_cmp);
        let mut whole = inputs;
        whole.sort_by(f32::total_cmp);
        assert_eq!(parts, whole);
        assert!(dataset.split(0.01, 0).is_err() && dataset.split(f64::NAN, 0).is_err());
    }

    #[cfg(feature = "pictures")]
    #[test]
    fn pixels_are_places_and_channels() {
        let bytes = [0, 255, 51, 102, 1, 2, 3, 4, 5, 6, 7, 8];
        for centered in [true, false] {
            let dataset = Dataset::from_pixels(3, 2, bytes, 2, centered).expect("six pixels");
            assert_eq!((dataset.len(), dataset.input_width(), dataset.target_width()), (6, 2, 2));
            for pixel in 0..6 {
                let (place, channels) = dataset.rows(pixel..pixel + 1);
                let expected = crate::Picture::coordinates(pixel, 3, 2, centered);
                for (place, expected) in place.iter().zip(expected) {
                    assert!((f64::from(*place) - expected).abs() < 1e-6, "{place} {expected}");
                }
                assert_eq!(channels[0], f32::from(bytes[2 * pixel]) / 255.0);
                assert_eq!(channels[1], f32::from(bytes[2 * pixel + 1]) / 255.0);
            }
        }
        let refused = |count: usize, channels: usize| {
            let bytes = std::iter::repeat_n(0, count);
            Dataset::from_pixels(3, 2, bytes, channels, false).expect_err("unfit").to_string()
        };
        assert!(refused(11, 2).contains("fewer") && refused(13, 2).contains("more"));
        assert!(refused(0, 0).contains("1 to 4") && refused(30, 5).contains("1 to 4"));
        assert!(Dataset::from_pixels(0, 2, [], 1, true).is_err());
    }

    #[test]
    fn numbers_outside_of_f32_are_refused_as_they_were_given() {
        let message = |inputs: &[[f64; 2]], targets: &[[f64; 1]]| {
            Dataset::from_rows(inputs, targets).expect_err("unfit").to_string()
        };
        assert_eq!(
            message(&[[0.0, 0.0], [0.0, 1e300]], &[[0.0], [0.0]]),
            "input 1 of sample 1 is 1e300, outside the range of f32, ±3.4028235e38: scale the inputs"
        );
        assert_eq!(
            message(&[[0.0, 0.0]], &[[-1e39]]),
            "target 0 of sample 0 is -1e39, outside the range of f32, ±3.4028235e38: scale the targets"
        );
        assert_eq!(message(&[[0.0, f64::INFINITY]], &[[0.0]]), "input 1 of sample 0 is inf");
        assert!(Dataset::from_rows([[f64::from(f32::MAX), -3e38]], [[1e-300]]).is_ok());
    }

    #[test]
    fn unfit_samples_are_refused() {
        let message =
            |i: Vec<f32>, t: Vec<f32>| Dataset::new(i, t, 2, 1).expect_err("unfit").to_string();
        assert!(message(vec![], vec![]).contains("no sample"));
        assert!(message(vec![0.0; 4], vec![0.0; 3]).contains("whole samples"));
        assert!(message(vec![0.0; 3], vec![0.0]).contains("whole samples"));
        assert_eq!(
            message(vec![0.0, 0.0, 0.0, f32::NAN], vec![0.0; 2]),
            "input 1 of sample 1 is NaN"
        );
    }
}
