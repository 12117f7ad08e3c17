//! A hash of a picture, by which a resumed run recognizes its picture and mask.

use impasto::Picture;

/// FNV-1a of the size, the kind and the pixels of a picture.
pub fn digest(picture: &Picture) -> String {
    let size = [picture.width(), picture.height(), picture.channels(), picture.maximum().into()];
    let size = size.into_iter().flat_map(|number| (number as u64).to_le_bytes());
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = size.fold(0xcbf2_9ce4_8422_2325_u64, add);
    let mut values = Vec::new();
    for row in 0..picture.height() {
        picture.read_row(row, &mut values);
        hash = values.iter().flat_map(|value| value.to_le_bytes()).fold(hash, add);
    }
    format!("{hash:016x}")
}
