//! The optimizers of tiny-cuda-nn, and what wraps them.

use crate::config::keys::{Expected, Key, Kind, Path, Section, kind_of};
use crate::error::{Result, invalid_setting};
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::wrapper::accumulate::Accumulate;
use crate::wrapper::ema::Ema;
use crate::wrapper::lookahead::Lookahead;
use crate::wrappers::Wrappers;

const LEARNING_RATE: Key = Key::new("learning_rate", Expected::Number(1e-3), "before the schedule");
const BETA1: Key = Key::new("beta1", Expected::Number(0.9), "decay of the first moment");
const BETA2: Key = Key::new("beta2", Expected::Number(0.999), "decay of the second moment");
const EPSILON: Key = Key::new("epsilon", Expected::Number(1e-8), "added to the root");
const L2_REG: Key = Key::new("l2_reg", Expected::Number(1e-8), "L2 penalty of the layers' weights");
const ABSOLUTE_DECAY: Key =
    Key::fixed("absolute_decay", Expected::Number(0.0), "what a weight loses in a step");
const NESTED: Key = Key::new("nested", Expected::Nested, "the optimizer that it wraps");

const ADAM: Kind = Kind {
    names: &["Adam"],
    keys: &[
        LEARNING_RATE,
        BETA1,
        BETA2,
        EPSILON,
        L2_REG,
        Key::new(
            "relative_decay",
            Expected::Number(0.0),
            "the share of a weight lost in a step, times the rate",
        ),
        ABSOLUTE_DECAY,
        Key::new("adabound", Expected::Switch(false), "bounds of the rates"),
        Key::fixed("clipping_magnitude", Expected::Number(0.0), "the largest weight"),
        Key::fixed("gradient_clipping_magnitude", Expected::Number(0.0), "the largest gradient"),
        Key::fixed(
            "non_matrix_learning_rate_factor",
            Expected::Number(1.0),
            "factor of the rate of grids",
        ),
        Key::fixed("non_matrix_l2_reg", Expected::Number(0.0), "L2 penalty of grids"),
        Key::fixed("optimize_matrix_params", Expected::Switch(true), "whether layers are trained"),
        Key::fixed(
            "optimize_non_matrix_params",
            Expected::Switch(true),
            "whether grids are trained",
        ),
        Key::fixed(
            "skip_zero_grad_non_matrix_params",
            Expected::Switch(true),
            "whether entries of grids without a gradient stay as they are",
        ),
    ],
    ours: "`adam`, with `relative_decay` `adamw`, with `adabound` `adabound`",
};

const NOVOGRAD: Kind = Kind {
    names: &["Novograd"],
    keys: &[
        LEARNING_RATE,
        BETA1,
        BETA2,
        EPSILON,
        Key::fixed("relative_decay", Expected::Number(0.0), "the share of a weight lost in a step"),
        ABSOLUTE_DECAY,
    ],
    ours: "`novograd` with averaging",
};

const SGD: Kind =
    Kind { names: &["SGD"], keys: &[LEARNING_RATE, L2_REG], ours: "`sgd` without momentum" };

const BATCHED: Kind = Kind {
    names: &["Batched"],
    keys: &[Key::new("batch_size_multiplier", Expected::Count(16), "batches of an update"), NESTED],
    ours: "wrapper `accumulate`",
};

const EMA: Kind = Kind {
    names: &["EMA"],
    keys: &[
        Key::new("decay", Expected::Number(0.99), "the share of the average that is kept"),
        Key::new("full_precision", Expected::Switch(false), "has no effect: averages are f32 here"),
        NESTED,
    ],
    ours: "wrapper `ema` with bias correction",
};

const EXPONENTIAL_DECAY: Kind = Kind {
    names: &["ExponentialDecay"],
    keys: &[
        Key::new("decay_base", Expected::Number(0.1), "factor of the rate"),
        Key::new("decay_start", Expected::Count(10_000), "steps before the first reduction"),
        Key::new("decay_end", Expected::Count(10_000_000), "steps after which there is none"),
        Key::new("decay_interval", Expected::Count(10_000), "steps between two reductions"),
        NESTED,
    ],
    ours: "schedule `exponential-steps`",
};

const LOOKAHEAD: Kind = Kind {
    names: &["Lookahead"],
    keys: &[
        Key::new("alpha", Expected::Number(0.5), "the share of the way"),
        Key::new("n_steps", Expected::Count(16), "updates between two such moments"),
        NESTED,
    ],
    ours: "wrapper `lookahead`",
};

/// An optimizer that this crate does not have.
const fn missing(names: &'static [&'static str]) -> Kind {
    Kind { names, keys: &[], ours: "" }
}

/// All of them.
pub(crate) const OPTIMIZERS: &[Kind] = &[
    ADAM,
    NOVOGRAD,
    SGD,
    BATCHED,
    EMA,
    EXPONENTIAL_DECAY,
    LOOKAHEAD,
    missing(&["Average"]),
    missing(&["Composite"]),
    missing(&["Shampoo"]),
];

