// The records of CSV text (RFC 4180): fields by a separator, quoted where they hold separators, quotes or line ends.
#ifndef ATHANOR_DATA_CSV_READER_H_
#define ATHANOR_DATA_CSV_READER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"

namespace athanor {

// The one of , ; and tab that is most frequent in the first line outside quotes; the comma if there is none.
char DetectCsvSeparator(absl::string_view text);

// Reads record by record, without copying fields that need it not. Lines end with LF or CR LF; empty lines are passed
// over; a UTF-8 byte order mark at the start is too. Errors are DATA errors naming `name`, line and column (the number
// of the field, from 1): a quote that is not closed or stands within a field, text behind a closing quote, a NUL, a
// lone CR, UTF-16, a line (or the lines of one with quoted fields) above 64 MiB, and more than a million columns.
class CsvReader {
 public:
  // Both texts must outlive the reader.
  CsvReader(absl::string_view text, absl::string_view name, char separator);

  // The fields of the next record, valid until the next call; false at the end.
  absl::StatusOr<bool> Next(std::vector<absl::string_view>* fields);
  // Where the record that Next gave last starts, from 1.
  int64_t line() const { return line_; }

 private:
  absl::Status Error(int64_t column, absl::string_view what) const;
  absl::StatusOr<absl::string_view> QuotedField(int64_t column);
  absl::StatusOr<absl::string_view> PlainField(int64_t column);
  absl::StatusOr<bool> TakeSeparator(int64_t column);

  absl::string_view text_, name_;
  char separator_;
  size_t at_ = 0, record_ = 0;
  int64_t line_ = 0, next_line_ = 1;
  std::deque<std::string> unquoted_;  // what fields with doubled quotes hold
  absl::Status start_;
};

// Finds faults of a whole text that comes in pieces, without keeping it: UTF-16, a NUL, a line above 64 MiB. Errors are
// as CsvReader's.
class CsvScan {
 public:
  // `separator` '\0': the one that DetectCsvSeparator finds in the first piece. `name` must outlive this.
  CsvScan(absl::string_view name, char separator) : name_(name), separator_(separator) {}
  absl::Status Add(absl::string_view piece);

 private:
  void Pass(absl::string_view text);
  absl::Status Error(absl::string_view what) const;

  absl::string_view name_;
  char separator_;
  bool first_ = true;
  int64_t line_ = 1, column_ = 1;  // that the next byte is in, as if there were no quotes
  size_t line_bytes_ = 0;
};

// A number as C's, with a point whatever the locale; spaces around it are passed over. Numbers too small for f32 become
// 0. nullopt for all else: no number, not finite, too large for f32.
std::optional<float> ParseCsvNumber(absl::string_view field);
// Why ParseCsvNumber gave nothing: "\"1,5\" is no number: a decimal comma; ...".
std::string ExplainCsvNumber(absl::string_view field);

}  // namespace athanor

#endif  // ATHANOR_DATA_CSV_READER_H_
