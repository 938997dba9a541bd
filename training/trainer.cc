#include "training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/model_io.h"
#include "data/loader.h"
#include "runtime/core/file.h"
#include "runtime/plan/plan_io.h"
#include "training/metrics.h"
#include "training/training_state.h"

namespace athanor {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

absl::Status CheckConfig(const TrainConfig& c) {
  if (c.epochs < 1) return MakeError(ErrorClass::kReq, "epochs = %d is below 1", c.epochs);
  if (c.batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", c.batch);
  if (!(c.learning_rate > 0) || !std::isfinite(c.learning_rate)) {
    return MakeError(ErrorClass::kReq, "learning rate = %g is not a positive number", c.learning_rate);
  }
  if (c.resume && c.out.empty()) return MakeError(ErrorClass::kReq, "resume needs the folder of the run to resume");
  return absl::OkStatus();
}

// The model's input and number of classes against the data's.
absl::Status CheckData(const Graph& model, const Dataset& data, int64_t batch) {
  const GraphEntry* entry = model.FindEntry("train");
  if (entry == nullptr) return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"train\"", model.name);
  for (const NamedValue& input : entry->inputs) {
    if (input.name != "x") continue;
    const TensorType& type = model.type(input.value);
    Shape shape = data.sample_shape();
    std::vector<Dim> sample(type.dims.begin() + 1, type.dims.end());
    if (sample != std::vector<Dim>(shape.begin(), shape.end())) {
      return MakeError(ErrorClass::kShape, "data set \"%s\" has samples of shape %s, model \"%s\" takes %s", data.name,
                       ShapeToString(shape), model.name, type.ToString());
    }
  }
  for (const NamedValue& output : entry->outputs) {
    if (output.name != "logits") continue;
    const Dim& classes = model.type(output.value).dims.back();
    if (!classes.symbolic() && data.classes > classes.size) {
      return MakeError(ErrorClass::kData, "data set \"%s\" has %d classes, model \"%s\" has %d", data.name, data.classes,
                       model.name, classes.size);
    }
  }
  if (data.size() < batch) {
    return MakeError(ErrorClass::kData, "data set \"%s\" has %d samples, fewer than one batch of %d", data.name,
                     data.size(), batch);
  }
  return absl::OkStatus();
}

template <typename T>
void SetScalar(const TensorView& view, T value) {
  if (view.data != nullptr) *static_cast<T*>(view.data) = value;
}

}  // namespace

Trainer::Trainer(Graph model, const TrainTest& data, const TrainConfig& config)
    : model_(std::move(model)), data_(data), config_(config) {}
Trainer::~Trainer() = default;

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(Graph model, const TrainTest& data, const TrainConfig& config) {
  ATH_RETURN_IF_ERROR(CheckConfig(config));
  ATH_RETURN_IF_ERROR(CheckData(model, data.train, config.batch));
  ATH_RETURN_IF_ERROR(CheckData(model, data.test, 1));
  if (!config.out.empty()) ATH_RETURN_IF_ERROR(ProbeWritableDir(config.out));
  ATH_RETURN_IF_ERROR(InitializeVariables(&model, config.seed));
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(model), data, config));
  ATH_RETURN_IF_ERROR(trainer->CompilePlan());
  ATH_ASSIGN_OR_RETURN(trainer->session_, Session::Create(trainer->plan_));
  ATH_RETURN_IF_ERROR(trainer->BindViews());
  if (config.resume) ATH_RETURN_IF_ERROR(trainer->Resume());
  return trainer;
}

absl::Status Trainer::CompilePlan() {
  CompileOptions options;
  ATH_ASSIGN_OR_RETURN(options.optimizer, MakeOptimizer(config_.optimizer));
  options.update = config_.update;
  options.threads = config_.threads;
  options.entries.push_back({"train", {{"N", config_.batch}}});
  // The last batch of an epoch may be smaller: it gets an entry of its own size over the same weights.
  int64_t rest = data_.train.size() % config_.batch;
  if (rest > 0) options.entries.push_back({"train", {{"N", rest}}});
  options.entries.push_back({"evaluate", {{"N", config_.batch}}});
  if (model_.FindEntry("infer") != nullptr) options.entries.push_back({"infer", {{"N", 1}}});
  ATH_ASSIGN_OR_RETURN(Plan plan, Compile(model_, options));
  plan_ = std::make_shared<const Plan>(std::move(plan));
  return absl::OkStatus();
}

