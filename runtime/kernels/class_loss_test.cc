#include <cmath>

#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

struct Case {
  bool margin = false;
  int64_t outer = 4, classes = 10, inner = 1;
  std::string reduction = "mean";
  bool weights = false;
  int64_t p = 1;
  int64_t ignored = -100;  // every third label, unless -100

  Shape scores() const { return inner == 1 ? Shape{outer, classes} : Shape{outer, classes, inner}; }
  Shape targets() const { return inner == 1 ? Shape{outer} : Shape{outer, inner}; }
  int64_t at(int64_t i, int64_t c) const { return (i / inner * classes + c) * inner + i % inner; }
};

struct Data {
  explicit Data(const Case& c) : x(RandomTensor(c.scores(), 1, -2, 2)), weights(RandomTensor({c.classes}, 2, 0.5, 2)) {
    std::vector<int32_t> all;
    for (int64_t i = 0; i < c.outer * c.inner; ++i) {
      const bool ignore = c.ignored != -100 && i % 3 == 0;
      all.push_back(static_cast<int32_t>(ignore ? c.ignored : (i * i + 3) % c.classes));
    }
    labels = Tensor::Of<int32_t>(c.targets(), all);
    dloss = c.reduction == "none" ? RandomTensor(c.targets(), 3) : Tensor::Scalar(0.5f);
  }
  Tensor x, weights, labels, dloss;
};

struct Wanted {
  std::vector<double> loss, dx;
};

Wanted Compute(const Case& c, const Data& data) {
  const float* x = data.x.as<float>().data();
  const int64_t targets = c.outer * c.inner;
  std::vector<double> losses(targets, 0), w(targets, 0);
  double denominator = 0;
  for (int64_t i = 0; i < targets; ++i) {
    const int32_t label = data.labels.as<int32_t>()[i];
    if (label != c.ignored) w[i] = c.weights ? data.weights.as<float>()[label] : 1;
    denominator += c.margin ? 1 : w[i];
  }
  if (c.reduction != "mean") denominator = 1;
  Wanted want{{}, std::vector<double>(targets * c.classes, 0)};
  for (int64_t i = 0; i < targets; ++i) {
    const int32_t label = data.labels.as<int32_t>()[i];
    if (label == c.ignored || denominator == 0) continue;
    const double g = data.dloss.as<float>()[c.reduction == "none" ? i : 0] / denominator;
    if (!c.margin) {
      losses[i] = -w[i] * x[c.at(i, label)];
      want.dx[c.at(i, label)] = -w[i] * g;
      continue;
    }
    for (int64_t k = 0; k < c.classes; ++k) {
      const double z = 0.7 - x[c.at(i, label)] + x[c.at(i, k)], scale = w[i] / static_cast<double>(c.classes);
      if (k == label || z <= 0) continue;
      losses[i] += scale * (c.p == 1 ? z : z * z);
      const double dx = g * scale * (c.p == 1 ? 1 : 2 * z);
      want.dx[c.at(i, k)] += dx;
      want.dx[c.at(i, label)] -= dx;
    }
  }
  double sum = 0;
  for (double loss : losses) sum += loss;
  want.loss = c.reduction == "none" ? losses : std::vector<double>{denominator == 0 ? 0 : sum / denominator};
  return want;
}

