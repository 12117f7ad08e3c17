//! The widths of hidden layers as a text: `10x100`, or `64,32`.

use crate::error::{Error, Result, invalid_setting};

/// The most hidden layers.
pub(super) const MOST_LAYERS: usize = 1000;

/// The widths of the hidden layers that a text is: `10x100` is ten layers of 100 neurons, `64,32` one of 64 and one of
/// 32, and an empty text none.
///
/// ```
/// assert_eq!(impasto::config::widths("2x64,3")?, [64, 64, 3]);
/// # Ok::<(), impasto::Error>(())
/// ```
///
/// # Errors
/// What is no number, a layer without neurons, or more than 1,000 layers.
pub fn widths(text: &str) -> Result<Vec<usize>> {
    let number = |text: &str| {
        text.trim().parse::<usize>().map_err(|_| {
            Error::Setting(format!("'{text}' is no number of neurons: write 10x100, or 64,32"))
        })
    };
    let mut widths = Vec::new();
    if text.trim().is_empty() {
        return Ok(widths);
    }
    for part in text.split(',') {
        let (times, width) = match part.split_once(['x', 'X', '×']) {
            Some((times, width)) => (number(times)?, number(width)?),
            None => (1, number(part)?),
        };
        if times == 0 || width == 0 {
            return invalid_setting(format!(
                "'{part}' is no hidden layer: it needs at least 1 layer of at least 1 neuron"
            ));
        }
        if times > MOST_LAYERS - widths.len().min(MOST_LAYERS) {
            return invalid_setting(format!("more than {MOST_LAYERS} hidden layers"));
        }
        widths.extend(std::iter::repeat_n(width, times));
    }
    Ok(widths)
}

/// The text that [`widths`] reads.
pub(super) fn text(widths: &[usize]) -> String {
    let run = |run: &[usize]| match run {
        [width] => width.to_string(),
        run => format!("{}x{}", run.len(), run[0]),
    };
    widths.chunk_by(|a, b| a == b).map(run).collect::<Vec<_>>().join(",")
}
