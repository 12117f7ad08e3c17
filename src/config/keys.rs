//! The keys that an object of a configuration may have, as tables, and the reading of an object by its table.

use crate::error::{Result, invalid_setting};
use serde_json::{Map, Value};

/// A component of tiny-cuda-nn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Its names, of which `otype` is one, in any case.
    pub(crate) names: &'static [&'static str],
    /// The keys besides `otype`.
    pub(crate) keys: &'static [Key],
    /// What it is in this crate, for the documentation. Empty for one that this crate does not have.
    pub(crate) ours: &'static str,
}

/// A key and the values it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// The kind of its value, and the default.
    pub(crate) value: Expected,
    /// Whether only the default is possible, since this crate does not have the rest.
    pub(crate) fixed: bool,
    /// Its meaning, for the schema.
    pub(crate) meaning: &'static str,
}

/// The kind of a value, and its default.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// A finite number.
    Number(f64),
    /// A finite number whose default depends on other keys.
    AnyNumber,
    /// A whole number of at least 0.
    Count(u64),
    /// A whole number of at least 0 whose default depends on other keys.
    AnyCount,
    /// True or false.
    Switch(bool),
    /// One of some names, in any case; the first is the default.
    Choice(&'static [&'static str]),
    /// One of some names, in any case, whose default depends on other keys.
    AnyChoice(&'static [&'static str]),
    /// A component.
    Nested,
    /// Several components.
    List,
}

impl Key {
    /// A key whose values are all possible.
    pub(crate) const fn new(name: &'static str, value: Expected, meaning: &'static str) -> Self {
        Self { name, value, fixed: false, meaning }
    }

    /// A key of which only the default is possible.
    pub(crate) const fn fixed(name: &'static str, value: Expected, meaning: &'static str) -> Self {
        Self { name, value, fixed: true, meaning }
    }
}

/// An object of a configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    /// Where it is, such as `encoding.nested[1]`; empty for the whole configuration.
    path: Path<'a>,
    map: &'a Map<String, Value>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    /// At the top.
    Top,
    /// At a key of an object.
    Key(&'a Path<'a>, &'a str),
    /// At a place in a list.
    Place(&'a Path<'a>, usize),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Key(Self::Top, key) => f.write_str(key),
            Self::Key(above, key) => write!(f, "{above}.{key}"),
            Self::Place(above, place) => write!(f, "{above}[{place}]"),
        }
    }
}

/// The value as it is in a message, shortened.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether two names are the same in any case.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A whole number of at least 0. Those that are written as `1e4` are whole numbers, too.
pub(crate) fn count(value: &Value) -> Option<u64> {
    // Up to this number, f64 has every whole number.
    const MOST: f64 = (1_u64 << 53) as f64;
    let whole = |x: &f64| x.fract() == 0.0 && (0.0..=MOST).contains(x);
    value.as_u64().or_else(|| value.as_f64().filter(whole).map(|x| x as u64))
}