TestCall Call(const Case& c, const Data& data, bool backward) {
  TestCall call(std::string(c.margin ? "multi_margin_loss" : "nll_loss") + (backward ? "_backward" : ""));
  call.Attr("axis", 1).Attr("reduction", AttrValue(c.reduction)).Attr("weights", c.weights);
  call.Attr("ignore_index", c.ignored);
  if (c.margin) call.Attr("p", c.p).Attr("margin", 0.7);
  if (backward) call.In(data.dloss.Clone());
  if (!backward || c.margin) call.In(data.x.Clone());
  call.In(data.labels.Clone());
  if (c.weights) call.In(data.weights.Clone());
  call.Out(backward ? c.scores() : c.reduction == "none" ? c.targets() : Shape{});
  return call;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (bool margin : {false, true}) {
    for (const char* reduction : {"mean", "sum", "none"}) {
      for (int64_t p = 1; p <= (margin ? 2 : 1); ++p) {
        for (bool weights : {false, true}) {
          for (int64_t classes : {1, 2, 10, 33, 1000}) {
            cases.push_back({margin, classes == 1000 ? 67 : 5, classes, 1, reduction, weights, p});
          }
        }
      }
      if (margin) continue;
      for (int64_t ignored : {-100, -1, 3}) cases.push_back({false, 3, 7, 11, reduction, true, 1, ignored});
      cases.push_back({false, 1, 4, 1, reduction, false, 1, 3});  // all ignored
    }
  }
  return cases;
}

class ClassLoss : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ClassLoss, testing::Values(1, 2));

TEST_P(ClassLoss, ForwardAndBackward) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(ShapeToString(c.scores()) + " " + c.reduction + (c.margin ? " margin" : "") +
                 (c.weights ? " weights" : ""));
    const Data data(c);
    const Wanted want = Compute(c, data);
    auto forward = Call(c, data, false).Threads(GetParam()).Run();
    ASSERT_TRUE(forward.ok()) << forward.status();
    ExpectClose(forward->outputs[0], want.loss);
    auto backward = Call(c, data, true).Threads(GetParam()).Run();
    ASSERT_TRUE(backward.ok()) << backward.status();
    ExpectClose(backward->outputs[0], want.dx);
    if (!c.margin) continue;
    backward = Call(c, data, true).InPlace(0, 1).Threads(GetParam()).Run();
    ASSERT_TRUE(backward.ok()) << backward.status();
    ExpectClose(backward->outputs[0], want.dx);
  }
}

TEST_P(ClassLoss, ALabelThatIsNoClassStopsTheRun) {
  for (bool margin : {false, true}) {
    const Case c{margin};
    for (int32_t bad : {-1, 10, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
      Data data(c);
      data.labels.as<int32_t>()[2] = bad;
      for (bool backward : {false, true}) {
        auto run = Call(c, data, backward).Threads(GetParam()).Run();
        EXPECT_EQ(run.status().message(), "INDEX: \"node\": labels[2] = " + std::to_string(bad) + " is not in [0, 10)");
      }
    }
  }
}

TEST(ClassLossErrors, NameTheCallAndTheNumbers) {
  auto expect = [](const TestCall& call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok()) << text;
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN");
    EXPECT_NE(info.status().message().find(text), std::string::npos) << info.status();
  };
  for (bool margin : {false, true}) {
    const Case c{margin};
    const Data data(c);
    for (bool backward : {false, true}) {
      auto call = [&] { return Call(c, data, backward); };
      expect(call().Attr("axis", 2), "axis = 2 is not in [0, 2)");
      expect(call().Attr("axis", -1), "axis = -1 is not in [0, 2)");
      expect(call().Attr("axis", 0), "labels is s32[4]:a, expected s32[10]");
      expect(call().Attr("reduction", "max"), "reduction = \"max\" is unknown");
      expect(call().Attr("weights", true), "inputs");
      expect(call().Attr("reduction", "none"), "loss is f32[]");
      expect(call().Out({1}), "2 outputs");
    }
  }
  const Case c{true};
  expect(Call(c, Data(c), false).Attr("p", 3), "p = 3 is not 1 or 2");
  expect(Call(c, Data(c), true).Attr("margin", std::nan("")), "margin = nan is not finite");
  TestCall images("multi_margin_loss");
  images.Attr("axis", 1).Attr("reduction", "mean").Attr("weights", false).Attr("ignore_index", -100).Attr("p", 1);
  images.In(RandomTensor({2, 3, 4}, 1)).In(Tensor::Of<int32_t>({2, 4}, std::vector<int32_t>(8))).Out({});
  expect(images.Attr("margin", 1.0),
         "takes classes in the last dimension only");
}

}  // namespace
}  // namespace athanor
