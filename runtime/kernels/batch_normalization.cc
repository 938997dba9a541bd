// oneDNN's batch normalization of x[N,C], x[N,C,H,W] or another of rank up to 5, over all dimensions but C; everything
// else is [C].
//   batch_normalization            (x, scale, shift, running_mean, running_var)
//                                    -> (y, next_mean, next_var, saved_mean, saved_var[, workspace])
//       y = scale (x - mean) / sqrt(var + epsilon) + shift by the batch's mean and biased variance, which are saved;
//       next = (1 - momentum) running + momentum batch, with the unbiased variance (as PyTorch does).
//       attrs: epsilon, momentum, fuse_relu (y is rectified, and the workspace remembers where)
//   batch_normalization_inference  (x, scale, shift, mean, var) -> y    attrs: epsilon; takes ReLU as post-op
//   batch_normalization_backward   (dy, x, scale, mean, var[, workspace]) -> (dx, dscale, dshift)
//       attrs: epsilon, fuse_relu, training (false: mean and var are constants, not the batch's)
// The workspace has the size that oneDNN asks for: query answers with its own dims, whatever it is given.
#include <algorithm>
#include <optional>

#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::batch_normalization_backward;
using dnnl::batch_normalization_forward;
using Flags = dnnl::normalization_flags;
using ForwardDesc = batch_normalization_forward::primitive_desc;
using BackwardDesc = batch_normalization_backward::primitive_desc;

enum class Mode { kTraining, kInference, kBackward };

struct Problem {
  Mode mode;
  MemoryDesc x;
  double epsilon = 0, momentum = 0;
  bool fuse_relu = false;
  bool batch_statistics = true;  // or given ones
  int64_t count = 0;             // elements a channel

  Flags flags() const {
    Flags f = Flags::use_scale | Flags::use_shift;
    if (fuse_relu) f |= Flags::fuse_norm_relu;
    if (!batch_statistics) f |= Flags::use_global_stats;
    return f;
  }
  size_t num_inputs() const { return mode == Mode::kBackward && fuse_relu ? 6 : 5; }
  size_t num_outputs() const { return mode == Mode::kInference ? 1 : mode == Mode::kBackward ? 3 : fuse_relu ? 6 : 5; }
};

absl::Status ReadAttrs(const CallSpec& spec, Problem* p) {
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "epsilon", &p->epsilon));
  if (!(p->epsilon > 0 && p->epsilon < 1e30)) return CallError(spec, "epsilon = %g is not positive", p->epsilon);
  if (p->mode != Mode::kInference) ATH_RETURN_IF_ERROR(ReadAttr(spec, "fuse_relu", &p->fuse_relu));
  if (p->mode == Mode::kBackward) ATH_RETURN_IF_ERROR(ReadAttr(spec, "training", &p->batch_statistics));
  if (p->mode == Mode::kInference) p->batch_statistics = false;
  if (p->mode != Mode::kTraining) return absl::OkStatus();
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "momentum", &p->momentum));
  if (!(p->momentum >= 0 && p->momentum <= 1)) return CallError(spec, "momentum = %g is not in [0, 1]", p->momentum);
  return absl::OkStatus();
}

// Inputs 1 to 4 but x, and outputs from `first` on, are [C].
absl::Status CheckShapes(const CallSpec& spec, Problem* p) {
  const size_t x_input = p->mode == Mode::kBackward ? 1 : 0;
  p->x = spec.inputs[x_input];
  const Shape& dims = p->x.dims;
  if (dims.size() < 2 || dims.size() > 5) return CallError(spec, "x is %s, expected rank 2 to 5", p->x.ToString());
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", p->x, dims));
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(dims));
  p->count = elements / dims[1];
  if (p->mode == Mode::kTraining && p->count < 2) {
    return CallError(spec, "x %s has one element a channel: it has no variance", p->x.ToString());
  }
  for (size_t i = 1; i < 5; ++i) {
    if (i != x_input) ATH_RETURN_IF_ERROR(CheckOperand(spec, "a channel operand", spec.inputs[i], {dims[1]}));
  }
  if (p->mode == Mode::kBackward) ATH_RETURN_IF_ERROR(CheckOperand(spec, "dy", spec.inputs[0], dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "output 0", spec.outputs[0], dims));
  for (size_t i = 1; i < std::min<size_t>(spec.outputs.size(), 5); ++i) {
    ATH_RETURN_IF_ERROR(CheckOperand(spec, "a channel result", spec.outputs[i], {dims[1]}));
  }
  return absl::OkStatus();
}

absl::StatusOr<Problem> Read(const CallSpec& spec) {
  Problem p;
  p.mode = spec.kernel == "batch_normalization_inference"  ? Mode::kInference
           : spec.kernel == "batch_normalization_backward" ? Mode::kBackward
                                                           : Mode::kTraining;
  ATH_RETURN_IF_ERROR(ReadAttrs(spec, &p));
  ATH_RETURN_IF_ERROR(CheckOperandCounts(spec, p.num_inputs(), p.num_outputs()));
  if (!spec.post_ops.empty() && p.mode != Mode::kInference) return CallError(spec, "takes no post-ops");
  ATH_RETURN_IF_ERROR(CheckShapes(spec, &p));
  return p;
}

