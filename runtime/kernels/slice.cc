// A part of a tensor, row-major, of any element type. Attributes, one number a dimension of the whole: starts (>= 0)
// and steps (>= 1); the sizes are the part's dims.
//   slice           (x) -> y
//   slice_backward  (dy) -> dx   zero outside the part
#include <cstring>

#include "runtime/kernels/own_loop.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided_copy.h"

namespace athanor {
namespace {

struct Part {
  Ints starts, steps;
};

bool IsBackward(const CallSpec& spec) { return spec.kernel == "slice_backward"; }

// PLAN error unless part `inner` lies within `outer`.
absl::Status CheckPart(const CallSpec& spec, const Part& part, const Shape& outer, const Shape& inner) {
  const size_t rank = outer.size();
  if (inner.size() != rank || part.starts.size() != rank || part.steps.size() != rank) {
    return CallError(spec, "of %s to %s needs %d starts and steps, has %d and %d", ShapeToString(outer),
                     ShapeToString(inner), rank, part.starts.size(), part.steps.size());
  }
  for (size_t d = 0; d < rank; ++d) {
    const int64_t start = part.starts[d], step = part.steps[d];
    // The last index read is start + (size - 1) * step; written so that nothing can overflow.
    if (start < 0 || step < 1 || start > outer[d] ||
        (inner[d] > 0 && (start >= outer[d] || inner[d] - 1 > (outer[d] - 1 - start) / step))) {
      return CallError(spec, "dimension %d: %d elements from %d by %d do not lie within %d", d, inner[d], start, step,
                       outer[d]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Part> ReadPart(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  ATH_RETURN_IF_ERROR(CheckOneDtype(spec));
  Part part;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "starts", &part.starts));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "steps", &part.steps));
  const Shape& in = spec.inputs[0].dims;
  const Shape& out = spec.outputs[0].dims;
  ATH_RETURN_IF_ERROR(NumBytes(spec.inputs[0].dtype, in).status());
  ATH_RETURN_IF_ERROR(NumBytes(spec.inputs[0].dtype, out).status());
  ATH_RETURN_IF_ERROR(IsBackward(spec) ? CheckPart(spec, part, out, in) : CheckPart(spec, part, in, out));
  return part;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(ReadPart(spec).status());
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:strided"));
  // Forward, only the part is read.
  if (!IsBackward(spec)) {
    ATH_ASSIGN_OR_RETURN(int64_t bytes, NumBytes(spec.outputs[0].dtype, spec.outputs[0].dims));
    info.bytes = 2 * static_cast<double>(bytes);
  }
  return info;
}

class SliceKernel final : public Kernel {
 public:
  // `clear_bytes`: of the output, set to zero first.
  SliceKernel(StridedCopy copy, int64_t clear_bytes, int threads)
      : copy_(copy), clear_bytes_(clear_bytes), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    from_ = inputs[0];
    to_ = static_cast<std::byte*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    ParallelRanges(clear_bytes_, 4096, 1, threads_,
                   [this](int64_t begin, int64_t end) { std::memset(to_ + begin, 0, end - begin); });
    copy_.Run(from_, to_, threads_);
    return absl::OkStatus();
  }

 private:
  const StridedCopy copy_;
  const int64_t clear_bytes_;
  const int threads_;
  const void* from_ = nullptr;
  std::byte* to_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Part part, ReadPart(spec));
  const Shape& outer = (IsBackward(spec) ? spec.outputs[0] : spec.inputs[0]).dims;
  const Shape& inner = (IsBackward(spec) ? spec.inputs[0] : spec.outputs[0]).dims;
  std::vector<int64_t> outer_strides = RowMajorStrides(outer);
  std::vector<int64_t> part_strides(outer.size());
  int64_t offset = 0;
  ATH_ASSIGN_OR_RETURN(int64_t elements, NumElements(inner));
  for (size_t d = 0; d < outer.size() && elements > 0; ++d) {
    // A step beyond the dimension, where only one element is taken, must not overflow.
    part_strides[d] = inner[d] == 1 ? 0 : outer_strides[d] * part.steps[d];
    offset += outer_strides[d] * part.starts[d];
  }
  const size_t size = DTypeSize(spec.inputs[0].dtype);
  if (IsBackward(spec)) {
    ATH_ASSIGN_OR_RETURN(int64_t clear_bytes, NumBytes(spec.outputs[0].dtype, outer));
    StridedCopy copy(size, inner, RowMajorStrides(inner), 0, part_strides, offset);
    return std::make_unique<SliceKernel>(copy, clear_bytes, spec.threads);
  }
  StridedCopy copy(size, inner, part_strides, offset, RowMajorStrides(inner), 0);
  return std::make_unique<SliceKernel>(copy, 0, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"slice", &Query, &Create, {}}));
ATH_REGISTER_KERNEL((KernelDef{"slice_backward", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
