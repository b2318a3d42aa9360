// Between libtorch and Rust: no exception passes, and every text for Rust is freed by `tch_ext_free_text`.
//
// A function that can fail returns null on success, otherwise the exception's text, of which Rust selects a line.
// A tensor is a `torch::Tensor *` as in torch-sys; a list is an array of them with its length. Rust checks that
// no tensor in a list is undefined, except where a function says otherwise.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace tch_ext {

using TensorVector = std::vector<at::Tensor>;

// A text from Rust, without a terminating zero.
struct Text {
  const char *start;
  size_t length;

  std::string str() const { return std::string(start, length); }
};

// A copy of `text` that `tch_ext_free_text` frees; never null.
char *copy_of(const char *text) noexcept;

TensorVector tensors(at::Tensor *const *list, size_t count);

template <class Body>
char *guarded(Body &&body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return copy_of(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return copy_of(error.what());
  } catch (...) {
    return copy_of("an exception without a text");
  }
}

}  // namespace tch_ext
