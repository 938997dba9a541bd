// CSV as data sets: numeric features, and a class or numbers to predict in other columns. Parsing does not depend on
// the locale. What a file may look like is in csv_reader.h.
#ifndef ATHANOR_DATA_CSV_H_
#define ATHANOR_DATA_CSV_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/dataset.h"
#include "runtime/core/status.h"

namespace athanor {

enum class CsvHeader {
  // The first line is a header if none of its fields is a number, or if it counts 0,1,2,3 and on, as pandas does. DATA error for
  // one with nan, inf or an empty field behind the first, which may as well be a row with missing values.
  kDetect,
  kYes,
  kNo,
};

// A column is named by its text in the header, or by its number: 0 is the first, -1 the last.
struct CsvOptions {
  char separator = '\0';  // '\0': DetectCsvSeparator
  CsvHeader header = CsvHeader::kDetect;
  // Classification: the column with the class. If its first value is an integer, all are, from 0 on; otherwise the
  // values are names, sorted bytewise; spaces around them do not count.
  std::string label = "-1";
  // Regression if there are any: the columns to predict. `label` then does not matter.
  std::vector<std::string> targets = {};
  // What the features are called, in the order that they get, so that a test file has the training file's:
  // Dataset::feature_names. Empty, or a file without a header: the order of the columns. DATA error for a file that has
  // other features.
  std::vector<std::string> feature_names = {};
  // Columns that are no features.
  std::vector<std::string> ignore = {};
  // What the labels may be, in the order of the numbers that they get, so that a test file has the training file's:
  // Dataset::class_names, or empty to take them from the file.
  std::vector<std::string> class_names = {};
  // More than 0: the labels are integers, and there are so many classes; 0: the highest label + 1.
  int64_t classes = 0;
  // Of one sample's features, such as {1, 28, 28}; empty: one dimension.
  Shape sample_shape = {};
};

// Features are f32 in the order of the columns, unless `feature_names` says another. `text` is UTF-8.
// DATA error naming `name`, line, column and value: see CsvReader; rows of different lengths, fields that are no finite
// f32, labels that are out of range or no integers, no rows. ATTR error for columns or shapes that are not there.
absl::StatusOr<Dataset> ParseCsv(absl::string_view text, absl::string_view name, const CsvOptions& options = {});
// The same for a file, which may be gzip. PATH or LIMIT error if it cannot be read.
absl::StatusOr<Dataset> ReadCsv(const std::string& path, const CsvOptions& options = {});

}  // namespace athanor

#endif  // ATHANOR_DATA_CSV_H_
