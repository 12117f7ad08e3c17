//! The kernels that update the parameters, and their calls.

use super::arguments;
use super::device::Gpu;
use super::kernels::{KernelKey, LOSS_SCALE};
use super::recorder::{Grid, Recorder, Work};
use crate::engine::Plan;
use crate::error::Result;
use crate::optimizer::Optimizer;
use crate::template::{self, Values};
use crate::wrappers::Wrappers;
use std::ops::Range;

/// The most parameters that an invocation of an optimizer's kernel updates.
const MOST_UPDATED: usize = 4;

/// Invocations that a large GPU runs at once: with fewer, some of it would be idle.
const FILLING: usize = 1 << 18;

/// How many of `count` parameters an invocation updates: on a GPU few, so that there are invocations for
/// all of it.
pub(super) fn updated(software: bool, count: usize) -> usize {
    if software { MOST_UPDATED } else { count.div_ceil(FILLING).clamp(1, MOST_UPDATED) }
}

/// The most parameters of a piece, whose norm a workgroup computes.
const PIECE: usize = 1 << 16;

/// What the kernels are written for.
#[derive(Clone, Copy)]
pub(super) struct Update<'a> {
    pub(super) optimizer: Optimizer,
    pub(super) wrappers: Wrappers,
    /// The places of parameters that stay as they are.
    pub(super) frozen: &'a [Range<usize>],
    /// The place from which on parameters are scattered, if any are.
    pub(super) scattered: Option<usize>,
    pub(super) f16: F16<'a>,
}

/// Whether the gradient comes from a step that stores f16, which is skipped if a number leaves f16.
#[derive(Clone, Copy)]
pub(super) enum F16<'a> {
    None,
    /// Values and deltas, in the layout of the fused kernels.
    Storage,
    /// In mixed precision, with the WGSL that finds the gradient of a parameter and its f16 copies.
    Mixed(&'a str),
}

impl<'a> F16<'a> {
    /// The WGSL of mixed precision.
    pub(super) fn places(self) -> Option<&'a str> {
        match self {
            Self::Mixed(places) => Some(places),
            Self::None | Self::Storage => None,
        }
    }
}

/// Which norms the kernel `gradient_norms` computes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Norms {
    /// Of the gradient before it is clipped by its norm.
    Whole,
    /// Of the gradient that the optimizer is given.
    Given,
}

