// The gradients of reductions that are no formula of one element; row-major.
//   reduction_backward  (dy, x, y) -> dx    attrs: algorithm ("max", "min", "prod"), axes, keepdims, as forward
// max, min: elements that share the best value share dy evenly, as PyTorch's amax does. prod: dy times the product of
// the other elements, which is not y / x where an element is 0.
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/reduction_nest.h"

namespace athanor {
namespace {

// How one result's dy comes to its elements: first all of them are counted in, then each is asked for.
template <bool kMin>
struct Best {
  float best = 0, dy = 0;
  int64_t ties = 0;
  void Start(float y, float d) { best = y, dy = d, ties = 0; }
  static bool Beaten(float x, float best) { return kMin ? x > best : x < best; }  // false for NaN
  void Count(float x) { ties += !Beaten(x, best); }
  void Finish() { dy /= static_cast<float>(ties); }
  float Of(float x) const { return Beaten(x, best) ? 0.0f : dy; }
};

struct Product {
  double rest = 1, dy = 0;  // the product of all that are not 0
  int64_t zeros = 0;
  void Start(float, float d) { rest = 1, dy = static_cast<double>(d), zeros = 0; }
  void Count(float x) { x == 0 ? (void)++zeros : (void)(rest *= static_cast<double>(x)); }
  void Finish() { dy *= rest; }
  float Of(float x) const {
    if (zeros > 0) return zeros == 1 && x == 0 ? static_cast<float>(dy) : 0.0f;
    return static_cast<float>(dy / static_cast<double>(x));
  }
};

struct Call {
  ReductionNest nest;
  std::string algorithm;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 3, 1));
  Call call;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &call.algorithm));
  if (call.algorithm != "max" && call.algorithm != "min" && call.algorithm != "prod") {
    return CallError(spec, "unknown algorithm \"%s\"", call.algorithm);
  }
  ATH_RETURN_IF_ERROR(ReadReduction(spec, spec.outputs[0], spec.inputs[0], &call.nest));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", spec.inputs[1], spec.outputs[0].dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", spec.inputs[2], spec.inputs[0].dims));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:loop"));
  info.flops = 2.0 * static_cast<double>(call.nest.count()) * static_cast<double>(call.nest.results());
  return info;
}

template <typename Share>
class BackwardKernel final : public Kernel {
 public:
  BackwardKernel(const ReductionNest& nest, int threads) : nest_(nest), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dy_ = static_cast<const float*>(inputs[0]);
    x_ = static_cast<const float*>(inputs[1]);
    y_ = static_cast<const float*>(inputs[2]);
    dx_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t width = nest_.inner_reduced ? 1 : nest_.inner;
    const int64_t tiles = (width + kTile - 1) / kTile;
    const int64_t bytes = nest_.count() * std::min(width, kTile) * 12;
    ParallelRanges(nest_.kept.count * tiles, 1, bytes, threads_, [=, this](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        nest_.inner_reduced ? Rows(t) : Columns(t / tiles, t % tiles * kTile);
      }
    });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kTile = 256;

  void Rows(int64_t k) const {
    const int64_t base = nest_.kept.Offset(k);
    Share share;
    share.Start(y_[k], dy_[k]);
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const float* x = x_ + base + nest_.reduced.Offset(r);
      for (int64_t i = 0; i < nest_.inner; ++i) share.Count(x[i]);
    }
    share.Finish();
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const int64_t row = base + nest_.reduced.Offset(r);
      for (int64_t i = 0; i < nest_.inner; ++i) dx_[row + i] = share.Of(x_[row + i]);
    }
  }

  void Columns(int64_t k, int64_t column) const {
    const int64_t base = nest_.kept.Offset(k) + column, width = std::min(kTile, nest_.inner - column);
    const int64_t first = k * nest_.inner + column;
    Share shares[kTile];
    for (int64_t j = 0; j < width; ++j) shares[j].Start(y_[first + j], dy_[first + j]);
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const float* x = x_ + base + nest_.reduced.Offset(r);
      for (int64_t j = 0; j < width; ++j) shares[j].Count(x[j]);
    }
    for (int64_t j = 0; j < width; ++j) shares[j].Finish();
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const int64_t row = base + nest_.reduced.Offset(r);
      for (int64_t j = 0; j < width; ++j) dx_[row + j] = shares[j].Of(x_[row + j]);
    }
  }

  const ReductionNest nest_;
  const int threads_;
  const float* dy_ = nullptr;
  const float* x_ = nullptr;
  const float* y_ = nullptr;
  float* dx_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  if (call.algorithm == "max") return std::make_unique<BackwardKernel<Best<false>>>(call.nest, spec.threads);
  if (call.algorithm == "min") return std::make_unique<BackwardKernel<Best<true>>>(call.nest, spec.threads);
  return std::make_unique<BackwardKernel<Product>>(call.nest, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"reduction_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
