//! Whether a file can have as many pixels as its header promises.
//!
//! Each format has a most that its compression can expand a byte of a file to. A header that promises more is broken, or
//! was written to make readers take memory.

use image::ImageFormat;

/// Bytes that a file may lack, since some decoders accept an end that is broken.
const GRACE: u64 = 64;

/// Deflate: 258 bytes in 2 bits.
pub(super) const DEFLATE: u64 = 1040;

/// The most bytes of pixels, without gaps between their bits, that a byte of a file of this format becomes; nothing where
/// the format has no such limit.
pub(super) fn most_expansion(format: ImageFormat) -> Option<u64> {
    match format {
        // A bit for a block of 64 pixels, of at most 4 bytes each.
        ImageFormat::Jpeg => Some(8 * 64 * 4),
        // 12 bits for a string of 4,096 pixels, each of which may become 4 bytes.
        ImageFormat::Gif => Some(4 * 4096),
        // A run of 62 pixels of 4 bytes.
        ImageFormat::Qoi => Some(62 * 4),
        // No compression. Black and white become bytes.
        ImageFormat::Pnm => Some(8 * 4),
        ImageFormat::Farbfeld => Some(1),
        // A run of 128 pixels in two bytes; 16 bits may become four bytes.
        ImageFormat::Tga => Some(128 * 4),
        ImageFormat::Dds => Some(16),
        // Runs and skips of 255 by 255 pixels in four bytes.
        ImageFormat::Bmp => Some(4 * 16_384),
        // PNG, whose header has the bits of a pixel in the file. A solid picture in WebP has a size that does not depend on
        // its pixels.
        _ => None,
    }
}

/// The same for a TIFF file with this number of a compression.
pub(super) fn most_expansion_of_tiff(compression: u16) -> Option<u64> {
    match compression {
        1 => Some(1),
        // LZW: 9 bits for a string of 4,096.
        5 => Some(4096),
        8 | 32_946 => Some(DEFLATE),
        // PackBits: 128 bytes in two.
        32_773 => Some(64),
        // A line as the one before takes a bit in the compression of faxes.
        _ => None,
    }
}

/// An error unless so many bytes can have this many pixels of so many bits.
pub(super) fn check(
    [width, height]: [u32; 2],
    bits: u64,
    expansion: Option<u64>,
    length: u64,
) -> Result<(), String> {
    let Some(expansion) = expansion else { return Ok(()) };
    let promised = (u64::from(width) * u64::from(height)).saturating_mul(bits) / 8;
    if promised <= length.saturating_add(GRACE).saturating_mul(expansion) {
        return Ok(());
    }
    Err(format!(
        "says that it has {width}×{height} pixels, more than its {length} bytes can contain: get a complete copy of it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_compared_with_the_bytes_that_are_there() {
        for (size, bits, expansion, length, fits) in [
            ([32_768; 2], 24, Some(1), 3 << 30, true),
            ([32_768; 2], 24, Some(1), 1 << 30, false),
            ([32_768; 2], 24, Some(1040), 4 << 20, true),
            ([32_768; 2], 24, Some(1040), 1 << 20, false),
            ([32_768; 2], 24, None, 1, true),
            ([u32::MAX; 2], 64, Some(4096), u64::MAX, true),
            ([100; 2], 24, Some(1), 1, false),
            ([4; 2], 24, Some(1), 1, true),
        ] {
            let found = check(size, bits, expansion, length);
            assert_eq!(found.is_ok(), fits, "{size:?} {length}: {found:?}");
        }
        let said = check([32_768; 2], 24, Some(1040), 9000).expect_err("refused");
        assert!(said.contains("32768×32768 pixels, more than its 9000 bytes"), "{said}");
    }

    #[test]
    fn blank_pictures_are_not_refused() {
        // What compresses best: one color, as large as a test can be.
        let folder = tempfile::tempdir().expect("a folder");
        for (ending, channels) in
            [("png", 1), ("png", 4), ("jpg", 1), ("jpg", 3), ("qoi", 4), ("tiff", 3), ("webp", 3)]
        {
            let bytes = vec![255; 3000 * 2000 * channels];
            let picture = crate::Picture::from_bytes(3000, 2000, channels, bytes).expect("blank");
            let path = folder.path().join(format!("blank.{ending}"));
            picture.save(&path).unwrap_or_else(|error| panic!("{ending}: {error}"));
            let loaded = crate::Picture::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((loaded.width(), loaded.height()), (3000, 2000), "{ending}");
        }
    }
}