impl Update<'_> {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { wrappers: plan.wrappers, ..Self::plain(plan.optimizer) }
    }

    /// An optimizer that nothing surrounds.
    pub(super) fn plain(optimizer: Optimizer) -> Self {
        let wrappers = Wrappers::default();
        Self { optimizer, wrappers, frozen: &[], scattered: None, f16: F16::None }
    }

    /// Numbers of state for each parameter.
    pub(super) fn states(self) -> usize {
        self.optimizer.states() + self.wrappers.vectors().count
    }

    /// The norms that it needs, in their order.
    pub(super) fn norms(self) -> impl Iterator<Item = Norms> {
        let clips = self.wrappers.clip_norm.map(|_| Norms::Whole);
        clips.into_iter().chain(self.optimizer.square().map(|_| Norms::Given))
    }

    /// The templates, each with its name, filled in and put one behind the other.
    fn fill(self, texts: &[(&str, &str)], slices: usize, norms: Option<Norms>) -> Result<String> {
        let Self { optimizer, wrappers, frozen, scattered, f16 } = self;
        let mixed = f16.places().is_some();
        let square = optimizer.square().is_some();
        let values = Values {
            conditions: vec![
                ("surrounded", square || !wrappers.is_empty()),
                ("gathers", wrappers.accumulate.is_some()),
                ("clips_value", wrappers.clip_value.is_some()),
                ("clips_norm", wrappers.clip_norm.is_some()),
                ("norms", square || wrappers.clip_norm.is_some()),
                ("square", square),
                ("follows", wrappers.lookahead.is_some()),
                ("averages", wrappers.ema.is_some()),
                ("frozen", !frozen.is_empty()),
                ("scattered", scattered.is_some()),
                ("sliced", slices > 1 || mixed),
                ("mixed", mixed),
                ("skips", !matches!(f16, F16::None)),
                ("given", norms == Some(Norms::Given)),
            ],
            ..Values::default()
        };
        let filled = texts.iter().map(|(name, text)| template::fill(name, text, &values));
        Ok(filled.collect::<Result<Vec<String>>>()?.join("\n"))
    }

    /// A constant with the place of a vector of the wrappers among the states; nothing without the vector.
    fn place(self, name: &str, place: Option<usize>) -> String {
        let first = self.optimizer.states();
        place.map_or(String::new(), |place| format!("const {name}: u32 = {}u;\n", first + place))
    }

    /// The function that returns whether a parameter is frozen; empty where none is.
    fn is_frozen(self) -> String {
        let within =
            |range: &Range<usize>| format!("({}u <= i && i < {}u)", range.start, range.end);
        let ranges: Vec<String> = self.frozen.iter().map(within).collect();
        if ranges.is_empty() {
            return String::new();
        }
        format!("fn is_frozen(i: u32) -> bool {{ return {}; }}\n", ranges.join(" || "))
    }

    /// A constant with the place of the first scattered parameter; nothing without any.
    fn first_scattered(self) -> String {
        self.scattered.map_or(String::new(), |first| format!("const SCATTERED: u32 = {first}u;\n"))
    }

    /// The kernel that updates the parameters by a gradient in so many slices.
    pub(super) fn key(self, slices: usize) -> Result<KernelKey> {
        let Self { optimizer, wrappers, .. } = self;
        let vectors = wrappers.vectors();
        let surrounded = optimizer.square().is_some() || !wrappers.is_empty();
        let f16 = match self.f16 {
            F16::None => "",
            F16::Storage => LOSS_SCALE,
            F16::Mixed(places) => places,
        };
        let formula = [
            optimizer.wgsl(),
            self.place("SLOW", vectors.slow),
            self.place("AVERAGE", vectors.average),
            self.place("GATHERED", vectors.gathered),
            self.is_frozen(),
            self.first_scattered(),
        ];
        let text = self.fill(
            &[
                ("f16", f16),
                (optimizer.name(), &formula.concat()),
                ("shared/slices", SLICES),
                ("shared/gradient", if surrounded { GRADIENT } else { "" }),
                ("update", KernelKey::file("update")),
            ],
            slices,
            None,
        )?;
        Ok(KernelKey::filled("update", optimizer.name(), text))
    }

    /// The kernel that computes norms of a gradient in so many slices.
    pub(super) fn norms_key(self, norms: Norms, slices: usize) -> Result<KernelKey> {
        let file = "gradient_norms";
        let gathered = self.place("GATHERED", self.wrappers.vectors().gathered);
        let gathered = gathered + &self.first_scattered();
        let texts = [
            ("wrappers", gathered.as_str()),
            ("shared/slices", SLICES),
            ("shared/gradient", GRADIENT),
            (file, KernelKey::file(file)),
        ];
        let name = if norms == Norms::Whole { "whole" } else { "given" };
        Ok(KernelKey::filled(file, name, self.fill(&texts, slices, Some(norms))?))
    }
}

/// The sum over the slices of a gradient.
const SLICES: &str = include_str!("../../../shaders/shared/slices.wgsl");

/// The gradient of a parameter, and what is computed from norms.
const GRADIENT: &str = include_str!("../../../shaders/shared/gradient.wgsl");

/// The pieces of these segments, which follow each other, but for those that are frozen; `Piece` in
/// `shaders/shared/gradient.wgsl`.
pub(super) fn pieces(segments: &[Range<usize>], frozen: &[Range<usize>]) -> Vec<[u32; 5]> {
    let of_segment = |(number, segment): (usize, &Range<usize>)| {
        let end = segment.end;
        let piece =
            move |first: usize| [first as u32, end.min(first + PIECE) as u32, number as u32, 0, 0];
        segment.clone().step_by(PIECE).map(piece)
    };
    let changes = |(_, segment): &(usize, &Range<usize>)| {
        !frozen.iter().any(|frozen| frozen.start <= segment.start && segment.end <= frozen.end)
    };
    segments.iter().enumerate().filter(changes).flat_map(of_segment).collect()
}

