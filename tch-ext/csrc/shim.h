// Between libtorch and Rust: no exception passes, and every text for Rust is freed by `tch_ext_free_text`.
//
// A function that can fail returns null on success, otherwise the first line of the exception's text.
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

// A copy of the first line of `text` that `tch_ext_free_text` frees; never null.
char *first_line(const char *text) noexcept;

// A copy of the complete text, freed likewise; throws when memory runs out.
char *copy_of(const std::string &text);

TensorVector tensors(at::Tensor *const *list, size_t count);

template <class Body>
char *guarded(Body &&body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return first_line(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return first_line(error.what());
  } catch (...) {
    return first_line("an exception without a text");
  }
}

}  // namespace tch_ext
