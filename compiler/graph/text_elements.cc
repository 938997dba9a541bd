#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "compiler/graph/text.h"

namespace athanor::internal {
namespace {

template <typename T>
T Load(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
template <typename T>
void Store(T v, void* p) {
  std::memcpy(p, &v, sizeof(v));
}

// The bits of a floating type, and its quiet NaN.
template <typename Float>
struct Bits;
template <>
struct Bits<float> {
  using Uint = uint32_t;
};
template <>
struct Bits<double> {
  using Uint = uint64_t;
};

template <typename Float>
std::string FloatText(Float v) {
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  if (std::isnan(v)) {
    auto bits = Load<typename Bits<Float>::Uint>(&v);
    Float quiet = std::numeric_limits<Float>::quiet_NaN();
    if (bits == Load<typename Bits<Float>::Uint>(&quiet)) return "nan";
    return absl::StrCat("nan(0x", absl::Hex(bits), ")");
  }
  char buffer[40];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof(buffer), v);
  std::string s(buffer, end);
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return s;
}

template <typename Float>
bool ParseFloat(absl::string_view text, Float* out) {
  using Uint = typename Bits<Float>::Uint;
  if (text == "nan") {
    *out = std::numeric_limits<Float>::quiet_NaN();
    return true;
  }
  if (absl::ConsumePrefix(&text, "nan(0x")) {
    Uint bits;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
    if (ec != std::errc() || absl::string_view(end, text.data() + text.size() - end) != ")") return false;
    *out = Load<Float>(&bits);
    return std::isnan(*out);
  }
  if (text == "inf" || text == "-inf") {
    *out = text[0] == '-' ? -std::numeric_limits<Float>::infinity() : std::numeric_limits<Float>::infinity();
    return true;
  }
  if (text.empty() || absl::StrContains(text, "n")) return false;  // from_chars knows more spellings of inf and nan
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return ec == std::errc() && end == text.data() + text.size();
}

template <typename Int>
bool ParseInt(absl::string_view text, void* element) {
  Int v;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size()) return false;
  Store(v, element);
  return true;
}

template <typename Float>
bool ParseFloatTo(absl::string_view text, void* element) {
  Float v;
  if (!ParseFloat(text, &v)) return false;
  Store(v, element);
  return true;
}

float FromBf16(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  return Load<float>(&wide);
}

// Only texts of numbers that bf16 holds exactly.
bool ParseBf16(absl::string_view text, void* element) {
  float v;
  if (!ParseFloat(text, &v)) return false;
  uint32_t bits = Load<uint32_t>(&v);
  if ((bits & 0xffff) != 0) return false;
  Store(static_cast<uint16_t>(bits >> 16), element);
  return true;
}

}  // namespace

std::string ElementToString(DType dtype, const void* element) {
  switch (dtype) {
    case DType::kF32:
      return FloatText(Load<float>(element));
    case DType::kF64:
      return FloatText(Load<double>(element));
    case DType::kBF16:
      return FloatText(FromBf16(Load<uint16_t>(element)));
    case DType::kS32:
      return absl::StrCat(Load<int32_t>(element));
    case DType::kS64:
      return absl::StrCat(Load<int64_t>(element));
    case DType::kU8:
      return absl::StrCat(static_cast<int>(Load<uint8_t>(element)));
    case DType::kS8:
      return absl::StrCat(static_cast<int>(Load<int8_t>(element)));
    case DType::kBool:
      return Load<uint8_t>(element) ? "true" : "false";
    case DType::kUndefined:
      break;
  }
  return "?";
}

bool ParseElement(absl::string_view text, DType dtype, void* element) {
  switch (dtype) {
    case DType::kF32:
      return ParseFloatTo<float>(text, element);
    case DType::kF64:
      return ParseFloatTo<double>(text, element);
    case DType::kBF16:
      return ParseBf16(text, element);
    case DType::kS32:
      return ParseInt<int32_t>(text, element);
    case DType::kS64:
      return ParseInt<int64_t>(text, element);
    case DType::kU8:
      return ParseInt<uint8_t>(text, element);
    case DType::kS8:
      return ParseInt<int8_t>(text, element);
    case DType::kBool:
      if (text != "true" && text != "false") return false;
      Store<uint8_t>(text == "true", element);
      return true;
    case DType::kUndefined:
      break;
  }
  return false;
}

}  // namespace athanor::internal
