//! The meaning of a file's colors, and their conversion to sRGB.

use crate::dataset::Levels;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, CmsError, ColorPrimaries, ColorProfile,
    DataColorSpace, Layout, MatrixCoefficients, ProfileText, RenderingIntent,
    TransferCharacteristics, Transform8BitExecutor, Transform16BitExecutor, TransformOptions, XyY,
    curve_from_gamma,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Pixels that are converted at once.
const BAND: usize = 1 << 14;

/// What the numbers of a file say about light.
pub(super) enum Meaning {
    /// They are sRGB, or the file does not say what they are.
    Srgb,
    /// They are proportional to light.
    Linear,
    /// They are described by a profile, whose name is for messages.
    Profile(Box<ColorProfile>, String),
    /// They mean something that this crate cannot convert, with a reason.
    Unknown(String),
}

impl Meaning {
    /// Of an ICC profile.
    pub(super) fn of_profile(bytes: &[u8]) -> Self {
        match ColorProfile::new_from_slice(bytes) {
            Ok(profile) => {
                let name = name_of(&profile).map_or("its profile".into(), |n| format!("'{n}'"));
                Self::Profile(Box::new(profile), name)
            }
            Err(error) => Self::Unknown(format!("its color profile cannot be read ({error})")),
        }
    }

    /// Of the header of a PNG file. The chunks come in the order of the standard: cICP, iCCP, sRGB, and
    /// then gAMA with cHRM.
    pub(super) fn of_png(info: &png::Info<'_>) -> Self {
        // Unspecified transfer or primaries leave the question to the other chunks.
        if let Some(points) = info.coding_independent_code_points
            && points.transfer_function != 2
            && points.color_primaries != 2
        {
            return Self::of_code_points(points);
        }
        if let Some(profile) = &info.icc_profile {
            return Self::of_profile(profile);
        }
        if info.srgb.is_some() {
            return Self::Srgb;
        }
        let gamma = info.gama_chunk.map(|g| f64::from(g.into_scaled()) / 100_000.0);
        Self::of_gamma(gamma, info.chrm_chunk)
    }

    fn of_code_points(points: png::CodingIndependentCodePoints) -> Self {
        let (primaries, transfer) = (points.color_primaries, points.transfer_function);
        let unfit = |what: &str| Self::Unknown(format!("its colors are {what}"));
        if !points.is_video_full_range_image {
            return unfit("in the narrow range of video");
        }
        match (primaries, transfer) {
            (1, 13) => return Self::Srgb,
            (_, 16) => return unfit("HDR (PQ)"),
            (_, 18) => return unfit("HDR (HLG)"),
            _ => {}
        }
        let numbers = format!("of primaries {primaries} and transfer {transfer} (cICP)");
        let (Ok(color_primaries), Ok(transfer_characteristics)) =
            (CicpColorPrimaries::try_from(primaries), TransferCharacteristics::try_from(transfer))
        else {
            return unfit(&numbers);
        };
        let profile = ColorProfile::new_from_cicp(CicpProfile {
            color_primaries,
            transfer_characteristics,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        });
        // What has no curve or no primaries leaves the profile as it was.
        if profile.cicp.is_none() || profile.red_trc.is_none() {
            return unfit(&numbers);
        }
        Self::Profile(Box::new(profile), numbers)
    }

    fn of_gamma(gamma: Option<f64>, primaries: Option<png::SourceChromaticities>) -> Self {
        // Files of sRGB were marked with 1/2.2 before they could be marked as such.
        let is_srgb = |gamma: f64| (gamma - 1.0 / 2.2).abs() < 0.005;
        let mut profile = ColorProfile::new_srgb();
        let mut names = Vec::new();
        if let Some(gamma) = gamma.filter(|gamma| !is_srgb(*gamma)) {
            if !(0.01..=100.0).contains(&gamma) {
                return Self::Unknown(format!("its gamma is {gamma}"));
            }
            let curve = curve_from_gamma((1.0 / gamma) as f32);
            profile.red_trc = Some(curve.clone());
            profile.green_trc = Some(curve.clone());
            profile.blue_trc = Some(curve);
            profile.cicp = None;
            names.push("gamma (gAMA)");
        }
        if let Some(given) = primaries {
            let point = |(x, y): (png::ScaledFloat, png::ScaledFloat)| {
                Chromaticity::new(x.into_value(), y.into_value())
            };
            let (white, red) = (point(given.white), point(given.red));
            let (green, blue) = (point(given.green), point(given.blue));
            // The area of the triangle is 0 for points in a line, which describe no colors.
            let area = (green.x - red.x) * (blue.y - red.y) - (blue.x - red.x) * (green.y - red.y);
            if [white, red, green, blue].iter().any(|p| p.y <= 0.0) || area.abs() < 1e-3 {
                return Self::Unknown("its primaries (cHRM) describe no colors".into());
            }
            let white = XyY { x: white.x.into(), y: white.y.into(), yb: 1.0 };
            profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
            names.push("primaries (cHRM)");
        }
        if names.is_empty() {
            return Self::Srgb;
        }
        Self::Profile(Box::new(profile), format!("its {}", names.join(" and ")))
    }

