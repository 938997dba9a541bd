// Lesson 12: the error of numerical gradients by their step, and what they cost.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/passes.h"
#include "lessons/learner.h"
#include "runtime/core/philox.h"

namespace athanor {
namespace {

constexpr int64_t kInputs = 20, kHidden = 16, kClasses = 4, kBatch = 8;
constexpr const char* kWeight = "fc1.weight";

absl::StatusOr<Graph> SmoothNetwork() {
  GraphBuilder b("smooth");
  Var x = b.Input("x", DType::kF32, {kBatch, kInputs}), target = b.Input("target", DType::kS32, {kBatch});
  Var h = b.Tanh(b.FullyConnected(x, {.units = kHidden, .name = "fc1"}));
  Var logits = b.FullyConnected(h, {.units = kClasses, .name = "fc2"});
  b.Entry("train", {.training = true, .inputs = {x, target}, .loss = b.SoftmaxCrossEntropy(logits, target)});
  ATH_ASSIGN_OR_RETURN(Graph graph, b.Build());
  ATH_RETURN_IF_ERROR(InitializeVariables(&graph, /*seed=*/1));
  return graph;
}

std::map<std::string, Tensor> Batch() {
  const Philox random(/*seed=*/1, /*stream=*/5);
  std::vector<float> x(kBatch * kInputs);
  std::vector<int32_t> target(kBatch);
  for (size_t i = 0; i < x.size(); ++i) x[i] = random.Normal(i);
  for (int64_t i = 0; i < kBatch; ++i) target[i] = static_cast<int32_t>(i % kClasses);
  std::map<std::string, Tensor> batch;
  batch["x"] = Tensor::Of<float>({kBatch, kInputs}, x);
  batch["target"] = Tensor::Of<int32_t>({kBatch}, target);
  return batch;
}

// A loss as a function of one parameter, in double or in float.
using LossOf = std::function<absl::StatusOr<double>(const DoubleTensor& weight)>;

absl::StatusOr<Interpreter> InDouble(const Graph& model, bool gradient) {
  CompileOptions options;
  options.entries = {{"train", {}}};
  options.gradients_as_outputs = true;
  Graph graph = model;
  for (auto pass : {SelectEntry, FixSymbols, InferShapes, SelectPhase}) {
    ATH_ASSIGN_OR_RETURN(graph, pass(std::move(graph), options));
  }
  if (gradient) {
    ATH_ASSIGN_OR_RETURN(graph, Expand(std::move(graph), options));
    ATH_ASSIGN_OR_RETURN(graph, Differentiate(std::move(graph), options));
  }
  return Interpreter::Create(graph, "train");
}

// The mean relative error of differences of step h, over the elements, in the 2-norm.
absl::StatusOr<double> ErrorOf(const LossOf& loss, const DoubleTensor& weight, const DoubleTensor& exact, double h,
                               bool central) {
  double error = 0, size = 0;
  DoubleTensor moved = weight;
  ATH_ASSIGN_OR_RETURN(double here, loss(weight));
  for (int64_t i = 0; i < weight.size(); i += 5) {
    moved[i] = weight[i] + h;
    ATH_ASSIGN_OR_RETURN(double above, loss(moved));
    double slope = (above - here) / h;
    if (central) {
      moved[i] = weight[i] - h;
      ATH_ASSIGN_OR_RETURN(double below, loss(moved));
      slope = (above - below) / (2 * h);
    }
    moved[i] = weight[i];
    error += (slope - exact[i]) * (slope - exact[i]);
    size += exact[i] * exact[i];
  }
  return std::sqrt(error / size);
}

struct FloatPlan {
  std::unique_ptr<Session> session;
  int entry = 0;
};
absl::StatusOr<FloatPlan> InFloat(const Graph& model, const std::map<std::string, Tensor>& batch, bool gradient) {
  CompileOptions options;
  options.entries = {{"train", {}}};
  options.threads = 1;
  options.gradients_as_outputs = gradient;
  ATH_ASSIGN_OR_RETURN(Plan plan, Compile(model, options));
  FloatPlan result;
  ATH_ASSIGN_OR_RETURN(result.session, Session::Create(std::make_shared<const Plan>(std::move(plan))));
  ATH_ASSIGN_OR_RETURN(result.entry, result.session->FindEntry("train"));
  for (const auto& [name, value] : batch) {
    ATH_ASSIGN_OR_RETURN(TensorView view, result.session->Input(result.entry, name));
    std::copy_n(static_cast<const char*>(value.data()), value.bytes(), static_cast<char*>(view.data));
  }
  return result;
}

struct Differences {
  const char* name;
  const LossOf& loss;
  bool central;
};

// The error at steps from 10^-12 to 10^-1.
absl::StatusOr<Curve> ErrorCurve(const Differences& kind, const DoubleTensor& weight, const DoubleTensor& exact) {
  Curve curve{kind.name, {}, {}};
  for (double exponent = -12; exponent <= -0.99; exponent += 0.5) {
    ATH_ASSIGN_OR_RETURN(double error, ErrorOf(kind.loss, weight, exact, std::pow(10, exponent), kind.central));
    curve.x.push_back(std::pow(10, exponent));
    curve.y.push_back(error);
  }
  return curve;
}

// Of backpropagation in float, by the compiled plan.
absl::StatusOr<double> BackpropagationError(const Graph& model, const DoubleTensor& exact) {
  ATH_ASSIGN_OR_RETURN(FloatPlan plan, InFloat(model, Batch(), true));
  ATH_RETURN_IF_ERROR(plan.session->Run(plan.entry));
  ATH_ASSIGN_OR_RETURN(TensorView g, plan.session->Output(plan.entry, absl::StrCat("grad:", kWeight)));
  double error = 0, size = 0;
  for (int64_t i = 0; i < exact.size(); ++i) {
    error += (g.as<float>()[i] - exact[i]) * (g.as<float>()[i] - exact[i]);
    size += exact[i] * exact[i];
  }
  return std::sqrt(error / size);
}

// A row for each kind of differences.
absl::Status CompareSteps(const std::vector<Differences>& kinds, const DoubleTensor& weight, const DoubleTensor& exact,
                          LessonResult* result) {
  Plot plot{.name = "error",
            .title = "Relative error of numerical gradients",
            .x_label = "step h",
            .y_label = "relative error",
            .log_x = true,
            .log_y = true};
  std::vector<std::vector<std::string>> rows = {
      {"differences", "least error", "at h", "error at h = 0.1", "at h = 1e-12"}};
  for (const Differences& kind : kinds) {
    ATH_ASSIGN_OR_RETURN(Curve curve, ErrorCurve(kind, weight, exact));
    const size_t best = std::min_element(curve.y.begin(), curve.y.end()) - curve.y.begin();
    rows.push_back({kind.name, absl::StrFormat("%.1e", curve.y[best]), absl::StrFormat("%.0e", curve.x[best]),
                    absl::StrFormat("%.1e", curve.y.back()), absl::StrFormat("%.1e", curve.y[0])});
    result->figures[absl::StrCat("least.", kind.name)] = curve.y[best];
    result->figures[absl::StrCat("best_h.", kind.name)] = curve.x[best];
    result->figures[absl::StrCat("small_h.", kind.name)] = curve.y[0];
    result->figures[absl::StrCat("large_h.", kind.name)] = curve.y.back();
    plot.curves.push_back(curve);
  }
  absl::StrAppend(&result->text,
                  "20-16-4 with tanh; the weights of the first layer against backpropagation in double\n\n",
                  FormatColumns(rows));
  result->plots.push_back(plot);
  return absl::OkStatus();
}

absl::Status Accuracy(LessonResult* result) {
  ATH_ASSIGN_OR_RETURN(Graph model, SmoothNetwork());
  const auto batch = Batch();
  ATH_ASSIGN_OR_RETURN(Interpreter backward, InDouble(model, true));
  ATH_ASSIGN_OR_RETURN(Interpreter forward, InDouble(model, false));
  ATH_ASSIGN_OR_RETURN(auto gradients, backward.Run(batch));
  const DoubleTensor exact = gradients.at(absl::StrCat("grad:", kWeight));
  const DoubleTensor weight = forward.variables().at(kWeight);
  ATH_ASSIGN_OR_RETURN(FloatPlan plan, InFloat(model, batch, false));
  LossOf in_double = [&](const DoubleTensor& w) -> absl::StatusOr<double> {
    ATH_RETURN_IF_ERROR(forward.SetVariable(kWeight, w));
    ATH_ASSIGN_OR_RETURN(auto out, forward.Run(batch));
    return out.at("loss")[0];
  };
  LossOf in_float = [&](const DoubleTensor& w) -> absl::StatusOr<double> {
    ATH_RETURN_IF_ERROR(plan.session->weights().Set(kWeight, w.To(DType::kF32)));
    ATH_RETURN_IF_ERROR(plan.session->Run(plan.entry));
    ATH_ASSIGN_OR_RETURN(TensorView loss, plan.session->Output(plan.entry, "loss"));
    return loss.as<float>()[0];
  };
  ATH_RETURN_IF_ERROR(CompareSteps(
      {{"forward, double", in_double, false}, {"central, double", in_double, true}, {"central, float", in_float, true}},
      weight, exact, result));
  ATH_ASSIGN_OR_RETURN(double error, BackpropagationError(model, exact));
  result->figures["backpropagation"] = error;
  absl::StrAppend(&result->text, absl::StrFormat("\nbackpropagation in float: error %.1e\n", error));
  return absl::OkStatus();
}

// The least time of a run, in seconds.
absl::StatusOr<double> TimeOf(Session& session, int entry, int runs) {
  double least = 1e30;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ATH_RETURN_IF_ERROR(session.Run(entry));
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

absl::Status Cost(int runs, LessonResult* result) {
  std::vector<std::vector<std::string>> rows = {
      {"network", "weights", "one forward pass, us", "backpropagation, us", "two passes a weight, s", "times as long"}};
  for (int64_t hidden : {int64_t{10}, int64_t{100}, int64_t{1000}}) {
    ATH_ASSIGN_OR_RETURN(Graph model, MlpClassifier({.hidden = {hidden}}));
    ATH_RETURN_IF_ERROR(InitializeVariables(&model, 1));
    CompileOptions options;
    options.threads = 1;
    options.entries = {{"train", {{"N", 32}}}};
    double seconds[2];
    for (bool gradient : {false, true}) {
      options.gradients_as_outputs = gradient;
      ATH_ASSIGN_OR_RETURN(Plan plan, Compile(model, options));
      ATH_ASSIGN_OR_RETURN(auto session, Session::Create(std::make_shared<const Plan>(std::move(plan))));
      ATH_ASSIGN_OR_RETURN(int entry, session->FindEntry("train"));
      ATH_ASSIGN_OR_RETURN(seconds[gradient], TimeOf(*session, entry, runs));
    }
    const int64_t weights = 784 * hidden + hidden + hidden * 10 + 10;
    const double numeric = 2.0 * static_cast<double>(weights) * seconds[0];
    result->figures[absl::StrCat("times.", hidden)] = numeric / seconds[1];
    rows.push_back({absl::StrCat("784-", hidden, "-10"), absl::StrCat(weights),
                    absl::StrFormat("%.0f", 1e6 * seconds[0]), absl::StrFormat("%.0f", 1e6 * seconds[1]),
                    absl::StrFormat("%.2f", numeric), absl::StrFormat("%.0f", numeric / seconds[1])});
  }
  absl::StrAppend(&result->text,
                  "\nthe time of all gradients for a batch of 32, one thread (computed from one pass)\n\n",
                  FormatColumns(rows));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LessonResult> GradientsLesson(const LessonOptions& options) {
  LessonResult result;
  ATH_RETURN_IF_ERROR(Accuracy(&result));
  ATH_RETURN_IF_ERROR(Cost(options.quick ? 5 : 100, &result));
  return result;
}

}  // namespace athanor
