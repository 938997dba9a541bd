// Arithmetic on sizes and offsets that come from files: every product and sum goes through here, and the value that
// was checked is the value that is used.
#ifndef ATHANOR_RUNTIME_CORE_CHECKED_H_
#define ATHANOR_RUNTIME_CORE_CHECKED_H_

#include <cstdint>
#include <optional>

namespace athanor {

// nullopt on overflow of int64_t.
inline std::optional<int64_t> CheckedAdd(int64_t a, int64_t b) {
  int64_t r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}
inline std::optional<int64_t> CheckedMul(int64_t a, int64_t b) {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}
// The least multiple of `alignment` (a power of two) that is >= n >= 0.
inline std::optional<int64_t> CheckedAlignUp(int64_t n, int64_t alignment) {
  auto sum = CheckedAdd(n, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_CHECKED_H_
