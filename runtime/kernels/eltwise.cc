// oneDNN's eltwise primitive.
//   eltwise           (x) -> y            attrs: algorithm, alpha, beta
//   eltwise_backward  (dy, data) -> dx    attrs: algorithm ("relu_dst": data is y; "relu": data is x), alpha, beta
// The layout is the first input's, whatever it is.
#include <map>

#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

using dnnl::algorithm;

absl::StatusOr<algorithm> FindAlgorithm(const CallSpec& spec) {
  static const auto* table = new std::map<std::string, algorithm>{
      {"relu", algorithm::eltwise_relu},
      {"relu_dst", algorithm::eltwise_relu_use_dst_for_bwd},
      {"logistic", algorithm::eltwise_logistic},
      {"logistic_dst", algorithm::eltwise_logistic_use_dst_for_bwd},
      {"tanh", algorithm::eltwise_tanh},
      {"tanh_dst", algorithm::eltwise_tanh_use_dst_for_bwd},
  };
  auto it = table->find(spec.attrs.String("algorithm"));
  if (it == table->end()) {
    return MakeError(ErrorClass::kAttr, "kernel %s of \"%s\": unknown algorithm \"%s\"", spec.kernel, spec.name,
                     spec.attrs.String("algorithm"));
  }
  return it->second;
}

absl::StatusOr<dnnl::eltwise_forward::primitive_desc> Forward(const CallSpec& spec, const MemoryDesc& desc) {
  ATH_ASSIGN_OR_RETURN(algorithm alg, FindAlgorithm(spec));
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, desc.dims.size(), nullptr));
  dnnl::memory::desc md = ToDnnl(desc);
  return dnnl::eltwise_forward::primitive_desc(CpuEngine(), dnnl::prop_kind::forward_inference, alg, md, md,
                                               static_cast<float>(spec.attrs.Float("alpha")),
                                               static_cast<float>(spec.attrs.Float("beta")), attr);
}

absl::StatusOr<dnnl::eltwise_backward::primitive_desc> Backward(const CallSpec& spec, const MemoryDesc& desc) {
  ATH_ASSIGN_OR_RETURN(algorithm alg, FindAlgorithm(spec));
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, desc.dims.size(), nullptr));
  dnnl::memory::desc md = ToDnnl(desc);
  float alpha = static_cast<float>(spec.attrs.Float("alpha")), beta = static_cast<float>(spec.attrs.Float("beta"));
  // The backward descriptor asks for a forward one as a hint, by the algorithm that the forward call used.
  dnnl::eltwise_forward::primitive_desc hint(CpuEngine(), dnnl::prop_kind::forward_training, alg, md, md, alpha, beta);
  return dnnl::eltwise_backward::primitive_desc(CpuEngine(), alg, md, md, md, alpha, beta, hint, attr);
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  KernelInfo info;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    MemoryDesc desc = spec.inputs[0];
    if (desc.any()) desc.layout = MemoryDesc::PlainLayout(desc.dims.size());
    if (spec.kernel == "eltwise") {
      ATH_ASSIGN_OR_RETURN(auto pd, Forward(spec, desc));
      DescribePrimitive(pd, &info);
    } else {
      ATH_ASSIGN_OR_RETURN(auto pd, Backward(spec, desc));
      DescribePrimitive(pd, &info);
    }
    info.inputs.assign(spec.inputs.size(), desc);
    info.outputs = {desc};
    ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(desc.dims));
    info.flops = static_cast<double>(elements);
    info.bytes = OperandBytes(info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    dnnl::memory::desc md = ToDnnl(spec.inputs[0]);
    if (spec.kernel == "eltwise") {
      ATH_ASSIGN_OR_RETURN(auto pd, Forward(spec, spec.inputs[0]));
      std::vector<PrimitiveArg> args = {{DNNL_ARG_SRC, PrimitiveArg::kInput, 0, md},
                                        {DNNL_ARG_DST, PrimitiveArg::kOutput, 0, md},
                                        {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
      kernel = std::make_unique<PrimitiveKernel>(dnnl::eltwise_forward(pd), std::move(args));
      return absl::OkStatus();
    }
    ATH_ASSIGN_OR_RETURN(auto pd, Backward(spec, spec.inputs[0]));
    bool by_output = spec.attrs.String("algorithm").ends_with("_dst");
    std::vector<PrimitiveArg> args = {{DNNL_ARG_DIFF_DST, PrimitiveArg::kInput, 0, md},
                                      {by_output ? DNNL_ARG_DST : DNNL_ARG_SRC, PrimitiveArg::kInput, 1, md},
                                      {DNNL_ARG_DIFF_SRC, PrimitiveArg::kOutput, 0, md},
                                      {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
    kernel = std::make_unique<PrimitiveKernel>(dnnl::eltwise_backward(pd), std::move(args));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"eltwise", &Query, &Create, {{0, 0}}}));
ATH_REGISTER_KERNEL((KernelDef{"eltwise_backward", &Query, &Create, {{0, 0}}}));

}  // namespace
}  // namespace athanor
