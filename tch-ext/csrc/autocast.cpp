// Automatic mixed precision: the state is the calling thread's.
#include "shim.h"

#include <ATen/autocast_mode.h>

namespace {

c10::DeviceType device_type(bool cuda) { return cuda ? c10::kCUDA : c10::kCPU; }

}  // namespace

extern "C" char *tch_ext_autocast_enter(bool cuda, bool half, bool *was_enabled, int *was_kind) noexcept {
  return tch_ext::guarded([&] {
    const auto device = device_type(cuda);
    *was_enabled = at::autocast::is_autocast_enabled(device);
    *was_kind = static_cast<int>(at::autocast::get_autocast_dtype(device));
    at::autocast::set_autocast_dtype(device, half ? at::kHalf : at::kBFloat16);
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::increment_nesting();
  });
}

extern "C" void tch_ext_autocast_leave(bool cuda, bool was_enabled, int was_kind) noexcept {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  const auto device = device_type(cuda);
  at::autocast::set_autocast_enabled(device, was_enabled);
  at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(was_kind));
}
