// The store of keys and texts through which processes meet, and by which they tell each other why one fails.
#include "dist.h"

#include <c10/util/Flags.h>
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>

C10_DECLARE_int(caffe2_log_level);

using tch_ext::copy_of;
using tch_ext::guarded;
using tch_ext::Store;
using tch_ext::Text;

namespace {

std::string text_of(const std::vector<uint8_t> &bytes) { return std::string(bytes.begin(), bytes.end()); }

}  // namespace

// c10d logs every failed call with a backtrace, beside the exception that it throws.
extern "C" void tch_ext_dist_quiet_logging() noexcept {
  c10::initLogging();
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

extern "C" char *tch_ext_dist_store_connect(Text host, uint16_t port, bool server, size_t world,
                                            int64_t timeout_ms, Store **store) noexcept {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = server;
    options.numWorkers = world;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    *store = new Store(c10::make_intrusive<c10d::TCPStore>(host.str(), options));
  });
}

extern "C" char *tch_ext_dist_store_host(uint16_t *port, Store **store) noexcept {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = 0;
    options.isServer = true;
    options.waitWorkers = false;
    auto tcp = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    *port = tcp->getPort();
    *store = new Store(std::move(tcp));
  });
}

extern "C" char *tch_ext_dist_store_local(Store **store) noexcept {
  return guarded([&] { *store = new Store(c10::make_intrusive<c10d::HashStore>()); });
}

// The same store, whose keys begin with `prefix`.
extern "C" char *tch_ext_dist_store_under(const Store *store, Text prefix, Store **under) noexcept {
  return guarded([&] { *under = new Store(c10::make_intrusive<c10d::PrefixStore>(prefix.str(), *store)); });
}

extern "C" void tch_ext_dist_store_free(Store *store) noexcept { delete store; }

extern "C" char *tch_ext_dist_store_set(const Store *store, Text key, Text value) noexcept {
  return guarded([&] { (*store)->set(key.str(), value.str()); });
}

// Writes null for a key that nobody has set.
extern "C" char *tch_ext_dist_store_get(const Store *store, Text key, char **value) noexcept {
  return guarded([&] {
    const std::string name = key.str();
    *value = (*store)->check({name}) ? copy_of((*store)->get_to_str(name).c_str()) : nullptr;
  });
}

// Fails unless all keys are set in time.
extern "C" char *tch_ext_dist_store_wait(const Store *store, const Text *keys, size_t count,
                                         int64_t timeout_ms) noexcept {
  return guarded([&] {
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) names.push_back(keys[i].str());
    (*store)->wait(names, std::chrono::milliseconds(timeout_ms));
  });
}

extern "C" char *tch_ext_dist_store_add(const Store *store, Text key, int64_t amount, int64_t *sum) noexcept {
  return guarded([&] { *sum = (*store)->add(key.str(), amount); });
}

// Sets a key that nobody has set; writes its value, which may be another's.
extern "C" char *tch_ext_dist_store_claim(const Store *store, Text key, Text value, char **winner) noexcept {
  return guarded([&] {
    const std::string text = value.str();
    const auto now = (*store)->compareSet(key.str(), std::vector<uint8_t>(), {text.begin(), text.end()});
    *winner = copy_of(text_of(now).c_str());
  });
}
