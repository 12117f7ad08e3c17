//! `Wrappers`: the wrappers of a run, and the constants of an update.

use crate::error::{Result, invalid_setting};
use crate::wrapper::Wrapper;
use crate::wrapper::accumulate::Accumulate;
use crate::wrapper::clip_norm::ClipNorm;
use crate::wrapper::clip_value::ClipValue;
use crate::wrapper::ema::Ema;
use crate::wrapper::lookahead::{Lookahead, towards};
use serde::{Deserialize, Serialize};

/// The wrappers of an optimizer; none by default.
///
/// ```
/// use impasto::{Ema, Trainer, Wrappers};
///
/// let wrappers = Wrappers { ema: Some(Ema { decay: 0.99, bias_correction: false }), ..Wrappers::default() };
/// let trainer = Trainer { wrappers, ..Trainer::default() };
/// assert_eq!(wrappers, Wrappers::new(["ema:decay=0.99".parse()?])?);
/// assert!(!wrappers.is_empty());
/// for wrapper in wrappers.iter() {
///     println!("{wrapper}");
/// }
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Wrappers {
    /// One update for several batches.
    pub accumulate: Option<Accumulate>,
    /// Clamps each number of the gradient to a limit.
    pub clip_value: Option<ClipValue>,
    /// Scales a gradient whose norm is above a limit.
    pub clip_norm: Option<ClipNorm>,
    /// Slow parameters, to which the others return.
    pub lookahead: Option<Lookahead>,
    /// A moving average of the parameters, in which the run results.
    pub ema: Option<Ema>,
}

impl Wrappers {
    /// These wrappers. Their order does not matter, since they are always applied in the order of the
    /// [module](crate::wrapper).
    ///
    /// # Errors
    /// A wrapper that is there twice, or a parameter out of its range.
    pub fn new(all: impl IntoIterator<Item = Wrapper>) -> Result<Self> {
        let mut wrappers = Self::default();
        for wrapper in all {
            wrapper.check()?;
            let twice = match wrapper {
                Wrapper::Accumulate { batches } => {
                    wrappers.accumulate.replace(Accumulate { batches }).is_some()
                }
                Wrapper::ClipValue { limit } => {
                    wrappers.clip_value.replace(ClipValue { limit }).is_some()
                }
                Wrapper::ClipNorm { limit } => {
                    wrappers.clip_norm.replace(ClipNorm { limit }).is_some()
                }
                Wrapper::Lookahead { alpha, every } => {
                    wrappers.lookahead.replace(Lookahead { alpha, every }).is_some()
                }
                Wrapper::Ema { decay, bias_correction } => {
                    wrappers.ema.replace(Ema { decay, bias_correction }).is_some()
                }
            };
            if twice {
                return invalid_setting(format!("{} is there twice", wrapper.name()));
            }
        }
        Ok(wrappers)
    }

    /// The wrappers that are set, in the order in which they are applied.
    pub fn iter(&self) -> impl Iterator<Item = Wrapper> + use<> {
        let Self { accumulate, clip_value, clip_norm, lookahead, ema } = *self;
        [
            accumulate.map(Wrapper::from),
            clip_value.map(Wrapper::from),
            clip_norm.map(Wrapper::from),
            lookahead.map(Wrapper::from),
            ema.map(Wrapper::from),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether the parameters make sense.
    pub(crate) fn check(&self) -> Result<()> {
        self.iter().try_for_each(Wrapper::check)
    }

    /// Where the vectors of numbers for each parameter are among them, behind those of the optimizer.
    pub(crate) fn vectors(&self) -> Vectors {
        let mut count = 0;
        let mut place = |is_there: bool| {
            is_there.then(|| {
                count += 1;
                count - 1
            })
        };
        let (slow, average) = (place(self.lookahead.is_some()), place(self.ema.is_some()));
        let gathered = place(self.accumulate.is_some());
        Vectors { slow, average, gathered, count }
    }

    /// Updates of the parameters by so many batches.
    pub(crate) fn updates(&self, batches: u64) -> u64 {
        batches / self.batches()
    }

    /// Batches of an update.
    fn batches(&self) -> u64 {
        self.accumulate.map_or(1, |accumulate| accumulate.batches.max(1))
    }

    /// The numbers of a batch of the run, counted from 1.
    pub(crate) fn at(&self, batch: u64) -> Numbers {
        let each = self.batches();
        let t = batch.div_ceil(each);
        Numbers {
            t,
            gather: Gather {
                kept: if (batch - 1).is_multiple_of(each) { 0.0 } else { 1.0 },
                part: 1.0 / each as f64,
                updates: batch.is_multiple_of(each),
            },
            clip_value: self.clip_value.map_or(f64::INFINITY, |clip| clip.limit),
            clip_norm: self.clip_norm.map_or(f64::INFINITY, |clip| clip.limit),
            alpha: self.lookahead.map_or(0.0, |lookahead| lookahead.alpha_at(t)),
            share: self.share(t - 1),
        }
    }

    /// The share of the parameters after update `t` in their average; 0 before the first.
    fn share(&self, t: u64) -> f64 {
        self.ema.filter(|_| t > 0).map_or(0.0, |ema| ema.share(t))
    }

    /// The parameters learned after so many batches: `parameters`, or their moving average if there is one.
    /// `average` is the stored vector, which lacks the latest parameters. If the last update was `undone`, it
    /// already contains them, since an update adds the parameters before it.
    pub(crate) fn learned(
        &self,
        batches: u64,
        undone: bool,
        parameters: Vec<f64>,
        average: Option<Vec<f64>>,
    ) -> Vec<f64> {
        let updates = self.updates(batches);
        let Some(mut average) = average.filter(|_| updates > 0) else { return parameters };
        if !undone {
            let share = self.share(updates);
            for (average, w) in average.iter_mut().zip(parameters) {
                *average = towards(*average, w, share);
            }
        }
        average
    }
}

/// The most vectors of all wrappers.
pub(crate) const MOST_VECTORS: usize = 3;

/// Where the wrappers' vectors are, counted from the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Vectors {
    /// The slow parameters of [`Lookahead`], which start as the first ones.
    pub(crate) slow: Option<usize>,
    /// The average of [`Ema`], without the parameters after the last update: these are in it
    /// before the next. An update that is undone has not changed it then.
    pub(crate) average: Option<usize>,
    /// What [`Accumulate`] has of the gradients for the next update.
    pub(crate) gathered: Option<usize>,
    /// How many there are.
    pub(crate) count: usize,
}

/// How a batch's gradient is accumulated: `gathered ← kept·gathered + part·gradient`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gather {
    /// 0 for the first batch of an update, 1 for the others.
    pub(crate) kept: f64,
    /// The share of the batch in the gradient of the update.
    pub(crate) part: f64,
    /// Whether the update comes after it.
    pub(crate) updates: bool,
}

/// The numbers of one batch that surround those of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Numbers {
    /// The number of the update that the batch is for, counted from 1.
    pub(crate) t: u64,
    /// How the gradients of several batches become one.
    pub(crate) gather: Gather,
    /// The largest number of a gradient; infinity where none is clipped.
    pub(crate) clip_value: f64,
    /// The largest norm of the gradient; infinity where it is not clipped.
    pub(crate) clip_norm: f64,
    /// What the slow parameters take on of the others after this update; 0 for nothing.
    pub(crate) alpha: f64,
    /// The share of the parameters before this update in the average of all before it.
    pub(crate) share: f64,
}
