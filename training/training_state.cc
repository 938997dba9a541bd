#include "training/training_state.h"

#include "compiler/graph/text.h"
#include "runtime/plan/plan_io.h"

namespace athanor {
namespace {

absl::Status CheckSameConfig(const std::string& path, const Checkpoint& checkpoint, const TrainConfig& config) {
  if (checkpoint.seed != config.seed) {
    return MakeError(ErrorClass::kCkpt, "%s was made with seed %d, this run has seed %d", path, checkpoint.seed,
                     config.seed);
  }
  const Attributes wanted = ConfigAttributes(config);
  for (const std::string& name : ConfigAttributeNames()) {
    const AttrValue *saved = checkpoint.meta.Find(name), *now = wanted.Find(name);
    if (saved == nullptr ? now == nullptr : now != nullptr && *saved == *now) continue;
    auto describe = [](const AttrValue* v) { return v == nullptr ? "(none)" : AttrToString(*v); };
    return MakeError(ErrorClass::kCkpt, "%s was made with %s = %s, this run has %s", path, name, describe(saved),
                     describe(now));
  }
  return absl::OkStatus();
}

// The value of that name, which a checkpoint of version 1.0 may lack. CKPT error for another type.
template <typename T>
absl::Status ReadMeta(const std::string& path, const Attributes& meta, const char* name, T* value) {
  const AttrValue* found = meta.Find(name);
  if (found == nullptr) return absl::OkStatus();
  const T* typed = std::get_if<T>(found);
  if (typed == nullptr) {
    return MakeError(ErrorClass::kCkpt, "%s: %s = %s is of another type", path, name, AttrToString(*found));
  }
  *value = *typed;
  return absl::OkStatus();
}

absl::Status CheckSameData(const std::string& path, const Checkpoint& checkpoint, const TrainConfig& config,
                           const DataIdentity& data) {
  DataIdentity saved = data;
  ATH_RETURN_IF_ERROR(ReadMeta(path, checkpoint.meta, "train_samples", &saved.train_samples));
  if (saved.train_samples != data.train_samples) {
    return MakeError(ErrorClass::kCkpt, "%s was made with %d training samples, this run has %d", path,
                     saved.train_samples, data.train_samples);
  }
  ATH_RETURN_IF_ERROR(ReadMeta(path, checkpoint.meta, "data_fingerprint", &saved.fingerprint));
  if (saved.fingerprint != data.fingerprint) {
    return MakeError(ErrorClass::kCkpt,
                     "%s was made with other training samples than this run has: their values, labels, normalization or "
                     "augmentation differ",
                     path);
  }
  ATH_RETURN_IF_ERROR(ReadMeta(path, checkpoint.meta, "run_steps", &saved.run_steps));
  if (saved.run_steps != data.run_steps && DependsOnLength(config.schedule)) {
    return MakeError(ErrorClass::kCkpt,
                     "%s was made in a run of %d steps, this run has %d: the rates of schedule %s depend on that", path,
                     saved.run_steps, data.run_steps, FormatSchedule(config.schedule));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Checkpoint> MakeCheckpoint(const Graph& model, const TrainConfig& config, const DataIdentity& data,
                                          const TrainingState& state, const Weights& weights) {
  Checkpoint checkpoint;
  checkpoint.model_hash = HashGraph(model);
  checkpoint.model_name = model.name;
  checkpoint.step = state.step;
  checkpoint.epoch = state.epoch;
  checkpoint.batch_index = state.batch_index;
  checkpoint.seed = config.seed;
  checkpoint.meta = ConfigAttributes(config);
  Attributes& meta = checkpoint.meta;
  meta.Set("train_samples", data.train_samples);
  meta.Set("data_fingerprint", data.fingerprint);
  meta.Set("run_steps", data.run_steps);
  meta.Set("monitor", AttrValue(config.monitor));
  meta.Set("evaluated", state.evaluated);
  meta.Set("plateau", AttrValue(state.plateau.ToText()));
  meta.Set("early_stopping", AttrValue(state.early_stopping));
  meta.Set("epoch_loss_sum", state.loss_sum);
  meta.Set("epoch_samples", state.samples);
  meta.Set("epoch_counted", state.counted);
  meta.Set("epoch_correct", state.correct);
  if (!config.run_config.empty()) meta.Set("run_config", AttrValue(config.run_config));
  for (const TensorSpec& spec : CheckpointSpecs(weights.plan())) {
    ATH_ASSIGN_OR_RETURN(Tensor value, weights.Get(spec.name));
    ATH_RETURN_IF_ERROR(value.Reshape(spec.shape));
    checkpoint.tensors.emplace_back(spec.name, std::move(value));
  }
  return checkpoint;
}

absl::StatusOr<TrainingState> RestoreState(const std::string& path, const Checkpoint& checkpoint, const Graph& model,
                                           const TrainConfig& config, const DataIdentity& data, Weights* weights) {
  if (checkpoint.model_hash != HashGraph(model)) {
    return MakeError(ErrorClass::kCkpt, "%s belongs to another model: it was made of \"%s\", this run trains \"%s\"", path,
                     checkpoint.model_name, model.name);
  }
  ATH_RETURN_IF_ERROR(CheckSameConfig(path, checkpoint, config));
  ATH_RETURN_IF_ERROR(CheckSameData(path, checkpoint, config, data));
  std::string monitor = config.monitor;
  ATH_RETURN_IF_ERROR(ReadMeta(path, checkpoint.meta, "monitor", &monitor));
  if (monitor != config.monitor) {
    return MakeError(ErrorClass::kCkpt, "%s was made with monitor = \"%s\", this run has \"%s\": its best value is another's",
                     path, monitor, config.monitor);
  }
  TrainingState state;
  state.step = checkpoint.step;
  state.epoch = checkpoint.epoch;
  state.batch_index = checkpoint.batch_index;
  state.evaluated = checkpoint.step;
  const Attributes& meta = checkpoint.meta;
  std::string plateau;
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "evaluated", &state.evaluated));
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "plateau", &plateau));
  if (!plateau.empty()) {
    absl::StatusOr<PlateauState> parsed = PlateauState::FromText(plateau);
    if (!parsed.ok()) return AddContext(parsed.status(), path);
    state.plateau = *parsed;
  }
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "early_stopping", &state.early_stopping));
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "epoch_loss_sum", &state.loss_sum));
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "epoch_samples", &state.samples));
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "epoch_counted", &state.counted));
  ATH_RETURN_IF_ERROR(ReadMeta(path, meta, "epoch_correct", &state.correct));
  ATH_RETURN_IF_ERROR(AddContext(RestoreVariables(checkpoint, model.name, weights), path));
  return state;
}

absl::Status RestoreVariables(const Checkpoint& checkpoint, const std::string& model_name, Weights* weights) {
  ATH_RETURN_IF_ERROR(DiffAgainst(checkpoint, CheckpointSpecs(weights->plan()), model_name));
  for (const auto& [name, value] : checkpoint.tensors) ATH_RETURN_IF_ERROR(weights->Set(name, value));
  return absl::OkStatus();
}

}  // namespace athanor
