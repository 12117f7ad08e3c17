//! Pictures in the browser's format, RGBA of 8 bits.

use impasto::{Error, Picture, Result};

/// The picture in RGBA of 8 bits, row by row: gray and without an alpha channel where it has none.
///
/// # Errors
/// A size out of range, or bytes that do not fit it.
pub fn picture(width: usize, height: usize, rgba: &[u8]) -> Result<Picture> {
    Picture::check_size(width, height)?;
    if rgba.len() != width * height * 4 {
        return Err(Error::Shape(format!(
            "{} bytes are no RGBA picture of {width}×{height} pixels",
            rgba.len()
        )));
    }
    let pixels = || rgba.as_chunks::<4>().0.iter();
    let alpha = pixels().any(|p| p[3] != 255);
    let gray = pixels().all(|p| p[0] == p[1] && p[1] == p[2]);
    let kept: &[usize] = match (gray, alpha) {
        (true, false) => &[0],
        (true, true) => &[0, 3],
        (false, false) => &[0, 1, 2],
        (false, true) => &[0, 1, 2, 3],
    };
    let values = pixels().flat_map(|p| kept.iter().map(|k| p[*k])).collect();
    Picture::from_bytes(width, height, kept.len(), values)
}

/// A picture as RGBA of 8 bits.
pub(crate) fn rgba(picture: &Picture) -> Vec<u8> {
    let byte = |value: u16| {
        if picture.maximum() == 255 { value as u8 } else { (value / 257) as u8 }
    };
    picture
        .pixels()
        .flat_map(|pixel| match *pixel {
            [gray] => [gray, gray, gray, picture.maximum()],
            [gray, alpha] => [gray, gray, gray, alpha],
            [r, g, b] => [r, g, b, picture.maximum()],
            [r, g, b, alpha, ..] => [r, g, b, alpha],
            [] => [0; 4],
        })
        .map(byte)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_the_channels_that_they_need() {
        let channels = |bytes: &[u8]| picture(1, 1, bytes).map(|p| p.channels()).ok();
        assert_eq!(channels(&[7, 7, 7, 255]), Some(1));
        assert_eq!(channels(&[7, 7, 7, 0]), Some(2));
        assert_eq!(channels(&[7, 8, 7, 255]), Some(3));
        assert_eq!(channels(&[7, 8, 7, 9]), Some(4));
        assert_eq!(channels(&[7, 8, 7]), None);
        assert!(picture(usize::MAX, 2, &[]).is_err());
    }
}
