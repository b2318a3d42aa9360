// One optimiser step of all parameters, by libtorch's fused kernels (CPU and CUDA).
#include "shim.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

namespace {

using tch_ext::TensorVector;

// Strides of dimensions with one element do not matter.
bool same_layout(const at::Tensor &a, const at::Tensor &b) {
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) != 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

// The fused kernels use flat memory, so element i of every list must be at the same offset: tensors with another layout
// than the model take part as a copy, and `write_back` copies the result back.
class Aligned {
 public:
  Aligned(TensorVector given, const TensorVector &models) : given_(std::move(given)) {
    aligned_.reserve(given_.size());
    for (size_t i = 0; i < given_.size(); ++i) {
      const bool fits = same_layout(given_[i], models[i]) && given_[i].is_non_overlapping_and_dense();
      aligned_.push_back(fits ? given_[i] : at::empty_like(models[i], given_[i].options()).copy_(given_[i]));
    }
  }

  const TensorVector &list() const { return aligned_; }

  void write_back() {
    for (size_t i = 0; i < given_.size(); ++i) {
      if (!aligned_[i].is_same(given_[i])) given_[i].copy_(aligned_[i]);
    }
  }

 private:
  TensorVector given_;
  TensorVector aligned_;
};

// The kernels accept one device and one kind at a time.
std::vector<std::vector<size_t>> groups(const TensorVector &params) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < params.size(); ++i) {
    auto group = groups.begin();
    while (group != groups.end() && (params[group->front()].device() != params[i].device() ||
                                     params[group->front()].scalar_type() != params[i].scalar_type())) {
      ++group;
    }
    if (group == groups.end()) {
      groups.push_back({i});
    } else {
      group->push_back(i);
    }
  }
  return groups;
}

TensorVector pick(const TensorVector &list, const std::vector<size_t> &indices) {
  TensorVector picked;
  picked.reserve(indices.size());
  for (size_t i : indices) picked.push_back(list[i]);
  return picked;
}

}  // namespace

extern "C" char *tch_ext_sgd_step(at::Tensor *const *params, at::Tensor *const *grads, at::Tensor *const *buffers,
                                  size_t count, size_t buffer_count, double lr, double momentum, double weight_decay,
                                  bool nesterov, bool first_step) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    const TensorVector given = tch_ext::tensors(params, count);
    Aligned weights(given, given);
    Aligned gradients(tch_ext::tensors(grads, count), weights.list());
    Aligned momenta(tch_ext::tensors(buffers, buffer_count), weights.list());
    for (const auto &group : groups(given)) {
      at::_fused_sgd_(pick(weights.list(), group), pick(gradients.list(), group),
                      buffer_count == 0 ? TensorVector{} : pick(momenta.list(), group), weight_decay, momentum, lr,
                      /*dampening=*/0.0, nesterov, /*maximize=*/false, first_step);
    }
    weights.write_back();
    momenta.write_back();
  });
}

extern "C" char *tch_ext_adamw_step(at::Tensor *const *params, at::Tensor *const *grads, at::Tensor *const *exp_avgs,
                                    at::Tensor *const *exp_avg_sqs, size_t count, int64_t step, double lr, double beta1,
                                    double beta2, double eps, double weight_decay) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    const TensorVector given = tch_ext::tensors(params, count);
    Aligned weights(given, given);
    Aligned gradients(tch_ext::tensors(grads, count), weights.list());
    Aligned first(tch_ext::tensors(exp_avgs, count), weights.list());
    Aligned second(tch_ext::tensors(exp_avg_sqs, count), weights.list());
    for (const auto &group : groups(given)) {
      const auto counter = at::full({}, step, given[group.front()].options().dtype(at::kFloat).requires_grad(false));
      at::_fused_adamw_(pick(weights.list(), group), pick(gradients.list(), group), pick(first.list(), group),
                        pick(second.list(), group), /*max_exp_avg_sqs=*/{}, TensorVector(group.size(), counter), lr,
                        beta1, beta2, weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false);
    }
    weights.write_back();
    first.write_back();
    second.write_back();
  });
}
