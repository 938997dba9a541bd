// Adam (Kingma, Ba: "Adam: a method for stochastic optimization", 2015), in the order of operations of
// torch.optim.Adam, in one pass over memory.
//   adam  (param, grad, m, v, lr, step) -> (param, m, v)
//   attrs: beta1, beta2, epsilon, weight_decay (added to the gradient)
// m and v start as zeros; step is 1 in the first step.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/adam.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/kernels/optimizer.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_ADAM_ARGS_
#define ATHANOR_RUNTIME_KERNELS_ADAM_ARGS_
namespace athanor {
namespace adam {

struct Args {
  const float* param = nullptr;
  const float* grad = nullptr;
  const float* m = nullptr;
  const float* v = nullptr;
  float* param_out = nullptr;
  float* m_out = nullptr;
  float* v_out = nullptr;
  float beta1 = 0, one_minus_beta1 = 1, beta2 = 0, one_minus_beta2 = 1, epsilon = 0, weight_decay = 0;
  float step_size = 0;    // lr / (1 - beta1^step)
  float correction2 = 1;  // sqrt(1 - beta2^step)
};

}  // namespace adam
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_ADAM_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// m moves towards g by 1 - beta1; of two equal formulas, the one that is exact at the nearer end.
template <bool kNearM, class D, class V = hn::Vec<D>>
V MoveTo(D d, const adam::Args& a, V m, V g) {
  const V difference = hn::Sub(g, m);
  return kNearM ? hn::MulAdd(hn::Set(d, a.one_minus_beta1), difference, m)
                : hn::NegMulAdd(hn::Set(d, a.beta1), difference, g);
}

template <bool kNearM>
void AdamVector(const adam::Args& a, const float* param, const float* grad, const float* m_in, const float* v_in,
                float* param_out, float* m_out, float* v_out) {
  const hn::ScalableTag<float> d;
  const auto p = hn::LoadU(d, param);
  const auto g = hn::MulAdd(hn::Set(d, a.weight_decay), p, hn::LoadU(d, grad));
  const auto m = MoveTo<kNearM>(d, a, hn::LoadU(d, m_in), g);
  const auto v = hn::MulAdd(hn::Mul(hn::Set(d, a.one_minus_beta2), g), g,
                            hn::Mul(hn::Set(d, a.beta2), hn::LoadU(d, v_in)));
  const auto denominator = hn::Add(hn::Div(hn::Sqrt(v), hn::Set(d, a.correction2)), hn::Set(d, a.epsilon));
  hn::StoreU(m, d, m_out);
  hn::StoreU(v, d, v_out);
  hn::StoreU(hn::Sub(p, hn::Div(hn::Mul(hn::Set(d, a.step_size), m), denominator)), d, param_out);
}

template <bool kNearM>
void AdamLoop(const adam::Args& a, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    AdamVector<kNearM>(a, a.param + i, a.grad + i, a.m + i, a.v + i, a.param_out + i, a.m_out + i, a.v_out + i);
  }
  if (i == end) return;
  // The rest goes through a full vector, so that every element is rounded alike.
  HWY_ALIGN float param[hn::MaxLanes(d)] = {}, grad[hn::MaxLanes(d)] = {};
  HWY_ALIGN float m[hn::MaxLanes(d)] = {}, v[hn::MaxLanes(d)] = {};
  const int64_t rest = end - i;
  std::copy_n(a.param + i, rest, param);
  std::copy_n(a.grad + i, rest, grad);
  std::copy_n(a.m + i, rest, m);
  std::copy_n(a.v + i, rest, v);
  AdamVector<kNearM>(a, param, grad, m, v, param, m, v);
  std::copy_n(param, rest, a.param_out + i);
  std::copy_n(m, rest, a.m_out + i);
  std::copy_n(v, rest, a.v_out + i);
}

void AdamRange(const adam::Args& a, int64_t begin, int64_t end) {
  a.one_minus_beta1 < 0.5f ? AdamLoop<true>(a, begin, end) : AdamLoop<false>(a, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(AdamRange);

struct Hyper {
  double beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;
};

absl::StatusOr<Hyper> ReadHyperParameters(const CallSpec& spec) {
  Hyper h;
  const double below_one = std::nextafter(1.0, 0.0);
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "beta1", 0, below_one, &h.beta1));
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "beta2", 0, below_one, &h.beta2));
  // Zero would make 0/0 of the padding of blocked layouts.
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "epsilon", std::numeric_limits<float>::min(), std::numeric_limits<float>::max(),
                                &h.epsilon));
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "weight_decay", 0, std::numeric_limits<float>::max(), &h.weight_decay));
  return h;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(ReadHyperParameters(spec).status());
  ATH_ASSIGN_OR_RETURN(KernelInfo info, OptimizerInfo(spec, 4, true, "ours:simd"));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  info.flops = static_cast<double>(elements) * 15;
  return info;
}

class AdamKernel final : public Kernel {
 public:
  AdamKernel(const CallSpec& spec, const Hyper& hyper, int64_t elements)
      : name_(spec.name), hyper_(hyper), elements_(elements), threads_(spec.threads) {
    args_.beta1 = static_cast<float>(hyper.beta1);
    args_.one_minus_beta1 = static_cast<float>(1 - hyper.beta1);
    args_.beta2 = static_cast<float>(hyper.beta2);
    args_.one_minus_beta2 = static_cast<float>(1 - hyper.beta2);
    args_.epsilon = static_cast<float>(hyper.epsilon);
    args_.weight_decay = static_cast<float>(hyper.weight_decay);
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.param = static_cast<const float*>(inputs[0]);
    args_.grad = static_cast<const float*>(inputs[1]);
    args_.m = static_cast<const float*>(inputs[2]);
    args_.v = static_cast<const float*>(inputs[3]);
    lr_ = static_cast<const float*>(inputs[4]);
    step_ = static_cast<const int64_t*>(inputs[5]);
    args_.param_out = static_cast<float*>(outputs[0]);
    args_.m_out = static_cast<float*>(outputs[1]);
    args_.v_out = static_cast<float*>(outputs[2]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLr(name_, *lr_));
    ATH_RETURN_IF_ERROR(CheckStep(name_, *step_));
    const double step = static_cast<double>(*step_);
    args_.step_size = static_cast<float>(*lr_ / (1 - std::pow(hyper_.beta1, step)));
    args_.correction2 = static_cast<float>(std::sqrt(1 - std::pow(hyper_.beta2, step)));
    ParallelRanges(elements_, 16, 28, threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(AdamRange)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  const std::string name_;
  const Hyper hyper_;
  const int64_t elements_;
  const int threads_;
  adam::Args args_;
  const float* lr_ = nullptr;
  const int64_t* step_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Hyper hyper, ReadHyperParameters(spec));
  ATH_ASSIGN_OR_RETURN(int64_t elements, PaddedElements(spec.inputs[0]));
  return std::make_unique<AdamKernel>(spec, hyper, elements);
}

ATH_REGISTER_KERNEL((KernelDef{"adam", &Query, &Create, {{0, 0}, {1, 2}, {2, 3}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
