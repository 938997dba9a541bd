#include "runtime/core/dtype.h"

namespace athanor {
namespace {
struct Entry {
  DType type;
  size_t size;
  absl::string_view name;
};
constexpr Entry kTable[] = {
    {DType::kF32, 4, "f32"}, {DType::kF64, 8, "f64"}, {DType::kS32, 4, "s32"},   {DType::kS64, 8, "s64"},
    {DType::kU8, 1, "u8"},   {DType::kS8, 1, "s8"},   {DType::kBF16, 2, "bf16"}, {DType::kBool, 1, "bool"},
};
}  // namespace

size_t DTypeSize(DType t) {
  for (const Entry& e : kTable) {
    if (e.type == t) return e.size;
  }
  return 0;
}

absl::string_view DTypeName(DType t) {
  for (const Entry& e : kTable) {
    if (e.type == t) return e.name;
  }
  return "undefined";
}

std::optional<DType> ParseDType(absl::string_view name) {
  for (const Entry& e : kTable) {
    if (e.name == name) return e.type;
  }
  return std::nullopt;
}

}  // namespace athanor
