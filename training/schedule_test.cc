#include "training/schedule.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

using testing::HasSubstr;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ScheduleConfig Parsed(const std::string& text) {
  absl::StatusOr<ScheduleConfig> c = ParseSchedule(text);
  EXPECT_TRUE(c.ok()) << text << ": " << c.status();
  return c.ok() ? *c : ScheduleConfig();
}

std::string ErrorOf(const std::string& text) {
  absl::StatusOr<ScheduleConfig> c = ParseSchedule(text);
  return c.ok() ? "" : std::string(c.status().message());
}

// The rates of a run of as many steps as there are numbers, at base rate 0.1, against torch.optim.lr_scheduler's.
void ExpectRates(const std::string& text, const std::vector<double>& expected, int64_t steps_per_epoch = 1) {
  const ScheduleConfig c = Parsed(text);
  const RunLength run{static_cast<int64_t>(expected.size()), steps_per_epoch};
  EXPECT_TRUE(CheckSchedule(c, 0.1, run).ok()) << CheckSchedule(c, 0.1, run);
  for (int64_t t = 0; t < run.steps; ++t) {
    EXPECT_NEAR(LearningRate(c, 0.1, t, run), expected[t], 1e-10 * expected[t] + 1e-15) << text << ", step " << t;
  }
}

TEST(Schedule, ConstantIsTheBaseRate) { ExpectRates("constant", {0.1, 0.1, 0.1}); }

TEST(Schedule, StepEqualsStepLR) {
  ExpectRates("step:every=4,gamma=0.5", {0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025});
}

TEST(Schedule, MultiStepEqualsMultiStepLR) {
  ExpectRates("multistep:at=3/7", {0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001, 0.001, 0.001});
}

TEST(Schedule, ExponentialEqualsExponentialLR) {
  ExpectRates("exponential:every=1,gamma=0.9",
              {0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441, 0.04782969, 0.043046721, 0.0387420489});
}

TEST(Schedule, CosineEqualsCosineAnnealingLR) {
  ExpectRates("cosine:min=1e-3",
              {0.1, 0.0983133284013, 0.0933682574873, 0.0855017856687, 0.07525, 0.0633115427326, 0.0505,
               0.0376884572674, 0.02575, 0.0154982143313, 0.00763174251267, 0.00268667159869});
}

TEST(Schedule, CosineWithAPeriodEqualsCosineAnnealingWarmRestarts) {
  ExpectRates(
      "cosine:min=1e-3,period=4,growth=2",
      {0.1, 0.0855017856687, 0.0505, 0.0154982143313, 0.1, 0.0962320368593, 0.0855017856687, 0.0694428299021, 0.0505,
       0.0315571700979, 0.0154982143313, 0.00476796314069, 0.1, 0.09904887138, 0.0962320368593, 0.091657745809});
}

TEST(Schedule, PolynomialEqualsPolynomialLR) {
  ExpectRates("polynomial:power=2",
              {0.1, 0.0840277777778, 0.0694444444444, 0.05625, 0.0444444444444, 0.0340277777778, 0.025, 0.0173611111111,
               0.0111111111111, 0.00625, 0.00277777777778, 0.000694444444444});
}

TEST(Schedule, OneCycleEqualsOneCycleLR) {
  ExpectRates("onecycle",
              {0.004, 0.034978965422, 0.0879285159122, 0.0994415435451, 0.0933012969841, 0.081174565395,
               0.0647378997695, 0.0462637102667, 0.0283060998209, 0.0133477530189, 0.00345669874254, 4e-07});
  ExpectRates("onecycle:pct_start=0.25,anneal=linear,div_factor=10,final_div_factor=100",
              {0.01, 0.055, 0.1, 0.0889, 0.0778, 0.0667, 0.0556, 0.0445, 0.0334, 0.0223, 0.0112, 0.0001});
}

TEST(Schedule, WarmUpThenCosineEqualsSequentialLR) {
  ExpectRates("cosine:min=1e-3,warmup=4",
              {0.001, 0.02575, 0.0505, 0.07525, 0.1, 0.0962320368593, 0.0855017856687, 0.0694428299021, 0.0505,
               0.0315571700979, 0.0154982143313, 0.00476796314069});
}

TEST(Schedule, LengthsMayBeGivenInEpochs) {
  ExpectRates("step:every=2epochs,warmup=0.5epochs,warmup_start=0.5",
              {0.05, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01}, 4);
}

TEST(Schedule, ARateBeyondTheEndIsThatOfTheEnd) {
  const RunLength run{10, 1};
  EXPECT_DOUBLE_EQ(LearningRate(Parsed("cosine:min=0.01"), 0.1, 50, run), 0.01);
  EXPECT_DOUBLE_EQ(LearningRate(Parsed("polynomial:min=0.01"), 0.1, 50, run), 0.01);
  EXPECT_DOUBLE_EQ(LearningRate(Parsed("onecycle"), 0.1, 50, run), 0.1 / 25 / 1e4);
}

