// A tensor with a frame around it; row-major. Attributes: pads (before every dimension, then behind every one), mode
// ("constant", "reflect", "edge").
//   pad           (x) -> y     any element type; attr value: of the frame, in mode constant
//   pad_backward  (dy) -> dx   f32; not for mode constant, whose gradient is a slice
// The gradient of an element of x is the sum over its places in y, in their order: it does not depend on the number of
// threads.
#include <array>
#include <cstring>

#include "runtime/core/checked.h"
#include "runtime/kernels/indices.h"

namespace athanor {
namespace {

// One dimension: where each element of y comes from, and where each element of x goes.
struct Dimension {
  int64_t x = 1, y = 1, before = 0;
  std::vector<int64_t> source;         // of y's elements; -1: the frame's value
  std::vector<int64_t> first, places;  // places[first[i] .. first[i + 1]): of x's element i in y, ascending
};

struct Call {
  std::vector<Dimension> dims;  // what lies behind the last one that is padded is in `inner`
  int64_t inner = 1;            // elements
  int64_t rows = 1;             // of y: the product of all but the last of dims
  int64_t x_rows = 1;
  bool empty_x = false;
};

bool IsBackward(const CallSpec& spec) { return spec.kernel == "pad_backward"; }

int64_t Source(const std::string& mode, int64_t i, int64_t size) {
  if (i >= 0 && i < size) return i;
  if (mode == "constant") return -1;
  if (mode == "edge") return i < 0 ? 0 : size - 1;
  return i < 0 ? -i : 2 * (size - 1) - i;
}

Dimension MakeDimension(const std::string& mode, int64_t x, int64_t y, int64_t before) {
  Dimension d{x, y, before, {}, {}, {}};
  std::vector<int64_t> counts(x + 1, 0);
  for (int64_t i = 0; i < y; ++i) {
    d.source.push_back(Source(mode, i - before, x));
    if (d.source.back() >= 0) ++counts[d.source.back() + 1];
  }
  for (int64_t i = 0; i < x; ++i) counts[i + 1] += counts[i];
  d.first = counts;
  d.places.resize(counts[x]);
  for (int64_t i = 0; i < y; ++i) {
    if (d.source[i] >= 0) d.places[counts[d.source[i]]++] = i;
  }
  return d;
}

// PLAN error unless `pads` and the mode take x to y.
absl::Status CheckPads(const CallSpec& spec, const Shape& x, const Shape& y, const Ints& pads,
                       const std::string& mode) {
  const size_t rank = x.size();
  if (y.size() != rank || pads.size() != 2 * rank) {
    return CallError(spec, "of %s to %s has %d pads", ShapeToString(x), ShapeToString(y), pads.size());
  }
  if (mode != "reflect" && mode != "edge" && (mode != "constant" || IsBackward(spec))) {
    return CallError(spec, "cannot have mode \"%s\"", mode);
  }
  for (size_t d = 0; d < rank; ++d) {
    const int64_t before = pads[d], behind = pads[rank + d];
    int64_t most = INT64_MAX;
    if (mode == "reflect") most = std::max<int64_t>(x[d] - 1, 0);
    if (mode == "edge" && x[d] == 0) most = 0;
    auto sum = before < 0 || behind < 0 ? std::nullopt : CheckedAdd(before, behind);
    if (sum) sum = CheckedAdd(*sum, x[d]);
    if (!sum || *sum != y[d] || before > most || behind > most) {
      return CallError(spec, "dimension %d: %d elements with %d before and %d behind are not %d in mode %s", d, x[d],
                       before, behind, y[d], mode);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(CheckOneDtype(spec));
  const MemoryDesc &x = IsBackward(spec) ? spec.outputs[0] : spec.inputs[0],
                   &y = IsBackward(spec) ? spec.inputs[0] : spec.outputs[0];
  if (IsBackward(spec)) ATH_RETURN_IF_ERROR(CheckDesc(spec, "dy", y, y.dims, DType::kF32));
  ATH_RETURN_IF_ERROR(NumBytes(x.dtype, x.dims).status());
  ATH_RETURN_IF_ERROR(NumBytes(y.dtype, y.dims).status());
  Ints pads;
  std::string mode;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "pads", &pads));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "mode", &mode));
  ATH_RETURN_IF_ERROR(CheckPads(spec, x.dims, y.dims, pads, mode));
  Call call;
  call.empty_x = *NumElements(x.dims) == 0;
  if (*NumElements(y.dims) == 0 || (call.empty_x && IsBackward(spec))) {
    call.rows = call.x_rows = 0;
    return call;
  }
  size_t padded = x.dims.size();  // one behind the last dimension that is
  while (padded > 0 && x.dims[padded - 1] == y.dims[padded - 1]) call.inner *= x.dims[--padded];
  for (size_t d = 0; d < padded && !call.empty_x; ++d) {
    call.dims.push_back(MakeDimension(mode, x.dims[d], y.dims[d], pads[d]));
    if (d + 1 < padded) call.rows *= y.dims[d], call.x_rows *= x.dims[d];
  }
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Read(spec).status());
  double value = 0;
  if (!IsBackward(spec)) ATH_RETURN_IF_ERROR(ReadAttr(spec, "value", &value));
  return PlainInfo(spec, "ours:rows");
}

