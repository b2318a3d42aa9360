// Inner loops of training on a CPU, in channels-last memory. `kernels.cpp` is compiled once for each instruction set, so neither
// file may include anything whose inline functions other files use too.
//
// Storage types are `float`, `double` and bfloat16. Sums, weights and scratch memory have the type of computation: `float`, or
// `double` for `double`.
#pragma once

#include <cstdint>

namespace tch_ext {
namespace kernels {

// Taps of a 3x3 kernel, row by row; the distances between two of them, whose second is not before the first; and all distances.
constexpr int TAPS = 9;
constexpr int LAGS = 13;
constexpr int ALL_LAGS = 25;
// Sums of each class of positions: the pixel, and its products at each distance.
constexpr int MOMENTS = 1 + LAGS;

// Positions `start`, `start + step`, ... of one axis of the input which the same taps connect with an output: bit `t` for tap `t`.
struct Run {
  int64_t start, count, step;
  int taps;
  int group;  // the index of `taps` among those of the axis
};

struct Axis {
  const Run *runs;
  int count;
  int groups;
};

// A 3x3 convolution of each channel of one image, padded by its dilation; `lanes` channels at a time.
struct Depthwise {
  int64_t height, width, out_height, out_width;
  int64_t pixel;  // distance of two pixels in memory, in elements
  int64_t stride, dilation;
  int64_t lanes;
  Axis rows, columns;

  int64_t padded_width() const { return width + 4 * dilation; }
  int64_t padded_size() const { return (height + 4 * dilation) * padded_width(); }
};

// Functions for one storage type. `scratch` holds `padded_size()` vectors of `LANES` numbers, initially zero; where `gradients` is
// used too, `out_height * out_width` more. A null `ys` stands for no ReLU. All vectors are of `LANES` numbers.
struct Table {
  int64_t lanes;

  // Adds to `sums`, `[row groups * column groups][MOMENTS][LANES]`.
  void (*moments)(const Depthwise &, const void *xs, void *scratch, double *sums);
  // `weights`: `[TAPS]`, `bias`: one vector.
  void (*forward)(const Depthwise &, const void *xs, const void *weights, const void *bias, bool relu, void *scratch,
                  void *ys);
  // Adds the gradients of the taps and of the bias to `sums`, `[TAPS + 1][LANES]`.
  void (*weight_gradient)(const Depthwise &, const void *xs, const void *dys, const void *ys, void *scratch, double *sums);
  // `lags`: for each class the factors of the pixels at all distances, `[ALL_LAGS]`; `offsets`: one vector for each class.
  void (*input_gradient)(const Depthwise &, const void *xs, const void *dys, const void *ys, const void *weights,
                         const void *lags, const void *offsets, void *scratch, void *gradients, void *dxs);

  // Sums over `rows` of `[rows, channels]`: of `x - pivot` and of its square, `[2, channels]`.
  void (*spread)(const void *xs, const void *pivots, int64_t rows, int64_t channels, void *scratch, double *sums);
  // `ys = scales * xs + ys`, where `shifts` is not null `scales * xs + shifts`; then ReLU.
  void (*scale_add)(const void *xs, const void *scales, const void *shifts, int64_t rows, int64_t channels, bool relu,
                    void *ys);
  // Sums of `dy` and of `dy * (x - mean)`, `[2, channels]`.
  void (*scale_gradient)(const void *xs, const void *means, const void *dys, const void *ys, int64_t rows,
                         int64_t channels, void *scratch, double *sums);
  // `dxs = scales * dy + slopes * xs + offsets`.
  void (*normalised_gradient)(const void *xs, const void *dys, const void *ys, const void *scales, const void *slopes,
                              const void *offsets, int64_t rows, int64_t channels, void *dxs);
};

}  // namespace kernels
}  // namespace tch_ext
