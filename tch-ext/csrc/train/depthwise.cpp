// The branches of a depthwise 3x3 layer, each with its batch normalisation, their sum and ReLU, in training: one convolution.
//
// A branch is nine taps `v`. Of its output over all positions, mean and variance follow from the means `m` and the products `A` of
// the nine pixels under the taps: `v.m` and `v.A.v - (v.m)^2`. Products depend on the distance of two pixels, but at the border some
// taps reach no pixel: positions are sorted into classes by the taps that connect them with an output.
#include "layers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cmath>

namespace {

using namespace tch_ext;
using kernels::ALL_LAGS;
using kernels::Depthwise;
using kernels::LAGS;
using kernels::MOMENTS;
using kernels::Run;
using kernels::TAPS;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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

const void *vectors_of(const at::Tensor &packed, int64_t block) {
  return static_cast<const char *>(packed.const_data_ptr()) + block * packed.stride(0) * packed.element_size();
}

// The nine pixels under the taps: means and products over all outputs, of each channel.
struct Moments {
  std::vector<double> mean;     // [channels, TAPS]
  std::vector<double> product;  // [channels, TAPS, TAPS]
};

// The index of the distance between two taps among all.
int lag_of(int from, int to) { return (to / 3 - from / 3 + 2) * 5 + to % 3 - from % 3 + 2; }

Moments moments_of(const Work &work, const at::Tensor &x, const Group *group, double count) {
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

// One branch on one channel.
struct Branch {
  const double *taps;
  double gain, mean, deviation;
  std::array<double, TAPS> product{};  // of the taps with the products of pixels

  Branch(const double *taps, double gain, const double *means, const double *products, double eps)
      : taps(taps), gain(gain), mean(0) {
    double square = 0;
    for (int from = 0; from < TAPS; ++from) {
      mean += taps[from] * means[from];
      for (int tap = 0; tap < TAPS; ++tap) product[from] += products[from * TAPS + tap] * taps[tap];
      square += taps[from] * product[from];
    }
    variance = std::max(square - mean * mean, 0.0);
    deviation = std::sqrt(variance + eps);
  }

  double variance;
  double scale() const { return gain / deviation; }
};

struct DepthwiseSum : torch::autograd::Function<DepthwiseSum> {
  static variable_list forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &taps,
                               const at::Tensor &gains, const at::Tensor &shifts, int64_t stride, int64_t dilation,
                               double eps, bool relu, const Group *group, double count) {
    const at::Tensor x = channels_last(input);
    const Work work(x, stride, dilation);
    const int64_t branches = taps.size(0), channels = work.channels;
    const Moments moments = moments_of(work, x, group, count);
    const at::Tensor v = taps.to(at::kDouble).contiguous(), g = gains.to(at::kDouble).contiguous(),
                     s = shifts.to(at::kDouble).contiguous();
    const at::Tensor means = at::empty({branches, channels}, at::kDouble), variances = at::empty_like(means);
    std::vector<double> weights(channels * TAPS), biases(channels);
    work.for_channels([&](int64_t channel) {
      for (int64_t branch = 0; branch < branches; ++branch) {
        const int64_t at = branch * channels + channel;
        const Branch found(v.data_ptr<double>() + at * TAPS, g.data_ptr<double>()[at], &moments.mean[channel * TAPS],
                           &moments.product[channel * TAPS * TAPS], eps);
        for (int tap = 0; tap < TAPS; ++tap) weights[channel * TAPS + tap] += found.scale() * found.taps[tap];
        biases[channel] += s.data_ptr<double>()[at] - found.scale() * found.mean;
        means.data_ptr<double>()[at] = found.mean;
        variances.data_ptr<double>()[at] = found.variance;
      }
    });
    const at::Tensor y = at::empty({work.images, channels, work.out_height, work.out_width}, x.options(),
                                   at::MemoryFormat::ChannelsLast);
    const at::Tensor packed = work.vectors(weights, TAPS), bias = work.vectors(biases, 1);
    in_parts(work.images * work.blocks, std::min<int64_t>(work.images * work.blocks, 4 * at::get_num_threads()),
             [&](int64_t, int64_t begin, int64_t end) {
               const at::Tensor scratch = work.scratch();
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t image = i / work.blocks, index = i % work.blocks;
                 work.kernels.forward(work.block(index), work.input(x, image, index), vectors_of(packed, index),
                                      vectors_of(bias, index), relu, scratch.data_ptr(),
                                      const_cast<char *>(work.output(y, image, index)));
               }
             });
    const auto doubles = [](const std::vector<double> &values) {
      return at::empty({static_cast<int64_t>(values.size())}, at::kDouble).copy_(
          at::from_blob(const_cast<double *>(values.data()), {static_cast<int64_t>(values.size())}, at::kDouble));
    };
    context->save_for_backward({x, relu ? y : at::Tensor(), taps, gains, doubles(moments.mean), doubles(moments.product), packed});
    context->saved_data["stride"] = stride;
    context->saved_data["dilation"] = dilation;
    context->saved_data["eps"] = eps;
    context->saved_data["count"] = count;
    if (group != nullptr) context->saved_data["group"] = *group;
    context->mark_non_differentiable({means, variances});
    return {y, means, variances};
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &packed = saved[6];
    const double eps = context->saved_data["eps"].toDouble(), count = context->saved_data["count"].toDouble();
    const Work work(x, context->saved_data["stride"].toInt(), context->saved_data["dilation"].toInt());
    const at::Tensor dy = channels_last(grads[0].to(x.scalar_type()));
    const std::vector<double> sums =
        work.sum(TAPS + 1, [&](const Depthwise &block, int64_t image, int64_t index, void *scratch, double *into) {
          work.kernels.weight_gradient(block, work.input(x, image, index), work.output(dy, image, index),
                                       work.output(y, image, index), scratch, into);
        });

    const int64_t channels = work.channels, branches = saved[2].size(0);
    const at::Tensor v = saved[2].to(at::kDouble).contiguous(), g = saved[3].to(at::kDouble).contiguous();
    const at::Tensor dv = at::zeros_like(v), dg = at::zeros_like(g), ds = at::zeros_like(g);
    // Gradients of the means, then of the products.
    const at::Tensor through = at::zeros({channels, TAPS + TAPS * TAPS}, at::kDouble);
    const double *const means = saved[4].data_ptr<double>(), *const products = saved[5].data_ptr<double>();
    work.for_channels([&](int64_t channel) {
      for (int64_t branch = 0; branch < branches; ++branch) {
        const int64_t at = branch * channels + channel;
        const double *const m = means + channel * TAPS;
        const Branch found(v.data_ptr<double>() + at * TAPS, g.data_ptr<double>()[at], m,
                           products + channel * TAPS * TAPS, eps);
        const double *const dweights = sums.data() + channel * (TAPS + 1), dbias = dweights[TAPS];
        double *const to = through.data_ptr<double>() + channel * (TAPS + TAPS * TAPS);
        double dscale = -dbias * found.mean;
        for (int tap = 0; tap < TAPS; ++tap) dscale += dweights[tap] * found.taps[tap];
        const double dvariance = -0.5 * dscale * found.scale() / (found.deviation * found.deviation);
        const double dmean = -found.scale() * dbias - 2 * found.mean * dvariance;
        ds.data_ptr<double>()[at] = dbias;
        dg.data_ptr<double>()[at] = dscale / found.deviation;
        for (int from = 0; from < TAPS; ++from) {
          dv.data_ptr<double>()[at * TAPS + from] =
              found.scale() * dweights[from] + 2 * found.product[from] * dvariance + m[from] * dmean;
          to[from] += dmean * found.taps[from];
          for (int tap = 0; tap < TAPS; ++tap) {
            to[TAPS + from * TAPS + tap] += dvariance * found.taps[from] * found.taps[tap];
          }
        }
      }
    });
    variable_list results(10);
    results[1] = dv.to(saved[2].scalar_type()), results[2] = dg.to(saved[3].scalar_type()),
    results[3] = ds.to(saved[3].scalar_type());
    const auto group = context->saved_data.find("group");
    const bool together = group != context->saved_data.end();
    const Group processes = together ? group->second.toCustomClass<c10d::ProcessGroup>() : Group();
    // Every process takes part, whoever needs the gradient.
    const at::Tensor all = over_all(together ? &processes : nullptr, through).div(count).contiguous();
    if (context->needs_input_grad(0)) results[0] = input_gradient(work, x, dy, y, packed, all);
    return results;
  }

