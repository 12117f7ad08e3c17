//! The encodings of tiny-cuda-nn.

use crate::config::keys::{Expected, Key, Kind, Path, Section, is_same, kind_of};
use crate::encoding::Encoding;
use crate::error::{Result, invalid_setting};
use crate::grid::{GridKind, Interpolation};
use crate::input_encoding::{Composite, InputEncoding, Part, Reduction};
use serde_json::Value;

const COMPOSITE: Kind = Kind {
    names: &["Composite"],
    keys: &[
        Key::new("nested", Expected::List, "encodings of some inputs each"),
        Key::new("reduction", Expected::Choice(REDUCTIONS), "how their outputs are combined"),
    ],
    ours: "`composite`",
};

const EMPTY: Kind = Kind { names: &["Empty"], keys: &[], ours: "no part of a `composite`" };

const FREQUENCY: Kind = Kind {
    names: &["Frequency"],
    keys: &[Key::new("n_frequencies", Expected::Count(12), "octaves of each input")],
    ours: "`frequency`",
};

const GRID: Kind = Kind {
    names: &["Grid", "HashGrid", "TiledGrid", "DenseGrid"],
    keys: &[
        Key::new("type", Expected::AnyChoice(GRIDS), "which entry of its table a corner has"),
        Key::new("n_levels", Expected::AnyCount, "resolutions; 16 by default"),
        Key::new("n_features", Expected::AnyCount, "features of all levels, instead of n_levels"),
        Key::new("n_grid_features", Expected::AnyCount, "another name of n_features"),
        Key::new("n_features_per_level", Expected::Count(2), "features of an entry: 1, 2, 4 or 8"),
        Key::new("log2_hashmap_size", Expected::Count(19), "log2 of the most entries of a level"),
        Key::new("base_resolution", Expected::Count(16), "resolution of the first level"),
        Key::new(
            "per_level_scale",
            Expected::AnyNumber,
            "growth of the resolution; 2 by default, for a dense grid such that the last level has 256",
        ),
        Key::new("interpolation", Expected::Choice(INTERPOLATIONS), "between the corners"),
        Key::fixed("hash", Expected::Choice(HASHES), "the hash function"),
        Key::fixed("stochastic_interpolation", Expected::Switch(false), "random interpolation"),
        Key::fixed("fixed_point_pos", Expected::Switch(false), "places as fixed-point numbers"),
    ],
    ours: "`grid`",
};

const IDENTITY: Kind = Kind {
    names: &["Identity"],
    keys: &[
        Key::new("scale", Expected::Number(1.0), "factor of each input"),
        Key::new("offset", Expected::Number(0.0), "what is added"),
    ],
    ours: "`scaled`",
};

const ONE_BLOB: Kind = Kind {
    names: &["OneBlob"],
    keys: &[Key::new("n_bins", Expected::Count(16), "bins of each input")],
    ours: "`one-blob`",
};

const NRC: Kind = Kind {
    names: &["OneBlobFrequency", "NRC"],
    keys: &[
        Key::new("n_frequencies", Expected::Count(12), "octaves of the first 3 inputs"),
        Key::new("n_bins", Expected::Count(4), "bins of the next 5 inputs"),
    ],
    ours: "a `composite` of `triangle-wave` of 3 inputs, `one-blob` of 5 and `scaled` of the rest",
};

const SPHERICAL_HARMONICS: Kind = Kind {
    names: &["SphericalHarmonics"],
    keys: &[Key::new("degree", Expected::Count(4), "degrees")],
    ours: "`spherical-harmonics`",
};

const TRIANGLE_WAVE: Kind = Kind {
    names: &["TriangleWave"],
    keys: &[Key::new("n_frequencies", Expected::Count(12), "octaves of each input")],
    ours: "`triangle-wave`",
};

/// All of them.
pub(crate) const ENCODINGS: &[Kind] = &[
    COMPOSITE,
    EMPTY,
    FREQUENCY,
    GRID,
    IDENTITY,
    ONE_BLOB,
    NRC,
    SPHERICAL_HARMONICS,
    TRIANGLE_WAVE,
];

/// The encoding without an `otype`.
const DEFAULT: &str = "OneBlob";

