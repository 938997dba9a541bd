#include "runtime/container/testing/corrupt.h"

#include <xxhash.h>

#include <cstdint>
#include <cstring>

namespace athanor {
namespace {

uint64_t Load(const std::string& bytes, size_t at) {
  uint64_t v;
  std::memcpy(&v, &bytes[at], sizeof(v));
  return v;
}
void Store(std::string* bytes, size_t at, uint64_t v) { std::memcpy(&(*bytes)[at], &v, sizeof(v)); }

}  // namespace

void Reseal(std::string* bytes) {
  const uint64_t size = bytes->size(), root = Load(*bytes, 16), at = Load(*bytes, 24), n = Load(*bytes, 32);
  if (root <= size - 64) Store(bytes, 40, XXH3_64bits(&(*bytes)[64], root));
  if (at <= size && n <= size - at) Store(bytes, 48, XXH3_64bits(bytes->data() + at, n));
  Store(bytes, 56, XXH3_64bits(bytes->data(), 56));
}

void ForEachCorruption(const std::string& good, const std::function<void(const std::string& bad, size_t at)>& f) {
  for (size_t i = 8; i < good.size(); ++i) {
    const char was = good[i];
    for (char to :
         {static_cast<char>(was ^ 1), static_cast<char>(was ^ 0x80), '\0', '\xff', static_cast<char>(was + 1)}) {
      if (to == was) continue;
      std::string bad = good;
      bad[i] = to;
      Reseal(&bad);
      f(bad, i);
    }
  }
}

}  // namespace athanor
