#include "training/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "compiler/graph/model_io.h"
#include "data/loader.h"
#include "runtime/core/philox.h"
#include "runtime/plan/plan_io.h"

namespace athanor {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

bool AllFinite(absl::Span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

constexpr int64_t kStepsBetweenLooks = 50;  // at the weights

// The parts of a step have masks of their own for dropout; the first has those of a step that is not made of parts.
uint64_t SeedOfPart(uint64_t seed, int64_t part) { return part == 0 ? seed : Philox::MixStream(seed, part); }

}  // namespace

double Trainer::learning_rate() const {
  return LearningRate(config_.schedule, config_.learning_rate, state_.step, length_, state_.plateau);
}

absl::StatusOr<TrainResult> Trainer::Run(TrainListener* listener, const std::atomic<int>* stop) {
  const absl::Cleanup release = [this] { lock_.reset(); };
  TrainResult result;
  for (const std::string& note : notes_) listener->OnNote(note);
  timing_.run = timing_.epoch = Clock::now();
  // A run that was stopped between a step and what belongs behind it.
  const bool pending = state_.step > 0 && (state_.batch_index == batches_ || EvaluationDue());
  if (pending) ATH_RETURN_IF_ERROR(FinishStep(listener, &result));
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader, MakeLoader());
  ATH_RETURN_IF_ERROR(RunLoop(loader.get(), listener, stop, &result));
  loader.reset();
  if (saved_step_ != state_.step) ATH_RETURN_IF_ERROR(Save(listener, /*best=*/false));
  if (result.end != RunEnd::kSignal) ATH_RETURN_IF_ERROR(Finish());
  result.steps = state_.step;
  result.best_step = early_->best_step();
  result.best = early_->best();
  return result;
}

