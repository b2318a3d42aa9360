// TorchScript modules: built from parts and source text, transformed, saved, loaded, run, inspected.
#include "jit.h"

#include <ATen/core/grad_mode.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/xnnpack_rewrite.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>
#include <stdexcept>

using tch_ext::guarded;
using tch_ext::inlined_graph;
using tch_ext::IValue;
using tch_ext::NamedText;
using tch_ext::Stack;
using tch_ext::Text;
using tch_ext::TensorSink;
using tch_ext::TextSink;
using torch::jit::Module;

namespace tch_ext {

Stack stack_of(at::Tensor *const *inputs, size_t count) {
  Stack stack;
  stack.reserve(count);
  for (size_t i = 0; i < count; ++i) stack.emplace_back(*inputs[i]);
  return stack;
}

void flatten(const IValue &value, TensorSink sink, void *list) {
  if (value.isTensor()) {
    sink(list, new at::Tensor(value.toTensor()));
  } else if (value.isTuple()) {
    for (const IValue &element : value.toTupleRef().elements()) flatten(element, sink, list);
  } else if (value.isList()) {
    for (const IValue &element : value.toListRef()) flatten(element, sink, list);
  } else {
    throw std::runtime_error("the output has a value of type " + value.tagKind() + ", not only tensors");
  }
}

std::vector<std::string> strings(const Text *texts, size_t count) {
  std::vector<std::string> strings;
  strings.reserve(count);
  for (size_t i = 0; i < count; ++i) strings.push_back(texts[i].str());
  return strings;
}

}  // namespace tch_ext

namespace {

// An extra file is a short description; a larger one is damaged or malicious.
constexpr size_t kExtraFileLimit = size_t{64} << 20;

torch::jit::Method method_of(const Module &module, const std::string &name) {
  if (auto method = module.find_method(name)) return *method;
  std::string known;
  for (const auto &method : module.get_methods()) known += (known.empty() ? "" : ", ") + method.name();
  throw std::runtime_error("there is no method '" + name + "' (there is: " + (known.empty() ? "none" : known) + ")");
}

// "training" marks a module that is not frozen yet, for libtorch and for Python's `module.eval()`.
Module new_module(const c10::QualifiedName &name, std::shared_ptr<torch::jit::CompilationUnit> unit) {
  Module module(name, std::move(unit), /*shouldMangle=*/true);
  module.register_attribute("training", c10::BoolType::get(), false);
  return module;
}

void require_free(const Module &module, const std::string &name) {
  if (module.hasattr(name) || module.find_method(name)) {
    throw std::runtime_error("the name '" + name + "' is already used");
  }
}

torch::jit::ExtraFilesMap extra_files(const NamedText *files, size_t count) {
  torch::jit::ExtraFilesMap map;
  for (size_t i = 0; i < count; ++i) map[files[i].name.str()] = files[i].text.str();
  return map;
}

void pass_on(const std::string &text, TextSink sink, void *list) { sink(list, text.data(), text.size()); }

}  // namespace

namespace tch_ext {

std::pair<Module, std::string> place_of(const Module &module, const std::string &path) {
  std::vector<std::string> atoms = c10::QualifiedName(path).atoms();
  const std::string name = atoms.back();
  atoms.pop_back();
  Module owner = module;
  for (const std::string &atom : atoms) {
    if (owner.hasattr(atom)) {
      const IValue attribute = owner.attr(atom);
      if (!attribute.isModule()) throw std::runtime_error("'" + atom + "' in '" + path + "' is not a submodule");
      owner = attribute.toModule();
    } else {
      Module child = new_module("__torch__.Module", owner._ivalue()->compilation_unit());
      require_free(owner, atom);
      owner.register_module(atom, child);
      owner = child;
    }
  }
  require_free(owner, name);
  return {owner, name};
}

std::shared_ptr<torch::jit::Graph> inlined_graph(const Module &module, const std::string &method) {
  auto graph = method_of(module, method).graph()->copy();
  torch::jit::Inline(*graph);
  return graph;
}

}  // namespace tch_ext

extern "C" char *tch_ext_jit_module_new(Text name, Module **module) noexcept {
  return guarded([&] {
    *module = new Module(
        new_module(c10::QualifiedName("__torch__", name.str()), std::make_shared<torch::jit::CompilationUnit>()));
  });
}

extern "C" void tch_ext_jit_module_free(Module *module) noexcept { delete module; }

extern "C" char *tch_ext_jit_register_tensor(Module *module, Text path, const at::Tensor *tensor,
                                             bool is_parameter) noexcept {
  return guarded([&] {
    auto [owner, name] = tch_ext::place_of(*module, path.str());
    owner.register_parameter(name, *tensor, !is_parameter);
  });
}