  // `through`: the gradients of the means and products of the nine pixels, divided by the number of outputs.
  static at::Tensor input_gradient(const Work &work, const at::Tensor &x, const at::Tensor &dy, const at::Tensor &y,
                                   const at::Tensor &weights, const at::Tensor &through) {
    const int64_t channels = work.channels, classes = work.classes();
    std::vector<double> lags(channels * classes * ALL_LAGS), offsets(channels * classes);
    work.for_channels([&](int64_t channel) {
      const double *const from = through.data_ptr<double>() + channel * (TAPS + TAPS * TAPS);
      for (int64_t group = 0; group < classes; ++group) {
        for (int tap = 0; tap < TAPS; ++tap) {
          if (!work.connects(group, tap)) continue;
          offsets[channel * classes + group] += from[tap];
          double *const to = &lags[(channel * classes + group) * ALL_LAGS];
          for (int other = 0; other < TAPS; ++other) to[lag_of(tap, other)] += 2 * from[TAPS + tap * TAPS + other];
        }
      }
    });
    const at::Tensor factors = work.vectors(lags, classes * ALL_LAGS), constants = work.vectors(offsets, classes);
    const at::Tensor dx = at::empty_like(x, x.options(), at::MemoryFormat::ChannelsLast);
    in_parts(work.images * work.blocks, std::min<int64_t>(work.images * work.blocks, 4 * at::get_num_threads()),
             [&](int64_t, int64_t begin, int64_t end) {
               const at::Tensor scratch = work.scratch();
               const at::Tensor gradients =
                   at::empty({work.out_height * work.out_width * work.kernels.lanes}, scratch.options());
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t image = i / work.blocks, index = i % work.blocks;
                 work.kernels.input_gradient(work.block(index), work.input(x, image, index),
                                             work.output(dy, image, index), work.output(y, image, index),
                                             vectors_of(weights, index), vectors_of(factors, index),
                                             vectors_of(constants, index), scratch.data_ptr(), gradients.data_ptr(),
                                             const_cast<char *>(work.input(dx, image, index)));
               }
             });
    return dx;
  }
};

}  // namespace

extern "C" char *tch_ext_train_depthwise(const at::Tensor *x, const at::Tensor *taps, const at::Tensor *gains,
                                         const at::Tensor *shifts, int64_t stride, int64_t dilation, double eps,
                                         bool relu, const Group *group, double count, at::Tensor **results) noexcept {
  return guarded([&] {
    const at::Tensor input = x->to(autocast_type(*x));
    const WithoutAutocast guard;
    const variable_list found =
        DepthwiseSum::apply(input, *taps, *gains, *shifts, stride, dilation, eps, relu, group, count);
    for (size_t i = 0; i < found.size(); ++i) results[i] = new at::Tensor(found[i]);
  });
}
