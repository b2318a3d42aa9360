// The sum of several tensors, each normalised over the batch, and ReLU, in training: one pass over each for its statistics, one for
// the sum, two backward.
#include "layers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using namespace tch_ext;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows of a part, the sums of whose parts are added in order; and the most parts.
constexpr int64_t ROWS = 1024;
constexpr int64_t MOST_PARTS = 64;

// A batch as rows of channels.
struct Rows {
  int64_t rows, channels;
  const kernels::Table &kernels;
  at::ScalarType storage;

  explicit Rows(const at::Tensor &x)
      : rows(x.numel() / x.size(1)), channels(x.size(1)), kernels(kernels_for(x.scalar_type())),
        storage(x.scalar_type()) {}

  const void *row(const at::Tensor &x, int64_t index) const {
    return x.defined() ? static_cast<const char *>(x.const_data_ptr()) + index * channels * x.element_size() : nullptr;
  }
  void *row_of(const at::Tensor &x, int64_t index) const { return const_cast<void *>(row(x, index)); }
  int64_t parts() const { return std::min(pieces(rows, ROWS), MOST_PARTS); }

  // Two sums over the rows for each channel, by `body(first, rows, scratch, sums)`: `[2, channels]` in double.
  template <class Body>
  at::Tensor sum(const Body &body) const {
    const at::Tensor sums = at::zeros({parts(), 2, channels}, at::kDouble);
    in_parts(rows, parts(), [&](int64_t part, int64_t begin, int64_t end) {
      const at::Tensor scratch = at::empty({2, channels}, at::TensorOptions().dtype(computed(storage)));
      body(begin, end - begin, scratch.data_ptr(), sums.data_ptr<double>() + part * 2 * channels);
    });
    return sums.sum(0);
  }
};

struct NormalisedSum : torch::autograd::Function<NormalisedSum> {
  // The tensors, then their gains, then their shifts.
  static variable_list forward(AutogradContext *context, const at::TensorList &inputs, double eps, bool relu) {
    const size_t n = inputs.size() / 3;
    const Rows rows(inputs[0]);
    const auto kind = computed(rows.storage);
    const at::Tensor y = at::empty_like(inputs[0], inputs[0].options(), at::MemoryFormat::ChannelsLast);
    variable_list saved{relu ? y : at::Tensor()}, means, variances;
    std::vector<at::Tensor> scales;
    at::Tensor shift;
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor &x = inputs[i];
      // One value of each channel: differences to it lose less than the values.
      const at::Tensor pivot = x.select(0, 0).select(1, 0).select(1, 0).to(kind).contiguous();
      const at::Tensor sums = rows.sum([&](int64_t first, int64_t count, void *scratch, double *into) {
        rows.kernels.spread(rows.row(x, first), pivot.const_data_ptr(), count, rows.channels, scratch, into);
      }) / static_cast<double>(rows.rows);
      const at::Tensor mean = sums[0] + pivot, variance = (sums[1] - sums[0].square()).clamp_min(0);
      const at::Tensor scale = inputs[n + i].to(at::kDouble) / (variance + eps).sqrt();
      const at::Tensor own = inputs[2 * n + i].to(at::kDouble) - scale * mean;
      shift = shift.defined() ? shift + own : own;
      scales.push_back(scale.to(kind));
      means.push_back(mean), variances.push_back(variance);
      saved.insert(saved.end(), {x, inputs[n + i]});
    }
    const at::Tensor shifts = shift.to(kind);
    in_parts(rows.rows, pieces(rows.rows, ROWS), [&](int64_t, int64_t begin, int64_t end) {
      for (size_t i = 0; i < n; ++i) {
        rows.kernels.scale_add(rows.row(inputs[i], begin), scales[i].const_data_ptr(),
                               i == 0 ? shifts.const_data_ptr() : nullptr, end - begin, rows.channels,
                               relu && i + 1 == n, rows.row_of(y, begin));
      }
    });
    const at::Tensor all_means = at::stack(means), all_variances = at::stack(variances);
    saved.insert(saved.end(), {all_means, all_variances});
    context->save_for_backward(std::move(saved));
    context->saved_data["eps"] = eps;
    context->mark_non_differentiable({all_means, all_variances});
    return {y, all_means, all_variances};
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const double eps = context->saved_data["eps"].toDouble();
    const size_t n = (saved.size() - 3) / 2;
    const at::Tensor &y = saved[0], &means = saved[2 * n + 1], &variances = saved[2 * n + 2];
    const Rows rows(saved[1]);
    const auto kind = computed(rows.storage);
    const at::Tensor dy = channels_last(grads[0].to(rows.storage));
    variable_list results(3 * n + 2);
    for (size_t i = 0; i < n; ++i) {
      const at::Tensor &x = saved[1 + 2 * i], &gain = saved[2 + 2 * i];
      const at::Tensor mean = means[i], deviation = (variances[i] + eps).sqrt();
      const at::Tensor centre = mean.to(kind);
      const at::Tensor sums = rows.sum([&](int64_t first, int64_t count, void *scratch, double *into) {
        rows.kernels.scale_gradient(rows.row(x, first), centre.const_data_ptr(), rows.row(dy, first),
                                    rows.row(y, first), count, rows.channels, scratch, into);
      });
      results[n + i] = (sums[1] / deviation).to(gain.scalar_type());
      results[2 * n + i] = sums[0].to(gain.scalar_type());
      if (!context->needs_input_grad(i)) continue;
      const at::Tensor scale = gain.to(at::kDouble) / deviation, averages = sums / static_cast<double>(rows.rows);
      const at::Tensor slope = -scale * averages[1] / deviation.square(), offset = -scale * averages[0] - slope * mean;
      const at::Tensor scales = scale.to(kind), slopes = slope.to(kind), offsets = offset.to(kind);
      const at::Tensor dx = at::empty_like(x, x.options(), at::MemoryFormat::ChannelsLast);
      in_parts(rows.rows, pieces(rows.rows, ROWS), [&](int64_t, int64_t begin, int64_t end) {
        rows.kernels.normalised_gradient(rows.row(x, begin), rows.row(dy, begin), rows.row(y, begin),
                                         scales.const_data_ptr(), slopes.const_data_ptr(), offsets.const_data_ptr(),
                                         end - begin, rows.channels, rows.row_of(dx, begin));
      });
      results[i] = dx;
    }
    return results;
  }
};

}  // namespace

// `n` tensors of one shape and kind.
extern "C" char *tch_ext_train_norms(at::Tensor *const *xs, at::Tensor *const *gains, at::Tensor *const *shifts,
                                     size_t n, double eps, bool relu, at::Tensor **results) noexcept {
  return guarded([&] {
    const WithoutAutocast guard;
    TensorVector inputs;
    for (const auto &list : {tensors(xs, n), tensors(gains, n), tensors(shifts, n)}) {
      for (const at::Tensor &tensor : list) check_on_cpu(tensor);
    }
    for (const at::Tensor &x : tensors(xs, n)) inputs.push_back(channels_last(x.to(xs[0]->scalar_type())));
    for (const auto &part : {tensors(gains, n), tensors(shifts, n)}) inputs.insert(inputs.end(), part.begin(), part.end());
    const variable_list found = NormalisedSum::apply(at::TensorList(inputs), eps, relu);
    for (size_t i = 0; i < found.size(); ++i) results[i] = new at::Tensor(found[i]);
  });
}
