// Training against shares of the classes (mixed samples) in the place of one class a sample.
#ifndef ATHANOR_TRAINING_SOFT_LABELS_H_
#define ATHANOR_TRAINING_SOFT_LABELS_H_

#include "compiler/graph/graph.h"
#include "runtime/core/status.h"

namespace athanor {

// The model with a train entry whose input "labels" is f32 [N, ..., classes] and not s32 [N, ...]: every softmax
// cross-entropy of the labels becomes the categorical one of the shares. The other entries stay as they are. GRAPH error if
// the labels go into another operator.
absl::StatusOr<Graph> WithSoftLabels(Graph model);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_SOFT_LABELS_H_
