#include "compiler/passes/testing/pass_testing.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr char kSymbolic[] = R"(
  %x : input f32[N,2,T]
  %w : parameter f32[2] = zeros
  %y = T.Relu(%x) @"relu" : f32[N,2,T]
  entry "e" (x=%x) -> (y=%y))";

CompileOptions With(std::map<std::string, int64_t> symbols) {
  CompileOptions options;
  options.entries = {{"e", std::move(symbols)}};
  return options;
}

TEST(FixSymbolsTest, EverySymbolGetsItsSize) {
  ExpectPass(FixSymbols, kSymbolic, R"(
    %x : input f32[64,2,7]
    %w : parameter f32[2] = zeros
    %y = T.Relu(%x) @"relu" : f32[64,2,7]
    entry "e" (x=%x) -> (y=%y))",
             With({{"N", 64}, {"T", 7}}));
}

TEST(FixSymbolsTest, ASymbolWithoutASizeIsNamed) {
  EXPECT_EQ(ErrorOf(FixSymbols, kSymbolic, With({{"N", 64}, {"M", 3}})),
            "REQ: entry \"e\": dimension \"T\" of x f32[64,2,T] has no size; sizes given: M=3, N=64");
  EXPECT_EQ(ErrorOf(FixSymbols, kSymbolic, With({})),
            "REQ: entry \"e\": dimension \"N\" of x f32[N,2,T] has no size; sizes given: none");
}

TEST(FixSymbolsTest, SizesHaveBounds) {
  EXPECT_EQ(ErrorOf(FixSymbols, kSymbolic, With({{"N", 0}, {"T", 1}})),
            "REQ: entry \"e\": dimension \"N\" = 0 is not in [1, 2147483648]");
  EXPECT_EQ(ErrorOf(FixSymbols, kSymbolic, With({{"N", 1}, {"T", int64_t{1} << 32}})),
            "REQ: entry \"e\": dimension \"T\" = 4294967296 is not in [1, 2147483648]");
  EXPECT_TRUE(FixSymbols(GraphOf(kSymbolic), With({{"N", int64_t{1} << 31}, {"T", 1}})).ok());
}

}  // namespace
}  // namespace athanor
