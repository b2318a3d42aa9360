// Operations on lists of tensors in one call.
#include "shim.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cmath>

using tch_ext::TensorVector;

// `grads[i]` becomes a new tensor, or stays null if `params[i]` has no gradient.
extern "C" void tch_ext_gradients(at::Tensor *const *params, size_t count, at::Tensor **grads) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const at::Tensor &grad = params[i]->unsafeGetTensorImpl()->grad();
    if (grad.defined()) grads[i] = new at::Tensor(grad);
  }
}

// The gradients that there are.
static TensorVector gradients_of(at::Tensor *const *params, size_t count) {
  TensorVector grads;
  for (size_t i = 0; i < count; ++i) {
    const at::Tensor &grad = params[i]->unsafeGetTensorImpl()->grad();
    if (grad.defined()) grads.push_back(grad);
  }
  return grads;
}

extern "C" char *tch_ext_zero_gradients(at::Tensor *const *params, size_t count) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    const TensorVector grads = gradients_of(params, count);
    if (!grads.empty()) at::_foreach_zero_(grads);
  });
}

extern "C" char *tch_ext_scale_gradients(at::Tensor *const *params, size_t count, double factor) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    const TensorVector grads = gradients_of(params, count);
    if (!grads.empty()) at::_foreach_mul_(grads, factor);
  });
}

extern "C" void tch_ext_clear_gradients(at::Tensor *const *params, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) {
    c10::TensorImpl *param = params[i]->unsafeGetTensorImpl();
    if (param->grad().defined()) param->mutable_grad().reset();
  }
}

// As torch.nn.utils.clip_grad_norm_ with the 2-norm; an infinite `max_norm` does not change the gradients.
extern "C" char *tch_ext_clip_grad_norm(at::Tensor *const *params, size_t count, double max_norm,
                                        double *total_norm) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    const TensorVector grads = gradients_of(params, count);
    *total_norm = 0.0;
    if (grads.empty()) return;
    TensorVector norms = at::_foreach_norm(grads, 2);
    for (at::Tensor &norm : norms) norm = norm.to(grads.front().device());
    const at::Tensor total = at::linalg_vector_norm(at::stack(norms)).cpu();
    *total_norm = total.item<double>();
    if (std::isinf(max_norm)) return;
    // In the gradients' own kind, so that the factor is PyTorch's to the last bit.
    const double factor = total.add(1e-6).reciprocal().mul(max_norm).clamp_max(1.0).item<double>();
    if (factor != 1.0) at::_foreach_mul_(grads, factor);
  });
}

// Integer tensors (counters) cannot be interpolated: they take the source's value.
extern "C" char *tch_ext_lerp(at::Tensor *const *targets, at::Tensor *const *sources, size_t count,
                              double weight) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    TensorVector averages, values, counters, counts;
    for (size_t i = 0; i < count; ++i) {
      const at::Tensor &target = *targets[i];
      if (target.is_floating_point()) {
        averages.push_back(target);
        values.push_back(sources[i]->to(target.device(), target.scalar_type()));
      } else {
        counters.push_back(target);
        counts.push_back(*sources[i]);
      }
    }
    if (!averages.empty()) at::_foreach_lerp_(averages, values, weight);
    if (!counters.empty()) at::_foreach_copy_(counters, counts);
  });
}

extern "C" char *tch_ext_copy(at::Tensor *const *targets, at::Tensor *const *sources, size_t count) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    if (count > 0) at::_foreach_copy_(tch_ext::tensors(targets, count), tch_ext::tensors(sources, count));
  });
}
