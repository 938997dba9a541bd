// Elementwise operations on integers that f32, in which kernel "elementwise" computes, cannot hold. Row-major.
//   integer_compare  (a, b) -> y             s32 or s64 -> bool; attrs: relation ("eq", "ne", "lt", "le", "gt", "ge")
//   integer_where    (condition, a, b) -> y  bool, s32 or s64 -> as a
//   integer_cast     (x) -> y                s32 -> s64, or s64 -> s32 with what it cannot hold at its ends
// The first two broadcast as NumPy does.
#include <algorithm>
#include <functional>
#include <limits>

#include "runtime/kernels/broadcast_rows.h"
#include "runtime/kernels/own_loop.h"

namespace athanor {
namespace {

absl::Status CheckWide(const CallSpec& spec, const MemoryDesc& desc) {
  if (desc.dtype == DType::kS32 || desc.dtype == DType::kS64) return absl::OkStatus();
  return CallError(spec, "has an operand %s, expected s32 or s64", desc.ToString());
}

absl::Status CheckDesc(const CallSpec& spec, absl::string_view what, const MemoryDesc& desc, DType dtype,
                       const Shape& dims) {
  if (desc.dtype == dtype && desc.dims == dims) return absl::OkStatus();
  return CallError(spec, "%s is %s, expected %s%s", what, desc.ToString(), DTypeName(dtype), ShapeToString(dims));
}

// PLAN error unless the output has the shape to which all inputs broadcast.
absl::Status CheckBroadcast(const CallSpec& spec, DType output) {
  Shape all;
  for (const MemoryDesc& d : spec.inputs) {
    auto shape = BroadcastShapes(all, d.dims);
    if (!shape.ok()) return CallError(spec, "%s does not broadcast with %s", d.ToString(), ShapeToString(all));
    all = *std::move(shape);
  }
  return CheckDesc(spec, "the result", spec.outputs[0], output, all);
}

BroadcastRows RowsOf(const CallSpec& spec) {
  std::vector<Shape> operands;
  for (const MemoryDesc& d : spec.inputs) operands.push_back(d.dims);
  return BroadcastRows(spec.outputs[0].dims, operands);
}

// y[i] = f(a[i or 0], b[i or 0]): a loop for each case, so that each is vectorised.
template <typename T, typename Y, typename F>
void ApplyPiece(const BroadcastRows::Piece& p, const T* a, const T* b, Y* y, const F& f) {
  a += p.from[0], b += p.from[1], y += p.result;
  if (p.repeats[0]) {
    const T x = *a;
    if (p.repeats[1]) {
      std::fill_n(y, p.count, f(x, *b));
      return;
    }
#pragma omp simd
    for (int64_t i = 0; i < p.count; ++i) y[i] = f(x, b[i]);
  } else if (p.repeats[1]) {
    const T x = *b;
#pragma omp simd
    for (int64_t i = 0; i < p.count; ++i) y[i] = f(a[i], x);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < p.count; ++i) y[i] = f(a[i], b[i]);
  }
}

enum class Relation { kEq, kNe, kLt, kLe, kGt, kGe };

absl::StatusOr<Relation> ReadRelation(const CallSpec& spec) {
  static constexpr const char* kNames[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  std::string name;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "relation", &name));
  const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return CallError(spec, "unknown relation \"%s\"", name);
  return static_cast<Relation>(found - std::begin(kNames));
}

absl::StatusOr<KernelInfo> QueryCompare(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 2, 1));
  ATH_RETURN_IF_ERROR(ReadRelation(spec).status());
  ATH_RETURN_IF_ERROR(CheckWide(spec, spec.inputs[0]));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "the second operand", spec.inputs[1], spec.inputs[0].dtype, spec.inputs[1].dims));
  ATH_RETURN_IF_ERROR(CheckBroadcast(spec, DType::kBool));
  return PlainInfo(spec, "ours:integer");
}

template <typename T>
class CompareKernel final : public Kernel {
 public:
  CompareKernel(const CallSpec& spec, Relation relation)
      : rows_(RowsOf(spec)), relation_(relation), threads_(spec.threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    a_ = static_cast<const T*>(inputs[0]);
    b_ = static_cast<const T*>(inputs[1]);
    y_ = static_cast<bool*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    switch (relation_) {
      case Relation::kEq: Compare(std::equal_to<T>()); break;
      case Relation::kNe: Compare(std::not_equal_to<T>()); break;
      case Relation::kLt: Compare(std::less<T>()); break;
      case Relation::kLe: Compare(std::less_equal<T>()); break;
      case Relation::kGt: Compare(std::greater<T>()); break;
      case Relation::kGe: Compare(std::greater_equal<T>()); break;
    }
    return absl::OkStatus();
  }

