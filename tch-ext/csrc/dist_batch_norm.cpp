// Batch norm with the statistics of all processes' batches, exact forward and backward, by the CPU's own kernels.
// libtorch's own kernels for it (`batch_norm_stats` and the like) exist for CUDA only.
#include "dist.h"

#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using tch_ext::Group;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct Moments {
  at::Tensor mean;      // [C], double
  at::Tensor variance;  // [C], double, without Bessel's correction
  double count;         // values a channel
};

// One exchange of `[mean, variance, count]`. An empty batch must send zeros: its mean is NaN, and so is 0 times that.
Moments moments_of_all(const at::Tensor &x, const Group &group) {
  const int64_t channels = x.size(1);
  at::Tensor own = at::zeros({2 * channels + 1}, x.options().dtype(at::kDouble));
  if (x.numel() > 0) {
    // The kernel computes in the kind of its running statistics: not in bfloat16, then. Momentum 0 leaves these alone.
    const auto kind = at::promote_types(x.scalar_type(), at::kFloat);
    const at::Tensor unused = at::zeros({channels}, x.options().dtype(kind));
    const auto [mean, variance] = at::batch_norm_update_stats(x, unused, unused.clone(), 0.0);
    own.narrow(0, 0, channels).copy_(mean);
    own.narrow(0, channels, channels).copy_(variance);
    own[2 * channels].fill_(static_cast<double>(x.numel() / channels));
  }
  const at::Tensor all = tch_ext::gather_from(group, own);
  const at::Tensor means = all.narrow(1, 0, channels);
  const at::Tensor variances = all.narrow(1, channels, channels);
  const at::Tensor counts = all.narrow(1, 2 * channels, 1);
  const double count = counts.sum().item<double>();
  TORCH_CHECK(count > 1, "batch norm needs more than one value per channel; all processes together have ", count);
  const at::Tensor shares = counts / count;
  const at::Tensor mean = (shares * means).sum(0);
  return {mean, (shares * (variances + (means - mean).square())).sum(0), count};
}

using MaybeTensor = std::optional<at::Tensor>;

void track(const MaybeTensor &running, const at::Tensor &value, double momentum) {
  if (running) running->lerp_(value.to(running->scalar_type()), momentum);
}

struct SyncBatchNorm : torch::autograd::Function<SyncBatchNorm> {
  static Variable forward(AutogradContext *context, const Variable &x, const Variable &weight, const Variable &bias,
                          const MaybeTensor &running_mean, const MaybeTensor &running_var, double momentum,
                          double eps, const Group &group) {
    const Moments all = moments_of_all(x, group);
    track(running_mean, all.mean, momentum);
    track(running_var, all.variance * (all.count / (all.count - 1)), momentum);
    const at::Tensor mean = all.mean.to(weight.scalar_type());
    const at::Tensor variance = all.variance.to(weight.scalar_type());
    context->save_for_backward({x, weight, mean, variance});
    context->saved_data["eps"] = eps;
    context->saved_data["count"] = all.count;
    context->saved_data["group"] = group;
    if (x.numel() == 0) return at::empty_like(x);
    return std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance, /*training=*/false, 0.0, eps));
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double eps = context->saved_data["eps"].toDouble();
    const double count = context->saved_data["count"].toDouble();
    const auto group = context->saved_data["group"].toCustomClass<c10d::ProcessGroup>();

    at::Tensor dx = at::empty_like(x), dweight = at::zeros_like(weight), dbias = at::zeros_like(weight);
    if (x.numel() > 0) {
      std::tie(dx, dweight, dbias) = at::native_batch_norm_backward(
          grads[0], x, weight, mean, variance, {}, {}, /*train=*/false, eps, {true, true, true});
    }
    const at::Tensor sums = tch_ext::sum_over(group, at::cat({dweight, dbias}).to(at::kDouble)) / count;
    if (x.numel() > 0) dx = through_moments(dx, x, weight, mean, variance, sums, eps);
    // The gradients of scale and shift stay those of the own batch: reducing gradients is the Reducer's task.
    return {dx, dweight, dbias, Variable(), Variable(), Variable(), Variable(), Variable()};
  }

  // Completes the gradient of x, which lacks its way through mean and variance:
  // dx - gain * (mean of dy + xhat * mean of dy * xhat), with `sums` the two means, as dx - slope * x - offset.
  static at::Tensor through_moments(const at::Tensor &dx, const at::Tensor &x, const at::Tensor &weight,
                                    const at::Tensor &mean, const at::Tensor &variance, const at::Tensor &sums,
                                    double eps) {
    const int64_t channels = x.size(1);
    const at::Tensor deviation = (variance.to(at::kDouble) + eps).rsqrt();
    const at::Tensor gain = weight.to(at::kDouble) * deviation;
    const at::Tensor slope = gain * deviation * sums.narrow(0, 0, channels);
    const at::Tensor offset = gain * sums.narrow(0, channels, channels) - slope * mean;
    const auto kind = at::promote_types(x.scalar_type(), at::kFloat);
    std::vector<int64_t> shape(x.dim(), 1);
    shape[1] = channels;
    at::Tensor complete = dx.to(kind);
    complete.sub_(offset.to(kind).view(shape)).addcmul_(x.to(kind), slope.to(kind).view(shape), -1);
    return complete.to(x.scalar_type());
  }
};

}  // namespace

// The running statistics may be null.
extern "C" char *tch_ext_dist_batch_norm(const Group *group, const at::Tensor *x, const at::Tensor *weight,
                                         const at::Tensor *bias, const at::Tensor *running_mean,
                                         const at::Tensor *running_var, double momentum, double eps,
                                         at::Tensor **y) noexcept {
  return tch_ext::guarded([&] {
    TORCH_CHECK(x->dim() >= 2 && x->size(1) == weight->numel() && x->size(1) == bias->numel(),
                "batch norm of ", weight->numel(), " channels was given an input of shape ", x->sizes());
    const auto if_any = [](const at::Tensor *tensor) {
      return tensor == nullptr ? MaybeTensor() : MaybeTensor(tensor->detach());
    };
    *y = new at::Tensor(SyncBatchNorm::apply(*x, *weight, *bias, if_any(running_mean), if_any(running_var), momentum,
                                             eps, *group));
  });
}
