// Element types, named as oneDNN names them.
#ifndef ATHANOR_RUNTIME_CORE_DTYPE_H_
#define ATHANOR_RUNTIME_CORE_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace athanor {

// DO NOT CHANGE THESE VALUES: they are embedded in the files. Append only.
enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kF64 = 2,
  kS32 = 3,
  kS64 = 4,
  kU8 = 5,
  kS8 = 6,
  kBF16 = 7,
  kBool = 8,
};

// Bytes of one element; 0 for kUndefined.
size_t DTypeSize(DType t);
// "f32", "s64", ...
absl::string_view DTypeName(DType t);
std::optional<DType> ParseDType(absl::string_view name);
inline bool IsFloating(DType t) { return t == DType::kF32 || t == DType::kF64 || t == DType::kBF16; }
inline bool IsInteger(DType t) {
  return t == DType::kS32 || t == DType::kS64 || t == DType::kU8 || t == DType::kS8;
}

template <typename T>
constexpr DType DTypeOf();
template <>
constexpr DType DTypeOf<float>() { return DType::kF32; }
template <>
constexpr DType DTypeOf<double>() { return DType::kF64; }
template <>
constexpr DType DTypeOf<int32_t>() { return DType::kS32; }
template <>
constexpr DType DTypeOf<int64_t>() { return DType::kS64; }
template <>
constexpr DType DTypeOf<uint8_t>() { return DType::kU8; }
template <>
constexpr DType DTypeOf<int8_t>() { return DType::kS8; }
template <>
constexpr DType DTypeOf<bool>() { return DType::kBool; }

}  // namespace athanor

#endif  // ATHANOR_RUNTIME_CORE_DTYPE_H_
