// The bridge to oneDNN's types, for the .cc files of kernels only.
#ifndef ATHANOR_RUNTIME_ONEDNN_DNNL_H_
#define ATHANOR_RUNTIME_ONEDNN_DNNL_H_

#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "runtime/core/memory_desc.h"
#include "runtime/core/status.h"
#include "runtime/kernels/kernel.h"

namespace athanor {

// The process's CPU engine.
const dnnl::engine& CpuEngine();

dnnl::memory::data_type ToDnnlType(DType t);
// LAYOUT "" becomes format_tag::any. A rank-0 desc becomes one dimension of 1. Throws std::invalid_argument or
// dnnl::error on nonsense: call it inside CatchDnnl.
dnnl::memory::desc ToDnnl(const MemoryDesc& desc);
// The same with other dims (and the layout's letters meaning those dims), e.g. a [C] operand seen as [1,C,1,1].
dnnl::memory::desc PlainDnnl(DType dtype, const Shape& dims);
// Row-major desc of `desc` with leading dimensions of 1 up to `rank`: how binary primitives broadcast. `desc` must be
// plain unless its rank is `rank` already.
dnnl::memory::desc BroadcastDnnl(const MemoryDesc& desc, size_t rank);
// The desc's element type, dims and format tag by name. FORMAT error when no tag describes the layout.
absl::StatusOr<MemoryDesc> FromDnnl(const dnnl::memory::desc& desc);
// The same with the dims of `like` (which has rank 0 where oneDNN has one dimension of 1).
absl::StatusOr<MemoryDesc> FromDnnl(const dnnl::memory::desc& desc, const MemoryDesc& like);

// Runs f, turning dnnl::error (and bad_alloc) into a Status that names the call.
template <typename F>
absl::Status CatchDnnl(const CallSpec& spec, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\": oneDNN says \"%s\" (status %d)", spec.kernel, spec.name,
                     e.what(), static_cast<int>(e.status));
  } catch (const std::exception& e) {
    return MakeError(ErrorClass::kPlan, "kernel %s of \"%s\": %s", spec.kernel, spec.name, e.what());
  }
}

// Where a primitive's argument comes from.
struct PrimitiveArg {
  int arg;  // DNNL_ARG_...
  enum Source { kInput, kOutput, kScratch } source;
  int index;  // of the call's input or output
  dnnl::memory::desc desc;
};

// A oneDNN primitive with its memory objects and its argument array, all made once.
class PrimitiveKernel final : public Kernel {
 public:
  PrimitiveKernel(dnnl::primitive primitive, std::vector<PrimitiveArg> args);
  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override;
  absl::Status Run() override;

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<PrimitiveArg> args_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> exec_args_;
};

// User-mode scratchpad and the call's post-ops. `out_rank` is the rank of the destination that binary operands
// broadcast to. Adds the operands to `args` when it is not null. ATTR error for a post-op that oneDNN lacks.
absl::StatusOr<dnnl::primitive_attr> MakeAttr(const CallSpec& spec, size_t out_rank, std::vector<PrimitiveArg>* args);
// The eltwise algorithm of an operator's name as post-op ("ReLU", "Sigmoid", ...), with alpha and beta from its attrs.
absl::StatusOr<dnnl::algorithm> EltwiseAlgorithm(const std::string& op, const Attributes& attrs, float* alpha, float* beta);
absl::StatusOr<dnnl::algorithm> BinaryAlgorithm(const std::string& op);

// impl_info_str() and the scratchpad's size of any primitive descriptor.
template <typename PD>
void DescribePrimitive(const PD& pd, KernelInfo* info) {
  info->impl = pd.impl_info_str();
  info->scratch_bytes = static_cast<int64_t>(pd.scratchpad_desc().get_size());
}
// Whether an implementation is one of oneDNN's plain references ("ref:any", "simple:any").
bool IsReferenceImpl(const std::string& impl);
// Sum of the operands' bytes, for KernelInfo::bytes.
double OperandBytes(const KernelInfo& info);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_ONEDNN_DNNL_H_
