#include "shim.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace {

// For when there is no memory for the error's text.
char out_of_memory[] = "out of memory";

}  // namespace

namespace tch_ext {

char *first_line(const char *text) noexcept {
  text += std::strspn(text, "\r\n");
  const size_t length = std::strcspn(text, "\r\n");
  char *line = static_cast<char *>(std::malloc(length + 1));
  if (line == nullptr) return out_of_memory;
  std::memcpy(line, text, length);
  line[length] = '\0';
  return line;
}

char *copy_of(const std::string &text) {
  char *copy = strdup(text.c_str());
  if (copy == nullptr) throw std::bad_alloc();
  return copy;
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