// The element that the frame of mode constant is made of. Values out of an integer's range become its ends.
uint64_t ValueBits(DType dtype, double value) {
  uint64_t bits = 0;
  auto put = [&bits](auto v) { std::memcpy(&bits, &v, sizeof(v)); };
  auto whole = [value](double low, double high) {
    return value != value ? int64_t{0} : static_cast<int64_t>(std::min(std::max(value, low), high));
  };
  switch (dtype) {
    case DType::kF32: put(static_cast<float>(value)); break;
    case DType::kF64: put(value); break;
    case DType::kS32: put(static_cast<int32_t>(whole(INT32_MIN, INT32_MAX))); break;
    case DType::kS64: put(whole(-0x1p63, 0x1.fffffffffffffp62)); break;
    case DType::kU8: put(static_cast<uint8_t>(whole(0, 255))); break;
    case DType::kS8: put(static_cast<int8_t>(whole(-128, 127))); break;
    case DType::kBool: put(static_cast<uint8_t>(value != 0)); break;
    default: {  // bf16: the upper half of a float, to the nearest, ties to even
      uint32_t wide;
      const float v = static_cast<float>(value);
      std::memcpy(&wide, &v, sizeof(v));
      put(static_cast<uint16_t>(v != v ? wide >> 16 | 0x40 : (wide + 0x7fff + (wide >> 16 & 1)) >> 16));
    }
  }
  return bits;
}

class PadKernel final : public Kernel {
 public:
  PadKernel(Call call, size_t element, uint64_t value, int64_t y_elements, int threads)
      : call_(std::move(call)), element_(element), value_(value), y_elements_(y_elements), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = inputs[0];
    y_ = outputs[0];
    return absl::OkStatus();
  }

  absl::Status Run() override {
    switch (element_) {
      case 1: RunTyped<uint8_t>(); break;
      case 2: RunTyped<uint16_t>(); break;
      case 4: RunTyped<uint32_t>(); break;
      default: RunTyped<uint64_t>();
    }
    return absl::OkStatus();
  }

 private:
  template <typename T>
  void RunTyped() const {
    const T* x = static_cast<const T*>(x_);
    T* y = static_cast<T*>(y_);
    const T value = static_cast<T>(value_);
    if (call_.rows == 0) return;
    if (call_.dims.empty()) {  // nothing is padded, or there is nothing but padding
      call_.empty_x ? (void)std::fill_n(y, y_elements_, value) : (void)std::copy_n(x, y_elements_, y);
      return;
    }
    const Dimension& last = call_.dims.back();
    const int64_t x_row = last.x * call_.inner, y_row = last.y * call_.inner;
    ParallelRanges(call_.rows, 1, 2 * y_row * static_cast<int64_t>(sizeof(T)), threads_,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r) {
                       const int64_t from = SourceRow(r);
                       from < 0 ? (void)std::fill_n(y + r * y_row, y_row, value)
                                : CopyRow(x + from * x_row, value, y + r * y_row);
                     }
                   });
  }

  // The row of x that row r of y is made of; -1: none.
  int64_t SourceRow(int64_t r) const {
    int64_t row = 0, stride = 1;
    for (size_t d = call_.dims.size() - 1; d-- > 0;) {
      const Dimension& dim = call_.dims[d];
      const int64_t source = dim.source[r % dim.y];
      if (source < 0) return -1;
      row += source * stride;
      stride *= dim.x;
      r /= dim.y;
    }
    return row;
  }

  template <typename T>
  void CopyRow(const T* x, T value, T* y) const {
    const Dimension& d = call_.dims.back();
    const int64_t inner = call_.inner;
    auto frame = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t source = d.source[i];
        source < 0 ? (void)std::fill_n(y + i * inner, inner, value)
                   : (void)std::copy_n(x + source * inner, inner, y + i * inner);
      }
    };
    frame(0, d.before);
    std::memcpy(y + d.before * inner, x, static_cast<size_t>(d.x * inner) * sizeof(T));
    frame(d.before + d.x, d.y);
  }

  const Call call_;
  const size_t element_;
  const uint64_t value_;
  const int64_t y_elements_;
  const int threads_;
  const void* x_ = nullptr;
  void* y_ = nullptr;
};

