// Which kernels this processor runs, and what training in mixed precision gives them.
#include "layers.h"

#include <ATen/Version.h>
#include <ATen/autocast_mode.h>

namespace tch_ext {
namespace kernels {

#define DECLARE(cpu) \
  namespace cpu {    \
  extern const Table FLOAT, DOUBLE, BFLOAT16; \
  }
DECLARE(base)
#ifdef TCH_EXT_X86
DECLARE(avx2)
DECLARE(avx512)
#endif
#undef DECLARE

}  // namespace kernels

namespace {

template <const kernels::Table &float_, const kernels::Table &double_, const kernels::Table &bfloat16>
const kernels::Table &of(at::ScalarType storage) {
  TORCH_CHECK(storage == at::kFloat || storage == at::kDouble || storage == at::kBFloat16,
              "training is in float, double or bfloat16, not in ", storage);
  return storage == at::kFloat ? float_ : storage == at::kDouble ? double_ : bfloat16;
}

}  // namespace

const kernels::Table &kernels_for(at::ScalarType storage) {
#ifdef TCH_EXT_X86
  static const std::string capability = at::get_cpu_capability();
  if (capability == "AVX512") {
    return of<kernels::avx512::FLOAT, kernels::avx512::DOUBLE, kernels::avx512::BFLOAT16>(storage);
  }
  if (capability == "AVX2" || capability == "AVX512_256") {
    return of<kernels::avx2::FLOAT, kernels::avx2::DOUBLE, kernels::avx2::BFLOAT16>(storage);
  }
#endif
  return of<kernels::base::FLOAT, kernels::base::DOUBLE, kernels::base::BFLOAT16>(storage);
}

at::ScalarType autocast_type(const at::Tensor &tensor) {
  const auto device = tensor.device().type();
  const bool mixed = tensor.scalar_type() == at::kFloat && at::autocast::is_autocast_enabled(device);
  return mixed ? at::autocast::get_autocast_dtype(device) : tensor.scalar_type();
}

}  // namespace tch_ext
