//! Turning an image upright by its EXIF orientation.

use super::Size;

/// What has to be done with stored pixels to show them upright: EXIF's tag 274, 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Rows become columns, which happens first.
    transposed: bool,
    mirrored: bool,
    upside_down: bool,
}

impl Turn {
    pub(crate) const NONE: Turn = Turn { transposed: false, mirrored: false, upside_down: false };

    /// Values that EXIF does not define turn nothing.
    pub(crate) fn of_exif(orientation: u8) -> Turn {
        let (transposed, mirrored, upside_down) = match orientation {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return Turn::NONE,
        };
        Turn { transposed, mirrored, upside_down }
    }

    /// Clockwise, in degrees; `None` where that is not a number of quarter turns.
    pub(crate) fn clockwise(degrees: f64) -> Option<Turn> {
        let orientation = match degrees.rem_euclid(360.0) {
            0.0 => 1,
            90.0 => 6,
            180.0 => 3,
            270.0 => 8,
            _ => return None,
        };
        Some(Turn::of_exif(orientation))
    }

    /// The size after turning.
    pub(crate) fn size(self, Size { height, width }: Size) -> Size {
        if self.transposed { Size { height: width, width: height } } else { Size { height, width } }
    }

    /// Whether rows, and whether columns of the stored pixels come in reverse order.
    pub(super) fn reverses(self) -> (bool, bool) {
        if self.transposed { (self.mirrored, self.upside_down) } else { (self.upside_down, self.mirrored) }
    }

    /// The turned pixels; `pixels` holds the rows of an image of `size`, each pixel of `channels` numbers.
    pub(crate) fn apply<T: Copy>(self, size: Size, pixels: Vec<T>, channels: usize) -> Vec<T> {
        match channels {
            _ if self == Turn::NONE => pixels,
            // With a number of channels that the compiler knows, copying a pixel is no call.
            1 => self.turned(size, &pixels, 1),
            3 => self.turned(size, &pixels, 3),
            other => self.turned(size, &pixels, other),
        }
    }

    #[inline(always)]
    fn turned<T: Copy>(self, size: Size, pixels: &[T], channels: usize) -> Vec<T> {
        let Size { height, width } = self.size(size);
        // From one pixel of the result to the next, in the source.
        let (along, down) = if self.transposed { (size.width, 1) } else { (1, size.width) };
        let mut turned = Vec::with_capacity(pixels.len());
        for row in 0..height {
            let start = down * if self.upside_down { height - 1 - row } else { row };
            let columns = (0..width).map(|column| start + along * column);
            let copy =
                |turned: &mut Vec<T>, place: usize| turned.extend_from_slice(&pixels[place * channels..][..channels]);
            match self.mirrored {
                true => columns.rev().for_each(|place| copy(&mut turned, place)),
                false => columns.for_each(|place| copy(&mut turned, place)),
            }
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored pixels `abc / def` for each orientation, as in the EXIF standard's figure.
    #[test]
    fn each_orientation_is_turned_as_exif_defines() {
        let expected = ["abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"];
        let size = Size { height: 2, width: 3 };
        for (orientation, expected) in (1..).zip(expected) {
            let turn = Turn::of_exif(orientation);
            let turned = turn.apply(size, b"abcdef".to_vec(), 1);
            assert_eq!(str::from_utf8(&turned), Ok(expected), "{orientation}");
            for channels in [2, 3, 5] {
                let spelled = |letters: &str| -> Vec<u8> {
                    letters
                        .bytes()
                        .flat_map(|letter| (0..channels as u8).map(move |channel| letter + 32 * channel))
                        .collect()
                };
                let turned = turn.apply(size, spelled("abcdef"), channels);
                assert_eq!(turned, spelled(expected), "{orientation}, {channels} channels");
            }
            assert_eq!(turn.size(size).width, if orientation < 5 { 3 } else { 2 });
        }
        assert_eq!([0, 9, 255].map(Turn::of_exif), [Turn::NONE; 3]);
    }

    #[test]
    fn degrees_are_clockwise() {
        assert_eq!(Turn::clockwise(90.0), Some(Turn::of_exif(6)));
        assert_eq!(Turn::clockwise(-90.0), Some(Turn::of_exif(8)));
        assert_eq!(Turn::clockwise(45.0), None);
    }
}