    /// Converts values of a picture, `[pixels, channels]`, to sRGB. Returns a note about what was done or could
    /// not be done.
    pub(super) fn to_srgb(&self, levels: &mut Levels, channels: usize) -> Option<String> {
        let maximum = levels.maximum();
        let unconverted =
            |why: &str| Some(format!("{why}: the numbers are read as sRGB, unconverted"));
        match self {
            // Linear light is converted before it becomes 16 bits.
            Self::Srgb | Self::Linear => None,
            Self::Unknown(why) => unconverted(why),
            Self::Profile(profile, name) => match Conversion::to_srgb(profile, channels, maximum) {
                Ok(conversion) if conversion.changes_nothing(maximum) => None,
                Ok(conversion) => match conversion.apply_to(levels, channels) {
                    Ok(()) => Some(format!("colors converted from {name} to sRGB")),
                    Err(error) => unconverted(&format!("{name} cannot be converted ({error})")),
                },
                Err(why) => unconverted(&format!("{name} cannot be converted ({why})")),
            },
        }
    }
}

/// Gray or RGB of the inks of `[pixels, 4]`, by their profile if there is one: `[pixels, 3]`, and a note.
pub(super) fn of_inks(inks: &[u16], maximum: u16, profile: Option<&[u8]>) -> (Vec<u16>, String) {
    let mut why = "it has no profile for its inks (CMYK)".to_string();
    if let Some(profile) = profile {
        match ColorProfile::new_from_slice(profile) {
            Ok(profile) if profile.color_space == DataColorSpace::Cmyk => {
                let mut colors = vec![0; inks.len() / 4 * 3];
                let srgb = ColorProfile::new_srgb();
                let converted = Executor::new(&profile, Layout::Rgba, &srgb, Layout::Rgb, maximum)
                    .and_then(|executor| executor.run(inks, &mut colors));
                match converted {
                    Ok(()) => return (colors, "inks (CMYK) converted by its profile".into()),
                    Err(error) => why = format!("its profile cannot be used ({error})"),
                }
            }
            Ok(_) => why = "its profile is not one of inks (CMYK)".into(),
            Err(error) => why = format!("its color profile cannot be read ({error})"),
        }
    }
    let most = u32::from(maximum);
    let colors = inks.as_chunks().0.iter().flat_map(|[c, m, y, k]| {
        [c, m, y].map(|ink| ((most - u32::from(*ink)) * (most - u32::from(*k)) / most) as u16)
    });
    (colors.collect(), format!("{why}: the colors are a guess"))
}

/// Light of [0, 1] as sRGB of [0, 1]. IEC 61966-2-1.
pub(super) fn encoded(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * libm::pow(light, 1.0 / 2.4) - 0.055 }
}

/// A conversion from a profile to sRGB.
struct Conversion {
    executor: Executor,
    /// Numbers of a color on both sides, 1 or 3.
    width: usize,
}

