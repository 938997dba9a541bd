// oneDNN's eltwise primitive.
//   eltwise           (x) -> y            attrs: algorithm; takes post-ops
//   eltwise_backward  (dy, data) -> dx    attrs: algorithm ("relu_dst": data is y; "relu": data is x)
// f32. The layout is the first input's, whatever it is.
#include <map>

#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::algorithm;

bool IsBackward(const CallSpec& spec) { return spec.kernel == "eltwise_backward"; }

absl::StatusOr<algorithm> FindAlgorithm(const CallSpec& spec) {
  static const auto* table = new std::map<std::string, algorithm>{
      {"relu", algorithm::eltwise_relu},
      {"relu_dst", algorithm::eltwise_relu_use_dst_for_bwd},
      {"logistic", algorithm::eltwise_logistic},
      {"logistic_dst", algorithm::eltwise_logistic_use_dst_for_bwd},
      {"tanh", algorithm::eltwise_tanh},
      {"tanh_dst", algorithm::eltwise_tanh_use_dst_for_bwd},
  };
  std::string name;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &name));
  auto it = table->find(name);
  if (it == table->end()) return CallError(spec, "unknown algorithm \"%s\"", name);
  return it->second;
}

// `spec` with all layouts decided: those of the first input.
absl::StatusOr<CallSpec> Settle(const CallSpec& spec) {
  const size_t own = IsBackward(spec) ? 2 : 1;
  ATH_RETURN_IF_ERROR(CheckOperandCounts(spec, own, 1));
  CallSpec settled = spec;
  MemoryDesc desc = spec.inputs[0];
  for (size_t i = 0; i < own; ++i) ATH_RETURN_IF_ERROR(CheckOperand(spec, "an operand", spec.inputs[i], desc.dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "the result", spec.outputs[0], desc.dims));
  if (desc.any()) desc.layout = MemoryDesc::PlainLayout(desc.dims.size());
  for (size_t i = 0; i < own; ++i) settled.inputs[i] = desc;
  settled.outputs[0] = desc;
  ATH_RETURN_IF_ERROR(SettlePostOpOperands(own, desc, &settled));
  return settled;
}

absl::StatusOr<dnnl::eltwise_forward::primitive_desc> Forward(const CallSpec& spec, std::vector<PrimitiveArg>* args) {
  ATH_ASSIGN_OR_RETURN(algorithm alg, FindAlgorithm(spec));
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, spec.inputs[0].dims.size(), args));
  dnnl::memory::desc md = ToDnnl(spec.inputs[0]);
  return dnnl::eltwise_forward::primitive_desc(CpuEngine(), dnnl::prop_kind::forward_inference, alg, md, md, 0, 0, attr);
}

absl::StatusOr<dnnl::eltwise_backward::primitive_desc> Backward(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(algorithm alg, FindAlgorithm(spec));
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, spec.inputs[0].dims.size(), nullptr));
  dnnl::memory::desc md = ToDnnl(spec.inputs[0]);
  // The backward descriptor asks for a forward one as a hint, by the algorithm that the forward call used.
  dnnl::eltwise_forward::primitive_desc hint(CpuEngine(), dnnl::prop_kind::forward_training, alg, md, md, 0, 0);
  return dnnl::eltwise_backward::primitive_desc(CpuEngine(), alg, md, md, md, 0, 0, hint, attr);
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  KernelInfo info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(CallSpec settled, Settle(spec));
    if (IsBackward(spec)) {
      ATH_ASSIGN_OR_RETURN(auto pd, Backward(settled));
      DescribePrimitive(pd, &info);
    } else {
      ATH_ASSIGN_OR_RETURN(auto pd, Forward(settled, nullptr));
      DescribePrimitive(pd, &info);
    }
    info.inputs = settled.inputs;
    info.outputs = settled.outputs;
    ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(settled.outputs[0].dims));
    info.flops = static_cast<double>(elements) * static_cast<double>(1 + spec.post_ops.size());
    info.bytes = OperandBytes(info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> CreateForward(const CallSpec& spec) {
  dnnl::memory::desc md = ToDnnl(spec.inputs[0]);
  std::vector<PrimitiveArg> args = {{DNNL_ARG_SRC, PrimitiveArg::kInput, 0, md},
                                    {DNNL_ARG_DST, PrimitiveArg::kOutput, 0, md}};
  ATH_ASSIGN_OR_RETURN(auto pd, Forward(spec, &args));
  args.push_back({DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()});
  return std::make_unique<PrimitiveKernel>(dnnl::eltwise_forward(pd), std::move(args));
}

absl::StatusOr<std::unique_ptr<Kernel>> CreateBackward(const CallSpec& spec) {
  dnnl::memory::desc md = ToDnnl(spec.inputs[0]);
  ATH_ASSIGN_OR_RETURN(auto pd, Backward(spec));
  bool by_output = spec.attrs.String("algorithm").ends_with("_dst");
  std::vector<PrimitiveArg> args = {{DNNL_ARG_DIFF_DST, PrimitiveArg::kInput, 0, md},
                                    {by_output ? DNNL_ARG_DST : DNNL_ARG_SRC, PrimitiveArg::kInput, 1, md},
                                    {DNNL_ARG_DIFF_SRC, PrimitiveArg::kOutput, 0, md},
                                    {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
  return std::make_unique<PrimitiveKernel>(dnnl::eltwise_backward(pd), std::move(args));
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    ATH_ASSIGN_OR_RETURN(CallSpec settled, Settle(spec));
    if (settled.inputs != spec.inputs || settled.outputs != spec.outputs) {
      return CallError(spec, "the operands' layouts are not those that the kernel asks for");
    }
    ATH_ASSIGN_OR_RETURN(kernel, IsBackward(spec) ? CreateBackward(spec) : CreateForward(spec));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"eltwise", &Query, &Create, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"eltwise_backward", &Query, &Create, {{0, 0}}}));

}  // namespace
}  // namespace athanor
