#include "training/training_state.h"

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/plan/plan_io.h"

namespace athanor {
namespace {

// What a checkpoint of version 1.0 says of every optimizer, and says of one that has no such number.
constexpr std::pair<const char*, double> kAlwaysSaved[] = {
    {"momentum", 0}, {"weight_decay", 0}, {"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}};

// What must be the same for the run to go on as it would have. Of the optimizer's other numbers, those that are given.
Attributes ConfigAttributes(const TrainConfig& c) {
  Attributes attrs = {{"batch", c.batch}, {"learning_rate", c.learning_rate}, {"optimizer", c.optimizer.name}};
  for (const auto& [name, otherwise] : kAlwaysSaved) {
    attrs.Set(name, OptimizerDefault(c.optimizer.name, name).value_or(otherwise));
  }
  for (const OptimizerNumber& n : OptimizerNumbers()) {
    if ((c.optimizer.*n.field).has_value()) attrs.Set(n.name, *(c.optimizer.*n.field));
  }
  for (const OptimizerSwitch& s : OptimizerSwitches()) {
    if (c.optimizer.*s.field) attrs.Set(s.name, true);
  }
  if (c.optimizer.clip_norm != 0) attrs.Set("clip_norm", c.optimizer.clip_norm);
  return attrs;
}

// Everything that ConfigAttributes may say.
std::vector<std::string> ConfigNames() {
  std::vector<std::string> names = {"batch", "learning_rate", "optimizer", "clip_norm"};
  for (const OptimizerNumber& n : OptimizerNumbers()) names.push_back(n.name);
  for (const OptimizerSwitch& s : OptimizerSwitches()) names.push_back(s.name);
  return names;
}

absl::Status CheckSameConfig(const std::string& path, const Checkpoint& checkpoint, const TrainConfig& config) {
  if (checkpoint.seed != config.seed) {
    return MakeError(ErrorClass::kCkpt, "%s was made with seed %d, this run has seed %d", path, checkpoint.seed,
                     config.seed);
  }
  const Attributes wanted = ConfigAttributes(config);
  for (const std::string& name : ConfigNames()) {
    const AttrValue *saved = checkpoint.meta.Find(name), *now = wanted.Find(name);
    if (saved == nullptr ? now == nullptr : now != nullptr && *saved == *now) continue;
    auto describe = [](const AttrValue* v) { return v == nullptr ? "(none)" : AttrToString(*v); };
    return MakeError(ErrorClass::kCkpt, "%s was made with %s = %s, this run has %s", path, name, describe(saved),
                     describe(now));
  }
  return absl::OkStatus();
}

std::string CheckpointPath(const std::string& folder) { return absl::StrCat(folder, "/last.ckpt"); }

}  // namespace

absl::Status WriteTrainingState(const std::string& folder, const Graph& model, const TrainConfig& config,
                                const TrainingState& state, const Weights& weights) {
  Checkpoint checkpoint;
  checkpoint.model_hash = HashGraph(model);
  checkpoint.model_name = model.name;
  checkpoint.step = state.step;
  checkpoint.epoch = state.epoch;
  checkpoint.batch_index = state.batch_index;
  checkpoint.seed = config.seed;
  checkpoint.meta = ConfigAttributes(config);
  for (const TensorSpec& spec : CheckpointSpecs(weights.plan())) {
    ATH_ASSIGN_OR_RETURN(Tensor value, weights.Get(spec.name));
    ATH_RETURN_IF_ERROR(value.Reshape(spec.shape));
    checkpoint.tensors.emplace_back(spec.name, std::move(value));
  }
  return WriteCheckpoint(checkpoint, CheckpointPath(folder));
}

absl::StatusOr<TrainingState> ReadTrainingState(const std::string& folder, const Graph& model, const TrainConfig& config,
                                                Weights* weights) {
  const std::string path = CheckpointPath(folder);
  ATH_ASSIGN_OR_RETURN(Checkpoint checkpoint, ReadCheckpoint(path));
  if (checkpoint.model_hash != HashGraph(model)) {
    return MakeError(ErrorClass::kCkpt, "%s belongs to another model: it was made of \"%s\", this run trains \"%s\"", path,
                     checkpoint.model_name, model.name);
  }
  ATH_RETURN_IF_ERROR(CheckSameConfig(path, checkpoint, config));
  ATH_RETURN_IF_ERROR(DiffAgainst(checkpoint, CheckpointSpecs(weights->plan()), model.name));
  for (const auto& [name, value] : checkpoint.tensors) ATH_RETURN_IF_ERROR(weights->Set(name, value));
  return TrainingState{checkpoint.step, checkpoint.epoch, checkpoint.batch_index};
}

}  // namespace athanor
