// Training against shares of the classes (mixed samples) in the place of one class a sample.
#ifndef ATHANOR_TRAINING_SOFT_LABELS_H_
#define ATHANOR_TRAINING_SOFT_LABELS_H_

#include "absl/types/span.h"
#include "compiler/graph/graph.h"
#include "data/sample_source.h"
#include "runtime/core/status.h"

namespace athanor {

// The model with a train entry whose input "labels" is f32 [N, ..., classes] and not s32 [N, ...]: every softmax
// cross-entropy of the labels becomes the categorical one of the shares. The other entries stay as they are. GRAPH error if
// the labels go into another operator.
absl::StatusOr<Graph> WithSoftLabels(Graph model);

// The model for samples of these fields: with soft labels where their "labels" are f32, as mixed and one-hot ones are.
absl::StatusOr<Graph> WithLabelsOf(absl::Span<const FieldSpec> fields, Graph model);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_SOFT_LABELS_H_
