// oneDNN's inner product: y = x w^T + b over all dimensions of x but the batch.
//   inner_product                   (x[N,K..], w[O,K..][, bias[O]]) -> y[N,O]      attrs: bias; takes post-ops
//   inner_product_backward_data     (dy[N,O], w[O,K..]) -> dx[N,K..]
//   inner_product_backward_weights  (x[N,K..], dy[N,O]) -> (dw[O,K..][, dbias[O]])  attrs: bias
// x has rank 2 to 5. The weights keep one layout in a whole training step, so the forward call asks for a blocked one
// only where oneDNN is optimised for the gradient of the weights in it too: for AVX2 it is not.
#include <optional>

#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::inner_product_backward_data;
using dnnl::inner_product_backward_weights;
using dnnl::inner_product_forward;

// The operands of any of the three by their part in the forward computation.
struct Operands {
  MemoryDesc x, w, y;
  std::optional<MemoryDesc> bias;
};

absl::Status CheckShapes(const CallSpec& spec, const Operands& o) {
  const size_t rank = o.x.dims.size();
  if (rank < 2 || rank > 5 || o.w.dims.size() != rank || o.y.dims.size() != 2) {
    return CallError(spec, "%s, %s and %s are not of rank 2 to 5, as x, and 2", o.x.ToString(), o.w.ToString(),
                     o.y.ToString());
  }
  Shape x_dims = o.w.dims;
  x_dims[0] = o.x.dims[0];
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", o.x, x_dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "w", o.w, o.w.dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", o.y, {o.x.dims[0], o.w.dims[0]}));
  return o.bias ? CheckOperand(spec, "bias", *o.bias, {o.w.dims[0]}) : absl::OkStatus();
}

// What the three kernels differ in.
struct Forward {
  using PrimitiveDesc = inner_product_forward::primitive_desc;
  using Primitive = inner_product_forward;
  static absl::StatusOr<Operands> Read(const CallSpec& spec) {
    bool bias = false;
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "bias", &bias));
    ATH_RETURN_IF_ERROR(CheckOperandCounts(spec, bias ? 3 : 2, 1));
    Operands o{spec.inputs[0], spec.inputs[1], spec.outputs[0], std::nullopt};
    if (bias) o.bias = spec.inputs[2];
    return o;
  }
  static void Write(const Operands& o, std::vector<MemoryDesc>* inputs, std::vector<MemoryDesc>* outputs) {
    (*inputs)[0] = o.x, (*inputs)[1] = o.w, (*outputs)[0] = o.y;
    if (o.bias) (*inputs)[2] = *o.bias;
  }
  static PrimitiveDesc Make(const Operands& o, const dnnl::primitive_attr& attr) {
    auto x = ToDnnl(o.x), w = ToDnnl(o.w), y = ToDnnl(o.y);
    constexpr auto kind = dnnl::prop_kind::forward_training;
    return o.bias ? PrimitiveDesc(CpuEngine(), kind, x, w, ToDnnl(*o.bias), y, attr, /*allow_empty=*/true)
                  : PrimitiveDesc(CpuEngine(), kind, x, w, y, attr, /*allow_empty=*/true);
  }
  static auto X(const PrimitiveDesc& pd) { return pd.src_desc(); }
  static auto W(const PrimitiveDesc& pd) { return pd.weights_desc(); }
  static std::vector<PrimitiveArg> Args(const Operands& o) {
    std::vector<PrimitiveArg> args = {{DNNL_ARG_SRC, PrimitiveArg::kInput, 0, ToDnnl(o.x)},
                                      {DNNL_ARG_WEIGHTS, PrimitiveArg::kInput, 1, ToDnnl(o.w)},
                                      {DNNL_ARG_DST, PrimitiveArg::kOutput, 0, ToDnnl(o.y)}};
    if (o.bias) args.push_back({DNNL_ARG_BIAS, PrimitiveArg::kInput, 2, ToDnnl(*o.bias)});
    return args;
  }
};

