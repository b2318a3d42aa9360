//! What all figures share: the SVG element, colours and text.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::failure::Failure;

/// A pixel. `plotters` rounds to whole units; tenths of a pixel keep curves smooth.
pub(super) const PIXEL: i32 = 10;

pub(super) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

/// Okabe and Ito's colours without the yellow, which is faint on white: <https://jfly.uni-koeln.de/color/>.
pub(super) const COLORS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x00, 0x00, 0x00),
];

/// Fonts that every system has one of.
const FONTS: &str = "system-ui, Helvetica, Arial, sans-serif";

/// The distance of two lines of notes.
const NOTE_LINE: i32 = 16 * PIXEL;

pub(super) type Place = (i32, i32);
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The text of a figure with notes below it. Within `width` x `height` units it is drawn by `draw`.
pub(super) fn svg(
    title: &str,
    notes: &[String],
    (width, height): Place,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, Failure> {
    let widest = notes.iter().map(|note| text_width(note, 11.0) + 20 * PIXEL).max().unwrap_or(0);
    let (width, bottom) = (width.max(widest), height + notes.len() as i32 * NOTE_LINE);
    let mut drawn = String::new();
    let area = SVGBackend::with_string(&mut drawn, (width as u32, bottom as u32)).into_drawing_area();
    let draw_all = || {
        area.fill(&WHITE)?;
        draw_text(&area, title, &font(15.0, HPos::Left), (10 * PIXEL, 20 * PIXEL))?;
        draw(&area)?;
        for (line, note) in notes.iter().enumerate() {
            draw_text(&area, note, &font(11.0, HPos::Left), (10 * PIXEL, height + line as i32 * NOTE_LINE))?;
        }
        area.present()
    };
    draw_all().map_err(Failure::failed)?;
    drop(area);
    let (_, shapes) = drawn.split_once('\n').unwrap_or_default();
    let [wide, high] = [width, bottom].map(|side| side / PIXEL);
    let title = escaped(title);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title}\" width=\"{wide}\" \
         height=\"{high}\" viewBox=\"0 0 {width} {bottom}\">\n<title>{title}</title>\n{shapes}"
    ))
}

/// A title as it stands in XML, also between quotation marks.
fn escaped(title: &str) -> String {
    let title = drawable(title);
    title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text with U+FFFD for characters that XML does not allow.
fn drawable(text: &str) -> String {
    let refused = |letter: char| letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}');
    text.replace(refused, "\u{FFFD}")
}

/// Text of a size in pixels, vertically centred at its place.
pub(super) fn font(size: f64, anchor: HPos) -> TextStyle<'static> {
    // The backend writes a size divided by 1.24.
    let font = (FONTS, size * 1.24 * f64::from(PIXEL)).into_font();
    font.color(&INK).pos(Pos::new(anchor, VPos::Center))
}

/// The approximate width of a text.
pub(super) fn text_width(text: &str, size: f64) -> i32 {
    font(size, HPos::Left).font.box_size(text).map_or(0, |(width, _)| width as i32)
}

/// Draws a line of text; characters that XML does not allow become U+FFFD.
pub(super) fn draw_text(area: &Area<'_>, text: &str, style: &TextStyle<'_>, at: Place) -> Drawn {
    area.draw_text(&drawable(text), style, at)
}

/// The sides of a rectangle, which the backend would draw a tenth of a pixel wide.
pub(super) fn outline((left, top): Place, (right, bottom): Place) -> PathElement<Place> {
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    PathElement::new(corners, INK.stroke_width(PIXEL as u32))
}
