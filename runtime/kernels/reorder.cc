// reorder  (x) -> y    attrs: none
// Copies x to y, of equal dims, in another layout or element type. oneDNN's reorder, or a plain copy where both sides
// are the same (which also serves the element types oneDNN does not know: s64 and f64).
#include <algorithm>
#include <cstring>

#include "runtime/onednn/dnnl.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

// Bytes below which a copy is not worth waking other threads for.
constexpr int64_t kCopyChunk = 256 * 1024;

class CopyKernel final : public Kernel {
 public:
  explicit CopyKernel(int64_t bytes) : bytes_(bytes) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    from_ = static_cast<const char*>(inputs[0]);
    to_ = static_cast<char*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t chunks = (bytes_ + kCopyChunk - 1) / kCopyChunk;
#pragma omp parallel for if (chunks > 1) schedule(static)
    for (int64_t i = 0; i < chunks; ++i) {
      const int64_t at = i * kCopyChunk;
      std::memcpy(to_ + at, from_ + at, std::min(kCopyChunk, bytes_ - at));
    }
    return absl::OkStatus();
  }

 private:
  int64_t bytes_;
  const char* from_ = nullptr;
  char* to_ = nullptr;
};

absl::Status Check(const CallSpec& spec) {
  if (spec.inputs.size() != 1 || spec.outputs.size() != 1) {
    return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\" has %d inputs and %d outputs, expected 1 and 1",
                     spec.kernel, spec.name, spec.inputs.size(), spec.outputs.size());
  }
  const MemoryDesc &x = spec.inputs[0], &y = spec.outputs[0];
  if (x.dims != y.dims) {
    return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\" copies %s to %s: the dims differ", spec.kernel, spec.name,
                     x.ToString(), y.ToString());
  }
  return absl::OkStatus();
}

bool IsCopy(const MemoryDesc& x, const MemoryDesc& y) { return x.dtype == y.dtype && x.layout == y.layout; }

absl::StatusOr<dnnl::reorder::primitive_desc> Make(const CallSpec& spec, const MemoryDesc& x, const MemoryDesc& y) {
  for (const MemoryDesc* d : {&x, &y}) {
    if (ToDnnlType(d->dtype) == dnnl::memory::data_type::undef) {
      return MakeError(ErrorClass::kDtype, "kernel %s of \"%s\" cannot turn %s into %s", spec.kernel, spec.name,
                       x.ToString(), y.ToString());
    }
  }
  ATH_ASSIGN_OR_RETURN(dnnl::primitive_attr attr, MakeAttr(spec, x.dims.size(), nullptr));
  return dnnl::reorder::primitive_desc(CpuEngine(), ToDnnl(x), CpuEngine(), ToDnnl(y), attr);
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Check(spec));
  KernelInfo info;
  info.inputs = spec.inputs;
  info.outputs = spec.outputs;
  MemoryDesc &x = info.inputs[0], &y = info.outputs[0];
  if (x.any()) x.layout = y.any() ? MemoryDesc::PlainLayout(x.dims.size()) : y.layout;
  if (y.any()) y.layout = x.layout;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    if (IsCopy(x, y)) {
      info.impl = "ours:copy";
    } else {
      ATH_ASSIGN_OR_RETURN(auto pd, Make(spec, x, y));
      DescribePrimitive(pd, &info);
    }
    info.bytes = OperandBytes(info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Check(spec));
  std::unique_ptr<Kernel> kernel;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    const MemoryDesc &x = spec.inputs[0], &y = spec.outputs[0];
    if (IsCopy(x, y)) {
      ATH_ASSIGN_OR_RETURN(int64_t bytes, LayoutBytes(x));
      kernel = std::make_unique<CopyKernel>(bytes);
      return absl::OkStatus();
    }
    ATH_ASSIGN_OR_RETURN(auto pd, Make(spec, x, y));
    std::vector<PrimitiveArg> args = {{DNNL_ARG_FROM, PrimitiveArg::kInput, 0, ToDnnl(x)},
                                      {DNNL_ARG_TO, PrimitiveArg::kOutput, 0, ToDnnl(y)},
                                      {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
    kernel = std::make_unique<PrimitiveKernel>(dnnl::reorder(pd), std::move(args));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"reorder", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
