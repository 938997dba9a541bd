#include "training/early_stopping.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace athanor {
namespace {

EarlyStopping Make(const EarlyStoppingConfig& config) {
  absl::StatusOr<EarlyStopping> e = EarlyStopping::Create(config);
  EXPECT_TRUE(e.ok()) << e.status();
  return *e;
}

TEST(EarlyStopping, EndsAfterPatienceEvaluationsWithoutImprovement) {
  EarlyStopping e = Make({2, 0, MetricMode::kMin});
  EXPECT_TRUE(e.Update(1.0, 10));
  EXPECT_FALSE(e.Update(1.0, 20));  // equal is no improvement
  EXPECT_FALSE(e.should_stop());
  EXPECT_TRUE(e.Update(0.9, 30));  // begins to count anew
  EXPECT_FALSE(e.Update(0.95, 40));
  EXPECT_FALSE(e.should_stop());
  EXPECT_FALSE(e.Update(0.92, 50));
  EXPECT_TRUE(e.should_stop());
  EXPECT_EQ(e.best(), 0.9);
  EXPECT_EQ(e.best_step(), 30);
}

TEST(EarlyStopping, OfAnAccuracyLargerIsBetter) {
  EarlyStopping e = Make({1, 0, MetricMode::kMax});
  EXPECT_TRUE(e.Update(0.5, 1));
  EXPECT_TRUE(e.Update(0.6, 2));
  EXPECT_FALSE(e.Update(0.5, 3));
  EXPECT_TRUE(e.should_stop());
}

TEST(EarlyStopping, AnImprovementIsLargerThanMinDelta) {
  EarlyStopping e = Make({3, 0.125, MetricMode::kMin});
  e.Update(1.0, 1);
  EXPECT_FALSE(e.Update(0.875, 2));
  EXPECT_TRUE(e.Update(0.75, 3));  // against the best, not against the last
}

TEST(EarlyStopping, NotANumberIsNoImprovementNotEvenTheFirst) {
  EarlyStopping e = Make({2, 0, MetricMode::kMin});
  EXPECT_FALSE(e.Update(std::nan(""), 1));
  EXPECT_FALSE(e.has_best());
  EXPECT_TRUE(e.Update(5, 2));
  EXPECT_FALSE(e.Update(std::nan(""), 3));
  EXPECT_FALSE(e.Update(std::nan(""), 4));
  EXPECT_TRUE(e.should_stop());
}

TEST(EarlyStopping, PatienceZeroNeverStops) {
  EarlyStopping e = Make({0, 0, MetricMode::kMin});
  for (int i = 0; i < 100; ++i) e.Update(1 + i, i);
  EXPECT_FALSE(e.should_stop());
  EXPECT_EQ(e.best_step(), 0);
}

TEST(EarlyStopping, GoesOnFromItsTextWhereItWas) {
  EarlyStopping a = Make({3, 0, MetricMode::kMin}), b = a;
  ASSERT_TRUE(b.Restore(a.ToText()).ok());  // before the first evaluation, too
  EXPECT_TRUE(b.Update(1.0 / 3, 7));
  EXPECT_FALSE(b.Update(0.5, 8));
  EarlyStopping c = Make({3, 0, MetricMode::kMin});
  ASSERT_TRUE(c.Restore(b.ToText()).ok());
  EXPECT_EQ(c.best(), 1.0 / 3);
  EXPECT_EQ(c.best_step(), 7);
  EXPECT_EQ(c.bad(), 1);
  EXPECT_EQ(c.ToText(), b.ToText());
}

TEST(EarlyStopping, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(EarlyStopping::Create({-1, 0, MetricMode::kMin}).status().message(),
            "REQ: early stopping: patience = -1 is below 0");
  EXPECT_FALSE(EarlyStopping::Create({1, -1, MetricMode::kMin}).ok());
  EXPECT_FALSE(EarlyStopping::Create({1, std::numeric_limits<double>::infinity(), MetricMode::kMin}).ok());
  EarlyStopping e = Make({});
  for (const char* bad : {"", "best=1", "best=1 step=-2 bad=0", "best=x step=1 bad=0", "step=1 best=1 bad=0"}) {
    EXPECT_EQ(ErrorClassOf(e.Restore(bad)), "CKPT") << bad;
  }
}

}  // namespace
}  // namespace athanor
