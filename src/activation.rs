//! Activations: the one table that all engines read.
//!
//! To add one: a variant, its line in [`Activation::value`], [`Activation::derivative`] and
//! [`Activation::ALL`], its name, and `shaders/activations/NAME.wgsl` with the same two
//! functions. The tests walk [`Activation::ALL`].
//!
//! A derivative is written in terms of the *output* `y = f(z)`, so that an engine keeps one
//! value for each neuron, not two.

use crate::error::{Result, invalid};
use num_traits::Float;
use serde::{Deserialize, Serialize};

/// What a layer applies to its weighted sums `z`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `f(z) = z`.
    Identity,
    /// `f(z) = max(0, z)`; its derivative at 0 is taken as 0.
    Relu,
    /// `f(z) = max(slope·z, z)`. Maas, Hannun & Ng 2013.
    LeakyRelu {
        /// The slope left of zero, in [0, 1]; 0.01 is the usual default.
        slope: f64,
    },
    /// `f(z) = 1 / (1 + e⁻ᶻ)`.
    Sigmoid,
    /// `f(z) = tanh z`.
    Tanh,
    /// `f(z)ᵢ = e^zᵢ / Σⱼ e^zⱼ` over the neurons of one sample. Output layer only.
    Softmax,
    /// `f(z) = 1 if z ≥ 0, else 0`. Forward only: it has no useful gradient.
    Step,
}

impl Activation {
    /// Every activation, with its default parameters.
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Relu,
        Self::LEAKY_RELU,
        Self::Sigmoid,
        Self::Tanh,
        Self::Softmax,
        Self::Step,
    ];

    /// Leaky ReLU with the usual slope of 0.01.
    pub const LEAKY_RELU: Self = Self::LeakyRelu { slope: 0.01 };

    /// The name used on the command line, in files and for the WGSL snippet.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky-relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softmax => "softmax",
            Self::Step => "step",
        }
    }

    /// The activation of that [`name`](Self::name), with default parameters.
    ///
    /// # Errors
    /// An unknown name; the message lists those there are.
    pub fn from_name(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|a| a.name() == name) {
            Some(activation) => Ok(activation),
            None => invalid(format!(
                "there is no activation '{name}': choose one of {}",
                Self::ALL.map(Self::name).join(", ")
            )),
        }
    }

    /// `f(z)` of one neuron. [`Softmax`](Self::Softmax) works on whole rows instead
    /// ([`softmax`](crate::reference::softmax)); here it is the identity.
    #[inline]
    pub fn value<T: Float>(self, z: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        match self {
            Self::Identity | Self::Softmax => z,
            // Written so that NaN passes through and is noticed, which max(0, NaN) = 0 hides.
            Self::Relu => {
                if z < zero {
                    zero
                } else {
                    z
                }
            }
            Self::LeakyRelu { slope } => {
                if z < zero {
                    z * number(slope)
                } else {
                    z
                }
            }
            Self::Sigmoid => one / (one + (-z).exp()),
            Self::Tanh => z.tanh(),
            Self::Step => {
                if z >= zero {
                    one
                } else {
                    zero
                }
            }
        }
    }

    /// `f'(z)` of one neuron, from its output `y = f(z)`.
    ///
    /// Zero for [`Step`](Self::Step), which cannot be trained; one for
    /// [`Softmax`](Self::Softmax), whose gradient works on whole rows
    /// ([`softmax_gradient`](crate::reference::softmax_gradient)).
    #[inline]
    pub fn derivative<T: Float>(self, y: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        match self {
            Self::Identity | Self::Softmax => one,
            Self::Relu => {
                if y > zero {
                    one
                } else {
                    zero
                }
            }
            Self::LeakyRelu { slope } => {
                if y > zero {
                    one
                } else {
                    number(slope)
                }
            }
            Self::Sigmoid => y * (one - y),
            Self::Tanh => one - y * y,
            Self::Step => zero,
        }
    }

    /// The one number an activation may carry, as the WGSL snippet's `activation_parameter`.
    pub(crate) fn parameter(self) -> f64 {
        match self {
            Self::LeakyRelu { slope } => slope,
            _ => 0.0,
        }
    }

    /// The WGSL that defines `activation` and `activation_derivative`; none for softmax, which
    /// has kernels of its own.
    pub(crate) fn wgsl(self) -> Option<&'static str> {
        Some(match self {
            Self::Softmax => return None,
            Self::Identity => include_str!("../shaders/activations/identity.wgsl"),
            Self::Relu => include_str!("../shaders/activations/relu.wgsl"),
            Self::LeakyRelu { .. } => include_str!("../shaders/activations/leaky-relu.wgsl"),
            Self::Sigmoid => include_str!("../shaders/activations/sigmoid.wgsl"),
            Self::Tanh => include_str!("../shaders/activations/tanh.wgsl"),
            Self::Step => include_str!("../shaders/activations/step.wgsl"),
        })
    }

    /// Whether the parameters make sense.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::LeakyRelu { slope } if !(0.0..=1.0).contains(&slope) => {
                invalid(format!("the slope of a leaky ReLU is {slope}: it must lie in [0, 1]"))
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LeakyRelu { slope } => write!(f, "leaky-relu({slope})"),
            other => f.write_str(other.name()),
        }
    }
}

impl std::str::FromStr for Activation {
    type Err = crate::Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name)
    }
}

/// A parameter in the number type of an engine.
fn number<T: Float>(value: f64) -> T {
    // Every Float of this crate (f32, f64) can be made from an f64.
    T::from(value).unwrap_or_else(T::nan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivative_agrees_with_central_differences() {
        let h = 1e-5;
        for activation in Activation::ALL {
            for z in [-3.0, -0.7, -0.01, 0.02, 0.5, 2.0] {
                let difference = (activation.value(z + h) - activation.value(z - h)) / (2.0 * h);
                let derivative: f64 = activation.derivative(activation.value(z));
                assert!((difference - derivative).abs() < 1e-9, "{activation} at {z}");
            }
        }
    }

    #[test]
    fn saturated_sigmoid_and_tanh_stay_finite() {
        for activation in [Activation::Sigmoid, Activation::Tanh] {
            for z in [-1e30_f32, -1e4, 1e4, 1e30] {
                let y = activation.value(z);
                assert!(y.abs() <= 1.0 && activation.derivative(y) == 0.0, "{activation} at {z}");
            }
        }
    }

    #[test]
    fn names_round_trip() {
        for activation in Activation::ALL {
            assert_eq!(Activation::from_name(activation.name()).ok(), Some(activation));
        }
        let message = Activation::from_name("rely").expect_err("unknown").to_string();
        assert!(message.contains("relu"), "{message}");
    }
}
