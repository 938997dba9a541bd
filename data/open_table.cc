#include <utility>

#include "absl/strings/str_split.h"
#include "data/csv.h"
#include "data/npz.h"
#include "data/open_data_internal.h"

namespace athanor::internal {

absl::StatusOr<OpenedData> OpenCsv(const DataSpec& spec) {
  ATH_RETURN_IF_ERROR(RefuseResize(spec));
  CsvOptions options;
  if (spec.separator == "tab") {
    options.separator = '\t';
  } else if (spec.separator.size() == 1) {
    options.separator = spec.separator[0];
  } else if (!spec.separator.empty()) {
    return MakeError(ErrorClass::kReq, "separator \"%s\" is neither one character nor \"tab\"", spec.separator);
  }
  if (spec.header == "yes") {
    options.header = CsvHeader::kYes;
  } else if (spec.header == "no") {
    options.header = CsvHeader::kNo;
  } else if (spec.header != "detect") {
    return MakeError(ErrorClass::kReq, "header \"%s\" is not one of detect, yes, no", spec.header);
  }
  options.label = spec.label_column;
  options.ignore = absl::StrSplit(spec.ignore_columns, ',', absl::SkipEmpty());
  if (spec.regression) options.targets = absl::StrSplit(spec.label_column, ',');
  options.class_names = spec.class_names;
  options.feature_names = spec.feature_names;
  options.classes = spec.classes;
  TrainTest data;
  ATH_ASSIGN_OR_RETURN(data.train, ReadCsv(spec.path, options));
  if (!spec.test_path.empty()) {
    options.class_names = data.train.class_names;
    options.feature_names = data.train.feature_names;
    options.classes = data.train.classes;
    ATH_ASSIGN_OR_RETURN(data.test, ReadCsv(spec.test_path, options));
  }
  return PrepareData(std::move(data), spec);
}

absl::StatusOr<OpenedData> OpenNpz(const DataSpec& spec) {
  ATH_RETURN_IF_ERROR(RefuseResize(spec));
  ATH_RETURN_IF_ERROR(RefuseTableOptions(spec, /*numbers=*/true));
  NpzOptions options{spec.classes, spec.regression};
  ATH_ASSIGN_OR_RETURN(TrainTest data, LoadNpzDataset(spec.path, options));
  if (!spec.test_path.empty()) {
    options.classes = data.train.classes;
    ATH_ASSIGN_OR_RETURN(TrainTest other, LoadNpzDataset(spec.test_path, options));
    data.test = other.test.size() > 0 ? std::move(other.test) : std::move(other.train);
  }
  return PrepareData(std::move(data), spec);
}

}  // namespace athanor::internal
