// Scaled dot-product attention without the matrix of scores: the method of FlashAttention (Dao, Fu, Ermon, Rudra, Re,
// "FlashAttention: fast and memory-efficient exact attention with IO-awareness", arXiv 2205.14135).
//   attention           (q, k, v [, mask] [, bias]) -> (y [, stats])
//       scores[t,s] = scale sum over e of q[t,e] k[s,e] + bias[t,s]
//                     -infinity where mask[t,s] is false, or s > t and causal is true
//       y[t,:] = sum over s of softmax(scores[t,:])[s] v[s,:];   0 where t may attend to no key
//       stats[t,:] = max over s of scores[t,s], 1 / sum over s of e^(scores[t,s] - max);   (0, 0) where there is no key
//   attention_backward  (dy, q, k, v, y, stats [, mask] [, bias]) -> (dq, dk, dv [, dscores])
//       computes each block of scores again. dscores is the gradient by the scores and by the bias before it is
//       broadcast. It alone is as large as the scores.
// Attributes: causal, scale, interleaved; and mask, bias, stats or dscores, which say whether there is one.
//   interleaved = false: q [B..,T,E], k [B..,S,E], v [B..,S,V], y [B..,T,V], scores [B..,T,S], stats [B..,T,2]
//   interleaved = true:  q [B..,T,H,E], k [B..,S,H,E], v [B..,S,H,V], y [B..,T,H,V], scores [B..,H,T,S],
//                        stats [B..,H,T,2]
// mask (bool, true: may attend) and bias (f32) broadcast to the scores.
//
// A block of scores is held transposed, a row a key: the queries lie side by side in vectors, so that maxima and sums
// over keys need nothing across a vector, and every product reads its operands as they lie in memory.
// The result does not depend on the number of threads: whatever the split, each element is summed up in the same order.
#ifndef ATHANOR_RUNTIME_KERNELS_ATTENTION_H_
#define ATHANOR_RUNTIME_KERNELS_ATTENTION_H_

#include <algorithm>
#include <vector>

#include "runtime/kernels/own_loop.h"

namespace athanor {

inline constexpr int64_t kQueryBlock = 64;  // at most: a multiple of the lanes of any vector
inline constexpr int64_t kKeyBlock = 64;

// An operand that broadcasts to the scores: strides in elements, 0 where it repeats.
struct ScoresOperand {
  bool present = false;
  std::vector<int64_t> group_strides;  // along AttentionCall::group_dims
  int64_t query_stride = 0, key_stride = 0;
};

// Sizes of a call, and how its operands lie. A group is one head of one batch element.
struct AttentionCall {
  int64_t batch = 1, heads = 1;  // heads is 1 unless interleaved
  int64_t queries = 0, keys = 0, size = 0, value_size = 0;
  bool causal = false;
  float scale = 1;
  std::vector<int64_t> group_dims;  // of the scores, before T and S
  ScoresOperand mask, bias;
  int64_t query_block = kQueryBlock;
  int threads = 1;

  int64_t groups() const { return batch * heads; }
  int64_t query_blocks() const { return (queries + query_block - 1) / query_block; }
  // Elements from one row to the next, and of the first row of a group.
  int64_t stride(int64_t row_size) const { return heads * row_size; }
  int64_t first(int64_t group, int64_t rows, int64_t row_size) const {
    return (group / heads * rows * heads + group % heads) * row_size;
  }
  // Element of an operand for this pair of query and key.
  int64_t At(const ScoresOperand& operand, int64_t group, int64_t query, int64_t key) const {
    int64_t offset = query * operand.query_stride + key * operand.key_stride;
    for (size_t d = group_dims.size(); d-- > 0;) {
      offset += group % group_dims[d] * operand.group_strides[d];
      group /= group_dims[d];
    }
    return offset;
  }
  // The keys that a query before `end` may see by `causal`.
  int64_t KeyEnd(int64_t end) const { return causal ? std::min(keys, end) : keys; }
};

struct AttentionOperands {
  const float *q = nullptr, *k = nullptr, *v = nullptr;
  const uint8_t* mask = nullptr;  // null where there is none
  const float* bias = nullptr;
  float *y = nullptr, *stats = nullptr;  // stats may be null. Inputs of the backward kernel, which does not write them
  const float* dy = nullptr;
  float *dq = nullptr, *dk = nullptr, *dv = nullptr, *dscores = nullptr;  // dscores may be null
};

// Checks the call. PLAN errors.
absl::StatusOr<AttentionCall> ReadAttentionCall(const CallSpec& spec, bool backward);
// Row-major layouts, traffic, scratch of `floats_per_thread` for each thread.
absl::StatusOr<KernelInfo> AttentionInfo(const CallSpec& spec, const AttentionCall& call, int64_t floats_per_thread,
                                         int products);

// Floats of scratch that one thread uses: a multiple of 16. LIMIT error on overflow.
absl::StatusOr<int64_t> AttentionScratch(const CallSpec& spec, const AttentionCall& call, bool backward);

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_ATTENTION_H_
