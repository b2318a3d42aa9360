// The branches of a depthwise 3x3 layer, each with its batch normalisation, their sum and ReLU, in training: one convolution.
//
// A branch is nine taps `v`. Of its output over all positions, mean and variance follow from the means `m` and the products `A` of
// the nine pixels under the taps: `v.m` and `v.A.v - (v.m)^2`. Products depend on the distance of two pixels, but at the border some
// taps reach no pixel: positions are sorted into classes by the taps that connect them with an output.
#include "depthwise.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cmath>

namespace {

using namespace tch_ext;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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
                               const Ending &ending) {
    const auto [eps, count, group, relu] = ending;
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
    variable_list results(7);
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
                                         const at::Tensor *shifts, int64_t stride, int64_t dilation, Ending ending,
                                         at::Tensor **results) noexcept {
  return guarded([&] {
    for (const at::Tensor *tensor : {x, taps, gains, shifts}) check_on_cpu(*tensor);
    TORCH_CHECK(stride > 0 && dilation > 0, "stride ", stride, " and dilation ", dilation, " must be positive");
    const at::Tensor input = x->to(autocast_type(*x));
    const WithoutAutocast guard;
    const variable_list found =
        DepthwiseSum::apply(input, *taps, *gains, *shifts, stride, dilation, ending);
    for (size_t i = 0; i < found.size(); ++i) results[i] = new at::Tensor(found[i]);
  });
}
