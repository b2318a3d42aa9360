//! Shape and sampling of a convolution with a square kernel.

use tch::Tensor;

use crate::spec::OutputStride;

/// Channels, kernel and sampling of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Input channels.
    pub inputs: i64,
    /// Output channels.
    pub outputs: i64,
    /// Side of the kernel.
    pub kernel: i64,
    /// Step of the output grid in input pixels.
    pub stride: i64,
    /// Zeros added on each side.
    pub padding: i64,
    /// Distance of the taps in input pixels.
    pub dilation: i64,
    /// Groups of channels that do not mix.
    pub groups: i64,
}

/// How a layer reads its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sampling {
    /// Step of the output grid in input pixels.
    pub stride: i64,
    /// Distance of the taps in input pixels.
    pub dilation: i64,
}

/// The sampling of layers one after the other within an output stride, where dilation replaces the strides beyond it: see
/// [`plan`](crate::plan).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strides {
    reached: i64,
    dilation: i64,
    limit: i64,
}

impl Strides {
    /// Before the first layer.
    pub fn within(limit: OutputStride) -> Self {
        Self { reached: 1, dilation: 1, limit: limit.into() }
    }

    /// The sampling of the next layer, of this stride as published.
    pub fn next(&mut self, stride: i64) -> Sampling {
        let dilation = self.dilation;
        if self.reached * stride > self.limit {
            self.dilation *= stride;
            return Sampling { stride: 1, dilation };
        }
        self.reached *= stride;
        Sampling { stride, dilation }
    }
}

impl Geometry {
    /// A 1x1 convolution with stride 1.
    pub const fn pointwise(inputs: i64, outputs: i64) -> Self {
        Self { inputs, outputs, kernel: 1, stride: 1, padding: 0, dilation: 1, groups: 1 }
    }

    /// A 3x3 convolution of each channel alone, padded so that only the stride changes the resolution.
    pub const fn depthwise(channels: i64, stride: i64, dilation: i64) -> Self {
        let groups = channels;
        Self { kernel: 3, stride, padding: dilation, dilation, groups, ..Self::pointwise(channels, channels) }
    }

    /// The same for depthwise layers that give each channel several outputs.
    pub const fn with_outputs(self, outputs: i64) -> Self {
        Self { outputs, ..self }
    }

    /// The same with a kernel of this odd side and padding that leaves the resolution to the stride.
    pub const fn with_kernel(self, kernel: i64) -> Self {
        Self { kernel, padding: self.dilation * (kernel - 1) / 2, ..self }
    }

    /// The same with this sampling and padding that leaves the resolution to the stride.
    pub const fn sampled(self, Sampling { stride, dilation }: Sampling) -> Self {
        Self { stride, dilation, padding: dilation * (self.kernel - 1) / 2, ..self }
    }

    /// The 1x1 convolution with the same channels, groups and stride.
    pub(crate) fn with_one_tap(self) -> Self {
        Self { kernel: 1, padding: 0, dilation: 1, ..self }
    }

    /// `[outputs, inputs / groups, kernel, kernel]`.
    pub fn weight_shape(&self) -> [i64; 4] {
        [self.outputs, self.inputs / self.groups, self.kernel, self.kernel]
    }

    /// The side of the output for an input of side `input`.
    pub fn output_side(&self, input: i64) -> i64 {
        (input + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }

    /// Convolves `xs` with weights of this geometry.
    pub fn convolve(&self, xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let pair = |value| [value, value];
        if (self.kernel, self.padding) == (1, 0) && self.stride > 1 {
            // libtorch 2.11 on a CPU: the weight gradient of a strided 1x1 convolution over three channels-last channels
            // writes beyond its buffer. Sampling the pixels first gives the same numbers without that kernel.
            let sampled = |xs: &Tensor, dim| xs.slice(dim, None, None, self.stride);
            return Self { stride: 1, ..*self }.convolve(&sampled(&sampled(xs, 2), 3), weight, bias);
        }
        if (self.kernel, self.padding) == (1, 0) && [self.inputs, self.outputs] == [self.groups; 2] {
            // A product per channel: oneDNN's depthwise kernels are several times slower with a single tap.
            let channels = |vector: &Tensor| vector.to_kind(xs.kind()).view([1, -1, 1, 1]);
            let product = xs * channels(weight);
            return bias.map_or_else(|| product.shallow_clone(), |bias| &product + channels(bias));
        }
        if [self.inputs, self.outputs] == [self.groups; 2] && xs.size()[2..] == [1, 1] && weight.requires_grad() {
            // libtorch 2.11 on a CPU in bfloat16: the weight gradient of a strided depthwise convolution over a single pixel is
            // partly not written. Only the tap at the padding's depth meets the pixel.
            let tap = self.padding / self.dilation;
            let centre = weight.narrow(2, tap, 1).narrow(3, tap, 1);
            return self.with_one_tap().convolve(xs, &centre, bias);
        }
        xs.conv2d(weight, bias, pair(self.stride), pair(self.padding), pair(self.dilation), self.groups)
    }

    /// A smaller odd kernel, padded with zeros to this side. Its taps keep their distance.
    pub(crate) fn pad(&self, kernel: &Tensor) -> Tensor {
        let margin = (self.kernel - kernel.size()[2]) / 2;
        kernel.constant_pad_nd([margin; 4])
    }

    /// The inputs of every output as channels, `[N, inputs * kernel^2, H', W']`: on them this is a pointwise convolution.
    pub(crate) fn columns(&self, xs: &Tensor) -> Tensor {
        if self.kernel == 1 && self.stride == 1 && self.padding == 0 {
            return xs.shallow_clone();
        }
        let pair = |value| [value, value];
        let columns = xs.im2col(pair(self.kernel), pair(self.dilation), pair(self.padding), pair(self.stride));
        let size = xs.size();
        columns.view([size[0], -1, self.output_side(size[2]), self.output_side(size[3])])
    }

    /// PyTorch's default range of initial weights: `1 / sqrt(fan_in)`.
    pub(crate) fn fan_in_bound(&self) -> f64 {
        1.0 / ((self.inputs / self.groups * self.kernel * self.kernel) as f64).sqrt()
    }
}
