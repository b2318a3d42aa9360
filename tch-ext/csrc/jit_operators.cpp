// The operators that TorchScript source can name.
#include "jit.h"

#include <torch/csrc/jit/frontend/sugared_value.h>

using torch::jit::BuiltinModule;
using torch::jit::GraphFunction;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;

namespace {

// `ops`, spelled as in the source that libtorch itself writes into files.
struct Namespaces : SugaredValue {
  std::string kind() const override { return "namespace of operators"; }

  std::shared_ptr<SugaredValue> attr(const SourceRange &range, GraphFunction &, const std::string &name) override {
    if (name == "quantized") return std::make_shared<BuiltinModule>(name);
    throw torch::jit::ErrorReport(range) << "unknown namespace 'ops." << name << "', only 'ops.quantized' is known";
  }
};

struct Operators : torch::jit::NativeResolver {
  std::shared_ptr<SugaredValue> resolveValue(const std::string &name, GraphFunction &method,
                                             const SourceRange &range) override {
    if (name == "ops") return std::make_shared<Namespaces>();
    return NativeResolver::resolveValue(name, method, range);
  }
};

}  // namespace

namespace tch_ext {

torch::jit::ResolverPtr operators() { return std::make_shared<Operators>(); }

}  // namespace tch_ext
