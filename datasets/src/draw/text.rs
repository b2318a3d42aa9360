//! Lines of text for pictures, in the fonts of this machine: shaped, joined and in the direction of their script.
//!
//! Fonts are looked for when the first line is drawn: about 0.1 s for 300 of them, whose files stay mapped. What no font has is drawn as
//! `?`; [`undrawable`] says what that is. Without any font, OpenCV's strokes are drawn, which know ASCII alone.

use cosmic_text::{Attrs, Buffer, Color, Family, FontSystem, Metrics, Shaping, SwashCache};
use opencv::core::{Point, Scalar};
use opencv::imgproc;
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::image::{Image, Size};

/// What is drawn in place of a character that no font has.
const REPLACEMENT: char = '?';
/// A longer text ends here: it would leave the picture, and take time.
const MOST_CHARACTERS: usize = 200;
/// The height of a line of text, in heights of letters.
const LINE: f32 = 1.25;
/// The height of letters that OpenCV's strokes have at scale 1, from the top of an accent to the end of a descender.
const STROKES_HEIGHT: f64 = 32.0;
const STROKES: i32 = imgproc::FONT_HERSHEY_SIMPLEX;

/// A line of text, drawn and not placed yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) size: Size,
    /// Places from the upper left corner, which letters may leave.
    dots: Vec<Dot>,
}

/// A pixel that a letter covers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dot {
    place: [i32; 2],
    /// The colour and how much of the pixel it covers; letters have the colour that they are drawn in.
    colour: [u8; 4],
}

impl Line {
    /// A text in letters of a height in pixels and a colour.
    pub(super) fn new(text: &str, letters: f64, colour: [u8; 3]) -> opencv::Result<Self> {
        let text = printable(text);
        match &mut *fonts() {
            Some(fonts) => Ok(fonts.line(&text, letters as f32, colour)),
            None => strokes(&text, letters, colour),
        }
    }

    /// Blends the text into an image, with its upper left corner at a place; what is outside is cut off.
    pub(super) fn draw(&self, image: &mut Image, [left, top]: [i32; 2]) {
        let Size { height, width } = image.size();
        for Dot { place: [x, y], colour: [red, green, blue, alpha] } in &self.dots {
            let [x, y] = [left.saturating_add(*x), top.saturating_add(*y)].map(usize::try_from);
            let (Ok(x), Ok(y)) = (x, y) else { continue };
            if x < width && y < height {
                let alpha = u32::from(*alpha);
                for (level, colour) in image.data[(y * width + x) * 3..].iter_mut().zip([red, green, blue]) {
                    *level = ((u32::from(*level) * (255 - alpha) + u32::from(*colour) * alpha + 127) / 255) as u8;
                }
            }
        }
    }
}

/// The characters of some texts that are drawn as `?`, each once.
pub fn undrawable<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<char> {
    let mut fonts = fonts();
    let mut found = Vec::new();
    for text in texts {
        let text = printable(text);
        let missing: Vec<char> = match &mut *fonts {
            Some(fonts) => {
                fonts.shaped(&text, 16.0);
                text.chars().filter(|letter| fonts.missing.contains(letter)).collect()
            }
            None => text.chars().filter(|letter| !letter.is_ascii()).collect(),
        };
        found.extend(missing);
    }
    let mut seen = HashSet::new();
    found.retain(|letter| seen.insert(*letter));
    found
}

