// The state of a device's default random generator, as a byte tensor on the CPU. `cuda` is an index, -1 the CPU.
#include "shim.h"

#include <ATen/Context.h>

#include <mutex>

namespace {

at::Generator default_generator(int cuda) {
  const at::Device device =
      cuda < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(cuda));
  return at::globalContext().defaultGenerator(device);
}

}  // namespace

extern "C" char *tch_ext_rng_state(int cuda, at::Tensor **state) noexcept {
  return tch_ext::guarded([&] {
    at::Generator generator = default_generator(cuda);
    std::lock_guard<std::mutex> lock(generator.mutex());
    *state = new at::Tensor(generator.get_state());
  });
}

extern "C" char *tch_ext_rng_set_state(int cuda, const at::Tensor *state) noexcept {
  return tch_ext::guarded([&] {
    at::Generator generator = default_generator(cuda);
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(*state);
  });
}
