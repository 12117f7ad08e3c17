//! `--preview`: the painting in the terminal, in half blocks, two pixels in a character.

use super::console;
use ::console::Term;
use impasto::{Engine, Event, Network, Picture, Result, Subject};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The least time between two pictures.
const BETWEEN: Duration = Duration::from_secs(2);

/// How much longer training is than the pictures in it.
const WORTH: u32 = 20;

/// Rows of a terminal that are left for other lines, the progress bar among them.
const OTHER_ROWS: usize = 6;

/// The most characters in a row: more would take long to draw.
const MOST_COLUMNS: usize = 120;

/// Where the terminal does not say its size: (rows, columns).
const USUAL: (u16, u16) = (24, 80);

/// Shows the painting now and then.
pub struct Preview {
    subject: Subject,
    /// Whether the terminal has 24 bits a color; else it has 256 colors.
    is_exact: bool,
    last: Instant,
    wait: Duration,
    /// The rows of the picture on the screen, and how many lines had been printed then.
    shown: Option<(usize, u64)>,
}

impl Preview {
    /// For a painting of this subject; the reason if nothing can be drawn.
    pub fn start(subject: Subject) -> std::result::Result<Self, &'static str> {
        if !console::can_draw() {
            return Err("--preview needs a terminal, and standard error is none: nothing is shown");
        }
        if !::console::colors_enabled_stderr() {
            return Err("--preview needs colors, and the terminal shows none: nothing is shown");
        }
        let is_exact = ::console::true_colors_enabled_stderr();
        // Transparent pixels and 16 bits are for files.
        let subject = Subject { maximum: 255, ..subject };
        Ok(Self { subject, is_exact, last: Instant::now(), wait: BETWEEN, shown: None })
    }

    /// Takes in an event; whether it is time for a picture.
    pub fn is_due(&mut self, event: &Event) -> bool {
        match event {
            // Kernels are compiled before, which takes time.
            Event::Started { .. } => self.last = Instant::now(),
            Event::Progress { .. } => return self.last.elapsed() >= self.wait,
            _ => {}
        }
        false
    }

    /// Paints with the network as it is now, for [`draw`](Self::draw).
    pub fn paint(
        &mut self,
        engine: &Engine,
        network: &Network,
        stopped: impl Fn() -> bool,
    ) -> Result<Option<Picture>> {
        let clock = Instant::now();
        let Subject { width, height, .. } = self.subject;
        let size = fit((width, height), Term::stderr().size_checked().unwrap_or(USUAL));
        let watch = |_| if stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let painted = self.subject.paint(engine, network, size, watch);
        self.last = Instant::now();
        self.wait = BETWEEN.max(clock.elapsed() * WORTH);
        painted
    }

    /// Draws a picture over the one before, while no bar is on the screen.
    pub fn draw(&mut self, picture: &Picture) {
        let lines = console::lines();
        let mut text = String::new();
        if let Some((rows, _)) = self.shown.filter(|(_, before)| *before == lines) {
            // Up to its first row, and clear all below.
            let _ = write!(text, "\r\u{1b}[{rows}A\u{1b}[J");
        }
        let rows = picture.height().div_ceil(2);
        text += &half_blocks(picture, self.is_exact);
        console::draw(&text);
        self.shown = Some((rows, lines));
    }
}

/// The size in pixels of a picture in a terminal of some rows and columns. A character has a pixel across and two
/// down.
fn fit((width, height): (usize, usize), (rows, columns): (u16, u16)) -> (usize, usize) {
    let most = (usize::from(columns).saturating_sub(1).clamp(8, MOST_COLUMNS)) as f64;
    let high = (2 * usize::from(rows).saturating_sub(OTHER_ROWS).max(4)) as f64;
    let scale = (most / width as f64).min(high / height as f64);
    let side = |pixels: usize, most: f64| (pixels as f64 * scale).round().clamp(1.0, most) as usize;
    (side(width, most), side(height, high))
}

