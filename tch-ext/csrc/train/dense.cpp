// The branches of a dense layer on its columns `[N, F, H, W]`, each with its batch normalisation, their sum and ReLU, in training:
// one pointwise convolution.
//
// Of a branch with the weights `w` (a row for each output), mean and variance follow from the mean `m` and the covariance `S` of
// the columns: `w.m` and `w.S.w`. The product of the columns with themselves is the weight gradient of a pointwise convolution whose
// output gradient is its input: oneDNN's kernels for it are faster than a product of matrices.
#include "layers.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using namespace tch_ext;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t POSITIONS[] = {0, 2, 3};

// Gradients of input, weights and bias of a pointwise convolution.
std::tuple<at::Tensor, at::Tensor, at::Tensor> gradients(const at::Tensor &dy, const at::Tensor &x,
                                                         const at::Tensor &weight, std::array<bool, 3> which) {
  const int64_t one[] = {1, 1}, zero[] = {0, 0}, outputs[] = {weight.size(0)};
  return at::convolution_backward(dy, x, weight, outputs, one, zero, one, /*transposed=*/false, zero, 1, which);
}

at::Tensor kernel(const at::Tensor &matrix) { return matrix.contiguous().view({matrix.size(0), matrix.size(1), 1, 1}); }

// The sum of `x x^T` over all positions, `[F, F]`.
at::Tensor products(const at::Tensor &x) {
  const int64_t features = x.size(1);
  const at::Tensor shape = at::empty({features, features, 1, 1}, x.options());
  return std::get<1>(gradients(x, x, shape, {false, true, false})).view({features, features});
}