extern "C" char *tch_ext_jit_to_kind_of(Module *module, const at::Tensor *example) noexcept {
  return guarded([&] {
    TORCH_CHECK(example->is_floating_point(), "a module is converted to a floating-point kind, not to ",
                example->scalar_type());
    at::NoGradGuard no_grad;
    const auto convert = [&](at::Tensor tensor) {
      if (tensor.is_floating_point()) tensor.set_data(tensor.to(example->scalar_type()));
    };
    for (const at::Tensor &parameter : module->parameters()) convert(parameter);
    for (const at::Tensor &buffer : module->buffers()) convert(buffer);
  });
}

extern "C" char *tch_ext_jit_tensor_names(const Module *module, TextSink sink, void *texts) noexcept {
  return guarded([&] {
    for (const auto &parameter : module->named_parameters()) pass_on(parameter.name, sink, texts);
    for (const auto &buffer : module->named_buffers()) pass_on(buffer.name, sink, texts);
  });
}

extern "C" char *tch_ext_jit_register_module(Module *module, Text name, const Module *child) noexcept {
  return guarded([&] {
    require_free(*module, name.str());
    module->register_module(name.str(), *child);
  });
}

extern "C" char *tch_ext_jit_define(Module *module, Text source) noexcept {
  return guarded([&] { module->define(source.str(), tch_ext::operators()); });
}

extern "C" char *tch_ext_jit_run(const Module *module, Text method, at::Tensor *const *inputs, size_t count,
                                 TensorSink sink, void *outputs) noexcept {
  return guarded([&] {
    at::NoGradGuard no_grad;
    auto callable = method_of(*module, method.str());
    tch_ext::flatten(callable(tch_ext::stack_of(inputs, count)), sink, outputs);
  });
}

extern "C" char *tch_ext_jit_freeze(const Module *module, const Text *preserved, size_t count, bool fold_numerics,
                                    Module **frozen) noexcept {
  return guarded([&] {
    *frozen = new Module(torch::jit::freeze(*module, tch_ext::strings(preserved, count), fold_numerics));
  });
}

extern "C" char *tch_ext_jit_optimize_for_mobile(const Module *module, const Text *preserved, size_t count,
                                                 Module **optimized) noexcept {
  return guarded(
      [&] { *optimized = new Module(torch::jit::optimizeForMobile(*module, {}, tch_ext::strings(preserved, count))); });
}

// The file's bytes. Rust writes them, because libtorch's own writer ends the program when a disk is full.
extern "C" char *tch_ext_jit_serialize(const Module *module, const NamedText *extras, size_t count, bool for_mobile,
                                       TextSink sink, void *bytes) noexcept {
  return guarded([&] {
    std::ostringstream stream;
    if (for_mobile) {
      module->_save_for_mobile(stream, extra_files(extras, count));
    } else {
      module->save(stream, extra_files(extras, count));
    }
    pass_on(stream.str(), sink, bytes);
  });
}

extern "C" char *tch_ext_jit_load(Text path, int cuda, Module **module) noexcept {
  return guarded([&] {
    const at::Device device =
        cuda < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(cuda));
    *module = new Module(torch::jit::load(path.str(), device));
  });
}

// Name and content alternate.
extern "C" char *tch_ext_jit_extra_files(Text path, TextSink sink, void *texts) noexcept {
  return guarded([&] {
    const std::string prefix = "extra/";
    caffe2::serialize::PyTorchStreamReader reader(path.str());
    for (const std::string &record : reader.getAllRecords()) {
      if (record.compare(0, prefix.size(), prefix) != 0) continue;
      const std::string name = record.substr(prefix.size());
      if (reader.getRecordSize(record) > kExtraFileLimit) {
        throw std::runtime_error("the extra file '" + name + "' is larger than 64 MiB");
      }
      const auto [data, size] = reader.getRecord(record);
      pass_on(name, sink, texts);
      sink(texts, static_cast<const char *>(data.get()), size);
    }
  });
}

extern "C" char *tch_ext_jit_methods(const Module *module, TextSink sink, void *texts) noexcept {
  return guarded([&] {
    for (const auto &method : module->get_methods()) pass_on(method.name(), sink, texts);
  });
}

extern "C" char *tch_ext_jit_graph(const Module *module, Text method, TextSink sink, void *texts) noexcept {
  return guarded(
      [&] { pass_on(inlined_graph(*module, method.str())->toString(/*print_source_locations=*/false), sink, texts); });
}

extern "C" char *tch_ext_jit_last_executed_graph(TextSink sink, void *texts) noexcept {
  return guarded([&] {
    if (const auto graph = torch::jit::lastExecutedOptimizedGraph()) {
      pass_on(graph->toString(/*print_source_locations=*/false), sink, texts);
    }
  });
}
