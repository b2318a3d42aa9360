//! Label images: PNG of one channel; a pixel's value or palette index is its class.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Transformations};

use crate::{Error, Place};

/// 16384 x 16384 pixels: a damaged header cannot ask for more memory.
const MAX_PIXELS: usize = 1 << 28;

pub(super) struct LabelImage {
    /// Height and width in pixels.
    pub(super) size: [usize; 2],
    /// [H, W].
    pub(super) labels: Vec<u8>,
}

impl LabelImage {
    /// Reads a PNG of palette indices or of grey levels, of 1, 2, 4 or 8 bits.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or cut short, or has another kind of pixels.
    pub(super) fn read(path: &Path) -> Result<LabelImage, Error> {
        let file = File::open(path).map_err(|error| Error::read(Place::file(path), error))?;
        let refused = |problem: String| Error::read(Place::file(path), problem);
        let mut decoder = Decoder::new(BufReader::new(file));
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(|error| refused(error.to_string()))?;
        let header = reader.info();
        let (color, depth) = (header.color_type, header.bit_depth);
        let [height, width] = [header.height as usize, header.width as usize];
        if !matches!(color, ColorType::Indexed | ColorType::Grayscale) || depth == BitDepth::Sixteen {
            let bits = depth as u8;
            return Err(refused(format!(
                "its pixels are {color:?} of {bits} bits instead of palette or grey of up to 8"
            )));
        }
        let pixels = height.checked_mul(width).filter(|&pixels| pixels <= MAX_PIXELS);
        let pixels = pixels.ok_or_else(|| refused(format!("{height} x {width} pixels are more than {MAX_PIXELS}")))?;
        let length = reader.output_buffer_size().ok_or_else(|| refused("it does not fit into memory".to_owned()))?;
        let mut packed = vec![0; length];
        let frame = reader.next_frame(&mut packed).map_err(|error| refused(error.to_string()))?;
        // Without this the decoder accepts a file whose last chunk is missing.
        reader.finish().map_err(|error| refused(error.to_string()))?;
        packed.truncate(frame.buffer_size());
        let labels =
            if depth == BitDepth::Eight { packed } else { unpack(&packed, frame.line_size, width, depth as u8) };
        if labels.len() != pixels {
            return Err(refused(format!("{} pixels instead of {height} x {width}", labels.len())));
        }
        Ok(LabelImage { size: [height, width], labels })
    }
}

/// Pixels of less than a byte, the leftmost in the highest bits; lines start at a byte.
fn unpack(packed: &[u8], line: usize, width: usize, bits: u8) -> Vec<u8> {
    let mask = (1u8 << bits) - 1;
    let in_byte = usize::from(8 / bits);
    let shift = |x: usize| 8 - usize::from(bits) * (x % in_byte + 1);
    packed.chunks_exact(line).flat_map(|line| (0..width).map(move |x| line[x / in_byte] >> shift(x) & mask)).collect()
}
