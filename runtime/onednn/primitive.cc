#include <algorithm>

#include "absl/strings/match.h"
#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {

const dnnl::engine& CpuEngine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

PrimitiveKernel::PrimitiveKernel(dnnl::primitive primitive, std::vector<PrimitiveArg> args)
    : primitive_(std::move(primitive)), stream_(CpuEngine()), args_(std::move(args)) {
  for (const PrimitiveArg& a : args_) {
    memories_.emplace_back(a.desc, CpuEngine(), nullptr);
    exec_args_.push_back({a.arg, memories_.back().get()});
  }
}

absl::Status PrimitiveKernel::Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) {
  for (size_t i = 0; i < args_.size(); ++i) {
    const PrimitiveArg& a = args_[i];
    void* p = a.source == PrimitiveArg::kInput    ? inputs[a.index]
              : a.source == PrimitiveArg::kOutput ? outputs[a.index]
                                                  : scratch;
    if (dnnl_memory_set_data_handle(memories_[i].get(), p) != dnnl_success) {
      return MakeError(ErrorClass::kPlan, "oneDNN refuses the address of argument %d", a.arg);
    }
  }
  return absl::OkStatus();
}

absl::Status PrimitiveKernel::Run() {
  // The C call with a ready array: the C++ wrapper would build a map at every run.
  dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(exec_args_.size()),
                                                exec_args_.data());
  if (status != dnnl_success) {
    return MakeError(ErrorClass::kPlan, "oneDNN could not execute the primitive (status %d)", static_cast<int>(status));
  }
  return absl::OkStatus();
}

bool IsReferenceImpl(const std::string& impl) {
  return absl::StartsWith(impl, "ref") || absl::StartsWith(impl, "simple");
}

double OperandBytes(const KernelInfo& info) {
  double sum = 0;
  auto add = [&](const MemoryDesc& d) {
    auto bytes = LayoutBytes(d);
    if (bytes.ok()) sum += static_cast<double>(*bytes);
  };
  std::for_each(info.inputs.begin(), info.inputs.end(), add);
  std::for_each(info.outputs.begin(), info.outputs.end(), add);
  return sum;
}

std::string OneDnnVersion() {
  const dnnl_version_t* v = dnnl_version();
  return absl::StrFormat("%d.%d.%d", v->major, v->minor, v->patch);
}

std::string EffectiveIsa() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "sse41";
    case dnnl_cpu_isa_avx:
      return "avx";
    case dnnl_cpu_isa_avx2:
      return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
      return "avx2_vnni";
    case dnnl_cpu_isa_avx2_vnni_2:
      return "avx2_vnni_2";
    case dnnl_cpu_isa_avx512_core:
      return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_fp16:
      return "avx512_core_fp16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "avx512_core_amx";
    case dnnl_cpu_isa_avx512_core_amx_fp16:
      return "avx512_core_amx_fp16";
    default:
      return "default";
  }
}

}  // namespace athanor
