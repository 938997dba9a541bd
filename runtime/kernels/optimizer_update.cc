// One step of an optimizer over any number of parameters, in one pass over memory (LAMB: two).
//   optimizer_update  (param, grad, slots...; the same of the other groups; lr[, step][, grad_scale])
//                     -> (param, slots...; the same of the other groups)
//   attrs: groups (int), algorithm ("sgd", "adam", ...: optimizer_step.cc), grad_scale (bool: given), weight_decay,
//          decoupled_weight_decay (bool), clip_value (0: none), lr_scale, and the algorithm's own
// Tensors are f32 and updated over the whole buffer, the zero padding of blocked layouts included. Slots start as zeros.
// lr is f32 [], step s64 [] (1 in the first step; where the algorithm depends on it), grad_scale f32 []. Nothing is
// written when one of them is bad.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/optimizer_update.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "runtime/kernels/optimizer_rules-inl.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/tensor_chunks.h"
#include "runtime/onednn/library.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

void UpdateChunk(UpdateRule rule, const UpdateConstants& k, const UpdateTensor& t, int64_t begin, int64_t end) {
  switch (rule) {
    case UpdateRule::kSgd:
      return RunRule<SgdRule>(k, t, begin, end);
    case UpdateRule::kSgdMomentum:
      return RunRule<MomentumRule<false>>(k, t, begin, end);
    case UpdateRule::kSgdNesterov:
      return RunRule<MomentumRule<true>>(k, t, begin, end);
    case UpdateRule::kAdaGrad:
      return RunRule<AdaGradRule>(k, t, begin, end);
    case UpdateRule::kRmsProp:
      return RunRule<RmsPropRule<false, false>>(k, t, begin, end);
    case UpdateRule::kRmsPropMomentum:
      return RunRule<RmsPropRule<false, true>>(k, t, begin, end);
    case UpdateRule::kRmsPropCentered:
      return RunRule<RmsPropRule<true, false>>(k, t, begin, end);
    case UpdateRule::kRmsPropCenteredMomentum:
      return RunRule<RmsPropRule<true, true>>(k, t, begin, end);
    case UpdateRule::kAdam:
      return RunRule<AdamRule<false>>(k, t, begin, end);
    case UpdateRule::kAdamAmsgrad:
      return RunRule<AdamRule<true>>(k, t, begin, end);
    case UpdateRule::kAdaDelta:
      return RunRule<AdaDeltaRule>(k, t, begin, end);
    case UpdateRule::kAdamax:
      return RunRule<AdamaxRule>(k, t, begin, end);
    case UpdateRule::kNAdam:
      return RunRule<NAdamRule>(k, t, begin, end);
    case UpdateRule::kLion:
      return RunRule<LionRule>(k, t, begin, end);
    case UpdateRule::kLamb: {  // its second pass: it takes the slots as the first left them
      UpdateTensor after = t;
      std::copy_n(t.slots_out, kMaxSlots, after.slots);
      return RunPass<LambParameters>(k, after, begin, end, nullptr);
    }
  }
}

// The sums of squares of the parameter and of the direction.
void LambMomentsChunk(const UpdateConstants& k, const UpdateTensor& t, int64_t begin, int64_t end, double* squares) {
  SquareSum sums[2];
  RunPass<LambMoments>(k, t, begin, end, sums);
  for (int i : {0, 1}) squares[i] = sums[i].Total();
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(UpdateChunk);
HWY_EXPORT(LambMomentsChunk);

// What the attributes say of a call.
struct Update {
  const UpdateAlgorithm* algorithm = nullptr;
  UpdateHyper hyper;
  UpdateRule rule = UpdateRule::kSgd;
  int slots = 0;
  int64_t groups = 1;
  bool has_step = false, has_grad_scale = false;

  size_t inputs_per_group() const { return 2 + static_cast<size_t>(slots); }
  size_t outputs_per_group() const { return 1 + static_cast<size_t>(slots); }
  size_t shared() const { return 1u + has_step + has_grad_scale; }
};

absl::StatusOr<Update> ReadUpdate(const CallSpec& spec) {
  Update u;
  ATH_ASSIGN_OR_RETURN(u.algorithm, FindUpdateAlgorithm(spec));
  ATH_ASSIGN_OR_RETURN(u.hyper, ReadUpdateHyper(spec, *u.algorithm));
  u.rule = u.algorithm->rule(u.hyper);
  u.slots = NumSlots(u.rule);
  u.has_step = u.algorithm->uses_step(u.hyper);
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "grad_scale", &u.has_grad_scale));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "groups", &u.groups));
  if (u.groups < 1 || u.groups > static_cast<int64_t>(spec.inputs.size())) {
    return CallError(spec, "has %d groups in %d inputs", u.groups, spec.inputs.size());
  }
  const size_t groups = static_cast<size_t>(u.groups);
  ATH_RETURN_IF_ERROR(CheckOperands(spec, groups * u.inputs_per_group() + u.shared(), groups * u.outputs_per_group()));
  return u;
}

