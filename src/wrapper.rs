//! What surrounds an optimizer, one file each: what happens to a gradient before the update, and to
//! the parameters after it.
//!
//! Each wrapper can be used once, around any optimizer. They are applied in this order:
//! [`Accumulate`](accumulate::Accumulate), [`ClipValue`](clip_value::ClipValue),
//! [`ClipNorm`](clip_norm::ClipNorm), the L2 penalty, the optimizer,
//! [`Lookahead`](lookahead::Lookahead), [`Ema`](ema::Ema).

use crate::error::{Result, invalid};
use crate::family::{self, About, family};
use serde::{Deserialize, Serialize};

family! {
    /// What surrounds an optimizer.
    Wrapper, "wrapper" {
        clip_value: ClipValue as "clip-value" { limit: f64 };
        clip_norm: ClipNorm as "clip-norm" { limit: f64 };
        lookahead: Lookahead as "lookahead" { alpha: f64, every: u64 };
        ema: Ema as "ema" { decay: f64, bias_correction: bool };
    }
}

/// The description of a wrapper.
pub trait Formula: Copy + Into<Wrapper> {
    /// With its default parameters.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;

    /// Its place among the wrappers of a run.
    fn place(wrappers: &mut Wrappers) -> &mut Option<Self>;
}

/// A function of any wrapper.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

impl Wrapper {
    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        family::check(self.name(), &self.about(), &self)
    }
}

/// All that surrounds an optimizer; nothing by default.
///
/// ```
/// use impasto::{Ema, Trainer, Wrappers};
///
/// let wrappers = Wrappers { ema: Some(Ema { decay: 0.99, bias_correction: false }), ..Wrappers::default() };
/// let trainer = Trainer { wrappers, ..Trainer::default() };
/// assert_eq!(wrappers, Wrappers::new(["ema:decay=0.99".parse()?])?);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Wrappers {
    /// Clamps each number of the gradient.
    pub clip_value: Option<clip_value::ClipValue>,
    /// Scales a gradient that is too long.
    pub clip_norm: Option<clip_norm::ClipNorm>,
    /// Slow parameters, to which the others return.
    pub lookahead: Option<lookahead::Lookahead>,
    /// A moving average of the parameters, which is what the run results in.
    pub ema: Option<ema::Ema>,
}

impl Wrappers {
    /// These wrappers, whose order does not matter.
    ///
    /// # Errors
    /// One that is there twice, or a parameter out of its range.
    pub fn new(all: impl IntoIterator<Item = Wrapper>) -> Result<Self> {
        struct Into<'a>(&'a mut Wrappers);
        impl Visitor for Into<'_> {
            type Output = bool;
            fn visit<F: Formula>(self, formula: F) -> bool {
                F::place(self.0).replace(formula).is_none()
            }
        }
        let mut wrappers = Self::default();
        for wrapper in all {
            wrapper.check()?;
            if !wrapper.visit(Into(&mut wrappers)) {
                return invalid(format!("{} is there twice", wrapper.name()));
            }
        }
        Ok(wrappers)
    }

    /// Those that are there, in the order in which they are applied.
    pub fn iter(&self) -> impl Iterator<Item = Wrapper> + use<> {
        let Self { clip_value, clip_norm, lookahead, ema } = *self;
        [
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
        Vectors { slow, average, count }
    }

    /// The numbers of update `t`, counted from 1.
    pub(crate) fn at(&self, t: u64) -> Numbers {
        Numbers {
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

    /// What a run has resulted in after so many updates: its parameters, or their average, if there is
    /// one. `average` is the vector of that name; an update that was `undone` had taken the parameters
    /// before it into it.
    pub(crate) fn learned(
        &self,
        updates: u64,
        undone: bool,
        parameters: Vec<f64>,
        average: Option<Vec<f64>>,
    ) -> Vec<f64> {
        let Some(mut average) = average.filter(|_| updates > 0) else { return parameters };
        if !undone {
            let share = self.share(updates);
            for (average, w) in average.iter_mut().zip(parameters) {
                *average = lookahead::towards(*average, w, share);
            }
        }
        average
    }
}

/// The most vectors of all wrappers.
pub(crate) const MOST_VECTORS: usize = 2;

/// Where the wrappers' vectors are, counted from the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Vectors {
    /// The slow parameters of [`Lookahead`](lookahead::Lookahead), which start as the first ones.
    pub(crate) slow: Option<usize>,
    /// The average of [`Ema`](ema::Ema), without the parameters after the last update: these are in it
    /// before the next. An update that is undone has not changed it then.
    pub(crate) average: Option<usize>,
    /// How many there are.
    pub(crate) count: usize,
}

/// The numbers of one update that surround those of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Numbers {
    /// The largest number of a gradient; infinity where none is clipped.
    pub(crate) clip_value: f64,
    /// The largest norm of the gradient; infinity where it is not clipped.
    pub(crate) clip_norm: f64,
    /// What the slow parameters take on of the others after this update; 0 for nothing.
    pub(crate) alpha: f64,
    /// The share of the parameters before this update in the average of all before it.
    pub(crate) share: f64,
}
