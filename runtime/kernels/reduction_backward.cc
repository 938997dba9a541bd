// The gradient of a reduction; row-major.
//   reduction_backward  (dy) -> dx          attrs: algorithm "sum" or "mean", axes, keepdims, as of the forward call
//   reduction_backward  (dy, x, y) -> dx    algorithm "max": elements that share the maximum share dy evenly
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/reduction_nest.h"
#include "runtime/kernels/strided_copy.h"

namespace athanor {
namespace {

struct Call {
  std::string algorithm;
  ReductionNest nest;
  bool max() const { return algorithm == "max"; }
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  Call call;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &call.algorithm));
  ATH_RETURN_IF_ERROR(CheckOperands(spec, call.max() ? 3 : 1, 1));
  ATH_RETURN_IF_ERROR(ReadReduction(spec, spec.outputs[0], spec.inputs[0], &call.algorithm, &call.nest));
  if (call.max()) {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", spec.inputs[1], spec.outputs[0].dims));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", spec.inputs[2], spec.inputs[0].dims));
  }
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:loop"));
  info.flops = static_cast<double>(call.nest.count()) * static_cast<double>(call.nest.results());
  if (call.algorithm == "mean") {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF32, {call.nest.results()}));
  }
  return info;
}

// dy, divided by the count for a mean, repeated.
class RepeatKernel final : public Kernel {
 public:
  RepeatKernel(const Call& call, int threads)
      : scale_(call.algorithm == "mean" ? 1.0 / static_cast<double>(call.nest.count()) : 1.0),
        results_(call.nest.results()), threads_(threads) {
    // Each kind of dimension in its own order; both lie in dx by their strides.
    const ReductionNest& nest = call.nest;
    Shape dims;
    std::vector<int64_t> from, to;
    int64_t dy_stride = results_;
    auto append = [&](int64_t size, int64_t dy, int64_t dx) {
      dims.push_back(size), from.push_back(dy), to.push_back(dx);
    };
    for (int d = 0; d < nest.kept.rank; ++d) {
      dy_stride /= nest.kept.sizes[d];
      append(nest.kept.sizes[d], dy_stride, nest.kept.strides[d]);
    }
    for (int d = 0; d < nest.reduced.rank; ++d) append(nest.reduced.sizes[d], 0, nest.reduced.strides[d]);
    append(nest.inner, nest.inner_reduced ? 0 : 1, 1);
    repeat_ = StridedCopy(sizeof(float), dims, from, 0, to, 0);
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    dy_ = static_cast<const float*>(inputs[0]);
    dx_ = static_cast<float*>(outputs[0]);
    scaled_ = static_cast<float*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    if (scale_ == 1.0) {
      repeat_.Run(dy_, dx_, threads_);
      return absl::OkStatus();
    }
    for (int64_t i = 0; i < results_; ++i) scaled_[i] = static_cast<float>(dy_[i] * scale_);
    repeat_.Run(scaled_, dx_, threads_);
    return absl::OkStatus();
  }

 private:
  const double scale_;
  const int64_t results_;
  const int threads_;
  StridedCopy repeat_;
  const float* dy_ = nullptr;
  float* dx_ = nullptr;
  float* scaled_ = nullptr;
};

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
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  if (call.max()) return std::make_unique<MaxBackwardKernel>(call.nest, spec.threads);
  return std::make_unique<RepeatKernel>(call, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"reduction_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
