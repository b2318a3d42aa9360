//! From decoded samples to the tensor that the network takes.

use backbone::Normalization;
use datasets::Image;
use tch::{Device, Kind, Tensor};

/// Brings batches of images to the device and to the network's range.
pub struct Normalizer {
    device: Device,
    shift: Tensor,
    scale: Tensor,
    channels_last: bool,
}

impl Normalizer {
    /// A normaliser to `device`; `channels_last` sets the memory format of the result.
    pub fn new(normalization: &Normalization, device: Device, channels_last: bool) -> Self {
        let [shift, scale] = affine(normalization).map(|row| row.to(device));
        Self { device, shift, scale, channels_last }
    }

    /// Images of one size as `[N, C, H, W]` in fp32, `(pixel / 255 - mean) / std`.
    pub fn batch<'a>(&self, images: impl ExactSizeIterator<Item = &'a Image>) -> Tensor {
        self.bytes(&stack(images))
    }

    /// The same for a tensor of bytes `[N, H, W, C]`.
    pub fn bytes(&self, bytes: &Tensor) -> Tensor {
        // Bytes cross to the device, not floats; and rows of interleaved pixels are channels-last already.
        let images = bytes.to(self.device).permute([0, 3, 1, 2]).to_kind(Kind::Float);
        let images = (images - &self.shift) * &self.scale;
        if self.channels_last { images } else { images.contiguous() }
    }
}

/// What normalisation subtracts from pixels of 0 to 255, and then multiplies them with: `[1, C, 1, 1]` each, in fp32.
pub fn affine(Normalization { mean, std }: &Normalization) -> [Tensor; 2] {
    let row = |values: &[f64], value: fn(f64) -> f64| {
        let values: Vec<f64> = values.iter().copied().map(value).collect();
        Tensor::from_slice(&values).to_kind(Kind::Float).view([1, -1, 1, 1])
    };
    [row(mean, |mean| mean * 255.0), row(std, |std| 1.0 / (255.0 * std))]
}

/// Images of one size and number of channels as bytes `[N, H, W, C]`.
pub fn stack<'a>(images: impl ExactSizeIterator<Item = &'a Image>) -> Tensor {
    let count = images.len();
    let mut pixels = Vec::new();
    let (mut height, mut width) = (0, 0);
    for image in images {
        (height, width) = (image.height, image.width);
        if pixels.is_empty() {
            pixels.reserve_exact(count * image.data.len());
        }
        pixels.extend_from_slice(&image.data);
    }
    Tensor::from_slice(&pixels).view([count as i64, height as i64, width as i64, -1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_normalised_in_either_memory_format() {
        let image = |value: u8| Image::new(datasets::Size { height: 2, width: 1 }, 3, vec![value, 0, 255, 10, 20, 30]);
        let images = [image(0), image(255)];
        let last = Normalizer::new(&Normalization::default(), Device::Cpu, true).batch(images.iter());
        let first = Normalizer::new(&Normalization::default(), Device::Cpu, false).batch(images.iter());
        assert_eq!(first.size(), [2, 3, 2, 1]);
        assert!(first.is_contiguous());
        assert!((&last - &first).abs().max().double_value(&[]) == 0.0);
        let expected = (255.0 / 255.0 - 0.485) / 0.229;
        assert!((first.double_value(&[1, 0, 0, 0]) - expected).abs() < 1e-5);
        let expected = (20.0 / 255.0 - 0.456) / 0.224;
        assert!((first.double_value(&[0, 1, 1, 0]) - expected).abs() < 1e-5);
    }
}
