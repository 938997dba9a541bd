// Lesson 13: one network in the training phase and in the inference phase, with softmax and without.
#include <algorithm>
#include <chrono>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compiler/compile.h"
#include "lessons/learner.h"
#include "training/metrics.h"

namespace athanor {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// "guess" is the training phase without a loss; "probabilities" and "logits" are the inference phase.
absl::StatusOr<Graph> Network() {
  GraphBuilder b("phases");
  Var x = b.Input("x", DType::kF32, {"N", 784}), target = b.Input("target", DType::kS32, {"N"});
  Var logits = MlpLogits(b, x, {.hidden = {256, 256}, .batch_norm = true, .dropout = 0.5});
  Var probabilities = b.Softmax(logits);
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = b.SoftmaxCrossEntropy(logits, target)});
  b.Entry("guess", {.training = true, .inputs = {x}, .outputs = {{"probabilities", probabilities}}});
  b.Entry("probabilities", {.inputs = {x}, .outputs = {{"probabilities", probabilities}}});
  b.Entry("logits", {.inputs = {x}, .outputs = {{"logits", logits}}});
  return b.Build();
}

// One entry of the trained network on batches of n.
class Runner {
 public:
  static absl::StatusOr<Runner> Create(const Graph& trained, const std::string& entry, int64_t n) {
    CompileOptions options;
    options.threads = 1;
    options.entries = {{entry, {{"N", n}}}};
    ATH_ASSIGN_OR_RETURN(Plan plan, Compile(trained, options));
    Runner r;
    r.rows_ = n;
    ATH_ASSIGN_OR_RETURN(r.session_, Session::Create(std::make_shared<const Plan>(std::move(plan))));
    ATH_ASSIGN_OR_RETURN(r.entry_, r.session_->FindEntry(entry));
    ATH_ASSIGN_OR_RETURN(r.x_, r.session_->Input(r.entry_, "x"));
    const std::string output = r.session_->plan().entries[0].outputs[0].name;
    ATH_ASSIGN_OR_RETURN(r.y_, r.session_->Output(r.entry_, output));
    return r;
  }
  // The outputs of the samples from `first` on. `step` chooses what dropout drops.
  absl::StatusOr<absl::Span<const float>> Run(const Samples& samples, int64_t first, int64_t step = 1) {
    auto in = samples.x.as<uint8_t>().subspan(first * 784, rows_ * 784);
    std::transform(in.begin(), in.end(), x_.as<float>().begin(), [&](uint8_t v) { return v * samples.scale; });
    for (auto [name, value] : {std::pair("step", step), {"seed", int64_t{1}}}) {
      absl::StatusOr<TensorView> view = session_->Input(entry_, name);
      if (view.ok()) view->as<int64_t>()[0] = value;
    }
    ATH_RETURN_IF_ERROR(session_->Run(entry_));
    return y_.as<float>();
  }
  // The largest output of each sample; samples that fill no batch are left out.
  absl::StatusOr<std::vector<int64_t>> Classes(const Samples& samples) {
    std::vector<int64_t> classes;
    for (int64_t first = 0; first + rows_ <= samples.size(); first += rows_) {
      ATH_ASSIGN_OR_RETURN(auto y, Run(samples, first, first + 1));
      for (int64_t i = 0; i < rows_; ++i) classes.push_back(ArgMax(y.subspan(i * 10, 10)));
    }
    return classes;
  }
  absl::StatusOr<double> Microseconds(const Samples& samples, int runs) {
    ATH_RETURN_IF_ERROR(Run(samples, 0).status());
    double least = 1e30;
    for (int i = 0; i < runs; ++i) {
      const auto start = std::chrono::steady_clock::now();
      ATH_RETURN_IF_ERROR(session_->Run(entry_));
      least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return 1e6 * least;
  }
  const Entry& entry() const { return session_->plan().entries[0]; }

 private:
  int64_t rows_ = 0;
  int entry_ = 0;
  std::unique_ptr<Session> session_;
  TensorView x_, y_;
};

double ShareRight(const std::vector<int64_t>& classes, const Samples& samples) {
  double right = 0;
  for (size_t i = 0; i < classes.size(); ++i) right += classes[i] == samples.target.as<int32_t>()[i];
  return right / static_cast<double>(classes.size());
}

// The training phase depends on the batch a sample is in; the inference phase does not.
absl::Status CompareBatches(const Graph& trained, const Digits& digits, LessonResult* result) {
  Rows rows = {{"batch", "training phase", "inference phase"}};
  Curve training{"training phase", {}, {}}, inference{"inference phase", {}, {}};
  for (int64_t n : {2, 4, 8, 20, 100, 500}) {
    std::vector<std::string> row = {absl::StrCat(n)};
    for (auto [curve, entry] : {std::pair(&training, "guess"), {&inference, "probabilities"}}) {
      ATH_ASSIGN_OR_RETURN(Runner runner, Runner::Create(trained, entry, n));
      ATH_ASSIGN_OR_RETURN(auto classes, runner.Classes(digits.test));
      const double share = ShareRight(classes, digits.test);
      curve->x.push_back(static_cast<double>(n));
      curve->y.push_back(100 * share);
      row.push_back(absl::StrFormat("%.2f %%", 100 * share));
      result->figures[absl::StrCat(entry, ".", n)] = share;
    }
    rows.push_back(row);
  }
  const absl::Status alone = Runner::Create(trained, "guess", 1).status();
  absl::StrAppend(&result->text, "test accuracy by phase and batch\n\n", FormatColumns(rows),
                  "\na batch of 1 in the training phase: ", alone.ok() ? "compiles" : "is refused", "\n");
  result->plots.push_back({.name = "batches",
                           .title = "Accuracy of one trained network by phase",
                           .x_label = "samples in a batch",
                           .y_label = "test accuracy, %",
                           .log_x = true,
                           .curves = {training, inference}});
  return absl::OkStatus();
}

// What the network says of one digit, 30 times.
absl::Status AskOften(const Graph& trained, const Digits& digits, LessonResult* result) {
  const int32_t label = digits.test.target.as<int32_t>()[0];
  std::vector<double> training, inference;
  for (auto [values, entry] : {std::pair(&training, "guess"), {&inference, "probabilities"}}) {
    ATH_ASSIGN_OR_RETURN(Runner runner, Runner::Create(trained, entry, 100));
    for (int step = 1; step <= 30; ++step) {
      ATH_ASSIGN_OR_RETURN(auto y, runner.Run(digits.test, 0, step));
      values->push_back(y[label]);
    }
  }
  auto [low, high] = std::minmax_element(training.begin(), training.end());
  auto [same_low, same_high] = std::minmax_element(inference.begin(), inference.end());
  result->figures["spread.training"] = *high - *low;
  result->figures["spread.inference"] = *same_high - *same_low;
  absl::StrAppend(
      &result->text,
      absl::StrFormat("\nprobability that the first test digit is a %d, asked 30 times: training phase %.3f "
                      "to %.3f, inference phase %.3f each time\n",
                      label, *low, *high, inference[0]));
  result->plots.push_back(
      {.name = "often",
       .title = absl::StrFormat("Probability that the first test digit is a %d, asked 30 times", label),
       .x_label = "run",
       .y_label = "probability",
       .curves = {CountedCurve("training phase", training), CountedCurve("inference phase", inference)}});
  return absl::OkStatus();
}

absl::Status CompareCosts(const Graph& trained, const Digits& digits, int runs, LessonResult* result) {
  constexpr int64_t kSamples = 20;
  Rows rows = {{absl::StrCat("entry, batch ", kSamples), "kernel calls", "arena, KiB", "us"}};
  struct Kind {
    const char* name;
    const char* entry;
  };
  std::vector<std::vector<int64_t>> classes;
  for (const Kind& kind : {Kind{"training phase", "guess"},
                           {"inference phase", "probabilities"},
                           {"inference phase, softmax left out", "logits"}}) {
    ATH_ASSIGN_OR_RETURN(Runner runner, Runner::Create(trained, kind.entry, kSamples));
    ATH_ASSIGN_OR_RETURN(double us, runner.Microseconds(digits.test, runs));
    const Entry& entry = runner.entry();
    rows.push_back({kind.name, absl::StrCat(entry.calls.size()), absl::StrFormat("%.1f", entry.arena_bytes / 1024.0),
                    absl::StrFormat("%.1f", us)});
    result->figures[absl::StrCat("calls.", kind.entry)] = static_cast<double>(entry.calls.size());
    ATH_ASSIGN_OR_RETURN(classes.emplace_back(), runner.Classes(digits.test));
  }
  int64_t same = 0;
  for (size_t i = 0; i < classes[1].size(); ++i) same += classes[1][i] == classes[2][i];
  result->figures["same"] = static_cast<double>(same) / static_cast<double>(classes[1].size());
  absl::StrAppend(&result->text, "\n", FormatColumns(rows), "\nwith and without softmax the class is the same for ",
                  same, " of ", classes[1].size(), " test digits\n");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LessonResult> PhasesLesson(const LessonOptions& options) {
  ATH_ASSIGN_OR_RETURN(Digits digits, LoadDigits(options, options.quick ? 2000 : 10000, options.quick ? 500 : 2000));
  ATH_ASSIGN_OR_RETURN(auto learner,
                       Learner::Create(Network(), {.optimizer = {"SGD", {{"momentum", 0.9}}}, .batch = 50}));
  const int epochs = options.quick ? 2 : 5;
  for (int epoch = 0; epoch < epochs; ++epoch) ATH_RETURN_IF_ERROR(learner->Epoch(digits.train, 0.02).status());
  ATH_ASSIGN_OR_RETURN(Graph trained, learner->Trained());
  LessonResult result;
  result.text = absl::StrFormat("784-256-256-10 with batch normalisation and dropout 0.5, %d epochs, %s\n\n", epochs,
                                digits.name);
  ATH_RETURN_IF_ERROR(CompareBatches(trained, digits, &result));
  ATH_RETURN_IF_ERROR(AskOften(trained, digits, &result));
  ATH_RETURN_IF_ERROR(CompareCosts(trained, digits, options.quick ? 10 : 300, &result));
  return result;
}

}  // namespace athanor