ForwardDesc MakeForward(const Problem& p, const MemoryDesc& x, const dnnl::primitive_attr& attr) {
  auto kind = p.mode == Mode::kInference ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
  auto md = ToDnnl(x);
  return ForwardDesc(CpuEngine(), kind, md, md, static_cast<float>(p.epsilon), p.flags(), attr, /*allow_empty=*/true);
}

BackwardDesc MakeBackward(const Problem& p, const MemoryDesc& x, const dnnl::primitive_attr& attr) {
  auto md = ToDnnl(x);
  ForwardDesc hint = MakeForward(p, x, attr);
  return BackwardDesc(CpuEngine(), dnnl::prop_kind::backward, md, md, md, static_cast<float>(p.epsilon), p.flags(),
                      hint, attr, /*allow_empty=*/true);
}

// 2: oneDNN's vector code; 1: its loops, some ten times slower; 0: its reference, a thousand times slower.
int Grade(const std::string& impl) { return impl.starts_with("bnorm_") ? 2 : IsReferenceImpl(impl) ? 0 : 1; }

int GradeOf(const Problem& p, const MemoryDesc& x, const dnnl::primitive_attr& attr) {
  auto forward = MakeForward(p, x, attr);
  if (!forward) return -1;
  int grade = Grade(forward.impl_info_str());
  if (p.mode == Mode::kInference) return grade;
  auto backward = MakeBackward(p, x, attr);
  return backward ? std::min(grade, Grade(backward.impl_info_str())) : -1;
}

// Given x as it lies, the forward and the backward call choose the same layout, as the workspace demands: it depends on
// nothing else. x stays as it is if oneDNN has vector code for that; a reorder costs less than its other loops.
absl::StatusOr<MemoryDesc> ChooseLayout(const CallSpec& spec, const Problem& p, const dnnl::primitive_attr& attr) {
  const std::string plain = MemoryDesc::PlainLayout(p.x.dims.size()), area = plain.substr(2);
  std::vector<std::string> layouts = {p.x.layout};
  if (p.x.any()) layouts.clear();
  if (!area.empty()) layouts.insert(layouts.end(), {"aB" + area + "16b", "aB" + area + "8b", "a" + area + "b"});
  layouts.push_back(plain);
  std::optional<MemoryDesc> best;
  int best_grade = -1;
  for (const std::string& layout : layouts) {
    MemoryDesc x = p.x;
    x.layout = layout;
    int grade = GradeOf(p, x, attr);
    if (grade > best_grade) best_grade = grade, best = x;
    if (grade == 2) break;
  }
  if (!best) return CallError(spec, "oneDNN cannot normalize %s", p.x.ToString());
  return *best;
}

absl::StatusOr<MemoryDesc> WorkspaceDesc(const Problem& p, const MemoryDesc& x) {
  return FromDnnl(MakeForward(p, x, dnnl::primitive_attr()).workspace_desc());
}

absl::StatusOr<dnnl::primitive_attr> Attr(const CallSpec& spec, const Problem& p) {
  for (const PostOp& post : spec.post_ops) {
    if (post.op != "ReLU" || spec.post_ops.size() > 1)
      return CallError(spec, "takes one ReLU as post-op, not %s", post.op);
  }
  return MakeAttr(spec, p.x.dims.size(), nullptr);
}

absl::StatusOr<KernelInfo> QueryInDnnl(const CallSpec& spec, const Problem& p) {
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, Attr(spec, p));
  ATH_ASSIGN_OR_RETURN(MemoryDesc x, ChooseLayout(spec, p, attr));
  KernelInfo info;
  auto channel = MemoryDesc::Plain(DType::kF32, {p.x.dims[1]});
  info.inputs.assign(5, channel);
  info.inputs[0] = x;
  if (p.mode == Mode::kBackward) info.inputs[1] = x;
  info.outputs.assign(p.mode == Mode::kInference ? 1 : p.mode == Mode::kBackward ? 3 : 5, channel);
  info.outputs[0] = x;
  if (p.fuse_relu) {
    ATH_ASSIGN_OR_RETURN(MemoryDesc workspace, WorkspaceDesc(p, x));
    (p.mode == Mode::kBackward ? info.inputs : info.outputs).push_back(workspace);
  }
  if (p.mode == Mode::kBackward) {
    DescribePrimitive(MakeBackward(p, x, attr), &info);
  } else {
    DescribePrimitive(MakeForward(p, x, attr), &info);
  }
  double elements = static_cast<double>(p.count) * static_cast<double>(p.x.dims[1]);
  info.flops = elements * (p.mode == Mode::kInference ? 2 : p.mode == Mode::kTraining ? 7 : 9);
  ATH_ASSIGN_OR_RETURN(info.bytes, TrafficBytes(info));
  return info;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Problem p, Read(spec));
  absl::StatusOr<KernelInfo> info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    info = QueryInDnnl(spec, p);
    return info.status();
  });
  if (!status.ok()) return status;
  return info;
}

