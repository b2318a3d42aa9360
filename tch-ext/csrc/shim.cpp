#include "shim.h"

#include <cstdlib>
#include <cstring>

namespace {

// For when there is no memory for the error's text.
char out_of_memory[] = "out of memory";

}  // namespace

namespace tch_ext {

char *copy_of(const char *text) noexcept {
  char *copy = strdup(text);
  return copy == nullptr ? out_of_memory : copy;
}

TensorVector tensors(at::Tensor *const *list, size_t count) {
  TensorVector vector;
  vector.reserve(count);
  for (size_t i = 0; i < count; ++i) vector.push_back(*list[i]);
  return vector;
}

}  // namespace tch_ext

extern "C" void tch_ext_free_text(char *text) noexcept {
  if (text != out_of_memory) std::free(text);
}
