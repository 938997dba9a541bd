#include "models/models.h"

#include "absl/strings/str_join.h"

namespace athanor {

const std::vector<ModelInfo>& AllModels() {
  static const auto* models = new std::vector<ModelInfo>{
      {"lenet5", "LeNet-5: two convolutions, two max poolings, three fully connected layers", &LeNet5},
      {"mlp", "perceptron with two hidden layers of 512 units", &Mlp},
  };
  return *models;
}

absl::StatusOr<Graph> BuildModel(const std::string& name, const ModelOptions& options) {
  for (const ModelInfo& m : AllModels()) {
    if (m.name == name) return m.build(options);
  }
  auto each = [](std::string* out, const ModelInfo& m) { out->append(m.name); };
  return MakeError(ErrorClass::kReq, "no model \"%s\"; there are: %s", name, absl::StrJoin(AllModels(), ", ", each));
}

absl::StatusOr<Graph> FinishClassifier(GraphBuilder* b, Var x, Var labels, Var logits, const ModelOptions& options) {
  Var loss = b->SoftmaxCrossEntropy(logits, labels);
  Var probabilities = b->Softmax(logits);
  if (!options.class_names.empty()) b->Metadata("classes", options.class_names);
  b->Entry("train", {.training = true, .inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b->Entry("evaluate", {.inputs = {x, labels}, .outputs = {{"logits", logits}}, .loss = loss});
  b->Entry("infer", {.inputs = {x}, .outputs = {{"logits", logits}, {"probabilities", probabilities}}});
  return b->Build();
}

}  // namespace athanor
