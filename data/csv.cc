#include "data/csv.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "data/csv_reader.h"
#include "data/gzip.h"
#include "data/limits.h"
#include "data/utf8_decode.h"

namespace athanor {
namespace {

using Fields = std::vector<absl::string_view>;

bool IsNumber(absl::string_view field) { return ParseCsvNumber(field).has_value(); }

// The columns by what they are for.
struct Columns {
  std::vector<std::string> names;  // of the header, or none
  int64_t count = 0;
  std::vector<int64_t> features, targets;
  int64_t label = -1;  // -1: regression
};

class Parser {
 public:
  Parser(absl::string_view text, absl::string_view name, const CsvOptions& options)
      : options_(options),
        name_(name),
        reader_(text, name, options.separator != '\0' ? options.separator : DetectCsvSeparator(text)) {}

  absl::StatusOr<Dataset> Parse() {
    Fields fields;
    ATH_ASSIGN_OR_RETURN(bool more, reader_.Next(&fields));
    if (!more) return MakeError(ErrorClass::kData, "%s: line 1, column 1: the file is empty", name_);
    columns_.count = static_cast<int64_t>(fields.size());
    ATH_ASSIGN_OR_RETURN(const bool header, IsHeader(fields));
    if (header) {
      for (absl::string_view field : fields) columns_.names.emplace_back(field);
      const int64_t line = reader_.line();
      ATH_ASSIGN_OR_RETURN(more, reader_.Next(&fields));
      if (!more) {
        return MakeError(ErrorClass::kData, "%s: line %d, column 1: no rows follow the header", name_, line);
      }
    }
    ATH_RETURN_IF_ERROR(ChooseColumns());
    labels_are_numbers_ = columns_.label >= 0 && options_.class_names.empty() &&
                          (options_.classes > 0 || (columns_.label < static_cast<int64_t>(fields.size()) &&
                                                    IsNumber(fields[columns_.label])));
    for (size_t i = 0; i < options_.class_names.size(); ++i) {
      class_ids_.emplace(options_.class_names[i], static_cast<int32_t>(i));
    }
    while (more) {
      ATH_RETURN_IF_ERROR(Row(fields));
      ATH_ASSIGN_OR_RETURN(more, reader_.Next(&fields));
    }
    return Finish();
  }

 private:
  absl::StatusOr<bool> IsHeader(const Fields& fields) const {
    if (options_.header != CsvHeader::kDetect) return options_.header == CsvHeader::kYes;
    bool counts = fields.size() > 3;  // with fewer it is as likely a row
    for (size_t i = 0; i < fields.size() && counts; ++i) counts = fields[i] == absl::StrCat(i);
    if (counts) return true;
    if (std::any_of(fields.begin(), fields.end(), IsNumber)) return false;
    for (size_t i = 0; i < fields.size(); ++i) {
      const std::string field = absl::AsciiStrToLower(absl::StripAsciiWhitespace(fields[i]));
      const bool missing = (field.empty() && i > 0) || field == "nan" || field == "inf" || field == "-inf";
      if (!missing) continue;
      return Error(static_cast<int64_t>(i),
                   absl::StrCat("\"", field, "\" may be a missing value or, as no field of the line is a number, part "
                                "of a header; say which by header = yes or no"));
    }
    return true;
  }

  // "line 3, column 2 ("age")"
  absl::Status Error(int64_t column, absl::string_view what) const {
    std::string heading;
    if (!columns_.names.empty()) heading = absl::StrCat(" (\"", absl::CHexEscape(columns_.names[column]), "\")");
    return MakeError(ErrorClass::kData, "%s: line %d, column %d%s: %s", name_, reader_.line(), column + 1, heading,
                     what);
  }

  absl::StatusOr<int64_t> Find(const std::string& column, absl::string_view what) const {
    const auto matches = std::count(columns_.names.begin(), columns_.names.end(), column);
    if (matches > 1) {
      return MakeError(ErrorClass::kAttr, "%s: the %s column \"%s\" is there %d times", name_, what, column, matches);
    }
    if (matches == 1) {
      return std::find(columns_.names.begin(), columns_.names.end(), column) - columns_.names.begin();
    }
    int64_t number;
    if (absl::SimpleAtoi(column, &number) && number >= -columns_.count && number < columns_.count) {
      return number < 0 ? number + columns_.count : number;
    }
    return MakeError(ErrorClass::kAttr, "%s: there is no %s column \"%s\" (%s, or 0 .. %d)", name_, what,
                     absl::CHexEscape(column), columns_.names.empty() ? "there is no header" : Names(),
                     columns_.count - 1);
  }

