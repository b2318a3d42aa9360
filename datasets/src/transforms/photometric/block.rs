//! Saturation and hue on a few pixels at a time, as planes of floats of fixed length, which the compiler vectorises.
//!
//! Every value between two steps is a whole number from 0 to 255.

/// Pixels side by side; those beyond the end of a row are black.
pub(super) struct Block {
    red: [f32; Block::PIXELS],
    green: [f32; Block::PIXELS],
    blue: [f32; Block::PIXELS],
}

/// 2^23: added to a smaller `f32`, it rounds the fraction away, and the lowest bits of the sum are the whole part.
const WHOLE: f32 = 8_388_608.0;

impl Block {
    pub(super) const PIXELS: usize = 32;

    /// Interleaved bytes, each passed through a table.
    pub(super) fn read(bytes: &[u8], table: &[f32; 256]) -> Block {
        let mut block = Block { red: [0.0; Block::PIXELS], green: [0.0; Block::PIXELS], blue: [0.0; Block::PIXELS] };
        let planes = block.red.iter_mut().zip(&mut block.green).zip(&mut block.blue);
        for (pixel, ((red, green), blue)) in bytes.chunks_exact(3).zip(planes) {
            *red = table[usize::from(pixel[0])];
            *green = table[usize::from(pixel[1])];
            *blue = table[usize::from(pixel[2])];
        }
        block
    }

    pub(super) fn write(&self, bytes: &mut [u8]) {
        let byte = |level: f32| (level + WHOLE).to_bits() as u8;
        let planes = self.red.iter().zip(&self.green).zip(&self.blue);
        for (pixel, ((red, green), blue)) in bytes.chunks_exact_mut(3).zip(planes) {
            pixel.copy_from_slice(&[byte(*red), byte(*green), byte(*blue)]);
        }
    }

    /// Away from grey, or towards it where the factor is below 1.
    pub(super) fn saturate(&mut self, factor: f64) {
        let (own, other) = (factor as f32, (1.0 - factor) as f32);
        for index in 0..Block::PIXELS {
            let shift = grey(self.red[index], self.green[index], self.blue[index]) * other;
            for plane in [&mut self.red, &mut self.green, &mut self.blue] {
                plane[index] = truncated(limited(plane[index] * own + shift, 0.0, 255.0));
            }
        }
    }

    /// Turns the hue, computed from the largest and the smallest channel: with
    /// `k = (n + 6 hue) mod 6`, a channel is `value - chroma * clamp(min(k, 4 - k), 0, 1)`, n being 5, 3 and 1.
    pub(super) fn turn_hue(&mut self, turn: f64) {
        // torchvision goes through floats from 0 to 1 and back by 255.999, truncating.
        const BACK: f32 = 255.999 / 255.0;
        let sextants = (6.0 * turn) as f32;
        for index in 0..Block::PIXELS {
            let (red, green, blue) = (self.red[index], self.green[index], self.blue[index]);
            let value = greater(greater(red, green), blue);
            let chroma = value - lesser(lesser(red, green), blue);
            // Without chroma the hue does not matter.
            let inverse = 1.0 / greater(chroma, 1.0);
            let mut sextant = 4.0 + (red - green) * inverse;
            sextant = if value == green { 2.0 + (blue - red) * inverse } else { sextant };
            sextant = if value == red { (green - blue) * inverse } else { sextant };
            let turned = sextant + sextants;
            let turned = wrapped(if turned < 0.0 { turned + 6.0 } else { turned });
            let channel = |n: f32| {
                let k = wrapped(n + turned);
                truncated((value - chroma * limited(lesser(k, 4.0 - k), 0.0, 1.0)) * BACK)
            };
            (self.red[index], self.green[index], self.blue[index]) = (channel(5.0), channel(3.0), channel(1.0));
        }
    }
}

/// Luma with torchvision's weights, truncated.
#[inline]
pub(super) fn grey(red: f32, green: f32, blue: f32) -> f32 {
    truncated(red * 0.2989 + green * 0.587 + blue * 0.114)
}

/// The whole part of a number from 0 to 2^22: `trunc` and casts to integers are calls or long sequences on plain x86-64.
#[inline]
fn truncated(number: f32) -> f32 {
    let rounded = (number + WHOLE) - WHOLE;
    if rounded > number { rounded - 1.0 } else { rounded }
}

#[inline]
fn wrapped(sextant: f32) -> f32 {
    if sextant >= 6.0 { sextant - 6.0 } else { sextant }
}

#[inline]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline]
fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline]
fn limited(number: f32, low: f32, high: f32) -> f32 {
    lesser(greater(number, low), high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncating_takes_the_whole_part() {
        for quarter in 0..1200u16 {
            let number = f32::from(quarter) / 4.0;
            assert_eq!(truncated(number), number.trunc(), "{number}");
        }
        for number in [0.999_999_94, 254.999_98, 255.0, 1e-20] {
            assert_eq!(truncated(number), number.trunc(), "{number}");
        }
    }

    #[test]
    fn a_turn_of_nothing_and_a_factor_of_one_change_nothing() {
        let table = std::array::from_fn(|level| level as f32);
        for start in 0..=255u8 {
            let bytes: Vec<u8> = (0..96u8).map(|step| start.wrapping_add(step.wrapping_mul(step))).collect();
            let mut block = Block::read(&bytes, &table);
            block.turn_hue(0.0);
            block.saturate(1.0);
            let mut found = bytes.clone();
            block.write(&mut found);
            let near = found.iter().zip(&bytes).all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(near, "{bytes:?} became {found:?}");
        }
    }
}
