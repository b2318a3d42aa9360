// Version and processor of this libtorch.
#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <torch/version.h>

#include <sstream>

extern "C" const char *tch_ext_libtorch_version() noexcept { return TORCH_VERSION; }

extern "C" const char *tch_ext_cpu_capability() noexcept {
  static const std::string capability = at::get_cpu_capability();
  return capability.c_str();
}

// Lines of `name=value`; a feature's value is true or false.
extern "C" char *tch_ext_processor(char **text) noexcept {
  return tch_ext::guarded([&] {
    std::ostringstream lines;
    for (const auto &[name, value] : at::cpu::get_cpu_capabilities()) {
      if (value.isBool()) lines << name << (value.toBool() ? "=true\n" : "=false\n");
      if (value.isInt()) lines << name << '=' << value.toInt() << '\n';
      if (value.isString()) lines << name << '=' << value.toStringRef() << '\n';
    }
    *text = tch_ext::copy_of(lines.str().c_str());
  });
}

extern "C" char *tch_ext_set_intra_op_threads(int count) noexcept {
  return tch_ext::guarded([&] { at::set_num_threads(count); });
}
