//! Descriptions of activations, losses and other formulas, and the macro that declares a family of them.
//!
//! [`Activation::about`](crate::Activation::about) and the functions of the same name of the other families
//! return an [`About`].

// A family is a folder with one file for each formula, and one line for each in the `family!` of
// the folder's module. The macro writes the enum, its list and the dispatch. Names, parameters and
// their ranges come from the formula's own file (`About`); parsing and checking go through serde, so
// that the command line, files and messages agree.

use crate::error::{Error, Result, invalid_setting};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// The entry of a component in the reference page.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct About {
    /// The formula.
    pub formula: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// Its name in PyTorch; empty if PyTorch does not have it.
    pub pytorch: &'static str,
    /// Its parameters, in the order of their fields.
    pub parameters: &'static [Parameter],
}

/// A parameter of a component.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name, that of the field.
    pub name: &'static str,
    /// Its meaning.
    pub meaning: &'static str,
    /// Its valid numbers.
    pub range: Range,
}

/// The numbers that a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Range {
    /// Any finite number.
    Finite,
    /// Above 0.
    Positive,
    /// 0 or more.
    NotNegative,
    /// From 0 to 1, both included.
    Unit,
    /// From 0 to below 1.
    Fraction,
    /// Above 0 and at most 1.
    Share,
    /// True or false.
    Switch,
    /// One of some names.
    Choice(&'static [&'static str]),
}

impl Range {
    fn contains(self, x: f64) -> bool {
        match self {
            Self::Finite => x.is_finite(),
            Self::Positive => x > 0.0,
            Self::NotNegative => x >= 0.0,
            Self::Unit => (0.0..=1.0).contains(&x),
            Self::Fraction => (0.0..1.0).contains(&x),
            Self::Share => x > 0.0 && x <= 1.0,
            Self::Switch | Self::Choice(_) => true,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finite => "a finite number",
            Self::Positive => "above 0",
            Self::NotNegative => "0 or more",
            Self::Unit => "in [0, 1]",
            Self::Fraction => "in [0, 1)",
            Self::Share => "in (0, 1]",
            Self::Switch => "true or false",
            Self::Choice(names) => return f.write_str(&names.join(" or ")),
        })
    }
}

