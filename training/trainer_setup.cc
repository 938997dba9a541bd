// All that comes before a run's first step.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/graph/initializers.h"
#include "data/fingerprint.h"
#include "data/loader.h"
#include "runtime/core/file.h"
#include "training/soft_labels.h"
#include "training/trainer.h"

namespace athanor {
namespace {

absl::Status CheckSize(const TrainingData& data, int64_t batch) {
  if (data.train->size() >= batch) return absl::OkStatus();
  return MakeError(ErrorClass::kData, "data set \"%s\" has %d samples, fewer than one batch of %d", data.name,
                   data.train->size(), batch);
}

TrainConfig WithDirections(TrainConfig config) {
  if (config.schedule.kind == ScheduleKind::kPlateau) config.schedule.maximize = config.monitor == "accuracy";
  return config;
}

// Length of the run: the epochs, or less.
RunLength LengthOf(const TrainConfig& config, int64_t batches) {
  RunLength length;
  length.steps_per_epoch = (batches + config.accumulate - 1) / config.accumulate;
  length.steps = config.steps;
  const int64_t most = std::numeric_limits<int64_t>::max() / length.steps_per_epoch;
  const bool limited = config.epochs > 0 && config.epochs < most;
  const int64_t all = config.epochs * length.steps_per_epoch;
  if (limited && (config.steps == 0 || all < config.steps)) length.steps = all;
  return length;
}

absl::Status CheckMonitor(const TrainConfig& config, const TrainingData& data, bool has_logits) {
  const bool plateau = config.schedule.kind == ScheduleKind::kPlateau;
  if (data.validation == nullptr && (config.patience > 0 || plateau)) {
    return MakeError(ErrorClass::kReq, "%s needs a validation set: there is none",
                     plateau ? "schedule plateau" : "early stopping (patience)");
  }
  if (config.monitor == "accuracy" && !has_logits) {
    return MakeError(ErrorClass::kReq, "monitor \"accuracy\": the model has no output \"logits\"");
  }
  return absl::OkStatus();
}

}  // namespace

Trainer::Trainer(Graph model, const TrainingData& data, const TrainConfig& config)
    : model_(std::move(model)), data_(data), config_(WithDirections(config)) {
  if (data_.validation == nullptr) data_.validation = data_.test;
}
Trainer::~Trainer() = default;

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(Graph model, const TrainingData& data,
                                                         const TrainConfig& config) {
  ATH_RETURN_IF_ERROR(CheckConfig(config));
  if (data.train == nullptr) return MakeError(ErrorClass::kReq, "data set \"%s\" has no training samples", data.name);
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(model), data, config));
  ATH_RETURN_IF_ERROR(trainer->Prepare());
  return trainer;
}

absl::Status Trainer::Prepare() {
  fields_ = data_.train->fields();
  ATH_ASSIGN_OR_RETURN(task_, TaskOf(model_));
  ATH_ASSIGN_OR_RETURN(Graph compiled, CompiledModel());
  ATH_RETURN_IF_ERROR(MatchFields(compiled, "train", fields_, data_.name).status());
  ATH_RETURN_IF_ERROR(CheckSize(data_, config_.batch));
  const auto& outputs = model_.FindEntry("train")->outputs;
  has_logits_ = std::any_of(outputs.begin(), outputs.end(), [](const NamedValue& o) { return o.name == "logits"; });
  ATH_RETURN_IF_ERROR(CheckMonitor(config_, data_, has_logits_));
  batches_ = (data_.train->size() + config_.batch - 1) / config_.batch;
  length_ = LengthOf(config_, batches_);
  ATH_RETURN_IF_ERROR(CheckSchedule(config_.schedule, config_.learning_rate, length_));
  const Extent& every = config_.eval_every;
  evaluate_every_ = std::max(1.0, every.epochs ? every.amount * length_.steps_per_epoch : every.amount);
  ATH_ASSIGN_OR_RETURN(early_, EarlyStopping::Create({.patience = config_.patience,
                                                      .min_delta = config_.min_delta,
                                                      .mode = ModeOfMetric(config_.monitor)}));
  if (!config_.out.empty()) {
    ATH_RETURN_IF_ERROR(ProbeWritableDir(config_.out));
    ATH_ASSIGN_OR_RETURN(lock_, FolderLock::Take(config_.out));
    folder_.emplace(config_.out, config_.keep);
    absl::StatusOr<uint64_t> fingerprint = Fingerprint(*data_.train);
    if (!fingerprint.ok()) return AddContext(fingerprint.status(), data_.name);
    fingerprint_ = static_cast<int64_t>(*fingerprint);
  }
  ATH_RETURN_IF_ERROR(InitializeVariables(&model_, config_.seed));
  ATH_RETURN_IF_ERROR(MakeRunner());
  return config_.resume ? Resume() : absl::OkStatus();
}

