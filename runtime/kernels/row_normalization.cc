// Normalisation of rows by their own statistics, row-major f32: what LayerNorm, RMSNorm, GroupNorm and InstanceNorm do.
//   row_normalization           (x[, scale][, bias]) -> y
//   row_normalization_backward  (dy, x[, scale]) -> (dx[, dscale][, dbias])
// x is seen as [samples, groups, channels, area]; a row is what one sample and one group hold, and scale and bias have
// one element a group and channel, whatever the operands' shapes are.
//       y = scale (x - mean) / sqrt(var + epsilon) + bias      mean = 0 and var = mean(x^2) where center is false
//       with x_hat = (x - mean) / sqrt(var + epsilon), g = dy scale:
//       dx = (g - mean(g) - x_hat mean(g x_hat)) / sqrt(var + epsilon)    dscale = sum(dy x_hat)    dbias = sum(dy)
// attrs: groups, channels, area (ints), center (bool), epsilon, scale (bool: there is one); forward: bias (bool);
// backward: dscale, dbias (bools). The backward call makes the statistics again: it reads x anyhow, and a row is in the
// cache. The result does not depend on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/row_normalization.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/kernels/row_normalization-inl.h"
#include "runtime/kernels/simd.h"

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(NormalizeRows);
HWY_EXPORT(NormalizeBackwardSamples);
HWY_EXPORT(NormalizeBackwardRows);
HWY_EXPORT(AddUpPartials);

using row_normalization::Args;

bool IsBackward(const CallSpec& spec) { return spec.kernel == "row_normalization_backward"; }

// Which optional operands there are.
struct Options {
  bool scale = false, bias = false, dscale = false, dbias = false;
};

absl::Status ReadSizes(const CallSpec& spec, int64_t elements, Args* a) {
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "groups", &a->groups));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "channels", &a->channels));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "area", &a->area));
  int64_t rest = elements;
  for (int64_t size : {a->groups, a->channels, a->area}) {
    if (size < 1 || rest % size != 0) {
      return CallError(spec, "groups = %d, channels = %d, area = %d do not divide x of %d elements", a->groups,
                       a->channels, a->area, elements);
    }
    rest /= size;
  }
  a->samples = rest;
  return absl::OkStatus();
}

// As many elements as there are groups and channels.
absl::Status CheckAffine(const CallSpec& spec, const char* what, const MemoryDesc& desc, const Args& a) {
  ATH_RETURN_IF_ERROR(CheckOperand(spec, what, desc, desc.dims));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(desc.dims));
  if (elements == a.affine_size()) return absl::OkStatus();
  return CallError(spec, "%s is %s, expected %d elements", what, desc.ToString(), a.affine_size());
}

absl::Status ReadOptions(const CallSpec& spec, Options* o) {
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "scale", &o->scale));
  if (!IsBackward(spec)) return ReadAttr(spec, "bias", &o->bias);
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "dscale", &o->dscale));
  return ReadAttr(spec, "dbias", &o->dbias);
}

absl::StatusOr<Args> Read(const CallSpec& spec, Options* o) {
  ATH_RETURN_IF_ERROR(ReadOptions(spec, o));
  const size_t x = IsBackward(spec) ? 1 : 0;  // its place among the inputs
  ATH_RETURN_IF_ERROR(CheckOperands(spec, x + 1 + o->scale + o->bias, size_t{1} + o->dscale + o->dbias));
  const Shape& dims = spec.inputs[x].dims;
  for (size_t i = 0; i <= x; ++i) ATH_RETURN_IF_ERROR(CheckOperand(spec, "x or dy", spec.inputs[i], dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "the result", spec.outputs[0], dims));
  Args a;
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(dims));
  ATH_RETURN_IF_ERROR(ReadSizes(spec, elements, &a));
  for (size_t i = x + 1; i < spec.inputs.size(); ++i) {
    ATH_RETURN_IF_ERROR(CheckAffine(spec, "scale or bias", spec.inputs[i], a));
  }
  for (size_t i = 1; i < spec.outputs.size(); ++i) {
    ATH_RETURN_IF_ERROR(CheckAffine(spec, "dscale or dbias", spec.outputs[i], a));
  }
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "center", &a.center));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "epsilon", &a.epsilon));
  if (!(a.epsilon > 0 && a.epsilon < 1e30)) return CallError(spec, "epsilon = %g is not positive", a.epsilon);
  return a;
}