/// The keys of a part of a composite besides its own.
pub(crate) const OF_PART: [Key; 2] = [
    Key::new("n_dims_to_encode", Expected::AnyCount, "how many inputs it takes"),
    Key::new("dims_to_encode_begin", Expected::AnyCount, "the first of them"),
];

const REDUCTIONS: &[&str] = &["Concatenation", "Sum", "Product"];
const GRIDS: &[&str] = &["Hash", "Dense", "Tiled"];
const INTERPOLATIONS: &[&str] = &["Linear", "Nearest", "Smoothstep"];
const HASHES: &[&str] = &["CoherentPrime", "Prime", "ReversedPrime", "Rng", "BaseConvert"];

/// The resolution of the last level of a dense grid whose growth is not given.
const DENSE_RESOLUTION: f64 = 256.0;

/// The encoding of so many inputs.
pub(super) fn encoding(section: &Section<'_>, inputs: usize) -> Result<InputEncoding> {
    match part(section, inputs, &[])? {
        Some(encoding) => Ok(encoding),
        None => invalid_setting(format!(
            "{}: Empty is for a part of a Composite: a network needs inputs",
            section.path()
        )),
    }
}

/// The same; `None` for `Empty`. `more` are keys that the section may have besides those of its encoding.
fn part(
    section: &Section<'_>,
    inputs: usize,
    more: &[&'static str],
) -> Result<Option<InputEncoding>> {
    let kind = kind_of(section, "encoding", ENCODINGS, DEFAULT)?;
    section.check(kind, more)?;
    let size = |name| section.size_of(kind, name);
    let encoding = match kind.names[0] {
        "Composite" => return composite(section, inputs).map(Some),
        "OneBlobFrequency" => {
            let waves = Encoding::TriangleWave { octaves: size("n_frequencies")? };
            let blobs = Encoding::OneBlob { bins: size("n_bins")? };
            return nrc(section, inputs, waves, blobs).map(Some);
        }
        "Empty" => return Ok(None),
        "Frequency" => Encoding::Frequency { octaves: size("n_frequencies")? },
        "Identity" => Encoding::Scaled {
            scale: section.number_of(kind, "scale")?,
            offset: section.number_of(kind, "offset")?,
        },
        "SphericalHarmonics" => Encoding::SphericalHarmonics { degree: size("degree")? },
        "TriangleWave" => Encoding::TriangleWave { octaves: size("n_frequencies")? },
        "Grid" => grid(section, kind)?,
        _ => Encoding::OneBlob { bins: size("n_bins")? },
    };
    Ok(Some(encoding.into()))
}

fn grid(section: &Section<'_>, kind: &Kind) -> Result<Encoding> {
    let features = section.size_of(kind, "n_features_per_level")?;
    let all = match (section.size("n_features")?, section.size("n_grid_features")?) {
        (Some(_), Some(_)) => {
            return invalid_setting(format!(
                "{}: n_features and n_grid_features are the same: give one",
                section.path()
            ));
        }
        (one, other) => one.or(other),
    };
    let levels = match (all, section.size("n_levels")?) {
        (None, levels) => levels.unwrap_or(16),
        (Some(all), None) if features > 0 && all.is_multiple_of(features) => all / features,
        (Some(all), None) => {
            return invalid_setting(format!(
                "{}: {all} features in all cannot be levels of {features}",
                section.path()
            ));
        }
        (Some(_), Some(_)) => {
            return invalid_setting(format!(
                "{}: n_features follows from n_levels: give one",
                section.path()
            ));
        }
    };
    let named = section.text("otype")?.unwrap_or_default();
    let by_name = if is_same(named, "TiledGrid") {
        "Tiled"
    } else if is_same(named, "DenseGrid") {
        "Dense"
    } else {
        "Hash"
    };
    let kind_of_grid = match section.choice("type", GRIDS)?.unwrap_or(by_name) {
        "Tiled" => GridKind::Tiled,
        "Dense" => GridKind::Dense,
        _ => GridKind::Hash,
    };
    let base_resolution = section.size_of(kind, "base_resolution")?;
    let level_scale = match section.number("per_level_scale")? {
        Some(scale) => scale,
        None if kind_of_grid == GridKind::Dense && levels > 1 => {
            libm::pow(DENSE_RESOLUTION / base_resolution as f64, 1.0 / (levels - 1) as f64)
        }
        None => 2.0,
    };
    let interpolation = match section.choice("interpolation", INTERPOLATIONS)? {
        Some("Nearest") => Interpolation::Nearest,
        Some("Smoothstep") => Interpolation::Smoothstep,
        _ => Interpolation::Linear,
    };
    let log2_size = section.size_of(kind, "log2_hashmap_size")?;
    let kind = kind_of_grid;
    Ok(Encoding::Grid {
        kind,
        levels,
        features,
        log2_size,
        base_resolution,
        level_scale,
        interpolation,
    })
}

/// Neural radiance caching's encoding.
fn nrc(
    section: &Section<'_>,
    inputs: usize,
    waves: Encoding,
    blobs: Encoding,
) -> Result<InputEncoding> {
    if inputs < 8 {
        return invalid_setting(format!(
            "{}: OneBlobFrequency takes 8 inputs or more, and there are {inputs}",
            section.path()
        ));
    }
    let part =
        |inputs, encoding: Encoding| Part { inputs: Some(inputs), encoding: encoding.into() };
    let mut parts = vec![part(0..3, waves), part(3..8, blobs)];
    if inputs > 8 {
        parts.push(part(8..inputs, Encoding::SCALED));
    }
    Ok(Composite { reduction: Reduction::Concatenation, parts }.into())
}

fn composite(section: &Section<'_>, inputs: usize) -> Result<InputEncoding> {
    let path = section.path();
    let list = Path::Key(&path, "nested");
    let Some(Value::Array(nested)) = section.get("nested") else {
        return invalid_setting(format!("{list}: a Composite needs a list of encodings here"));
    };
    let places: Vec<Path<'_>> = (0..nested.len()).map(|i| Path::Place(&list, i)).collect();
    let mut sections = Vec::with_capacity(nested.len());
    for (place, value) in places.iter().zip(nested) {
        sections.push(Section::new(*place, value)?);
    }
    // What the part without a number of inputs takes, unless some say where they begin.
    let (mut rest, mut taken) = (Some(inputs), 0_usize);
    for section in &sections {
        if section.size("dims_to_encode_begin")?.is_some() {
            rest = None;
        }
        taken = taken.saturating_add(section.size("n_dims_to_encode")?.unwrap_or(0));
    }
    if let Some(all) = rest {
        if taken > all {
            return invalid_setting(format!(
                "{list}: these encodings take {taken} inputs, and there are {inputs}"
            ));
        }
        rest = Some(all - taken);
    }
    let (mut parts, mut start) = (Vec::new(), 0_usize);
    for section in &sections {
        let own = match (section.size("n_dims_to_encode")?, section.size("dims_to_encode_begin")?) {
            (Some(own), begin) => {
                start = begin.unwrap_or(start);
                own
            }
            (None, Some(_)) => {
                return invalid_setting(format!(
                    "{}: dims_to_encode_begin needs n_dims_to_encode, too",
                    section.path()
                ));
            }
            (None, None) => match rest.take() {
                Some(rest) => rest,
                None => {
                    return invalid_setting(format!(
                        "{}: n_dims_to_encode can be left out of one encoding, and of none where another \
                         has dims_to_encode_begin",
                        section.path()
                    ));
                }
            },
        };
        let end = start.saturating_add(own);
        if end > inputs {
            return invalid_setting(format!(
                "{}: it takes the inputs {start} to {end}, and there are {inputs}",
                section.path()
            ));
        }
        let encoding = part(section, own, &["n_dims_to_encode", "dims_to_encode_begin"])?;
        if let Some(encoding) = encoding.filter(|_| own > 0) {
            parts.push(Part { inputs: Some(start..end), encoding });
        }
        start = end;
    }
    let reduction = match section.choice("reduction", REDUCTIONS)? {
        Some("Sum") => Reduction::Sum,
        Some("Product") => Reduction::Product,
        _ => Reduction::Concatenation,
    };
    Ok(Composite { reduction, parts }.into())
}
