// Batch norm with the statistics of all processes' batches, exact forward and backward, by the CPU's own kernels.
// libtorch's own kernels for it (`batch_norm_stats` and the like) exist for CUDA only.
#include "dist.h"

#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using tch_ext::Group;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Moments {
  at::Tensor mean;      // [C], double
  at::Tensor variance;  // [C], double, without Bessel's correction
  double count;         // values a channel
};

// `[mean, variance, count]` of the own batch. An empty one must send zeros: its mean is NaN, and so is 0 times that.
at::Tensor own_moments(const at::Tensor &x) {
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
  return own;
}

// One exchange for all inputs.
std::vector<Moments> moments_of_all(const at::TensorList &xs, const Group &group) {
  std::vector<at::Tensor> own;
  for (const at::Tensor &x : xs) own.push_back(own_moments(x));
  const at::Tensor all = tch_ext::gather_from(group, at::cat(own));
  std::vector<Moments> moments;
  int64_t start = 0;
  for (const at::Tensor &x : xs) {
    const int64_t channels = x.size(1);
    const at::Tensor means = all.narrow(1, start, channels);
    const at::Tensor variances = all.narrow(1, start + channels, channels);
    const at::Tensor counts = all.narrow(1, start + 2 * channels, 1);
    start += 2 * channels + 1;
    const double count = counts.sum().item<double>();
    TORCH_CHECK(count > 1, "batch norm needs more than one value per channel; all processes together have ", count);
    const at::Tensor shares = counts / count;
    const at::Tensor mean = (shares * means).sum(0);
    moments.push_back({mean, (shares * (variances + (means - mean).square())).sum(0), count});
  }
  return moments;
}

void track(const at::Tensor &running, const at::Tensor &value, double momentum) {
  if (running.defined()) running.lerp_(value.to(running.scalar_type()), momentum);
}

// Running statistics of each input, undefined where none are kept.
struct Running {
  std::vector<at::Tensor> means, variances;
};

// Inputs, scales and shifts of `n` normalisations, one kind after the other.
struct SyncBatchNorms : torch::autograd::Function<SyncBatchNorms> {
  static variable_list forward(AutogradContext *context, const at::TensorList &inputs, const Running &running,
                               double momentum, double eps, const Group &group) {
    const size_t n = inputs.size() / 3;
    const std::vector<Moments> all = moments_of_all(inputs.slice(0, n), group);
    variable_list saved, ys;
    std::vector<double> counts;
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor &x = inputs[i], &weight = inputs[n + i], &bias = inputs[2 * n + i];
      track(running.means[i], all[i].mean, momentum);
      track(running.variances[i], all[i].variance * (all[i].count / (all[i].count - 1)), momentum);
      const at::Tensor mean = all[i].mean.to(weight.scalar_type());
      const at::Tensor variance = all[i].variance.to(weight.scalar_type());
      saved.insert(saved.end(), {x, weight, mean, variance});
      counts.push_back(all[i].count);
      ys.push_back(x.numel() == 0 ? at::empty_like(x)
                                  : std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance,
                                                                      /*training=*/false, 0.0, eps)));
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["eps"] = eps;
    context->saved_data["counts"] = counts;
    context->saved_data["group"] = group;
    return ys;
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const double eps = context->saved_data["eps"].toDouble();
    const std::vector<double> counts = context->saved_data["counts"].toDoubleVector();
    const auto group = context->saved_data["group"].toCustomClass<c10d::ProcessGroup>();
    const size_t n = counts.size();

    // The gradients of scales and shifts stay those of the own batch: reducing gradients is the Reducer's task.
    variable_list results(3 * n + 4);
    std::vector<at::Tensor> sums;
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor &x = saved[4 * i], &weight = saved[4 * i + 1];
      at::Tensor dx = at::zeros_like(x), dweight = at::zeros_like(weight), dbias = at::zeros_like(weight);
      if (x.numel() > 0 && grads[i].defined()) {
        std::tie(dx, dweight, dbias) = at::native_batch_norm_backward(
            grads[i], x, weight, saved[4 * i + 2], saved[4 * i + 3], {}, {}, /*train=*/false, eps,
            {true, true, true});
      }
      sums.push_back(at::cat({dweight, dbias}).to(at::kDouble) / counts[i]);
      results[i] = dx, results[n + i] = dweight, results[2 * n + i] = dbias;
    }
    const at::Tensor all = tch_ext::sum_over(group, at::cat(sums));
    int64_t start = 0;
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor &x = saved[4 * i];
      const int64_t length = sums[i].numel();
      if (x.numel() > 0) {
        results[i] = through_moments(results[i], x, saved[4 * i + 1], saved[4 * i + 2], saved[4 * i + 3],
                                     all.narrow(0, start, length), eps);
      }
      start += length;
    }
    return results;
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

// `n` normalisations; the running statistics may be null.
extern "C" char *tch_ext_dist_batch_norms(const Group *group, at::Tensor *const *xs, at::Tensor *const *weights,
                                          at::Tensor *const *biases, at::Tensor *const *running_means,
                                          at::Tensor *const *running_variances, size_t n, double momentum, double eps,
                                          at::Tensor **ys) noexcept {
  return tch_ext::guarded([&] {
    tch_ext::TensorVector inputs = tch_ext::tensors(xs, n);
    for (const auto &part : {tch_ext::tensors(weights, n), tch_ext::tensors(biases, n)}) {
      inputs.insert(inputs.end(), part.begin(), part.end());
    }
    Running running;
    for (size_t i = 0; i < n; ++i) {
      TORCH_CHECK(xs[i]->dim() >= 2 && xs[i]->size(1) == weights[i]->numel() && xs[i]->size(1) == biases[i]->numel(),
                  "batch norm of ", weights[i]->numel(), " channels was given an input of shape ", xs[i]->sizes());
      running.means.push_back(running_means[i] == nullptr ? at::Tensor() : running_means[i]->detach());
      running.variances.push_back(running_variances[i] == nullptr ? at::Tensor() : running_variances[i]->detach());
    }
    const variable_list normalised = SyncBatchNorms::apply(at::TensorList(inputs), running, momentum, eps, *group);
    for (size_t i = 0; i < n; ++i) ys[i] = new at::Tensor(normalised[i]);
  });
}