/// The picture as lines of upper half blocks, whose color is that of the upper pixel and whose background is that of
/// the lower one.
fn half_blocks(picture: &Picture, is_exact: bool) -> String {
    let pixels: Vec<[u8; 3]> = picture.pixels().map(|pixel| on_white(&pixel)).collect();
    let mut text = String::new();
    for pair in pixels.chunks(2 * picture.width()) {
        let (above, below) = pair.split_at(picture.width());
        let mut set = (None, None);
        for (column, upper) in above.iter().enumerate() {
            // An odd row at the end has nothing below it.
            let lower = below.get(column);
            let wanted = (Some(upper), lower);
            if set.0 != wanted.0 {
                let _ = write!(text, "\u{1b}[38;{}m", color(*upper, is_exact));
            }
            if let Some(lower) = lower.filter(|_| set.1 != wanted.1) {
                let _ = write!(text, "\u{1b}[48;{}m", color(*lower, is_exact));
            }
            set = wanted;
            text.push('▀');
        }
        text.push_str("\u{1b}[0m\n");
    }
    text
}

/// A color as the terminal takes it: `2;R;G;B`, or `5;N` of the 216 colors from number 16.
fn color([r, g, b]: [u8; 3], is_exact: bool) -> String {
    if is_exact {
        return format!("2;{r};{g};{b}");
    }
    // The levels are 0, 95, 135, 175, 215, 255.
    let level = |value: u8| match value {
        0..48 => 0,
        48..115 => 1,
        _ => (u32::from(value) - 35) / 40,
    };
    format!("5;{}", 16 + 36 * level(r) + 6 * level(g) + level(b))
}

/// The color of a pixel of 8 bits on white paper.
fn on_white(pixel: &[u16]) -> [u8; 3] {
    let (color, alpha) = match *pixel {
        [gray] => ([gray; 3], 255),
        [gray, alpha] => ([gray; 3], alpha),
        [r, g, b] => ([r, g, b], 255),
        [r, g, b, alpha, ..] => ([r, g, b], alpha),
        [] => ([255; 3], 255),
    };
    let laid = |value: u16| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    color.map(laid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_shape_in_any_terminal() {
        assert_eq!(fit((100, 100), (24, 80)), (36, 36));
        assert_eq!(fit((4_000, 1_000), (24, 80)), (79, 20));
        assert_eq!(fit((1_000, 4_000), (24, 80)), (9, 36));
        assert_eq!(fit((100, 1), (24, 80)), (79, 1));
        assert_eq!(fit((1, 100_000), (24, 80)), (1, 36));
        assert_eq!(fit((100, 100), (0, 0)), (8, 8));
        assert_eq!(fit((300, 100), (200, 500)), (120, 40));
    }

    #[test]
    fn two_pixels_are_in_a_character() {
        // Red and blue above black and black, above a row of white alone.
        let values = [[255, 0, 0], [0, 0, 255], [0; 3], [0; 3], [255; 3], [255; 3]].concat();
        let picture = Picture::new(2, 3, 3, 255, values).expect("a picture");
        let e = '\u{1b}';
        assert_eq!(
            half_blocks(&picture, true),
            format!(
                "{e}[38;2;255;0;0m{e}[48;2;0;0;0m▀{e}[38;2;0;0;255m▀{e}[0m\n{e}[38;2;255;255;255m▀▀{e}[0m\n"
            )
        );
        let few = half_blocks(&picture, false);
        assert!(few.starts_with(&format!("{e}[38;5;196m{e}[48;5;16m▀{e}[38;5;21m▀")), "{few:?}");
    }

    #[test]
    fn colors_are_rounded_to_the_color_cube() {
        for (value, level) in
            [(0, 0), (47, 0), (48, 1), (114, 1), (115, 2), (154, 2), (155, 3), (235, 5), (255, 5)]
        {
            assert_eq!(color([0, 0, value], false), format!("5;{}", 16 + level));
        }
        assert_eq!(on_white(&[10, 0]), [255; 3]);
        assert_eq!(on_white(&[0, 255, 51, 255]), [0, 255, 51]);
    }
}
