// Version, build and processor of this libtorch.
#include "shim.h"

#include <ATen/Context.h>
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

extern "C" char *tch_ext_build_configuration(char **text) noexcept {
  return tch_ext::guarded([&] { *text = tch_ext::copy_of(at::show_config()); });
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
    *text = tch_ext::copy_of(lines.str());
  });
}

extern "C" bool tch_ext_has_onednn() noexcept { return at::hasMKLDNN(); }
extern "C" bool tch_ext_has_mkl() noexcept { return at::hasMKL(); }
extern "C" bool tch_ext_has_openmp() noexcept { return at::hasOpenMP(); }
extern "C" bool tch_ext_has_lapack() noexcept { return at::hasLAPACK(); }
extern "C" bool tch_ext_has_xnnpack() noexcept { return at::globalContext().isXNNPACKAvailable(); }

extern "C" char *tch_ext_set_intra_op_threads(int count) noexcept {
  return tch_ext::guarded([&] { at::set_num_threads(count); });
}

extern "C" char *tch_ext_set_inter_op_threads(int count) noexcept {
  return tch_ext::guarded([&] { at::set_num_interop_threads(count); });
}
