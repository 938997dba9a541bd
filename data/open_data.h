// Data sets by path: the reader is chosen by what is there, and the result is ready for a BatchLoader.
#ifndef ATHANOR_DATA_OPEN_DATA_H_
#define ATHANOR_DATA_OPEN_DATA_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/normalize.h"
#include "data/sample_source.h"
#include "runtime/core/status.h"

namespace athanor {

struct DataSpec {
  // "mnist" (the sample in the program), a folder with the four IDX files of MNIST's kind, a folder or zip archive of
  // images in class folders, or a file .csv, .tsv, .npz or .txt (a text), each but .npz plain or .gz; or "task:dates"
  // or "task:reverse", which are generated.
  std::string path = "mnist";
  std::string test_path{};  // of the same kind; empty: the test set that comes with `path`, if one does
  double validation = 0;    // share of the training samples held back; of a text: its end
  uint64_t seed = 1;        // of that choice, augmentation, windows' phases and generated tasks
  std::string normalize = "standardize";  // see ParseNormalizeSpec; computed without the held back samples
  std::string augment{};  // see data/augment.h; of the training samples alone
  bool one_hot = false;   // labels of the training samples as f32 [classes]
  // Images in folders and archives.
  std::string resize{};      // "32", "224x160" (height x width; stretched), "crop:224" (covers it, centre cut out)
  int64_t channels = 0;      // 1 or 3; 0: what most have
  int64_t cache_mib = 4096;  // decoded images kept in memory, all sets together; 0: none
  // Tables.
  std::string label_column = "-1";  // by name or number from 0, -1 is the last; of a regression also several: "3,4"
  std::string separator{};          // one character, or "tab"; empty: found out
  bool regression = false;          // the labels are numbers, not classes; of .npz too
  std::string header = "detect";    // "detect", "yes" or "no": the first line of a CSV file
  std::string ignore_columns{};     // by name or number: "id,3"
  // Texts.
  int64_t sequence = 64;  // characters of a sample
  int threads = 0;        // for decoding what is needed at the open; 0: as many as there are
  // As a trained model has them: in the place of `normalize`, and of the characters, classes and columns that the data
  // has. The data's classes and columns must be among them.
  std::optional<Normalization> normalization{};
  std::vector<std::string> vocabulary{}, class_names{}, feature_names{};
  int64_t classes = 0;  // of a model whose classes are numbers; 0: those of the data
};

struct OpenedData {
  std::string name;
  std::string task;  // "classification", "language", "sequence" or "regression"
  // Sources own (share) the data. All have the same fields ("x" and "labels", of a regression "targets", of a
  // sequence also "source"), but that
  // labels of `train` are shares of the classes if it mixes samples or is one-hot. validation and test are null where
  // there are none.
  std::shared_ptr<const SampleSource> train, validation, test;
  std::shared_ptr<const SampleSource> train_plain;  // the training samples without augmentation and phases
  int64_t classes = 0;                   // of a language: its characters
  std::vector<std::string> class_names;  // one for each class, or none
  std::vector<std::string> vocabulary;   // of language and sequence: each token
  std::vector<std::string> feature_names;  // of a table with a header: each feature column
  Normalization normalization;           // as applied; of tokens it is the identity
  std::string augmentation = "none";
  int64_t memory_bytes = 0;              // held, or that the cache may come to hold

  const std::vector<FieldSpec>& fields() const { return train->fields(); }
};

// PATH error for what is not there or of no known kind; the readers' errors; REQ errors for options that do not fit.
absl::StatusOr<OpenedData> OpenData(const DataSpec& spec);

// What the readers give, made ready: for those who have a data set in memory (tests, examples). Without test samples
// `test` is null.
absl::StatusOr<OpenedData> PrepareData(TrainTest data, const DataSpec& spec);

}  // namespace athanor

#endif  // ATHANOR_DATA_OPEN_DATA_H_