absl::Status Trainer::BindViews() {
  for (const Entry& entry : plan_->entries) {
    if (entry.name != "train" && entry.name.rfind("train@", 0) != 0) continue;
    TrainViews v;
    ATH_ASSIGN_OR_RETURN(v.entry, session_->FindEntry(entry.name));
    v.rows = entry.symbols.at("N");
    ATH_ASSIGN_OR_RETURN(v.x, session_->Input(v.entry, "x"));
    ATH_ASSIGN_OR_RETURN(v.labels, session_->Input(v.entry, "labels"));
    ATH_ASSIGN_OR_RETURN(v.loss, session_->Output(v.entry, "loss"));
    ATH_ASSIGN_OR_RETURN(v.logits, session_->Output(v.entry, "logits"));
    for (auto [name, view] : {std::pair("lr", &v.lr), {"step", &v.step}, {"seed", &v.seed}}) {
      absl::StatusOr<TensorView> found = session_->Input(v.entry, name);
      if (found.ok()) *view = *found;
    }
    train_.push_back(std::move(v));
  }
  ATH_ASSIGN_OR_RETURN(evaluate_, session_->FindEntry("evaluate"));
  return absl::OkStatus();
}

absl::Status Trainer::Resume() {
  ATH_ASSIGN_OR_RETURN(TrainingState state, ReadTrainingState(config_.out, model_, config_, &session_->weights()));
  step_ = resumed_steps_ = state.step;
  epoch_ = state.epoch;
  batch_index_ = state.batch_index;
  return absl::OkStatus();
}

absl::StatusOr<float> Trainer::RunStep(int views, int64_t rows, const Tensor& features, const Tensor& labels) {
  const TrainViews& v = train_[views];
  std::memcpy(v.x.data, features.data(), v.x.bytes);
  std::memcpy(v.labels.data, labels.data(), rows * sizeof(int32_t));
  SetScalar<float>(v.lr, static_cast<float>(config_.learning_rate));
  SetScalar<int64_t>(v.step, step_ + 1);
  SetScalar<int64_t>(v.seed, static_cast<int64_t>(config_.seed));
  ATH_RETURN_IF_ERROR(session_->Run(v.entry));
  float loss = *static_cast<const float*>(v.loss.data);
  ++step_;
  if (!std::isfinite(loss)) {
    return absl::AbortedError(absl::StrFormat(
        "the loss is %f at step %d (epoch %d, batch %d): training stops; the last checkpoint is kept. A smaller learning "
        "rate (now %g) often helps",
        loss, step_, epoch_ + 1, batch_index_ + 1, config_.learning_rate));
  }
  return loss;
}

absl::StatusOr<float> Trainer::Step(const Tensor& features, const Tensor& labels) {
  const TrainViews& v = train_[0];
  if (features.shape() != v.x.shape || features.dtype() != v.x.dtype || labels.shape() != v.labels.shape ||
      labels.dtype() != v.labels.dtype) {
    return MakeError(ErrorClass::kReq, "a step takes features %s and labels %s; given %s and %s", ShapeToString(v.x.shape),
                     ShapeToString(v.labels.shape), ShapeToString(features.shape()), ShapeToString(labels.shape()));
  }
  return RunStep(0, v.rows, features, labels);
}

absl::StatusOr<TrainResult> Trainer::Run(Progress* progress, const std::atomic<int>* stop) {
  LoaderOptions loading;
  loading.batch_size = config_.batch;
  loading.seed = config_.seed;
  loading.first_epoch = epoch_;
  loading.first_batch = batch_index_;
  loading.end_epoch = std::max(config_.epochs, epoch_);
  TrainResult result;
  result.steps = step_;
  ATH_ASSIGN_OR_RETURN(std::unique_ptr<BatchLoader> loader,
                       BatchLoader::Create(data_.train, config_.normalization, loading));
  while (epoch_ < config_.epochs && result.stopped_by == 0) {
    ATH_RETURN_IF_ERROR(RunEpoch(loader.get(), progress, stop, &result));
    ATH_RETURN_IF_ERROR(SaveCheckpoint());
  }
  if (result.stopped_by == 0) ATH_RETURN_IF_ERROR(SaveModel());
  return result;
}