absl::Status CheckDesc(const CallSpec& spec, const char* what, size_t i, const MemoryDesc& d, DType dtype,
                       const MemoryDesc& param) {
  if (d.dtype == dtype && d.dims == param.dims) return absl::OkStatus();
  return CallError(spec, "%s %d is %s; its parameter is %s", what, i, d.ToString(), param.ToString());
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Update u, ReadUpdate(spec));
  KernelInfo info;
  std::vector<int64_t> sizes;
  for (size_t group = 0; group < static_cast<size_t>(u.groups); ++group) {
    MemoryDesc param = spec.inputs[group * u.inputs_per_group()];
    if (param.any()) param.layout = MemoryDesc::PlainLayout(param.dims.size());
    for (size_t i = group * u.inputs_per_group(); i < (group + 1) * u.inputs_per_group(); ++i) {
      ATH_RETURN_IF_ERROR(CheckDesc(spec, "input", i, spec.inputs[i], DType::kF32, param));
      info.inputs.push_back(param);
    }
    for (size_t i = group * u.outputs_per_group(); i < (group + 1) * u.outputs_per_group(); ++i) {
      ATH_RETURN_IF_ERROR(CheckDesc(spec, "output", i, spec.outputs[i], DType::kF32, param));
      info.outputs.push_back(param);
    }
    ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(param));
    sizes.push_back(bytes / static_cast<int64_t>(sizeof(float)));
    info.flops += static_cast<double>(sizes.back()) * FlopsPerElement(u.rule);
  }
  const size_t lr = info.inputs.size();
  for (size_t i = lr; i < spec.inputs.size(); ++i) {
    const MemoryDesc& d = spec.inputs[i];
    const bool is_step = u.has_step && i == lr + 1;
    if (d.dtype != (is_step ? DType::kS64 : DType::kF32) || !d.dims.empty()) {
      return CallError(spec, "input %d is %s, expected a scalar of %s", i, d.ToString(), is_step ? "s64" : "f32");
    }
    info.inputs.push_back(MemoryDesc::Plain(d.dtype, {}));
  }
  if (u.rule == UpdateRule::kLamb) {  // two sums a chunk
    info.scratch_bytes = NumChunks(sizes) * static_cast<int64_t>(2 * sizeof(double));
  }
  info.impl = "ours:simd";
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  return info;
}

