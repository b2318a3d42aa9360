// Joining: a group of processes over Gloo. Only this file sees Gloo's declarations.
//
// A backend is registered for a type of device, and c10d selects it by the tensor's. Another one, such as NCCL for
// `c10::DeviceType::CUDA`, would be registered here.
#include "dist.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

using c10d::ProcessGroupGloo;
using tch_ext::Group;
using tch_ext::Store;
using tch_ext::Text;

// `interface` is empty, or takes the place of `address`.
extern "C" char *tch_ext_dist_join(const Store *store, Text name, size_t rank, size_t world, Text address,
                                   Text interface, int64_t timeout_ms, Group **group) noexcept {
  return tch_ext::guarded([&] {
    const auto rank_number = static_cast<int>(rank);
    const auto size = static_cast<int>(world);
    const Store own = c10::make_intrusive<c10d::PrefixStore>("group/" + name.str(), *store);
    auto options = ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout_ms));
    options->devices.push_back(interface.length == 0 ? ProcessGroupGloo::createDeviceForHostname(address.str())
                                                     : ProcessGroupGloo::createDeviceForInterface(interface.str()));
    auto gloo = c10::make_intrusive<ProcessGroupGloo>(own, rank_number, size, options);
    auto joined = c10::make_intrusive<c10d::ProcessGroup>(own, rank_number, size);
    joined->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
    joined->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    joined->setGroupName(name.str());
    *group = new Group(std::move(joined));
  });
}
