// A call of a C++ library behind a C interface: such libraries let exceptions out, which Rust cannot catch.
#include "shim.h"

#include <stdexcept>

extern "C" char *tch_ext_guard(void (*call)(void *), void *data) noexcept {
  return tch_ext::guarded([&] { call(data); });
}

// For the test of the above.
extern "C" void tch_ext_throw() { throw std::length_error("a length"); }