class OptimizerUpdateKernel final : public Kernel {
 public:
  OptimizerUpdateKernel(const CallSpec& spec, const Update& update, const std::vector<int64_t>& sizes)
      : name_(spec.name), update_(update), threads_(spec.threads), chunks_(MakeChunks(sizes)),
        tensors_(sizes.size()), constants_(update.rule == UpdateRule::kLamb ? sizes.size() : 1) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    auto in = inputs.begin();
    auto out = outputs.begin();
    for (UpdateTensor& t : tensors_) {
      t.param = static_cast<const float*>(*in++);
      t.grad = static_cast<const float*>(*in++);
      t.param_out = static_cast<float*>(*out++);
      for (int s = 0; s < update_.slots; ++s) {
        t.slots[s] = static_cast<const float*>(*in++);
        t.slots_out[s] = static_cast<float*>(*out++);
      }
    }
    lr_ = static_cast<const float*>(*in++);
    if (update_.has_step) step_ = static_cast<const int64_t*>(*in++);
    if (update_.has_grad_scale) grad_scale_ = static_cast<const float*>(*in++);
    squares_ = static_cast<double*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(CheckLr(name_, *lr_));
    if (step_ != nullptr) ATH_RETURN_IF_ERROR(CheckStep(name_, *step_));
    if (grad_scale_ != nullptr) ATH_RETURN_IF_ERROR(CheckGradScale(name_, *grad_scale_));
    constants_[0] = PrepareStep(*update_.algorithm, update_.hyper, *lr_, step_ == nullptr ? 1 : *step_,
                                grad_scale_ == nullptr ? 1.0f : *grad_scale_);
    if (update_.rule == UpdateRule::kLamb) RunLambMoments();
    const bool shared = constants_.size() == 1;
    ParallelChunks(chunks_, (3 + 2 * update_.slots) * sizeof(float), threads_,
                   [&](int64_t, const TensorChunk& c) {
                     HWY_DYNAMIC_DISPATCH(UpdateChunk)
                     (update_.rule, constants_[shared ? 0 : c.tensor], tensors_[c.tensor], c.begin, c.end);
                   });
    return absl::OkStatus();
  }

 private:
  // Updates the slots, then gives each tensor constants of its own: the step is as long as the parameter, by norm.
  void RunLambMoments() {
    ParallelChunks(chunks_, 6 * sizeof(float), threads_, [&](int64_t i, const TensorChunk& c) {
      HWY_DYNAMIC_DISPATCH(LambMomentsChunk)(constants_[0], tensors_[c.tensor], c.begin, c.end, squares_ + 2 * i);
    });
    const UpdateConstants base = constants_[0];
    size_t i = 0;
    for (size_t t = 0; t < tensors_.size(); ++t) {
      double param = 0, direction = 0;
      for (; i < chunks_.size() && chunks_[i].tensor == static_cast<int>(t); ++i) {
        param += squares_[2 * i];
        direction += squares_[2 * i + 1];
      }
      const double trust = param > 0 && direction > 0 ? std::sqrt(param / direction) : 1;
      constants_[t] = base;
      constants_[t].step_size = static_cast<float>(base.step_size * trust);
    }
  }

  const std::string name_;
  const Update update_;
  const int threads_;
  const std::vector<TensorChunk> chunks_;
  std::vector<UpdateTensor> tensors_;
  std::vector<UpdateConstants> constants_;  // one for all tensors, or (LAMB) one each
  const float* lr_ = nullptr;
  const int64_t* step_ = nullptr;
  const float* grad_scale_ = nullptr;
  double* squares_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Update update, ReadUpdate(spec));
  std::vector<int64_t> sizes;
  for (size_t group = 0; group < static_cast<size_t>(update.groups); ++group) {
    ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(spec.inputs[group * update.inputs_per_group()]));
    sizes.push_back(bytes / static_cast<int64_t>(sizeof(float)));
  }
  return std::make_unique<OptimizerUpdateKernel>(spec, update, sizes);
}

// The number of groups that a call can have; 0 for a damaged one.
int64_t GroupsOf(const Attributes& attrs, int outputs) {
  const AttrValue* v = attrs.Find("groups");
  const int64_t* groups = v == nullptr ? nullptr : std::get_if<int64_t>(v);
  return groups != nullptr && *groups >= 1 && *groups <= outputs && outputs % *groups == 0 ? *groups : 0;
}

// Parameters and slots; an input group is an output group and the gradient in second place.
std::vector<std::pair<int, int>> InPlacePairs(const Attributes& attrs, int inputs, int outputs) {
  const int groups = static_cast<int>(GroupsOf(attrs, outputs));
  if (groups == 0) return {};
  const int size = outputs / groups;
  std::vector<std::pair<int, int>> pairs;
  for (int k = 0; k < outputs; ++k) {
    const int group = k / size, place = k % size;
    const int j = group * (size + 1) + (place == 0 ? 0 : place + 1);
    if (j < inputs) pairs.emplace_back(k, j);
  }
  return pairs;
}

// Of a call that is not damaged: it comes from an operator's lowering.
int GroupInputs(const Attributes& attrs) {
  CallSpec spec;
  spec.attrs = attrs;
  auto algorithm = FindUpdateAlgorithm(spec);
  ATH_CHECK_OK(algorithm.status());
  auto hyper = ReadUpdateHyper(spec, **algorithm);
  ATH_CHECK_OK(hyper.status());
  return 2 + NumSlots((*algorithm)->rule(*hyper));
}

ATH_REGISTER_KERNEL((KernelDef{"optimizer_update", &Query, &Create, {}, &InPlacePairs, &GroupInputs}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