 private:
  template <typename F>
  void Compare(const F& f) {
    rows_.Run(threads_, 2 * sizeof(T) + 1,
              [&](const BroadcastRows::Piece& piece) { ApplyPiece(piece, a_, b_, y_, f); });
  }

  const BroadcastRows rows_;
  const Relation relation_;
  const int threads_;
  const T* a_ = nullptr;
  const T* b_ = nullptr;
  bool* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> CreateCompare(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, QueryCompare(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Relation relation, ReadRelation(spec));
  if (spec.inputs[0].dtype == DType::kS32) return std::make_unique<CompareKernel<int32_t>>(spec, relation);
  return std::make_unique<CompareKernel<int64_t>>(spec, relation);
}

absl::StatusOr<KernelInfo> QueryWhere(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 3, 1));
  ATH_RETURN_IF_ERROR(CheckWide(spec, spec.inputs[1]));
  const DType dtype = spec.inputs[1].dtype;
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "the condition", spec.inputs[0], DType::kBool, spec.inputs[0].dims));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "the third operand", spec.inputs[2], dtype, spec.inputs[2].dims));
  ATH_RETURN_IF_ERROR(CheckBroadcast(spec, dtype));
  return PlainInfo(spec, "ours:integer");
}

template <typename T>
class WhereKernel final : public Kernel {
 public:
  explicit WhereKernel(const CallSpec& spec) : rows_(RowsOf(spec)), threads_(spec.threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    condition_ = static_cast<const uint8_t*>(inputs[0]);
    a_ = static_cast<const T*>(inputs[1]);
    b_ = static_cast<const T*>(inputs[2]);
    y_ = static_cast<T*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    rows_.Run(threads_, 3 * sizeof(T) + 1, [this](const BroadcastRows::Piece& p) {
      const uint8_t* condition = condition_ + p.from[0];
      const T *a = a_ + p.from[1], *b = b_ + p.from[2];
      T* y = y_ + p.result;
      const int64_t step_c = p.repeats[0] ? 0 : 1, step_a = p.repeats[1] ? 0 : 1, step_b = p.repeats[2] ? 0 : 1;
      for (int64_t i = 0; i < p.count; ++i) y[i] = condition[i * step_c] != 0 ? a[i * step_a] : b[i * step_b];
    });
    return absl::OkStatus();
  }

 private:
  const BroadcastRows rows_;
  const int threads_;
  const uint8_t* condition_ = nullptr;
  const T* a_ = nullptr;
  const T* b_ = nullptr;
  T* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> CreateWhere(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, QueryWhere(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  if (spec.inputs[1].dtype == DType::kS32) return std::make_unique<WhereKernel<int32_t>>(spec);
  return std::make_unique<WhereKernel<int64_t>>(spec);
}

absl::StatusOr<KernelInfo> QueryCast(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(CheckWide(spec, spec.inputs[0]));
  const DType to = spec.inputs[0].dtype == DType::kS32 ? DType::kS64 : DType::kS32;
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "the result", spec.outputs[0], to, spec.inputs[0].dims));
  return PlainInfo(spec, "ours:integer");
}

template <typename From, typename To>
class CastKernel final : public Kernel {
 public:
  CastKernel(int64_t elements, int threads) : elements_(elements), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = static_cast<const From*>(inputs[0]);
    y_ = static_cast<To*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    constexpr int64_t kLow = std::numeric_limits<To>::min(), kHigh = std::numeric_limits<To>::max();
    ParallelRanges(elements_, 64, sizeof(From) + sizeof(To), threads_, [this](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const int64_t v = x_[i];
        y_[i] = static_cast<To>(v < kLow ? kLow : v > kHigh ? kHigh : v);
      }
    });
    return absl::OkStatus();
  }

 private:
  const int64_t elements_;
  const int threads_;
  const From* x_ = nullptr;
  To* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> CreateCast(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, QueryCast(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  if (spec.inputs[0].dtype == DType::kS32) {
    return std::make_unique<CastKernel<int32_t, int64_t>>(elements, spec.threads);
  }
  return std::make_unique<CastKernel<int64_t, int32_t>>(elements, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"integer_compare", &QueryCompare, &CreateCompare, {}}));
ATH_REGISTER_KERNEL((KernelDef{"integer_where", &QueryWhere, &CreateWhere, {}}));
ATH_REGISTER_KERNEL((KernelDef{"integer_cast", &QueryCast, &CreateCast, {}}));

}  // namespace
}  // namespace athanor