// A backward descriptor wants a forward one as a hint; only its shapes matter.
Forward::PrimitiveDesc Hint(const Operands& o) {
  Operands any = o;
  any.x.layout = any.w.layout = "";
  return Forward::Make(any, dnnl::primitive_attr());
}

struct BackwardData {
  using PrimitiveDesc = inner_product_backward_data::primitive_desc;
  using Primitive = inner_product_backward_data;
  static absl::StatusOr<Operands> Read(const CallSpec& spec) {
    ATH_RETURN_IF_ERROR(CheckOperands(spec, 2, 1));
    return Operands{spec.outputs[0], spec.inputs[1], spec.inputs[0], std::nullopt};
  }
  static void Write(const Operands& o, std::vector<MemoryDesc>* inputs, std::vector<MemoryDesc>* outputs) {
    (*inputs)[0] = o.y, (*inputs)[1] = o.w, (*outputs)[0] = o.x;
  }
  static PrimitiveDesc Make(const Operands& o, const dnnl::primitive_attr& attr) {
    return PrimitiveDesc(CpuEngine(), ToDnnl(o.x), ToDnnl(o.w), ToDnnl(o.y), Hint(o), attr, /*allow_empty=*/true);
  }
  static auto X(const PrimitiveDesc& pd) { return pd.diff_src_desc(); }
  static auto W(const PrimitiveDesc& pd) { return pd.weights_desc(); }
  static std::vector<PrimitiveArg> Args(const Operands& o) {
    return {{DNNL_ARG_DIFF_DST, PrimitiveArg::kInput, 0, ToDnnl(o.y)},
            {DNNL_ARG_WEIGHTS, PrimitiveArg::kInput, 1, ToDnnl(o.w)},
            {DNNL_ARG_DIFF_SRC, PrimitiveArg::kOutput, 0, ToDnnl(o.x)}};
  }
};

struct BackwardWeights {
  using PrimitiveDesc = inner_product_backward_weights::primitive_desc;
  using Primitive = inner_product_backward_weights;
  static absl::StatusOr<Operands> Read(const CallSpec& spec) {
    bool bias = false;
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "bias", &bias));
    ATH_RETURN_IF_ERROR(CheckOperands(spec, 2, bias ? 2 : 1));
    Operands o{spec.inputs[0], spec.outputs[0], spec.inputs[1], std::nullopt};
    if (bias) o.bias = spec.outputs[1];
    return o;
  }
  static void Write(const Operands& o, std::vector<MemoryDesc>* inputs, std::vector<MemoryDesc>* outputs) {
    (*inputs)[0] = o.x, (*inputs)[1] = o.y, (*outputs)[0] = o.w;
    if (o.bias) (*outputs)[1] = *o.bias;
  }
  static PrimitiveDesc Make(const Operands& o, const dnnl::primitive_attr& attr) {
    auto x = ToDnnl(o.x), w = ToDnnl(o.w), y = ToDnnl(o.y);
    return o.bias ? PrimitiveDesc(CpuEngine(), x, w, ToDnnl(*o.bias), y, Hint(o), attr, /*allow_empty=*/true)
                  : PrimitiveDesc(CpuEngine(), x, w, y, Hint(o), attr, /*allow_empty=*/true);
  }
  static auto X(const PrimitiveDesc& pd) { return pd.src_desc(); }
  static auto W(const PrimitiveDesc& pd) { return pd.diff_weights_desc(); }
  static std::vector<PrimitiveArg> Args(const Operands& o) {
    std::vector<PrimitiveArg> args = {{DNNL_ARG_SRC, PrimitiveArg::kInput, 0, ToDnnl(o.x)},
                                      {DNNL_ARG_DIFF_DST, PrimitiveArg::kInput, 1, ToDnnl(o.y)},
                                      {DNNL_ARG_DIFF_WEIGHTS, PrimitiveArg::kOutput, 0, ToDnnl(o.w)}};
    if (o.bias) args.push_back({DNNL_ARG_DIFF_BIAS, PrimitiveArg::kOutput, 1, ToDnnl(*o.bias)});
    return args;
  }
};

