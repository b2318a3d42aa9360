// A depthwise 3x3 layer on a batch of images: how its work is divided, and the moments of its pixels.
#pragma once

#include "layers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace tch_ext {

using kernels::ALL_LAGS;
using kernels::Depthwise;
using kernels::LAGS;
using kernels::MOMENTS;
using kernels::Run;
using kernels::TAPS;

// Images of a part, the sums of whose parts are added in order.
constexpr int64_t MOST_PARTS = 16;

struct Classes {
  std::vector<Run> runs;
  std::vector<int> taps;  // of each group

  Classes(int64_t inputs, int64_t outputs, int64_t stride, int64_t dilation) {
    for (int64_t first = 0; first < stride; ++first) {
      for (int64_t at = first; at < inputs; at += stride) {
        const int reached = taps_at(at, outputs, stride, dilation);
        if (at > first && runs.back().taps == reached) {
          ++runs.back().count;
        } else {
          runs.push_back({at, 1, stride, reached, group_of(reached)});
        }
      }
    }
  }

  kernels::Axis axis() const {
    return {runs.data(), static_cast<int>(runs.size()), static_cast<int>(taps.size())};
  }

 private:
  static int taps_at(int64_t at, int64_t outputs, int64_t stride, int64_t dilation) {
    int taps = 0;
    for (int tap = 0; tap < 3; ++tap) {
      const int64_t distance = at - (tap - 1) * dilation;
      if (distance >= 0 && distance % stride == 0 && distance / stride < outputs) taps |= 1 << tap;
    }
    return taps;
  }

  int group_of(int reached) {
    const auto found = std::find(taps.begin(), taps.end(), reached);
    if (found == taps.end()) taps.push_back(reached);
    return static_cast<int>(std::find(taps.begin(), taps.end(), reached) - taps.begin());
  }
};

// The layer on a batch of images, and how its work is divided.
struct Work {
  int64_t images, channels, height, width, out_height, out_width, stride, dilation;
  const kernels::Table &kernels;
  at::ScalarType storage;
  int64_t blocks;
  Classes rows, columns;

  Work(const at::Tensor &x, int64_t stride, int64_t dilation)
      : images(x.size(0)), channels(x.size(1)), height(x.size(2)), width(x.size(3)),
        out_height(pieces(height, stride)), out_width(pieces(width, stride)), stride(stride), dilation(dilation),
        kernels(kernels_for(x.scalar_type())), storage(x.scalar_type()), blocks(pieces(channels, kernels.lanes)),
        rows(height, out_height, stride, dilation), columns(width, out_width, stride, dilation) {}

  int64_t classes() const { return static_cast<int64_t>(rows.taps.size() * columns.taps.size()); }
  bool connects(int64_t group, int tap) const {
    const int64_t across = static_cast<int64_t>(columns.taps.size());
    return (rows.taps[group / across] >> (tap / 3) & 1) && (columns.taps[group % across] >> (tap % 3) & 1);
  }

  Depthwise block(int64_t index) const {
    const int64_t lanes = std::min(kernels.lanes, channels - index * kernels.lanes);
    return {height, width, out_height, out_width, channels, stride, dilation, lanes, rows.axis(), columns.axis()};
  }
  // Zero: the margins stay so.
  at::Tensor scratch() const {
    return at::zeros({block(0).padded_size() * kernels.lanes}, at::TensorOptions().dtype(computed(storage)));
  }
  const char *input(const at::Tensor &images, int64_t image, int64_t index) const {
    return at_block(images, image * height * width, index);
  }
  // Null for an undefined tensor.
  const char *output(const at::Tensor &images, int64_t image, int64_t index) const {
    return images.defined() ? at_block(images, image * out_height * out_width, index) : nullptr;
  }

  template <class Body>
  void for_channels(const Body &body) const {
    at::parallel_for(0, channels, 16, [&](int64_t begin, int64_t end) {
      for (int64_t channel = begin; channel < end; ++channel) body(channel);
    });
  }

