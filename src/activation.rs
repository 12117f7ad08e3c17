//! Activations, the functions of layers, one file each.
//!
//! Users name them by [`Activation`]. The modules describe their formulas and parameters.

// To add one: a file with its formula and its `About`, a line in the `family!` below, and
// `shaders/activations/NAME.wgsl`, the same in WGSL. The tests walk `Activation::ALL`.

use crate::activation_fn::ActivationFn;
use crate::custom_formula::CustomFormula;
use crate::error::Result;
use crate::family::{self, About, family};
use crate::initialization::Initialization;
use crate::number::Number;

family! {
    /// The function that a layer applies to its weighted sums `z`.
    ///
    /// ```
    /// use impasto::Activation;
    ///
    /// let leaky = Activation::from_name("leaky-relu:slope=0.1")?;
    /// assert_eq!(leaky, Activation::LeakyRelu { slope: 0.1 });
    /// assert_eq!((leaky.value(-2.0), leaky.slope(-2.0)), (-0.2, 0.1));
    /// for activation in Activation::ALL {
    ///     println!("{}: {}", activation.name(), activation.about().formula);
    /// }
    /// # Ok::<(), impasto::Error>(())
    /// ```
    Activation, "activation" {
        identity: Identity as "identity";
        relu: Relu as "relu";
        leaky_relu: LeakyRelu as "leaky-relu" { slope: f64 } = LEAKY_RELU;
        sigmoid: Sigmoid as "sigmoid";
        tanh: Tanh as "tanh";
        softmax: Softmax as "softmax";
        step: Step as "step";
        silu: Silu as "silu";
        gelu: Gelu as "gelu";
        gelu_tanh: GeluTanh as "gelu-tanh";
        elu: Elu as "elu" { alpha: f64 } = ELU;
        mish: Mish as "mish";
        softplus: Softplus as "softplus" { beta: f64 } = SOFTPLUS;
        squareplus: Squareplus as "squareplus" { b: f64 } = SQUAREPLUS;
        exponential: Exponential as "exponential";
        sine: Sine as "sine" { omega: f64 } = SINE;
        finer: Finer as "finer" { omega: f64 } = FINER;
        gaussian: Gaussian as "gaussian" { sigma: f64 } = GAUSSIAN;
    }
    unlisted {
        custom: Custom as "custom" { formula: CustomFormula<dyn ActivationFn> };
    }
}

/// The formula of an activation.
pub trait Formula: Copy {
    /// With its default parameters.
    const DEFAULT: Self;
    /// Formula, source and parameters.
    const ABOUT: About;
    /// Defines `activation(z)`, and `activation_slope(z)` if the backward pass needs a stored slope.
    const WGSL: &'static str;

    /// `f(z)`.
    #[must_use]
    fn value<N: Number>(self, z: N) -> N;

    /// `f′(z)`.
    #[must_use]
    fn slope<N: Number>(self, z: N) -> N;

    /// The values of the forward pass that the backward pass needs.
    fn backward(self) -> Backward {
        Backward::Slope
    }

    /// The initial weights and biases of a layer of `fan_in` inputs with this activation, or of an output
    /// layer after it; `first` says whether it is the network's first. `None`: those of any layer.
    fn initialization(
        self,
        _fan_in: usize,
        _first: bool,
    ) -> Option<(Initialization, Initialization)> {
        None
    }
}

/// Uniform in ±`limit`.
fn within(limit: f64) -> Initialization {
    Initialization::Uniform { low: -limit, high: limit }
}

/// The weights of a layer before a sine of frequency `omega`, with which all layers' outputs are alike
/// (Sitzmann et al. 2020, section 3.2), and the biases of the authors' program.
fn siren(omega: f64, fan_in: usize, first: bool) -> (Initialization, Initialization) {
    let fan_in = fan_in as f64;
    let weights = if first { 1.0 / fan_in } else { (6.0 / fan_in).sqrt() / omega };
    (within(weights), within(1.0 / fan_in.sqrt()))
}

