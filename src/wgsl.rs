//! The WGSL of activations, losses, encodings and optimizers, with their parameters in it.

pub(crate) mod custom;
pub(crate) mod names;

use crate::activation::{self, Activation, Backward};
use crate::encoding::{self, Encoding};
use crate::error::Result;
use crate::family;
use crate::loss::{self, Loss};
use crate::optimizer::{self, Optimizer};
use crate::template::{self, Values};
use serde::Serialize;
use serde_json::Value;

impl Activation {
    /// The WGSL that defines `activation(z)`, and `activation_slope` of what the backward pass needs:
    /// of `z` where the forward pass stores the slope, else of the output.
    pub(crate) fn wgsl(self) -> Result<String> {
        self.snippet("y: f32", "")
    }

    /// The same with `activation_slope(z)`, for layers that store the slopes of any activation.
    pub(crate) fn wgsl_with_slope(self) -> Result<String> {
        self.snippet("z: f32", "let y = activation(z); ")
    }

    /// The WGSL of [`wgsl`](Self::wgsl), in which a slope that follows from the output `y` is computed
    /// from `argument`, after the statement `first`.
    fn snippet(self, argument: &str, first: &str) -> Result<String> {
        if let Some(own) = self.custom_wgsl()? {
            return Ok(own.text());
        }
        struct Snippet;
        impl activation::Visitor for Snippet {
            type Output = &'static str;
            fn visit<F: activation::Formula>(self, _: F) -> &'static str {
                F::WGSL
            }
        }
        let snippet = filled(self.name(), self.visit(Snippet), &self)?;
        let number = |c: f64| format!("{:?}", c as f32);
        let slope = match self.backward() {
            Backward::Slope | Backward::Row | Backward::None => return Ok(snippet),
            Backward::Rectifier { below: 1.0 } => "1.0".into(),
            Backward::Rectifier { below } => format!("select({}, 1.0, y > 0.0)", number(below)),
            Backward::Polynomial(c) => polynomial(c, number),
        };
        let slope = format!("{{ {first}return {slope}; }}");
        Ok(format!("{snippet}fn activation_slope({argument}) -> f32 {slope}\n"))
    }
}

/// `c₀ + c₁·y + c₂·y²` in WGSL, without terms that are 0.
fn polynomial(c: [f64; 3], number: impl Fn(f64) -> String) -> String {
    let terms: Vec<String> = ["", " * y", " * y * y"]
        .into_iter()
        .zip(c)
        .filter(|(_, c)| *c != 0.0)
        .map(|(power, c)| format!("{}{power}", number(c)))
        .collect();
    if terms.is_empty() { "0.0".into() } else { terms.join(" + ") }
}

impl Loss {
    /// The WGSL that defines `row_loss(row, outputs, scale)`.
    pub(crate) fn wgsl(self) -> Result<String> {
        if let Some(own) = self.custom_wgsl()? {
            return Ok(own.text());
        }
        struct Snippet;
        impl loss::Visitor for Snippet {
            type Output = &'static str;
            fn visit<F: loss::Formula>(self, _: F) -> &'static str {
                F::WGSL
            }
        }
        filled(self.name(), self.visit(Snippet), &self)
    }
}

impl Encoding {
    /// The WGSL that defines `encoded`, `encoded_slope` and `columns_of`; see [`encoding::Formula::WGSL`].
    pub(crate) fn wgsl(self) -> Result<String> {
        struct Snippet;
        impl encoding::Visitor for Snippet {
            type Output = &'static str;
            fn visit<F: encoding::Formula>(self, _: F) -> &'static str {
                F::WGSL
            }
        }
        filled(self.name(), self.visit(Snippet), &self)
    }
}

impl Optimizer {
    /// The WGSL that defines `Constants`, which names the numbers in the order of
    /// [`constants`](Self::constants), `STATES`, and `updated(c, g, w, state)`.
    pub(crate) fn wgsl(self) -> String {
        struct Text;
        impl optimizer::Visitor for Text {
            type Output = String;
            fn visit<F: optimizer::Formula>(self, _: F) -> String {
                let fields: Vec<String> =
                    F::CONSTANTS.iter().map(|name| format!("    {name}: f32,\n")).collect();
                let fields = fields.concat();
                let read = |i: usize| {
                    format!("this_step.constants[{}].{}", i / 4, ["x", "y", "z", "w"][i % 4])
                };
                let values: Vec<String> = (0..F::CONSTANTS.len()).map(read).collect();
                format!(
                    "const STATES: u32 = {}u;\nstruct Constants {{\n{fields}}}\n\
                     fn constants() -> Constants {{ return Constants({}); }}\n{}",
                    F::STATES,
                    values.join(", "),
                    F::WGSL
                )
            }
        }
        self.visit(Text)
    }
}

/// The snippet of WGSL of the component `name` with `${parameter}` replaced by the parameters' values.
///
/// # Errors
/// The snippet breaks the rules of a [`template`].
fn filled(name: &str, snippet: &str, component: &impl Serialize) -> Result<String> {
    let parameters = family::parameters(component);
    let mut values = Values::default();
    for (parameter, value) in &parameters {
        let text = match value {
            Value::Bool(value) => value.to_string(),
            value => format!("{:?}", value.as_f64().unwrap_or_default() as f32),
        };
        values.texts.push((parameter, text));
    }
    template::fill(name, snippet, &values)
}