struct DenseSum : torch::autograd::Function<DenseSum> {
  static variable_list forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &weights,
                               const at::Tensor &gains, const at::Tensor &shifts,
                               const std::optional<at::Tensor> &skip_gain,
                               const std::optional<at::Tensor> &skip_shift, at::ScalarType storage,
                               const Ending &ending) {
    const auto [eps, count, group, relu] = ending;
    // Moments are those of the input before it is rounded to a smaller type.
    const at::Tensor exact = channels_last(input), x = exact.to(storage);
    const auto kind = computed(x.scalar_type());
    const int64_t branches = weights.size(0), outputs = weights.size(1), features = weights.size(2);
    const at::Tensor wide = exact.to(kind);
    const at::Tensor sums = over_all(group, at::cat({wide.sum(POSITIONS).unsqueeze(0), products(wide)}).to(at::kDouble)) / count;
    const at::Tensor exact_mean = sums[0];
    const at::Tensor covariance = (sums.narrow(0, 1, features) - at::outer(exact_mean, exact_mean)).to(kind);
    const at::Tensor mean = exact_mean.to(kind);

    const at::Tensor w = weights.to(kind);
    const at::Tensor through = at::matmul(w.view({-1, features}), covariance).view_as(w);
    const at::Tensor variances = (through * w).sum(-1).clamp_min(0), means = at::matmul(w, mean);
    const at::Tensor deviations = (variances + eps).sqrt(), scales = gains.to(kind) / deviations;
    at::Tensor matrix = (scales.unsqueeze(-1) * w).sum(0);
    at::Tensor bias = (shifts.to(kind) - scales * means).sum(0);
    at::Tensor skip_variance, skip_deviation;
    if (skip_gain) {
      skip_variance = covariance.diagonal().clamp_min(0);
      skip_deviation = (skip_variance + eps).sqrt();
      const at::Tensor scale = skip_gain->to(kind) / skip_deviation;
      matrix.diagonal().add_(scale);
      bias += skip_shift->to(kind) - scale * mean;
    }
    at::Tensor y = at::conv2d(x, kernel(matrix.to(x.scalar_type())), bias.to(x.scalar_type()));
    if (relu) y.relu_();
    context->save_for_backward({x, relu ? y : at::Tensor(), weights, gains, skip_gain.value_or(at::Tensor()), mean, through, means, deviations,
                                skip_deviation, matrix});
    context->saved_data["count"] = count;
    if (group != nullptr) context->saved_data["group"] = *group;
    variable_list statistics = {means, variances};
    if (skip_gain) statistics.insert(statistics.end(), {mean.clone(), skip_variance});
    context->mark_non_differentiable(statistics);
    statistics.insert(statistics.begin(), y);
    return statistics;
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &skip_gain = saved[4], &mean = saved[5], &through = saved[6],
                     &means = saved[7], &deviations = saved[8], &skip_deviation = saved[9], &matrix = saved[10];
    const double count = context->saved_data["count"].toDouble();
    const auto kind = mean.scalar_type();
    const at::Tensor w = saved[2].to(kind);
    const int64_t features = w.size(2);
    at::Tensor dy = channels_last(grads[0].to(x.scalar_type()));
    if (y.defined()) dy = at::threshold_backward(dy, y, 0);
    at::Tensor unused, dmatrix, dbias;
    std::tie(unused, dmatrix, dbias) = gradients(dy, x, kernel(matrix.to(x.scalar_type())), {false, true, true});
    dmatrix = dmatrix.view_as(matrix).to(kind), dbias = dbias.to(kind);

    const at::Tensor scales = saved[3].to(kind) / deviations;
    const at::Tensor dscales = (w * dmatrix).sum(-1) - dbias * means;
    const at::Tensor dvariances = -0.5 * dscales * scales / deviations.square(), dmeans = -scales * dbias;
    const at::Tensor dw = scales.unsqueeze(-1) * dmatrix + 2 * dvariances.unsqueeze(-1) * through + dmeans.unsqueeze(-1) * mean;
    const at::Tensor rows = w.view({-1, features});
    at::Tensor dcovariance = at::matmul((rows * dvariances.view({-1, 1})).t(), rows);
    at::Tensor dmean = at::matmul(dmeans.view({1, -1}), rows).view(-1);
    variable_list results(8);
    results[1] = dw.to(saved[2].scalar_type());
    results[2] = (dscales / deviations).to(saved[3].scalar_type());
    results[3] = dbias.expand_as(means).to(saved[3].scalar_type());
    if (skip_gain.defined()) {
      const at::Tensor scale = skip_gain.to(kind) / skip_deviation;
      const at::Tensor dscale = dmatrix.diagonal() - dbias * mean;
      results[4] = (dscale / skip_deviation).to(skip_gain.scalar_type());
      results[5] = dbias.to(skip_gain.scalar_type());
      dcovariance.diagonal().add_(-0.5 * dscale * scale / skip_deviation.square());
      dmean -= scale * dbias;
    }
    const auto group = context->saved_data.find("group");
    const bool together = group != context->saved_data.end();
    const Group processes = together ? group->second.toCustomClass<c10d::ProcessGroup>() : Group();
    // Every process takes part, whoever needs the gradient.
    const at::Tensor all = over_all(together ? &processes : nullptr, at::cat({dmean.unsqueeze(0), dcovariance})) / count;
    if (context->needs_input_grad(0)) {
      dcovariance = all.narrow(0, 1, features), dmean = all[0] - 2 * at::matmul(dcovariance, mean);
      const auto storage = x.scalar_type();
      // Both pointwise, the first without a bias, which the second adds.
      results[0] = at::conv2d(dy, kernel(matrix.t().to(storage)));
      results[0].add_(at::conv2d(x, kernel(2 * dcovariance).to(storage), dmean.to(storage)));
    }
    return results;
  }
};

}  // namespace

// `skip_gain` and `skip_shift` may be null; without them the last two results are.
extern "C" char *tch_ext_train_dense(const at::Tensor *x, const at::Tensor *weights, const at::Tensor *gains,
                                     const at::Tensor *shifts, const at::Tensor *skip_gain,
                                     const at::Tensor *skip_shift, Ending ending, at::Tensor **results) noexcept {
  return guarded([&] {
    const auto optional = [](const at::Tensor *tensor) {
      return tensor == nullptr ? std::optional<at::Tensor>() : std::optional<at::Tensor>(*tensor);
    };
    const auto storage = autocast_type(*x);
    const WithoutAutocast guard;
    const variable_list found = DenseSum::apply(*x, *weights, *gains, *shifts, optional(skip_gain),
                                                optional(skip_shift), storage, ending);
    for (size_t i = 0; i < found.size(); ++i) results[i] = new at::Tensor(found[i]);
  });
}
