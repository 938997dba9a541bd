// The mean cross entropy of softmax against labels, and its gradient.
//   softmax_cross_entropy           (logits[N,C], labels s32[N]) -> (loss[], probabilities[N,C])
//       loss = mean over n of log(sum(e^(x - max))) - (x[label] - max)
//   softmax_cross_entropy_backward  (dloss[], probabilities[N,C], labels s32[N]) -> dlogits[N,C]
//       dlogits = dloss (probabilities - onehot(labels)) / N
// A label that is no class is an INDEX error, found before anything is written. The result does not depend on the
// number of threads: rows are independent, and their losses are added up in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/softmax_cross_entropy.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/softmax_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// Gives the loss of one row. p may be x.
double CrossEntropyRow(const float* x, int64_t classes, int32_t label, float* p) {
  const double correct = x[label];  // before p is written
  const RowSums sums = RowSoftmax(x, classes, /*log=*/false, p);
  return std::log(static_cast<double>(sums.sum)) - (correct - sums.max);
}

// dx may be p.
void CrossEntropyBackwardRow(const float* p, int64_t classes, int32_t label, float scale, float* dx) {
  const float correct = p[label];
  RowShiftScale(p, classes, 0, scale, dx);
  dx[label] = (correct - 1) * scale;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(CrossEntropyRow);
HWY_EXPORT(CrossEntropyBackwardRow);

struct Sizes {
  int64_t rows = 0, classes = 0;
  std::string name;  // of the call
  int threads = 1;
};

absl::Status CheckLabels(const Sizes& s, const int32_t* labels) {
  for (int64_t n = 0; n < s.rows; ++n) {
    if (labels[n] >= 0 && labels[n] < s.classes) continue;
    return MakeError(ErrorClass::kIndex, "\"%s\": labels[%d] = %d is not in [0, %d)", s.name, n, labels[n], s.classes);
  }
  return absl::OkStatus();
}

bool IsBackward(const CallSpec& spec) { return spec.kernel == "softmax_cross_entropy_backward"; }

absl::StatusOr<Sizes> Read(const CallSpec& spec) {
  const bool backward = IsBackward(spec);
  ATH_RETURN_IF_ERROR(CheckOperands(spec, backward ? 3 : 2, backward ? 1 : 2));
  const MemoryDesc& logits = spec.inputs[backward ? 1 : 0];
  if (logits.dims.size() != 2) return CallError(spec, "%s is not of rank 2", logits.ToString());
  Sizes s{logits.dims[0], logits.dims[1], spec.name, spec.threads};
  ATH_RETURN_IF_ERROR(CheckOperand(spec, backward ? "probabilities" : "logits", logits, logits.dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "labels", spec.inputs[backward ? 2 : 1], {s.rows}, DType::kS32));
  if (backward) {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "dloss", spec.inputs[0], {}));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "dlogits", spec.outputs[0], logits.dims));
  } else {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "loss", spec.outputs[0], {}));
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "probabilities", spec.outputs[1], logits.dims));
  }
  return s;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Sizes s, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(s.rows * s.classes) * (IsBackward(spec) ? 1 : 20);
  if (!IsBackward(spec)) {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF64, {s.rows}));
  }
  return info;
}

class CrossEntropyKernel final : public Kernel {
 public:
  explicit CrossEntropyKernel(Sizes sizes) : sizes_(std::move(sizes)) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    logits_ = static_cast<const float*>(inputs[0]);
    labels_ = static_cast<const int32_t*>(inputs[1]);
    loss_ = static_cast<float*>(outputs[0]);
    probabilities_ = static_cast<float*>(outputs[1]);
    losses_ = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLabels(sizes_, labels_));
    const int64_t classes = sizes_.classes;
    ParallelRanges(sizes_.rows, 8, classes * 16, sizes_.threads, [=, this](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        losses_[n] = HWY_DYNAMIC_DISPATCH(CrossEntropyRow)(logits_ + n * classes, classes, labels_[n],
                                                           probabilities_ + n * classes);
      }
    });
    double sum = 0;
    for (int64_t n = 0; n < sizes_.rows; ++n) sum += losses_[n];
    *loss_ = static_cast<float>(sum / static_cast<double>(sizes_.rows));
    return absl::OkStatus();
  }

 private:
  const Sizes sizes_;
  const float* logits_ = nullptr;
  const int32_t* labels_ = nullptr;
  float* loss_ = nullptr;
  float* probabilities_ = nullptr;
  double* losses_ = nullptr;  // by row
};

class CrossEntropyBackwardKernel final : public Kernel {
 public:
  explicit CrossEntropyBackwardKernel(Sizes sizes) : sizes_(std::move(sizes)) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dloss_ = static_cast<const float*>(inputs[0]);
    probabilities_ = static_cast<const float*>(inputs[1]);
    labels_ = static_cast<const int32_t*>(inputs[2]);
    dlogits_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLabels(sizes_, labels_));
    const int64_t classes = sizes_.classes;
    const float scale = static_cast<float>(static_cast<double>(*dloss_) / static_cast<double>(sizes_.rows));
    ParallelRanges(sizes_.rows, 8, classes * 8, sizes_.threads, [=, this](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        HWY_DYNAMIC_DISPATCH(CrossEntropyBackwardRow)
        (probabilities_ + n * classes, classes, labels_[n], scale, dlogits_ + n * classes);
      }
    });
    return absl::OkStatus();
  }

 private:
  const Sizes sizes_;
  const float* dloss_ = nullptr;
  const float* probabilities_ = nullptr;
  const int32_t* labels_ = nullptr;
  float* dlogits_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Sizes sizes, Read(spec));
  if (IsBackward(spec)) return std::make_unique<CrossEntropyBackwardKernel>(std::move(sizes));
  return std::make_unique<CrossEntropyKernel>(std::move(sizes));
}

ATH_REGISTER_KERNEL((KernelDef{"softmax_cross_entropy", &Query, &Create, {{1, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"softmax_cross_entropy_backward", &Query, &Create, {{0, 1}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
