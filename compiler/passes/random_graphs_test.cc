// Whatever the passes do to a graph, it must compute the same: random graphs, as they are and after the pipeline, run
// by the interpreter.
#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "compiler/graph/text.h"
#include "compiler/interpreter/interpreter.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// Values of type f32[4,3] in a random graph; each line reads what is there so far, the latest values most often.
class RandomGraph {
 public:
  RandomGraph(unsigned seed, bool trained) : random_(seed), trained_(trained) {
    lines_ = "%x : input f32[4,3]\n%c : constant f32[4,3] = [" + Numbers(12) + "]\n";
    for (const char* name : {"w1", "w2"}) {
      absl::StrAppend(&lines_, "%", name, " : parameter f32[3,3] = [", Numbers(9), "]\n");
    }
    absl::StrAppend(&lines_, "%p : parameter f32[4,3] = [", Numbers(12), "]\n");
    for (const char* name : {"scale", "shift"}) {
      absl::StrAppend(&lines_, "%", name, " : constant f32[3] = [", Numbers(3), "]\n");
    }
    values_ = {"x", "c", "p"};
    const int count = 3 + Below(25);
    for (int i = 0; i < count; ++i) AddNode(i);
    AddEntry();
  }
  const std::string& lines() const { return lines_; }

 private:
  int Below(int n) { return static_cast<int>(random_() % n); }

  // Few bits each, so that sums and products are exact in f32 for some depth.
  std::string Numbers(int count) {
    std::string numbers;
    for (int i = 0; i < count; ++i) absl::StrAppend(&numbers, i == 0 ? "" : ",", (Below(9) - 4) * 0.25);
    return numbers;
  }

  std::string Pick() {
    int last = static_cast<int>(values_.size()) - 1;
    return "%" + values_[Below(3) == 0 ? Below(last + 1) : last - Below(std::min(last + 1, 3))];
  }

  void AddNode(int i) {
    const std::string name = absl::StrCat("v", i);
    std::string call;
    switch (Below(trained_ ? 8 : 10)) {
      case 0:
        call = absl::StrCat("T.Relu(", Pick(), ")");
        break;
      case 1:
        call = absl::StrCat("T.Same(", Pick(), ")");
        break;
      case 2:
        call = absl::StrCat("T.Twice(", Pick(), ")");
        break;
      case 3:
        call = absl::StrCat("T.Mul(", Pick(), ", %c)");
        break;
      case 4:
        call = absl::StrCat("T.Add(", Pick(), ", ", Pick(), ")");
        break;
      case 5:
        call = absl::StrCat("T.Add(", Pick(), ", %p)");
        break;
      case 6:
      case 7:
        call = absl::StrCat("T.Linear(", Pick(), ", ", Below(2) ? "%w1" : "%w2", ")");
        break;
      case 8:
        call = absl::StrCat("T.Sub(", Pick(), ", ", Below(2) ? "%shift" : Pick(), ")");
        break;
      case 9:
        call = absl::StrCat("T.Norm(", Pick(), ", %scale, %shift)");
        break;
    }
    absl::StrAppend(&lines_, "%", name, " = ", call, " @\"n", i, "\"\n");
    values_.push_back(name);
  }

  void AddEntry() {
    absl::StrAppend(&lines_, "%loss = T.Sum(", "%", values_.back(), ") @\"loss\"\n");
    std::string outputs = absl::StrCat("loss=%loss, y=%", values_.back());
    if (Below(2)) absl::StrAppend(&outputs, ", z=", Pick());
    absl::StrAppend(&lines_, "entry \"e\"", trained_ ? " training" : "", " (x=%x) -> (", outputs, ")",
                    trained_ ? " loss %loss" : "");
  }

  std::mt19937 random_;
  bool trained_;
  std::string lines_;
  std::vector<std::string> values_;
};

Interpreter::Tensors RunGraph(const Graph& graph) {
  auto interpreter = Interpreter::Create(graph, "e");
  EXPECT_TRUE(interpreter.ok()) << interpreter.status();
  DoubleTensor x({4, 3});
  for (int i = 0; i < 12; ++i) x[i] = i * 0.25 - 1.25;
  auto outputs = interpreter->Run({{"x", x}});
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return *outputs;
}

void ExpectSame(const Interpreter::Tensors& expected, const Interpreter::Tensors& actual) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, want] : expected) {
    const DoubleTensor& got = actual.at(name);
    ASSERT_EQ(got.shape, want.shape) << name;
    double largest = 1;
    for (double v : want.data) largest = std::max(largest, std::abs(v));
    // Folded constants are rounded to f32.
    for (int64_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5 * largest) << name << " " << i;
  }
}

TEST(RandomGraphsTest, InferenceComputesTheSame) {
  size_t before = 0, after = 0;
  for (unsigned seed = 0; seed < 400 && !HasFailure(); ++seed) {
    CompileOptions options = TestOptions();
    options.freeze_parameters = seed % 2 == 0;
    Graph graph = GraphOf(RandomGraph(seed, /*trained=*/false).lines());
    auto compiled = RunPipeline(graph, options);
    ASSERT_TRUE(compiled.ok()) << compiled.status() << "\n" << ToText(graph);
    ExpectSame(RunGraph(graph), RunGraph(*compiled));
    if (HasFailure()) ADD_FAILURE() << "seed " << seed << "\n" << ToText(graph) << ToText(*compiled);
    before += graph.nodes.size();
    after += compiled->nodes.size();
  }
  EXPECT_LT(after, before / 2);  // or the graphs show nothing
}

TEST(RandomGraphsTest, TrainingComputesTheSameGradients) {
  int with_gradients = 0;
  for (unsigned seed = 0; seed < 400 && !HasFailure(); ++seed) {
    CompileOptions options = TestOptions();
    options.gradients_as_outputs = true;
    Graph graph = GraphOf(RandomGraph(seed, /*trained=*/true).lines());
    auto typed = InferShapes(graph, options);
    ASSERT_TRUE(typed.ok()) << typed.status();
    auto plain = Differentiate(*std::move(typed), options);
    auto compiled = RunPipeline(graph, options);
    ASSERT_EQ(plain.ok(), compiled.ok()) << plain.status() << compiled.status() << "\n" << ToText(graph);
    if (!plain.ok()) continue;  // no parameter behind the loss
    ExpectSame(RunGraph(*plain), RunGraph(*compiled));
    if (HasFailure()) ADD_FAILURE() << "seed " << seed << "\n" << ToText(graph) << ToText(*compiled);
    ++with_gradients;
  }
  EXPECT_GT(with_gradients, 200);
}

}  // namespace
}  // namespace athanor
