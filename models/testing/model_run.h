// Trains and runs a small model through its plan, for the tests of models/. What fails CHECKs.
#ifndef ATHANOR_MODELS_TESTING_MODEL_RUN_H_
#define ATHANOR_MODELS_TESTING_MODEL_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "runtime/session/session.h"

namespace athanor {

using Tensors = std::map<std::string, Tensor>;

struct ModelRunOptions {
  int64_t batch = 8;
  std::string optimizer = "Adam";
  float learning_rate = 0.01f;
  std::vector<std::string> entries = {"train", "infer"};  // all at the batch, on one thread
  bool train = true;       // false: the entry "train" changes nothing
  bool gradients = false;  // outputs "grad:<parameter>" of the entries with a loss
};

class ModelRun {
 public:
  // Variables without data start by seed 1.
  ModelRun(Graph model, const ModelRunOptions& options);

  // One run of an entry: the outputs by name. Inputs that are not given keep their bytes.
  Tensors Run(const std::string& entry, const Tensors& inputs);
  // One training step: the loss before the update. Fills in what the optimizer and dropout take.
  float Step(const Tensors& inputs);
  // As many steps on the same batch: the last loss.
  float Train(const Tensors& inputs, int steps);

  const Graph& model() const { return model_; }
  Session& session() { return *session_; }

 private:
  Graph model_;
  ModelRunOptions options_;
  std::unique_ptr<Session> session_;
  int64_t step_ = 0;
};

// "name f32[2,3]" of each parameter, in the model's order.
std::vector<std::string> ParameterTypes(const Graph& model);
int64_t ParameterCount(const Graph& model);

Tensor Ids(Shape shape, const std::vector<int32_t>& values);
// Sines of falling frequency: all different, within +-1.
Tensor Waves(Shape shape, float phase = 0);

}  // namespace athanor

#endif  // ATHANOR_MODELS_TESTING_MODEL_RUN_H_
