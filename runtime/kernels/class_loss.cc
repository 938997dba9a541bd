// Losses of scores against class labels without a softmax, and their gradients; row-major.
//   nll_loss                    (x, labels s32[, weights[C]]) -> loss     - weight[label] x[label]
//   nll_loss_backward           (dloss, labels s32[, weights[C]]) -> dx
//   multi_margin_loss           (x[N,C], labels s32[N][, weights[C]]) -> loss
//       weight[label] / C * the sum over c != label of max(0, margin - x[label] + x[c])^p
//   multi_margin_loss_backward  (dloss, x[N,C], labels s32[N][, weights[C]]) -> dx
// attrs: axis (not negative: of the classes), reduction ("mean", "sum", "none"), ignore_index, weights (bool: there are
// some); of multi_margin_loss also p (int, 1 or 2) and margin. A mean of nll_loss divides by the weights of the labels
// that are not ignored, one of multi_margin_loss by N, as in PyTorch. A label that is no class is an INDEX error, found
// before anything is written. The result does not depend on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/class_loss.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "runtime/kernels/class_labels.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/vector_loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// The sum over n classes of max(0, x + shift)^p.
double MarginSum(const float* x, int64_t n, float shift, int64_t p) {
  const FloatTag d;
  return AddUpVectors(n, [&](int64_t i, int64_t count, FloatVec& sum, FloatVec&) ATH_INLINE {
           const FloatVec z = hn::Add(LoadSome(x + i, count), hn::Set(d, shift));
           // The order keeps NaN, which Max would not.
           const FloatVec v = KeepSome(hn::IfThenZeroElse(hn::Lt(z, hn::Zero(d)), z), count);
           sum = hn::Add(sum, p == 1 ? v : hn::Mul(v, v));
         }).a;
}

// dx = scale * p max(0, x + shift)^(p-1) where x + shift > 0, else 0; gives the sum of dx. dx may be x.
double MarginGradient(const float* x, int64_t n, float shift, int64_t p, float scale, float* dx) {
  const FloatTag d;
  return AddUpVectors(n, [&](int64_t i, int64_t count, FloatVec& sum, FloatVec&) ATH_INLINE {
           const FloatVec z = hn::Add(LoadSome(x + i, count), hn::Set(d, shift));
           const FloatVec slope = hn::Set(d, scale * static_cast<float>(p));
           const FloatVec v = hn::IfThenElseZero(hn::Gt(z, hn::Zero(d)), p == 1 ? slope : hn::Mul(z, slope));
           StoreSome(v, dx + i, count);
           sum = hn::Add(sum, KeepSome(v, count));
         }).a;
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(MarginSum);
HWY_EXPORT(MarginGradient);

struct Problem {
  ClassLabels labels;
  int64_t p = 1;
  double margin = 1;
  int threads = 1;
};

bool IsBackward(const CallSpec& spec) { return spec.kernel.ends_with("_backward"); }
bool IsMargin(const CallSpec& spec) { return spec.kernel.starts_with("multi_margin"); }

// Scores among the inputs, or those of the gradient, which nll_loss_backward does without.
const MemoryDesc& Scores(const CallSpec& spec) {
  if (!IsBackward(spec)) return spec.inputs[0];
  return IsMargin(spec) ? spec.inputs[1] : spec.outputs[0];
}

absl::Status ReadMargin(const CallSpec& spec, Problem* p) {
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "p", &p->p));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "margin", &p->margin));
  if (p->p != 1 && p->p != 2) return CallError(spec, "p = %d is not 1 or 2", p->p);
  if (!(p->margin > -1e30 && p->margin < 1e30)) return CallError(spec, "margin = %g is not finite", p->margin);
  if (p->labels.sizes().inner == 1) return absl::OkStatus();
  return CallError(spec, "takes classes in the last dimension only");
}

absl::StatusOr<Problem> Read(const CallSpec& spec) {
  const size_t labels = IsBackward(spec) && IsMargin(spec) ? 2 : 1;
  bool weights = false;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "weights", &weights));
  ATH_RETURN_IF_ERROR(CheckOperands(spec, labels + 1 + weights, 1));
  Problem p;
  p.threads = spec.threads;
  const MemoryDesc& scores = Scores(spec);
  ATH_ASSIGN_OR_RETURN(p.labels, ClassLabels::Read(spec, scores, labels));
  ATH_RETURN_IF_ERROR(
      CheckLoss(spec, p.labels.reduction(), scores.dims, IsBackward(spec) ? spec.inputs[0] : spec.outputs[0]));
  if (IsBackward(spec)) ATH_RETURN_IF_ERROR(CheckOperand(spec, "dx", spec.outputs[0], scores.dims));
  if (IsMargin(spec)) ATH_RETURN_IF_ERROR(ReadMargin(spec, &p));
  return p;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Problem p, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, IsMargin(spec) ? "ours:simd" : "ours"));
  const double targets = static_cast<double>(p.labels.sizes().targets());
  info.flops = targets * (IsMargin(spec) ? 4 * static_cast<double>(p.labels.sizes().classes) : 2);
  if (!IsBackward(spec)) {
    if (!IsMargin(spec)) info.bytes = targets * 12;  // one score a label is read
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF64, {p.labels.sizes().targets()}));
  }
  return info;
}

