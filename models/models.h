// The networks that ship with Athanor: builder code only, one file a network.
#ifndef ATHANOR_MODELS_MODELS_H_
#define ATHANOR_MODELS_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/builder/builder.h"
#include "compiler/graph/graph.h"

namespace athanor {

struct ModelOptions {
  int64_t classes = 10;
  std::vector<std::string> class_names;  // one a class, or none
};

// Each takes x f32 [N,1,28,28] and labels s32 [N], and has three entries over the same parameters, which are named as
// torch.nn would name the layers ("conv1.weight"):
//   train     (x, labels) -> loss f32 [], logits f32 [N,classes]
//   evaluate  (x, labels) -> loss, logits
//   infer     (x)         -> logits, probabilities f32 [N,classes]
absl::StatusOr<Graph> Mlp(const ModelOptions& options = {});
absl::StatusOr<Graph> LeNet5(const ModelOptions& options = {});

struct ModelInfo {
  std::string name;
  std::string doc;  // one line
  absl::StatusOr<Graph> (*build)(const ModelOptions&);
};
const std::vector<ModelInfo>& AllModels();
// REQ error that lists the names.
absl::StatusOr<Graph> BuildModel(const std::string& name, const ModelOptions& options = {});

// Adds softmax, cross-entropy and the three entries above to a network that ends in `logits`.
absl::StatusOr<Graph> FinishClassifier(GraphBuilder* b, Var x, Var labels, Var logits, const ModelOptions& options);

}  // namespace athanor

#endif  // ATHANOR_MODELS_MODELS_H_