impl<'a> Section<'a> {
    /// The object that `value` is.
    pub(crate) fn new(path: Path<'a>, value: &'a Value) -> Result<Self> {
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            other if matches!(path, Path::Top) => {
                invalid_setting(format!("{} is no configuration: it must be {{…}}", shown(other)))
            }
            other => invalid_setting(format!("{path}: it is {}: it must be {{…}}", shown(other))),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> Path<'a> {
        self.path
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    /// The error for the value of `key`.
    pub(crate) fn wrong<T>(&self, key: &str, value: &Value, wanted: &str) -> Result<T> {
        let path = Path::Key(&self.path, key);
        invalid_setting(format!("{path}: it is {}: it must be {wanted}", shown(value)))
    }

    /// The text of a key.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.get(key) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => self.wrong(key, other, "a name"),
            None => Ok(None),
        }
    }

    /// The finite number of a key.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64().filter(|x| x.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => self.wrong(key, value, "a number"),
        }
    }

    /// The whole number of a key.
    pub(crate) fn count(&self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match count(value) {
            Some(count) => Ok(Some(count)),
            None => self.wrong(key, value, "a whole number of at least 0"),
        }
    }

    /// The whole number of a key, as a size.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>> {
        Ok(self.count(key)?.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    }

    /// The truth value of a key.
    pub(crate) fn switch(&self, key: &str) -> Result<Option<bool>> {
        match self.get(key) {
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => self.wrong(key, other, "true or false"),
            None => Ok(None),
        }
    }

    /// The name of a key, one of `names`, as it is there.
    pub(crate) fn choice(
        &self,
        key: &str,
        names: &'static [&'static str],
    ) -> Result<Option<&'static str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let found = value.as_str().and_then(|text| names.iter().find(|name| is_same(name, text)));
        match found {
            Some(name) => Ok(Some(name)),
            None => self.wrong(key, value, &format!("one of {}", names.join(", "))),
        }
    }

    /// Refuses keys that are none of `names`.
    pub(crate) fn only<'n>(&self, names: impl IntoIterator<Item = &'n str> + Clone) -> Result<()> {
        for key in self.map.keys() {
            if names.clone().into_iter().any(|name| name == key) {
                continue;
            }
            let known: Vec<&str> = names.into_iter().collect();
            let path = Path::Key(&self.path, key);
            return invalid_setting(format!(
                "{path}: there is no such key: there is {}",
                known.join(", ")
            ));
        }
        Ok(())
    }

    /// Checks it by the table of its kind; `more` are keys that it may have too.
    pub(crate) fn check(&self, kind: &Kind, more: &[&'static str]) -> Result<()> {
        let own = kind.keys.iter().map(|key| key.name);
        self.only(["otype"].into_iter().chain(own).chain(more.iter().copied()))?;
        for key in kind.keys {
            self.check_key(key)?;
        }
        Ok(())
    }

    /// Checks the value of a key.
    fn check_key(&self, key: &Key) -> Result<()> {
        let name = key.name;
        let (is_default, default) = match key.value {
            Expected::Number(default) => {
                (self.number(name)?.is_none_or(|value| value == default), default.to_string())
            }
            Expected::Count(default) => {
                (self.count(name)?.is_none_or(|value| value == default), default.to_string())
            }
            Expected::Switch(default) => {
                (self.switch(name)?.is_none_or(|value| value == default), default.to_string())
            }
            Expected::Choice(names) => {
                let is_first = |value: &str| names.first().is_some_and(|first| *first == value);
                (self.choice(name, names)?.is_none_or(is_first), names.join(", "))
            }
            Expected::AnyNumber => (self.number(name)?.is_none(), String::new()),
            Expected::AnyCount => (self.count(name)?.is_none(), String::new()),
            Expected::AnyChoice(names) => (self.choice(name, names)?.is_none(), String::new()),
            Expected::Nested | Expected::List => (true, String::new()),
        };
        if key.fixed && !is_default {
            let value = self.get(name).unwrap_or(&Value::Null);
            return invalid_setting(format!(
                "{}: it is {}: impasto has only {default}",
                Path::Key(&self.path, name),
                shown(value)
            ));
        }
        Ok(())
    }

    /// The number of a key of the table, or its default.
    pub(crate) fn number_of(&self, kind: &Kind, name: &str) -> Result<f64> {
        Ok(self.number(name)?.unwrap_or_else(|| match expected(kind, name) {
            Some(Expected::Number(default)) => default,
            _ => 0.0,
        }))
    }

    /// The whole number of a key of the table, or its default.
    pub(crate) fn count_of(&self, kind: &Kind, name: &str) -> Result<u64> {
        Ok(self.count(name)?.unwrap_or_else(|| match expected(kind, name) {
            Some(Expected::Count(default)) => default,
            _ => 0,
        }))
    }

    /// The same as a size.
    pub(crate) fn size_of(&self, kind: &Kind, name: &str) -> Result<usize> {
        Ok(usize::try_from(self.count_of(kind, name)?).unwrap_or(usize::MAX))
    }
}

/// What a key of a table expects.
fn expected(kind: &Kind, name: &str) -> Option<Expected> {
    kind.keys.iter().find(|key| key.name == name).map(|key| key.value)
}

/// The kind with this name, of those that are called `what`.
pub(crate) fn kind_of(
    section: &Section<'_>,
    what: &str,
    kinds: &'static [Kind],
    default: &str,
) -> Result<&'static Kind> {
    let name = section.text("otype")?.unwrap_or(default);
    let named = |kind: &&Kind| kind.names.iter().any(|own| is_same(own, name));
    let path = Path::Key(&section.path, "otype");
    let all = || {
        let there = kinds.iter().filter(|kind| !kind.ours.is_empty());
        there.map(|kind| kind.names.join(", ")).collect::<Vec<_>>().join(", ")
    };
    match kinds.iter().find(named) {
        Some(kind) if kind.ours.is_empty() => invalid_setting(format!(
            "{path}: impasto does not have the {what} {}: there is {}",
            kind.names[0],
            all()
        )),
        Some(kind) => Ok(kind),
        None => invalid_setting(format!("{path}: there is no {what} {name:?}: there is {}", all())),
    }
}