class ClassLossKernel final : public Kernel {
 public:
  ClassLossKernel(Problem problem, bool margin) : p_(std::move(problem)), margin_(margin) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    x_ = static_cast<const float*>(inputs[0]);
    p_.labels.Bind(inputs[1], p_.labels.has_weights() ? inputs[2] : nullptr);
    loss_ = static_cast<float*>(outputs[0]);
    losses_ = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(p_.labels.Check());
    const ClassSizes& sizes = p_.labels.sizes();
    ParallelRanges(sizes.targets(), 16, margin_ ? sizes.classes * 4 : 64, p_.threads,
                   [this](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) losses_[i] = margin_ ? Margin(i) : NegativeLogLikelihood(i);
                   });
    const bool reduced = p_.labels.reduction() != LossReduction::kNone;
    double sum = 0;
    for (int64_t i = 0; i < sizes.targets(); ++i) {
      sum += losses_[i];
      if (!reduced) loss_[i] = static_cast<float>(losses_[i]);
    }
    if (!reduced) return absl::OkStatus();
    const bool by_count = margin_ && p_.labels.reduction() == LossReduction::kMean;
    *loss_ = static_cast<float>(by_count ? sum / static_cast<double>(sizes.targets()) : p_.labels.Reduce(sum));
    return absl::OkStatus();
  }

 private:
  double NegativeLogLikelihood(int64_t i) const {
    if (p_.labels.Ignored(i)) return 0;
    const ClassSizes& sizes = p_.labels.sizes();
    return -p_.labels.Weight(i) * x_[sizes.First(i) + p_.labels.labels()[i] * sizes.inner];
  }
  double Margin(int64_t i) const {
    if (p_.labels.Ignored(i)) return 0;
    const int64_t classes = p_.labels.sizes().classes, label = p_.labels.labels()[i];
    const float* x = x_ + i * classes;
    const float shift = static_cast<float>(p_.margin - x[label]);
    const double sum = HWY_DYNAMIC_DISPATCH(MarginSum)(x, label, shift, p_.p) +
                       HWY_DYNAMIC_DISPATCH(MarginSum)(x + label + 1, classes - label - 1, shift, p_.p);
    return p_.labels.Weight(i) * sum / static_cast<double>(classes);
  }

  Problem p_;
  const bool margin_;
  const float* x_ = nullptr;
  float* loss_ = nullptr;
  double* losses_ = nullptr;  // by target
};

class NllLossBackwardKernel final : public Kernel {
 public:
  explicit NllLossBackwardKernel(Problem problem) : p_(std::move(problem)) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dloss_ = static_cast<const float*>(inputs[0]);
    p_.labels.Bind(inputs[1], p_.labels.has_weights() ? inputs[2] : nullptr);
    dx_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(p_.labels.Check());
    const ClassSizes& sizes = p_.labels.sizes();
    const int64_t sample = sizes.classes * sizes.inner;
    const double denominator = p_.labels.Denominator();
    ParallelRanges(sizes.outer, 1, sample * 4, p_.threads, [=, this](int64_t begin, int64_t end) {
      std::fill(dx_ + begin * sample, dx_ + end * sample, 0.0f);
      for (int64_t i = begin * sizes.inner; i < end * sizes.inner; ++i) {
        if (p_.labels.Ignored(i)) continue;
        dx_[sizes.First(i) + p_.labels.labels()[i] * sizes.inner] =
            static_cast<float>(-p_.labels.Weight(i) * p_.labels.Gradient(dloss_, denominator, i));
      }
    });
    return absl::OkStatus();
  }

 private:
  Problem p_;
  const float* dloss_ = nullptr;
  float* dx_ = nullptr;
};

class MarginLossBackwardKernel final : public Kernel {
 public:
  explicit MarginLossBackwardKernel(Problem problem) : p_(std::move(problem)) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    dloss_ = static_cast<const float*>(inputs[0]);
    x_ = static_cast<const float*>(inputs[1]);
    p_.labels.Bind(inputs[2], p_.labels.has_weights() ? inputs[3] : nullptr);
    dx_ = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(p_.labels.Check());
    const int64_t targets = p_.labels.sizes().targets();
    const bool mean = p_.labels.reduction() == LossReduction::kMean;
    const double denominator = mean ? static_cast<double>(targets) : 1;
    ParallelRanges(targets, 16, p_.labels.sizes().classes * 8, p_.threads, [=, this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) Row(i, p_.labels.Gradient(dloss_, denominator, i));
    });
    return absl::OkStatus();
  }

 private:
  void Row(int64_t i, double gradient) {
    const int64_t classes = p_.labels.sizes().classes;
    const float* x = x_ + i * classes;
    float* dx = dx_ + i * classes;
    if (p_.labels.Ignored(i)) {
      std::fill_n(dx, classes, 0.0f);
      return;
    }
    const int64_t label = p_.labels.labels()[i], behind = label + 1;
    const float shift = static_cast<float>(p_.margin - x[label]);
    const float scale = static_cast<float>(gradient * p_.labels.Weight(i) / static_cast<double>(classes));
    const double sum =
        HWY_DYNAMIC_DISPATCH(MarginGradient)(x, label, shift, p_.p, scale, dx) +
        HWY_DYNAMIC_DISPATCH(MarginGradient)(x + behind, classes - behind, shift, p_.p, scale, dx + behind);
    dx[label] = static_cast<float>(-sum);
  }

  Problem p_;
  const float* dloss_ = nullptr;
  const float* x_ = nullptr;
  float* dx_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Problem problem, Read(spec));
  if (!IsBackward(spec)) return std::make_unique<ClassLossKernel>(std::move(problem), IsMargin(spec));
  if (IsMargin(spec)) return std::make_unique<MarginLossBackwardKernel>(std::move(problem));
  return std::make_unique<NllLossBackwardKernel>(std::move(problem));
}

ATH_REGISTER_KERNEL((KernelDef{"nll_loss", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"nll_loss_backward", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"multi_margin_loss", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"multi_margin_loss_backward", &Query, &Create, {{0, 1}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