// Mixed samples have a share of each class as labels. The model that is saved keeps its classes.
absl::StatusOr<Graph> Trainer::CompiledModel() const {
  return WithLabelsOf(fields_, model_);
}

absl::Status Trainer::MakeRunner() {
  StepRunnerOptions options;
  ATH_ASSIGN_OR_RETURN(Graph compiled, CompiledModel());
  options.fields = FieldNames(fields_);
  ATH_ASSIGN_OR_RETURN(options.symbols, MatchFields(compiled, "train", fields_, data_.name));
  options.train_rows = BatchRows(data_.train->size(), config_.batch);
  for (const auto& set : {data_.validation, data_.test}) {
    if (set == nullptr) continue;
    ATH_RETURN_IF_ERROR(MatchFields(model_, "evaluate", set->fields(), data_.name).status());
    for (int64_t rows : BatchRows(set->size(), config_.batch)) options.evaluate_rows.push_back(rows);
  }
  CompileOptions& compile = options.compile;
  ATH_ASSIGN_OR_RETURN(compile.optimizer, MakeOptimizer(config_.optimizer));
  compile.optimizer->grad_norm_output = config_.grad_norm;
  compile.update = config_.update;
  compile.threads = config_.threads;
  compile.frozen = config_.frozen;
  compile.accumulate_gradients = config_.accumulate > 1;
  compile.ema_decay = config_.ema_decay;
  compile.ema_warmup = config_.ema_warmup;
  ATH_ASSIGN_OR_RETURN(runner_, StepRunner::Create(compiled, options));
  return absl::OkStatus();
}

absl::Status Trainer::Resume() {
  ATH_ASSIGN_OR_RETURN(CheckpointFolder::Found found, folder_->LoadNewest());
  for (const std::string& error : found.skipped) notes_.push_back(absl::StrFormat("damaged checkpoint: %s", error));
  if (!found.skipped.empty()) notes_.push_back(absl::StrFormat("going on from %s", found.path));
  ATH_ASSIGN_OR_RETURN(
      state_, RestoreState(found.path, found.checkpoint, model_, config_, Identity(), &runner_->weights()));
  if (!state_.early_stopping.empty()) {
    absl::Status restored = early_->Restore(state_.early_stopping);
    if (!restored.ok()) return AddContext(restored, found.path);
  }
  saved_step_ = resumed_steps_ = state_.step;
  // What the end of the run will need, so that it is not missed only then.
  if (config_.patience > 0 && early_->has_best() && early_->best_step() != state_.step) {
    ATH_RETURN_IF_ERROR(LoadBest().status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BatchLoader>> Trainer::MakeLoader() const {
  LoaderOptions loading;
  loading.batch_size = config_.batch;
  loading.seed = config_.seed;
  loading.first_epoch = state_.epoch;
  loading.first_batch = state_.batch_index;
  loading.end_epoch = std::max(total_epochs(), state_.epoch);
  loading.threads = config_.loader_threads;
  return BatchLoader::Create(data_.train, loading);
}

}  // namespace athanor
