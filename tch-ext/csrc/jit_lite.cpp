// The lite interpreter, which runs models on phones; here it checks the exported file.
#include "jit.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/mobile/import.h>
#include <torch/csrc/jit/mobile/module.h>

#include <stdexcept>

using tch_ext::guarded;
using tch_ext::Text;
using tch_ext::TensorSink;
using tch_ext::TextSink;
using torch::jit::mobile::Module;

extern "C" char *tch_ext_lite_load(Text path, Module **module) noexcept {
  return guarded([&] { *module = new Module(torch::jit::_load_for_mobile(path.str(), at::Device(at::kCPU))); });
}

extern "C" void tch_ext_lite_free(Module *module) noexcept { delete module; }

extern "C" char *tch_ext_lite_run(const Module *module, Text method, at::Tensor *const *inputs, size_t count,
                                  TensorSink sink, void *outputs) noexcept {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const auto callable = module->find_method(method.str());
    if (!callable) throw std::runtime_error("there is no method '" + method.str() + "'");
    tch_ext::flatten((*callable)(tch_ext::stack_of(inputs, count)), sink, outputs);
  });
}

extern "C" char *tch_ext_lite_operators(Module *module, TextSink sink, void *texts) noexcept {
  return guarded([&] {
    for (const std::string &name : torch::jit::mobile::_export_operator_list(*module)) {
      sink(texts, name.data(), name.size());
    }
  });
}
