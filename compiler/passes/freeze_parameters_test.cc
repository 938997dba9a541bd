#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

CompileOptions Freezing() {
  CompileOptions options = TestOptions();
  options.freeze_parameters = true;
  return options;
}

constexpr char kNet[] = R"(
  %x : input f32[2]
  %w : parameter f32[2] = normal{std=0.5} = [1,2]
  %mean : state f32[2] = [3,4]
  %fresh : parameter f32[2] = zeros
  %a = T.Add(%x, %w) @"a" : f32[2]
  %b = T.Add(%a, %mean) @"b" : f32[2]
  %c = T.Add(%b, %fresh) @"c" : f32[2]
  entry "e" (x=%x) -> (c=%c))";

TEST(FreezeParametersTest, VariablesWithDataBecomeConstants) {
  ExpectPass(FreezeParameters, kNet, R"(
    %x : input f32[2]
    %w : constant f32[2] = [1,2]
    %mean : constant f32[2] = [3,4]
    %fresh : parameter f32[2] = zeros
    %a = T.Add(%x, %w) @"a" : f32[2]
    %b = T.Add(%a, %mean) @"b" : f32[2]
    %c = T.Add(%b, %fresh) @"c" : f32[2]
    entry "e" (x=%x) -> (c=%c))",
             Freezing());
}

TEST(FreezeParametersTest, OnlyWhenAskedFor) { ExpectUnchanged(FreezeParameters, kNet); }

TEST(FreezeParametersTest, NotWhereVariablesChange) {
  ExpectUnchanged(FreezeParameters, R"(
    %x : input f32[2]
    %mean : state f32[2] = [3,4]
    %next = T.Add(%x, %mean) @"a" : f32[2]
    entry "e" (x=%x) -> () update (%mean <- %next))",
                  Freezing());
}

TEST(FreezeParametersTest, NotWhereGradientsAreWanted) {
  CompileOptions options = Freezing();
  options.gradients_as_outputs = true;
  ExpectUnchanged(FreezeParameters, R"(
    %w : parameter f32[2] = [3,4]
    %loss = T.Sum(%w) @"sum" : f32[]
    entry "e" () -> (loss=%loss) loss %loss)",
                  options);
}

}  // namespace
}  // namespace athanor
