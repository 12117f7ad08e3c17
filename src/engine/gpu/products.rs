//! The loops of `weight_gradients` over the samples of a slice, for each way in which a level may be stored.

use super::kernels::GRADIENT_PRODUCTS;
use crate::error::Result;
use crate::template::{self, Values};

/// How four neighboring numbers of a level are stored.
#[derive(Clone, Copy)]
pub(super) enum Stored {
    /// In a `vec4<f32>`.
    Vector,
    /// As f16 in a `vec2<u32>`.
    Packed,
    /// As f32 in two `vec2<u32>`.
    Wide,
}

/// What reads one of the two operands.
struct Operand {
    /// The array, the function of its wide levels, and the variables of a place in it and of the length of a row.
    names: [&'static str; 4],
    /// Where the level starts, and the first number there.
    start: [&'static str; 2],
    /// Numbers in a row.
    pitch: &'static str,
    /// Which four numbers of a row, from the place on.
    column: &'static str,
}

const VALUES: Operand = Operand {
    names: ["values", "wide_value", "at", "along"],
    start: ["values_of(layer)", "s * below + first_i"],
    pitch: "below",
    column: "${q}u",
};

const DELTAS: Operand = Operand {
    names: ["deltas", "wide_delta", "row", "beside"],
    start: ["values_of(layer + 1u)", "s * pitch"],
    pitch: "pitch",
    column: "column_${p}",
};

impl Operand {
    /// The length of a row, the first place, and the reads of a sample in a turn of the loop and of the last one.
    fn texts(&self, stored: Stored) -> [String; 4] {
        let Self { names: [array, wide, place, stride], start: [level, first], pitch, column } =
            self;
        let read = |place: String| match stored {
            Stored::Vector => format!("{array}[{place} + {column}]"),
            Stored::Packed => format!("unpacked({array}[{place} + {column}])"),
            Stored::Wide => format!("{wide}({place} + 2u * {column})"),
        };
        let (length, start) = match stored {
            Stored::Wide => (format!("{pitch} / 2u"), format!("{level} / 4u + ({first}) / 2u")),
            _ => (format!("{pitch} / 4u"), format!("({level} + {first}) / 4u")),
        };
        [length, start, read(format!("{place} + ${{t}}u * {stride}")), read((*place).into())]
    }
}

/// The loop for values and deltas in these two forms.
pub(super) fn products([values, deltas]: [Stored; 2], ranges: &[(char, u32)]) -> Result<String> {
    let [along, at, value, left_value] = VALUES.texts(values);
    let [beside, row, delta, left_delta] = DELTAS.texts(deltas);
    let texts = vec![
        ("along", along),
        ("at", at),
        ("value", value),
        ("left_value", left_value),
        ("beside", beside),
        ("row", row),
        ("delta", delta),
        ("left_delta", left_delta),
    ];
    let values = Values { texts, ranges: ranges.to_vec(), ..Values::default() };
    let filled = template::fill("gradient_products", GRADIENT_PRODUCTS, &values)?;
    // Without the file's head.
    let lines = filled.lines().skip_while(|line| line.starts_with("//"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
