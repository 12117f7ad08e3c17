//! `InputEncoding`: an encoding of all inputs of a network, or several of some of them.

use crate::encoding::{Computation, Encoding};
use crate::error::{Error, Result, invalid_setting};
use crate::grid::Grid;
use crate::number::Number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The most numbers that encodings may compute of a sample.
const MOST_COLUMNS: usize = 1 << 16;

/// The seed of random waves by default.
const DEFAULT_SEED: u64 = 1;

/// The most encodings within each other.
const MOST_DEPTH: usize = 16;

/// What a network's inputs are turned into before its first layer: by one [`Encoding`] of all inputs, or by a
/// [`Composite`] of several.
///
/// ```
/// use impasto::input_encoding::{Composite, InputEncoding, Part, Reduction};
/// use impasto::{Activation, Encoding, Network};
///
/// // A picture's place by a grid, and the time by waves.
/// let place = Part { inputs: Some(0..2), encoding: "grid:levels=4".parse()? };
/// let time = Part { inputs: Some(2..3), encoding: Encoding::Frequency { octaves: 3 }.into() };
/// let encoding = Composite { reduction: Reduction::Concatenation, parts: vec![place, time] };
/// let network = Network::builder(3).encoding(encoding).hidden(&[16], Activation::Relu);
/// let network = network.output(3, Activation::Identity).build()?;
/// assert_eq!(network.widths(), [4 * 2 + 3 * 2, 16, 3]);
/// assert_eq!(network.encoding().plain(), None);
/// let InputEncoding::Composite { composite } = network.encoding() else { unreachable!() };
/// assert!(composite.parts[0].encoding.parameters(2) > 0);
///
/// // In text, `+` puts encodings of all inputs next to each other.
/// let encoding: InputEncoding = "identity+frequency:octaves=2".parse()?;
/// assert_eq!(encoding.outputs(2), 2 + 8);
/// # Ok::<(), impasto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InputEncoding {
    /// One of all inputs.
    Plain(Encoding),
    /// Several of some inputs.
    Composite {
        /// They and how their outputs are combined.
        composite: Composite,
    },
}

/// Several encodings, each of some inputs, whose outputs are combined. The encoding `Composite` of tiny-cuda-nn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Composite {
    /// How their outputs are combined.
    pub reduction: Reduction,
    /// At least one.
    pub parts: Vec<Part>,
}

/// A part of a [`Composite`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Which inputs, counted from 0 among those of the composite; all of them if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Range<usize>>,
    /// What they are turned into.
    pub encoding: InputEncoding,
}

impl Part {
    /// Which of so many inputs it takes.
    fn range(&self, inputs: usize) -> Range<usize> {
        self.inputs.clone().unwrap_or(0..inputs)
    }

    /// How many outputs it has where the composite has so many inputs.
    fn outputs(&self, inputs: usize) -> usize {
        self.encoding.outputs(self.range(inputs).len())
    }
}

/// How a [`Composite`] combines the outputs of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reduction {
    /// One after the other.
    Concatenation,
    /// Their sum. All have the same number of outputs.
    Sum,
    /// Their product. All have the same number of outputs.
    Product,
}

/// The encodings of a network, without the tree in which they are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaves {
    /// Each encoding, in the order of the tree.
    pub(crate) all: Vec<Leaf>,
    /// The numbers that all of them compute of a sample.
    pub(crate) columns: usize,
    /// How their columns are combined, where they are not the outputs one after the other.
    pub(crate) root: Option<Node>,
}

/// An encoding of some inputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) encoding: Encoding,
    /// Which inputs of the network.
    pub(crate) inputs: Range<usize>,
    /// Which columns it computes.
    pub(crate) columns: Range<usize>,
    /// Where its parameters are among those of the network; empty without any.
    pub(crate) table: Range<usize>,
}

/// A part of the tree by which columns become outputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// These columns.
    Columns(Range<usize>),
    /// The outputs of these, combined.
    Reduced(Reduction, Vec<Node>),
}

