// See kernels.h. `TCH_EXT_CPU` names the instruction set, `TCH_EXT_LANES` how many numbers of type `float` its vectors hold.
#include "kernels.h"

namespace tch_ext {
namespace kernels {
namespace TCH_EXT_CPU {
namespace {

constexpr int LANES = TCH_EXT_LANES;
// Positions after which sums in `float` are added to those in `double`.
constexpr int64_t FLUSH = 256;

struct BFloat16 {
  uint16_t bits;
};

template <class Number>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float Type __attribute__((vector_size(4 * LANES), may_alias));
  typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
};
template <>
struct VectorOf<double> {
  typedef double Type __attribute__((vector_size(8 * LANES), may_alias));
  typedef double Loose __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
};
typedef uint16_t Halves __attribute__((vector_size(2 * LANES), may_alias));
typedef uint16_t LooseHalves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
typedef uint32_t Words __attribute__((vector_size(4 * LANES), may_alias));

template <class Number>
using Vector = typename VectorOf<Number>::Type;

#define INLINE inline __attribute__((always_inline))

// One storage type: how vectors of it are read and written. `Number` is the type of computation.
template <class Storage>
struct Memory {
  using Number = Storage;
  static INLINE Vector<Number> load(const Storage *from) {
    return *reinterpret_cast<const typename VectorOf<Number>::Loose *>(from);
  }
  static INLINE void store(Storage *to, Vector<Number> value) {
    *reinterpret_cast<typename VectorOf<Number>::Loose *>(to) = value;
  }
  static INLINE Number widen(Storage value) { return value; }
  static INLINE Storage narrow(Number value) { return value; }
};

template <>
struct Memory<BFloat16> {
  using Number = float;
  static INLINE Vector<float> load(const BFloat16 *from) {
    const Halves halves = *reinterpret_cast<const LooseHalves *>(from);
    return reinterpret_cast<Vector<float>>(__builtin_convertvector(halves, Words) << 16);
  }
  // To the nearest, ties to even; what is not a number stays so.
  static INLINE void store(BFloat16 *to, Vector<float> value) {
    const Words words = reinterpret_cast<Words>(value);
    const Words rounded = (words + 0x7fff + ((words >> 16) & 1)) >> 16;
    const Words kept = value == value ? rounded : (words >> 16) | 0x40;
    *reinterpret_cast<LooseHalves *>(to) = __builtin_convertvector(kept, Halves);
  }
  static INLINE float widen(BFloat16 value) {
    const uint32_t word = static_cast<uint32_t>(value.bits) << 16;
    float number;
    __builtin_memcpy(&number, &word, sizeof number);
    return number;
  }
  static INLINE BFloat16 narrow(float value) {
    uint32_t word;
    __builtin_memcpy(&word, &value, sizeof word);
    if (value != value) return {static_cast<uint16_t>((word >> 16) | 0x40)};
    return {static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16)};
  }
};

// A block of channels of which only some exist.
template <class Storage>
INLINE Vector<typename Memory<Storage>::Number> load_some(const Storage *from, int64_t lanes) {
  Storage all[LANES] = {};
  for (int64_t lane = 0; lane < lanes; ++lane) all[lane] = from[lane];
  return Memory<Storage>::load(all);
}

template <class Storage>
INLINE void store_some(Storage *to, Vector<typename Memory<Storage>::Number> value, int64_t lanes) {
  Storage all[LANES];
  Memory<Storage>::store(all, value);
  for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = all[lane];
}

// As libtorch: what is not a number passes, forward and backward.
template <class Value>
INLINE Value relu(Value value) {
  return value < 0 ? Value{} : value;
}

template <class Storage>
struct Block {
  using Number = typename Memory<Storage>::Number;
  using V = Vector<Number>;

  const Depthwise &layer;

  // The same pixel's next channels come next: its distance to the next pixel is too long for the processor to foresee.
  INLINE V load(const Storage *from) const {
    __builtin_prefetch(from + LANES);
    return layer.lanes == LANES ? Memory<Storage>::load(from) : load_some(from, layer.lanes);
  }
  INLINE void store(Storage *to, V value) const {
    layer.lanes == LANES ? Memory<Storage>::store(to, value) : store_some(to, value, layer.lanes);
  }
  // The gradient of an output before its ReLU.
  INLINE V gradient(const Storage *dys, const Storage *ys, int64_t at) const {
    const V gradient = load(dys + at);
    return ys == nullptr ? gradient : load(ys + at) <= 0 ? V{} : gradient;
  }