/// The optimizer without an `otype`.
const DEFAULT: &str = "Adam";

/// An optimizer with all that wraps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wrapped {
    pub(crate) optimizer: Optimizer,
    pub(crate) learning_rate: f64,
    pub(crate) l2: f64,
    pub(crate) wrappers: Wrappers,
    pub(crate) schedule: Schedule,
}

/// The optimizer of a section, which may wrap others.
pub(super) fn optimizer(section: &Section<'_>) -> Result<Wrapped> {
    wrapped(section, &mut Outside::default())
}

/// What is around an optimizer.
#[derive(Default)]
struct Outside {
    wrappers: Wrappers,
    schedule: Option<Schedule>,
    /// The wrapper that counts updates, outside of which `Batched` must be.
    counts: Option<&'static str>,
}

fn wrapped(section: &Section<'_>, outside: &mut Outside) -> Result<Wrapped> {
    let kind = kind_of(section, "optimizer", OPTIMIZERS, DEFAULT)?;
    section.check(kind, &[])?;
    let number = |name| section.number_of(kind, name);
    let wrappers = &mut outside.wrappers;
    let batches = wrappers.accumulate.map_or(1, |accumulate| accumulate.batches);
    let name = kind.names[0];
    let twice = match name {
        "Batched" => {
            if let Some(counts) = outside.counts {
                return invalid_setting(format!(
                    "{}: Batched is inside of {counts}, which would count batches instead of updates: put \
                     {counts} inside of Batched",
                    section.path()
                ));
            }
            let batches = section.count_of(kind, "batch_size_multiplier")?;
            wrappers.accumulate.replace(Accumulate { batches }).is_some()
        }
        "EMA" => {
            if wrappers.lookahead.is_some() {
                return invalid_setting(format!(
                    "{}: EMA is inside of Lookahead, where its average would have no effect: put Lookahead \
                     inside of EMA",
                    section.path()
                ));
            }
            outside.counts = Some("EMA");
            let ema = Ema { decay: number("decay")?, bias_correction: true };
            wrappers.ema.replace(ema).is_some()
        }
        "Lookahead" => {
            outside.counts = Some("Lookahead");
            let every = section.count_of(kind, "n_steps")?;
            wrappers.lookahead.replace(Lookahead { alpha: number("alpha")?, every }).is_some()
        }
        "ExponentialDecay" => {
            // Schedules count batches. Inside of Batched, the numbers are those of updates.
            let steps = |name| Ok(section.count_of(kind, name)?.saturating_mul(batches));
            let schedule = Schedule::ExponentialSteps {
                factor: number("decay_base")?,
                start: steps("decay_start")?,
                end: steps("decay_end")?,
                interval: steps("decay_interval")?,
            };
            outside.schedule.replace(schedule).is_some()
        }
        _ => return plain(section, kind, outside),
    };
    if twice {
        return invalid_setting(format!("{}: there is another {name} around it", section.path()));
    }
    let (path, empty) = (section.path(), serde_json::json!({}));
    let nested = section.get("nested").unwrap_or(&empty);
    wrapped(&Section::new(Path::Key(&path, "nested"), nested)?, outside)
}

/// The optimizer inside.
fn plain(section: &Section<'_>, kind: &Kind, outside: &Outside) -> Result<Wrapped> {
    let number = |name| section.number_of(kind, name);
    let learning_rate = number("learning_rate")?;
    let l2 = if kind.names[0] == "Novograd" { 0.0 } else { number("l2_reg")? };
    let optimizer = if kind.names[0] == "SGD" {
        Optimizer::SGD
    } else {
        let (beta1, beta2, epsilon) = (number("beta1")?, number("beta2")?, number("epsilon")?);
        let weight_decay = number("relative_decay")?;
        match (kind.names[0], section.switch("adabound")?.unwrap_or(false)) {
            ("Novograd", _) => {
                Optimizer::Novograd { beta1, beta2, epsilon, weight_decay: 0.0, averaging: true }
            }
            (_, true) if weight_decay != 0.0 => {
                return invalid_setting(format!(
                    "{}: adabound and relative_decay cannot be used together",
                    section.path()
                ));
            }
            // The final rate of tiny-cuda-nn.
            (_, true) => {
                let gamma = 1.0 - beta2;
                Optimizer::AdaBound { beta1, beta2, epsilon, final_rate: 0.1, gamma }
            }
            (_, false) if weight_decay != 0.0 => {
                Optimizer::AdamW { beta1, beta2, epsilon, weight_decay }
            }
            (_, false) => Optimizer::Adam { beta1, beta2, epsilon },
        }
    };
    let schedule = outside.schedule.unwrap_or(Schedule::Constant);
    Ok(Wrapped { optimizer, learning_rate, l2, wrappers: outside.wrappers, schedule })
}
