// What a training step keeps of its gradients and parameters from one run to the next, in one pass over memory each.
//   accumulate_gradient  (sum, grad; the same of the other groups; share) -> (sum; ...)         sum + share grad
//                        with last: -> (sum, total; ...)        total = sum + share grad, and sum is zero again
//                        attrs: groups (int), last (bool)
//   average_parameter    (average, param; the same of the other groups; step) -> (average; ...)
//                        d average + (1 - d) param; in step 1 it is param
//                        attrs: groups (int), decay in [0, 1), warmup (bool): d is at most (1 + step) / (10 + step)
// Tensors are f32, the padding of blocked layouts included. share is f32 [], step s64 [] (1 in the first step). Nothing is
// written when one of them is bad.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/running_tensors.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "runtime/kernels/optimizer_step.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/partial_vector-inl.h"
#include "runtime/kernels/simd.h"
#include "runtime/kernels/tensor_chunks.h"
#include "runtime/onednn/library.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// result = old_weight old + new_weight value; with `zeros`, which may be `old`, zeros go there.
void BlendChunk(const float* old, float old_weight, const float* value, float new_weight, float* result, float* zeros,
                int64_t n) {
  const FloatTag d;
  const FloatVec a = hn::Set(d, old_weight), b = hn::Set(d, new_weight), zero = hn::Zero(d);
  const int64_t lanes = FloatLanes();
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const FloatVec sum = hn::MulAdd(b, hn::LoadU(d, value + i), hn::Mul(a, hn::LoadU(d, old + i)));
    hn::StoreU(sum, d, result + i);
    if (zeros != nullptr) hn::StoreU(zero, d, zeros + i);
  }
  if (i == n) return;
  const FloatVec sum =
      hn::MulAdd(b, LoadPart(value + i, n - i, 0), hn::Mul(a, LoadPart(old + i, n - i, 0)));
  StorePart(sum, result + i, n - i);
  if (zeros != nullptr) StorePart(zero, zeros + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(BlendChunk);

constexpr int kGroupInputs = 2;

// What the attributes say of a call.
struct Blend {
  bool average = false;
  bool last = false;    // accumulate_gradient
  double decay = 0;     // average_parameter
  bool warmup = false;
  int64_t groups = 1;
  size_t outputs_per_group() const { return last ? 2 : 1; }
};

absl::StatusOr<Blend> ReadBlend(const CallSpec& spec) {
  Blend b;
  b.average = spec.kernel == "average_parameter";
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "groups", &b.groups));
  if (b.average) {
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "decay", &b.decay));
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "warmup", &b.warmup));
    if (!(b.decay >= 0 && b.decay < 1)) return CallError(spec, "attribute \"decay\" = %g is not in [0, 1)", b.decay);
  } else {
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "last", &b.last));
  }
  if (b.groups < 1 || b.groups > static_cast<int64_t>(spec.inputs.size())) {
    return CallError(spec, "has %d groups in %d inputs", b.groups, spec.inputs.size());
  }
  const size_t groups = static_cast<size_t>(b.groups);
  ATH_RETURN_IF_ERROR(CheckOperands(spec, groups * kGroupInputs + 1, groups * b.outputs_per_group()));
  return b;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Blend b, ReadBlend(spec));
  KernelInfo info;
  for (size_t group = 0; group < static_cast<size_t>(b.groups); ++group) {
    const MemoryDesc &state = spec.inputs[2 * group], &value = spec.inputs[2 * group + 1];
    MemoryDesc all = state.any() ? value : state;
    if (all.any()) all.layout = MemoryDesc::PlainLayout(all.dims.size());
    for (const MemoryDesc* d : {&state, &value}) {
      if (d->dtype != DType::kF32 || d->dims != all.dims) {
        return CallError(spec, "group %d has an operand %s, expected f32 like %s", group, d->ToString(), all.ToString());
      }
      info.inputs.push_back(all);
    }
    for (size_t i = group * b.outputs_per_group(); i < (group + 1) * b.outputs_per_group(); ++i) {
      const MemoryDesc& d = spec.outputs[i];
      if (d.dtype != DType::kF32 || d.dims != all.dims) {
        return CallError(spec, "output %d is %s, expected f32 like %s", i, d.ToString(), all.ToString());
      }
      info.outputs.push_back(all);
    }
  }
  const MemoryDesc& shared = spec.inputs.back();
  if (shared.dtype != (b.average ? DType::kS64 : DType::kF32) || !shared.dims.empty()) {
    return CallError(spec, "the last input is %s, expected a scalar of %s", shared.ToString(), b.average ? "s64" : "f32");
  }
  info.inputs.push_back(MemoryDesc::Plain(shared.dtype, {}));
  info.impl = "ours:simd";
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  info.flops = info.bytes / 4;
  return info;
}

