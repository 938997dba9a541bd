// Forward attention; see attention.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/kernels/attention.cc"  // this very file, once an instruction set
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "runtime/kernels/attention_block-inl.h"
#include "runtime/kernels/attention_tasks.h"
#include "runtime/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// Softmax as far as it goes (Milakov, Gimelshein, "Online normalizer calculation for softmax", arXiv 1805.02867):
// scores become e^(score - max) with the greatest maximum so far, and what was added up before must be multiplied by
// `factor`.
void UpdateSoftmax(int64_t keys, int64_t width, float* scores, float* max, float* sum, float* factor) {
  const FloatTag d;
  const FloatVec none = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < width; i += FloatLanes()) {
    const FloatVec old_max = hn::Load(d, max + i);
    FloatVec new_max = old_max;
    for (int64_t j = 0; j < keys; ++j) new_max = hn::Max(new_max, hn::Load(d, scores + j * width + i));
    // No key yet: any finite number keeps e^(-infinity - max) at 0.
    const FloatVec shift = hn::IfThenZeroElse(hn::Eq(new_max, none), new_max);
    const FloatVec f = ExpOrNaN(hn::Sub(old_max, shift));
    FloatVec s = hn::Mul(hn::Load(d, sum + i), f);
    for (int64_t j = 0; j < keys; ++j) {
      float* score = scores + j * width + i;
      const FloatVec e = ExpOrNaN(hn::Sub(hn::Load(d, score), shift));
      hn::Store(e, d, score);
      s = hn::Add(s, e);
    }
    hn::Store(new_max, d, max + i);
    hn::Store(s, d, sum + i);
    hn::Store(f, d, factor + i);
  }
}

// One block of queries against all keys.
void AttendQueries(const AttentionCall& call, const AttentionOperands& o, int64_t task, float* scratch) {
  const int64_t group = task / call.query_blocks(), width = call.query_block;
  const int64_t query = task % call.query_blocks() * width, rows = std::min(width, call.queries - query);
  const int64_t q_stride = call.stride(call.size), v_stride = call.stride(call.value_size);
  float *q = scratch, *scores = q + call.size * width, *max = scores + kKeyBlock * width, *sum = max + width,
        *factor = sum + width;
  PackTransposed(o.q + call.first(group, call.queries, call.size) + query * q_stride, q_stride, rows, call.size,
                 call.scale, width, q);
  std::fill_n(max, width, -std::numeric_limits<float>::infinity());
  std::fill_n(sum, width, 0.0f);

  const float* v = o.v + call.first(group, call.keys, call.value_size);
  float* y = o.y + call.first(group, call.queries, call.value_size) + query * v_stride;
  const int64_t key_end = call.KeyEnd(query + rows);
  for (int64_t key = 0; key < key_end; key += kKeyBlock) {
    const AttentionBlock b{query, rows, key, std::min(kKeyBlock, key_end - key)};
    BlockScores(call, o, group, b, q, scores);
    UpdateSoftmax(b.keys, width, scores, max, sum, factor);
    TileProduct<true>({rows, call.value_size, b.keys, scores, width, v + key * v_stride, v_stride, y, v_stride,
                       key == 0 ? TileUpdate::kSet : TileUpdate::kScaleAdd, factor});
  }
  for (int64_t i = 0; i < rows; ++i) {
    float* row = y + i * v_stride;
    const bool none = sum[i] == 0;  // every score is -infinity
    if (none) std::fill_n(row, call.value_size, 0.0f);
    const float inverse = none ? 0 : 1 / sum[i];
    RowShiftScale(row, call.value_size, 0, inverse, row);
    if (o.stats == nullptr) continue;
    float* stats = o.stats + 2 * (group * call.queries + query + i);
    stats[0] = none ? 0 : max[i];
    stats[1] = inverse;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace athanor {
namespace {

HWY_EXPORT(AttendQueries);

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  ATH_ASSIGN_OR_RETURN(AttentionCall call, ReadAttentionCall(spec, /*backward=*/false));
  ATH_ASSIGN_OR_RETURN(int64_t scratch, AttentionScratch(spec, call, /*backward=*/false));
  return AttentionInfo(spec, call, scratch, /*products=*/2);
}

class AttentionKernel final : public Kernel {
 public:
  AttentionKernel(AttentionCall call, bool has_stats, int64_t scratch_floats)
      : call_(std::move(call)), has_stats_(has_stats), scratch_floats_(scratch_floats) {}

  absl::Status Bind(absl::Span<void* const> inputs, absl::Span<void* const> outputs, void* scratch) override {
    operands_.q = static_cast<const float*>(inputs[0]);
    operands_.k = static_cast<const float*>(inputs[1]);
    operands_.v = static_cast<const float*>(inputs[2]);
    if (call_.mask.present) operands_.mask = static_cast<const uint8_t*>(inputs[3]);
    if (call_.bias.present) operands_.bias = static_cast<const float*>(inputs[3 + call_.mask.present]);
    operands_.y = static_cast<float*>(outputs[0]);
    operands_.stats = has_stats_ ? static_cast<float*>(outputs[1]) : nullptr;
    scratch_ = static_cast<float*>(scratch);
    return absl::OkStatus();
  }

  absl::Status Run() override {
    RunTasks(call_, call_.groups() * call_.query_blocks(), [this](int64_t task, int thread) {
      HWY_DYNAMIC_DISPATCH(AttendQueries)(call_, operands_, task, scratch_ + thread * scratch_floats_);
    });
    return absl::OkStatus();
  }

 private:
  const AttentionCall call_;
  const bool has_stats_;
  const int64_t scratch_floats_;
  AttentionOperands operands_;
  float* scratch_ = nullptr;
};

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  HoldSimdToOneDnnIsa();
  ATH_ASSIGN_OR_RETURN(KernelInfo info, Query(spec));
  ATH_RETURN_IF_ERROR(CheckSettled(spec, info));
  ATH_ASSIGN_OR_RETURN(AttentionCall call, ReadAttentionCall(spec, /*backward=*/false));
  ATH_ASSIGN_OR_RETURN(int64_t scratch, AttentionScratch(spec, call, /*backward=*/false));
  return std::make_unique<AttentionKernel>(std::move(call), spec.outputs.size() == 2, scratch);
}

ATH_REGISTER_KERNEL((KernelDef{"attention", &Query, &Create, {}}));

}  // namespace
}  // namespace athanor
#endif  // HWY_ONCE
