// Whether any element, or every one, is true, over any dimensions; row-major, bool.
//   reduction_logic  (x) -> y    attrs: algorithm ("any", "all"), axes (ascending, not negative), keepdims
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/reduction_nest.h"

namespace athanor {
namespace {

struct Call {
  ReductionNest nest;
  std::string algorithm;
};

absl::StatusOr<Call> Read(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(CheckOperands(spec, 1, 1));
  Call call;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "algorithm", &call.algorithm));
  if (call.algorithm != "any" && call.algorithm != "all") {
    return CallError(spec, "unknown algorithm \"%s\"", call.algorithm);
  }
  ATH_RETURN_IF_ERROR(ReadReduction(spec, spec.inputs[0], spec.outputs[0], &call.nest, DType::kBool));
  return call;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_RETURN_IF_ERROR(Read(spec).status());
  return PlainInfo(spec, "ours:loop");
}

class LogicKernel final : public Kernel {
 public:
  LogicKernel(const Call& call, int threads) : nest_(call.nest), all_(call.algorithm == "all"), threads_(threads) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void*) override {
    x_ = static_cast<const uint8_t*>(inputs[0]);
    y_ = static_cast<uint8_t*>(outputs[0]);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    const int64_t width = nest_.inner_reduced ? 1 : nest_.inner, tiles = (width + kTile - 1) / kTile;
    ParallelRanges(nest_.kept.count * tiles, 1, nest_.count() * std::min(width, kTile), threads_,
                   [=, this](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t) {
                       const int64_t column = t % tiles * kTile;
                       Reduce(t / tiles, column, std::min(kTile, width - column));
                     }
                   });
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kTile = 512;

  // Results [column, column + n) of the k-th: they are looked through for what decides, a true one or a false one.
  void Reduce(int64_t k, int64_t column, int64_t n) const {
    const uint8_t* base = x_ + nest_.kept.Offset(k) + column;
    uint8_t found[kTile];
    std::fill_n(found, n, uint8_t{0});
    for (int64_t r = 0; r < nest_.reduced.count; ++r) {
      const uint8_t* x = base + nest_.reduced.Offset(r);
      if (nest_.inner_reduced) {
        uint8_t any = 0;
        for (int64_t i = 0; i < nest_.inner; ++i) any |= (x[i] != 0) != all_;
        found[0] |= any;
      } else {
        for (int64_t j = 0; j < n; ++j) found[j] |= (x[j] != 0) != all_;
      }
    }
    uint8_t* y = y_ + k * (nest_.inner_reduced ? 1 : nest_.inner) + column;
    for (int64_t j = 0; j < n; ++j) y[j] = (found[j] != 0) != all_;
  }

  const ReductionNest nest_;
  const bool all_;
  const int threads_;
  const uint8_t* x_ = nullptr;
  uint8_t* y_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(Call call, Read(spec));
  return std::make_unique<LogicKernel>(call, spec.threads);
}

ATH_REGISTER_KERNEL((KernelDef{"reduction_logic", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
