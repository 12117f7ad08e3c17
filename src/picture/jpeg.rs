//! What a JPEG file lacks at its end.

use image::ImageFormat;

/// What the markers of a JPEG file say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// Components of a pixel; 4 are inks.
    pub(super) components: usize,
    /// Whether the file has its end marker.
    pub(super) has_end: bool,
    /// Whether all coefficients of all components have begun.
    has_all_scans: bool,
}

impl Survey {
    /// Reads the markers.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut survey = Self { components: 0, has_end: false, has_all_scans: false };
        let (mut ids, mut is_progressive) = (Vec::new(), false);
        // The lowest bit that was sent of each coefficient of each component.
        let mut sent: Vec<[u8; 64]> = Vec::new();
        let mut at = 0;
        while let Some((marker, next)) = next_marker(bytes, at) {
            at = next;
            match marker {
                0xD9 => {
                    survey.has_end = true;
                    break;
                }
                // Markers without data.
                0x01 | 0xD0..=0xD8 => continue,
                _ => {}
            }
            let Some(length) = bytes.get(at..at + 2) else { break };
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let Some(data) = bytes.get(at + 2..at + length.max(2)) else { break };
            at += length.max(2);
            match marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF if ids.is_empty() => {
                    is_progressive = marker & 3 == 2;
                    let parts = data.get(6..).unwrap_or_default().as_chunks::<3>().0;
                    ids = parts.iter().map(|part| part[0]).collect();
                    sent = vec![[u8::MAX; 64]; ids.len()];
                    survey.components = ids.len();
                }
                0xDA => {
                    let count = data.first().map_or(0, |count| usize::from(*count));
                    let Some(&[first, last, bits]) = data.get(1 + 2 * count..4 + 2 * count) else {
                        break;
                    };
                    let range = if is_progressive { (first, last, bits & 15) } else { (0, 63, 0) };
                    for id in data[1..].iter().step_by(2).take(count) {
                        let Some(component) = ids.iter().position(|other| other == id) else {
                            continue;
                        };
                        for k in range.0..=range.1.min(63) {
                            sent[component][usize::from(k)] = range.2;
                        }
                    }
                }
                _ => {}
            }
        }
        survey.has_all_scans = !sent.is_empty() && sent.iter().flatten().all(|bit| *bit == 0);
        survey
    }
}

/// The next marker from `at` on, and where its data begins. Data of pixels and what fills the space before
/// a marker are skipped.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)? + 1;
        let marker = *bytes.get(at)?;
        if marker != 0 && marker != 0xFF {
            return Some((marker, at + 1));
        }
    }
}

/// The bytes of a file without an end marker, with one; nothing if the file lacks more than that.
///
/// Decoders make up what is missing and do not say so. So the file is decoded with different bytes behind
/// it: a pixel that depends on them was not in the file.
pub(super) fn completed(bytes: &[u8], survey: &Survey) -> Option<Vec<u8>> {
    if !survey.has_all_scans {
        return None;
    }
    // The first half of a marker.
    let whole = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0xFF).count();
    let bytes = &bytes[..whole];
    let followed = |fill: &[u8]| [bytes, fill, &[0xFF, 0xD9]].concat();
    let decoded =
        |fill: &[u8]| image::load_from_memory_with_format(&followed(fill), ImageFormat::Jpeg).ok();
    let fills =
        [vec![0; 256], vec![0xFE; 256], (0..=254).map(|i: u8| i.wrapping_mul(89)).collect()];
    let mut pictures = fills.iter().map(|fill| {
        // No marker may be in it.
        let fill: Vec<u8> = fill.iter().map(|byte| byte.min(&0xFE)).copied().collect();
        decoded(&fill)
    });
    let first = pictures.next().flatten()?;
    pictures.all(|picture| picture.as_ref() == Some(&first)).then(|| followed(&[]))
}
