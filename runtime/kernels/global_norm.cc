// The Euclidean norm of several tensors taken as one vector, and the factor that brings it down to a given one.
//   global_norm  (x, ...) -> (norm)           attrs: max_norm (0)
//                (x, ...) -> (norm, scale)    attrs: max_norm (> 0); scale = min(1, max_norm / (norm + 1e-6))
// f32, in any layout whose padding is zero. Sums are in double, in an order that depends on the sizes alone. With a
// scale, a norm that is not finite is a DATA error.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/global_norm.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/square_sum-inl.h"
#include "runtime/kernels/tensor_chunks.h"
#include "runtime/onednn/library.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

double SumOfSquares(const float* x, int64_t n) {
  SquareSum sum;
  sum.Add(x, n);
  return sum.Total();
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(SumOfSquares);

absl::StatusOr<std::vector<int64_t>> SizesOf(const CallSpec& spec, const std::vector<MemoryDesc>& descs) {
  std::vector<int64_t> sizes;
  for (const MemoryDesc& d : descs) {
    if (d.dtype != DType::kF32) return CallError(spec, "has an input %s, expected f32", d.ToString());
    ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(d));
    sizes.push_back(bytes / static_cast<int64_t>(sizeof(float)));
  }
  return sizes;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  double max_norm = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "max_norm", &max_norm));
  if (!(max_norm >= 0 && max_norm <= std::numeric_limits<float>::max())) {
    return CallError(spec, "attribute \"max_norm\" = %g is no finite number >= 0", max_norm);
  }
  if (spec.inputs.empty()) return CallError(spec, "has no inputs");
  ATH_RETURN_IF_ERROR(CheckOperands(spec, spec.inputs.size(), max_norm > 0 ? 2 : 1));
  KernelInfo info;
  for (MemoryDesc d : spec.inputs) {
    if (d.any()) d.layout = MemoryDesc::PlainLayout(d.dims.size());
    info.inputs.push_back(std::move(d));
  }
  for (const MemoryDesc& d : spec.outputs) {
    if (d.dtype != DType::kF32 || !d.dims.empty()) return CallError(spec, "has an output %s", d.ToString());
    info.outputs.push_back(MemoryDesc::Plain(DType::kF32, {}));
  }
  ATH_ASSIGN_OR_RETURN(std::vector<int64_t> sizes, SizesOf(spec, info.inputs));
  info.scratch_bytes = NumChunks(sizes) * static_cast<int64_t>(sizeof(double));
  info.impl = "ours:simd";
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  info.flops = info.bytes / 2;
  return info;
}

class GlobalNormKernel final : public Kernel {
 public:
  GlobalNormKernel(const CallSpec& spec, const std::vector<int64_t>& sizes)
      : name_(spec.name), max_norm_(spec.attrs.Float("max_norm")), threads_(spec.threads), chunks_(MakeChunks(sizes)),
        tensors_(sizes.size()) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i] = static_cast<const float*>(inputs[i]);
    norm_ = static_cast<float*>(outputs[0]);
    if (max_norm_ > 0) scale_ = static_cast<float*>(outputs[1]);
    sums_ = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelChunks(chunks_, sizeof(float), threads_, [this](int64_t i, const TensorChunk& c) {
      sums_[i] = HWY_DYNAMIC_DISPATCH(SumOfSquares)(tensors_[c.tensor] + c.begin, c.end - c.begin);
    });
    double sum = 0;
    for (size_t i = 0; i < chunks_.size(); ++i) sum += sums_[i];
    const double norm = std::sqrt(sum), largest = std::numeric_limits<float>::max();
    *norm_ = norm > largest ? std::numeric_limits<float>::infinity() : static_cast<float>(norm);
    if (scale_ == nullptr) return absl::OkStatus();
    if (!std::isfinite(norm)) {
      return MakeError(ErrorClass::kData, "node \"%s\": the norm of the gradients is %g: they hold infinities or NaN, and "
                       "no scale makes their norm %g. Nothing is updated", name_, norm, max_norm_);
    }
    *scale_ = static_cast<float>(std::min(1.0, max_norm_ / (norm + 1e-6)));
    return absl::OkStatus();
  }

 private:
  const std::string name_;
  const double max_norm_;
  const int threads_;
  const std::vector<TensorChunk> chunks_;
  std::vector<const float*> tensors_;
  double* sums_ = nullptr;
  float* norm_ = nullptr;
  float* scale_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(std::vector<int64_t> sizes, SizesOf(spec, spec.inputs));
  return std::make_unique<GlobalNormKernel>(spec, sizes);
}

ATH_REGISTER_KERNEL((KernelDef{"global_norm", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
