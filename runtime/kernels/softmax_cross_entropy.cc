// Cross entropy of softmax against labels or probabilities, and its gradient; row-major.
//   softmax_cross_entropy           (logits, labels s32 | targets[, weights[C]]) -> (loss, probabilities)
//   softmax_cross_entropy_backward  (dloss, probabilities, labels s32 | targets[, weights[C]]) -> dlogits
// The loss of one target is the sum over the classes, dimension `axis` of the logits, of share * -log(softmax(logits)):
// see Args. It is summed, averaged (by labels: over the sum of their weights), or left as it is.
// attrs: axis (not negative), reduction ("mean", "sum", "none"), label_smoothing, weights (bool: there are some), dense
// (bool: targets are probabilities like the logits), else also ignore_index.
// A label that is no class is an INDEX error, found before anything is written. The result does not depend on the
// number of threads: targets are independent, and their losses are added up in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/softmax_cross_entropy.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/softmax_cross_entropy-inl.h"

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(CrossEntropyRange);
HWY_EXPORT(CrossEntropyBackwardRange);

using softmax_cross_entropy::Args;

struct Problem {
  bool dense = false, has_weights = false;
  ClassLabels labels;  // unless dense
  Args args;           // the sizes and numbers of them
  int threads = 1;
};

bool IsBackward(const CallSpec& spec) { return spec.kernel == "softmax_cross_entropy_backward"; }

absl::Status ReadNumbers(const CallSpec& spec, Args* a) {
  double smoothing = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "label_smoothing", &smoothing));
  if (!(smoothing >= 0 && smoothing <= 1)) return CallError(spec, "label_smoothing = %g is not in [0, 1]", smoothing);
  a->keep = static_cast<float>(1 - smoothing);
  a->spread = static_cast<float>(smoothing / static_cast<double>(a->sizes.classes));
  return ReadReduction(spec, &a->reduction);
}

absl::StatusOr<Problem> Read(const CallSpec& spec) {
  const size_t scores = IsBackward(spec) ? 1 : 0;
  Problem p;
  p.threads = spec.threads;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "weights", &p.has_weights));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "dense", &p.dense));
  ATH_RETURN_IF_ERROR(CheckOperands(spec, scores + 2 + p.has_weights, scores == 1 ? 1 : 2));
  const Shape& dims = spec.inputs[scores].dims;
  ATH_ASSIGN_OR_RETURN(p.args.sizes, ReadClassSizes(spec, spec.inputs[scores]));
  ATH_RETURN_IF_ERROR(ReadNumbers(spec, &p.args));
  if (!p.dense) {
    ATH_ASSIGN_OR_RETURN(p.labels, ClassLabels::Read(spec, spec.inputs[scores], scores + 1));
  } else {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "targets", spec.inputs[scores + 1], dims));
    if (p.has_weights) {
      ATH_RETURN_IF_ERROR(CheckOperand(spec, "weights", spec.inputs[scores + 2], {p.args.sizes.classes}));
    }
  }
  ATH_RETURN_IF_ERROR(CheckLoss(spec, p.args.reduction, dims, scores == 1 ? spec.inputs[0] : spec.outputs[0]));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "the result", spec.outputs[scores == 1 ? 0 : 1], dims));
  return p;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Problem p, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  const ClassSizes& sizes = p.args.sizes;
  const double elements = static_cast<double>(sizes.targets() * sizes.classes);
  info.flops = elements * ((IsBackward(spec) ? 1 : 20) + (p.args.spreads() ? 4 : 0));
  if (!IsBackward(spec)) {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF64, {sizes.targets()}));
  }
  return info;
}

// What the two have in common.
class CrossEntropyBase : public Kernel {
 public:
  explicit CrossEntropyBase(Problem problem) : p_(std::move(problem)) {}
  CrossEntropyBase(const CrossEntropyBase&) = delete;
  CrossEntropyBase& operator=(const CrossEntropyBase&) = delete;

 protected:
  // `inputs`: the targets, then the weights.
  void BindTargets(absl::Span<void* const> inputs) {
    if (p_.has_weights) p_.args.weights = static_cast<const float*>(inputs[1]);
    if (p_.dense) {
      p_.args.targets = static_cast<const float*>(inputs[0]);
    } else {
      p_.labels.Bind(inputs[0], p_.args.weights);
      p_.args.labels = &p_.labels;
    }
  }
  absl::Status CheckLabels() const { return p_.dense ? absl::OkStatus() : p_.labels.Check(); }
  double Denominator() const {
    if (!p_.dense) return p_.labels.Denominator();
    return p_.args.reduction == LossReduction::kMean ? static_cast<double>(p_.args.sizes.targets()) : 1;
  }
  template <typename F>
  void ForTargets(int64_t bytes_per_element, const F& f) {
    ParallelRanges(p_.args.sizes.targets(), 16, p_.args.sizes.classes * bytes_per_element, p_.threads, f);
  }

  Problem p_;
};

class CrossEntropyKernel final : public CrossEntropyBase {
 public:
  using CrossEntropyBase::CrossEntropyBase;

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    p_.args.x = static_cast<const float*>(inputs[0]);
    BindTargets(inputs.subspan(1));
    loss_ = static_cast<float*>(outputs[0]);
    p_.args.p = static_cast<float*>(outputs[1]);
    p_.args.losses = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLabels());
    ForTargets(16, [this](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(CrossEntropyRange)(p_.args, begin, end);
    });
    const int64_t targets = p_.args.sizes.targets();
    if (p_.args.reduction == LossReduction::kNone) {
      for (int64_t i = 0; i < targets; ++i) loss_[i] = static_cast<float>(p_.args.losses[i]);
      return absl::OkStatus();
    }
    double sum = 0;
    for (int64_t i = 0; i < targets; ++i) sum += p_.args.losses[i];
    const double denominator = Denominator();
    *loss_ = denominator == 0 ? 0 : static_cast<float>(sum / denominator);
    return absl::OkStatus();
  }

 private:
  float* loss_ = nullptr;
};

class CrossEntropyBackwardKernel final : public CrossEntropyBase {
 public:
  using CrossEntropyBase::CrossEntropyBase;

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    p_.args.dloss = static_cast<const float*>(inputs[0]);
    p_.args.probabilities = static_cast<const float*>(inputs[1]);
    BindTargets(inputs.subspan(2));
    p_.args.dx = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLabels());
    p_.args.denominator = Denominator();
    ForTargets(8, [this](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(CrossEntropyBackwardRange)(p_.args, begin, end);
    });
    return absl::OkStatus();
  }
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Problem problem, Read(spec));
  if (IsBackward(spec)) return std::make_unique<CrossEntropyBackwardKernel>(std::move(problem));
  return std::make_unique<CrossEntropyKernel>(std::move(problem));
}

ATH_REGISTER_KERNEL((KernelDef{"softmax_cross_entropy", &Query, &Create, {{1, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"softmax_cross_entropy_backward", &Query, &Create, {{0, 1}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