/// The values of the forward pass that the backward pass of an activation needs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Backward {
    /// The output `y`: `f(z)` is `z` above 0 and `below·z` elsewhere, so that `f′` is 1 where `y > 0`
    /// and `below` elsewhere.
    Rectifier {
        /// The slope left of 0.
        below: f64,
    },
    /// The output `y`: `f′ = c₀ + c₁·y + c₂·y²`.
    Polynomial([f64; 3]),
    /// The slope `f′(z)`, which the forward pass stores beside the output.
    Slope,
    /// The outputs of the whole sample: softmax.
    Row,
    /// There is no useful gradient.
    None,
}

/// A function of any formula.
pub(crate) trait Visitor {
    type Output;
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

impl Activation {
    /// `f(z)` of one neuron. Softmax works on whole rows instead
    /// ([`softmax`](crate::reference::softmax)); here it is the identity.
    pub fn value(self, z: f64) -> f64 {
        struct Value(f64);
        impl Visitor for Value {
            type Output = f64;
            fn visit<F: Formula>(self, formula: F) -> f64 {
                formula.value(self.0)
            }
        }
        self.visit(Value(z))
    }

    /// `f′(z)` of one neuron: 0 for [`Step`](Self::Step), which cannot be trained; 1 for softmax,
    /// whose gradient works on whole rows
    /// ([`softmax_gradient`](crate::reference::softmax_gradient)).
    pub fn slope(self, z: f64) -> f64 {
        struct Slope(f64);
        impl Visitor for Slope {
            type Output = f64;
            fn visit<F: Formula>(self, formula: F) -> f64 {
                formula.slope(self.0)
            }
        }
        self.visit(Slope(z))
    }

    /// The values of the forward pass that the backward pass needs.
    pub fn backward(self) -> Backward {
        struct Needs;
        impl Visitor for Needs {
            type Output = Backward;
            fn visit<F: Formula>(self, formula: F) -> Backward {
                formula.backward()
            }
        }
        self.visit(Needs)
    }

    /// The initial weights and biases of a layer of `fan_in` inputs with this activation. `first` says
    /// whether it is the network's first layer. `None` for an activation that needs no special ones.
    ///
    /// ```
    /// use impasto::{Activation, Initialization};
    ///
    /// assert_eq!(Activation::Relu.initialization(100, false), None);
    /// let sine = Activation::Sine { omega: 30.0 };
    /// let (weights, _) = sine.initialization(4, true).expect("waves have their own");
    /// assert_eq!(weights, Initialization::Uniform { low: -0.25, high: 0.25 });
    /// ```
    pub fn initialization(
        self,
        fan_in: usize,
        first: bool,
    ) -> Option<(Initialization, Initialization)> {
        struct Initial(usize, bool);
        impl Visitor for Initial {
            type Output = Option<(Initialization, Initialization)>;
            fn visit<F: Formula>(self, formula: F) -> Self::Output {
                formula.initialization(self.0, self.1)
            }
        }
        self.visit(Initial(fan_in, first))
    }

    /// Whether it works on the outputs of a sample together.
    pub(crate) fn is_row(self) -> bool {
        self.backward() == Backward::Row
    }

    /// Whether `f(z) = z`.
    pub(crate) fn is_identity(self) -> bool {
        self.backward() == Backward::Rectifier { below: 1.0 }
    }

    /// Whether the forward pass stores its slopes for the backward pass.
    #[cfg(feature = "gpu")]
    pub(crate) fn stores_slope(self) -> bool {
        self.backward() == Backward::Slope
    }

    /// Whether it is a formula of the caller's.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_custom(self) -> bool {
        matches!(self, Self::Custom { .. })
    }

    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        family::check(self.name(), &self.about(), &self)?;
        family::check_single(self.name(), &self)
    }
}

/// The error that a rounded evaluation of `f(z)` may make where operations are off by `unit` of their
/// results: `unit` of the value (of 1 where that is small), or what `f` changes when `z` does by `unit`
/// of itself. The second is larger where `f` is steep, as a wave of high frequency is. It is taken as
/// twice what half of `unit` changes, so that it covers a wave of which only some points are looked at.
#[cfg(test)]
pub(crate) fn rounding(f: impl Fn(f64) -> f64, z: f64, unit: f64) -> f64 {
    let value = f(z);
    let moved = (-16..=16).map(|k| (f(z * (1.0 + unit * f64::from(k) / 32.0)) - value).abs());
    moved.fold(unit * value.abs().max(1.0), |most, off| most.max(2.0 * off))
}

#[cfg(test)]
pub(crate) mod tests;
