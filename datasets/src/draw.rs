//! Boxes with their labels, and masks, on a picture.

use opencv::boxed_ref::BoxedRefMut;
use opencv::core::{Mat, Point, Rect, Scalar};
use opencv::imgproc;

use crate::Error;
use crate::image::Image;
use crate::mask::Mask;

/// The shorter side of a picture whose lines are two pixels wide and whose letters have their natural size.
const NATURAL_SIDE: f64 = 600.0;
const FAR: f64 = 100_000.0;
const FONT: i32 = imgproc::FONT_HERSHEY_SIMPLEX;

/// A box to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Left, top, width, height in pixels of the image.
    pub bbox: [f64; 4],
    /// What stands above the box. Letters beyond ASCII show as `?`.
    pub text: String,
    /// Decides the colour.
    pub class: usize,
}

/// Draws boxes, the last on top; what reaches beyond the image is cut off.
///
/// # Errors
/// [`Error::Pixels`] where the buffer does not fit the size.
pub fn boxes(image: &mut Image, labels: &[Label]) -> Result<(), Error> {
    let failed = image.failure("draw on");
    let scale = (image.height.min(image.width) as f64 / NATURAL_SIDE).max(0.5);
    let mut canvas = image.matrix_mut().map_err(&failed)?;
    labels.iter().try_for_each(|label| draw_one(&mut canvas, label, scale)).map_err(&failed)
}

/// Blends each pixel with the colour of its class, which has the share `alpha` from 0 to 1; pixels of the classes `bare` stay
/// as they are. The palette is of red, green, blue triples; a class beyond its end is black.
///
/// # Errors
/// [`Error::Pixels`] where the mask has another size than the image, or a buffer does not fit.
pub fn mask(image: &mut Image, mask: &Mask, palette: &[u8], alpha: f64, bare: &[u8]) -> Result<(), Error> {
    let size = image.size();
    let fits = mask.size() == size && mask.data.len() == size.pixels() && image.data.len() == size.pixels() * 3;
    if !fits {
        let reason = format!("the mask is {} pixels", mask.size());
        return Err(Error::Pixels { operation: "draw a mask on", size, reason });
    }
    let alpha = alpha.clamp(0.0, 1.0);
    for (pixel, &class) in image.data.chunks_exact_mut(3).zip(&mask.data) {
        if !bare.contains(&class) {
            let at = usize::from(class) * 3;
            let colour = palette.get(at..at + 3).unwrap_or(&[0; 3]);
            for (level, &colour) in pixel.iter_mut().zip(colour) {
                *level = (f64::from(*level) * (1.0 - alpha) + f64::from(colour) * alpha).round() as u8;
            }
        }
    }
    Ok(())
}

fn draw_one(canvas: &mut BoxedRefMut<'_, Mat>, label: &Label, scale: f64) -> opencv::Result<()> {
    let colour = colour(label.class);
    let thickness = (2.0 * scale).round().max(1.0) as i32;
    let [left, top, width, height] = label.bbox;
    let [left, top, right, bottom] = [left, top, left + width, top + height].map(|pixels| {
        // OpenCV's own arithmetic overflows far outside of any image.
        pixels.round().clamp(-FAR, FAR) as i32
    });
    let frame = Rect::new(left, top, right - left, bottom - top);
    imgproc::rectangle(canvas, frame, colour, thickness, imgproc::LINE_AA, 0)?;
    if label.text.is_empty() {
        return Ok(());
    }
    let (letters, stroke) = (0.5 * scale, (thickness / 2).max(1));
    let mut baseline = 0;
    let text = imgproc::get_text_size(&label.text, FONT, letters, stroke, &mut baseline)?;
    let plate_height = text.height + 2 * baseline;
    let plate_top = if top >= plate_height { top - plate_height } else { top };
    let plate = Rect::new(left, plate_top, text.width + baseline, plate_height);
    imgproc::rectangle(canvas, plate, colour, imgproc::FILLED, imgproc::LINE_8, 0)?;
    let origin = Point::new(left + baseline / 2, plate_top + text.height + baseline / 2);
    let black = Scalar::all(0.0);
    imgproc::put_text(canvas, &label.text, origin, FONT, letters, black, stroke, imgproc::LINE_AA, false)
}

/// Bright colours, neighbours far apart: the hue goes on by the golden ratio.
fn colour(class: usize) -> Scalar {
    let hue = (class as f64 * 0.618_033_988_75).fract() * 6.0;
    let level = |channel: f64| {
        let k = (channel + hue).rem_euclid(6.0);
        255.0 * (1.0 - 0.75 * k.min(4.0 - k).clamp(0.0, 1.0))
    };
    Scalar::new(level(5.0), level(3.0), level(1.0), 0.0)
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
    fn a_mask_is_blended_in_its_palette_s_colours_and_leaves_bare_classes() {
        let mut image = Image { height: 1, width: 3, data: vec![100; 9] };
        let classes = Mask { height: 1, width: 3, data: vec![0, 1, 255] };
        super::mask(&mut image, &classes, &crate::mask::voc_palette(), 0.25, &[0]).expect("sizes agree");
        assert_eq!(image.data, [100, 100, 100, 107, 75, 75, 131, 131, 123]);
        let error = super::mask(&mut Image::filled(Size { height: 3, width: 1 }, [0; 3]), &classes, &[], 0.5, &[]);
        assert!(error.expect_err("turned").to_string().ends_with("the mask is 3x1 pixels"));
    }

    #[test]
    fn text_is_drawn_and_boxes_anywhere_are_survived() {
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
}
