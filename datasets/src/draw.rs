//! Boxes with their labels, and masks, on an RGB image; [`Image::to_rgb_for_view`] makes one of any other.

mod text;

use opencv::core::{Rect, Scalar};
use opencv::imgproc;

use crate::Error;
use crate::image::Image;
use crate::mask::Mask;
use text::Line;

pub use text::undrawable;

/// The shorter side of an image on which lines are two pixels wide and letters have their default height.
const REFERENCE_SIDE: f64 = 600.0;
const LETTERS: f64 = 16.0;
/// Letters below this cannot be read.
const SMALLEST_LETTERS: f64 = 10.0;
/// The limit of coordinates, in pixels: OpenCV's arithmetic overflows far outside of any image.
const MAX_COORDINATE: f64 = 100_000.0;
/// Okabe and Ito's colours as red, green, blue, which every colour vision tells apart: <https://jfly.uni-koeln.de/color/>. Without
/// the black, which is lost on photographs; neighbours differ in brightness.
const CLASS_COLOURS: [[u8; 3]; 7] = [
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x00, 0x9e, 0x73],
    [0xf0, 0xe4, 0x42],
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0xcc, 0x79, 0xa7],
];
/// What the later rounds of these colours are mixed with, and its share: lighter, then darker.
const ROUNDS: [(u8, f64); 3] = [(0, 0.0), (255, 0.55), (0, 0.5)];

/// A box to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Left, top, width, height in pixels of the image.
    pub bbox: [f64; 4],
    /// The text above the box, in any script; [`undrawable`] says which of its characters show as `?`.
    pub text: String,
    /// Decides the colour.
    pub class: usize,
}

/// The colour of a class, as red, green, blue: seven colours, then lighter and darker ones. With more than 21 classes several share
/// one: boxes also carry their names.
pub fn class_colour(class: usize) -> [u8; 3] {
    let (end, share) = ROUNDS[class / CLASS_COLOURS.len() % ROUNDS.len()];
    let mixed = |level: u8| (f64::from(level) * (1.0 - share) + f64::from(end) * share).round() as u8;
    CLASS_COLOURS[class % CLASS_COLOURS.len()].map(mixed)
}

/// The colours of 256 classes, red, green and blue of each in turn.
pub fn class_palette() -> Vec<u8> {
    (0..256).flat_map(class_colour).collect()
}