/// Where the norms of the gradient go, if the update needs any.
pub(super) async fn upload_pieces(
    gpu: &Gpu,
    update: Update<'_>,
    segments: &[Range<usize>],
) -> Result<Option<(wgpu::Buffer, usize)>> {
    if update.norms().next().is_none() {
        return Ok(None);
    }
    let pieces = pieces(segments, update.frozen);
    let buffer = gpu.upload("norms of the gradient", &pieces.concat()).await?;
    Ok(Some((buffer, pieces.len())))
}

/// What an update reads and writes.
pub(super) struct Operands<'a> {
    /// `[slices, count]`.
    pub(super) gradient: &'a wgpu::Buffer,
    pub(super) slices: usize,
    pub(super) count: usize,
    pub(super) parameters: &'a wgpu::Buffer,
    /// `[states, count]`.
    pub(super) states: &'a wgpu::Buffer,
    pub(super) previous: &'a wgpu::Buffer,
    pub(super) status: &'a wgpu::Buffer,
    pub(super) norms: Option<&'a (wgpu::Buffer, usize)>,
    /// The f16 copies of the weights, in mixed precision.
    pub(super) copies: Option<&'a wgpu::Buffer>,
}

/// The kernels of an update, with their work.
pub(super) struct Calls {
    /// Those of the norms, which come first.
    pub(super) norms: Vec<(KernelKey, Work)>,
    /// The optimizer's.
    pub(super) update: (KernelKey, Work),
}

/// The kernels of an update of `count` parameters, some an invocation, by a gradient in so many slices,
/// with norms in so many pieces.
pub(super) fn calls(
    update: Update<'_>,
    [count, updated]: [usize; 2],
    slices: usize,
    pieces: usize,
) -> Result<Calls> {
    let numbers = (slices + 1) * count;
    let grid = Grid::Workgroups([pieces, 1, 1]);
    let norms = Work::new(grid, (numbers + 2 * count) as f64, numbers as f64);
    let norms = update.norms().map(|of| Ok((update.norms_key(of, slices)?, norms)));
    // About ten operations, parameters, their copy and the state, read and written.
    let (operations, numbers) = ((slices + 10) * count, (slices + 7) * count);
    let grid = Grid::Elements(count.div_ceil(updated));
    let work = Work::new(grid, operations as f64, numbers as f64);
    Ok(Calls { norms: norms.collect::<Result<_>>()?, update: (update.key(slices)?, work) })
}

/// Records an update, and before it the norms that it needs.
pub(super) async fn record(
    recorder: &mut Recorder<'_>,
    update: Update<'_>,
    operands: &Operands<'_>,
) -> Result<()> {
    let Operands { gradient, slices, count, parameters, states, previous, status, norms, copies } =
        *operands;
    let pieces = norms.map_or(0, |(_, pieces)| *pieces);
    let arguments =
        arguments::Update { count: count as u32, slices: slices as u32, pieces: pieces as u32 };
    let mut buffers = vec![gradient, parameters, states, previous, status];
    let updated = updated(recorder.is_for_software(), count);
    let calls = calls(update, [count, updated], slices, pieces)?;
    if let Some((norms, _)) = norms {
        for (key, work) in calls.norms {
            let mut operands = vec![gradient, parameters, norms];
            operands.extend(update.wrappers.accumulate.map(|_| states));
            recorder.call(key, &arguments, &operands, work).await?;
        }
        buffers.push(norms);
    }
    buffers.extend(copies);
    let (key, work) = calls.update;
    recorder.call(key, &arguments, &buffers, work).await
}