absl::Status Trainer::RunEpoch(BatchLoader* loader, Progress* progress, const std::atomic<int>* stop,
                               TrainResult* result) {
  const int64_t batches = loader->batches_per_epoch();
  const Clock::time_point start = Clock::now();
  const double waited_before = loader->seconds_waited();
  ClassificationMetrics metrics;
  double loss_sum = 0;
  for (; batch_index_ < batches; ) {
    ATH_ASSIGN_OR_RETURN(const Batch* batch, loader->Next());
    ATH_CHECK(batch != nullptr && batch->epoch == epoch_ && batch->index == batch_index_);
    int views = batch->size == config_.batch ? 0 : 1;
    ATH_ASSIGN_OR_RETURN(float loss, RunStep(views, batch->size, batch->fields[0], batch->fields[1]));
    const TrainViews& v = train_[views];
    metrics.Add(v.logits.as<float>(), v.logits.shape[1], batch->fields[1].as<int32_t>().subspan(0, batch->size));
    loss_sum += static_cast<double>(loss) * batch->size;
    ++batch_index_;
    double rate = metrics.samples() / std::max(1e-9, Seconds(start));
    double left = (config_.epochs - epoch_) * data_.train.size() - batch_index_ * config_.batch;
    progress->Step({epoch_ + 1, config_.epochs, batch_index_, batches, loss_sum / metrics.samples(), metrics.accuracy(),
                    rate, left / rate});
    if (stop != nullptr && (result->stopped_by = stop->load()) != 0) break;
  }
  result->steps = step_;
  if (batch_index_ == batches) ++epoch_, batch_index_ = 0;
  if (result->stopped_by != 0) {
    progress->Line(absl::StrFormat("stopped by signal %d after step %d", result->stopped_by, step_));
    return absl::OkStatus();
  }
  EpochResult e{epoch_, metrics.samples() > 0 ? loss_sum / metrics.samples() : 0, metrics.accuracy()};
  e.seconds = Seconds(start);
  e.seconds_waited = loader->seconds_waited() - waited_before;
  ATH_RETURN_IF_ERROR(Evaluate(data_.test, &e.test_loss, &e.test_accuracy));
  progress->Line(absl::StrFormat("epoch %d/%d  train loss %.4f accuracy %.4f  test loss %.4f accuracy %.4f  %.2f s (%.0f%% waiting for data)",
                                 e.epoch, config_.epochs, e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy,
                                 e.seconds, 100 * e.seconds_waited / std::max(1e-9, e.seconds)));
  result->epochs.push_back(e);
  return absl::OkStatus();
}

absl::Status Trainer::Evaluate(const Dataset& dataset, double* loss, double* accuracy) {
  LoaderOptions loading;
  loading.batch_size = config_.batch;
  loading.shuffle = false;
  ATH_ASSIGN_OR_RETURN(auto loader, BatchLoader::Create(dataset, config_.normalization, loading));
  ATH_ASSIGN_OR_RETURN(TensorView x, session_->Input(evaluate_, "x"));
  ATH_ASSIGN_OR_RETURN(TensorView labels, session_->Input(evaluate_, "labels"));
  ATH_ASSIGN_OR_RETURN(TensorView logits, session_->Output(evaluate_, "logits"));
  ClassificationMetrics metrics;
  for (;;) {
    ATH_ASSIGN_OR_RETURN(const Batch* batch, loader->Next());
    if (batch == nullptr) break;
    std::memcpy(x.data, batch->fields[0].data(), x.bytes);
    std::memcpy(labels.data, batch->fields[1].data(), labels.bytes);
    ATH_RETURN_IF_ERROR(session_->Run(evaluate_));
    metrics.Add(logits.as<float>(), logits.shape[1], batch->fields[1].as<int32_t>().subspan(0, batch->size));
  }
  *loss = metrics.loss();
  *accuracy = metrics.accuracy();
  return absl::OkStatus();
}

absl::Status Trainer::SaveCheckpoint() {
  if (config_.out.empty()) return absl::OkStatus();
  return WriteTrainingState(config_.out, model_, config_, {step_, epoch_, batch_index_}, session_->weights());
}

absl::StatusOr<Graph> Trainer::TrainedModel() const {
  Graph trained = model_;
  for (Value& v : trained.values) {
    if (!IsVariable(v.kind) || plan_->FindVariable(v.name) == nullptr) continue;
    ATH_ASSIGN_OR_RETURN(Tensor data, session_->weights().Get(v.name));
    ATH_RETURN_IF_ERROR(data.Reshape(v.type.shape()));
    v.data = std::make_shared<const Tensor>(std::move(data));
  }
  return trained;
}

absl::Status Trainer::SaveModel() {
  if (config_.out.empty()) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(Graph trained, TrainedModel());
  ATH_RETURN_IF_ERROR(WriteModel(trained, config_.out + "/model.ath"));
  // The plan carries the weights too, so that it runs without the model.
  Plan plan = *plan_;
  for (Variable& v : plan.variables) {
    ValueId id = trained.FindValue(v.name);
    if (id != kNoValue && IsVariable(trained.value(id).kind)) v.data = trained.value(id).data;
  }
  return WritePlan(plan, config_.out + "/model.plan");
}

}  // namespace athanor