// The primitive, then the running statistics from those it saved.
class TrainingKernel final : public Kernel {
 public:
  TrainingKernel(dnnl::primitive primitive, std::vector<PrimitiveArg> args, const Problem& p)
      : normalize_(std::move(primitive), std::move(args)),
        channels_(p.x.dims[1]),
        keep_(static_cast<float>(1 - p.momentum)),
        take_mean_(static_cast<float>(p.momentum)),
        take_var_(static_cast<float>(p.momentum * static_cast<double>(p.count) / static_cast<double>(p.count - 1))) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    for (int i : {0, 1}) {
      running_[i] = static_cast<const float*>(inputs[3 + i]);
      next_[i] = static_cast<float*>(outputs[1 + i]);
      batch_[i] = static_cast<const float*>(outputs[3 + i]);
    }
    return normalize_.Bind(inputs, outputs, scratch);
  }

  absl::Status Run() override {
    ATH_RETURN_IF_ERROR(normalize_.Run());
    for (int64_t c = 0; c < channels_; ++c) {
      next_[0][c] = keep_ * running_[0][c] + take_mean_ * batch_[0][c];
      next_[1][c] = keep_ * running_[1][c] + take_var_ * batch_[1][c];
    }
    return absl::OkStatus();
  }

 private:
  PrimitiveKernel normalize_;
  const int64_t channels_;
  const float keep_, take_mean_, take_var_;
  const float* running_[2] = {};
  const float* batch_[2] = {};
  float* next_[2] = {};
};

absl::StatusOr<std::unique_ptr<Kernel>> MakeForwardKernel(const CallSpec& spec, const Problem& p) {
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, Attr(spec, p));
  ForwardDesc pd = MakeForward(p, p.x, attr);
  const auto x = ToDnnl(p.x), channel = PlainDnnl(DType::kF32, {p.x.dims[1]});
  const bool training = p.mode == Mode::kTraining;
  const auto statistics = training ? PrimitiveArg::kOutput : PrimitiveArg::kInput;
  std::vector<PrimitiveArg> args = {{DNNL_ARG_SRC, PrimitiveArg::kInput, 0, x},
                                    {DNNL_ARG_SCALE, PrimitiveArg::kInput, 1, channel},
                                    {DNNL_ARG_SHIFT, PrimitiveArg::kInput, 2, channel},
                                    {DNNL_ARG_MEAN, statistics, 3, channel},
                                    {DNNL_ARG_VARIANCE, statistics, 4, channel},
                                    {DNNL_ARG_DST, PrimitiveArg::kOutput, 0, x},
                                    {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
  if (p.fuse_relu) args.push_back({DNNL_ARG_WORKSPACE, PrimitiveArg::kOutput, 5, pd.workspace_desc()});
  batch_normalization_forward primitive(pd);
  if (training) return std::make_unique<TrainingKernel>(std::move(primitive), std::move(args), p);
  return std::make_unique<PrimitiveKernel>(std::move(primitive), std::move(args));
}

absl::StatusOr<std::unique_ptr<Kernel>> MakeBackwardKernel(const CallSpec& spec, const Problem& p) {
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, Attr(spec, p));
  BackwardDesc pd = MakeBackward(p, p.x, attr);
  const auto x = ToDnnl(p.x), channel = PlainDnnl(DType::kF32, {p.x.dims[1]});
  std::vector<PrimitiveArg> args = {{DNNL_ARG_DIFF_DST, PrimitiveArg::kInput, 0, x},
                                    {DNNL_ARG_SRC, PrimitiveArg::kInput, 1, x},
                                    {DNNL_ARG_SCALE, PrimitiveArg::kInput, 2, channel},
                                    {DNNL_ARG_MEAN, PrimitiveArg::kInput, 3, channel},
                                    {DNNL_ARG_VARIANCE, PrimitiveArg::kInput, 4, channel},
                                    {DNNL_ARG_DIFF_SRC, PrimitiveArg::kOutput, 0, x},
                                    {DNNL_ARG_DIFF_SCALE, PrimitiveArg::kOutput, 1, channel},
                                    {DNNL_ARG_DIFF_SHIFT, PrimitiveArg::kOutput, 2, channel},
                                    {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
  if (p.fuse_relu) args.push_back({DNNL_ARG_WORKSPACE, PrimitiveArg::kInput, 5, pd.workspace_desc()});
  return std::make_unique<PrimitiveKernel>(batch_normalization_backward(pd), std::move(args));
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Problem p, Read(spec));
  absl::StatusOr<std::unique_ptr<Kernel>> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    kernel = p.mode == Mode::kBackward ? MakeBackwardKernel(spec, p) : MakeForwardKernel(spec, p);
    return kernel.status();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"batch_normalization", &Query, &Create, {{1, 3}, {2, 4}}}));
ATH_REGISTER_KERNEL((KernelDef{"batch_normalization_inference", &Query, &Create, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"batch_normalization_backward", &Query, &Create, {{0, 0}}}));

}  // namespace
}  // namespace athanor
