// What a model says to a whole set of samples.
#ifndef ATHANOR_TRAINING_EVALUATION_H_
#define ATHANOR_TRAINING_EVALUATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/sample_source.h"
#include "training/metrics.h"
#include "training/step_runner.h"

namespace athanor {

// The numbers of rows that the batches of a set have: the batch and what is left at the end.
std::vector<int64_t> BatchRows(int64_t samples, int64_t batch);

// The sizes of the entry's symbolic dimensions besides the batch N, by the data's fields. `data_name` is for the errors:
// GRAPH for a missing entry, SHAPE or DTYPE for a field that does not fit the input of its name.
absl::StatusOr<std::map<std::string, int64_t>> MatchFields(const Graph& model, const std::string& entry,
                                                           absl::Span<const FieldSpec> fields,
                                                           const std::string& data_name);
std::vector<std::string> FieldNames(absl::Span<const FieldSpec> fields);

// Adds what a batch of `rows` gave: with logits, by the field "labels", which may hold a class or, in f32, a share of each
// class; otherwise the loss. INDEX error for a label beyond the logits.
absl::Status AddBatch(const StepOutput& output, absl::Span<const FieldSpec> fields, absl::Span<const Tensor> batch,
                      int64_t rows, ClassificationMetrics* metrics);

struct EvaluationOptions {
  int64_t batch = 64;  // the runner has evaluate entries of BatchRows(samples, batch)
  int64_t loader_threads = 1;
  MetricsOptions metrics;
};
// Goes through the set once, in its order.
absl::StatusOr<ClassificationMetrics> EvaluateAll(std::shared_ptr<const SampleSource> source,
                                                  const EvaluationOptions& options, StepRunner* runner);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_EVALUATION_H_
