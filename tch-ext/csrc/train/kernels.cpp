// See kernels.h. `TCH_EXT_CPU` names the instruction set, `TCH_EXT_LANES` how many numbers of type `float` its vectors hold.
#include "kernels.h"

namespace tch_ext {
namespace kernels {
namespace TCH_EXT_CPU {
namespace {

#include "kernels_vectors.inc"
#include "kernels_depthwise.inc"
#include "kernels_rows.inc"

template <class Storage>
constexpr Table TABLE = {LANES,
                         moments<Storage>,
                         forward<Storage>,
                         weight_gradient<Storage>,
                         input_gradient<Storage>,
                         spread<Storage>,
                         scale_add<Storage>,
                         scale_gradient<Storage>,
                         normalised_gradient<Storage>};

}  // namespace

extern const Table FLOAT, DOUBLE, BFLOAT16;
const Table FLOAT = TABLE<float>, DOUBLE = TABLE<double>, BFLOAT16 = TABLE<BFloat16>;

}  // namespace TCH_EXT_CPU
}  // namespace kernels
}  // namespace tch_ext
