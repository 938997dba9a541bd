// The squared error of a prediction, and its gradient; row-major.
//   squared_error           (pred, target) -> loss[]             attrs: scale (of the sum)
//   squared_error_backward  (dloss[], pred, target) -> dpred     attrs: scale
// The result does not depend on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/squared_error.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float SquaredErrorPiece(const float* a, const float* b, int64_t n) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d), odd = even;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto e = hn::Sub(hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    const auto o = hn::Sub(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
    even = hn::MulAdd(e, e, even);
    odd = hn::MulAdd(o, o, odd);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// dx may be a.
void ScaledDifference(const float* a, const float* b, int64_t n, float scale, float* dx) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Mul(hn::Sub(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), hn::Set(d, scale)), d, dx + i);
  }
  for (; i < n; ++i) dx[i] = (a[i] - b[i]) * scale;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(SquaredErrorPiece);
HWY_EXPORT(ScaledDifference);

constexpr int64_t kPiece = 4096;  // elements summed in float before double takes over

struct Call {
  int64_t elements = 0;
  double scale = 1;  // of the sum
  int64_t pieces() const { return (elements + kPiece - 1) / kPiece; }
};

bool IsBackward(const CallSpec& spec) { return spec.kernel == "squared_error_backward"; }

absl::StatusOr<Call> Read(const CallSpec& spec) {
  const bool backward = IsBackward(spec);
  const size_t first = backward ? 1 : 0;
  ATH_RETURN_IF_ERROR(CheckOperands(spec, first + 2, 1));
  const Shape& dims = spec.inputs[first].dims;
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "pred", spec.inputs[first], dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "target", spec.inputs[first + 1], dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "loss", backward ? spec.inputs[0] : spec.outputs[0], {}));
  if (backward) ATH_RETURN_IF_ERROR(CheckOperand(spec, "dpred", spec.outputs[0], dims));
  Call call;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "scale", &call.scale));
  if (!(call.scale > 0 && call.scale <= 1)) return CallError(spec, "scale = %g is not in (0, 1]", call.scale);
  ATH_ASSIGN_OR_RETURN(call.elements, NumElements(dims));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(call.elements) * 3;
  if (!IsBackward(spec)) {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF64, {call.pieces()}));
  }
  return info;
}

class SquaredErrorKernel final : public Kernel {
 public:
  SquaredErrorKernel(const Call& call, int threads) : call_(call), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    pred_ = static_cast<const float*>(inputs[0]);
    target_ = static_cast<const float*>(inputs[1]);
    loss_ = static_cast<float*>(outputs[0]);
    partial_ = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelRanges(call_.pieces(), 1, kPiece * 8, threads_, [this](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t first = p * kPiece, n = std::min(kPiece, call_.elements - first);
        partial_[p] = HWY_DYNAMIC_DISPATCH(SquaredErrorPiece)(pred_ + first, target_ + first, n);
      }
    });
    double sum = 0;
    for (int64_t p = 0; p < call_.pieces(); ++p) sum += partial_[p];
    *loss_ = static_cast<float>(sum * call_.scale);
    return absl::OkStatus();
  }

 private:
  const Call call_;
  const int threads_;
  const float* pred_ = nullptr;
  const float* target_ = nullptr;
  float* loss_ = nullptr;
  double* partial_ = nullptr;  // by piece
};

class SquaredErrorBackwardKernel final : public Kernel {
 public:
  SquaredErrorBackwardKernel(const Call& call, int threads) : call_(call), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dloss_ = static_cast<const float*>(inputs[0]);
    pred_ = static_cast<const float*>(inputs[1]);
    target_ = static_cast<const float*>(inputs[2]);
    dpred_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const float scale = static_cast<float>(2.0 * *dloss_ * call_.scale);
    ParallelRanges(call_.elements, 16, 12, threads_, [=, this](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(ScaledDifference)(pred_ + begin, target_ + begin, end - begin, scale, dpred_ + begin);
    });
    return absl::OkStatus();
  }

 private:
  const Call call_;
  const int threads_;
  const float* dloss_ = nullptr;
  const float* pred_ = nullptr;
  const float* target_ = nullptr;
  float* dpred_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  if (IsBackward(spec)) return std::make_unique<SquaredErrorBackwardKernel>(call, spec.threads);
  return std::make_unique<SquaredErrorKernel>(call, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"squared_error", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"squared_error_backward", &Query, &Create, {{0, 1}, {0, 2}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