absl::Status Trainer::RunLoop(BatchLoader* loader, TrainListener* listener, const std::atomic<int>* stop,
                              TrainResult* result) {
  while (state_.step < length_.steps) {
    if (early_->should_stop()) {
      result->end = RunEnd::kEarlyStopping;
      return absl::OkStatus();
    }
    ATH_RETURN_IF_ERROR(Step(loader, listener));
    if (stop != nullptr && (result->signal = stop->load()) != 0) {
      result->end = RunEnd::kSignal;
      return absl::OkStatus();
    }
    ATH_RETURN_IF_ERROR(FinishStep(listener, result));
    if (config_.max_minutes > 0 && Seconds(timing_.run) >= 60 * config_.max_minutes && state_.step < length_.steps) {
      result->end = RunEnd::kTime;
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status Trainer::Step(BatchLoader* loader, TrainListener* listener) {
  const Clock::time_point start = Clock::now();
  const int64_t parts = std::min(config_.accumulate, batches_ - state_.batch_index);
  const int64_t rows = std::min(parts * config_.batch, data_.train->size() - state_.batch_index * config_.batch);
  StepEvent e;
  e.learning_rate = learning_rate();
  ClassificationMetrics metrics(MetricsOptions{.top_k = 1, .confusion = false, .loss_from_logits = false});
  double loss_sum = 0;
  for (int64_t part = 0; part < parts; ++part) {
    ATH_ASSIGN_OR_RETURN(const Batch* batch, loader->Next());
    ATH_CHECK(batch != nullptr && batch->epoch == state_.epoch && batch->index == state_.batch_index);
    StepScalars scalars{e.learning_rate, state_.step + 1, SeedOfPart(config_.seed, part)};
    scalars.share = static_cast<double>(batch->size) / static_cast<double>(rows);
    scalars.last = part + 1 == parts;
    absl::StatusOr<StepOutput> output = runner_->Train(batch->fields, batch->size, scalars);
    if (!output.ok()) {
      return AddContext(output.status(), absl::StrFormat("step %d (epoch %d, batch %d)", state_.step + 1,
                                                         state_.epoch + 1, state_.batch_index + 1));
    }
    ATH_RETURN_IF_ERROR(CheckFinite(*output, *batch));
    ATH_RETURN_IF_ERROR(AddBatch(*output, fields_, batch->fields, batch->size, &metrics));
    loss_sum += static_cast<double>(output->loss) * batch->size;
    e.grad_norm = output->grad_norm;
    ++state_.batch_index;
  }
  ++state_.step;
  state_.loss_sum += loss_sum;
  state_.samples += rows;
  state_.counted += metrics.samples();
  state_.correct += metrics.correct();
  timing_.rate.Add(static_cast<double>(rows), Seconds(start));
  timing_.waited_now = loader->seconds_waited();

  e.epoch = state_.epoch + 1;
  e.epochs = total_epochs();
  e.epoch_step = (state_.batch_index + config_.accumulate - 1) / config_.accumulate;
  e.steps_per_epoch = length_.steps_per_epoch;
  e.step = state_.step;
  e.steps = length_.steps;
  e.loss = loss_sum / rows;
  e.mean_loss = state_.loss_sum / state_.samples;
  e.mean_accuracy = state_.counted > 0 ? static_cast<double>(state_.correct) / state_.counted : 0;
  e.samples_per_second = std::max(1e-9, timing_.rate.rate());
  const double rows_a_step = static_cast<double>(data_.train->size()) / length_.steps_per_epoch;
  e.seconds_left = (length_.steps - state_.step) * rows_a_step / e.samples_per_second;
  e.waited = timing_.waited_now / std::max(1e-9, Seconds(timing_.run));
  listener->OnStep(e);
  return absl::OkStatus();
}

std::string Trainer::WhatIsKept() const {
  std::error_code ignored;
  const bool kept = folder_ && (cleaned_ || config_.resume) && std::filesystem::exists(folder_->last_path(), ignored);
  return kept ? "; the last checkpoint is kept" : "";
}

absl::Status Trainer::CheckFinite(const StepOutput& output, const Batch& batch) {
  if (std::isfinite(output.loss)) return absl::OkStatus();
  std::string culprit;
  for (size_t i = 0; i < fields_.size() && culprit.empty(); ++i) {
    if (fields_[i].dtype != DType::kF32) continue;
    if (!AllFinite(batch.fields[i].as<float>())) culprit = absl::StrCat("the data's \"", fields_[i].name, "\"");
  }
  if (culprit.empty()) {
    const std::string variable = FirstNonFiniteVariable(runner_->weights());
    if (!variable.empty()) culprit = absl::StrCat("\"", variable, "\", looked at after this step's update");
  }
  if (culprit.empty() && output.logits.data != nullptr && !AllFinite(output.logits.as<float>())) {
    culprit = "the output \"logits\"";
  }
  if (culprit.empty()) culprit = "the loss itself";
  return absl::AbortedError(absl::StrFormat(
      "the loss is %s at step %d (epoch %d, batch %d): training stops%s. The first tensor that is not finite is %s. A "
      "smaller learning rate (now %g) or --clip-norm often helps",
      std::isnan(output.loss) ? "nan" : output.loss > 0 ? "inf" : "-inf", state_.step + 1, state_.epoch + 1, state_.batch_index + 1, WhatIsKept(), culprit, learning_rate()));
}

absl::Status Trainer::CheckWeights() const {
  const std::string bad = FirstNonFiniteVariable(runner_->weights());
  if (bad.empty()) return absl::OkStatus();
  return absl::AbortedError(absl::StrFormat(
      "\"%s\" is not finite after step %d (epoch %d, batch %d): training stops%s. A smaller learning rate (now %g) or "
      "--clip-norm often helps",
      bad, state_.step, state_.epoch + 1, state_.batch_index, WhatIsKept(), learning_rate()));
}

bool Trainer::EvaluationDue() const {
  if (data_.validation == nullptr || state_.step == 0 || state_.evaluated == state_.step) return false;
  const auto evaluations = [this](int64_t step) { return std::floor(static_cast<double>(step) / evaluate_every_); };
  return evaluations(state_.step) != evaluations(state_.step - 1) || state_.step == length_.steps;
}

// What comes behind a step: evaluation, the end of an epoch, a checkpoint.
absl::Status Trainer::FinishStep(TrainListener* listener, TrainResult* result) {
  ReportEvent r;
  r.epoch = state_.epoch + 1;
  r.epochs = total_epochs();
  r.step = state_.step;
  r.epoch_end = state_.batch_index == batches_;
  r.train_loss = state_.samples > 0 ? state_.loss_sum / state_.samples : 0;
  r.train_accuracy = state_.counted > 0 ? static_cast<double>(state_.correct) / state_.counted : 0;
  r.has_accuracy = has_logits_;
  r.seconds = Seconds(timing_.epoch);
  r.seconds_waited = timing_.waited_now - timing_.waited_before;
  const bool look = r.epoch_end || EvaluationDue() || state_.step % kStepsBetweenLooks == 0;
  if (look) ATH_RETURN_IF_ERROR(CheckWeights());
  // What was saved when the run was stopped behind this step lacks what comes now.
  if (r.epoch_end || EvaluationDue()) saved_step_ = -1;
  if (EvaluationDue()) {
    ATH_ASSIGN_OR_RETURN(r.validation, Evaluate(data_.validation));
    state_.evaluated = state_.step;
    const double value = config_.monitor == "accuracy" ? r.validation->accuracy() : r.validation->loss();
    r.best = early_->Update(value, state_.step);
    UpdatePlateau(config_.schedule, config_.learning_rate, value, &state_.plateau);
  }
  if (r.epoch_end) {
    ++state_.epoch;
    state_.batch_index = 0;
    state_.loss_sum = 0;
    state_.samples = state_.counted = state_.correct = 0;
    timing_.epoch = Clock::now();
    timing_.waited_before = timing_.waited_now;
  }
  r.learning_rate = learning_rate();
  if (r.best && folder_ == std::nullopt) ATH_RETURN_IF_ERROR(KeepBest());
  const bool due = config_.checkpoint_every > 0 && state_.step % config_.checkpoint_every == 0;
  const bool best = r.best, save = best || r.epoch_end || due;
  if (r.epoch_end || r.validation) {
    listener->OnReport(r);
    result->reports.push_back(std::move(r));
  }
  return save ? Save(listener, best) : absl::OkStatus();
}

absl::StatusOr<ClassificationMetrics> Trainer::Evaluate(const std::shared_ptr<const SampleSource>& source,
                                                        const MetricsOptions& metrics) {
  return EvaluateAll(source, {config_.batch, config_.loader_threads, metrics}, runner_.get());
}

absl::Status Trainer::Save(TrainListener* listener, bool best) {
  if (folder_ == std::nullopt) return absl::OkStatus();
  // Only now: a command that fails before its first checkpoint leaves the former run's alone.
  if (!cleaned_) ATH_RETURN_IF_ERROR(folder_->Clean(/*forget=*/!config_.resume));
  cleaned_ = true;
  listener->OnCheckpoint(state_.step);
  state_.early_stopping = early_->ToText();
  ATH_ASSIGN_OR_RETURN(Checkpoint checkpoint,
                       MakeCheckpoint(model_, config_, Identity(), state_, runner_->weights()));
  ATH_RETURN_IF_ERROR(folder_->Save(checkpoint, best));
  saved_step_ = state_.step;
  return absl::OkStatus();
}

absl::Status Trainer::KeepBest() {
  if (config_.patience == 0) return absl::OkStatus();
  const Weights& weights = runner_->weights();
  best_weights_.assign(weights.data(), weights.data() + weights.bytes());
  return absl::OkStatus();
}

absl::Status Trainer::Finish() {
  if (config_.patience > 0) ATH_RETURN_IF_ERROR(UseBest());
  if (config_.ema_decay > 0) ATH_RETURN_IF_ERROR(UseAverages());
  return SaveModel();
}

absl::StatusOr<Checkpoint> Trainer::LoadBest() const {
  ATH_ASSIGN_OR_RETURN(Checkpoint best, folder_->LoadBest());
  if (best.step == early_->best_step() && best.seed == config_.seed) return best;
  return MakeError(ErrorClass::kCkpt, "%s is of step %d and seed %d, the best evaluation was at step %d with seed %d",
                   folder_->best_path(), best.step, best.seed, early_->best_step(), config_.seed);
}

absl::Status Trainer::UseBest() {
  if (!early_->has_best() || early_->best_step() == state_.step) return absl::OkStatus();
  if (folder_ == std::nullopt) {
    std::copy(best_weights_.begin(), best_weights_.end(), runner_->weights().data());
    return absl::OkStatus();
  }
  ATH_ASSIGN_OR_RETURN(Checkpoint best, LoadBest());
  return AddContext(RestoreVariables(best, model_.name, &runner_->weights()), folder_->best_path());
}

absl::Status Trainer::UseAverages() {
  Weights& weights = runner_->weights();
  for (const Variable& v : plan().variables) {
    if (v.kind != VariableKind::kParameter) continue;
    const std::string average = absl::StrCat(v.name, "/ema");
    if (plan().FindVariable(average) == nullptr) continue;
    ATH_ASSIGN_OR_RETURN(Tensor value, weights.Get(average));
    ATH_RETURN_IF_ERROR(weights.Set(v.name, value));
  }
  return absl::OkStatus();
}

absl::Status Trainer::SaveModel() {
  if (config_.out.empty()) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(Graph trained, TrainedModel());
  ATH_RETURN_IF_ERROR(WriteModel(trained, config_.out + "/model.ath"));
  // The plan carries the weights too, so that it runs without the model.
  Plan saved = plan();
  for (Variable& v : saved.variables) {
    ValueId id = trained.FindValue(v.name);
    if (id != kNoValue && IsVariable(trained.value(id).kind)) v.data = trained.value(id).data;
  }
  return WritePlan(saved, config_.out + "/model.plan");
}

}  // namespace athanor
