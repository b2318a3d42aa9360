//! SVG, element by element: text escaped, coordinates to a hundredth of a pixel.

use std::fmt::Write;

/// Fonts that every system has one of.
const FONTS: &str = "system-ui, Helvetica, Arial, sans-serif";

/// A generous mean width of a letter, as a share of the text's size.
const LETTER: f64 = 0.6;

/// The value of an attribute.
pub(super) enum Value<'a> {
    Pixels(f64),
    Word(&'a str),
}

impl From<f64> for Value<'_> {
    fn from(pixels: f64) -> Self {
        Value::Pixels(pixels)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(word: &'a str) -> Self {
        Value::Word(word)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(word: &'a String) -> Self {
        Value::Word(word)
    }
}

/// The alignment of a text at its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
pub(super) struct Text<'a> {
    pub(super) class: &'a str,
    pub(super) at: [f64; 2],
    pub(super) anchor: Anchor,
    pub(super) size: f64,
    pub(super) color: &'a str,
    /// Degrees, clockwise around `at`.
    pub(super) turned: f64,
    pub(super) words: &'a str,
}

impl<'a> Text<'a> {
    pub(super) fn new(class: &'a str, at: [f64; 2], words: &'a str) -> Text<'a> {
        Text { class, at, anchor: Anchor::Start, size: 11.0, color: "#333333", turned: 0.0, words }
    }
}

/// The elements of a figure.
#[derive(Default)]
pub(super) struct Svg {
    body: String,
}

impl Svg {
    /// An element without content; viewers show `title` when the pointer is on it.
    pub(super) fn shape(&mut self, name: &str, attributes: &[(&str, Value<'_>)], title: Option<&str>) {
        let _ = write!(self.body, "<{name}");
        for (key, value) in attributes {
            let value = match value {
                Value::Pixels(value) => pixels(*value),
                Value::Word(word) => escape(word),
            };
            let _ = write!(self.body, " {key}=\"{value}\"");
        }
        match title {
            Some(title) => {
                let _ = writeln!(self.body, "><title>{}</title></{name}>", escape(title));
            }
            None => self.body.push_str("/>\n"),
        }
    }

    pub(super) fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2], color: &str) {
        let [x1, y1, x2, y2] = [from[0], from[1], to[0], to[1]].map(Value::Pixels);
        let place = [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)];
        let style = [("class", class.into()), ("stroke", color.into())];
        self.shape("line", &style.into_iter().chain(place).collect::<Vec<_>>(), None);
    }

    pub(super) fn text(&mut self, text: &Text<'_>) {
        let anchor = match text.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let [x, y] = text.at.map(pixels);
        let turned = if text.turned == 0.0 {
            String::new()
        } else {
            format!(" transform=\"rotate({} {x} {y})\"", pixels(text.turned))
        };
        let _ = writeln!(
            self.body,
            "<text class=\"{}\" x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{anchor}\"{turned}>{}</text>",
            text.class,
            pixels(text.size),
            text.color,
            escape(text.words)
        );
    }

    /// The complete file.
    pub(super) fn finish(self, title: &str, [width, height]: [f64; 2]) -> String {
        let [width, height] = [width, height].map(|side| pixels(side.ceil()));
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title}\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\n<title>{title}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// A coordinate as it is written.
pub(super) fn pixels(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // Without the minus of -0.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// The approximate width of a text in pixels.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    // Later scripts are wider, as in a terminal.
    let letter = |letter: char| if u32::from(letter) < 0x1100 { LETTER } else { 1.0 };
    text.chars().map(letter).sum::<f64>() * size
}

/// A text in lines of about `width` pixels, wrapped at spaces.
pub(super) fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + size * LETTER <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Text as it is written in XML: characters that XML does not allow become U+FFFD, line breaks and tabs spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\0'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => escaped.push('\u{FFFD}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
