// Loops over the elements of several tensors at once, in chunks that depend on nothing but the tensors' sizes: so do sums
// of a chunk, and with them the sum over all, whatever the number of threads.
#ifndef ATHANOR_RUNTIME_KERNELS_TENSOR_CHUNKS_H_
#define ATHANOR_RUNTIME_KERNELS_TENSOR_CHUNKS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "runtime/kernels/parallel.h"

namespace athanor {

inline constexpr int64_t kChunkElements = 8192;

struct TensorChunk {
  int tensor = 0;
  int64_t begin = 0, end = 0;  // elements of the tensor
};

// No chunk holds elements of two tensors. One of no elements has none.
inline int64_t NumChunks(absl::Span<const int64_t> sizes) {
  int64_t chunks = 0;
  for (int64_t size : sizes) chunks += size / kChunkElements + (size % kChunkElements != 0);
  return chunks;
}

inline std::vector<TensorChunk> MakeChunks(absl::Span<const int64_t> sizes) {
  std::vector<TensorChunk> chunks;
  chunks.reserve(static_cast<size_t>(NumChunks(sizes)));
  for (size_t t = 0; t < sizes.size(); ++t) {
    for (int64_t begin = 0; begin < sizes[t]; begin += kChunkElements) {
      chunks.push_back({static_cast<int>(t), begin, begin + std::min(kChunkElements, sizes[t] - begin)});
    }
  }
  return chunks;
}

// Calls f(number of the chunk, chunk) for each. f must not throw.
template <typename F>
void ParallelChunks(absl::Span<const TensorChunk> chunks, int64_t bytes_per_element, int threads, const F& f) {
  if (chunks.empty()) return;
  int64_t elements = 0;
  for (const TensorChunk& c : chunks) elements += c.end - c.begin;
  const int64_t n = static_cast<int64_t>(chunks.size());
  ParallelRanges(n, 1, std::max<int64_t>(1, elements / n) * bytes_per_element, threads, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) f(c, chunks[c]);
  });
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_KERNELS_TENSOR_CHUNKS_H_
