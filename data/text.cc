#include "data/text.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/match.h"
#include "data/gzip.h"
#include "data/limits.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr uint32_t kCodePoints = 0x110000;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

struct Character {
  uint32_t point = 0;
  int bytes = 0;  // 0: not UTF-8
};

// RFC 3629: no overlong forms, no surrogates, at most U+10FFFF.
Character Decode(absl::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const int bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < static_cast<size_t>(bytes)) return {};
  uint32_t point = lead & (0x7f >> bytes);
  for (int i = 1; i < bytes; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    point = point << 6 | (next & 0x3f);
  }
  const bool overlong = (bytes == 3 && point < 0x800) || (bytes == 4 && point < 0x10000);
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (overlong || surrogate || point >= kCodePoints) return {};
  return {point, bytes};
}

std::string Encode(uint32_t point) {
  auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

absl::Status Error(absl::string_view text, size_t at, absl::string_view name, absl::string_view what) {
  return MakeError(ErrorClass::kData, "%s: byte %d, line %d: %s", name, at,
                   1 + std::count(text.begin(), text.begin() + at, '\n'), what);
}

absl::Status Unknown(absl::string_view text, size_t at, const Character& c, size_t symbols, absl::string_view name) {
  const absl::string_view shown = text.substr(at, c.bytes);
  return Error(text, at, name,
               absl::StrFormat("the character %s is not among the %d symbols",
                               IsPrintableUtf8(shown) && shown != " " ? absl::StrFormat("\"%s\"", shown)
                                                                      : absl::StrFormat("U+%04X", c.point),
                               symbols));
}

// The number of each code point that is a symbol, -1 for the others.
std::vector<int32_t> NumbersOf(absl::Span<const std::string> symbols) {
  std::vector<int32_t> numbers(kCodePoints, -1);
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i].empty()) continue;
    const Character c = Decode(symbols[i]);
    if (c.bytes > 0 && static_cast<size_t>(c.bytes) == symbols[i].size()) numbers[c.point] = static_cast<int32_t>(i);
  }
  return numbers;
}

absl::Status ToCodePoints(absl::string_view text, absl::string_view name, std::vector<int32_t>* points) {
  points->reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character c = Decode(text.substr(at));
    if (c.bytes == 0) {
      return Error(text, at, name, absl::StrFormat("0x%02x is not UTF-8", static_cast<uint8_t>(text[at])));
    }
    if (c.point == 0) return Error(text, at, name, "a NUL: this is no text");
    points->push_back(static_cast<int32_t>(c.point));
    at += c.bytes;
  }
  return absl::OkStatus();
}

// Where character `index` begins.
size_t ByteOf(absl::string_view text, size_t index) {
  size_t at = 0;
  while (index-- > 0) at += Decode(text.substr(at)).bytes;
  return at;
}

absl::StatusOr<Text> Parse(absl::string_view text, absl::string_view name, absl::Span<const std::string> symbols) {
  if (text.empty()) return MakeError(ErrorClass::kData, "%s: the text is empty", name);
  Text result;
  result.name = std::string(name);
  ATH_RETURN_IF_ERROR(ToCodePoints(text, name, &result.ids));
  if (symbols.empty()) {
    std::vector<bool> used(kCodePoints, false);
    for (int32_t point : result.ids) used[point] = true;
    for (uint32_t point = 0; point < kCodePoints; ++point) {
      if (used[point]) result.symbols.push_back(Encode(point));
    }
  } else {
    result.symbols.assign(symbols.begin(), symbols.end());
  }
  const std::vector<int32_t> numbers = NumbersOf(result.symbols);
  for (size_t i = 0; i < result.ids.size(); ++i) {
    const int32_t number = numbers[result.ids[i]];
    if (number < 0) {
      const size_t at = ByteOf(text, i);
      return Unknown(text, at, Decode(text.substr(at)), symbols.size(), name);
    }
    result.ids[i] = number;
  }
  return result;
}

}  // namespace

absl::StatusOr<Text> ParseText(absl::string_view bytes, absl::string_view name, absl::Span<const std::string> symbols) {
  if (absl::StartsWith(bytes, kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  try {
    return Parse(bytes, name, symbols);
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "%s: no memory for the characters of its %d bytes", name, bytes.size());
  }
}

absl::StatusOr<Text> ReadText(const std::string& path, absl::Span<const std::string> symbols) {
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadFileMaybeGzip(path, kMaxDataFileBytes));
  return ParseText(bytes, path, symbols);
}

absl::StatusOr<std::string> TextOfIds(absl::Span<const int32_t> ids, absl::Span<const std::string> symbols) {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= static_cast<int64_t>(symbols.size())) {
      return MakeError(ErrorClass::kIndex, "element %d is %d, outside the symbols 0 .. %d", i, ids[i],
                       static_cast<int64_t>(symbols.size()) - 1);
    }
    text += symbols[ids[i]];
  }
  return text;
}

}  // namespace athanor
