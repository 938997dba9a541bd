// The samples of a command's data set, as sources.
#ifndef ATHANOR_CLI_SAMPLES_H_
#define ATHANOR_CLI_SAMPLES_H_

#include <memory>
#include <string>
#include <vector>

#include "data/normalize.h"
#include "data/sample_source.h"

namespace athanor {

struct Samples {
  std::string name;
  std::shared_ptr<const SampleSource> train, test;
  int64_t classes = 0;
  std::vector<std::string> class_names;  // one for each class, or none
  Normalization normalization;           // as applied
};

// "mnist", the sample in the program, or a folder with the four IDX files of a set like MNIST. Errors of the readers.
absl::StatusOr<Samples> LoadSamples(const std::string& path);

}  // namespace athanor

#endif  // ATHANOR_CLI_SAMPLES_H_
