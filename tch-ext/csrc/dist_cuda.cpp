// A second backend for a group's tensors on a CUDA device, from the library that `nccl/nccl.cpp` becomes.
#include "dist.h"

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <dlfcn.h>

#include <cstdlib>

using tch_ext::Group;
using tch_ext::Store;
using tch_ext::Text;

extern "C" char *tch_ext_dist_use_cuda(const Group *group, Text library, int64_t timeout_ms, int device) noexcept {
  return tch_ext::guarded([&] {
    using Backend = c10::intrusive_ptr<c10d::Backend>;
    using Make = char *(*)(const Store *, int, int, int64_t, int, Backend *);
    // Never closed: the group keeps pointers into it.
    void *handle = dlopen(library.str().c_str(), RTLD_NOW | RTLD_GLOBAL);
    TORCH_CHECK(handle != nullptr, "cannot load ", library.str(), ": ", dlerror());
    const auto make = reinterpret_cast<Make>(dlsym(handle, "tch_ext_nccl_backend"));
    TORCH_CHECK(make != nullptr, library.str(), " has no NCCL backend: build it again with tools/nccl");
    const Store own = c10::make_intrusive<c10d::PrefixStore>("nccl", (*group)->getStore());
    Backend backend;
    char *error = make(&own, (*group)->getRank(), (*group)->getSize(), timeout_ms, device, &backend);
    if (error != nullptr) {
      const std::string text(error);
      std::free(error);
      TORCH_CHECK(false, text);
    }
    (*group)->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, backend);
  });
}