class PadBackwardKernel final : public Kernel {
 public:
  PadBackwardKernel(Call call, int64_t elements, int threads)
      : call_(std::move(call)), elements_(elements), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dy_ = static_cast<const float*>(inputs[0]);
    dx_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (call_.rows == 0) return absl::OkStatus();
    if (call_.dims.empty()) {
      std::copy_n(dy_, elements_, dx_);
      return absl::OkStatus();
    }
    const Dimension& last = call_.dims.back();
    const int64_t x_row = last.x * call_.inner, y_row = last.y * call_.inner;
    ParallelRanges(call_.x_rows, 1, 8 * y_row, threads_, [=, this](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        std::fill_n(dx_ + r * x_row, x_row, 0.0f);
        ForEachRowOf(r, [=, this](int64_t row) { AddRow(dy_ + row * y_row, dx_ + r * x_row); });
      }
    });
    return absl::OkStatus();
  }

 private:
  // Calls f(row of y) for every row that is made of row r of x.
  template <typename F>
  void ForEachRowOf(int64_t r, const F& f) const {
    const int rank = static_cast<int>(call_.dims.size()) - 1;
    std::array<int64_t, kMaxRank> begin, end, at;
    for (int d = rank - 1; d >= 0; --d) {
      const Dimension& dim = call_.dims[d];
      begin[d] = at[d] = dim.first[r % dim.x];
      end[d] = dim.first[r % dim.x + 1];
      r /= dim.x;
    }
    for (;;) {
      int64_t row = 0;
      for (int d = 0; d < rank; ++d) row = row * call_.dims[d].y + call_.dims[d].places[at[d]];
      f(row);
      int d = rank - 1;
      for (; d >= 0 && ++at[d] == end[d]; --d) at[d] = begin[d];
      if (d < 0) return;
    }
  }

  void AddRow(const float* __restrict dy, float* __restrict dx) const {
    const Dimension& d = call_.dims.back();
    const int64_t inner = call_.inner, n = d.x * inner;
    const float* middle = dy + d.before * inner;
    for (int64_t i = 0; i < n; ++i) dx[i] += middle[i];
    auto frame = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t k = 0; k < inner; ++k) dx[d.source[i] * inner + k] += dy[i * inner + k];
      }
    };
    frame(0, d.before);
    frame(d.before + d.x, d.y);
  }

  const Call call_;
  const int64_t elements_;
  const int threads_;
  const float* dy_ = nullptr;
  float* dx_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.outputs[0].dims));
  if (IsBackward(spec)) return std::make_unique<PadBackwardKernel>(std::move(call), elements, spec.threads);
  const DType dtype = spec.inputs[0].dtype;
  return std::make_unique<PadKernel>(std::move(call), DTypeSize(dtype), ValueBits(dtype, spec.attrs.Float("value")),
                                     elements, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"pad", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"pad_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