// What torch.optim.lr_scheduler.ReduceLROnPlateau sets after each value.
void ExpectPlateau(const std::string& text, const std::vector<double>& metrics, const std::vector<double>& rates) {
  const ScheduleConfig c = Parsed(text);
  PlateauState state;
  for (size_t i = 0; i < metrics.size(); ++i) {
    const double before = LearningRate(c, 0.1, 0, {1, 1}, state);
    const bool lowered = UpdatePlateau(c, 0.1, metrics[i], &state);
    EXPECT_NEAR(LearningRate(c, 0.1, 0, {1, 1}, state), rates[i], 1e-12) << text << ", evaluation " << i;
    EXPECT_EQ(lowered, rates[i] < before - 1e-12) << i;
    // A run that is stopped and resumed after any evaluation goes on as if it had not been.
    absl::StatusOr<PlateauState> restored = PlateauState::FromText(state.ToText());
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_EQ(restored->ToText(), state.ToText());
    state = *restored;
  }
}

TEST(Schedule, PlateauEqualsReduceLROnPlateau) {
  ExpectPlateau("plateau:factor=0.5,patience=2,cooldown=1,min=0.01",
                {1, 0.9, 0.9, 0.89995, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6, kNaN, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6},
                {0.1,  0.1,   0.1,   0.1,   0.05,  0.05,   0.05,   0.05,   0.05,   0.05,
                 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125, 0.0125, 0.01});
  ExpectPlateau("plateau:mode=max,patience=1,threshold=0.01,threshold_mode=abs",
                {0.1, 0.2, 0.2, 0.205, 0.2, 0.3, 0.3, 0.3, 0.31, 0.32, 0.32, 0.32},
                {0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001, 0.001, 0.0001});
}

TEST(Schedule, AFreshPlateauStateSurvivesText) {
  absl::StatusOr<PlateauState> s = PlateauState::FromText(PlateauState().ToText());
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_TRUE(std::isnan(s->best));
  for (const char* bad : {"", "rate=1", "rate=x best=1 bad=0 cooldown=0", "rate=1 best=1 bad=-1 cooldown=0"}) {
    EXPECT_EQ(ErrorClassOf(PlateauState::FromText(bad).status()), "CKPT") << bad;
  }
}

TEST(Schedule, TextComesBackAsItWas) {
  for (const char* text :
       {"constant", "constant:warmup=500", "step:every=30epochs", "multistep:at=30epochs/45.5epochs/1000,gamma=0.2",
        "exponential:every=1epochs,gamma=0.95", "cosine:min=1e-05,period=10,growth=2,warmup=0.5epochs,warmup_start=0",
        "onecycle:pct_start=0.25,div_factor=10,final_div_factor=100,anneal=linear", "polynomial:min=0.001,power=0.9",
        "plateau:min=0.001,factor=0.3333333333333333,patience=3,threshold=0.01,threshold_mode=abs,cooldown=2,mode="
        "max"}) {
    EXPECT_EQ(Parsed(FormatSchedule(Parsed(text))), Parsed(text)) << text;
  }
  EXPECT_EQ(FormatSchedule(Parsed("cosine : warmup = 500 , min=1e-5")), "cosine:min=1e-05,warmup=500");
}

TEST(Schedule, ErrorsListWhatThereIs) {
  EXPECT_EQ(
      ErrorOf("cosin:min=0"),
      "REQ: schedule \"cosin\" is not one of constant, step, multistep, exponential, cosine, onecycle, polynomial, "
      "plateau");
  EXPECT_EQ(ErrorOf("cosine:gamma=1"),
            "REQ: schedule \"cosine\" has no setting \"gamma\"; it has min, period, growth, warmup, warmup_start");
  EXPECT_THAT(ErrorOf("step"), HasSubstr("needs every"));
  EXPECT_THAT(ErrorOf("multistep:gamma=0.1"), HasSubstr("needs at"));
  EXPECT_THAT(ErrorOf("plateau:factor=1.5"), HasSubstr("factor = \"1.5\" is not a number above 0 to 1"));
  EXPECT_THAT(ErrorOf("plateau:mode=up"), HasSubstr("mode = \"up\" is not min or max"));
  EXPECT_THAT(ErrorOf("cosine:warmup=-3"), HasSubstr("\"-3\" is not a number of steps, or of epochs"));
  for (const char* bad : {"", "step:every=0", "step:every=1.5", "multistep:at=3//5", "cosine:min", "cosine:min=nan",
                          "cosine:min=inf", "plateau:patience=1.5", "exponential:every=1,gamma=0"}) {
    EXPECT_NE(ErrorOf(bad), "") << bad;
  }
}

TEST(Schedule, AScheduleThatDoesNotFitTheRunIsRefused) {
  EXPECT_EQ(CheckSchedule(Parsed("cosine:warmup=10"), 0.1, {10, 5}).message(),
            "REQ: schedule: a warm-up of 10 steps is as long as the run of 10 steps");
  EXPECT_FALSE(CheckSchedule(Parsed("cosine:min=0.2"), 0.1, {10, 5}).ok());
  EXPECT_FALSE(CheckSchedule(Parsed("step:every=0.01epochs"), 0.1, {10, 5}).ok());
  EXPECT_FALSE(CheckSchedule(Parsed("onecycle"), 0.1, {1, 1}).ok());
  EXPECT_FALSE(CheckSchedule(Parsed("constant"), 0.1, {0, 1}).ok());
}

TEST(Schedule, EveryScheduleIsDescribed) {
  const std::string text = DescribeSchedules();
  for (const char* name : {"constant", "step:every=STEPS", "multistep:at=STEP/STEP", "exponential",
                           "cosine:min=0,period=", "onecycle:pct_start=0.3", "polynomial", "plateau:", "warmup=0"}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

}  // namespace
}  // namespace athanor
