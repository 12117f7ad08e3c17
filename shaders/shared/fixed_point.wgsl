// The numbers that are added up are whole multiples of 2^-s: sums of whole numbers depend on no order. s follows from
// the largest number and from how many there are at most, 2^headroom, so that no sum leaves 63 bits: a number is less
// than 2^(E − 125), E being the largest one's exponent in its bits, since a weight can be rounded to a little more than
// 1. So it is less than 2^(62 − headroom) in units of 2^-s with s = 187 − headroom − E, and what is rounded away less
// than 2^(headroom − 60) of the largest.
fn shift_of(largest: u32) -> i32 {
    return 187 - i32(shape.headroom) - i32(largest >> 23u);
}

// Whether a number with these bits is infinite or NaN.
fn is_infinite(bits: u32) -> bool { return (bits & 0x7f800000u) == 0x7f800000u; }