  std::string Names() const {
    constexpr size_t kMaxShown = 8;
    std::string text;
    for (size_t i = 0; i < std::min(kMaxShown, columns_.names.size()); ++i) {
      absl::StrAppend(&text, i > 0 ? ", " : "", absl::CHexEscape(columns_.names[i].substr(0, 40)));
    }
    return absl::StrCat(text, columns_.names.size() > kMaxShown ? ", ..." : "");
  }

  absl::Status ChooseColumns() {
    std::vector<bool> taken(columns_.count, false);
    for (const std::string& column : options_.ignore) {
      ATH_ASSIGN_OR_RETURN(int64_t i, Find(column, "ignored"));
      taken[i] = true;
    }
    for (const std::string& column : options_.targets) {
      ATH_ASSIGN_OR_RETURN(int64_t i, Find(column, "target"));
      if (taken[i]) return MakeError(ErrorClass::kAttr, "%s: the column \"%s\" has two uses", name_, column);
      columns_.targets.push_back(i);
      taken[i] = true;
    }
    if (options_.targets.empty()) {
      ATH_ASSIGN_OR_RETURN(columns_.label, Find(options_.label, "label"));
      if (taken[columns_.label]) {
        return MakeError(ErrorClass::kAttr, "%s: the column \"%s\" has two uses", name_, options_.label);
      }
      taken[columns_.label] = true;
    }
    for (int64_t i = 0; i < columns_.count; ++i) {
      if (!taken[i]) columns_.features.push_back(i);
    }
    ATH_RETURN_IF_ERROR(OrderFeatures());
    if (columns_.features.empty()) {
      return MakeError(ErrorClass::kData, "%s: line 1, column 1: no feature columns: there are %d columns in all",
                       name_, columns_.count);
    }
    return CheckSampleShape();
  }

  std::vector<std::string> FeatureNames() const {
    std::vector<std::string> names;
    if (columns_.names.empty()) return names;
    for (int64_t i : columns_.features) names.push_back(columns_.names[i]);
    return names;
  }

  // As the options have them.
  absl::Status OrderFeatures() {
    const std::vector<std::string> found = FeatureNames(), &wanted = options_.feature_names;
    if (found.empty() || wanted.empty() || found == wanted) return absl::OkStatus();
    for (const std::string& name : found) {
      if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) continue;
      return MakeError(ErrorClass::kData, "%s: the column \"%s\" is none of the %d features that are expected", name_,
                       absl::CHexEscape(name), wanted.size());
    }
    std::vector<int64_t> ordered;
    for (const std::string& name : wanted) {
      const auto matches = std::count(found.begin(), found.end(), name);
      if (matches != 1) {
        return MakeError(ErrorClass::kData, "%s: the feature \"%s\" is there %d times, once is expected", name_,
                         absl::CHexEscape(name), matches);
      }
      ordered.push_back(columns_.features[std::find(found.begin(), found.end(), name) - found.begin()]);
    }
    columns_.features = std::move(ordered);
    return absl::OkStatus();
  }

  absl::Status CheckSampleShape() const {
    if (options_.sample_shape.empty()) return absl::OkStatus();
    absl::StatusOr<int64_t> elements = NumElements(options_.sample_shape);
    if (elements.ok() && *elements == static_cast<int64_t>(columns_.features.size()) &&
        options_.sample_shape.size() < kMaxRank) {
      return absl::OkStatus();
    }
    return MakeError(ErrorClass::kAttr, "%s: %d feature columns are not a sample of shape %s", name_,
                     columns_.features.size(), ShapeToString(options_.sample_shape));
  }

  absl::Status Row(const Fields& fields) {
    if (static_cast<int64_t>(fields.size()) != columns_.count) {
      const auto column = std::min<int64_t>(fields.size(), columns_.count);
      return MakeError(ErrorClass::kData, "%s: line %d, column %d: the row has %d fields, the first row has %d", name_,
                       reader_.line(), column, fields.size(), columns_.count);
    }
    ++rows_;
    ATH_RETURN_IF_ERROR(Numbers(fields, columns_.features, &features_));
    ATH_RETURN_IF_ERROR(Numbers(fields, columns_.targets, &targets_));
    if (columns_.label < 0) return absl::OkStatus();
    const absl::string_view field = absl::StripAsciiWhitespace(fields[columns_.label]);
    if (labels_are_numbers_) return NumberLabel(field);
    if (!options_.class_names.empty()) return KnownLabel(field);
    if (field.empty()) return Error(columns_.label, "the label is empty");
    auto known = class_ids_.find(field);
    if (known == class_ids_.end()) {
      if (static_cast<int64_t>(class_ids_.size()) == kMaxClasses) {
        return Error(columns_.label, absl::StrCat("there are more than ", kMaxClasses, " classes"));
      }
      if (!IsUtf8(field)) {
        return Error(columns_.label,
                     absl::StrCat("the label \"", absl::CHexEscape(field.substr(0, 40)), "\" is not UTF-8"));
      }
      known = class_ids_.emplace(std::string(field), static_cast<int32_t>(class_ids_.size())).first;
    }
    labels_.push_back(known->second);
    return absl::OkStatus();
  }

