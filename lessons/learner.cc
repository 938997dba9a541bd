#include "lessons/learner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "data/mnist_sample/mnist_sample.h"
#include "data/sampler.h"
#include "training/metrics.h"

namespace athanor {
namespace {

// The first rows of a data set, as vectors.
absl::StatusOr<Samples> TakeRows(const Dataset& data, int64_t count) {
  const int64_t rows = count == 0 ? data.size() : std::min(count, data.size());
  const int64_t elements = data.features.num_elements() / data.size();
  Samples samples;
  samples.scale = 1.0f / 255.0f;
  ATH_ASSIGN_OR_RETURN(samples.x, Tensor::Create(DType::kU8, {rows, elements}));
  ATH_ASSIGN_OR_RETURN(samples.target, Tensor::Create(DType::kS32, {rows}));
  std::memcpy(samples.x.data(), data.features.data(), samples.x.bytes());
  std::memcpy(samples.target.data(), data.labels.data(), samples.target.bytes());
  return samples;
}

void CopyRow(const Samples& samples, int64_t row, absl::Span<float> out) {
  const int64_t n = static_cast<int64_t>(out.size());
  if (samples.x.dtype() == DType::kU8) {
    auto in = samples.x.as<uint8_t>().subspan(row * n, n);
    std::transform(in.begin(), in.end(), out.begin(), [&](uint8_t v) { return static_cast<float>(v) * samples.scale; });
  } else {
    auto in = samples.x.as<float>().subspan(row * n, n);
    std::transform(in.begin(), in.end(), out.begin(), [&](float v) { return v * samples.scale; });
  }
}

absl::StatusOr<TensorView> OptionalInput(const Session& session, int entry, const char* name) {
  absl::StatusOr<TensorView> view = session.Input(entry, name);
  return view.ok() ? *view : TensorView{};
}

}  // namespace

std::vector<int64_t> FirstRows(int64_t count) {
  std::vector<int64_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

double Norm(absl::Span<const float> values) {
  double sum = 0;
  for (float v : values) sum += static_cast<double>(v) * v;
  return std::sqrt(sum);
}

absl::StatusOr<Digits> LoadDigits(const LessonOptions& options, int64_t train, int64_t test) {
  ATH_ASSIGN_OR_RETURN(TrainTest data, options.data.empty() ? LoadMnistSample() : LoadMnist(options.data));
  Digits digits;
  digits.name = options.data.empty() ? "the digits in the binary" : "MNIST";
  ATH_ASSIGN_OR_RETURN(digits.train, TakeRows(data.train, train));
  ATH_ASSIGN_OR_RETURN(digits.test, TakeRows(data.test, test));
  return digits;
}

Var MlpLogits(GraphBuilder& b, Var x, const MlpSpec& spec, std::vector<NamedVar>* activations) {
  const Initializer bias_init = spec.weight_init.kind.empty() ? Initializer{} : Initializer{"zeros", {}};
  auto layer = [&](Var in, int64_t units, size_t i) {
    return b.FullyConnected(
        in, {.units = units, .name = absl::StrCat("fc", i), .weight_init = spec.weight_init, .bias_init = bias_init});
  };
  Var h = x;
  for (size_t i = 1; i <= spec.hidden.size(); ++i) {
    h = layer(h, spec.hidden[i - 1], i);
    if (spec.batch_norm) h = b.BatchNorm(h, {.name = absl::StrCat("bn", i)});
    h = b.Op(spec.activation, {h})[0];
    if (activations != nullptr) activations->push_back({absl::StrCat("h", i), h});
    if (spec.dropout > 0) h = b.Dropout(h, spec.dropout);
  }
  return layer(h, 10, spec.hidden.size() + 1);
}

absl::StatusOr<Graph> MlpClassifier(const MlpSpec& spec) {
  GraphBuilder b("mlp");
  Var x = b.Input("x", DType::kF32, {"N", 784}), target = b.Input("target", DType::kS32, {"N"});
  std::vector<NamedVar> outputs;
  Var logits = MlpLogits(b, x, spec, &outputs);
  outputs.push_back({"logits", logits});
  b.Entry("train", {.training = true,
                    .inputs = {x, target},
                    .outputs = {{"logits", logits}},
                    .loss = b.SoftmaxCrossEntropy(logits, target)});
  b.Entry("infer", {.inputs = {x}, .outputs = outputs});
  return b.Build();
}

absl::StatusOr<std::unique_ptr<Learner>> Learner::Create(absl::StatusOr<Graph> graph, const LearnerOptions& options) {
  ATH_RETURN_IF_ERROR(graph.status());
  std::unique_ptr<Learner> learner(new Learner(*std::move(graph), options));
  ATH_RETURN_IF_ERROR(learner->Compile());
  return learner;
}

absl::Status Learner::Compile() {
  ATH_RETURN_IF_ERROR(InitializeVariables(&graph_, options_.seed));
  CompileOptions compile;
  compile.threads = 1;
  compile.optimizer = options_.optimizer;
  compile.gradients_as_outputs = options_.gradients;
  compile.entries.push_back({"train", {{"N", options_.batch}}});
  const int64_t rest = options_.samples % options_.batch;
  if (rest > 0) compile.entries.push_back({"train", {{"N", rest}}});
  const bool infers = graph_.FindEntry("infer") != nullptr;
  if (infers) compile.entries.push_back({"infer", {{"N", options_.infer_batch}}});
  ATH_ASSIGN_OR_RETURN(Plan plan, athanor::Compile(graph_, compile));
  ATH_ASSIGN_OR_RETURN(session_, Session::Create(std::make_shared<const Plan>(std::move(plan))));
  for (const Entry& entry : session_->plan().entries) {
    if (!absl::StartsWith(entry.name, "train")) continue;
    TrainEntry t;
    ATH_ASSIGN_OR_RETURN(t.entry, session_->FindEntry(entry.name));
    auto rows = entry.symbols.find("N");
    t.rows = rows == entry.symbols.end() ? options_.batch : rows->second;
    ATH_ASSIGN_OR_RETURN(t.x, OptionalInput(*session_, t.entry, "x"));
    ATH_ASSIGN_OR_RETURN(t.target, OptionalInput(*session_, t.entry, "target"));
    ATH_ASSIGN_OR_RETURN(t.loss, session_->Output(t.entry, "loss"));
    ATH_ASSIGN_OR_RETURN(t.lr, OptionalInput(*session_, t.entry, "lr"));
    ATH_ASSIGN_OR_RETURN(t.step, OptionalInput(*session_, t.entry, "step"));
    ATH_ASSIGN_OR_RETURN(t.seed, OptionalInput(*session_, t.entry, "seed"));
    train_.push_back(std::move(t));
  }
  if (!infers) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(infer_, session_->FindEntry("infer"));
  return absl::OkStatus();
}

absl::StatusOr<double> Learner::Step(const Samples& samples, absl::Span<const int64_t> rows, double lr) {
  const int64_t count = static_cast<int64_t>(rows.size());
  const auto found = std::find_if(train_.begin(), train_.end(), [&](const TrainEntry& t) { return t.rows == count; });
  ATH_CHECK(found != train_.end());
  const TrainEntry& t = *found;
  const int64_t elements = t.x.shape.empty() ? 0 : t.x.bytes / 4 / t.rows;
  const int64_t target_bytes = t.target.shape.empty() ? 0 : t.target.bytes / t.rows;
  for (int64_t i = 0; i < count; ++i) {
    if (elements > 0) CopyRow(samples, rows[i], t.x.as<float>().subspan(i * elements, elements));
    if (target_bytes == 0) continue;
    std::memcpy(static_cast<char*>(t.target.data) + i * target_bytes,
                static_cast<const char*>(samples.target.data()) + rows[i] * target_bytes, target_bytes);
  }
  if (t.lr.data != nullptr) t.lr.as<float>()[0] = static_cast<float>(lr);
  if (t.step.data != nullptr) t.step.as<int64_t>()[0] = steps_ + 1;
  if (t.seed.data != nullptr) t.seed.as<int64_t>()[0] = static_cast<int64_t>(options_.seed);
  ATH_RETURN_IF_ERROR(session_->Run(t.entry));
  ++steps_;
  return t.loss.as<float>()[0];
}

absl::StatusOr<double> Learner::Epoch(const Samples& samples, double lr, std::vector<double>* losses) {
  std::vector<int64_t> order(samples.size());
  RandomPermutation(options_.seed, epochs_++, absl::MakeSpan(order));
  double sum = 0;
  for (int64_t begin = 0; begin < samples.size(); begin += options_.batch) {
    auto rows = absl::MakeConstSpan(order).subspan(begin, options_.batch);
    ATH_ASSIGN_OR_RETURN(double loss, Step(samples, rows, lr));
    sum += loss * static_cast<double>(rows.size());
    if (losses != nullptr) losses->push_back(loss);
  }
  return sum / static_cast<double>(samples.size());
}

absl::Status Learner::Infer(const Samples& samples, int64_t first) {
  ATH_ASSIGN_OR_RETURN(TensorView x, session_->Input(infer_, "x"));
  const int64_t elements = x.bytes / 4 / options_.infer_batch;
  auto out = x.as<float>();
  const int64_t rows = std::min(options_.infer_batch, samples.size() - first);
  for (int64_t i = 0; i < rows; ++i) CopyRow(samples, first + i, out.subspan(i * elements, elements));
  std::fill(out.begin() + rows * elements, out.end(), 0.0f);
  return session_->Run(infer_);
}

absl::StatusOr<absl::Span<const float>> Learner::Output(const std::string& name) const {
  ATH_ASSIGN_OR_RETURN(TensorView view, session_->Output(infer_, name));
  return view.as<float>();
}

absl::StatusOr<absl::Span<const float>> Learner::TrainOutput(const std::string& name) const {
  ATH_ASSIGN_OR_RETURN(TensorView view, session_->Output(train_[0].entry, name));
  return view.as<float>();
}

absl::StatusOr<Score> Learner::Evaluate(const Samples& samples) {
  ClassificationMetrics metrics;
  for (int64_t first = 0; first < samples.size(); first += options_.infer_batch) {
    ATH_RETURN_IF_ERROR(Infer(samples, first));
    ATH_ASSIGN_OR_RETURN(auto logits, Output("logits"));
    metrics.Add(logits, static_cast<int64_t>(logits.size()) / options_.infer_batch,
                samples.target.as<int32_t>().subspan(first, options_.infer_batch));
  }
  return Score{metrics.loss(), metrics.accuracy()};
}

absl::StatusOr<Graph> Learner::Trained() const {
  Graph trained = graph_;
  for (Value& v : trained.values) {
    if (!IsVariable(v.kind) || session_->plan().FindVariable(v.name) == nullptr) continue;
    ATH_ASSIGN_OR_RETURN(Tensor data, session_->weights().Get(v.name));
    ATH_RETURN_IF_ERROR(data.Reshape(v.type.shape()));
    v.data = std::make_shared<const Tensor>(std::move(data));
  }
  return trained;
}

}  // namespace athanor