/// The parameters of a component by name; none for one without.
pub(crate) fn parameters(component: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(component) {
        Ok(Value::Object(tagged)) => match tagged.into_iter().next() {
            Some((_, Value::Object(parameters))) => parameters,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// Whether all parameters are in their ranges.
pub(crate) fn check(name: &str, about: &About, component: &impl Serialize) -> Result<()> {
    let values = parameters(component);
    for Parameter { name: parameter, range, .. } in about.parameters {
        // JSON has no infinity and no NaN: serde writes them as null.
        let value = match values.get(*parameter) {
            Some(Value::Bool(_) | Value::String(_)) => continue,
            Some(value) => value.as_f64(),
            None => None,
        };
        match value {
            Some(value) if range.contains(value) => {}
            Some(value) => {
                return invalid_setting(format!(
                    "{parameter} of {name} is {value}: it must be {range}"
                ));
            }
            None => {
                return invalid_setting(format!(
                    "{parameter} of {name} is not a finite number: it must be {range}"
                ));
            }
        }
    }
    Ok(())
}

/// Whether all parameters are numbers that f32 can hold, in which the engines compute.
pub(crate) fn check_single(name: &str, component: &impl Serialize) -> Result<()> {
    for (parameter, value) in parameters(component) {
        let Some(value) = value.as_f64() else { continue };
        let single = value as f32;
        if !single.is_finite() || (single == 0.0 && value != 0.0) {
            return invalid_setting(format!(
                "{parameter} of {name} is {value:?}: the engines compute in f32, which cannot hold it"
            ));
        }
    }
    Ok(())
}

/// The one of `all` with this name. `what` is what one of them is called.
pub(crate) fn by_name<T: Copy>(
    what: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
    name: &str,
) -> Result<T> {
    if let Some(found) = all.iter().copied().find(|one| name_of(*one) == name) {
        return Ok(found);
    }
    let names: Vec<&str> = all.iter().map(|one| name_of(*one)).collect();
    invalid_setting(format!("there is no {what} '{name}': choose one of {}", names.join(", ")))
}

/// The component that `text` names, as `name` or `name:parameter=value,parameter=value`.
/// Parameters that are not named have their defaults.
pub(crate) fn parse<T>(
    family: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
    text: &str,
) -> Result<T>
where
    T: Copy + Serialize + DeserializeOwned,
{
    let (name, settings) = text.split_once(':').unwrap_or((text, ""));
    let default = by_name(family, all, name_of, name)?;
    let mut values = parameters(&default);
    for assignment in settings.split(',').filter(|text| !text.is_empty()) {
        let Some((key, value)) = assignment.split_once('=') else {
            return invalid_setting(format!(
                "'{assignment}' sets no parameter: write {name}:parameter=value"
            ));
        };
        let known: Vec<String> = values.keys().cloned().collect();
        let Some(slot) = values.get_mut(key.trim()) else {
            let has = if known.is_empty() { "none".into() } else { known.join(", ") };
            return invalid_setting(format!(
                "{name} has no parameter '{}': it has {has}",
                key.trim()
            ));
        };
        let (read, wanted) = read_as(slot, value.trim());
        match read {
            Some(read) => *slot = read,
            None => {
                return invalid_setting(format!(
                    "{} of {name} is '{}': it must be {wanted}",
                    key.trim(),
                    value.trim()
                ));
            }
        }
    }
    if values.is_empty() {
        return Ok(default);
    }
    let tagged = Value::Object(Map::from_iter([(name.to_string(), Value::Object(values))]));
    serde_json::from_value(tagged).map_err(|error| Error::Setting(format!("{text}: {error}")))
}

/// The value that `text` is, of the kind of `slot`, and what that kind is called.
fn read_as(slot: &Value, text: &str) -> (Option<Value>, &'static str) {
    match slot {
        Value::Bool(_) => (text.parse().ok().map(Value::Bool), "true or false"),
        Value::String(_) => (Some(Value::from(text)), "a name"),
        Value::Number(number) if number.is_u64() => {
            (text.parse::<u64>().ok().map(Value::from), "a whole number of at least 0")
        }
        _ => {
            let number = text.parse().ok().and_then(serde_json::Number::from_f64);
            (number.map(Value::Number), "a number")
        }
    }
}

/// Writes a component as [`parse`] reads it.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    component: &impl Serialize,
) -> fmt::Result {
    f.write_str(name)?;
    for (i, (parameter, value)) in parameters(component).iter().enumerate() {
        f.write_str(if i == 0 { ":" } else { "," })?;
        match value {
            // Without quotation marks.
            Value::String(name) => write!(f, "{parameter}={name}")?,
            value => write!(f, "{parameter}={value}")?,
        }
    }
    Ok(())
}

/// Defines a family: its modules, its enum, the list of all, names, parsing and the dispatch to the formulas.
/// Each line is `module: Type as "name";` or `module: Type as "name" { parameter: kind, … } = CONSTANT;`,
/// where `module.rs` defines `Type` with the same fields and implements the family's `Formula` for it.
/// `CONSTANT` is the name in capitals: a macro cannot write it. Those in `unlisted { }` are variants that are
/// not in the list and that no text names.
macro_rules! family {
    (
        $(#[$meta:meta])*
        $Family:ident, $family:literal {
            $($module:ident: $Type:ident as $name:literal $({ $($field:ident: $kind:ty),+ } = $CONSTANT:ident)?;)+
        }
        $(unlisted {
            $($module2:ident: $Type2:ident as $name2:literal $({ $($field2:ident: $kind2:ty),+ })?;)+
        })?
    ) => {
        $(pub mod $module;)+
        $($(pub mod $module2;)+)?

        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub enum $Family {
            $(
                #[doc = concat!("See [`", stringify!($Type), "`](", stringify!($module), "::", stringify!($Type), ").")]
                #[serde(rename = $name)]
                $Type $({ $(
                    #[doc = concat!("See [`", stringify!($Type), "::", stringify!($field), "`](", stringify!($module), "::", stringify!($Type), "::", stringify!($field), ").")]
                    $field: $kind
                ),+ })?,
            )+
            $($(
                #[doc = concat!("See [`", stringify!($Type2), "`](", stringify!($module2), "::", stringify!($Type2), ").")]
                #[serde(rename = $name2)]
                $Type2 $({ $(
                    #[doc = concat!("See [`", stringify!($Type2), "::", stringify!($field2), "`](", stringify!($module2), "::", stringify!($Type2), "::", stringify!($field2), ").")]
                    $field2: $kind2
                ),+ })?,
            )+)?
        }

        impl $Family {
            $($(
                #[doc = concat!("[`", stringify!($Type), "`](", stringify!($module), "::", stringify!($Type), ") with its default parameters.")]
                pub const $CONSTANT: Self =
                    Self::$Type { $($field: <$module::$Type as Formula>::DEFAULT.$field),+ };
            )?)+

            /// The constants by their names.
            #[cfg(test)]
            pub(crate) const CONSTANTS: &'static [(&'static str, Self)] =
                &[$($((stringify!($CONSTANT), Self::$CONSTANT),)?)+];

            #[doc = concat!("Every ", $family, ", with its default parameters.")]
            pub const ALL: &'static [Self] = &[
                $(Self::$Type $({ $($field: <$module::$Type as Formula>::DEFAULT.$field),+ })?),+
            ];

            /// The name used on the command line and in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Type { .. } => $name,)+
                    $($(Self::$Type2 { .. } => $name2,)+)?
                }
            }

            /// Formula, source and parameters.
            pub fn about(self) -> crate::family::About {
                match self {
                    $(Self::$Type { .. } => <$module::$Type as Formula>::ABOUT,)+
                    $($(Self::$Type2 { .. } => <$module2::$Type2 as Formula>::ABOUT,)+)?
                }
            }

            /// Calls `visitor` with the formula.
            #[inline(always)]
            pub(crate) fn visit<V: Visitor>(self, visitor: V) -> V::Output {
                match self {
                    $(Self::$Type $({ $($field),+ })? => {
                        visitor.visit($module::$Type $({ $($field),+ })?)
                    })+
                    $($(Self::$Type2 $({ $($field2),+ })? => {
                        visitor.visit($module2::$Type2 $({ $($field2),+ })?)
                    })+)?
                }
            }

            #[doc = concat!("The ", $family, " that `text` names: its [`name`](Self::name), alone or with parameters as in")]
            /// `name:parameter=value,parameter=value`. Parameters that are not named have their
            /// defaults.
            ///
            /// # Errors
            /// An unknown name or parameter (the message lists those there are), or a value out of its
            /// range.
            pub fn from_name(text: &str) -> crate::Result<Self> {
                let parsed = crate::family::parse($family, Self::ALL, Self::name, text)?;
                parsed.check()?;
                Ok(parsed)
            }
        }

        impl std::str::FromStr for $Family {
            type Err = crate::Error;
            fn from_str(text: &str) -> crate::Result<Self> {
                Self::from_name(text)
            }
        }

        impl std::fmt::Display for $Family {
            /// The form that [`from_name`](Self::from_name) reads.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::family::write(f, self.name(), self)
            }
        }
    };
}
pub(crate) use family;

