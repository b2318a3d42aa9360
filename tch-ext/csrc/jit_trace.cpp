// Recording a Rust function as a method of a TorchScript module.
#include "jit.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/shape_analysis.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <sstream>
#include <stdexcept>

using tch_ext::guarded;
using tch_ext::IValue;
using tch_ext::Stack;
using tch_ext::TensorVector;
using tch_ext::Text;
using torch::jit::Module;

namespace tracer = torch::jit::tracer;

namespace {

// Takes ownership of `inputs`; `outputs` belong to Rust and live until the end of the trace. False: it failed, and Rust
// has the reason.
using Traced = bool (*)(void *context, at::Tensor *const *inputs, size_t count, at::Tensor *const **outputs,
                        size_t *output_count);

// With autocast's cache the graph would contain reduced weights as constants in addition to the parameters.
class NoAutocastCache {
 public:
  NoAutocastCache() : was_enabled_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~NoAutocastCache() { at::autocast::set_autocast_cache_enabled(was_enabled_); }

 private:
  bool was_enabled_;
};

Stack copies(at::Tensor *const *inputs, size_t count) {
  Stack stack;
  for (size_t i = 0; i < count; ++i) stack.emplace_back(inputs[i]->detach().clone());
  return stack;
}

IValue one_or_tuple(const TensorVector &tensors) {
  if (tensors.size() == 1) return tensors.front();
  return c10::ivalue::Tuple::create(std::vector<IValue>(tensors.begin(), tensors.end()));
}

// Reduced kinds have only 8 or 11 bits.
double tolerance(at::ScalarType kind) { return kind == at::kBFloat16 || kind == at::kHalf ? 1e-2 : 1e-4; }

bool same(const at::Tensor &found, const at::Tensor &expected) {
  if (found.scalar_type() != expected.scalar_type() || found.sizes() != expected.sizes()) return false;
  if (expected.numel() == 0) return true;
  const at::Tensor wanted = (expected.is_quantized() ? expected.dequantize() : expected).to(at::kDouble);
  const at::Tensor values = (found.is_quantized() ? found.dequantize() : found).to(at::kDouble);
  const double relative = tolerance(expected.scalar_type());
  const double largest = wanted.abs().nan_to_num(0.0, 0.0, 0.0).max().item<double>();
  return at::allclose(values, wanted, relative, relative * largest, /*equal_nan=*/true);
}

// Runs the graph without optimising it: a method's first runs decide its specialisation, and belong to the caller.
void check(const std::shared_ptr<torch::jit::Graph> &graph, const Module &self, Stack inputs,
           const TensorVector &expected) {
  inputs.insert(inputs.begin(), self._ivalue());
  torch::jit::GraphExecutor(graph, "trace", torch::jit::ExecutorExecutionMode::SIMPLE).run(inputs);
  const IValue result = inputs.back();
  for (size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor found =
        expected.size() == 1 ? result.toTensor() : result.toTupleRef().elements().at(i).toTensor();
    if (same(found, expected[i])) continue;
    std::ostringstream text;
    text << "output " << i << " of the recorded graph differs from the function's: inside it a tensor is created from "
         << "plain numbers (create it before, or with full and arange), or something is random";
    throw std::runtime_error(text.str());
  }
}

}  // namespace

extern "C" char *tch_ext_jit_trace(Module *self, Text method, const Text *names, at::Tensor *const *inputs,
                                   size_t count, Traced traced, void *context) noexcept {
  return guarded([&] {
    at::NoGradGuard no_grad;
    NoAutocastCache no_cache;
    TensorVector outputs;
    const auto function = [&](Stack given) -> Stack {
      const auto state = tracer::getTracingState();
      std::vector<at::Tensor *> arguments;
      for (const IValue &value : given) arguments.push_back(new at::Tensor(value.toTensor()));
      at::Tensor *const *list = nullptr;
      size_t output_count = 0;
      if (!traced(context, arguments.data(), arguments.size(), &list, &output_count)) {
        throw std::runtime_error("the function failed");
      }
      // After some errors libtorch stops recording without notice, and the function may continue.
      if (tracer::getTracingState() != state) {
        throw std::runtime_error("the recording was stopped by an error inside the function");
      }
      outputs = tch_ext::tensors(list, output_count);
      for (size_t i = 0; i < output_count; ++i) {
        if (state->hasValue(outputs[i])) continue;
        throw std::runtime_error("output " + std::to_string(i) + " depends on no input and no parameter");
      }
      return {one_or_tuple(outputs)};
    };
    const auto no_name = [](const at::Tensor &) { return std::string(); };
    const auto graph = tracer::trace(copies(inputs, count), function, no_name, /*strict=*/true,
                                     /*force_outplace=*/false, self, tch_ext::strings(names, count))
                           .first->graph;
    // Later passes would fold the shapes of the example into the graph.
    torch::jit::EraseShapeInformation(graph);
    check(graph, *self, copies(inputs, count), outputs);
    const c10::QualifiedName qualified(*self->type()->name(), method.str());
    self->type()->addMethod(self->_ivalue()->compilation_unit()->create_function(qualified, graph));
  });
}
