#include "data/text.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/gzip.h"
#include "data/limits.h"
#include "data/utf8_decode.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string Encode(uint32_t point) {
  auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

// The number of each code point that is a symbol, -1 for the others.
std::vector<int32_t> NumbersOf(absl::Span<const std::string> symbols) {
  std::vector<int32_t> numbers(kCodePoints, -1);
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i].empty()) continue;
    const Utf8Character c = DecodeUtf8(symbols[i]);
    if (c.bytes > 0 && static_cast<size_t>(c.bytes) == symbols[i].size()) numbers[c.point] = static_cast<int32_t>(i);
  }
  return numbers;
}

// Finds what is wrong with a text that comes in pieces, and which characters it has, without keeping it.
class Scan {
 public:
  Scan(absl::string_view name, absl::Span<const std::string> symbols)
      : name_(name), symbols_(symbols.size()), used_(kCodePoints, 0) {
    if (!symbols.empty()) numbers_ = NumbersOf(symbols);
  }

  // An empty piece is the end.
  absl::Status Add(absl::string_view piece) {
    const bool end = piece.empty();
    if (!cut_.empty()) {
      const size_t n = end ? 0 : std::min(piece.size(), Utf8Length(cut_[0]) - cut_.size());
      absl::StrAppend(&cut_, piece.substr(0, n));
      piece.remove_prefix(n);
      if (!end && cut_.size() < static_cast<size_t>(Utf8Length(cut_[0]))) return absl::OkStatus();
      const std::string whole = std::exchange(cut_, {});
      ATH_RETURN_IF_ERROR(Take(whole));
    }
    for (size_t tail = 1; tail <= std::min<size_t>(3, piece.size()); ++tail) {
      if (static_cast<size_t>(Utf8Length(piece[piece.size() - tail])) <= tail) continue;
      cut_ = std::string(piece.substr(piece.size() - tail));
      piece.remove_suffix(tail);
      break;
    }
    return Take(piece);
  }

  int64_t characters() const { return characters_; }
  bool Uses(uint32_t point) const { return used_[point] != 0; }

 private:
  absl::Status Take(absl::string_view text) {
    for (size_t at = 0; at < text.size(); ++characters_) {
      const auto byte = static_cast<uint8_t>(text[at]);
      if (byte < 0x80 && used_[byte] != 0) {
        ++at;
        continue;
      }
      const Utf8Character c = DecodeUtf8(text.substr(at));
      if (c.bytes == 0) return Error(text, at, absl::StrFormat("0x%02x is not UTF-8", byte));
      if (c.point == 0) return Error(text, at, "a NUL: this is no text");
      if (!numbers_.empty() && numbers_[c.point] < 0) return Unknown(text, at, c);
      used_[c.point] = 1;
      at += c.bytes;
    }
    bytes_ += static_cast<int64_t>(text.size());
    lines_ += std::count(text.begin(), text.end(), '\n');
    return absl::OkStatus();
  }

  absl::Status Error(absl::string_view text, size_t at, absl::string_view what) const {
    return MakeError(ErrorClass::kData, "%s: byte %d, line %d: %s", name_, bytes_ + static_cast<int64_t>(at),
                     1 + lines_ + std::count(text.begin(), text.begin() + at, '\n'), what);
  }

  absl::Status Unknown(absl::string_view text, size_t at, const Utf8Character& c) const {
    const absl::string_view shown = text.substr(at, c.bytes);
    const bool printable = IsPrintableUtf8(shown) && shown != " ";
    return Error(text, at,
                 absl::StrFormat("the character %s is not among the %d symbols",
                                 printable ? absl::StrFormat("\"%s\"", shown) : absl::StrFormat("U+%04X", c.point),
                                 symbols_));
  }

  const absl::string_view name_;
  const size_t symbols_;
  std::vector<int32_t> numbers_;  // of the symbols, if there are any
  std::vector<uint8_t> used_;     // by code point
  std::string cut_;               // the start of a character that the last piece's end cuts
  int64_t characters_ = 0, bytes_ = 0, lines_ = 0;  // taken
};

absl::StatusOr<Text> Parse(absl::string_view text, absl::string_view name, absl::Span<const std::string> symbols) {
  if (text.empty()) return MakeError(ErrorClass::kData, "%s: the text is empty", name);
  Text result;
  result.name = std::string(name);
  // Memory for the numbers is taken once the text is known to be sound.
  Scan scan(name, symbols);
  ATH_RETURN_IF_ERROR(scan.Add(text));
  ATH_RETURN_IF_ERROR(scan.Add(""));
  result.symbols.assign(symbols.begin(), symbols.end());
  for (uint32_t point = 0; point < kCodePoints && symbols.empty(); ++point) {
    if (scan.Uses(point)) result.symbols.push_back(Encode(point));
  }
  const std::vector<int32_t> numbers = NumbersOf(result.symbols);
  result.ids.reserve(scan.characters());
  while (!text.empty()) {
    const Utf8Character c = DecodeUtf8(text);
    result.ids.push_back(numbers[c.point]);
    text.remove_prefix(c.bytes);
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
  Scan scan(path, symbols);
  bool first = true;
  auto check = [&](absl::string_view piece) {
    if (std::exchange(first, false)) absl::ConsumePrefix(&piece, kByteOrderMark);
    return scan.Add(piece);
  };
  ATH_ASSIGN_OR_RETURN(std::string bytes, ReadFileMaybeGzip(path, kMaxDataFileBytes, check));
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