/// One line, no longer than is useful.
fn printable(text: &str) -> String {
    text.chars().take(MOST_CHARACTERS).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// The fonts of this machine.
struct Fonts {
    system: FontSystem,
    letters: SwashCache,
    /// Characters that no font has: each is looked for in all fonts once.
    missing: HashSet<char>,
}

/// The fonts of this machine, where it has any.
fn fonts() -> MutexGuard<'static, Option<Fonts>> {
    static FONTS: LazyLock<Mutex<Option<Fonts>>> = LazyLock::new(|| {
        let system = FontSystem::new();
        let letters = SwashCache::new();
        let is_empty = system.db().is_empty();
        Mutex::new((!is_empty).then(|| Fonts { system, letters, missing: HashSet::new() }))
    });
    FONTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fonts {
    fn line(&mut self, text: &str, letters: f32, colour: [u8; 3]) -> Line {
        let mut buffer = self.shaped(text, letters);
        let width = buffer.layout_runs().map(|run| run.line_w).fold(0.0, f32::max);
        let size = Size { height: (letters * LINE).ceil() as usize, width: width.ceil() as usize };
        let mut dots = Vec::new();
        let [red, green, blue] = colour;
        let Self { system, letters, .. } = self;
        buffer.draw(system, letters, Color::rgb(red, green, blue), |x, y, wide, high, colour| {
            let covered = (0..high as i32).flat_map(|down| (0..wide as i32).map(move |right| [x + right, y + down]));
            if colour.a() > 0 {
                dots.extend(covered.map(|place| Dot { place, colour: colour.as_rgba() }));
            }
        });
        Line { size, dots }
    }

    /// The text with its letters chosen and placed.
    fn shaped(&mut self, text: &str, letters: f32) -> Buffer {
        let shape = |fonts: &mut Self| {
            let text: String = text.chars().map(|letter| fonts.known(letter)).collect();
            let mut buffer = Buffer::new(&mut fonts.system, Metrics::new(letters, letters * LINE));
            buffer.set_text(&text, &Attrs::new().family(Family::SansSerif), Shaping::Advanced, None);
            buffer.shape_until_scroll(&mut fonts.system, false);
            (buffer, text)
        };
        let (buffer, text) = shape(self);
        let before = self.missing.len();
        for glyph in buffer.layout_runs().flat_map(|run| run.glyphs).filter(|glyph| glyph.glyph_id == 0) {
            self.missing.extend(text.get(glyph.start..glyph.end).unwrap_or_default().chars());
        }
        self.missing.remove(&REPLACEMENT);
        if self.missing.len() == before { buffer } else { shape(self).0 }
    }

    fn known(&self, letter: char) -> char {
        if self.missing.contains(&letter) { REPLACEMENT } else { letter }
    }
}

/// A line in OpenCV's strokes.
fn strokes(text: &str, letters: f64, colour: [u8; 3]) -> opencv::Result<Line> {
    let text: String = text.chars().map(|letter| if letter.is_ascii() { letter } else { REPLACEMENT }).collect();
    let (scale, thickness) = (letters / STROKES_HEIGHT, (letters / 16.0).round().max(1.0) as i32);
    let mut baseline = 0;
    let size = imgproc::get_text_size(&text, STROKES, scale, thickness, &mut baseline)?;
    let (height, width) = ((size.height + 2 * baseline) as usize, (size.width + thickness) as usize);
    let mut canvas = Image::new(Size { height, width }, 1, vec![0; height * width]);
    let origin = Point::new(0, size.height + baseline / 2);
    let ink = Scalar::all(255.0);
    imgproc::put_text(
        &mut canvas.matrix_mut()?,
        &text,
        origin,
        STROKES,
        scale,
        ink,
        thickness,
        imgproc::LINE_AA,
        false,
    )?;
    let [red, green, blue] = colour;
    let covered = canvas.data.iter().enumerate().filter(|(_, alpha)| **alpha > 0);
    let dot = |(at, alpha): (usize, &u8)| Dot {
        place: [(at % width) as i32, (at / width) as i32],
        colour: [red, green, blue, *alpha],
    };
    Ok(Line { size: Size { height, width }, dots: covered.map(dot).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: f64 = 24.0;

    fn line(text: &str) -> Line {
        Line::new(text, LETTERS, [0; 3]).expect("a line")
    }

    #[test]
    fn a_text_is_drawn_in_its_script_or_as_question_marks() {
        for text in ["кот", "猫犬鳥", "قطة", "חתול", "แมว", "बिल"] {
            let marks = "?".repeat(text.chars().count());
            match undrawable([text])[..] {
                [] => {
                    assert_ne!(line(text), line(&marks), "{text}");
                    assert!(!line(text).dots.is_empty(), "{text}");
                }
                _ => assert!(undrawable([text]).iter().all(|letter| text.contains(*letter)), "{text}"),
            }
        }
        assert_eq!(line("a\u{10FFFF}b"), line("a?b"), "no font has it");
        assert_eq!(undrawable(["\u{10FFFF}", "dog", "\u{10FFFF}"]), ['\u{10FFFF}']);
        assert_eq!(line("a\nb\tc"), line("a b c"), "a line is one line");
        assert_eq!(line(&"x".repeat(100_000)), line(&"x".repeat(MOST_CHARACTERS)));
    }

    #[test]
    fn right_to_left_scripts_begin_at_the_right() {
        // Shin, then yods; and the reverse, forced from left to right.
        let (word, forced) = ("\u{5E9}\u{5D9}\u{5D9}", "\u{202D}\u{5D9}\u{5D9}\u{5E9}\u{202C}");
        if undrawable([word]).is_empty() {
            assert_eq!(line(word).dots, line(forced).dots);
            assert_ne!(line(word).dots, line("\u{5D9}\u{5D9}\u{5E9}").dots);
        }
    }

    #[test]
    fn arabic_letters_join() {
        let (joined, apart) = ("قطة", "ق\u{200C}ط\u{200C}ة");
        if undrawable([joined]).is_empty() {
            assert_ne!(line(joined).dots, line(apart).dots);
        }
    }

    #[test]
    fn a_machine_without_fonts_draws_ascii_in_strokes() {
        let strokes = |text| strokes(text, LETTERS, [9, 8, 7]).expect("a line");
        assert_eq!(strokes("Käfer"), strokes("K?fer"));
        assert_ne!(strokes("dog"), strokes("dig"));
        let Line { size, dots } = strokes("dog gy");
        assert!(dots.iter().all(|dot| dot.colour[..3] == [9, 8, 7]));
        assert!((20..=40).contains(&size.height), "{size}");
    }

    #[test]
    fn a_line_is_cut_off_at_the_edges_of_the_picture() {
        let size = Size { height: 30, width: 40 };
        let text = Line::new("mmmm", LETTERS, [255; 3]).expect("a line");
        for place in [[-20, -10], [30, 10], [i32::MAX, i32::MIN], [0, 0]] {
            let mut image = Image::filled(size, [0; 3]);
            text.draw(&mut image, place);
            let drawn = image.data.iter().any(|&level| level > 0);
            assert_eq!(drawn, place[0] < 40, "{place:?}");
        }
    }
}
