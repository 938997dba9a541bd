#include "tests/testing.h"

#include <cstring>

#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "models/models.h"
#include "runtime/core/philox.h"
#include "training/optimizers.h"

namespace athanor {

Graph InitializedModel(const std::string& name) {
  absl::StatusOr<Graph> model = BuildModel(name);
  ATH_CHECK_OK(model);
  ATH_CHECK_OK(InitializeVariables(&*model, 1));
  return *std::move(model);
}

std::shared_ptr<const Plan> CompileForTest(const Graph& model, const TestPlanOptions& options) {
  CompileOptions compile;
  compile.entries = options.entries;
  compile.threads = options.threads;
  compile.gradients_as_outputs = options.gradients_as_outputs;
  OptimizerFlags sgd{"sgd", 0.9};
  compile.optimizer = *MakeOptimizer(sgd);
  absl::StatusOr<Plan> plan = Compile(model, compile);
  ATH_CHECK_OK(plan);
  return std::make_shared<const Plan>(*std::move(plan));
}

std::map<std::string, Tensor> RandomInputs(const Entry& entry, uint64_t seed) {
  std::map<std::string, Tensor> inputs;
  uint64_t stream = 0;
  for (const NamedBuffer& in : entry.inputs) {
    const MemoryDesc& desc = entry.buffers[in.buffer].desc;
    Tensor t = *Tensor::Create(desc.dtype, desc.dims);
    Philox rng(seed, stream++);
    for (int64_t i = 0; i < t.num_elements(); ++i) {
      if (desc.dtype == DType::kF32) t.as<float>()[i] = in.name == "lr" ? 0.01f : 2 * rng.Uniform(i) - 1;
      if (desc.dtype == DType::kS32) t.as<int32_t>()[i] = static_cast<int32_t>(10 * rng.Uniform(i));
      if (desc.dtype == DType::kS64) t.as<int64_t>()[i] = 1;
    }
    inputs.emplace(in.name, std::move(t));
  }
  return inputs;
}

void SetInputs(Session& session, int entry, const std::map<std::string, Tensor>& inputs) {
  for (const auto& [name, tensor] : inputs) {
    absl::StatusOr<TensorView> view = session.Input(entry, name);
    ATH_CHECK_OK(view);
    ATH_CHECK(view->bytes == tensor.bytes());
    std::memcpy(view->data, tensor.data(), tensor.bytes());
  }
}

Tensor CopyOutput(Session& session, int entry, const std::string& name) {
  absl::StatusOr<TensorView> view = session.Output(entry, name);
  ATH_CHECK_OK(view);
  Tensor t = *Tensor::Create(view->dtype, view->shape);
  std::memcpy(t.data(), view->data, view->bytes);
  return t;
}

bool SameBits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

}  // namespace athanor