/// Black or white, whichever stands out more from a colour.
fn ink([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let linear = |level: u8| (f64::from(level) / 255.0).powf(2.2);
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    // Where the ratios (1 + 0.05) / (L + 0.05) and (L + 0.05) / 0.05 of WCAG's contrast are equal.
    if luminance > 0.179 { [0; 3] } else { [255; 3] }
}

/// Draws boxes, the last on top; parts beyond the image are cut off.
///
/// # Errors
/// [`Error::Pixels`] where the image is not RGB, or the buffer does not fit the size.
pub fn boxes(image: &mut Image, labels: &[Label]) -> Result<(), Error> {
    let failed = image.failure("draw on");
    check_rgb(image)?;
    let scale = (image.height.min(image.width) as f64 / REFERENCE_SIDE).max(0.5);
    labels.iter().try_for_each(|label| draw_one(image, label, scale)).map_err(&failed)
}

/// Blends each pixel with the colour of its class, with the share `alpha` from 0 to 1; pixels of the classes `hidden` do not
/// change. The palette has red, green, blue triples; a class beyond its end is black.
///
/// # Errors
/// [`Error::Pixels`] where the image is not RGB, the mask has another size than the image, or a buffer does not fit.
pub fn mask(image: &mut Image, mask: &Mask, palette: &[u8], alpha: f64, hidden: &[u8]) -> Result<(), Error> {
    check_rgb(image)?;
    let size = image.size();
    let fits = mask.size() == size && mask.data.len() == size.pixels() && image.data.len() == size.pixels() * 3;
    if !fits {
        let reason = format!("the mask is {} pixels", mask.size());
        return Err(Error::Pixels { operation: "draw a mask on", size, reason });
    }
    let alpha = alpha.clamp(0.0, 1.0);
    for (pixel, &class) in image.data.chunks_exact_mut(3).zip(&mask.data) {
        if !hidden.contains(&class) {
            let at = usize::from(class) * 3;
            let colour = palette.get(at..at + 3).unwrap_or(&[0; 3]);
            for (level, &colour) in pixel.iter_mut().zip(colour) {
                *level = (f64::from(*level) * (1.0 - alpha) + f64::from(colour) * alpha).round() as u8;
            }
        }
    }
    Ok(())
}

fn check_rgb(image: &Image) -> Result<(), Error> {
    if image.is_rgb() {
        return Ok(());
    }
    let reason = format!("it has {} channels instead of red, green and blue", image.channels());
    Err(Error::Pixels { operation: "draw on", size: image.size(), reason })
}

fn draw_one(image: &mut Image, label: &Label, scale: f64) -> opencv::Result<()> {
    let colour = class_colour(label.class);
    let [red, green, blue] = colour.map(f64::from);
    let paint = Scalar::new(red, green, blue, 0.0);
    let thickness = (2.0 * scale).round().max(1.0) as i32;
    let [left, top, width, height] = label.bbox;
    let [left, top, right, bottom] = [left, top, left + width, top + height]
        .map(|pixels| pixels.round().clamp(-MAX_COORDINATE, MAX_COORDINATE) as i32);
    let frame = Rect::new(left, top, right - left, bottom - top);
    imgproc::rectangle(&mut image.matrix_mut()?, frame, paint, thickness, imgproc::LINE_AA, 0)?;
    if label.text.is_empty() {
        return Ok(());
    }
    let line = Line::new(&label.text, (LETTERS * scale).max(SMALLEST_LETTERS), ink(colour))?;
    let (height, margin) = (line.size.height as i32, line.size.height as i32 / 6);
    let plate_top = if top >= height { top - height } else { top };
    let plate = Rect::new(left, plate_top, line.size.width as i32 + 2 * margin, height);
    imgproc::rectangle(&mut image.matrix_mut()?, plate, paint, imgproc::FILLED, imgproc::LINE_8, 0)?;
    line.draw(image, [left + margin, plate_top]);
    Ok(())
}

/// Red, green, blue from 0 to 255 of a hue in turns, a saturation and a value from 0 to 1.
pub(crate) fn colour(hue: f64, saturation: f64, value: f64) -> [f64; 3] {
    [5.0, 3.0, 1.0].map(|channel| {
        let k = (channel + 6.0 * hue).rem_euclid(6.0);
        255.0 * value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Size;

    #[test]
    fn a_box_is_drawn_on_its_edges_in_its_class_s_colour() {
        let size = Size { height: 60, width: 80 };
        let mut image = Image::filled(size, [0; 3]);
        let label = |class| Label { bbox: [10.0, 20.0, 40.0, 30.0], text: String::new(), class };
        boxes(&mut image, &[label(0)]).expect("a valid image");
        let pixel = |image: &Image, x: usize, y: usize| image.data[(y * 80 + x) * 3..][..3].to_vec();
        for (x, y) in [(10, 35), (49, 35), (30, 20), (30, 49)] {
            assert_ne!(pixel(&image, x, y), [0; 3], "{x}, {y}");
        }
        assert_eq!((pixel(&image, 30, 35), pixel(&image, 70, 35)), (vec![0; 3], vec![0; 3]));
        let first = pixel(&image, 30, 20);
        boxes(&mut image, &[label(1)]).expect("a valid image");
        assert_ne!(pixel(&image, 30, 20), first);
    }

    #[test]
    fn a_mask_is_blended_in_its_palette_s_colours_without_hidden_classes() {
        let mut image = Image::new(Size { height: 1, width: 3 }, 3, vec![100; 9]);
        let classes = Mask { height: 1, width: 3, data: vec![0, 1, 255] };
        super::mask(&mut image, &classes, &crate::mask::voc_palette(), 0.25, &[0]).expect("sizes agree");
        assert_eq!(image.data, [100, 100, 100, 107, 75, 75, 131, 131, 123]);
        let error = super::mask(&mut Image::filled(Size { height: 3, width: 1 }, [0; 3]), &classes, &[], 0.5, &[]);
        assert!(error.expect_err("turned").to_string().ends_with("the mask is 3x1 pixels"));
    }

    #[test]
    fn text_is_drawn_and_boxes_may_be_anywhere() {
        let size = Size { height: 60, width: 80 };
        let far = [
            [-50.0, -50.0, 500.0, 500.0],
            [1e300, -1e300, 1e300, 1e300],
            [f64::NAN, 0.0, 1.0, 1.0],
            [30.0, 30.0, -9.0, 0.0],
        ];
        for bbox in far.into_iter().chain([[10.0, 30.0, 40.0, 20.0]]) {
            let (mut bare, mut named) = (Image::filled(size, [0; 3]), Image::filled(size, [0; 3]));
            boxes(&mut bare, &[Label { bbox, text: String::new(), class: 2 }]).expect("a valid image");
            boxes(&mut named, &[Label { bbox, text: "Käfer 0.93".to_owned(), class: 2 }]).expect("a valid image");
            if bbox[0] == 10.0 {
                assert_ne!(bare, named);
            }
        }
    }

    #[test]
    fn names_stand_out_from_their_plates_and_21_classes_differ() {
        let level = |level: u8| match f64::from(level) / 255.0 {
            low if low <= 0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        };
        let luminance = |[r, g, b]: [u8; 3]| 0.2126 * level(r) + 0.7152 * level(g) + 0.0722 * level(b);
        let colours: Vec<[u8; 3]> = (0..21).map(class_colour).collect();
        for (class, &colour) in colours.iter().enumerate() {
            let (a, b) = (luminance(colour) + 0.05, luminance(ink(colour)) + 0.05);
            assert!(a.max(b) / a.min(b) >= 4.5, "{class}: {:.2}", a.max(b) / a.min(b));
            assert!(!colours[..class].contains(&colour), "{class}");
        }
        assert_eq!(class_palette()[3 * 8..3 * 9], class_colour(8));
    }
}
