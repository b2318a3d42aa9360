// What the TorchScript files share: texts from Rust, lists to Rust, and errors with their whole text.
//
// TorchScript's errors hold the reason somewhere among several lines, so here a failing function returns the whole
// text, and Rust picks the line.
#pragma once

#include "shim.h"

#include <torch/csrc/jit/api/module.h>

namespace tch_ext {

using torch::jit::IValue;
using torch::jit::Stack;

// A text of Rust's, without a zero at its end.
struct Text {
  const char *start;
  size_t length;

  std::string str() const { return std::string(start, length); }
};

struct NamedText {
  Text name;
  Text text;
};

// Appends to a list of Rust's: the tensor becomes Rust's, the text is copied.
using TensorSink = void (*)(void *list, at::Tensor *tensor);
using TextSink = void (*)(void *list, const char *start, size_t length);

template <class Body>
char *guarded_whole(Body &&body) noexcept {
  try {
    try {
      body();
      return nullptr;
    } catch (const c10::Error &error) {
      return copy_of(error.what_without_backtrace());
    } catch (const std::exception &error) {
      return copy_of(error.what());
    }
  } catch (...) {
    return first_line("an exception without a text");
  }
}

// The arguments of a method.
Stack stack_of(at::Tensor *const *inputs, size_t count);

// Hands over every tensor of a tensor, a tuple or a list, however nested, in order.
void flatten(const IValue &value, TensorSink sink, void *list);

std::vector<std::string> strings(const Text *texts, size_t count);

// A copy of a method's graph, with the methods that it calls put in their place.
std::shared_ptr<torch::jit::Graph> inlined_graph(const torch::jit::Module &module, const std::string &method);

}  // namespace tch_ext
