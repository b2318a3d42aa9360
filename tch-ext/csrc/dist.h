// Shared by the files of distributed training: c10d's group of processes and the store through which they meet.
//
// Rust owns a `Group` or a `Store` on the heap; each is a counted pointer to c10d's object.
#pragma once

#include "shim.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace tch_ext {

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;
using Store = c10::intrusive_ptr<c10d::Store>;

// The sum over all processes, as a new contiguous tensor without a history.
at::Tensor sum_over(const Group &group, const at::Tensor &tensor);

// `[world, ...]`: the tensors of all processes, which have one shape and kind.
at::Tensor gather_from(const Group &group, const at::Tensor &tensor);

}  // namespace tch_ext
