// Quantised kernels: the engine that runs them, and layers of int8 weights as attributes of a module.
#include "jit.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_make_per_channel_quantized_tensor.h>
#include <ATen/ops/zeros.h>

using tch_ext::guarded;
using tch_ext::IValue;
using tch_ext::Stack;
using tch_ext::Text;
using torch::jit::Module;

namespace {

// Height, then width. As `Geometry` in `src/jit/quantized.rs`.
struct Geometry {
  int64_t strides[2];
  int64_t padding[2];
  int64_t dilations[2];
  int64_t groups;
};

std::vector<int64_t> pair(const int64_t (&values)[2]) { return {values[0], values[1]}; }

// Symmetric, one scale for each output channel.
at::Tensor quantized_weight(const at::Tensor &values, const at::Tensor &scales) {
  const at::Tensor zero_points = at::zeros({scales.numel()}, at::kLong);
  return at::_make_per_channel_quantized_tensor(values.contiguous(), scales, zero_points, /*axis=*/0);
}

// A copy: some engines keep the bias as it is until the first run.
IValue copied(const at::Tensor *bias) { return bias == nullptr ? IValue() : IValue(bias->detach().clone()); }

// The attribute has the class that the operator returns, which prepacks again when a file is loaded.
void register_prepacked(const Module &module, const std::string &path, const char *prepack, Stack stack) {
  const c10::OperatorHandle operation = c10::Dispatcher::singleton().findSchemaOrThrow(prepack, "");
  operation.callBoxed(stack);
  auto [owner, name] = tch_ext::place_of(module, path);
  owner.register_attribute(name, operation.schema().returns().at(0).type(), stack.at(0));
}

}  // namespace

extern "C" int tch_ext_quantized_engine() noexcept { return static_cast<int>(at::globalContext().qEngine()); }

extern "C" bool tch_ext_quantized_supports(int engine) noexcept {
  for (const at::QEngine supported : at::Context::supportedQEngines()) {
    if (static_cast<int>(supported) == engine) return true;
  }
  return false;
}

extern "C" char *tch_ext_quantized_set_engine(int engine) noexcept {
  return guarded([&] { at::globalContext().setQEngine(static_cast<at::QEngine>(engine)); });
}

extern "C" char *tch_ext_jit_register_quantized_convolution(Module *module, Text path, const at::Tensor *weight,
                                                            const at::Tensor *scales, const at::Tensor *bias,
                                                            const Geometry *geometry) noexcept {
  return guarded([&] {
    at::NoGradGuard no_grad;
    register_prepacked(*module, path.str(), "quantized::conv2d_prepack",
                       {quantized_weight(*weight, *scales), copied(bias), pair(geometry->strides),
                        pair(geometry->padding), pair(geometry->dilations), geometry->groups});
  });
}

extern "C" char *tch_ext_jit_register_quantized_linear(Module *module, Text path, const at::Tensor *weight,
                                                       const at::Tensor *scales, const at::Tensor *bias) noexcept {
  return guarded([&] {
    at::NoGradGuard no_grad;
    register_prepacked(*module, path.str(), "quantized::linear_prepack",
                       {quantized_weight(*weight, *scales), copied(bias)});
  });
}
