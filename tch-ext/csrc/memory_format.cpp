// Channels-last: [N, C, H, W] tensors with adjacent channels.
#include "shim.h"

#include <ATen/core/grad_mode.h>

extern "C" char *tch_ext_channels_last(const at::Tensor *tensor, at::Tensor **converted) noexcept {
  return tch_ext::guarded([&] {
    const bool image = tensor->defined() && tensor->dim() == 4;
    *converted = new at::Tensor(image ? tensor->contiguous(at::MemoryFormat::ChannelsLast) : *tensor);
  });
}

extern "C" bool tch_ext_is_channels_last(const at::Tensor *tensor) noexcept {
  return tensor->defined() && tensor->dim() == 4 && tensor->is_contiguous(at::MemoryFormat::ChannelsLast);
}

extern "C" char *tch_ext_convert_channels_last(at::Tensor *const *params, size_t count) noexcept {
  return tch_ext::guarded([&] {
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < count; ++i) {
      const at::Tensor &param = *params[i];
      if (param.dim() != 4 || param.suggest_memory_format() == at::MemoryFormat::ChannelsLast) continue;
      param.set_data(param.detach().clone(at::MemoryFormat::ChannelsLast));
    }
  });
}
