//! `Gradients`, the results of a backward pass, and the checks of its arguments.

use crate::error::{Result, invalid_data, invalid_shape};
use crate::network::{Network, whole_samples};

/// Gradients of a loss with respect to a network's parameters and its inputs, as
/// [`Engine::backward`](crate::Engine::backward) computes them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gradients {
    /// With respect to each parameter, in the order of [`Network::parameters`], added up over the samples.
    /// Empty if they were not [`Wanted`].
    pub parameters: Vec<f64>,
    /// With respect to each input, `[samples, network.inputs()]`. Empty if they were not [`Wanted`].
    pub inputs: Vec<f32>,
}

impl Gradients {
    /// The gradients that an engine has computed.
    ///
    /// # Errors
    /// A gradient that is not finite or leaves the range of f32.
    pub fn new(parameters: Vec<f64>, inputs: Vec<f32>) -> Result<Self> {
        let finite = parameters.iter().all(|number| (*number as f32).is_finite())
            && inputs.iter().all(|number| number.is_finite());
        if finite {
            Ok(Self { parameters, inputs })
        } else {
            invalid_data(
                "a gradient is not a number or leaves the range of f32: scale the inputs and the output \
                 gradient, or correct an activation of your own",
            )
        }
    }

    /// The gradients for no sample, of a network with this number of parameters.
    pub(crate) fn of_no_sample(parameters: usize, wanted: Wanted) -> Result<Self> {
        let count = if wanted.parameters() { parameters } else { 0 };
        Self::new(vec![0.0; count], Vec::new())
    }
}

/// Which gradients a backward pass computes.
///
/// ```
/// use impasto::Wanted;
///
/// assert!(Wanted::Parameters.parameters() && !Wanted::Parameters.inputs());
/// assert!(Wanted::Both.parameters() && Wanted::Both.inputs());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The gradients of the parameters.
    Parameters,
    /// The gradients of the inputs.
    Inputs,
    /// The gradients of the parameters and of the inputs.
    Both,
}

impl Wanted {
    /// Whether the gradients of the parameters are computed.
    pub fn parameters(self) -> bool {
        self != Self::Inputs
    }

    /// Whether the gradients of the inputs are computed.
    pub fn inputs(self) -> bool {
        self != Self::Parameters
    }
}

/// Checks the arguments of a backward pass, and returns the number of samples.
pub(crate) fn check(network: &Network, inputs: &[f32], output_gradient: &[f32]) -> Result<usize> {
    network.check_differentiable()?;
    let samples = whole_samples(inputs, network.inputs())?;
    if Some(output_gradient.len()) != samples.checked_mul(network.outputs()) {
        return invalid_shape(format!(
            "an output gradient of {} numbers does not fit {samples} samples of {} outputs",
            output_gradient.len(),
            network.outputs()
        ));
    }
    for (name, numbers) in [("input", inputs), ("output gradient", output_gradient)] {
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            return invalid_data(format!("{name} {place} is {}", numbers[place]));
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_that_are_not_finite_are_refused() {
        for (parameter, input) in
            [(f64::NAN, 0.0), (1e39, 0.0), (0.0, f32::NAN), (0.0, f32::INFINITY)]
        {
            let error = Gradients::new(vec![parameter], vec![input]).expect_err("refused");
            let error = error.to_string();
            assert!(error.contains("not a number or leaves the range of f32"), "{error}");
        }
        assert!(Gradients::new(vec![f64::from(f32::MAX)], vec![f32::MIN_POSITIVE]).is_ok());
    }
}
