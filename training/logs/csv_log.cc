#include "training/logs/csv_log.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "runtime/core/file.h"

namespace athanor {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 30;

std::string Quoted(const std::string& cell) {
  // A line break would end the row: tags are names, and keep to one line.
  const std::string one_line = absl::StrReplaceAll(cell, {{"\n", " "}, {"\r", " "}});
  if (one_line.find_first_of(",\"") == std::string::npos) return one_line;
  return absl::StrCat("\"", absl::StrReplaceAll(one_line, {{"\"", "\"\""}}), "\"");
}

// The cells of the head line.
std::vector<std::string> Unquoted(absl::string_view line) {
  std::vector<std::string> cells(1);
  bool inside = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && inside && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (line[i] == '"') {
      inside = !inside;
    } else if (line[i] == ',' && !inside) {
      cells.emplace_back();
    } else {
      cells.back() += line[i];
    }
  }
  return cells;
}

std::string Head(const std::vector<std::string>& columns) {
  std::string head = "step";
  for (const std::string& c : columns) absl::StrAppend(&head, ",", Quoted(c));
  return head + "\n";
}

// Whole lines of the text, without their ends; a last line without an end is torn.
std::vector<absl::string_view> WholeLines(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  return lines;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CsvLog>> CsvLog::Open(const std::string& path, std::optional<int64_t> resumed_step) {
  ATH_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(path));
  std::string kept;
  std::vector<std::string> columns;
  if (resumed_step) {
    ATH_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
    const std::vector<absl::string_view> lines = WholeLines(text);
    for (size_t i = 0; i < lines.size(); ++i) {
      int64_t step = 0;
      const bool good = i == 0 ? lines[0] == "step" || lines[0].substr(0, 5) == "step,"
                               : absl::SimpleAtoi(lines[i].substr(0, lines[i].find(',')), &step);
      if (!good) {
        return MakeError(ErrorClass::kFormat, "%s line %d is not of a metrics log: it does not begin with a step", path,
                         i + 1);
      }
      if (step <= *resumed_step) absl::StrAppend(&kept, lines[i], "\n");
    }
    if (!lines.empty()) columns = Unquoted(lines[0]);
    if (!columns.empty()) columns.erase(columns.begin());
  }
  ATH_RETURN_IF_ERROR(WriteFileAtomic(path, {kept}));
  ATH_ASSIGN_OR_RETURN(file, AppendFile::Open(path));
  std::unique_ptr<CsvLog> log(new CsvLog(std::move(file)));
  log->columns_ = columns;
  log->written_columns_ = columns.size();
  return log;
}

void CsvLog::Scalar(absl::string_view tag, int64_t step, double value) {
  size_t column = std::find(columns_.begin(), columns_.end(), tag) - columns_.begin();
  if (column == columns_.size()) columns_.emplace_back(tag);
  rows_[step][column] = value;
}

absl::Status CsvLog::AddColumns() {
  ATH_ASSIGN_OR_RETURN(const std::string text, ReadFile(file_.path(), kMaxBytes));
  std::string out = Head(columns_);
  const std::vector<absl::string_view> lines = WholeLines(text);
  const std::string commas(columns_.size() - written_columns_, ',');
  for (size_t i = 1; i < lines.size(); ++i) absl::StrAppend(&out, lines[i], commas, "\n");
  ATH_RETURN_IF_ERROR(WriteFileAtomic(file_.path(), {out}));
  ATH_ASSIGN_OR_RETURN(file_, AppendFile::Open(file_.path()));
  written_columns_ = columns_.size();
  return absl::OkStatus();
}

absl::Status CsvLog::Flush() {
  if (rows_.empty()) return absl::OkStatus();
  const auto rows = std::exchange(rows_, {});
  if (written_columns_ < columns_.size()) ATH_RETURN_IF_ERROR(AddColumns());
  std::string out;
  for (const auto& [step, cells] : rows) {
    absl::StrAppend(&out, step);
    for (size_t c = 0; c < columns_.size(); ++c) {
      auto cell = cells.find(c);
      absl::StrAppend(&out, ",", cell == cells.end() ? "" : ShortestNumber(cell->second));
    }
    out += '\n';
  }
  return file_.Append(out);
}

}  // namespace athanor
