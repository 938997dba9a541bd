// The gradient of a maximum; row-major.
//   reduction_max_backward  (dy, x, y) -> dx    attrs: axes, keepdims, as of the forward call
// Elements that share the maximum share dy evenly, as PyTorch's amax does.
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/reduction_nest.h"

namespace athanor {
namespace {

absl::StatusOr<ReductionNest> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 3, 1));
  ReductionNest nest;
  ATH_RETURN_IF_ERROR(ReadReduction(spec, spec.outputs[0], spec.inputs[0], &nest));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", spec.inputs[1], spec.outputs[0].dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", spec.inputs[2], spec.inputs[0].dims));
  return nest;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(ReductionNest nest, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:loop"));
  info.flops = 2.0 * static_cast<double>(nest.count()) * static_cast<double>(nest.results());
  return info;
}

class MaxBackwardKernel final : public Kernel {
 public:
  MaxBackwardKernel(const ReductionNest& nest, int threads) : nest_(nest), threads_(threads) {}

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
        nest_.inner_reduced ? ShareRows(t) : ShareColumns(t / tiles, t % tiles * kTile);
      }
    });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kTile = 256;

  void ShareRows(int64_t k) const {
    const int64_t base = nest_.kept.Offset(k);
    const float max = y_[k];
    int64_t ties = 0;
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const float* x = x_ + base + nest_.reduced.Offset(r);
      for (int64_t i = 0; i < nest_.inner; ++i) ties += !(x[i] < max);
    }
    const float share = dy_[k] / static_cast<float>(ties);
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const int64_t row = base + nest_.reduced.Offset(r);
      for (int64_t i = 0; i < nest_.inner; ++i) dx_[row + i] = x_[row + i] < max ? 0.0f : share;
    }
  }

  void ShareColumns(int64_t k, int64_t column) const {
    const int64_t base = nest_.kept.Offset(k) + column, width = std::min(kTile, nest_.inner - column);
    const float *dy = dy_ + k * nest_.inner + column, *max = y_ + k * nest_.inner + column;
    int32_t ties[kTile] = {};
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const float* x = x_ + base + nest_.reduced.Offset(r);
      for (int64_t j = 0; j < width; ++j) ties[j] += !(x[j] < max[j]);
    }
    float share[kTile];
    for (int64_t j = 0; j < width; ++j) share[j] = dy[j] / static_cast<float>(ties[j]);
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const int64_t row = base + nest_.reduced.Offset(r);
      for (int64_t j = 0; j < width; ++j) dx_[row + j] = x_[row + j] < max[j] ? 0.0f : share[j];
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
  ATH_ASSIGN_OR_RETURN(ReductionNest nest, Read(spec));
  return std::make_unique<MaxBackwardKernel>(nest, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"reduction_max_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