template <typename PD>
bool IsOptimised(const PD& pd) {
  return pd && !IsReferenceImpl(pd.impl_info_str());
}

// Whether a training step with these layouts stays in optimised code. The batch of an inference call says nothing of
// that of training, but the layouts that oneDNN has code for do not depend on it.
bool TrainsWell(const Operands& o) {
  return IsOptimised(BackwardWeights::Make(o, dnnl::primitive_attr())) &&
         IsOptimised(BackwardData::Make(o, dnnl::primitive_attr()));
}

// `given` with the layouts to run with: as many as possible of those given, else those that oneDNN likes best, in
// optimised code if there is any.
template <typename Kind>
absl::StatusOr<Operands> ChooseLayouts(const CallSpec& spec, Operands given, const dnnl::primitive_attr& attr) {
  given.y.layout = "ab";
  if (given.bias) given.bias->layout = "a";
  const std::string plain = MemoryDesc::PlainLayout(given.x.dims.size());
  std::optional<Operands> slow;
  for (const std::string& x : {given.x.layout, std::string(), plain}) {
    for (const std::string& w : {given.w.layout, std::string(), plain}) {
      Operands o = given;
      o.x.layout = x, o.w.layout = w;
      auto pd = Kind::Make(o, attr);
      if (!pd) continue;
      auto x_desc = FromDnnl(Kind::X(pd), o.x), w_desc = FromDnnl(Kind::W(pd), o.w);
      if (!x_desc.ok() || !w_desc.ok()) continue;  // a layout without a name
      o.x = *x_desc, o.w = *w_desc;
      const bool settled = !w.empty() && (w == given.w.layout || w == plain);
      if (IsOptimised(pd) && (settled || TrainsWell(o))) return o;
      if (!slow) slow = o;
    }
  }
  if (slow) return *slow;
  return CallError(spec, "oneDNN has no inner product of %s, %s to %s", given.x.ToString(), given.w.ToString(),
                   given.y.ToString());
}

template <typename Kind>
absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Operands given, Kind::Read(spec));
  ATH_RETURN_IF_ERROR(CheckShapes(spec, given));
  KernelInfo info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    CallSpec settled = spec;
    ATH_RETURN_IF_ERROR(
        SettlePostOpOperands(given.bias ? 3 : 2, MemoryDesc::Plain(DType::kF32, given.y.dims), &settled));
    ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(settled, 2, nullptr));
    ATH_ASSIGN_OR_RETURN(Operands o, ChooseLayouts<Kind>(spec, given, attr));
    info.inputs = settled.inputs;
    info.outputs = settled.outputs;
    Kind::Write(o, &info.inputs, &info.outputs);
    DescribePrimitive(Kind::Make(o, attr), &info);
    ATH_ASSIGN_OR_RETURN(int64_t weights, NumElements(o.w.dims));
    info.flops = 2.0 * static_cast<double>(weights) * static_cast<double>(o.x.dims[0]);
    info.bytes = OperandBytes(info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

template <typename Kind>
absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query<Kind>(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Operands o, Kind::Read(spec));
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    std::vector<PrimitiveArg> args = Kind::Args(o);
    ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, 2, &args));
    auto pd = Kind::Make(o, attr);
    args.push_back({DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()});
    kernel = std::make_unique<PrimitiveKernel>(typename Kind::Primitive(pd), std::move(args));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"inner_product", &Query<Forward>, &Create<Forward>, {}}));
ATH_REGISTER_KERNEL((KernelDef{"inner_product_backward_data", &Query<BackwardData>, &Create<BackwardData>, {}}));
ATH_REGISTER_KERNEL((KernelDef{
    "inner_product_backward_weights", &Query<BackwardWeights>, &Create<BackwardWeights>, {}}));

}  // namespace
}  // namespace athanor
