// Shared by the layers of training: the kernels for this processor, images in channels-last memory, work in fixed parts.
#pragma once

#include "../dist.h"
#include "kernels.h"

#include <ATen/Parallel.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>

namespace tch_ext {

// What ends a sum of normalised branches, as in `src/train.rs`.
struct Ending {
  double eps, count;   // count: positions of the output, of all processes
  const Group *group;  // null for a process alone
  bool relu;
};

// The kernels read memory: it must be this machine's.
inline void check_on_cpu(const at::Tensor &tensor) {
  TORCH_CHECK(tensor.is_cpu(), "this layer trains on the CPU, not on ", tensor.device());
}

// The kernels for a storage type, for the instruction set that libtorch's own kernels use.
const kernels::Table &kernels_for(at::ScalarType storage);

// The type in which the kernels compute: `float`, or `double` for `double`.
inline at::ScalarType computed(at::ScalarType storage) {
  return storage == at::kDouble ? at::kDouble : at::kFloat;
}

// What layers compute in: autocast's type where that is on, else the tensor's.
at::ScalarType autocast_type(const at::Tensor &tensor);

// Operations keep the types of their inputs.
struct WithoutAutocast {
  c10::impl::ExcludeDispatchKeyGuard guard{c10::autocast_dispatch_keyset};
};

inline at::Tensor channels_last(const at::Tensor &tensor) {
  return tensor.contiguous(at::MemoryFormat::ChannelsLast);
}

inline int64_t pieces(int64_t whole, int64_t piece) { return (whole + piece - 1) / piece; }

// `body(part, begin, end)` for `parts` of `0 .. count`. Sums by parts, added in order, are the same for any number of threads.
template <class Body>
void in_parts(int64_t count, int64_t parts, const Body &body) {
  at::parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part) body(part, count * part / parts, count * (part + 1) / parts);
  });
}

// The sum over the processes that share the batch; alone, the tensor itself.
inline at::Tensor over_all(const Group *group, const at::Tensor &sums) {
  return group == nullptr ? sums : sum_over(*group, sums);
}

}  // namespace tch_ext