impl Node {
    /// How many outputs it has.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.len(),
            Self::Reduced(Reduction::Concatenation, parts) => parts.iter().map(Self::outputs).sum(),
            Self::Reduced(_, parts) => parts.first().map_or(0, Self::outputs),
        }
    }

    /// Combines the columns of all encodings of a sample to its [outputs](Self::outputs).
    pub(crate) fn combine<N: Number>(&self, columns: &[N], out: &mut [N]) {
        match self {
            Self::Columns(range) => out.copy_from_slice(&columns[range.clone()]),
            Self::Reduced(Reduction::Concatenation, parts) => {
                let mut rest = out;
                for part in parts {
                    let (own, behind) = rest.split_at_mut(part.outputs());
                    part.combine(columns, own);
                    rest = behind;
                }
            }
            Self::Reduced(reduction, parts) => {
                let Some((first, others)) = parts.split_first() else { return };
                first.combine(columns, out);
                let mut one = out.to_vec();
                for part in others {
                    part.combine(columns, &mut one);
                    for (out, one) in out.iter_mut().zip(&one) {
                        *out = if *reduction == Reduction::Sum { *out + *one } else { *out * *one };
                    }
                }
            }
        }
    }

    /// Adds the gradient with respect to the columns to `gradient`, from that with respect to what they are
    /// [combined](Self::combine) to.
    pub(crate) fn combine_gradient<N: Number>(
        &self,
        columns: &[N],
        delta: &[N],
        gradient: &mut [N],
    ) {
        match self {
            Self::Columns(range) => {
                for (gradient, delta) in gradient[range.clone()].iter_mut().zip(delta) {
                    *gradient = *gradient + *delta;
                }
            }
            Self::Reduced(Reduction::Concatenation, parts) => {
                let mut rest = delta;
                for part in parts {
                    let (own, behind) = rest.split_at(part.outputs());
                    part.combine_gradient(columns, own, gradient);
                    rest = behind;
                }
            }
            Self::Reduced(Reduction::Sum, parts) => {
                for part in parts {
                    part.combine_gradient(columns, delta, gradient);
                }
            }
            Self::Reduced(Reduction::Product, parts) => {
                let outputs = |part: &Self| {
                    let mut out = delta.to_vec();
                    part.combine(columns, &mut out);
                    out
                };
                let all: Vec<Vec<N>> = parts.iter().map(outputs).collect();
                for (number, part) in parts.iter().enumerate() {
                    let mut own = delta.to_vec();
                    let others = all.iter().enumerate().filter(|(other, _)| *other != number);
                    for (_, outputs) in others {
                        own.iter_mut().zip(outputs).for_each(|(own, other)| *own = *own * *other);
                    }
                    part.combine_gradient(columns, &own, gradient);
                }
            }
        }
    }
}

impl InputEncoding {
    /// Its encodings of so many inputs, which it [fits](Self::check).
    pub(crate) fn leaves(&self, inputs: usize) -> Leaves {
        let mut leaves = Leaves { all: Vec::new(), columns: 0, root: None };
        let mut next = 0;
        let root = self.collect(&(0..inputs), &mut leaves, &mut next);
        leaves.root = Some(root).filter(|root| !is_concatenation(root));
        leaves
    }

    fn collect(&self, inputs: &Range<usize>, leaves: &mut Leaves, next: &mut usize) -> Node {
        match self {
            Self::Plain(encoding) => {
                let columns = leaves.columns..leaves.columns + encoding.outputs(inputs.len());
                let table = *next..next.saturating_add(encoding.parameters(inputs.len()));
                (leaves.columns, *next) = (columns.end, table.end);
                let leaf = Leaf {
                    encoding: *encoding,
                    inputs: inputs.clone(),
                    columns: columns.clone(),
                    table,
                };
                leaves.all.push(leaf);
                Node::Columns(columns)
            }
            Self::Composite { composite: Composite { reduction, parts } } => {
                let nodes = parts.iter().map(|part| {
                    let own = part.range(inputs.len());
                    let own = inputs.start + own.start..inputs.start + own.end;
                    part.encoding.collect(&own, leaves, next)
                });
                Node::Reduced(*reduction, nodes.collect())
            }
        }
    }

