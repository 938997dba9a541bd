// The slices along an axis in a random order; row-major, any element type.
//   shuffle  (x, seed, step) -> y   attrs: axis, stream (int), inverse
// y's slice a is x's slice p[a]; inverse: x's slice a becomes y's slice p[a]. p is Fisher and Yates's permutation by
// the numbers of Philox(seed, Philox::MixStream(stream, step)): for a = n - 1 down to 1, p[a] and p[b] change places,
// where b is the whole part of (a + 1) w / 2^32 and w the 32-bit word number a. It is made anew at each run.
#include <cstring>

#include "runtime/core/axis_loops.h"
#include "runtime/core/philox.h"
#include "runtime/kernels/indices.h"

namespace athanor {
namespace {

struct Call {
  AxisLoops x;  // along the axis
  int64_t stream = 0;
  bool inverse = false;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 3, 1));
  const MemoryDesc& x = spec.inputs[0];
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "x", x, x.dims, x.dtype));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "seed", spec.inputs[1], {}, DType::kS64));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "step", spec.inputs[2], {}, DType::kS64));
  ATH_RETURN_IF_ERROR(CheckDesc(spec, "y", spec.outputs[0], x.dims, x.dtype));
  ATH_ASSIGN_OR_RETURN(int64_t axis, ReadAxisAttr(spec, x.dims.size()));
  Call call;
  call.x = LoopsAlong(x.dims, axis);
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "stream", &call.stream));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "inverse", &call.inverse));
  if (call.x.size > int64_t{UINT32_MAX}) return CallError(spec, "%d slices are too many", call.x.size);
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  ATH_ASSIGN_OR_RETURN(KernelInfo info, PlainInfo(spec, "ours:philox"));
  ATH_ASSIGN_OR_RETURN(info.scratch_bytes, NumBytes(DType::kS64, {call.x.size}));
  return info;
}

class ShuffleKernel final : public Kernel {
 public:
  ShuffleKernel(const Call& call, size_t element, int threads)
      : call_(call), row_(call.x.inner * static_cast<int64_t>(element)), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    x_ = static_cast<const std::byte*>(inputs[0]);
    seed_ = static_cast<const int64_t*>(inputs[1]);
    step_ = static_cast<const int64_t*>(inputs[2]);
    y_ = static_cast<std::byte*>(outputs[0]);
    order_ = static_cast<int64_t*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t n = call_.x.size;
    if (n == 0) return absl::OkStatus();
    MakeOrder();
    ParallelRanges(call_.x.outer * n, 1, 2 * row_, threads_, [this, n](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t here = r * row_, there = (r - r % n + order_[r % n]) * row_;
        std::memcpy(y_ + (call_.inverse ? there : here), x_ + (call_.inverse ? here : there),
                    static_cast<size_t>(row_));
      }
    });
    return absl::OkStatus();
  }

 private:
  void MakeOrder() const {
    const Philox random(static_cast<uint64_t>(*seed_), Philox::MixStream(static_cast<uint64_t>(call_.stream),
                                                                         static_cast<uint64_t>(*step_)));
    for (int64_t a = 0; a < call_.x.size; ++a) order_[a] = a;
    for (int64_t a = call_.x.size; a-- > 1;) {
      const uint64_t word = random.Block(static_cast<uint64_t>(a) / 4)[a % 4];
      std::swap(order_[a], order_[static_cast<uint64_t>(a + 1) * word >> 32]);
    }
  }

  const Call call_;
  const int64_t row_;  // bytes
  const int threads_;
  const std::byte* x_ = nullptr;
  const int64_t* seed_ = nullptr;
  const int64_t* step_ = nullptr;
  std::byte* y_ = nullptr;
  int64_t* order_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<ShuffleKernel>(call, DTypeSize(spec.inputs[0].dtype), spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"shuffle", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
