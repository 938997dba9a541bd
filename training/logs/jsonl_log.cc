#include "training/logs/jsonl_log.h"

#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "runtime/core/file.h"
#include "runtime/core/utf8.h"

namespace athanor {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 30;
constexpr char kStart[] = "{\"step\":";

std::string JsonString(absl::string_view text) {
  const bool printable = IsPrintableUtf8(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += printable || (c >= ' ' && c <= '~') ? c : '?';
  }
  return out + "\"";
}

std::string JsonNumber(double v) { return std::isfinite(v) ? ShortestNumber(v) : "null"; }

}  // namespace

absl::StatusOr<std::unique_ptr<JsonlLog>> JsonlLog::Open(const std::string& path, std::optional<int64_t> resumed_step) {
  ATH_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(path));
  std::string kept;
  if (resumed_step) {
    ATH_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
    std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
    lines.pop_back();  // without a line end: torn
    for (size_t i = 0; i < lines.size(); ++i) {
      absl::string_view rest = lines[i];
      int64_t step = 0;
      if (!absl::ConsumePrefix(&rest, kStart) || !absl::SimpleAtoi(rest.substr(0, rest.find_first_of(",}")), &step)) {
        return MakeError(ErrorClass::kFormat, "%s line %d is not of a metrics log: it does not begin with %s", path,
                         i + 1, kStart);
      }
      if (step <= *resumed_step) absl::StrAppend(&kept, lines[i], "\n");
    }
  }
  ATH_RETURN_IF_ERROR(WriteFileAtomic(path, {kept}));
  ATH_ASSIGN_OR_RETURN(file, AppendFile::Open(path));
  return std::unique_ptr<JsonlLog>(new JsonlLog(std::move(file)));
}

std::string& JsonlLog::LineWith(absl::string_view tag, int64_t step) {
  std::string& line = lines_[step];
  if (line.empty()) {
    line = absl::StrFormat("%s%d,\"time\":%.3f", kStart, step, absl::ToUnixMillis(absl::Now()) / 1000.0);
  }
  absl::StrAppend(&line, ",", JsonString(tag), ":");
  return line;
}

void JsonlLog::Scalar(absl::string_view tag, int64_t step, double value) {
  absl::StrAppend(&LineWith(tag, step), JsonNumber(value));
}

void JsonlLog::Histogram(absl::string_view tag, int64_t step, absl::Span<const float> values) {
  const Moments m = MomentsOf(values);
  absl::StrAppend(&LineWith(tag, step), "{\"count\":", m.count, ",\"not_finite\":", m.not_finite);
  absl::StrAppend(&lines_[step], ",\"min\":", JsonNumber(m.min), ",\"max\":", JsonNumber(m.max),
                  ",\"mean\":", JsonNumber(m.mean()), ",\"std\":", JsonNumber(m.deviation()), "}");
}

absl::Status JsonlLog::Flush() {
  std::string out;
  for (const auto& [step, line] : std::exchange(lines_, {})) absl::StrAppend(&out, line, "}\n");
  return out.empty() ? absl::OkStatus() : file_.Append(out);
}

}  // namespace athanor
