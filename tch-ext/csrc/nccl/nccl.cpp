// NCCL for tensors on CUDA devices: a library of its own, since its headers need CUDA's. `tools/nccl` builds it, and the program
// loads it where it lies beside libtorch.
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>
#include <cstring>

using Store = c10::intrusive_ptr<c10d::Store>;
using Backend = c10::intrusive_ptr<c10d::Backend>;

// Null, or the text of an error, which the caller frees.
extern "C" char *tch_ext_nccl_backend(const Store *store, int rank, int size, int64_t timeout_ms, int device,
                                      Backend *backend) noexcept {
  try {
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = std::chrono::milliseconds(timeout_ms);
    auto nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(*store, rank, size, std::move(options));
    nccl->setBoundDeviceId(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device)));
    *backend = std::move(nccl);
    return nullptr;
  } catch (const c10::Error &error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return strdup(error.what());
  }
}
