//! Vectors of parameters as the tensors of a file, and back.

use crate::memory::{self, MORE};
use crate::segment::{Segment, SegmentKind};
use safetensors::tensor::{Dtype, TensorView};

/// A tensor of a file.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) bytes: Vec<u8>,
}

/// A vector with a number for each parameter, as one tensor a segment: F32 or F64, with `prefix` before
/// the segment's name.
pub(super) fn tensors_of(
    segments: &[Segment],
    vector: &[f64],
    prefix: &str,
    dtype: Dtype,
) -> Result<Vec<Tensor>, String> {
    let tensor = |segment: &Segment| {
        let numbers = &vector[segment.range.clone()];
        let places = places_in_file(segment);
        let mut bytes = room_for(segment, if dtype == Dtype::F64 { 8 } else { 4 })?;
        match dtype {
            Dtype::F64 => places.for_each(|place| bytes.extend(numbers[place].to_le_bytes())),
            _ => places.for_each(|place| bytes.extend((numbers[place] as f32).to_le_bytes())),
        }
        let name = format!("{prefix}{}", segment.name);
        Ok(Tensor { name, shape: shape_in_file(segment), dtype, bytes })
    };
    segments.iter().map(tensor).collect()
}

/// Room for the bytes of a tensor in a file, so many for each number.
pub(super) fn room_for(segment: &Segment, bytes: usize) -> Result<Vec<u8>, String> {
    let count = segment.range.len().saturating_mul(bytes);
    memory::room(count, &segment.name, MORE).map_err(|error| error.to_string())
}

/// The shape of a segment in files, where the weights of a layer are transposed.
pub(super) fn shape_in_file(segment: &Segment) -> Vec<usize> {
    match segment.kind {
        SegmentKind::Dense => segment.shape.iter().rev().copied().collect(),
        SegmentKind::Scattered => segment.shape.clone(),
    }
}

/// The position within its segment of each number, in the order of files.
pub(super) fn places_in_file(segment: &Segment) -> impl Iterator<Item = usize> {
    let [rows, columns] = match segment.shape[..] {
        [rows, columns] if segment.kind == SegmentKind::Dense => [rows, columns],
        _ => [segment.range.len(), 1],
    };
    (0..columns).flat_map(move |column| (0..rows).map(move |row| row * columns + column))
}

/// The numbers of a tensor of that name, in the order of the file.
pub(super) fn numbers_of(name: &str, tensor: &TensorView) -> Result<Vec<f64>, String> {
    let data = tensor.data();
    let pairs = || data.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair));
    let numbers = match tensor.dtype() {
        Dtype::F64 => collect(name, data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b))),
        Dtype::F32 => {
            collect(name, data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()))
        }
        // The upper half of an f32.
        Dtype::BF16 => {
            collect(name, pairs().map(|bits| f32::from_bits(u32::from(bits) << 16).into()))
        }
        Dtype::F16 => collect(name, pairs().map(from_f16)),
        other => {
            return Err(format!("{name} is {other:?}: F64, F32, F16 and BF16 can be read"));
        }
    };
    numbers.map_err(|error| error.to_string())
}

/// The numbers of a tensor.
pub(super) fn collect(
    name: &str,
    numbers: impl ExactSizeIterator<Item = f64>,
) -> crate::Result<Vec<f64>> {
    memory::collect(numbers, name, MORE)
}

/// An error if an f32 cannot represent numbers of a tensor.
pub(super) fn check_range(name: &str, numbers: &[f64]) -> Result<(), String> {
    match numbers.iter().find(|number| number.is_finite() && !(**number as f32).is_finite()) {
        Some(large) => Err(format!("{name} contains {large:e}, outside the range of f32")),
        None => Ok(()),
    }
}

/// The number that is stored in the bits of an f16.
pub(super) fn from_f16(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * (-24_f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_exactly() {
        let known = [
            (0x0000, 0.0),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65_504.0),
            (0x0400, 6.103_515_625e-5),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x3555, 0.333_251_953_125),
            (0x7C00, f64::INFINITY),
            (0xFC00, f64::NEG_INFINITY),
        ];
        for (bits, number) in known {
            assert_eq!(from_f16(bits), number, "{bits:#x}");
        }
        assert!(from_f16(0x7E00).is_nan());
        assert!(from_f16(0x8000).is_sign_negative());
    }

    #[test]
    fn each_kind_of_number_is_read_and_others_are_refused() {
        let read = |dtype, data: &[u8], count| {
            let view = TensorView::new(dtype, vec![count], data).expect("a tensor");
            numbers_of("w", &view)
        };
        assert_eq!(read(Dtype::F16, &[0x00, 0xBE, 0x00, 0x34], 2), Ok(vec![-1.5, 0.25]));
        assert_eq!(read(Dtype::BF16, &[0xC0, 0xBF, 0x80, 0x3E], 2), Ok(vec![-1.5, 0.25]));
        assert_eq!(read(Dtype::F32, &(-1.5_f32).to_le_bytes(), 1), Ok(vec![-1.5]));
        assert_eq!(read(Dtype::F64, &0.1_f64.to_le_bytes(), 1), Ok(vec![0.1]));
        let refused = read(Dtype::I64, &[0; 8], 1).expect_err("refused");
        assert_eq!(refused, "w is I64: F64, F32, F16 and BF16 can be read");
        let refused = check_range("w", &[1e38, 1e300]).expect_err("refused");
        assert_eq!(refused, "w contains 1e300, outside the range of f32");
    }
}
