//! `--scale` and `--region`: how large the painting is, and which part of it is painted.

use super::values::Size;
use clap::Args;
use impasto::{Error, Picture, Region, Result, Subject};
use std::str::FromStr;

/// The options beside `--size`.
#[derive(Clone, Debug, Default, Args)]
pub struct View {
    /// Paint this many times as large as the picture: 2x or 0.5; the comparison sheet keeps the picture's size
    #[arg(long, value_name = "FACTOR", conflicts_with = "size", allow_negative_numbers = true)]
    pub scale: Option<Scale>,

    /// Paint only this rectangle of the painting, in pixels of --size or --scale: its left column, its upper row, its
    /// width and its height; the comparison sheet shows the whole picture
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT")]
    pub region: Option<Rectangle>,
}

impl View {
    /// The options that are given, for messages.
    pub fn given(&self) -> Option<&'static str> {
        match (&self.scale, &self.region) {
            (Some(_), _) => Some("--scale"),
            (None, Some(_)) => Some("--region"),
            (None, None) => None,
        }
    }

    /// What is painted of this subject, in this size if there is one.
    pub fn frame(&self, size: Option<Size>, subject: Subject) -> Result<Frame> {
        let size = match (size, self.scale) {
            (Some(Size { width, height }), _) => (width, height),
            (None, Some(Scale(scale))) => subject.scaled(scale)?,
            (None, None) => (subject.width, subject.height),
        };
        let region = self.region.map(|rectangle| rectangle.0);
        if let Some(region) = region {
            region.check(size).map_err(|_| {
                let Region { x, y, width, height } = region;
                Error::Setting(format!(
                    "--region {x},{y},{width},{height} is not within the painting, which has {}×{} pixels",
                    size.0, size.1
                ))
            })?;
        }
        let frame = Frame { size, region };
        let (width, height) = frame.painted();
        Picture::check_size(width, height)?;
        Ok(frame)
    }
}

/// A painting, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Width and height of the whole.
    pub size: (usize, usize),
    /// The part, if not all is painted.
    pub region: Option<Region>,
}

impl Frame {
    /// Width and height of what is painted.
    pub fn painted(&self) -> (usize, usize) {
        self.region.map_or(self.size, |region| (region.width, region.height))
    }

    /// Whether it is the whole picture in its own size.
    pub fn is_whole(&self, subject: Subject) -> bool {
        self.region.is_none() && self.size == (subject.width, subject.height)
    }
}

/// How many times as large, written `2x` or `2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale(pub f64);

impl FromStr for Scale {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim().trim_end_matches(['x', 'X', '×']).trim_end().parse::<f64>();
        match number {
            Ok(scale) if scale.is_finite() && scale > 0.0 => Ok(Self(scale)),
            _ => Err(Error::Setting(format!("'{text}' is no scale above 0: write 2x or 0.5"))),
        }
    }
}

/// A rectangle, written `X,Y,WIDTH,HEIGHT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle(pub Region);

impl FromStr for Rectangle {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let numbers: Vec<usize> =
            text.split(',').map_while(|number| number.trim().parse().ok()).collect();
        match numbers[..] {
            [x, y, width, height] if text.split(',').count() == 4 => {
                if width == 0 || height == 0 {
                    return Err(Error::Setting(format!(
                        "'{text}' has no pixel: width and height are at least 1"
                    )));
                }
                Ok(Self(Region { x, y, width, height }))
            }
            _ => Err(Error::Setting(format!(
                "'{text}' is no rectangle: write X,Y,WIDTH,HEIGHT, such as 100,50,640,480"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Option<Region> {
        text.parse::<Rectangle>().ok().map(|rectangle| rectangle.0)
    }

    #[test]
    fn scales_and_rectangles_are_read() {
        for (text, scale) in [("2x", 2.0), ("2", 2.0), (" 0.5 X", 0.5), ("1.5×", 1.5)] {
            assert_eq!(text.parse::<Scale>().ok(), Some(Scale(scale)), "{text}");
        }
        for text in ["0", "-1", "x", "NaN", "inf", "2y", ""] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
        let found = region("1, 2,30,4");
        assert_eq!(found, Some(Region { x: 1, y: 2, width: 30, height: 4 }));
        for text in ["1,2,3", "1,2,3,4,5", "1,2,3,x", "-1,0,3,4", "0,0,0,4", "0,0,4,0", ""] {
            assert_eq!(region(text), None, "{text}");
        }
    }

    #[test]
    fn frames_are_within_the_painting() {
        let picture = Picture::new(10, 4, 1, 255, vec![0; 40]).expect("10×4");
        let subject = Subject::new(&picture, impasto::Encoding::Identity, false);
        let view = |scale: Option<&str>, region: Option<&str>| View {
            scale: scale.map(|text| text.parse().expect("a scale")),
            region: region.map(|text| text.parse().expect("a rectangle")),
        };
        let whole = view(None, None).frame(None, subject).expect("the picture");
        assert!(whole.is_whole(subject) && whole.painted() == (10, 4));
        let part = view(Some("3x"), Some("20,0,10,12")).frame(None, subject).expect("a part");
        assert_eq!((part.size, part.painted()), ((30, 12), (10, 12)));
        assert!(!part.is_whole(subject));
        let size = Some(Size { width: 5, height: 5 });
        assert_eq!(view(None, None).frame(size, subject).expect("a size").size, (5, 5));
        let refused = view(None, Some("0,0,11,4")).frame(None, subject).expect_err("too wide");
        assert!(refused.to_string().contains("--region 0,0,11,4 is not within"), "{refused}");
        assert!(view(Some("100000"), None).frame(None, subject).is_err());
        // Of a painting of any size, a part that is not too large.
        assert!(view(Some("100000"), Some("9,9,5,5")).frame(None, subject).is_ok());
    }
}
