//! What a user should know of a file that was read: tensors that are not used.

use super::description::{LEARNED, PARAMETERS};

/// The most names in a note.
const MOST_NAMES: usize = 3;

/// The note on tensors that are not used: `unused` ones beside the network, whose metadata describes so many layers, and
/// those of `all` that are called as the state of a run, and are none.
pub(super) fn of<'a, 'b, I: Iterator<Item = &'b str>>(
    mut unused: Vec<&'a str>,
    all: &'a [String],
    segments: impl Fn() -> I,
    is_run: bool,
    layers: usize,
) -> Vec<String> {
    let is_state = |name: &str| {
        let vector = |rest: &str| {
            let (number, segment) = rest.split_once('.')?;
            number.parse::<usize>().ok().map(|_| segment.to_string())
        };
        let parameters = [LEARNED, PARAMETERS].iter().find_map(|prefix| name.strip_prefix(prefix));
        let segment = parameters.map(ToString::to_string);
        let segment = segment.or_else(|| name.strip_prefix("training.vectors.").and_then(vector));
        is_run && segment.is_some_and(|segment| segments().any(|own| own == segment))
    };
    let named = all.iter().filter(|name| name.starts_with("training.") && !is_state(name));
    unused.extend(named.map(String::as_str));
    unused.sort_unstable();
    if unused.is_empty() {
        return Vec::new();
    }
    let count = unused.len();
    let names = unused[..count.min(MOST_NAMES)].join(", ");
    let more = count.saturating_sub(MOST_NAMES);
    let names = if more == 0 { names } else { format!("{names} and {more} more") };
    let (tensors, are) = if count == 1 { ("tensor", "is") } else { ("tensors", "are") };
    let described = if layers == 1 { "1 layer".into() } else { format!("{layers} layers") };
    vec![format!(
        "{count} {tensors} of the file {are} not used, since its metadata describes a network of {described} \
         without them: {names}"
    )]
}
