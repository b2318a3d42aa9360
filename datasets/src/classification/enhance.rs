//! Colour operations of Pillow: `ImageEnhance`, `ImageOps`, and hue as torchvision turns it on Pillow's HSV bytes.

use crate::image::{Image, luma};

type Table = [u8; 256];

/// Every level of every channel through a table.
pub(super) fn map(image: &mut Image, level: impl Fn(u8) -> u8) {
    let table: Table = std::array::from_fn(|index| level(index as u8));
    image.data.iter_mut().for_each(|level| *level = table[usize::from(*level)]);
}

/// `Image.blend`: from `plain` to `level`, and beyond.
fn blend(plain: u8, level: u8, factor: f32) -> u8 {
    let (plain, level) = (f32::from(plain), f32::from(level));
    (plain + factor * (level - plain)).clamp(0.0, 255.0) as u8
}

pub(super) fn brightness(image: &mut Image, factor: f64) {
    map(image, |level| blend(0, level, factor as f32));
}

/// Away from the mean grey: without red, green and blue, the mean of all levels.
pub(super) fn contrast(image: &mut Image, factor: f64) {
    let (sum, count): (u64, usize) = if image.is_rgb() {
        let pixels = image.data.as_chunks().0;
        (pixels.iter().map(|&pixel| u64::from(luma(pixel))).sum(), pixels.len())
    } else {
        (image.data.iter().map(|&level| u64::from(level)).sum(), image.data.len())
    };
    let mean = (sum as f64 / count.max(1) as f64 + 0.5) as u8;
    map(image, |level| blend(mean, level, factor as f32));
}

/// Saturation, of red, green and blue.
pub(super) fn color(image: &mut Image, factor: f64) {
    debug_assert!(image.is_rgb());
    for pixel in image.data.as_chunks_mut().0 {
        let grey = luma(*pixel);
        pixel.iter_mut().for_each(|level| *level = blend(grey, *level, factor as f32));
    }
}

/// Away from the image smoothed by a 3x3 kernel whose centre weighs five; the outermost pixels are never smoothed.
pub(super) fn sharpness(image: &mut Image, factor: f64) {
    let source = image.data.clone();
    let step = image.channels();
    let stride = image.width * step;
    for row in 1..image.height.saturating_sub(1) {
        for at in row * stride + step..((row + 1) * stride).saturating_sub(step) {
            let around = |centre: usize| u32::from(source[centre - step]) + u32::from(source[centre + step]);
            let line = |centre: usize| around(centre) + u32::from(source[centre]);
            let sum = line(at - stride) + line(at + stride) + around(at) + 5 * u32::from(source[at]);
            let smooth = ((2 * sum + 13) / 26) as u8;
            image.data[at] = blend(smooth, source[at], factor as f32);
        }
    }
}

/// Each channel's levels spread over the full range.
pub(super) fn auto_contrast(image: &mut Image) {
    per_channel(image, |histogram| {
        let low = histogram.iter().position(|&count| count > 0)?;
        let high = histogram.iter().rposition(|&count| count > 0)?;
        let scale = 255.0 / (high.checked_sub(low).filter(|&range| range > 0)?) as f64;
        let offset = -(low as f64) * scale;
        Some(std::array::from_fn(|level| (level as f64 * scale + offset).clamp(0.0, 255.0) as u8))
    });
}

/// Each channel's levels equally frequent.
pub(super) fn equalize(image: &mut Image) {
    per_channel(image, |histogram| {
        let last = histogram.iter().rfind(|&&count| count > 0)?;
        let step = (histogram.iter().sum::<u64>() - last) / 255;
        let mut total = step / 2;
        (step > 0).then(|| {
            std::array::from_fn(|level| {
                let new = total / step;
                total += histogram[level];
                new.min(255) as u8
            })
        })
    });
}

/// A table for each channel, made from its histogram; `None` leaves the channel unchanged.
fn per_channel(image: &mut Image, mut table: impl FnMut(&[u64; 256]) -> Option<Table>) {
    let channels = image.channels();
    for channel in 0..channels {
        let mut histogram = [0u64; 256];
        for &level in image.data.iter().skip(channel).step_by(channels) {
            histogram[usize::from(level)] += 1;
        }
        if let Some(table) = table(&histogram) {
            for level in image.data.iter_mut().skip(channel).step_by(channels) {
                *level = table[usize::from(*level)];
            }
        }
    }
}

/// A turn of hue, -0.5 to 0.5, of red, green and blue, on hues of 256 steps.
pub(super) fn hue(image: &mut Image, turn: f64) {
    debug_assert!(image.is_rgb());
    let steps = (turn * 255.0) as i32 as u8;
    for pixel in image.data.as_chunks_mut().0 {
        let [hue, saturation, value] = to_hsv(*pixel);
        *pixel = to_rgb([hue.wrapping_add(steps), saturation, value]);
    }
}

/// Every step has the precision that Pillow gives it: hues are on the edges between two bytes.
fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0, 0, most];
    }
    let chroma = f32::from(most - least);
    let below = |level: u8| f64::from(f32::from(most - level) / chroma);
    let sextant = if red == most {
        below(blue) - below(green)
    } else if green == most {
        2.0 + below(red) - below(blue)
    } else {
        4.0 + below(green) - below(red)
    };
    let hue = (f64::from(sextant as f32) / 6.0 + 1.0).fract() as f32;
    let saturation = chroma / f32::from(most);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sextants = f64::from(hue) * 6.0 / 255.0;
    let (whole, rest) = (sextants.floor(), f64::from(sextants.fract() as f32));
    let saturation = f64::from((f64::from(saturation) / 255.0) as f32);
    let level = |share: f64| (f64::from(value) * (1.0 - saturation * share)).round().clamp(0.0, 255.0) as u8;
    let (low, falling, rising) = (level(1.0), level(rest), level(1.0 - rest));
    match whole as u8 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}
