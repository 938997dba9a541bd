#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

CompileOptions Averaging() {
  CompileOptions options = TestOptions();
  options.optimizer = OptimizerSpec{"T.Sgd", {}};
  options.ema_decay = 0.75;
  return options;
}

constexpr char kUpdates[] = R"(
  %lr : input f32[]
  %w : parameter f32[2] = [1,2]
  %v : parameter f32[2] = normal{mean=0.0,std=1.0}
  %m : state f32[2] = zeros
  %w.next = T.Sgd(%w, %m, %lr) @"w/sgd" : f32[2]
  %v.next = T.Sgd(%v, %m, %lr) @"v/sgd" : f32[2]
  %m.next = T.Neg(%m) @"neg" : f32[2]
  entry "e" training (lr=%lr) -> () update (%w <- %w.next, %m <- %m.next, %v <- %v.next))";

TEST(AverageParametersTest, EveryUpdatedParameterHasAnAverageThatStartsAsItDoes) {
  ExpectPass(AverageParameters, kUpdates, R"(
    %lr : input f32[]
    %w : parameter f32[2] = [1,2]
    %v : parameter f32[2] = normal{mean=0.0,std=1.0}
    %m : state f32[2] = zeros
    %step : input s64[]
    %w/ema : state f32[2] = [1,2]
    %v/ema : state f32[2] = normal{mean=0.0,std=1.0}
    %w.next = T.Sgd(%w, %m, %lr) @"w/sgd" : f32[2]
    %v.next = T.Sgd(%v, %m, %lr) @"v/sgd" : f32[2]
    %m.next = T.Neg(%m) @"neg" : f32[2]
    %w/ema.next = T.Average(%w/ema, %w.next, %step) {decay=0.75,warmup=false} @"w/average" : f32[2]
    %v/ema.next = T.Average(%v/ema, %v.next, %step) {decay=0.75,warmup=false} @"v/average" : f32[2]
    entry "e" training (lr=%lr, step=%step) -> ()
      update (%w <- %w.next, %m <- %m.next, %v <- %v.next, %w/ema <- %w/ema.next, %v/ema <- %v/ema.next))",
             Averaging(), /*idempotent=*/false);
}

TEST(AverageParametersTest, NothingIsDoneWithoutADecay) {
  ExpectUnchanged(AverageParameters, kUpdates);
  ExpectUnchanged(AverageParameters, R"(
    %w : parameter f32[2] = zeros
    entry "e" () -> (y=%w))",
                  Averaging());
}

constexpr char kReads[] = R"(
  %x : input f32[2]
  %w : parameter f32[2] = [1,2]
  %head : parameter f32[2] = zeros
  %m : state f32[2] = zeros
  %y = T.Add(%x, %w) @"add" : f32[2]
  %z = T.Add(%y, %head) @"add2" : f32[2]
  %s = T.Add(%z, %m) @"add3" : f32[2]
  entry "e" (x=%x) -> (s=%s))";

TEST(UseAveragesTest, AveragesStandInThePlaceOfParametersThatAreTrained) {
  CompileOptions options = Averaging();
  options.entries[0].use_ema = true;
  options.frozen = {"head*"};
  ExpectPass(UseAverages, kReads, R"(
    %x : input f32[2]
    %w/ema : state f32[2] = [1,2]
    %head : parameter f32[2] = zeros
    %m : state f32[2] = zeros
    %y = T.Add(%x, %w/ema) @"add" : f32[2]
    %z = T.Add(%y, %head) @"add2" : f32[2]
    %s = T.Add(%z, %m) @"add3" : f32[2]
    entry "e" (x=%x) -> (s=%s))",
             options);
  options.entries[0].use_ema = false;
  ExpectUnchanged(UseAverages, kReads, options);
}

TEST(UseAveragesTest, ErrorsNameWhatIsWrong) {
  CompileOptions options = Averaging();
  options.entries[0].use_ema = true;
  EXPECT_EQ(ErrorOf(UseAverages, kUpdates, options),
            "REQ: entry \"e\" trains the parameters: it cannot read their averages");
  options.ema_decay = 0;
  EXPECT_EQ(ErrorOf(UseAverages, kReads, options),
            "REQ: entry \"e\" is to read averages, but ema_decay is 0: there are none");
}

}  // namespace
}  // namespace athanor