impl Conversion {
    /// For pictures of so many channels. Gray pictures may have a profile of colors.
    fn to_srgb(
        profile: &ColorProfile,
        channels: usize,
        maximum: u16,
    ) -> Result<Self, Cow<'static, str>> {
        let srgb = ColorProfile::new_srgb();
        let (width, layout, target) = match profile.color_space {
            DataColorSpace::Gray if channels < 3 => {
                let mut gray = ColorProfile::new_gray_with_gamma(2.2);
                gray.gray_trc = srgb.red_trc;
                (1, Layout::Gray, gray)
            }
            DataColorSpace::Gray => return Err("it is a profile of gray".into()),
            DataColorSpace::Rgb => (3, Layout::Rgb, srgb),
            other => return Err(format!("it is a profile of {other:?}, not of RGB").into()),
        };
        let executor = Executor::new(profile, layout, &target, layout, maximum);
        Ok(Self { executor: executor.map_err(|error| error.to_string())?, width })
    }

    /// Whether no color changes by more than a level of 8 bits.
    fn changes_nothing(&self, maximum: u16) -> bool {
        const STEPS: usize = 8;
        let level = |step: usize| (step * usize::from(maximum) / STEPS) as u16;
        let colors: Vec<u16> = if self.width == 1 {
            (0..=STEPS).map(level).collect()
        } else {
            let side = STEPS + 1;
            (0..side.pow(3))
                .flat_map(|i| [i, i / side, i / side / side].map(|i| level(i % side)))
                .collect()
        };
        let mut converted = vec![0; colors.len()];
        self.executor.run(&colors, &mut converted).is_ok()
            && colors.iter().zip(&converted).all(|(a, b)| a.abs_diff(*b) <= maximum / 255)
    }

    /// Converts the colors of `[pixels, channels]` and leaves an alpha channel as it is.
    fn apply_to(&self, levels: &mut Levels, channels: usize) -> Result<(), CmsError> {
        match levels {
            Levels::Words(words) => self.apply(words, channels),
            Levels::Bytes(bytes) => {
                for band in bytes.chunks_mut(BAND * channels) {
                    let mut values: Vec<u16> = band.iter().map(|byte| u16::from(*byte)).collect();
                    self.apply(&mut values, channels)?;
                    // Converted from 8 bits to 8 bits.
                    band.iter_mut().zip(values).for_each(|(byte, value)| *byte = value as u8);
                }
                Ok(())
            }
        }
    }

    /// The same for numbers of 16 bits, or of 8 that were widened.
    fn apply(&self, values: &mut [u16], channels: usize) -> Result<(), CmsError> {
        let colors = if channels < 3 { 1 } else { 3 };
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for band in values.chunks_mut(BAND * channels) {
            from.clear();
            for pixel in band.chunks_exact(channels) {
                match (colors, self.width) {
                    (1, 3) => from.extend([pixel[0]; 3]),
                    _ => from.extend_from_slice(&pixel[..colors]),
                }
            }
            to.resize(from.len(), 0);
            self.executor.run(&from, &mut to)?;
            for (pixel, color) in band.chunks_exact_mut(channels).zip(to.chunks_exact(self.width)) {
                // Gray stays gray in the middle of the three, whatever they round to.
                let color = if colors < self.width { &color[1..2] } else { color };
                pixel[..colors].copy_from_slice(color);
            }
        }
        Ok(())
    }
}

/// A transform of the library for 8 or 16 bits.
enum Executor {
    Eight(Arc<Transform8BitExecutor>),
    Sixteen(Arc<Transform16BitExecutor>),
}

impl Executor {
    fn new(
        from: &ColorProfile,
        from_layout: Layout,
        to: &ColorProfile,
        to_layout: Layout,
        maximum: u16,
    ) -> Result<Self, CmsError> {
        let options = TransformOptions {
            rendering_intent: RenderingIntent::RelativeColorimetric,
            prefer_fixed_point: false,
            ..TransformOptions::default()
        };
        if maximum == 255 {
            let made = from.create_transform_8bit(from_layout, to, to_layout, options);
            return made.map(Self::Eight);
        }
        from.create_transform_16bit(from_layout, to, to_layout, options).map(Self::Sixteen)
    }

    fn run(&self, from: &[u16], to: &mut [u16]) -> Result<(), CmsError> {
        match self {
            Self::Eight(transform) => {
                // Values of 8 bits are at most 255.
                let bytes: Vec<u8> = from.iter().map(|v| *v as u8).collect();
                let mut converted = vec![0; to.len()];
                transform.transform(&bytes, &mut converted)?;
                to.iter_mut().zip(converted).for_each(|(to, byte)| *to = u16::from(byte));
                Ok(())
            }
            Self::Sixteen(transform) => transform.transform(from, to),
        }
    }
}

/// What a profile calls itself, in a few printable characters.
fn name_of(profile: &ColorProfile) -> Option<String> {
    let text = match profile.description.as_ref()? {
        ProfileText::PlainString(text) => text.as_str(),
        ProfileText::Localizable(texts) => texts.first()?.value.as_str(),
        ProfileText::Description(text) => text.ascii_string.as_str(),
    };
    let name: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_string())
}
