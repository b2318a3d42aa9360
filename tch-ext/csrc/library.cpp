// An address inside libtorch_cpu.so, to find its file.
#include <ATen/Version.h>

extern "C" const void *tch_ext_libtorch_address() noexcept {
  return reinterpret_cast<const void *>(&at::get_cpu_capability);
}
