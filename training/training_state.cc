#include "training/training_state.h"

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/plan/plan_io.h"

namespace athanor {
namespace {

// What must be the same for the run to go on as it would have.
Attributes ConfigAttributes(const TrainConfig& c) {
  return {{"batch", c.batch},
          {"learning_rate", c.learning_rate},
          {"optimizer", c.optimizer.name},
          {"momentum", c.optimizer.momentum},
          {"weight_decay", c.optimizer.weight_decay},
          {"beta1", c.optimizer.beta1},
          {"beta2", c.optimizer.beta2},
          {"epsilon", c.optimizer.epsilon}};
}

absl::Status CheckSameConfig(const std::string& path, const Checkpoint& checkpoint, const TrainConfig& config) {
  if (checkpoint.seed != config.seed) {
    return MakeError(ErrorClass::kCkpt, "%s was made with seed %d, this run has seed %d", path, checkpoint.seed,
                     config.seed);
  }
  const Attributes wanted = ConfigAttributes(config);
  for (const auto& [name, value] : wanted.items()) {
    const AttrValue* saved = checkpoint.meta.Find(name);
    if (saved != nullptr && *saved == value) continue;
    return MakeError(ErrorClass::kCkpt, "%s was made with %s = %s, this run has %s", path, name,
                     saved == nullptr ? "(none)" : AttrToString(*saved), AttrToString(value));
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
