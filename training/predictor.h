// Runs the infer entries of a plan over any number of samples.
#ifndef ATHANOR_TRAINING_PREDICTOR_H_
#define ATHANOR_TRAINING_PREDICTOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/sample_source.h"
#include "data/normalize.h"
#include "runtime/session/session.h"

namespace athanor {

// The preparation of inputs that the model was trained with: metadata input_scale, input_mean, input_std. ATTR error
// if they do not fit together.
absl::StatusOr<Normalization> NormalizationOf(const Attributes& metadata);

// Not thread-safe.
class Predictor {
 public:
  // Uses the plan's entries "infer" or "infer@N=...", which must have one input whose first dimension is the batch.
  // REQ error when there are none.
  static absl::StatusOr<std::unique_ptr<Predictor>> Create(std::shared_ptr<const Plan> plan,
                                                           std::shared_ptr<Weights> weights = nullptr);

  // One input of the plan's type without its batch, e.g. [1,28,28].
  const Shape& sample_shape() const { return sample_shape_; }
  const std::vector<std::string>& outputs() const { return outputs_; }

  // `x` is [rows, sample...] of the input's type, rows >= 1. The rows go through the largest batch that they fill, and
  // what is left through the smallest one, padded with zeros. Gives each output as [rows, ...]. SHAPE or DTYPE error.
  absl::StatusOr<std::map<std::string, Tensor>> Run(const Tensor& x);

 private:
  struct Batch {
    int entry = 0;
    int64_t rows = 0;
    TensorView x;
    std::vector<TensorView> outputs;
  };
  absl::Status AddBatch(const Entry& entry);
  absl::Status RunRows(const Batch& batch, const Tensor& x, int64_t row, int64_t count,
                       std::map<std::string, Tensor>* results);

  std::unique_ptr<Session> session_;
  std::vector<Batch> batches_;  // by descending rows
  Shape sample_shape_;
  std::vector<std::string> outputs_;
};

struct TestSetResult {
  double loss = 0, accuracy = 0;
  Tensor logits;  // f32 [samples, classes]
};
// Prepares a data set as the metadata say and runs it through the output "logits".
absl::StatusOr<TestSetResult> PredictTestSet(const Dataset& data, const Attributes& metadata, Predictor* predictor);

// The output "logits" for all samples of a source, whose field "x" is the input. REQ error if there is no such output or
// field.
absl::StatusOr<Tensor> PredictLogits(const SampleSource& source, Predictor* predictor);

// XXH3 of the tensor's bytes, as 16 hexadecimal digits: equal digests are equal bits.
std::string Digest(const Tensor& t);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_PREDICTOR_H_
