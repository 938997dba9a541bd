// Labelled samples in memory. Everything that can be wrong with them is found here, at load, not hours into a training.
#ifndef ATHANOR_DATA_DATASET_H_
#define ATHANOR_DATA_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace athanor {

struct Dataset {
  std::string name;                      // for messages and reports
  Tensor features;                       // u8 or f32 [samples, ...]; images are [samples, channels, height, width]
  Tensor labels;                         // s32 [samples], 0 .. classes-1; none if there are targets
  int64_t classes = 0;                   // >= 1; 0 if there are targets
  Tensor targets;                        // of a regression: f32 [samples, outputs]; otherwise none
  std::vector<std::string> class_names;  // one for each class, or none
  std::vector<std::string> feature_names{};  // of a table with a header: one for each feature column; or none

  int64_t size() const { return features.shape().empty() ? 0 : features.shape()[0]; }
  // Of one sample; a scalar's if the features are [samples].
  Shape sample_shape() const;
  bool has_targets() const { return targets.dtype() != DType::kUndefined; }
};

struct TrainTest {
  Dataset train, test;
};

// DATA error naming the data set, the sample and the value, unless: there is a sample, no sample is empty, dtypes and
// counts are as above, every label is in range and every f32 feature and target finite.
absl::Status CheckDataset(const Dataset& dataset);

// How many samples each class has; the data set is sound. None for a regression.
std::vector<int64_t> ClassCounts(const Dataset& dataset);

// A data set of images u8 or f32 [n,height,width] or [n, ...] and labels of any integer dtype [n]. [n,height,width]
// becomes [n,1,height,width]. `classes` 0: the highest label + 1. The names are those of the files, for messages. DATA
// error naming the file, the sample and the value.
absl::StatusOr<Dataset> MakeDataset(Tensor images, absl::string_view images_name, const Tensor& labels,
                                    absl::string_view labels_name, int64_t classes);

// Two IDX files, plain or gzip. PATH, LIMIT or DATA error naming the file.
absl::StatusOr<Dataset> LoadIdxDataset(const std::string& images_path, const std::string& labels_path,
                                       int64_t classes = 0);

// A data set of images [n,height,width] with the ten digits as classes.
absl::StatusOr<Dataset> MakeMnistDataset(Tensor images, absl::string_view images_name, const Tensor& labels,
                                         absl::string_view labels_name);

// MNIST, or what is stored like it (10 classes): {train,t10k}-{images-idx3,labels-idx1}-ubyte in `dir`, each plain or
// with ".gz" (the plain one, if there are both). Training and test images have one size.
absl::StatusOr<TrainTest> LoadMnist(const std::string& dir);

}  // namespace athanor

#endif  // ATHANOR_DATA_DATASET_H_
