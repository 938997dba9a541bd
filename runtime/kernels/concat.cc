// Tensors one behind the other along a dimension; any element type.
//   concat  (x0, x1, ...) -> y   attr axis
// A blocked layout that all inputs share is kept if oneDNN joins it without unpacking (channel counts that are
// multiples of the block); otherwise all is row-major.
#include <algorithm>

#include "runtime/core/checked.h"
#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/strided_copy.h"
#include "runtime/onednn/dnnl.h"

namespace athanor {
namespace {

absl::StatusOr<int> ReadAxis(const CallSpec& spec) {
  if (spec.inputs.empty()) return CallError(spec, "has no inputs");
  ATH_RETURN_IF_ERROR(CheckOperands(spec, spec.inputs.size(), 1));
  ATH_RETURN_IF_ERROR(CheckOneDtype(spec));
  int64_t axis = 0;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "axis", &axis));
  Shape sum = spec.inputs[0].dims;
  if (axis < 0 || axis >= static_cast<int64_t>(sum.size())) {
    return CallError(spec, "axis %d is not one of %s", axis, spec.inputs[0].ToString());
  }
  sum[axis] = 0;
  for (const MemoryDesc& x : spec.inputs) {
    ATH_RETURN_IF_ERROR(NumBytes(x.dtype, x.dims).status());
    Shape other = x.dims;
    if (other.size() == sum.size()) other[axis] = sum[axis];
    if (other != sum) return CallError(spec, "%s does not fit %s", x.ToString(), spec.inputs[0].ToString());
    auto total = CheckedAdd(sum[axis], x.dims[axis]);
    if (!total) return CallError(spec, "the sum along axis %d overflows", axis);
    sum[axis] = *total;
  }
  if (sum != spec.outputs[0].dims) {
    return CallError(spec, "the output is %s, expected %s", spec.outputs[0].ToString(), ShapeToString(sum));
  }
  ATH_RETURN_IF_ERROR(NumBytes(spec.outputs[0].dtype, sum).status());
  return static_cast<int>(axis);
}

// oneDNN has neither the 64-bit types nor, along the axis, empty inputs.
bool OneDnnJoins(const CallSpec& spec) {
  DType dtype = spec.inputs[0].dtype;
  if (dtype == DType::kS64 || dtype == DType::kF64) return false;
  return std::all_of(spec.inputs.begin(), spec.inputs.end(),
                     [](const MemoryDesc& x) { return *NumElements(x.dims) > 0; });
}

dnnl::concat::primitive_desc MakeConcat(const KernelInfo& info, int axis) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  std::vector<dnnl::memory::desc> sources;
  for (const MemoryDesc& x : info.inputs) sources.push_back(ToDnnl(x));
  return dnnl::concat::primitive_desc(CpuEngine(), ToDnnl(info.outputs[0]), axis, sources, attr);
}

// The layout that all inputs have or have not decided; "" when there is no such, or when it is plain.
std::string CommonBlockedLayout(const CallSpec& spec) {
  std::string layout;
  for (const MemoryDesc& x : spec.inputs) {
    if (x.any()) continue;
    if (!layout.empty() && x.layout != layout) return "";
    layout = x.layout;
  }
  return layout == MemoryDesc::PlainLayout(spec.inputs[0].dims.size()) ? "" : layout;
}

// False when oneDNN joins this layout by unpacking, or not at all.
bool TryLayout(const CallSpec& spec, const std::string& layout, int axis, KernelInfo* info) {
  KernelInfo blocked = *info;
  for (MemoryDesc& x : blocked.inputs) x.layout = layout;
  blocked.outputs[0].layout = layout;
  absl::Status status = CatchDnnl(spec, [&]() -> absl::Status {
    DescribePrimitive(MakeConcat(blocked, axis), &blocked);
    return absl::OkStatus();
  });
  if (!status.ok() || blocked.impl.starts_with("ref")) return false;
  auto bytes = TrafficBytes(blocked);
  if (!bytes.ok()) return false;
  blocked.bytes = *bytes;
  *info = std::move(blocked);
  return true;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(int axis, ReadAxis(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:strided"));
  if (!OneDnnJoins(spec)) return info;
  std::string layout = CommonBlockedLayout(spec);
  if (!layout.empty() && TryLayout(spec, layout, axis, &info)) return info;
  TryLayout(spec, MemoryDesc::PlainLayout(spec.inputs[0].dims.size()), axis, &info);
  return info;
}

class ConcatKernel final : public Kernel {
 public:
  ConcatKernel(std::vector<StridedCopy> copies, int threads)
      : copies_(std::move(copies)), from_(copies_.size()), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    std::copy(inputs.begin(), inputs.end(), from_.begin());
    to_ = outputs[0];
    return absl::OkStatus();
  }

  absl::Status Run() override {
    for (size_t i = 0; i < copies_.size(); ++i) copies_[i].Run(from_[i], to_, threads_);
    return absl::OkStatus();
  }

 private:
  const std::vector<StridedCopy> copies_;
  std::vector<const void*> from_;
  const int threads_;
  void* to_ = nullptr;
};

std::unique_ptr<Kernel> MakeOwnLoop(const CallSpec& spec, int axis) {
  std::vector<StridedCopy> copies;
  std::vector<int64_t> out_strides = RowMajorStrides(spec.outputs[0].dims);
  int64_t offset = 0;
  for (const MemoryDesc& x : spec.inputs) {
    copies.emplace_back(DTypeSize(x.dtype), x.dims, RowMajorStrides(x.dims), 0, out_strides,
                        offset * out_strides[axis]);
    offset += x.dims[axis];
  }
  return std::make_unique<ConcatKernel>(std::move(copies), spec.threads);
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(int axis, ReadAxis(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  if (info.impl == "ours:strided") return MakeOwnLoop(spec, axis);
  std::unique_ptr<Kernel> kernel;
  ATH_RETURN_IF_ERROR(CatchDnnl(spec, [&]() -> absl::Status {
    auto pd = MakeConcat(info, axis);
    std::vector<PrimitiveArg> args = {{DNNL_ARG_DST, PrimitiveArg::kOutput, 0, ToDnnl(spec.outputs[0])},
                                      {DNNL_ARG_SCRATCHPAD, PrimitiveArg::kScratch, 0, pd.scratchpad_desc()}};
    for (int i = 0; i < static_cast<int>(spec.inputs.size()); ++i) {
      args.push_back({DNNL_ARG_MULTIPLE_SRC + i, PrimitiveArg::kInput, i, ToDnnl(spec.inputs[i])});
    }
    kernel = std::make_unique<PrimitiveKernel>(dnnl::concat(pd), std::move(args));
    return absl::OkStatus();
  }));
  return kernel;
}

ATH_REGISTER_KERNEL((KernelDef{"concat", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
