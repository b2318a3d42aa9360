// Shared by the TorchScript files: texts from Rust, lists to Rust.
#pragma once

#include "shim.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/resolver.h>

namespace tch_ext {

using torch::jit::IValue;
using torch::jit::Stack;

struct NamedText {
  Text name;
  Text text;
};

// Appends to a list in Rust: Rust owns the tensor then; the text is copied.
using TensorSink = void (*)(void *list, at::Tensor *tensor);
using TextSink = void (*)(void *list, const char *start, size_t length);

// The arguments of a method.
Stack stack_of(at::Tensor *const *inputs, size_t count);

// Passes every tensor of a tensor, a tuple or a list to Rust, at any nesting, in order.
void flatten(const IValue &value, TensorSink sink, void *list);

std::vector<std::string> strings(const Text *texts, size_t count);

// The owner and the name of a new attribute: the parts of `path` before its last dot are submodules, created where they
// are missing.
std::pair<torch::jit::Module, std::string> place_of(const torch::jit::Module &module, const std::string &path);

// What source text can name besides its own values: `torch` and `ops.quantized`.
torch::jit::ResolverPtr operators();

// A copy of a method's graph, with the methods that it calls inlined.
std::shared_ptr<torch::jit::Graph> inlined_graph(const torch::jit::Module &module, const std::string &method);

}  // namespace tch_ext
