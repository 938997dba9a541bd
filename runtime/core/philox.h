// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC'11), by the Random123 library. A number is a pure function of (seed, stream, counter), so it does not
// depend on the number of threads, the order of evaluation or the machine.
#ifndef ATHANOR_RUNTIME_CORE_PHILOX_H_
#define ATHANOR_RUNTIME_CORE_PHILOX_H_

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <cstdint>

#include "runtime/core/portable_math.h"

namespace athanor {

class Philox {
 public:
  // `stream` tells users of one seed apart (one parameter, one dropout node, one epoch).
  Philox(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  // Four independent 32-bit numbers for the block with this index.
  std::array<uint32_t, 4> Block(uint64_t index) const {
    r123::Philox4x32::ctr_type counter = {{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                                           static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)}};
    r123::Philox4x32::key_type key = {{static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)}};
    auto r = r123::Philox4x32()(counter, key);
    return {r[0], r[1], r[2], r[3]};
  }

  // The i-th number of the stream, uniform in [0, 1) with 24 bits.
  float Uniform(uint64_t i) const { return ToUniform(Block(i / 4)[i % 4]); }
  // The i-th number of the stream, standard normal (Box-Muller, in double, without libm: the same on every machine).
  float Normal(uint64_t i) const {
    auto b = Block(i / 2);
    return ToNormal(b[i % 2 * 2], b[i % 2 * 2 + 1]);
  }
  // A stream of its own for each pair (one dropout node, one training step): the finaliser of SplitMix64 over both.
  static uint64_t MixStream(uint64_t stream, uint64_t step) {
    uint64_t z = stream * 0x9E3779B97F4A7C15u + step + 1;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  static float ToNormal(uint32_t a, uint32_t b) {
    const double radius = std::sqrt(-2.0 * PortableLog((a + 1.0) * 0x1p-32));
    return static_cast<float>(radius * PortableCosTurns(b * 0x1p-32));
  }
  static float ToUniform(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

 private:
  uint64_t seed_, stream_;
};

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_PHILOX_H_