/// A component of the fixtures, as in `{"name": "huber", "delta": 0.5}`, in the form that [`parse`]
/// reads.
#[cfg(test)]
pub(crate) fn text_of(component: &Value) -> String {
    let set = component.as_object().into_iter().flatten().filter(|(key, _)| *key != "name");
    let settings: Vec<String> = set.map(|(key, value)| format!("{key}={value}")).collect();
    format!("{}:{}", component["name"].as_str().unwrap_or_default(), settings.join(","))
}

#[cfg(test)]
mod tests {
    use crate::{Activation, Encoding, Loss, Optimizer, Schedule, Wrapper};
    use serde::Serialize;
    use std::fmt::Display;

    /// Names, text and files agree for each component.
    fn round_trips<T>(all: &[T], name: impl Fn(T) -> &'static str)
    where
        T: Copy + Display + PartialEq + std::fmt::Debug + Serialize,
        T: std::str::FromStr<Err = crate::Error>,
    {
        for component in all.iter().copied() {
            assert_eq!(
                name(component).parse().map_err(|e: crate::Error| e.to_string()),
                Ok(component)
            );
            assert_eq!(component.to_string().parse().ok(), Some(component));
            let json = serde_json::to_string(&component).expect("components are plain data");
            assert!(json.contains(&format!("\"{}\"", name(component))), "{json}");
        }
    }

    #[test]
    fn every_component_with_parameters_has_a_constant() {
        fn check<T>(all: &[T], constants: &[(&str, T)], name: impl Fn(T) -> &'static str)
        where
            T: Copy + PartialEq + std::fmt::Debug + Serialize,
        {
            let mut left = constants.iter();
            for component in all.iter().copied() {
                if !super::parameters(&component).is_empty() {
                    let constant = name(component).to_uppercase().replace('-', "_");
                    assert_eq!(left.next(), Some(&(&*constant, component)));
                }
            }
            assert_eq!(left.next(), None);
        }
        check(Activation::ALL, Activation::CONSTANTS, Activation::name);
        check(Loss::ALL, Loss::CONSTANTS, Loss::name);
        check(Optimizer::ALL, Optimizer::CONSTANTS, Optimizer::name);
        check(Schedule::ALL, Schedule::CONSTANTS, Schedule::name);
        check(Encoding::ALL, Encoding::CONSTANTS, Encoding::name);
        check(Wrapper::ALL, Wrapper::CONSTANTS, Wrapper::name);
        assert_eq!(Optimizer::SGD, Optimizer::Sgd { momentum: 0.0, nesterov: false });
    }

    #[test]
    fn names_parameters_and_files_agree() {
        round_trips(Activation::ALL, Activation::name);
        round_trips(Loss::ALL, Loss::name);
        round_trips(Optimizer::ALL, Optimizer::name);
        round_trips(Schedule::ALL, Schedule::name);
        round_trips(Encoding::ALL, Encoding::name);
    }

    #[test]
    fn mistakes_are_reported_with_what_there_is() {
        let message = |text: &str| Activation::from_name(text).expect_err("refused").to_string();
        assert!(message("rely").contains("relu, leaky-relu"), "{}", message("rely"));
        assert!(message("leaky-relu:slop=1").contains("it has slope"));
        assert!(message("relu:slope=1").contains("it has none"));
        assert!(message("leaky-relu:slope").contains("parameter=value"));
        assert!(message("leaky-relu:slope=x").contains("'x'"));
        assert!(message("leaky-relu:slope=2").contains("slope of leaky-relu is 2"));
        assert!(message("leaky-relu:slope=NaN").contains("number"));
        assert!(message("gaussian:sigma=1e-50").contains("f32"), "1e-50 would be 0");
        assert!(message("elu:alpha=1e50").contains("f32"), "1e50 would be infinite");
        assert!(Optimizer::from_name("sgd:nesterov=0.5").is_err());
        let message = |text: &str| Schedule::from_name(text).expect_err("refused").to_string();
        assert!(
            message("step:every=2.5").contains("whole number"),
            "{}",
            message("step:every=2.5")
        );
        assert!(message("step:every=0").contains("every of step is 0"));
        let step = Schedule::from_name("step:every=3").expect("a whole number");
        assert_eq!(step, Schedule::Step { every: 3, factor: 0.5 });
        let sgd = Optimizer::from_name("sgd:momentum=0.9,nesterov=true").expect("both are there");
        assert_eq!(sgd, Optimizer::Sgd { momentum: 0.9, nesterov: true });
    }

    #[test]
    fn parameters_are_described_in_the_order_of_their_fields() {
        let check = |about: crate::family::About, parameters: Vec<String>| {
            let mut described: Vec<&str> = about.parameters.iter().map(|p| p.name).collect();
            described.sort_unstable();
            assert_eq!(described, parameters);
            assert!(!about.formula.is_empty() && !about.source.is_empty());
        };
        let names = |map: serde_json::Map<String, serde_json::Value>| map.keys().cloned().collect();
        for a in Activation::ALL {
            check(a.about(), names(super::parameters(a)));
        }
        for l in Loss::ALL {
            check(l.about(), names(super::parameters(l)));
        }
        for o in Optimizer::ALL {
            check(o.about(), names(super::parameters(o)));
        }
        for s in Schedule::ALL {
            check(s.about(), names(super::parameters(s)));
        }
        for e in Encoding::ALL {
            check(e.about(), names(super::parameters(e)));
        }
    }
}
