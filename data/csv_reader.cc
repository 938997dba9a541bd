#include "data/csv_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace athanor {
namespace {

constexpr size_t kMaxRecordBytes = 64 << 20;
constexpr int64_t kMaxColumns = 1 << 20;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

absl::string_view Trimmed(absl::string_view field) {
  while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
  return field;
}

absl::string_view WithoutPlus(absl::string_view field) {
  return field.size() > 1 && field[0] == '+' && field[1] != '-' ? field.substr(1) : field;
}

// The whole field is a number, perhaps one that is too large or not finite.
template <typename T>
std::errc Parse(absl::string_view field, T* value) {
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), *value);
  return end == field.data() + field.size() ? error : std::errc::invalid_argument;
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMaxShown = 40;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxShown)), text.size() > kMaxShown ? "..." : "", "\"");
}

}  // namespace

char DetectCsvSeparator(absl::string_view text) {
  constexpr std::array<char, 3> kSeparators = {',', ';', '\t'};
  std::array<int64_t, 3> counts = {0, 0, 0};
  bool quoted = false;
  for (char c : text.substr(0, kMaxRecordBytes)) {
    if (c == '\n' && !quoted) break;
    if (c == '"') quoted = !quoted;
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += !quoted && c == kSeparators[i];
  }
  return kSeparators[std::max_element(counts.begin(), counts.end()) - counts.begin()];
}

absl::Status CsvScan::Error(absl::string_view what) const {
  return MakeError(ErrorClass::kData, "%s: line %d, column %d: %s", name_, line_, column_, what);
}

void CsvScan::Pass(absl::string_view text) {
  if (const size_t end = text.rfind('\n'); end != absl::string_view::npos) {
    line_ += std::count(text.begin(), text.end(), '\n');
    column_ = 1;
    line_bytes_ = 0;
    text.remove_prefix(end + 1);
  }
  column_ += std::count(text.begin(), text.end(), separator_);
  line_bytes_ += text.size();
}

absl::Status CsvScan::Add(absl::string_view piece) {
  if (first_) {
    if (absl::StartsWith(piece, "\xff\xfe") || absl::StartsWith(piece, "\xfe\xff")) {
      return Error("the text is UTF-16; only UTF-8 is read");
    }
    if (separator_ == '\0') separator_ = DetectCsvSeparator(piece);
    first_ = false;
  }
  const size_t nul = piece.find('\0');
  Pass(piece.substr(0, nul));
  if (nul != absl::string_view::npos) return Error("a NUL character");
  if (line_bytes_ <= kMaxRecordBytes) return absl::OkStatus();
  return Error(absl::StrCat("the line is longer than ", kMaxRecordBytes, " bytes"));
}

