// A switch of TorchScript's compiler.
#include "shim.h"

#include <ATen/Context.h>
#include <torch/csrc/jit/passes/onednn_graph_fuser.h>
#include <torch/csrc/jit/passes/pass_manager.h>

#include <atomic>

namespace {

std::atomic<bool> onednn_fusion{false};

void fuse_when_enabled(std::shared_ptr<torch::jit::Graph> &graph) {
  if (onednn_fusion) torch::jit::fuser::onednn::fuseGraph(graph);
}

// libtorch's list of passes has no lock, so it is changed only once, at program start;
// `RegisterLlgaFuseGraph::setEnabled` would change it at every switch.
[[maybe_unused]] const auto registered = torch::jit::registerPrePass(fuse_when_enabled);

}  // namespace

extern "C" char *tch_ext_jit_set_onednn_fusion(bool enabled, bool *was_enabled) noexcept {
  return tch_ext::guarded([&] {
    TORCH_CHECK(!enabled || at::hasMKLDNN(), "this libtorch was built without oneDNN");
    *was_enabled = onednn_fusion.exchange(enabled);
  });
}