// dscale and dbias are sums over samples. They are added up in parts of so many, whatever the number of threads: few
// enough for sums in float, many enough for the parts to cost little.
int64_t SamplesPerPart(const Args& a) {
  if (a.area > 1) return 1;
  if (a.samples < 32) return (a.samples + 1) / 2;
  return std::clamp<int64_t>((a.samples + 31) / 32, 16, 256);
}

int64_t NumParts(const Args& a) { return (a.samples + SamplesPerPart(a) - 1) / SamplesPerPart(a); }

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  Options o;
  ATH_ASSIGN_OR_RETURN(Args a, Read(spec, &o));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:simd"));
  info.flops = static_cast<double>(a.samples * a.affine_size() * a.area) * (IsBackward(spec) ? 20 : 9);
  if (IsBackward(spec) && (a.area > 1 || o.dscale || o.dbias)) {
    ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kF32, {NumParts(a), 2, a.affine_size()}));
  }
  return info;
}

class RowNormalizationKernel final : public Kernel {
 public:
  RowNormalizationKernel(const Args& args, const Options& options, int threads)
      : args_(args), options_(options), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    args_.x = static_cast<const float*>(inputs[0]);
    if (options_.scale) args_.scale = static_cast<const float*>(inputs[1]);
    if (options_.bias) args_.bias = static_cast<const float*>(inputs[options_.scale ? 2 : 1]);
    args_.result = static_cast<float*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelRanges(args_.samples * args_.groups, 1, args_.row_size() * 8, threads_, [this](int64_t begin, int64_t end) {
      HWY_DYNAMIC_DISPATCH(NormalizeRows)(args_, begin, end);
    });
    return absl::OkStatus();
  }

 private:
  Args args_;
  const Options options_;
  const int threads_;
};

class RowNormalizationBackwardKernel final : public Kernel {
 public:
  RowNormalizationBackwardKernel(const Args& args, const Options& options, int threads)
      : args_(args), options_(options), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    args_.dy = static_cast<const float*>(inputs[0]);
    args_.x = static_cast<const float*>(inputs[1]);
    if (options_.scale) args_.scale = static_cast<const float*>(inputs[2]);
    args_.result = static_cast<float*>(outputs[0]);
    if (options_.dscale) dscale_ = static_cast<float*>(outputs[1]);
    if (options_.dbias) dbias_ = static_cast<float*>(outputs[options_.dscale ? 2 : 1]);
    if (args_.area > 1 || options_.dscale || options_.dbias) args_.partials = static_cast<float*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t row_bytes = args_.row_size() * 12;
    if (args_.area > 1) {
      ParallelRanges(args_.samples * args_.groups, 1, row_bytes, threads_, [this](int64_t begin, int64_t end) {
        HWY_DYNAMIC_DISPATCH(NormalizeBackwardRows)(args_, begin, end);
      });
    } else {
      const int64_t per_part = SamplesPerPart(args_);
      ParallelRanges(NumParts(args_), 1, row_bytes * args_.groups * per_part, threads_,
                     [=, this](int64_t begin, int64_t end) {
                       for (int64_t part = begin; part < end; ++part) {
                         const int64_t first = part * per_part, last = std::min(args_.samples, first + per_part);
                         HWY_DYNAMIC_DISPATCH(NormalizeBackwardSamples)(args_, part, first, last);
                       }
                     });
    }
    AddUp(0, dscale_);
    AddUp(1, dbias_);
    return absl::OkStatus();
  }

 private:
  void AddUp(int which, float* sums) {
    if (sums == nullptr) return;
    const int64_t parts = NumParts(args_), size = args_.affine_size();
    ParallelRanges(size, 16, parts * 4, threads_, [=, this](int64_t begin, int64_t end) {
      const float* first = args_.partials + which * size;
      HWY_DYNAMIC_DISPATCH(AddUpPartials)(first + begin, parts, 2 * size, end - begin, sums + begin);
    });
  }

  Args args_;
  const Options options_;
  const int threads_;
  float* dscale_ = nullptr;
  float* dbias_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  Options options;
  ATH_ASSIGN_OR_RETURN(Args args, Read(spec, &options));
  if (IsBackward(spec)) return std::make_unique<RowNormalizationBackwardKernel>(args, options, spec.threads);
  return std::make_unique<RowNormalizationKernel>(args, options, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"row_normalization", &Query, &Create, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"row_normalization_backward", &Query, &Create, {{0, 0}, {0, 1}}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