  absl::Status Numbers(const Fields& fields, const std::vector<int64_t>& columns, std::vector<float>* out) {
    for (int64_t i : columns) {
      const std::optional<float> value = ParseCsvNumber(fields[i]);
      if (!value) return Error(i, ExplainCsvNumber(fields[i]));
      out->push_back(*value);
    }
    return absl::OkStatus();
  }

  absl::Status NumberLabel(absl::string_view field) {
    double value = 0;  // f32 would take 0.99999999 for 1
    const bool number = ParseCsvNumber(field).has_value() && absl::SimpleAtod(field, &value);
    if (!number || value != std::floor(value)) {
      return Error(columns_.label,
                   absl::StrCat("the label \"", absl::CHexEscape(field.substr(0, 40)), "\" is no integer"));
    }
    const int64_t classes = options_.classes > 0 ? std::min(options_.classes, kMaxClasses) : kMaxClasses;
    if (value < 0 || value >= static_cast<double>(classes)) {
      return Error(columns_.label, absl::StrCat("the label ", field.substr(0, 40), " is outside 0 .. ", classes - 1));
    }
    labels_.push_back(static_cast<int32_t>(value));
    return absl::OkStatus();
  }

  absl::Status KnownLabel(absl::string_view field) {
    auto known = class_ids_.find(field);
    if (known == class_ids_.end()) {
      return Error(columns_.label, absl::StrCat("the label \"", absl::CHexEscape(field.substr(0, 40)),
                                                "\" is none of the ", class_ids_.size(), " classes"));
    }
    labels_.push_back(known->second);
    return absl::OkStatus();
  }

  // The names in order, and the labels renumbered by it.
  void SortClasses(Dataset* d) {
    std::vector<int32_t> sorted(class_ids_.size());
    int32_t next = 0;
    for (const auto& [class_name, id] : class_ids_) {
      sorted[id] = next++;
      d->class_names.push_back(class_name);
    }
    for (int32_t& label : labels_) label = sorted[label];
  }

  absl::StatusOr<Dataset> Finish() {
    Dataset d;
    d.name = std::string(name_);
    d.feature_names = FeatureNames();
    Shape shape = options_.sample_shape;
    if (shape.empty()) shape = {static_cast<int64_t>(columns_.features.size())};
    shape.insert(shape.begin(), rows_);
    d.features = Tensor::Of<float>(std::move(shape), features_);
    if (columns_.label < 0) {
      d.targets = Tensor::Of<float>({rows_, static_cast<int64_t>(columns_.targets.size())}, targets_);
      return d;
    }
    if (!options_.class_names.empty()) {
      d.class_names = options_.class_names;
    } else if (!labels_are_numbers_) {
      SortClasses(&d);
    }
    const int64_t highest = *std::max_element(labels_.begin(), labels_.end());
    d.classes = !d.class_names.empty() ? static_cast<int64_t>(d.class_names.size())
                : options_.classes > 0 ? options_.classes
                                       : highest + 1;
    d.labels = Tensor::Of<int32_t>({rows_}, labels_);
    return d;
  }

  const CsvOptions& options_;
  absl::string_view name_;
  CsvReader reader_;
  Columns columns_;
  int64_t rows_ = 0;
  std::vector<float> features_, targets_;
  bool labels_are_numbers_ = false;
  std::map<std::string, int32_t, std::less<>> class_ids_;  // in the order of their first use, unless they were given
  std::vector<int32_t> labels_;
};

}  // namespace

absl::StatusOr<Dataset> ParseCsv(absl::string_view text, absl::string_view name, const CsvOptions& options) {
  if (options.classes < 0 || options.classes > kMaxClasses) {
    return MakeError(ErrorClass::kAttr, "%s: %d classes are not 1 .. %d", name, options.classes, kMaxClasses);
  }
  if (options.separator == '"' || options.separator == '\n' || options.separator == '\r') {
    return MakeError(ErrorClass::kAttr, "%s: a quote or line end cannot separate fields", name);
  }
  try {
    return Parser(text, name, options).Parse();
  } catch (const std::bad_alloc&) {
    return MakeError(ErrorClass::kLimit, "%s: no memory for the rows of its %d bytes", name, text.size());
  }
}

absl::StatusOr<Dataset> ReadCsv(const std::string& path, const CsvOptions& options) {
  CsvScan scan(path, options.separator);
  ATH_ASSIGN_OR_RETURN(std::string text, ReadFileMaybeGzip(path, kMaxDataFileBytes,
                                                           [&](absl::string_view piece) { return scan.Add(piece); }));
  return ParseCsv(text, path, options);
}

}  // namespace athanor
