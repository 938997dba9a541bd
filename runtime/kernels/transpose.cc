// Dimensions in another order; row-major in and out, any element type.
//   transpose  (x) -> y   attr perm: y's dimension i is x's dimension perm[i]
// By oneDNN's reorder where it knows the element type, else by a strided copy.
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/strided_copy.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

absl::StatusOr<Ints> ReadPerm(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(CheckOneDtype(spec));
  Ints perm;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "perm", &perm));
  const Shape& in = spec.inputs[0].dims;
  const Shape& out = spec.outputs[0].dims;
  ATH_RETURN_IF_ERROR(NumBytes(spec.inputs[0].dtype, in).status());
  auto mismatch = [&] {
    return CallError(spec, "perm %s does not take %s to %s", ShapeToString(perm), ShapeToString(in),
                     ShapeToString(out));
  };
  if (perm.size() != in.size() || out.size() != in.size()) return mismatch();
  std::vector<bool> seen(in.size(), false);
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] < 0 || perm[i] >= static_cast<int64_t>(in.size()) || seen[perm[i]]) return mismatch();
    if (out[i] != in[perm[i]]) return mismatch();
    seen[perm[i]] = true;
  }
  return perm;
}

bool OneDnnMoves(const CallSpec& spec) {
  const MemoryDesc& x = spec.inputs[0];
  if (x.dtype == DType::kS64 || x.dtype == DType::kF64) return false;
  return !x.dims.empty() && *NumElements(x.dims) > 0;
}

// Where x's elements go: x's dims with the strides that make y row-major.
std::vector<int64_t> DstStrides(const Ints& perm, const Shape& out) {
  std::vector<int64_t> row_major = RowMajorStrides(out), strides(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) strides[perm[i]] = row_major[i];
  return strides;
}

dnnl::memory::desc DstDesc(const CallSpec& spec, const Ints& perm) {
  const MemoryDesc& x = spec.inputs[0];
  return dnnl::memory::desc(x.dims, ToDnnlType(x.dtype), DstStrides(perm, spec.outputs[0].dims));
}

dnnl::reorder::primitive_desc MakeReorder(const CallSpec& spec, const Ints& perm) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const MemoryDesc& x = spec.inputs[0];
  return dnnl::reorder::primitive_desc(CpuEngine(), PlainDnnl(x.dtype, x.dims), CpuEngine(), DstDesc(spec, perm), attr);
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Ints perm, ReadPerm(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:strided"));
  if (OneDnnMoves(spec)) {
    ATH_RETURN_IF_ERROR(CatchDnnl(spec, [&]() -> absl::Status {
      DescribePrimitive(MakeReorder(spec, perm), &info);
      return absl::OkStatus();
    }));
  }
  return info;
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Ints perm, ReadPerm(spec));
  const MemoryDesc& x = spec.inputs[0];
  const MemoryDesc& y = spec.outputs[0];
  if (!OneDnnMoves(spec)) {
    std::vector<int64_t> own_strides = RowMajorStrides(x.dims), strides(perm.size());
    for (size_t i = 0; i < perm.size(); ++i) strides[i] = own_strides[perm[i]];
    StridedCopy copy(DTypeSize(x.dtype), y.dims, strides, 0, RowMajorStrides(y.dims), 0);
    return std::make_unique<StridedCopyKernel>(copy, spec.threads);
  }
  std::unique_ptr<Kernel> kernel;
  ATH_RETURN_IF_ERROR(CatchDnnl(spec, [&]() -> absl::Status {
    auto pd = MakeReorder(spec, perm);
    std::vector<PrimitiveArg> args = {{DNNL_ARG_FROM, PrimitiveArg::kInput, 0, PlainDnnl(x.dtype, x.dims)},
                                      {DNNL_ARG_TO, PrimitiveArg::kOutput, 0, DstDesc(spec, perm)},
                                      {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
    kernel = std::make_unique<PrimitiveKernel>(dnnl::reorder(pd), std::move(args));
    return absl::OkStatus();
  }));
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"transpose", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