    /// How many numbers the first layer is given for `inputs` inputs.
    pub fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Plain(encoding) => encoding.outputs(inputs),
            Self::Composite { composite: Composite { reduction, parts } } => {
                let mut outputs = parts.iter().map(|part| part.outputs(inputs));
                match reduction {
                    Reduction::Concatenation => outputs.fold(0, usize::saturating_add),
                    Reduction::Sum | Reduction::Product => outputs.next().unwrap_or(0),
                }
            }
        }
    }

    /// How many parameters it has for `inputs` inputs. See [`InputEncoding`] for an example.
    pub fn parameters(&self, inputs: usize) -> usize {
        match self {
            Self::Plain(encoding) => encoding.parameters(inputs),
            Self::Composite { composite } => {
                let parts = composite.parts.iter();
                let parameters =
                    parts.map(|part| part.encoding.parameters(part.range(inputs).len()));
                parameters.fold(0, usize::saturating_add)
            }
        }
    }

    /// The one encoding of all inputs; `None` for a composite. See [`InputEncoding`] for an example.
    pub fn plain(&self) -> Option<Encoding> {
        match self {
            Self::Plain(encoding) => Some(*encoding),
            Self::Composite { .. } => None,
        }
    }

    /// The same with random waves of this seed, except those whose seed is not the default.
    #[must_use]
    pub fn seeded(mut self, run: u64) -> Self {
        match &mut self {
            Self::Plain(Encoding::Fourier { seed, .. }) if *seed == DEFAULT_SEED => *seed = run,
            Self::Plain(_) => {}
            Self::Composite { composite } => {
                for part in &mut composite.parts {
                    part.encoding = part.encoding.clone().seeded(run);
                }
            }
        }
        self
    }

    /// Whether the first layer is given the inputs as they are.
    pub fn is_identity(&self) -> bool {
        self.plain() == Some(Encoding::Identity)
    }

    /// The matrix of frequencies of one set of waves over all inputs; see [`Encoding::frequencies`]. `None` for
    /// everything else. See [`Encoding`] for an example.
    pub fn frequencies(&self, inputs: usize) -> Option<Vec<f32>> {
        self.plain()?.frequencies(inputs)
    }

    /// Whether it is neither the inputs as they are nor one set of waves over all inputs.
    pub(crate) fn is_general(&self) -> bool {
        match self {
            Self::Plain(encoding) => {
                !matches!(encoding.computation(), Computation::Identity | Computation::Waves)
            }
            Self::Composite { .. } => true,
        }
    }

    /// Names, joined by `+`.
    pub fn name(&self) -> String {
        match self {
            Self::Plain(encoding) => encoding.name().into(),
            Self::Composite { composite } => {
                let names = composite.parts.iter().map(|part| part.encoding.name());
                names.collect::<Vec<_>>().join("+")
            }
        }
    }

    /// Whether it makes sense for so many inputs.
    pub(crate) fn check(&self, inputs: usize) -> Result<()> {
        self.check_within(inputs, 0)?;
        let columns = self.leaves(inputs).columns;
        if self.is_general() && columns > MOST_COLUMNS {
            return Err(Error::TooLarge {
                what: format!("an encoding with {columns} outputs"),
                needed: columns as u64 * 4,
                limit: MOST_COLUMNS as u64 * 4,
                advice: "take fewer levels, bins or octaves".into(),
            });
        }
        Ok(())
    }

    fn check_within(&self, inputs: usize, depth: usize) -> Result<()> {
        let Composite { reduction, parts } = match self {
            Self::Plain(encoding) => {
                encoding.check()?;
                return encoding.check_inputs(inputs);
            }
            Self::Composite { composite } => composite,
        };
        if parts.is_empty() {
            return invalid_setting("a composite encoding without parts: it needs at least 1");
        }
        if depth == MOST_DEPTH {
            return invalid_setting(format!(
                "more than {MOST_DEPTH} composite encodings in each other"
            ));
        }
        for (number, part) in parts.iter().enumerate() {
            let Range { start, end } = part.range(inputs);
            if start >= end || end > inputs {
                return invalid_setting(format!(
                    "part {number} of a composite encoding takes the inputs {start}..{end} of {inputs}"
                ));
            }
            part.encoding.check_within(end - start, depth + 1)?;
        }
        let outputs = |part: &Part| part.outputs(inputs);
        let first = outputs(&parts[0]);
        if let Some(other) = parts.iter().map(outputs).find(|other| *other != first)
            && *reduction != Reduction::Concatenation
        {
            return invalid_setting(format!(
                "a composite encoding combines {first} outputs with {other}: for a sum or product, all \
                 parts must have the same number"
            ));
        }
        Ok(())
    }
}

/// Whether it puts all columns one after the other.
fn is_concatenation(node: &Node) -> bool {
    match node {
        Node::Columns(_) => true,
        Node::Reduced(reduction, parts) => {
            (*reduction == Reduction::Concatenation || parts.len() == 1)
                && parts.iter().all(is_concatenation)
        }
    }
}

impl Leaf {
    /// Its grid, if it is one.
    pub(crate) fn grid(&self) -> Option<Grid> {
        match self.encoding.computation() {
            Computation::Grid(grid) => Some(grid),
            _ => None,
        }
    }
}

impl From<Encoding> for InputEncoding {
    fn from(encoding: Encoding) -> Self {
        Self::Plain(encoding)
    }
}

impl From<Composite> for InputEncoding {
    fn from(composite: Composite) -> Self {
        Self::Composite { composite }
    }
}

impl fmt::Display for InputEncoding {
    /// The form that [`from_str`](Self::from_str) reads: encodings of all inputs joined by `+`, or else JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = match self {
            Self::Plain(encoding) => Some(vec![*encoding]),
            Self::Composite { composite: Composite { reduction, parts } } => {
                let of_all = parts.len() > 1 && parts.iter().all(|part| part.inputs.is_none());
                let plain = parts.iter().map(|part| part.encoding.plain()).collect();
                Option::filter(plain, |_| of_all && *reduction == Reduction::Concatenation)
            }
        };
        match plain {
            Some(parts) => {
                let parts: Vec<String> = parts.iter().map(Encoding::to_string).collect();
                f.write_str(&parts.join("+"))
            }
            None => f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?),
        }
    }
}

impl FromStr for InputEncoding {
    type Err = Error;

    /// An encoding as [`Encoding::from_name`] reads it, several of all inputs joined by `+`, or JSON.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text)
                .map_err(|error| Error::Setting(format!("the encoding {text}: {error}")));
        }
        let mut parts = Vec::new();
        for name in text.split('+') {
            parts.push(Part { inputs: None, encoding: Encoding::from_name(name)?.into() });
        }
        Ok(match parts.len() {
            1 => parts.remove(0).encoding,
            _ => Composite { reduction: Reduction::Concatenation, parts }.into(),
        })
    }
}