CsvReader::CsvReader(absl::string_view text, absl::string_view name, char separator)
    : text_(text), name_(name), separator_(separator) {
  if (absl::StartsWith(text_, kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  start_ = CsvScan(name_, separator_).Add(text_);
}

absl::Status CsvReader::Error(int64_t column, absl::string_view what) const {
  return MakeError(ErrorClass::kData, "%s: line %d, column %d: %s", name_, line_, column, what);
}

absl::StatusOr<absl::string_view> CsvReader::QuotedField(int64_t column) {
  const size_t start = ++at_;
  std::string* doubled = nullptr;  // set once the field holds a quote
  size_t piece = start;
  while (true) {
    const size_t quote = text_.substr(0, record_ + kMaxRecordBytes).find('"', at_);
    if (quote == absl::string_view::npos) return Error(column, "a quote is not closed");
    next_line_ += std::count(text_.begin() + at_, text_.begin() + quote, '\n');
    at_ = quote + 1;
    const bool again = at_ < text_.size() && text_[at_] == '"';
    if (!again && doubled == nullptr) return text_.substr(start, quote - start);
    if (doubled == nullptr) doubled = &unquoted_.emplace_back();
    absl::StrAppend(doubled, text_.substr(piece, quote - piece + (again ? 1 : 0)));
    if (!again) return *doubled;
    piece = ++at_;
  }
}

absl::StatusOr<absl::string_view> CsvReader::PlainField(int64_t column) {
  const size_t start = at_;
  const size_t end = std::min(text_.size(), record_ + kMaxRecordBytes);
  while (at_ < end) {
    const char c = text_[at_];
    if (c == separator_ || c == '\n') break;
    if (c == '\r') {
      if (at_ + 1 < text_.size() && text_[at_ + 1] == '\n') break;
      return Error(column, "a carriage return without a line feed");
    }
    if (c == '"') return Error(column, "a quote within a field that does not start with one");
    ++at_;
  }
  if (at_ == end && end < text_.size()) {
    return Error(column, absl::StrCat("the line is longer than ", kMaxRecordBytes, " bytes"));
  }
  return text_.substr(start, at_ - start);
}

// Behind a field: true for a separator, false for the end of the record.
absl::StatusOr<bool> CsvReader::TakeSeparator(int64_t column) {
  if (at_ == text_.size()) return false;
  if (text_[at_] == separator_) {
    ++at_;
    return true;
  }
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  if (text_[at_] != '\n') return Error(column, "text behind a closing quote");
  ++at_;
  ++next_line_;
  return false;
}

absl::StatusOr<bool> CsvReader::Next(std::vector<absl::string_view>* fields) {
  fields->clear();
  unquoted_.clear();
  if (!start_.ok()) return start_;
  while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n")) {
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++next_line_;
  }
  if (at_ == text_.size()) return false;
  record_ = at_;
  line_ = next_line_;
  for (int64_t column = 1;; ++column) {
    if (column > kMaxColumns) return Error(column, absl::StrCat("there are more than ", kMaxColumns, " columns"));
    const bool quoted = at_ < text_.size() && text_[at_] == '"';
    absl::StatusOr<absl::string_view> field = quoted ? QuotedField(column) : PlainField(column);
    if (!field.ok()) return field.status();
    fields->push_back(*field);
    ATH_ASSIGN_OR_RETURN(bool more, TakeSeparator(column));
    if (!more) return true;
  }
}

namespace {

// Whether a number whose size is outside double's is a small one.
bool IsTiny(absl::string_view number) {
  if (number.front() == '-') number.remove_prefix(1);
  const size_t e = number.find_first_of("eE");
  int64_t exponent = 0;
  if (e != absl::string_view::npos && !absl::SimpleAtoi(number.substr(e + 1), &exponent)) {
    return absl::StrContains(number.substr(e), "-");  // more digits than fit
  }
  const absl::string_view digits = number.substr(0, e);
  const size_t point = std::min(digits.find('.'), digits.size()), first = digits.find_first_not_of("0.");
  if (first == absl::string_view::npos) return true;
  // The power of ten of the first digit that is not 0.
  const int64_t power = static_cast<int64_t>(point) - static_cast<int64_t>(first) - (first < point ? 1 : 0);
  return power + exponent < 0;
}

}  // namespace

std::optional<float> ParseCsvNumber(absl::string_view field) {
  field = WithoutPlus(Trimmed(field));
  float value = 0;
  std::errc error = Parse(field, &value);
  if (error == std::errc()) return std::isfinite(value) ? std::optional<float>(value) : std::nullopt;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  double wide = 0;
  error = Parse(field, &wide);
  if (error == std::errc() && std::abs(wide) < 1) return static_cast<float>(wide);
  if (error == std::errc::result_out_of_range && IsTiny(field)) return 0.0f;
  return std::nullopt;
}

std::string ExplainCsvNumber(absl::string_view field) {
  const absl::string_view text = WithoutPlus(Trimmed(field));
  if (text.empty()) return "the field is empty";
  float value = 0;
  const std::errc error = Parse(text, &value);
  if (error == std::errc()) return absl::StrCat(Quoted(field), " is not finite");
  if (error == std::errc::result_out_of_range) return absl::StrCat(Quoted(field), " is above the largest f32, 3.4e38");
  const bool decimal_comma =
      std::count(text.begin(), text.end(), ',') == 1 && std::all_of(text.begin(), text.end(), [](char c) {
        return absl::ascii_isdigit(c) || absl::StrContains(",.-eE", c);
      });
  return absl::StrCat(Quoted(field), " is no number", decimal_comma ? ": a decimal comma; numbers have a point" : "");
}

}  // namespace athanor
