#include "models/testing/model_run.h"

#include <cmath>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"

namespace athanor {

ModelRun::ModelRun(Graph model, const ModelRunOptions& options) : model_(std::move(model)), options_(options) {
  ATH_CHECK_OK(InitializeVariables(&model_, 1));
  CompileOptions compile;
  for (const std::string& entry : options.entries) compile.entries.push_back({entry, {{"N", options.batch}}});
  compile.threads = 1;
  compile.gradients_as_outputs = options.gradients;
  if (options.train) compile.optimizer = OptimizerSpec{options.optimizer, {}};
  absl::StatusOr<Plan> plan = Compile(model_, compile);
  ATH_CHECK_OK(plan);
  absl::StatusOr<std::unique_ptr<Session>> session = Session::Create(std::make_shared<const Plan>(*std::move(plan)));
  ATH_CHECK_OK(session);
  session_ = *std::move(session);
}

Tensors ModelRun::Run(const std::string& entry, const Tensors& inputs) {
  absl::StatusOr<int> index = session_->FindEntry(entry);
  ATH_CHECK_OK(index);
  for (const auto& [name, value] : inputs) {
    absl::StatusOr<TensorView> view = session_->Input(*index, name);
    ATH_CHECK_OK(view);
    ATH_CHECK(view->dtype == value.dtype() && view->shape == value.shape());
    std::memcpy(view->data, value.data(), value.bytes());
  }
  ATH_CHECK_OK(session_->Run(*index));
  Tensors outputs;
  for (const Entry& e : session_->plan().entries) {
    if (e.name != entry) continue;
    for (const NamedBuffer& out : e.outputs) {
      absl::StatusOr<TensorView> view = session_->Output(*index, out.name);
      ATH_CHECK_OK(view);
      absl::StatusOr<Tensor> copy = Tensor::Create(view->dtype, view->shape);
      ATH_CHECK_OK(copy);
      std::memcpy(copy->data(), view->data, view->bytes);
      outputs.emplace(out.name, *std::move(copy));
    }
  }
  ATH_CHECK(!outputs.empty());
  return outputs;
}

float ModelRun::Step(const Tensors& inputs) {
  Tensors all;
  for (const auto& [name, value] : inputs) all.emplace(name, value.Clone());
  ++step_;
  absl::StatusOr<int> train = session_->FindEntry("train");
  ATH_CHECK_OK(train);
  if (session_->Input(*train, "lr").ok()) all.emplace("lr", Tensor::Scalar<float>(options_.learning_rate));
  if (session_->Input(*train, "step").ok()) all.emplace("step", Tensor::Scalar<int64_t>(step_));
  if (session_->Input(*train, "seed").ok()) all.emplace("seed", Tensor::Scalar<int64_t>(1));
  Tensors outputs = Run("train", all);
  return outputs.at("loss").as<float>()[0];
}

float ModelRun::Train(const Tensors& inputs, int steps) {
  float loss = 0;
  for (int i = 0; i < steps; ++i) loss = Step(inputs);
  return loss;
}

std::vector<std::string> ParameterTypes(const Graph& model) {
  std::vector<std::string> all;
  for (const Value& v : model.values) {
    if (v.kind == ValueKind::kParameter) all.push_back(absl::StrCat(v.name, " ", v.type.ToString()));
  }
  return all;
}

int64_t ParameterCount(const Graph& model) {
  int64_t count = 0;
  for (const Value& v : model.values) {
    if (v.kind == ValueKind::kParameter) count += *NumElements(v.type.shape());
  }
  return count;
}

Tensor Ids(Shape shape, const std::vector<int32_t>& values) { return Tensor::Of<int32_t>(std::move(shape), values); }

Tensor Waves(Shape shape, float phase) {
  absl::StatusOr<Tensor> t = Tensor::Create(DType::kF32, std::move(shape));
  ATH_CHECK_OK(t);
  for (int64_t i = 0; i < t->num_elements(); ++i) {
    t->as<float>()[i] = std::sin(0.7f * static_cast<float>(i) + phase);
  }
  return *std::move(t);
}

}  // namespace athanor