  // Copies the image into the middle of the scratch memory; returns where its first pixel is.
  V *pad(const void *image, void *scratch) const {
    const Storage *from = static_cast<const Storage *>(image);
    const int64_t margin = 2 * layer.dilation, width = layer.padded_width();
    V *const first = static_cast<V *>(scratch) + margin * width + margin;
    for (int64_t row = 0; row < layer.height; ++row) {
      for (int64_t column = 0; column < layer.width; ++column, from += layer.pixel) first[row * width + column] = load(from);
    }
    return first;
  }
};

template <class V>
INLINE void flush(V *sums, int count, double *into) {
  for (int i = 0; i < count; ++i) {
    for (int lane = 0; lane < LANES; ++lane) into[i * LANES + lane] += sums[i][lane];
    sums[i] = V{};
  }
}

template <class Storage>
void moments(const Depthwise &layer, const void *xs, void *scratch, double *sums) {
  using V = typename Block<Storage>::V;
  const V *const first = Block<Storage>{layer}.pad(xs, scratch);
  const int64_t width = layer.padded_width(), dilation = layer.dilation, below = dilation * width;
  for (int row_run = 0; row_run < layer.rows.count; ++row_run) {
    const Run &rows = layer.rows.runs[row_run];
    for (int column_run = 0; column_run < layer.columns.count; ++column_run) {
      const Run &columns = layer.columns.runs[column_run];
      double *const into = sums + (rows.group * layer.columns.groups + columns.group) * MOMENTS * LANES;
      V found[MOMENTS] = {};
      int64_t pending = 0;
      for (int64_t row = 0; row < rows.count; ++row) {
        const V *at = first + (rows.start + row * rows.step) * width + columns.start;
        for (int64_t column = 0; column < columns.count; ++column, at += columns.step) {
          const V value = *at;
          const V *const next = at + below, *const last = next + below;
          found[0] += value;
          found[1] += value * value;
          found[2] += value * at[dilation];
          found[3] += value * at[2 * dilation];
          found[4] += value * next[-2 * dilation];
          found[5] += value * next[-dilation];
          found[6] += value * next[0];
          found[7] += value * next[dilation];
          found[8] += value * next[2 * dilation];
          found[9] += value * last[-2 * dilation];
          found[10] += value * last[-dilation];
          found[11] += value * last[0];
          found[12] += value * last[dilation];
          found[13] += value * last[2 * dilation];
        }
        pending += columns.count;
        if (pending >= FLUSH) {
          flush(found, MOMENTS, into);
          pending = 0;
        }
      }
      flush(found, MOMENTS, into);
    }
  }
}

template <class Storage>
void forward(const Depthwise &layer, const void *xs, const void *weights, const void *bias, bool with_relu, void *scratch,
             void *ys) {
  using V = typename Block<Storage>::V;
  const Block<Storage> block{layer};
  const V *const first = block.pad(xs, scratch);
  const int64_t width = layer.padded_width(), dilation = layer.dilation, below = dilation * width;
  V w[TAPS];
  for (int tap = 0; tap < TAPS; ++tap) w[tap] = static_cast<const V *>(weights)[tap];
  const V start = *static_cast<const V *>(bias);
  Storage *to = static_cast<Storage *>(ys);
  for (int64_t row = 0; row < layer.out_height; ++row) {
    const V *at = first + row * layer.stride * width;
    for (int64_t column = 0; column < layer.out_width; ++column, at += layer.stride, to += layer.pixel) {
      const V *const above = at - below, *const under = at + below;
      V sum = start + w[0] * above[-dilation];
      sum += w[1] * above[0];
      sum += w[2] * above[dilation];
      sum += w[3] * at[-dilation];
      sum += w[4] * at[0];
      sum += w[5] * at[dilation];
      sum += w[6] * under[-dilation];
      sum += w[7] * under[0];
      sum += w[8] * under[dilation];
      block.store(to, with_relu ? relu(sum) : sum);
    }
  }
}

template <class Storage>
void weight_gradient(const Depthwise &layer, const void *xs, const void *dys, const void *ys, void *scratch,
                     double *sums) {
  using V = typename Block<Storage>::V;
  const Block<Storage> block{layer};
  const V *const first = block.pad(xs, scratch);
  const int64_t width = layer.padded_width(), dilation = layer.dilation, below = dilation * width;
  const Storage *const dy = static_cast<const Storage *>(dys), *const y = static_cast<const Storage *>(ys);
  V found[TAPS + 1] = {};
  int64_t pending = 0, output = 0;
  for (int64_t row = 0; row < layer.out_height; ++row) {
    const V *at = first + row * layer.stride * width;
    for (int64_t column = 0; column < layer.out_width; ++column, at += layer.stride, output += layer.pixel) {
      const V gradient = block.gradient(dy, y, output);
      const V *const above = at - below, *const under = at + below;
      found[0] += gradient * above[-dilation];
      found[1] += gradient * above[0];
      found[2] += gradient * above[dilation];
      found[3] += gradient * at[-dilation];
      found[4] += gradient * at[0];
      found[5] += gradient * at[dilation];
      found[6] += gradient * under[-dilation];
      found[7] += gradient * under[0];
      found[8] += gradient * under[dilation];
      found[9] += gradient;
    }
    pending += layer.out_width;
    if (pending >= FLUSH) {
      flush(found, TAPS + 1, sums);
      pending = 0;
    }
  }
  flush(found, TAPS + 1, sums);
}

// What the positions of one class take part in: distances of pixels, and outputs, with the index of the factor of each.
struct Reach {
  int lags = 0, taps = 0;
  int factors[ALL_LAGS], weights[TAPS];
  int64_t pixels[ALL_LAGS], outputs[TAPS];