class RunningTensorsKernel final : public Kernel {
 public:
  RunningTensorsKernel(const CallSpec& spec, const Blend& blend, const std::vector<int64_t>& sizes)
      : name_(spec.name), blend_(blend), threads_(spec.threads), chunks_(MakeChunks(sizes)), tensors_(sizes.size()) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    auto in = inputs.begin();
    auto out = outputs.begin();
    for (RunningTensor& t : tensors_) {
      t.old = static_cast<const float*>(*in++);
      t.value = static_cast<const float*>(*in++);
      float* state = static_cast<float*>(*out++);
      t.result = blend_.last ? static_cast<float*>(*out++) : state;
      t.zeros = blend_.last ? state : nullptr;
    }
    shared_ = *in;
    return absl::OkStatus();
  }

  absl::Status Run() override {
    float old_weight = 1, new_weight = 0;
    ATH_RETURN_IF_ERROR(blend_.average ? AverageWeights(&old_weight, &new_weight) : ReadShare(&new_weight));
    const int64_t traffic = static_cast<int64_t>((blend_.last ? 4 : 3) * sizeof(float));
    ParallelChunks(chunks_, traffic, threads_, [&](int64_t, const TensorChunk& c) {
      const RunningTensor& t = tensors_[c.tensor];
      HWY_DYNAMIC_DISPATCH(BlendChunk)
      (t.old + c.begin, old_weight, t.value + c.begin, new_weight, t.result + c.begin,
       t.zeros == nullptr ? nullptr : t.zeros + c.begin, c.end - c.begin);
    });
    return absl::OkStatus();
  }

 private:
  struct RunningTensor {
    const float* old = nullptr;
    const float* value = nullptr;
    float* result = nullptr;
    float* zeros = nullptr;
  };

  absl::Status ReadShare(float* share) const {
    *share = *static_cast<const float*>(shared_);
    if (*share >= 0 && std::isfinite(*share)) return absl::OkStatus();
    return MakeError(ErrorClass::kData, "node \"%s\": the share of this part in the whole batch is %g, expected a finite "
                     "number >= 0", name_, *share);
  }

  absl::Status AverageWeights(float* old_weight, float* new_weight) const {
    const int64_t step = *static_cast<const int64_t*>(shared_);
    ATH_RETURN_IF_ERROR(CheckStep(name_, step));
    double decay = blend_.decay;
    if (blend_.warmup) decay = std::min(decay, (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)));
    if (step == 1) decay = 0;
    *old_weight = static_cast<float>(decay);
    *new_weight = static_cast<float>(1 - decay);
    return absl::OkStatus();
  }

  const std::string name_;
  const Blend blend_;
  const int threads_;
  const std::vector<TensorChunk> chunks_;
  std::vector<RunningTensor> tensors_;
  const void* shared_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Blend blend, ReadBlend(spec));
  std::vector<int64_t> sizes;
  for (size_t group = 0; group < static_cast<size_t>(blend.groups); ++group) {
    ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(spec.inputs[group * kGroupInputs]));
    sizes.push_back(bytes / static_cast<int64_t>(sizeof(float)));
  }
  return std::make_unique<RunningTensorsKernel>(spec, blend, sizes);
}

// The state, and the gradient that the total may take the place of. None for a damaged call.
std::vector<std::pair<int, int>> InPlacePairs(const Attributes& attrs, int inputs, int outputs) {
  const AttrValue* v = attrs.Find("groups");
  const int64_t* groups = v == nullptr ? nullptr : std::get_if<int64_t>(v);
  if (groups == nullptr || *groups < 1 || *groups > outputs || outputs % *groups != 0) return {};
  const int size = outputs / static_cast<int>(*groups);
  std::vector<std::pair<int, int>> pairs;
  for (int k = 0; k < outputs; ++k) {
    const int place = k % size, j = k / size * kGroupInputs + place;
    if (place < kGroupInputs && j < inputs) pairs.emplace_back(k, j);
  }
  return pairs;
}

int GroupInputs(const Attributes&) { return kGroupInputs; }

ATH_REGISTER_KERNEL((KernelDef{"accumulate_gradient", &Query, &Create, {}, &InPlacePairs, &GroupInputs}));
ATH_REGISTER_KERNEL((KernelDef{"average_parameter", &Query, &Create, {}, &InPlacePairs, &GroupInputs}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
