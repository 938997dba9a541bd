// What forward and backward attention do with one block of transposed scores, for the instruction set being compiled:
// Highway's foreach_target.h includes this file once for each.
#if defined(ATHANOR_RUNTIME_KERNELS_ATTENTION_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATHANOR_RUNTIME_KERNELS_ATTENTION_BLOCK_INL_H_
#undef ATHANOR_RUNTIME_KERNELS_ATTENTION_BLOCK_INL_H_
#else
#define ATHANOR_RUNTIME_KERNELS_ATTENTION_BLOCK_INL_H_
#endif

#include <limits>

#include "runtime/kernels/attention.h"
#include "runtime/kernels/tile_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace athanor {
namespace HWY_NAMESPACE {

// The rows of a matrix become columns of `out`, times `scale`; zeros fill it up to `width` columns.
inline void PackTransposed(const float* x, int64_t x_stride, int64_t rows, int64_t columns, float scale, int64_t width,
                           float* out) {
  constexpr int64_t kStep = 8;  // rows read side by side
  for (int64_t r0 = 0; r0 < width; r0 += kStep) {
    const int64_t count = std::clamp<int64_t>(rows - r0, 0, kStep);
    for (int64_t c = 0; c < columns; ++c) {
      float* to = out + c * width + r0;
      for (int64_t r = 0; r < count; ++r) to[r] = x[(r0 + r) * x_stride + c] * scale;
      for (int64_t r = count; r < kStep; ++r) to[r] = 0;
    }
  }
}

// The block's place: queries [query, query + rows) by keys [key, key + keys). A row of the scores has room for
// call.query_block queries.
struct AttentionBlock {
  int64_t query, rows, key, keys;
};

// Calls f(score, element) for every pair of the block, with the element of `x`, an operand that broadcasts to the
// scores.
template <typename T, typename F>
void ForEachScore(const AttentionCall& call, const ScoresOperand& operand, const T* x, int64_t group,
                  const AttentionBlock& b, float* scores, const F& f) {
  const int64_t width = call.query_block;
  const T* row = x + call.At(operand, group, b.query, b.key);
  for (int64_t i = 0; i < b.rows; ++i, row += operand.query_stride) {
    for (int64_t j = 0; j < b.keys; ++j) f(scores[j * width + i], row[j * operand.key_stride]);
  }
}

// scores = k q' of the block, -infinity where forbidden. `q` is packed, scale included.
inline void BlockScores(const AttentionCall& call, const AttentionOperands& o, int64_t group, const AttentionBlock& b,
                        const float* q, float* scores) {
  const int64_t width = call.query_block, stride = call.stride(call.size);
  TileProduct<false>({b.keys, width, call.size, o.k + call.first(group, call.keys, call.size) + b.key * stride, stride,
                      q, width, scores, width, TileUpdate::kSet});
  const float forbidden = -std::numeric_limits<float>::infinity();
  if (call.bias.present) {
    ForEachScore(call, call.bias, o.bias, group, b, scores, [](float& score, float x) { score += x; });
  }
  if (call.mask.present) {
    ForEachScore(call, call.mask, o.mask, group, b, scores, [=](float& score, uint8_t allowed) {
      if (!allowed) score = forbidden;
    });
  }
  if (!call.causal) return;
  for (int64_t j = std::max<int64_t>(0, b.query - b.key + 1); j < b.keys; ++j) {
    std::fill_n(scores + j * width, std::min(b.key + j - b.query, width), forbidden);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace athanor
HWY_AFTER_NAMESPACE();

#endif  // ATHANOR_RUNTIME_KERNELS_ATTENTION_BLOCK_INL_H_
