//! Parameters in 16 or 8 bits of a file.
//!
//! In 16 bits, a tensor is F16, or BF16 where a number is beyond the range of F16. In 8 bits, a tensor is U8. Its
//! numbers are k/255 of the way from the least to the greatest of the tensor. These two are in the description of the
//! network, under `ranges`.

use super::description::{Description, Ranges};
use super::tensors::{Tensor, collect, places_in_file, room_for, shape_in_file};
use crate::network::Network;
use crate::segment::Segment;
use safetensors::tensor::{Dtype, TensorView};

/// The greatest number of U8.
pub(super) const LAST: f64 = 255.0;

/// The greatest number of F16.
const MOST_F16: f64 = 65_504.0;

/// How many bits a parameter takes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterBits {
    /// f32, which every engine computes with. Parameters come back as they were.
    #[default]
    ThirtyTwo,
    /// f16, or bfloat16 for a tensor with a number above 65,504. PyTorch reads both.
    Sixteen,
    /// Whole numbers from 0 to 255 in even steps from the least to the greatest number of a tensor. An error is at
    /// most 1/510 of that range.
    Eight,
}

impl ParameterBits {
    /// 32, 16 or 8.
    ///
    /// ```
    /// assert_eq!(impasto::ParameterBits::Eight.count(), 8);
    /// ```
    pub fn count(self) -> u32 {
        match self {
            Self::ThirtyTwo => 32,
            Self::Sixteen => 16,
            Self::Eight => 8,
        }
    }
}

/// The parameters of a network as tensors of 16 bits.
pub(super) fn halves(network: &Network) -> Result<Vec<Tensor>, String> {
    let tensor = |segment: &Segment| {
        let numbers = &network.parameters()[segment.range.clone()];
        let fits = numbers.iter().all(|number| number.abs() <= MOST_F16);
        let dtype = if fits { Dtype::F16 } else { Dtype::BF16 };
        let bits = |number: f64| if fits { to_f16(number) } else { to_bf16(number as f32) };
        let mut bytes = room_for(segment, 2)?;
        places_in_file(segment).for_each(|place| bytes.extend(bits(numbers[place]).to_le_bytes()));
        let (name, shape) = (segment.name.clone(), shape_in_file(segment));
        Ok(Tensor { name, shape, dtype, bytes })
    };
    network.segments().iter().map(tensor).collect()
}

/// The parameters of a network as tensors of 8 bits, and their ranges.
pub(super) fn bytes(network: &Network) -> Result<(Vec<Tensor>, Ranges), String> {
    let mut ranges = Ranges::new();
    let tensor = |segment: &Segment| {
        let numbers = &network.parameters()[segment.range.clone()];
        let range = range_of(numbers);
        ranges.insert(segment.name.clone(), range);
        let (least, width) = (f64::from(range[0]), width(range));
        let byte = |place: usize| {
            let share = if width > 0.0 { (numbers[place] - least) / width } else { 0.0 };
            (share * LAST).round().clamp(0.0, LAST) as u8
        };
        let (name, shape) = (segment.name.clone(), shape_in_file(segment));
        let mut bytes = room_for(segment, 1)?;
        bytes.extend(places_in_file(segment).map(byte));
        Ok(Tensor { name, shape, dtype: Dtype::U8, bytes })
    };
    let tensors: Result<_, String> = network.segments().iter().map(tensor).collect();
    Ok((tensors?, ranges))
}

/// The least and the greatest of some numbers, in f32; zeros if there are none.
pub(super) fn range_of(numbers: &[f64]) -> [f32; 2] {
    let singles = || numbers.iter().map(|number| *number as f32);
    if numbers.is_empty() {
        return [0.0; 2];
    }
    [singles().fold(f32::INFINITY, f32::min), singles().fold(f32::NEG_INFINITY, f32::max)]
}

pub(super) fn width([least, greatest]: [f32; 2]) -> f64 {
    f64::from(greatest) - f64::from(least)
}

/// The numbers of a tensor of 8 bits, in the order of the file; `None` if it is another.
pub(super) fn numbers_of_bytes(
    name: &str,
    own_name: &str,
    tensor: &TensorView,
    description: &Description,
) -> Result<Option<Vec<f64>>, String> {
    let Some(range) = description.ranges.get(own_name) else { return Ok(None) };
    if tensor.dtype() != Dtype::U8 {
        return Err(format!("{name} is {:?} and has a range, which is for U8", tensor.dtype()));
    }
    let [least, greatest] = *range;
    if !(least.is_finite() && greatest.is_finite() && least <= greatest) {
        return Err(format!("{name} has a range from {least} to {greatest}"));
    }
    // In f32, as the engines take it.
    let number =
        |byte: &u8| f64::from((f64::from(least) + f64::from(*byte) / LAST * width(*range)) as f32);
    let numbers = collect(name, tensor.data().iter().map(number));
    numbers.map(Some).map_err(|error| error.to_string())
}

/// The bits of the f16 that is nearest to a number of at most 65,504. Of two, that with an even fraction.
fn to_f16(number: f64) -> u16 {
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    let size = number.abs();
    // The exponent of the smallest normal numbers, whose steps the subnormal ones have, is -14.
    let exponent = if size < (-14_f64).exp2() { -14 } else { exponent_of(size) };
    let steps = (size * f64::from(10 - exponent).exp2()).round_ties_even() as u16;
    // A fraction that was rounded up to 2048 carries into the exponent.
    sign + if steps < 1024 { steps } else { ((exponent + 15) as u16) * 1024 + steps - 1024 }
}

/// The exponent of a normal number of f64.
fn exponent_of(size: f64) -> i32 {
    (size.to_bits() >> 52) as i32 - 1023
}

/// The upper half of an f32, rounded to the nearest, of two to the even one.
fn to_bf16(number: f32) -> u16 {
    let bits = number.to_bits();
    let rounded = bits.saturating_add(0x7FFF + (bits >> 16 & 1));
    let upper = (rounded >> 16) as u16;
    // What would be rounded to infinity stays the greatest number.
    if upper & 0x7FFF < 0x7F80 { upper } else { upper - 1 }
}

#[cfg(test)]
mod tests {
    use super::super::tensors::from_f16;
    use super::*;

    #[test]
    fn half_precision_is_written_to_the_nearest() {
        for bits in (0..0x7C00_u16).chain(0x8000..0xFC00) {
            assert_eq!(to_f16(from_f16(bits)), bits, "{bits:#x}");
            assert!(from_f16(bits).abs() <= MOST_F16);
        }
        for (number, bits) in [
            // Halfway between two: the even one.
            (1.0 + 2.0_f64.powi(-11), 0x3C00),
            (1.0 + 3.0 * 2.0_f64.powi(-11), 0x3C02),
            (1.0 + 1.01 * 2.0_f64.powi(-11), 0x3C01),
            // Rounded up to the next power of two, and to the smallest normal number.
            (1.9999, 0x4000),
            (2.0_f64.powi(-14) * 0.9999, 0x0400),
            (2.0_f64.powi(-26), 0),
            (-3.0 * 2.0_f64.powi(-25), 0x8002),
        ] {
            assert_eq!(to_f16(number), bits, "{number}");
        }
        assert_eq!(to_bf16(1.0), 0x3F80);
        assert_eq!(to_bf16(f32::from_bits(0x3F80_8000)), 0x3F80);
        assert_eq!(to_bf16(f32::from_bits(0x3F81_8000)), 0x3F82);
        assert_eq!(to_bf16(f32::MAX), 0x7F7F);
        assert_eq!(to_bf16(f32::MIN), 0xFF7F);
    }
}
