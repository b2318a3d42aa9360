//! From source pixels to the augmented image's: one window, one mirroring, one resize.

use crate::image::{Flip, PixelWindow, Size, Window};

/// Which part of the source is shown, and how it is mirrored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Framing {
    pub(crate) window: Window,
    pub(crate) flip: Flip,
}

impl Framing {
    /// The corners of a box of the source in the augmented image of `size`.
    pub(crate) fn place(&self, corners: [f64; 4], size: Size) -> [f64; 4] {
        let [left, top, right, bottom] = corners;
        let (width, height) = (size.width as f64, size.height as f64);
        let axis = |start: f64, end: f64, origin: f64, length: f64, target: f64, flipped: bool| {
            let (start, end) = ((start - origin) * target / length, (end - origin) * target / length);
            let (start, end) = if flipped { (target - end, target - start) } else { (start, end) };
            (start.clamp(0.0, target), end.clamp(0.0, target))
        };
        let (left, right) = axis(left, right, self.window.left, self.window.width, width, self.flip.horizontal);
        let (top, bottom) = axis(top, bottom, self.window.top, self.window.height, height, self.flip.vertical);
        [left, top, right, bottom]
    }

    /// The pixels of the augmented image that show the source, which was decoded to the size `decoded`, `1 / reduction` of its
    /// own.
    pub(super) fn visible(&self, decoded: Size, reduction: usize, size: Size) -> PixelWindow {
        let (width, height) = ((decoded.width * reduction) as f64, (decoded.height * reduction) as f64);
        let [left, top, right, bottom] = self.place([0.0, 0.0, width, height], size).map(|side| side.round() as usize);
        PixelWindow { left, top, width: right - left, height: bottom - top }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: Size = Size { height: 160, width: 320 };

    fn framing(horizontal: bool, vertical: bool) -> Framing {
        let window = Window { left: 10.0, top: -20.0, width: 200.0, height: 100.0 };
        Framing { window, flip: Flip { horizontal, vertical } }
    }

    #[test]
    fn a_box_moves_scales_and_mirrors_with_its_window() {
        assert_eq!(framing(false, false).place([10.0, -20.0, 60.0, 30.0], SIZE), [0.0, 0.0, 80.0, 80.0]);
        assert_eq!(framing(true, false).place([10.0, -20.0, 60.0, 30.0], SIZE), [240.0, 0.0, 320.0, 80.0]);
        assert_eq!(framing(false, true).place([10.0, -20.0, 60.0, 20.0], SIZE), [0.0, 96.0, 80.0, 160.0]);
    }

    proptest! {
        #[test]
        fn mirroring_twice_changes_nothing(x in 0.0..300.0f64, y in 0.0..140.0f64, w in 1.0..20.0f64, h in 1.0..20.0f64) {
            let whole = |horizontal, vertical| Framing { window: Window::whole(SIZE), flip: Flip { horizontal, vertical } };
            let corners = [x, y, x + w, y + h];
            for (horizontal, vertical) in [(true, false), (false, true), (true, true)] {
                let mirror = whole(horizontal, vertical);
                let twice = mirror.place(mirror.place(corners, SIZE), SIZE);
                for (a, b) in twice.iter().zip(corners) {
                    prop_assert!((a - b).abs() < 1e-9);
                }
            }
        }
    }
}
