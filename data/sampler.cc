#include "data/sampler.h"

#include <array>
#include <numeric>
#include <utility>

#include "runtime/core/philox.h"

namespace athanor {
namespace {

// DO NOT CHANGE: keeps the epochs' streams apart from those of other users of the seed ("shuf").
constexpr uint64_t kShuffleStreams = uint64_t{0x73687566} << 32;

class Numbers {
 public:
  Numbers(uint64_t seed, uint64_t epoch) : philox_(seed, kShuffleStreams ^ epoch) {}

  // Uniform in [0, bound), bound > 0.
  uint64_t Below(uint64_t bound) {
    using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(Next()) * bound;
    if (static_cast<uint64_t>(product) < bound) {
      // Of the 2^64 numbers, 2^64 mod bound too many would give a bias.
      const uint64_t excess = -bound % bound;
      while (static_cast<uint64_t>(product) < excess) product = static_cast<Wide>(Next()) * bound;
    }
    return static_cast<uint64_t>(product >> 64);
  }

 private:
  uint64_t Next() {
    if (used_ == 4) {
      block_ = philox_.Block(index_++);
      used_ = 0;
    }
    uint64_t low = block_[used_], high = block_[used_ + 1];
    used_ += 2;
    return high << 32 | low;
  }

  Philox philox_;
  uint64_t index_ = 0;
  std::array<uint32_t, 4> block_ = {};
  size_t used_ = 4;
};

}  // namespace

void RandomPermutation(uint64_t seed, uint64_t epoch, absl::Span<int64_t> out) {
  std::iota(out.begin(), out.end(), int64_t{0});
  Numbers numbers(seed, epoch);
  for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[numbers.Below(i)]);
}

}  // namespace athanor
