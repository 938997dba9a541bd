// Kernels top_k and arg_reduce, which agree on equal elements and NaN.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

// Whether a is better than b, where a NaN is larger than every number.
bool Better(float a, float b, bool largest) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) != std::isnan(b) && std::isnan(a) == largest;
  return largest ? a > b : a < b;
}

// Rounded numbers, so that many are equal, with a NaN and infinities among them.
Tensor Awkward(const Shape& shape) {
  Tensor x = RandomTensor(shape, 1, -9, 9);
  for (float& v : x.as<float>()) v = std::round(v);
  for (int64_t i = 3; i < x.num_elements(); i += 97) x.as<float>()[i] = std::nanf("");
  for (int64_t i = 5; i < x.num_elements(); i += 61) x.as<float>()[i] = i % 2 == 0 ? INFINITY : -INFINITY;
  return x;
}

TEST(TopK, EqualElementsAndNotANumber) {
  for (const auto& [outer, size, inner] : std::vector<std::array<int64_t, 3>>{{7, 300, 1}, {2, 50, 9}, {1, 2000, 1}}) {
    for (int64_t k : {int64_t{1}, int64_t{5}, size}) {
      for (bool largest : {true, false}) {
        Tensor x = Awkward({outer, size, inner});
        auto run = TestCall("top_k").Attr("axis", 1).Attr("largest", largest).In(x.Clone()).Out({outer, k, inner})
                       .Out({outer, k, inner}, DType::kS64).Threads(2).Run();
        ASSERT_TRUE(run.ok()) << run.status();
        for (int64_t line = 0; line < outer * inner; ++line) {
          const int64_t o = line / inner, i = line % inner;
          auto at = [&](int64_t j) { return x.as<float>()[(o * size + j) * inner + i]; };
          std::vector<int64_t> order(size);
          std::iota(order.begin(), order.end(), 0);
          std::stable_sort(order.begin(), order.end(),
                           [&](int64_t a, int64_t b) { return Better(at(a), at(b), largest); });
          for (int64_t j = 0; j < k; ++j) {
            const int64_t y = (o * k + j) * inner + i;
            ASSERT_EQ(run->outputs[1].as<int64_t>()[y], order[j]) << line << " " << j;
            ASSERT_EQ(ElementBits(run->outputs[0], y), ElementBits(x, (o * size + order[j]) * inner + i));
          }
        }
      }
    }
  }
}

TEST(TopK, RefusesADamagedCall) {
  auto refuse = [](int axis, const Shape& x, const Shape& values, const Shape& indices, const std::string& text) {
    auto info = TestCall("top_k").Attr("axis", axis).Attr("largest", true).In(RandomTensor(x, 1)).Out(values)
                    .Out(indices, DType::kS64).Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(text));
  };
  refuse(1, {2, 3}, {2, 4}, {2, 4}, "k = 4 of 3 elements");
  refuse(2, {2, 3}, {2, 3}, {2, 3}, "axis 2 is not in [0, 2)");
  refuse(1, {2, 3}, {1, 2}, {1, 2}, "values is f32[1,2]:any, expected f32[2,2]");
  refuse(1, {2, 3}, {2, 2}, {2, 1}, "indices is s64[2,1]:any, expected s64[2,2]");
  refuse(1, {2, 3}, {2}, {2}, "values is f32[2]:any");
}

TEST(ArgReduce, FirstAndLastOfEqualElements) {
  for (const auto& [outer, size, inner] : std::vector<std::array<int64_t, 3>>{
           {70, 300, 1}, {2, 50, 9}, {3, 40, 700}, {1, 20000, 1}, {50, 3, 1}}) {
    for (const std::string algorithm : {"max", "min"}) {
      for (bool last : {false, true}) {
        for (int threads : {1, 2}) {
          Tensor x = Awkward({outer, size, inner});
          auto run = TestCall("arg_reduce").Attr("algorithm", AttrValue(algorithm)).Attr("axis", 1)
                         .Attr("keepdims", false).Attr("last", last).In(x.Clone()).Out({outer, inner}, DType::kS64)
                         .Threads(threads).Run();
          ASSERT_TRUE(run.ok()) << run.status();
          for (int64_t line = 0; line < outer * inner; ++line) {
            auto at = [&](int64_t j) { return x.as<float>()[(line / inner * size + j) * inner + line % inner]; };
            int64_t best = 0;
            for (int64_t j = 1; j < size; ++j) {
              const bool nan = std::isnan(at(j)), best_nan = std::isnan(at(best));
              const bool beyond = algorithm == "max" ? at(j) > at(best) : at(j) < at(best);
              const bool better = !best_nan && (nan || beyond);
              if (better || (last && ((nan && best_nan) || at(j) == at(best)))) best = j;
            }
            ASSERT_EQ(run->outputs[0].as<int64_t>()[line], best) << algorithm << " line " << line;
          }
        }
      }
    }
  }
}

TEST(ArgReduce, RefusesADamagedCall) {
  auto refuse = [](const char* algorithm, int axis, const Shape& x, const Shape& y, const std::string& text) {
    auto info = TestCall("arg_reduce").Attr("algorithm", algorithm).Attr("axis", axis).Attr("keepdims", false)
                    .Attr("last", false).In(RandomTensor(x, 1)).Out(y, DType::kS64).Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(text));
  };
  refuse("median", 0, {3}, {}, "unknown algorithm \"median\"");
  refuse("max", 1, {3}, {}, "axis 1 is not in [0, 1)");
  refuse("max", 1, {3, 0}, {3}, "axis 1 of f32[3,0]:ab is empty");
  refuse("max", 1, {3, 2}, {2}, "y is s64[2]:any, expected s64[3]");
}

}  // namespace
}  // namespace athanor
