//! The names that programs give the tensors of a network's layers.

use crate::segment::{bias_name, weight_name};
use std::collections::{HashMap, HashSet};

/// What PyTorch puts before all names of a module: `DataParallel` and `torch.compile`.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// The most names in a message.
const MOST_SHOWN: usize = 8;

/// The name in a file of each tensor that a network may ask for by the name in files of this library.
pub(super) struct Names {
    in_file: HashMap<String, String>,
    layers: usize,
}

impl Names {
    /// The names of a file with these tensors.
    ///
    /// Layers are numbered, with one text before the number: `layers.0.weight`, `0.weight`, `net.2.weight`,
    /// `fc1.weight`. Numbers may be left out, since in `torch.nn.Sequential` activations have numbers too. A
    /// file of one layer may have `weight` and `bias`.
    ///
    /// # Errors
    /// Other names, which the message lists.
    pub(super) fn of(names: &[&str]) -> Result<Self, String> {
        let mut short: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).collect();
        while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| {
            !short.is_empty() && short.iter().all(|(s, _)| s.starts_with(**wrapper))
        }) {
            for (short, _) in &mut short {
                *short = &short[wrapper.len()..];
            }
        }
        let in_file: HashMap<String, String> =
            short.iter().map(|(short, name)| ((*short).into(), (*name).into())).collect();
        let own = |layer: &usize| in_file.contains_key(&weight_name(*layer));
        let layers = (0..names.len()).take_while(own).count();
        let weights = |name: &&String| name.starts_with("layers.") && name.ends_with(".weight");
        if layers > 0 && in_file.keys().filter(weights).count() == layers {
            return Ok(Self { in_file, layers });
        }
        let mut found: Vec<Numbered> = Vec::new();
        for (short, name) in &short {
            found.push(numbered(short, name).ok_or_else(|| unknown(name, names))?);
        }
        found.sort_by_key(|tensor| (tensor.number, !tensor.weight));
        let same = |a: &Numbered, b: &Numbered| a.number == b.number && a.weight == b.weight;
        if let Some(pair) = found.windows(2).find(|pair| same(&pair[0], &pair[1])) {
            return Err(unknown(pair[1].name, names));
        }
        let (mut in_file, mut layers) = (HashMap::new(), 0);
        for tensor in &found {
            let layer = if tensor.weight { layers } else { usize::wrapping_sub(layers, 1) };
            let follows = tensor.weight
                || found.iter().any(|other| other.weight && other.number == tensor.number);
            if tensor.stem != found[0].stem || !follows {
                return Err(unknown(tensor.name, names));
            }
            let own = if tensor.weight { weight_name(layer) } else { bias_name(layer) };
            layers += usize::from(tensor.weight);
            in_file.insert(own, tensor.name.to_string());
        }
        if layers == 0 {
            return Err("it contains no tensors".into());
        }
        Ok(Self { in_file, layers })
    }

    /// How many layers have weights.
    pub(super) fn layers(&self) -> usize {
        self.layers
    }

    /// The name in the file of what has this name in files of this library.
    pub(super) fn find(&self, own: &str) -> Option<&str> {
        self.in_file.get(own).map(String::as_str)
    }

    /// The tensors of the file that these are not, in order.
    pub(super) fn unused<'a>(&self, own: impl Iterator<Item = &'a str>) -> Vec<&str> {
        let own: HashSet<&str> = own.collect();
        let other = self.in_file.iter().filter(|(name, _)| !own.contains(name.as_str()));
        let mut unused: Vec<&str> = other.map(|(_, in_file)| in_file.as_str()).collect();
        unused.sort_unstable();
        unused
    }

    /// An error if the file has other tensors than these.
    pub(super) fn check_only<'a>(&self, own: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let all: Vec<&str> = self.in_file.values().map(String::as_str).collect();
        self.unused(own).first().map_or(Ok(()), |name| Err(unknown(name, &all)))
    }
}

/// The name of a tensor of a layer.
struct Numbered<'a> {
    name: &'a str,
    /// What comes before the number.
    stem: &'a str,
    number: Option<u64>,
    /// Whether these are weights, not biases.
    weight: bool,
}

fn numbered<'a>(short: &'a str, name: &'a str) -> Option<Numbered<'a>> {
    let (head, weight) = match (short.strip_suffix("weight"), short.strip_suffix("bias")) {
        (Some(head), _) => (head, true),
        (_, Some(head)) => (head, false),
        _ => return None,
    };
    if head.is_empty() {
        return Some(Numbered { name, stem: "", number: None, weight });
    }
    let head = head.strip_suffix('.')?;
    let stem = head.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = head[stem.len()..].parse().ok()?;
    Some(Numbered { name, stem, number: Some(number), weight })
}

/// The error of a tensor that is no part of a layer.
fn unknown(name: &str, all: &[&str]) -> String {
    let mut all = all.to_vec();
    all.sort_unstable();
    let rest = match all.len().saturating_sub(MOST_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    all.truncate(MOST_SHOWN);
    format!(
        "{name} is not the weight or bias of a linear layer with a number, such as 0.weight, \
         layers.0.weight or net.2.weight; it has the tensors {}{rest}",
        all.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str]) -> Vec<String> {
        let found = Names::of(names).unwrap_or_else(|error| panic!("{error}"));
        let own = (0..found.layers()).flat_map(|l| [weight_name(l), bias_name(l)]);
        own.map(|own| found.find(&own).unwrap_or("-").to_string()).collect()
    }

    #[test]
    fn layers_are_found_by_the_names_that_pytorch_gives() {
        let expected = |names: &[&str]| names.iter().map(|n| (*n).to_string()).collect::<Vec<_>>();
        let sequential = ["0.bias", "0.weight", "10.weight", "2.weight", "2.bias"];
        let sorted = ["0.weight", "0.bias", "2.weight", "2.bias", "10.weight", "-"];
        assert_eq!(order(&sequential), expected(&sorted));
        let linear = ["weight", "bias"];
        assert_eq!(order(&linear), expected(&linear));
        for stem in ["layers.", "net.", "module.", "_orig_mod.module.", "module.model.net.", "fc"] {
            let named = |name: &str| format!("{stem}{name}");
            let shown = ["1.weight", "1.bias", "3.weight", "3.bias"].map(named);
            let names: Vec<&str> = shown.iter().rev().map(String::as_str).collect();
            assert_eq!(order(&names), shown);
        }
    }

    #[test]
    fn other_names_are_listed() {
        let refused = |names: &[&str]| match Names::of(names) {
            Ok(_) => panic!("{names:?} were taken"),
            Err(reason) => reason,
        };
        for names in [
            &["hidden.0.weight", "hidden.0.bias", "output.weight"][..],
            &["a.0.weight", "b.1.weight"],
            &["0.weight", "1.running_mean"],
            &["0.weight", "1.bias"],
            &["0.weight", "00.weight"],
            &["0weight"],
            &["layer.99999999999999999999.weight"],
            &["conv.weight_g"],
            &["bias"],
        ] {
            let reason = refused(names);
            assert!(names.iter().all(|name| reason.contains(name)), "{reason}");
        }
        let many: Vec<String> = (0..20).map(|i| format!("block.{i}.attention")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refused(&many).ends_with("and 12 more"));
        assert_eq!(refused(&[]), "it contains no tensors");
    }
}
