// Each lesson, run in seconds, shows what its page says.
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "gtest/gtest.h"
#include "lessons/lesson.h"

namespace athanor {
namespace {

// A file of docs/lessons/; empty if there is none.
std::string DocsFile(const std::string& name) {
  std::ifstream file("docs/lessons/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs a lesson, which has a page that shows its charts; its figures by name.
class Figures {
 public:
  explicit Figures(const std::string& name) {
    absl::StatusOr<const Lesson*> lesson = FindLesson(name);
    EXPECT_TRUE(lesson.ok()) << lesson.status();
    if (!lesson.ok()) return;
    result_ = (*lesson)->run({.quick = true});
    EXPECT_TRUE(result_.ok()) << result_.status();
    if (!result_.ok()) return;
    EXPECT_FALSE(result_->text.empty());
    EXPECT_FALSE(result_->plots.empty());
    const std::string page = DocsFile(PageName(**lesson) + ".md");
    EXPECT_NE(page.find("<!-- output " + name + " -->"), std::string::npos) << PageName(**lesson);
    for (const Plot& plot : result_->plots) {
      EXPECT_NE(DrawPlot(plot).find("</svg>"), std::string::npos) << plot.title;
      const std::string file = PlotFileName(**lesson, plot);
      EXPECT_NE(page.find("](" + file + ")"), std::string::npos) << file;
      EXPECT_NE(DocsFile(file).find("</svg>"), std::string::npos) << file;
    }
  }
  double operator[](const std::string& figure) const {
    if (!result_.ok()) return std::nan("");
    auto found = result_->figures.find(figure);
    EXPECT_TRUE(found != result_->figures.end()) << figure;
    return found == result_->figures.end() ? std::nan("") : found->second;
  }
  const LessonResult& result() const { return *result_; }

 private:
  absl::StatusOr<LessonResult> result_;
};

TEST(LessonsTest, AreNumberedNamedAndFound) {
  std::set<std::string> names;
  int number = 0;
  const std::string index = DocsFile("README.md");
  for (const Lesson& lesson : AllLessons()) {
    EXPECT_NE(index.find("](" + PageName(lesson) + ".md)"), std::string::npos) << lesson.name;
    EXPECT_EQ(lesson.number, ++number);
    EXPECT_TRUE(names.insert(lesson.name).second) << lesson.name;
  }
  EXPECT_EQ(number, 13);
  EXPECT_EQ(PageName(AllLessons()[0]), "01-xor");
  absl::StatusOr<const Lesson*> none = FindLesson("xnor");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorClassOf(none.status()), "REQ");
  EXPECT_NE(none.status().message().find("learning-rate"), std::string::npos) << none.status();
}

TEST(LessonsTest, GiveTheSameNumbersEachTime) {
  Figures once("input-scale"), again("input-scale");
  EXPECT_EQ(once.result().text, again.result().text);
  EXPECT_EQ(DrawPlot(once.result().plots[0]), DrawPlot(again.result().plots[0]));
}

TEST(LessonsTest, ColumnsAreAligned) {
  EXPECT_EQ(FormatColumns({{"a", "wide", ""}, {"long", "1", ""}}), "a     wide\nlong     1\n");
}

TEST(XorTest, OneUnitNeverGetsBeyondThreeRowsAndTwoLayersDo) {
  Figures f("xor");
  for (const char* gate : {"AND", "OR", "NAND"}) {
    EXPECT_EQ(f[std::string("solved.") + gate + ".0"], 1) << gate;
    EXPECT_EQ(f[std::string("line.") + gate], 1) << gate;
  }
  EXPECT_EQ(f["solved.XOR.0"], 0);
  EXPECT_LE(f["best.XOR.0"], 0.75);
  EXPECT_EQ(f["line.XOR"], 0.75);
  EXPECT_NEAR(f["loss.XOR.0"], std::log(2), 1e-3);
  EXPECT_GE(f["solved.XOR.4"], 0.6);
}

TEST(LossesTest, OutliersPullTheSquareMostAndSoftmaxWithItLearnsNothingFromGrossErrors) {
  Figures f("losses");
  EXPECT_GT(f["error.Identity.MeanSquaredError"], 0.5);
  EXPECT_LT(f["error.Identity.MeanAbsoluteError"], 0.15);
  EXPECT_LT(f["error.Identity.Huber"], 0.25);
  EXPECT_GT(f["error.Sigmoid.Huber"], 0.4);
  EXPECT_NEAR(f["at_zero.Identity.MeanAbsoluteError"], 1, 0.1);
  EXPECT_GT(f["at_zero.Sigmoid.Huber"], 0.7);  // a steep sigmoid: not the 0.5 in the middle of its ends
  EXPECT_LT(f["at_zero.Sigmoid.Huber"], 0.9);
  EXPECT_GT(f["pull.cross_entropy"], 0.99);
  EXPECT_LT(f["pull.mse"], 1e-3);
}

TEST(BatchSizeTest, SmallBatchesLearnMoreInTheSameEpochs) {
  Figures f("batch-size");
  EXPECT_EQ(f["updates.32.0.1"], 63);  // 2,000 samples
  EXPECT_EQ(f["updates.2000.0.1"], 1);
  EXPECT_GT(f["accuracy.32.0.1"], f["accuracy.2000.0.1"] + 0.3);
}

TEST(InputScaleTest, RawPixelsSaturateSigmoids) {
  Figures f("input-scale");
  EXPECT_LT(f["saturated.0 .. 1"], 0.05);
  EXPECT_GT(f["saturated.0 .. 255"], 0.7);
  EXPECT_LT(f["slope.0 .. 255"], f["slope.0 .. 1"] / 2);
  EXPECT_GT(f["accuracy.0 .. 1.0.5"], f["accuracy.0 .. 255.0.5"] + 0.2);
}

TEST(LearningRateTest, TheRangeTestFindsARateBetweenTooSmallAndTooLarge) {
  Figures f("learning-rate");
  EXPECT_GT(f["suggested"], 0.005);
  EXPECT_LT(f["suggested"], 1.5);
  ASSERT_EQ(f.result().plots[0].marks.size(), 2u);
  EXPECT_EQ(f.result().plots[0].marks[0].x, f["suggested"]);
  EXPECT_LT(f.result().plots[0].marks[0].x, f.result().plots[0].marks[1].x);  // the steepest before the least
  EXPECT_LT(f["loss.of the range test"], f["loss.far too small"] / 2);
  EXPECT_GT(f["accuracy.of the range test"], f["accuracy.far too large"] + 0.3);
}

TEST(OptimizersTest, AdaptiveOnesLeaveTheSaddleFirst) {
  Figures f("optimizers");
  for (const char* adaptive : {"AdaGrad", "RMSProp", "Adam"}) {
    EXPECT_GT(f[std::string("saddle.") + adaptive], 0) << adaptive;
    EXPECT_LT(f[std::string("saddle.") + adaptive], f["saddle.momentum"]) << adaptive;
  }
  EXPECT_LT(f["saddle.momentum"], f["saddle.SGD"]);
  for (const char* any : {"SGD", "momentum", "AdaGrad", "RMSProp", "Adam"}) {
    EXPECT_GT(f[std::string("bowl.") + any], 0) << any;
    EXPECT_GT(f[std::string("accuracy.") + any], 0.7) << any;
  }
  EXPECT_LT(f["bowl.momentum"], f["bowl.SGD"]);
  EXPECT_GT(f["late.RMSProp"], 1e-3);  // goes on trembling by half its rate: 0.1 0.1^2 + 2 0.1^2
  EXPECT_LT(f["late.RMSProp"], 0.1);
  for (const char* other : {"SGD", "momentum", "AdaGrad", "Adam"}) {
    EXPECT_LT(f[std::string("late.") + other], 1e-6) << other;
  }
}

TEST(DepthTest, SigmoidsLoseTheGradientAndLargeWeightsBlowItUp) {
  Figures f("depth");
  EXPECT_LT(f["ratio.sigmoid, Xavier"], 1e-3);
  EXPECT_GT(f["ratio.ReLU, He"], 1e-2);
  EXPECT_LT(f["ratio.ReLU, He"], 1e2);
  EXPECT_GT(f["first.ReLU, std 0.5"], 1e6);
  EXPECT_GT(f["dead.1.6"], f["dead.0.05"] + 0.2);
}

TEST(InitializationTest, OnlyHeKeepsDeepReluNetworksLearning) {
  Figures f("initialization");
  EXPECT_LT(f["shrink.normal, std 0.01"], 1e-10);
  EXPECT_LT(f["shrink.Xavier"], 0.02);
  EXPECT_GT(f["shrink.He"], 0.2);
  EXPECT_LT(f["loss.He"], f["loss.Xavier"] - 0.1);
  EXPECT_LT(f["loss.He"], f["loss.normal, std 0.01"] - 0.1);
}

TEST(BatchNormTest, MakesSigmoidsLearnAtRatesThatDoNothingWithout) {
  Figures f("batch-norm");
  for (const char* rate : {"0.1", "1"}) {
    EXPECT_GT(f[std::string("accuracy.with.") + rate], f[std::string("accuracy.without.") + rate] + 0.3) << rate;
  }
}

TEST(OverfittingTest, TheTestLossRisesAgainUnlessWeightsDecay) {
  Figures f("overfitting");
  EXPECT_GT(f["train_accuracy.nothing"], 0.99);
  EXPECT_LT(f["test_accuracy.nothing"], 0.9);
  EXPECT_GT(f["test_loss.nothing"], f["least.nothing"] + 0.05);
  for (const char* kind : {"weight decay 0.01", "both"}) {
    EXPECT_LT(f[std::string("test_loss.") + kind], f["test_loss.nothing"]) << kind;
  }
  EXPECT_GT(f["test_loss.dropout 0.5"], f["least.dropout 0.5"] + 0.02);  // which dropout alone only delays
}

TEST(ResidualTest, DepthHurtsThePlainNetworkMore) {
  Figures f("residual");
  EXPECT_GT(f["loss.plain.32"], f["loss.residual.32"] + 0.2);
}

TEST(GradientsTest, TheErrorHasALeastStepAndBackpropagationIsFarCheaper) {
  Figures f("gradients");
  EXPECT_LT(f["least.central, double"], 1e-8);
  EXPECT_LT(f["least.central, double"], f["least.forward, double"] / 10);
  EXPECT_GT(f["least.central, float"], 1e-5);
  for (const char* kind : {"forward, double", "central, double", "central, float"}) {
    EXPECT_GT(f[std::string("small_h.") + kind], 10 * f[std::string("least.") + kind]) << kind;
    EXPECT_GT(f[std::string("large_h.") + kind], 10 * f[std::string("least.") + kind]) << kind;
  }
  EXPECT_LT(f["backpropagation"], 1e-5);
  EXPECT_GT(f["times.100"], 1000);
}

TEST(PhasesTest, TheInferencePhaseDependsOnNoBatchAndNeedsNoSoftmaxForTheClass) {
  Figures f("phases");
  EXPECT_EQ(f["spread.inference"], 0);
  EXPECT_GT(f["spread.training"], 0.05);
  EXPECT_LT(f["guess.2"], f["probabilities.2"] - 0.1);
  EXPECT_EQ(f["probabilities.4"], f["probabilities.500"]);
  EXPECT_EQ(f["same"], 1);
  EXPECT_LT(f["calls.probabilities"], f["calls.guess"]);
  EXPECT_LT(f["calls.logits"], f["calls.probabilities"]);
}

}  // namespace
}  // namespace athanor