  // Sums over the images for each channel: `[channels, length]`, by `body(block, image, index, scratch, sums)`.
  template <class Body>
  std::vector<double> sum(int64_t length, const Body &body) const {
    const int64_t parts = std::min(images, MOST_PARTS), lanes = kernels.lanes, size = length * lanes;
    std::vector<double> sums(parts * blocks * size);
    in_parts(parts * blocks, parts * blocks, [&](int64_t work, int64_t, int64_t) {
      const int64_t part = work / blocks, index = work % blocks;
      const at::Tensor memory = scratch();
      for (int64_t image = images * part / parts; image < images * (part + 1) / parts; ++image) {
        body(block(index), image, index, memory.data_ptr(), sums.data() + work * size);
      }
    });
    std::vector<double> found(channels * length);
    for_channels([&](int64_t channel) {
      for (int64_t part = 0; part < parts; ++part) {
        const double *from = sums.data() + (part * blocks + channel / lanes) * size + channel % lanes;
        for (int64_t i = 0; i < length; ++i) found[channel * length + i] += from[i * lanes];
      }
    });
    return found;
  }

  // `[channels, length]` as vectors of lanes for each block, in the type of computation: `[blocks, length, lanes]`.
  at::Tensor vectors(const std::vector<double> &values, int64_t length) const {
    const int64_t lanes = kernels.lanes;
    const at::Tensor packed = at::zeros({blocks, length, lanes}, at::kDouble);
    double *const to = packed.data_ptr<double>();
    for_channels([&](int64_t channel) {
      for (int64_t i = 0; i < length; ++i) {
        to[((channel / lanes) * length + i) * lanes + channel % lanes] = values[channel * length + i];
      }
    });
    return packed.to(computed(storage));
  }

 private:
  const char *at_block(const at::Tensor &images, int64_t pixel, int64_t index) const {
    const int64_t element = pixel * channels + index * kernels.lanes;
    return static_cast<const char *>(images.const_data_ptr()) + element * images.element_size();
  }
};

inline const void *vectors_of(const at::Tensor &packed, int64_t block) {
  return static_cast<const char *>(packed.const_data_ptr()) + block * packed.stride(0) * packed.element_size();
}

// The nine pixels under the taps: means and products over all outputs, of each channel.
struct Moments {
  std::vector<double> mean;     // [channels, TAPS]
  std::vector<double> product;  // [channels, TAPS, TAPS]
};

// The index of the distance between two taps among all.
inline int lag_of(int from, int to) { return (to / 3 - from / 3 + 2) * 5 + to % 3 - from % 3 + 2; }

inline Moments moments_of(const Work &work, const at::Tensor &x, const Group *group, double count) {
  const int64_t length = work.classes() * MOMENTS;
  const std::vector<double> sums =
      work.sum(length, [&](const Depthwise &block, int64_t image, int64_t index, void *scratch, double *into) {
        work.kernels.moments(block, work.input(x, image, index), scratch, into);
      });
  const at::Tensor all = at::zeros({work.channels, TAPS + TAPS * TAPS}, at::kDouble);
  work.for_channels([&](int64_t channel) {
    double *const to = all.data_ptr<double>() + channel * (TAPS + TAPS * TAPS);
    for (int64_t group = 0; group < work.classes(); ++group) {
      const double *const found = sums.data() + channel * length + group * MOMENTS;
      for (int from = 0; from < TAPS; ++from) {
        if (!work.connects(group, from)) continue;
        to[from] += found[0];
        for (int tap = from; tap < TAPS; ++tap) to[TAPS + from * TAPS + tap] += found[1 + lag_of(from, tap) - ALL_LAGS / 2];
      }
    }
    for (int from = 0; from < TAPS; ++from) {
      for (int tap = 0; tap < from; ++tap) to[TAPS + from * TAPS + tap] = to[TAPS + tap * TAPS + from];
    }
  });
  const at::Tensor means = over_all(group, all).div(count).contiguous();
  Moments moments;
  const double *from = means.data_ptr<double>();
  for (int64_t channel = 0; channel < work.channels; ++channel, from += TAPS + TAPS * TAPS) {
    moments.mean.insert(moments.mean.end(), from, from + TAPS);
    moments.product.insert(moments.product.end(), from + TAPS, from + TAPS + TAPS * TAPS);
  }
  return moments;
}

}  // namespace tch_ext
