// Lesson 1: one unit learns AND, OR and NAND but not XOR; two layers do.
#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lessons/learner.h"

namespace athanor {
namespace {

struct Gate {
  const char* name;
  std::array<float, 4> target;  // of (0,0), (0,1), (1,0), (1,1)
};
constexpr Gate kGates[] = {{"AND", {0, 0, 0, 1}}, {"OR", {0, 1, 1, 1}}, {"NAND", {1, 1, 1, 0}}, {"XOR", {0, 1, 1, 0}}};

Samples TruthTable(const Gate& gate) {
  Samples s;
  s.x = Tensor::Of<float>({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1});
  s.target = Tensor::Of<float>({4, 1}, gate.target);
  return s;
}

// z > 0 says 1; sigmoid(z) is the probability of it. No hidden units: one unit alone.
absl::StatusOr<Graph> Network(int64_t hidden) {
  GraphBuilder b("gate");
  const Initializer start{"normal", {}};
  Var x = b.Input("x", DType::kF32, {"N", 2}), target = b.Input("target", DType::kF32, {"N", 1});
  Var h = x;
  if (hidden > 0) {
    h = b.Tanh(b.FullyConnected(x, {.units = hidden, .name = "fc1", .weight_init = start, .bias_init = start}));
  }
  Var z = b.FullyConnected(h, {.units = 1, .name = "fc2", .weight_init = start, .bias_init = start});
  b.Entry("train", {.training = true,
                    .inputs = {x, target},
                    .outputs = {{"z", z}},
                    .loss = b.Op("BinaryCrossEntropyWithLogits", {z, target})[0]});
  return b.Build();
}

struct Run {
  int best = 0, last = 0;  // right answers of four: at any step, at the last
  std::vector<double> losses;
};

absl::StatusOr<Run> Train(const Gate& gate, int64_t hidden, uint64_t seed, int steps) {
  ATH_ASSIGN_OR_RETURN(auto learner, Learner::Create(Network(hidden), {.batch = 4, .seed = seed}));
  const Samples table = TruthTable(gate);
  Run run;
  for (int step = 0; step < steps; ++step) {
    ATH_ASSIGN_OR_RETURN(double loss, learner->Step(table, {0, 1, 2, 3}, 1.0));
    run.losses.push_back(loss);
    ATH_ASSIGN_OR_RETURN(auto z, learner->TrainOutput("z"));
    run.last = 0;
    for (int i = 0; i < 4; ++i) run.last += (z[i] > 0) == (gate.target[i] > 0.5f);
    run.best = std::max(run.best, run.last);
  }
  return run;
}

// The most right answers that any of 41^3 lines w1 x1 + w2 x2 + b > 0, all three in -2 .. 2, gives.
int BestLine(const Gate& gate) {
  int best = 0;
  for (int w1 = -20; w1 <= 20; ++w1) {
    for (int w2 = -20; w2 <= 20; ++w2) {
      for (int b = -20; b <= 20; ++b) {
        const int z[] = {b, b + w2, b + w1, b + w1 + w2};
        int right = 0;
        for (int i = 0; i < 4; ++i) right += (z[i] > 0) == (gate.target[i] > 0.5f);
        best = std::max(best, right);
      }
    }
  }
  return best;
}

// One row of the table, over many seeds.
absl::Status AddRow(const Gate& gate, int64_t hidden, int seeds, int steps, LessonResult* result,
                    std::vector<std::vector<std::string>>* rows) {
  int solved = 0, best = 0;
  double loss = 0;
  const std::string network =
      hidden == 0 ? "one unit" : absl::StrCat(hidden, hidden == 1 ? " hidden unit" : " hidden units");
  for (int seed = 1; seed <= seeds; ++seed) {
    ATH_ASSIGN_OR_RETURN(Run run, Train(gate, hidden, seed, steps));
    solved += run.last == 4;
    best = std::max(best, run.best);
    loss += run.losses.back() / seeds;
    if (seed > 1) continue;
    Curve curve{absl::StrCat(gate.name, ", ", network), {}, {}};
    for (size_t step = 0; step < run.losses.size(); step += 10) {  // as fine as the chart shows
      curve.x.push_back(static_cast<double>(step));
      curve.y.push_back(run.losses[step]);
    }
    result->plots[0].curves.push_back(curve);
  }
  const std::string key = absl::StrCat(gate.name, ".", hidden);
  result->figures[absl::StrCat("solved.", key)] = static_cast<double>(solved) / seeds;
  result->figures[absl::StrCat("best.", key)] = best / 4.0;
  result->figures[absl::StrCat("loss.", key)] = loss;
  rows->push_back({gate.name, network, absl::StrFormat("%d of %d", solved, seeds), absl::StrFormat("%d %%", best * 25),
                   absl::StrFormat("%.4f", loss)});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LessonResult> XorLesson(const LessonOptions& options) {
  const int seeds = options.quick ? 5 : 50, steps = options.quick ? 400 : 1000;
  LessonResult result;
  result.plots.push_back({.title = "Cross-entropy of the four gates, seed 1",
                          .x_label = "step",
                          .y_label = "loss",
                          .log_y = true});
  std::vector<std::vector<std::string>> rows = {
      {"gate", "network", "learned", "best accuracy ever", "loss at the end"}};
  for (const Gate& gate : kGates) ATH_RETURN_IF_ERROR(AddRow(gate, 0, seeds, steps, &result, &rows));
  for (int64_t hidden : {1, 2, 4}) ATH_RETURN_IF_ERROR(AddRow(kGates[3], hidden, seeds, steps, &result, &rows));
  result.text = absl::StrFormat("%d seeds each, %d steps of SGD on all four rows, learning rate 1\n\n%s", seeds, steps,
                                FormatColumns(rows));
  absl::StrAppend(&result.text, "\nthe best of 68,921 lines w1 x1 + w2 x2 + b > 0:");
  for (const Gate& gate : kGates) {
    const int best = BestLine(gate);
    result.figures[absl::StrCat("line.", gate.name)] = best / 4.0;
    absl::StrAppend(&result.text, absl::StrFormat("  %s %d of 4", gate.name, best));
  }
  absl::StrAppend(&result.text, "\n");
  return result;
}

}  // namespace athanor