  INLINE Reach(const Depthwise &layer, const Run &rows, const Run &columns) {
    for (int dy = -2; dy <= 2; ++dy) {
      for (int dx = -2; dx <= 2; ++dx) {
        // Only the middle tap: no pixel further than one tap takes part.
        if ((rows.taps == 2 && dy * dy == 4) || (columns.taps == 2 && dx * dx == 4)) continue;
        pixels[lags] = layer.dilation * (dy * layer.padded_width() + dx);
        factors[lags++] = (dy + 2) * 5 + dx + 2;
      }
    }
    for (int ty = 0; ty < 3; ++ty) {
      for (int tx = 0; tx < 3; ++tx) {
        if (!(rows.taps >> ty & 1) || !(columns.taps >> tx & 1)) continue;
        const int64_t row = (rows.start - (ty - 1) * layer.dilation) / layer.stride;
        const int64_t column = (columns.start - (tx - 1) * layer.dilation) / layer.stride;
        outputs[taps] = row * layer.out_width + column;
        weights[taps++] = ty * 3 + tx;
      }
    }
  }
};

// Positions whose sums are formed at the same time: enough to keep the processor's units busy.
constexpr int TOGETHER = 8;

// The gradients of inputs of one class.
template <class Storage>
INLINE void gradients_of(const Block<Storage> &block, const Reach &reach, const typename Block<Storage>::V *factors,
                         const typename Block<Storage>::V *weights, typename Block<Storage>::V offset,
                         const typename Block<Storage>::V *const *inputs,
                         const typename Block<Storage>::V *const *outputs, Storage *const *to) {
  typename Block<Storage>::V sums[TOGETHER];
  for (int i = 0; i < TOGETHER; ++i) sums[i] = offset;
  for (int lag = 0; lag < reach.lags; ++lag) {
    const auto factor = factors[reach.factors[lag]];
    for (int i = 0; i < TOGETHER; ++i) sums[i] += factor * inputs[i][reach.pixels[lag]];
  }
  for (int tap = 0; tap < reach.taps; ++tap) {
    const auto weight = weights[reach.weights[tap]];
    for (int i = 0; i < TOGETHER; ++i) sums[i] += weight * outputs[i][reach.outputs[tap]];
  }
  if (block.layer.lanes == LANES) {
    for (int i = 0; i < TOGETHER; ++i) Memory<Storage>::store(to[i], sums[i]);
  } else {
    for (int i = 0; i < TOGETHER; ++i) store_some(to[i], sums[i], block.layer.lanes);
  }
}

template <class Storage>
void input_gradient(const Depthwise &layer, const void *xs, const void *dys, const void *ys, const void *weights,
                    const void *lags, const void *offsets, void *scratch, void *gradients, void *dxs) {
  using V = typename Block<Storage>::V;
  const Block<Storage> block{layer};
  const V *const first = block.pad(xs, scratch);
  V *const gradient = static_cast<V *>(gradients);
  const int64_t outputs = layer.out_height * layer.out_width;
  for (int64_t i = 0; i < outputs; ++i) {
    gradient[i] = block.gradient(static_cast<const Storage *>(dys), static_cast<const Storage *>(ys), i * layer.pixel);
  }
  const int64_t width = layer.padded_width(), stride = layer.stride;
  for (int row_run = 0; row_run < layer.rows.count; ++row_run) {
    const Run &rows = layer.rows.runs[row_run];
    for (int column_run = 0; column_run < layer.columns.count; ++column_run) {
      const Run &columns = layer.columns.runs[column_run];
      const int group = rows.group * layer.columns.groups + columns.group;
      const V *const factors = static_cast<const V *>(lags) + group * ALL_LAGS;
      const V offset = static_cast<const V *>(offsets)[group];
      const Reach reach(layer, rows, columns);
      const int64_t positions = rows.count * columns.count;
      int64_t row = 0, column = 0;
      for (int64_t start = 0; start < positions; start += TOGETHER) {
        const V *inputs[TOGETHER], *reached[TOGETHER];
        Storage *to[TOGETHER];
        for (int i = 0; i < TOGETHER; ++i) {
          const int64_t y = rows.start + row * rows.step, x = columns.start + column * columns.step;
          inputs[i] = first + y * width + x;
          reached[i] = gradient + row * (rows.step / stride) * layer.out_width + column * (columns.step / stride);
          to[i] = static_cast<Storage *>(dxs) + (y * layer.width + x) * layer.pixel;
          // Those beyond the last are the last once more.
          if (start + i + 1 < positions && ++column == columns.count) column = 0, ++row;
        }
        gradients_of(block, reach, factors, static_cast<const V *>(weights), offset, inputs, reached, to);
      }
    }
  }
}

// Adds rows of two terms for each channel, by way of sums of the type of computation in `scratch`, `[2, channels]`.
template <class Number, class Terms>
INLINE void add_rows(int64_t rows, int64_t channels, void *scratch, double *sums, const Terms &terms) {
  Number *const first = static_cast<Number *>(scratch), *const second = first + channels;
  for (int64_t start = 0; start < rows; start += FLUSH) {
    for (int64_t i = 0; i < 2 * channels; ++i) first[i] = 0;
    const int64_t end = start + FLUSH < rows ? start + FLUSH : rows;
    for (int64_t row = start; row < end; ++row) terms(row * channels, first, second);
    for (int64_t i = 0; i < 2 * channels; ++i) sums[i] += first[i];
  }
}

template <class Storage>
void spread(const void *xs, const void *pivots, int64_t rows, int64_t channels, void *scratch, double *sums) {
  using M = Memory<Storage>;
  using Number = typename M::Number;
  const Storage *const x = static_cast<const Storage *>(xs);
  const Number *const pivot = static_cast<const Number *>(pivots);
  add_rows<Number>(rows, channels, scratch, sums, [&](int64_t row, Number *__restrict first, Number *__restrict second) {
    for (int64_t c = 0; c < channels; ++c) {
      const Number difference = M::widen(x[row + c]) - pivot[c];
      first[c] += difference;
      second[c] += difference * difference;
    }
  });
}

template <class Storage>
void scale_add(const void *xs, const void *scales, const void *shifts, int64_t rows, int64_t channels, bool with_relu,
               void *ys) {
  using M = Memory<Storage>;
  using Number = typename M::Number;
  const Storage *__restrict x = static_cast<const Storage *>(xs);
  const Number *const scale = static_cast<const Number *>(scales), *const shift = static_cast<const Number *>(shifts);
  Storage *__restrict y = static_cast<Storage *>(ys);
  for (int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const Number sum = M::widen(x[c]) * scale[c] + (shift == nullptr ? M::widen(y[c]) : shift[c]);
      y[c] = M::narrow(with_relu ? relu(sum) : sum);
    }
  }
}

template <class Storage>
INLINE typename Memory<Storage>::Number masked(const Storage *dys, const Storage *ys, int64_t at) {
  using M = Memory<Storage>;
  return ys != nullptr && M::widen(ys[at]) <= 0 ? 0 : M::widen(dys[at]);
}

template <class Storage>
void scale_gradient(const void *xs, const void *means, const void *dys, const void *ys, int64_t rows, int64_t channels,
                    void *scratch, double *sums) {
  using M = Memory<Storage>;
  using Number = typename M::Number;
  const Storage *const x = static_cast<const Storage *>(xs), *const dy = static_cast<const Storage *>(dys),
                *const y = static_cast<const Storage *>(ys);
  const Number *const mean = static_cast<const Number *>(means);
  add_rows<Number>(rows, channels, scratch, sums, [&](int64_t row, Number *__restrict first, Number *__restrict second) {
    for (int64_t c = 0; c < channels; ++c) {
      const Number gradient = masked(dy, y, row + c);
      first[c] += gradient;
      second[c] += gradient * (M::widen(x[row + c]) - mean[c]);
    }
  });
}

template <class Storage>
void normalised_gradient(const void *xs, const void *dys, const void *ys, const void *scales, const void *slopes,
                         const void *offsets, int64_t rows, int64_t channels, void *dxs) {
  using M = Memory<Storage>;
  using Number = typename M::Number;
  const Storage *const x = static_cast<const Storage *>(xs), *const dy = static_cast<const Storage *>(dys),
                *const y = static_cast<const Storage *>(ys);
  const Number *const scale = static_cast<const Number *>(scales), *const slope = static_cast<const Number *>(slopes),
               *const offset = static_cast<const Number *>(offsets);
  Storage *const __restrict dx = static_cast<Storage *>(dxs);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = row * channels + c;
      dx[at] = M::narrow(scale[c] * masked(dy, y, at) + slope[c] * M::widen(x[at]) + offset[c]);
    }
  }
}

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
