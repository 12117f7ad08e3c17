//! The WGSL of formulas of the caller's.

use super::names::{has_attribute, suffixed};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::loss::Loss;

/// The WGSL of a formula of the caller's.
pub(crate) struct CustomWgsl {
    /// As the caller wrote it.
    written: String,
    /// The functions that the kernels call.
    called: &'static [&'static str],
    /// A kernel that calls them, and the functions that the formula may call.
    trial: &'static str,
}

impl CustomWgsl {
    /// The WGSL of a formula. `called` are its functions that the kernels call.
    ///
    /// # Errors
    /// `written` is `None`. The message names the formula, `what`, and the function to implement, `define`.
    fn new(
        [what, define]: [&'static str; 2],
        written: Option<String>,
        called: &'static [&'static str],
        trial: &'static str,
    ) -> Result<Self> {
        let missing = || {
            Error::Unsupported(format!(
                "{what} has no WGSL, which the GPU engine computes with: define {define}, or use the CPU \
                 engine"
            ))
        };
        Ok(Self { written: written.ok_or_else(missing)?, called, trial })
    }

    /// The text for a kernel. Names that the kernels do not call get a suffix, so that they differ from the
    /// names of the kernel.
    pub(super) fn text(&self) -> String {
        suffixed(&self.written, "_own", self.called) + "\n"
    }

    /// Whether it declares resources of its own, which would be bound to no buffer or to one of the kernel's.
    pub(crate) fn binds(&self) -> bool {
        has_attribute(&self.written, &["group", "binding"])
    }

    /// A kernel that compiles if the formula does. Its first line is the first line of the formula. The
    /// semicolon before the formula makes directives invalid, which are only valid at the start of a kernel.
    pub(crate) fn trial_kernel(&self) -> String {
        let mut name = "trial".to_string();
        while self.written.contains(&name) {
            name.push('_');
        }
        format!(";{}\n{}", self.written, self.trial.replace("trial", &name))
    }
}

impl Activation {
    /// The WGSL of an activation of the caller's.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn custom_wgsl(self) -> Result<Option<CustomWgsl>> {
        let Self::Custom { formula } = self else { return Ok(None) };
        let trial = "@compute @workgroup_size(1) fn trial() {
            let value: f32 = activation(0.0);
            let slope: f32 = activation_slope(0.0);
        }";
        let called = &["activation", "activation_slope"];
        let names = ["the activation", "ActivationFn::wgsl"];
        CustomWgsl::new(names, formula.formula().wgsl(), called, trial).map(Some)
    }
}

impl Loss {
    /// The WGSL of a loss of the caller's.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn custom_wgsl(self) -> Result<Option<CustomWgsl>> {
        let Self::Custom { formula } = self else { return Ok(None) };
        let trial = "fn output_of(row: u32, j: u32) -> f32 { return 0.0; }
            fn target_of(row: u32, j: u32) -> f32 { return 0.0; }
            fn set_delta(row: u32, j: u32, delta: f32) {}
            @compute @workgroup_size(1) fn trial() { let loss: f32 = row_loss(0u, 1u, 1.0); }";
        let names = ["the loss", "LossFn::wgsl"];
        CustomWgsl::new(names, formula.formula().wgsl(), &["row_loss"], trial).map(Some)
    }
}
