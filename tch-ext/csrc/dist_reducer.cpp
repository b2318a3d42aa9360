// c10d's Reducer, the engine of DistributedDataParallel: means of gradients, reduced while the backward pass goes on.
#include "dist.h"

#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>

using tch_ext::Group;
using tch_ext::guarded;
using tch_ext::Text;

namespace {

// As torch.distributed's `bf16_compress_hook`: half the bytes, and every addition rounds.
class BFloat16Hook : public c10d::CppCommHookInterface<Group> {
 public:
  using CppCommHookInterface::CppCommHookInterface;

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket &bucket) override {
    const at::Tensor buffer = bucket.getBuffer();
    std::vector<at::Tensor> compressed{buffer.to(at::kBFloat16).div_(state_->getSize())};
    auto work = state_->allreduce(compressed);
    return work->getFuture()->then(
        [buffer](c10::ivalue::Future &reduced) {
          const c10::IValue value = reduced.value();
          const at::Tensor sum = value.isTensorList() ? value.toTensorVector().at(0) : value.toTensor();
          return c10::IValue(at::Tensor(buffer).copy_(sum));
        },
        c10::TensorType::get());
  }
};

struct Reducer {
  std::unique_ptr<c10d::Reducer> engine;
  bool find_unused;
};

}  // namespace

extern "C" char *tch_ext_dist_reducer(const Group *group, at::Tensor *const *params, const Text *names, size_t count,
                                      int64_t first_bucket_bytes, int64_t bucket_bytes, bool gradients_are_views,
                                      bool find_unused, bool bfloat16, Reducer **reducer) noexcept {
  return guarded([&] {
    const auto tensors = tch_ext::tensors(params, count);
    const std::vector<bool> sparse(count, false);
    std::unordered_map<size_t, std::string> named;
    for (size_t i = 0; i < count; ++i) named.emplace(i, names[i].str());
    const std::vector<size_t> limits{static_cast<size_t>(first_bucket_bytes), static_cast<size_t>(bucket_bytes)};
    auto [buckets, sizes] = c10d::compute_bucket_assignment_by_size(tensors, limits, sparse);
    // Gradients are ready from the last layer to the first.
    std::reverse(buckets.begin(), buckets.end());
    auto engine = std::make_unique<c10d::Reducer>(
        tensors, buckets, *group, sparse, bucket_bytes, find_unused, gradients_are_views, std::move(named),
        first_bucket_bytes, /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
        std::vector<int64_t>{});
    if (bfloat16) engine->register_comm_hook(std::make_unique<BFloat16Hook>(*group));
    *reducer = new Reducer{std::move(engine), find_unused};
  });
}

extern "C" void tch_ext_dist_reducer_free(Reducer *reducer) noexcept {
  delete reducer;
}

// Every process calls this in the same step: the first call after a backward pass exchanges the order of the buckets.
extern "C" char *tch_ext_dist_reducer_backward(const Reducer *reducer, const at::Tensor *loss) noexcept {
  return guarded([&] {
    c10d::Reducer &engine = *reducer->engine;
    engine.rebuild_buckets();
    engine.prepare_for_forward();
    engine.prepare_for_backward(reducer->find_unused ? std::vector<at::Tensor>{*loss} : std::vector<at::Tensor>{});
    loss->backward();
    engine.check_finalized();
  });
}

extern "C" char *tch_ext_dist_backward(const at::Tensor *loss) noexcept {
  return guarded([&] { loss->backward(); });
}
