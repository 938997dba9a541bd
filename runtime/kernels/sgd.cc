// Stochastic gradient descent, as torch.optim.SGD computes it, in one pass over memory.
//   sgd  (param, grad, lr) -> (param)                                      without momentum
//        (param, grad, momentum_buffer, lr[, step]) -> (param, momentum_buffer)
//   attrs: momentum, dampening, weight_decay, nesterov (bool)
// The momentum buffer starts as zeros. step (1 in the first step) is given if dampening is not 0: the first step takes
// the gradient undampened.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/sgd.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "runtime/kernels/optimizer.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/simd.h"

#ifndef ATHANOR_RUNTIME_KERNELS_SGD_ARGS_
#define ATHANOR_RUNTIME_KERNELS_SGD_ARGS_
namespace athanor {
namespace sgd {

struct Args {
  const float* param = nullptr;
  const float* grad = nullptr;
  const float* buffer = nullptr;  // null without momentum
  float* param_out = nullptr;
  float* buffer_out = nullptr;
  float lr = 0, momentum = 0, grad_share = 1, weight_decay = 0;  // grad_share: 1 - dampening
  bool nesterov = false;
};

}  // namespace sgd
}  // namespace athanor
#endif  // ATHANOR_RUNTIME_KERNELS_SGD_ARGS_

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kMomentum, bool kNesterov>
void SgdVector(const sgd::Args& a, const float* param, const float* grad, const float* buffer, float* param_out,
               float* buffer_out) {
  const hn::ScalableTag<float> d;
  const auto p = hn::LoadU(d, param);
  auto g = hn::MulAdd(hn::Set(d, a.weight_decay), p, hn::LoadU(d, grad));
  if constexpr (kMomentum) {
    const auto momentum = hn::Set(d, a.momentum);
    const auto b = hn::MulAdd(hn::Set(d, a.grad_share), g, hn::Mul(momentum, hn::LoadU(d, buffer)));
    hn::StoreU(b, d, buffer_out);
    g = kNesterov ? hn::MulAdd(momentum, b, g) : b;
  }
  hn::StoreU(hn::NegMulAdd(hn::Set(d, a.lr), g, p), d, param_out);
}

template <bool kMomentum, bool kNesterov>
void SgdLoop(const sgd::Args& a, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    SgdVector<kMomentum, kNesterov>(a, a.param + i, a.grad + i, kMomentum ? a.buffer + i : nullptr, a.param_out + i,
                                    kMomentum ? a.buffer_out + i : nullptr);
  }
  if (i == end) return;
  // The rest goes through a full vector, so that every element is rounded alike.
  HWY_ALIGN float param[hn::MaxLanes(d)] = {}, grad[hn::MaxLanes(d)] = {}, buffer[hn::MaxLanes(d)] = {};
  const int64_t rest = end - i;
  std::copy_n(a.param + i, rest, param);
  std::copy_n(a.grad + i, rest, grad);
  if constexpr (kMomentum) std::copy_n(a.buffer + i, rest, buffer);
  SgdVector<kMomentum, kNesterov>(a, param, grad, buffer, param, buffer);
  std::copy_n(param, rest, a.param_out + i);
  if constexpr (kMomentum) std::copy_n(buffer, rest, a.buffer_out + i);
}

void SgdRange(const sgd::Args& a, int64_t begin, int64_t end) {
  if (a.buffer == nullptr) return SgdLoop<false, false>(a, begin, end);
  if (a.nesterov) return SgdLoop<true, true>(a, begin, end);
  SgdLoop<true, false>(a, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(SgdRange);

struct Hyper {
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;
};

absl::StatusOr<Hyper> ReadHyperParameters(const CallSpec& spec) {
  Hyper h;
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "momentum", 0, 1, &h.momentum));
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "dampening", 0, 1, &h.dampening));
  ATH_RETURN_IF_ERROR(ReadHyper(spec, "weight_decay", 0, std::numeric_limits<float>::max(), &h.weight_decay));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "nesterov", &h.nesterov));
  return h;
}

bool HasBuffer(const Hyper& h) { return h.momentum != 0; }
bool HasStep(const Hyper& h) { return HasBuffer(h) && h.dampening != 0; }

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Hyper h, ReadHyperParameters(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, OptimizerInfo(spec, HasBuffer(h) ? 3 : 2, HasStep(h), "ours:simd"));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(spec.inputs[0].dims));
  info.flops = static_cast<double>(elements) * (HasBuffer(h) ? 6 : 4);
  return info;
}

class SgdKernel final : public Kernel {
 public:
  SgdKernel(const CallSpec& spec, const Hyper& hyper, int64_t elements)
      : name_(spec.name), hyper_(hyper), elements_(elements), threads_(spec.threads) {
    args_.momentum = static_cast<float>(hyper.momentum);
    args_.weight_decay = static_cast<float>(hyper.weight_decay);
    args_.nesterov = hyper.nesterov;
  }

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    size_t scalars = 2;
    args_.param = static_cast<const float*>(inputs[0]);
    args_.grad = static_cast<const float*>(inputs[1]);
    args_.param_out = static_cast<float*>(outputs[0]);
    if (HasBuffer(hyper_)) {
      args_.buffer = static_cast<const float*>(inputs[scalars++]);
      args_.buffer_out = static_cast<float*>(outputs[1]);
    }
    lr_ = static_cast<const float*>(inputs[scalars++]);
    if (HasStep(hyper_)) step_ = static_cast<const int64_t*>(inputs[scalars]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLr(name_, *lr_));
    args_.lr = *lr_;
    if (HasStep(hyper_)) {
      ATH_RETURN_IF_ERROR(CheckStep(name_, *step_));
      args_.grad_share = *step_ == 1 ? 1.0f : static_cast<float>(1 - hyper_.dampening);
    }
    ParallelRanges(elements_, 16, HasBuffer(hyper_) ? 20 : 12, threads_,
                   [this](int64_t begin, int64_t end) { HWY_DYNAMIC_DISPATCH(SgdRange)(args_, begin, end); });
    return absl::OkStatus();
  }

 private:
  const std::string name_;
  const Hyper hyper_;
  const int64_t elements_;
  const int threads_;
  sgd::Args args_;
  const float* lr_ = nullptr;
  const int64_t* step_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Hyper hyper, ReadHyperParameters(spec));
  ATH_ASSIGN_OR_RETURN(int64_t elements, PaddedElements(spec.inputs[0]));
  return std::make_unique<SgdKernel>(spec, hyper, elements);
}

// The pair of the momentum buffer is of no call without one: its input 2 is then lr.
ATH_REGISTER_KERNEL((KernelDef{"sgd", &Query, &Create, {{0, 0}, {1, 2}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
