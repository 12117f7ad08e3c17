//! `Error`, the error type of the library.
//!
//! A message says what was wrong, where, and what to do.

use crate::summary::Summary;
use std::path::PathBuf;

/// The result of a function that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The errors of this crate. A message is one line for the user: what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range, an unknown name, or settings that contradict each other.
    #[error("{0}")]
    Setting(String),

    /// Sizes that do not fit each other, such as samples of 3 inputs for a network of 2.
    #[error("{0}")]
    Shape(String),

    /// A number in samples or parameters that cannot be used, such as NaN.
    #[error("{0}")]
    Data(String),

    /// Something that this engine, device or session cannot do, or not at this moment.
    #[error("{0}")]
    Unsupported(String),

    /// Bytes or texts that this version cannot read as a network, a training run or a description, or a
    /// network that the format cannot hold.
    #[error("{0}")]
    Format(String),

    /// The operating system or the device did not give the memory for a run.
    #[error("{what} needs {needed} bytes, more than this machine has: {advice}")]
    OutOfMemory {
        /// What the memory is for.
        what: String,
        /// Bytes it would take.
        needed: u64,
        /// What to try instead.
        advice: String,
    },

    /// A mistake in this crate.
    #[error("{0}: this is a bug in impasto, please report it")]
    Internal(String),

    /// Something needs more memory or a larger binding than the machine offers.
    #[error("{what} needs {needed} bytes and the limit is {limit}: {advice}")]
    TooLarge {
        /// The buffer or picture that does not fit.
        what: String,
        /// Bytes it would take.
        needed: u64,
        /// Bytes there may be.
        limit: u64,
        /// What to try instead.
        advice: String,
    },

    /// A file could not be read, written or created.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`, `create`, `find` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A picture that cannot be decoded or encoded.
    #[error("{}: {reason}", path.display())]
    Picture {
        /// The picture.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of saved parameters that this crate cannot use.
    #[error("{}: not a network this version can read: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// No adapter fits what was asked for.
    #[error("{wanted}; {available}")]
    NoAdapter {
        /// What was looked for.
        wanted: String,
        /// The adapters there are, or how to get one.
        available: String,
    },

    /// The device or its driver refused something the engine asked for.
    #[error("the GPU engine failed at {what}: {reason}")]
    Gpu {
        /// The buffer, kernel or operation.
        what: String,
        /// What the driver said.
        reason: String,
    },

    /// The device went away (driver reset, unplugged, machine asleep).
    #[error(
        "the device {adapter} was lost ({reason}): run again; if it happens again, update the \
         driver, lower the batch size, or use the CPU engine"
    )]
    DeviceLost {
        /// The adapter's name.
        adapter: String,
        /// What the driver said.
        reason: String,
    },

    /// A [`StopHandle`](crate::StopHandle) stopped it before it was done.
    #[error("stopped before it was done")]
    Stopped,

    /// The loss, or an update, became NaN or infinite.
    #[error(
        "training diverged: {what} was no longer finite at step {step} (epoch {epoch}); the \
         parameters from before it are kept: try {}",
        remedy(*step, what, *suggestion)
    )]
    Diverged {
        /// `the loss` or `a parameter's update`.
        what: &'static str,
        /// The step, from 1.
        step: u64,
        /// The epoch, from 1.
        epoch: u64,
        /// A tenth of the learning rate of that step, at most 0.001.
        suggestion: f64,
        /// The epochs and steps until then.
        summary: Box<Summary>,
    },
}

/// What to try after a divergence. No rate has had an effect yet on the loss of the first step.
fn remedy(step: u64, what: &str, rate: f64) -> String {
    if (step, what) == (1, "the loss") {
        "another activation or other initial weights, or inputs scaled to [-1, 1]".into()
    } else {
        format!("a learning rate of {rate:?} or less, or inputs scaled to [-1, 1]")
    }
}

/// Writes a function for each error that is a message alone.
macro_rules! shorthands {
    ($($function:ident => $variant:ident;)*) => {$(
        #[doc = concat!("Shorthand for [`Error::", stringify!($variant), "`].")]
        pub(crate) fn $function<T>(message: impl Into<String>) -> Result<T> {
            Err(Error::$variant(message.into()))
        }
    )*};
}

shorthands! {
    invalid_setting => Setting;
    invalid_shape => Shape;
    invalid_data => Data;
    unsupported => Unsupported;
    invalid_format => Format;
    internal => Internal;
}
