//! Images of other channels than red, green and blue.

use super::{Image, Size};
use crate::Error;

/// The most channels that an image can have.
pub const MAX_CHANNELS: usize = 16;

/// Pillow's conversion of red, green and blue to mode `L`, by ITU-R 601.
pub(crate) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}

/// Why a file is not read, as the end of an error's sentence.
pub(crate) fn differ(found: usize, wanted: usize) -> String {
    format!("it has {found} channel{}, but the network takes {wanted}", if found == 1 { "" } else { "s" })
}

impl Image {
    pub(crate) fn black(size: Size, channels: usize) -> Image {
        Image::new(size, channels, vec![0; size.pixels() * channels])
    }

    /// Whether the channels are red, green and blue.
    pub(crate) fn is_rgb(&self) -> bool {
        self.channels == 3
    }

    /// The levels with which an operation fills pixels of this image: a colour of red, green and blue itself, otherwise its mean
    /// in every channel.
    pub(crate) fn fill_of(&self, colour: [u8; 3]) -> [u8; 3] {
        if self.is_rgb() {
            return colour;
        }
        let sum: u16 = colour.iter().map(|&level| u16::from(level)).sum();
        [((sum + 1) / 3) as u8; 3]
    }

    /// An image of other size with as many channels, filled.
    pub(crate) fn blank(&self, size: Size, fill: [u8; 3]) -> Image {
        let fill = self.fill_of(fill);
        match self.channels {
            3 => Image::filled(size, fill),
            other => Image::new(size, other, vec![fill[0]; size.pixels() * other]),
        }
    }

    /// Red, green and blue as one channel; equals Pillow's `convert("L")`.
    pub(crate) fn into_grey(self) -> Image {
        let grey = self.data.as_chunks().0.iter().map(|&pixel| luma(pixel)).collect();
        Image::new(self.size(), 1, grey)
    }

    /// The image in red, green and blue for people to look at, `[H, W, 3]`: the first three channels; with fewer than three, the
    /// first as grey.
    pub fn to_rgb_for_view(&self) -> Image {
        if self.is_rgb() {
            return self.clone();
        }
        let pixels = self.data.chunks_exact(self.channels.max(1));
        let rgb = match self.channels {
            1 | 2 => pixels.flat_map(|pixel| [pixel[0]; 3]).collect(),
            _ => pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        };
        Image::new(self.size(), 3, rgb)
    }

    /// An operation on images of one and of three channels, applied to an image of any number: to groups of its channels. The
    /// operation treats every channel alike.
    pub(crate) fn by_groups(
        &self,
        operation: &'static str,
        apply: impl Fn(&Image) -> Result<Image, Error>,
    ) -> Result<Image, Error> {
        let (size, channels) = (self.size(), self.channels);
        if self.data.len() != size.pixels().saturating_mul(channels) || channels == 0 {
            let reason = format!("its buffer holds {} bytes", self.data.len());
            return Err(Error::Pixels { operation, size, reason });
        }
        if matches!(channels, 1 | 3) {
            return apply(self);
        }
        let mut out = Image::black(Size { height: 0, width: 0 }, channels);
        let mut first = 0;
        while first < channels {
            let count = if first + 3 <= channels { 3 } else { 1 };
            let pixels = self.data.chunks_exact(channels);
            let group = pixels.flat_map(|pixel| &pixel[first..first + count]).copied().collect();
            let part = apply(&Image::new(size, count, group))?;
            if first == 0 {
                out = Image::black(part.size(), channels);
            }
            for (pixel, own) in out.data.chunks_exact_mut(channels).zip(part.data.chunks_exact(count)) {
                pixel[first..first + count].copy_from_slice(own);
            }
            first += count;
        }
        Ok(out)
    }
}
