// Collectives. Their order is equal on all processes, and so are the shapes in each.
#include "dist.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/distributed/c10d/comm.hpp>

using tch_ext::Group;
using tch_ext::guarded;

namespace tch_ext {

at::Tensor sum_over(const Group &group, const at::Tensor &tensor) {
  std::vector<at::Tensor> sum{tensor.detach().clone(at::MemoryFormat::Contiguous)};
  group->allreduce(sum)->wait();
  return sum.front();
}

at::Tensor gather_from(const Group &group, const at::Tensor &tensor) {
  at::Tensor own = tensor.detach().contiguous();
  std::vector<int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), group->getSize());
  at::Tensor all = at::empty(shape, own.options());
  if (own.numel() == 0) return all;
  at::Tensor flat = all.view({-1});
  at::Tensor part = own.view({-1});
  group->_allgather_base(flat, part)->wait();
  return all;
}

}  // namespace tch_ext

extern "C" Group *tch_ext_dist_group_share(const Group *group) noexcept { return new Group(*group); }

extern "C" void tch_ext_dist_group_free(Group *group) noexcept { delete group; }

extern "C" char *tch_ext_dist_set_timeout(const Group *group, int64_t timeout_ms) noexcept {
  return guarded([&] { (*group)->setTimeout(std::chrono::milliseconds(timeout_ms)); });
}

extern "C" char *tch_ext_dist_broadcast(const Group *group, at::Tensor *const *tensors, size_t count,
                                        size_t buffer_bytes, size_t root) noexcept {
  return guarded([&] {
    at::NoGradGuard no_grad;
    c10d::broadcast_coalesced(*group, tch_ext::tensors(tensors, count), buffer_bytes, static_cast<int>(root));
  });
}

// `operation`: a number of c10d's `ReduceOp::RedOpType`, as in distributed/group.rs.
extern "C" char *tch_ext_dist_all_reduce(const Group *group, const at::Tensor *tensor, uint8_t operation) noexcept {
  return guarded([&] {
    c10d::AllreduceOptions options;
    options.reduceOp = static_cast<c10d::ReduceOp::RedOpType>(operation);
    std::vector<at::Tensor> list{tensor->detach()};
    (*group)->allreduce(list, options)->wait();
  });
}

extern "C" char *tch_ext_dist_all_gather(const Group *group, const at::Tensor *tensor, at::Tensor **all) noexcept {
  return guarded([&] { *all = new at::Tensor(tch_ext::gather_from(*group, *tensor)); });
}

extern "C" char *tch_ext_dist_barrier(const Group *group, int64_t timeout_ms) noexcept {
  return guarded([&] {
    c10d::BarrierOptions options;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    (*group)->monitoredBarrier(options, /*wait_all_ranks=*/true);
  });
}
