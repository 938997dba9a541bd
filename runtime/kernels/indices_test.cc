// Kernels gather, gather_elements, scatter_add, scatter_elements_add and one_hot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

// `count` indices below `limit`, in a fixed disorder.
Tensor Indices(DType dtype, const Shape& shape, int64_t limit) {
  Tensor t = *Tensor::Create(dtype, shape);
  for (int64_t i = 0; i < t.num_elements(); ++i) {
    const int64_t index = i * 7919 % limit;
    if (dtype == DType::kS32) {
      t.as<int32_t>()[i] = static_cast<int32_t>(index);
    } else {
      t.as<int64_t>()[i] = index;
    }
  }
  return t;
}

int64_t At(const Tensor& t, int64_t i) {
  return t.dtype() == DType::kS32 ? t.as<int32_t>()[i] : t.as<int64_t>()[i];
}

TEST(Gather, EveryElementTypeAndThreadCount) {
  for (DType dtype : kAllDTypes) {
    for (DType index : {DType::kS32, DType::kS64}) {
      for (const auto& [outer, size, inner] :
           std::vector<std::array<int64_t, 3>>{{3, 5, 7}, {1, 11, 1}, {40, 6, 1}, {1, 50, 3000}}) {
        for (int threads : {1, 2}) {
          const int64_t count = 201;
          Tensor x = CountingTensor(dtype, {outer, size, inner}), indices = Indices(index, {count}, size);
          auto run = TestCall("gather").Attr("axis", 1).In(x.Clone()).In(indices.Clone())
                         .Out({outer, count, inner}, dtype).Threads(threads).Run();
          ASSERT_TRUE(run.ok()) << run.status();
          for (int64_t i = 0; i < outer * count * inner; ++i) {
            const int64_t o = i / (count * inner), j = i / inner % count;
            ASSERT_EQ(ElementBits(run->outputs[0], i),
                      ElementBits(x, (o * size + At(indices, j)) * inner + i % inner)) << i;
          }
        }
      }
    }
  }
}

TEST(GatherElements, ALineAtATime) {
  for (DType dtype : kAllDTypes) {
    for (const auto& [outer, size, inner] : std::vector<std::array<int64_t, 3>>{{3, 5, 7}, {300, 6, 1}, {2, 50, 900}}) {
      const int64_t count = 41;
      Tensor x = CountingTensor(dtype, {outer, size, inner}),
             indices = Indices(DType::kS64, {outer, count, inner}, size);
      auto run = TestCall("gather_elements").Attr("axis", 1).In(x.Clone()).In(indices.Clone())
                     .Out({outer, count, inner}, dtype).Threads(2).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      for (int64_t i = 0; i < outer * count * inner; ++i) {
        const int64_t o = i / (count * inner);
        ASSERT_EQ(ElementBits(run->outputs[0], i), ElementBits(x, (o * size + At(indices, i)) * inner + i % inner));
      }
    }
  }
}

TEST(Gather, NamesTheFirstIndexThatIsOutOfRange) {
  for (int threads : {1, 2}) {
    Tensor indices = Indices(DType::kS64, {100, 1000}, 9);
    for (int64_t at : {99999, 77777, 5003}) {
      indices.as<int64_t>()[at] = at == 77777 ? -1 : 9;
      auto run = TestCall("gather").Attr("axis", 0).In(RandomTensor({9}, 1)).In(indices.Clone()).Out({100, 1000})
                     .Threads(threads).Run();
      ASSERT_FALSE(run.ok());
      EXPECT_EQ(std::string(run.status().message()),
                "INDEX: \"node\": indices[" + std::to_string(at / 1000) + "," + std::to_string(at % 1000) + "] = " +
                    (at == 77777 ? "-1" : "9") + " is not in [0, 9)");
    }
  }
}

TEST(Gather, RefusesADamagedCall) {
  auto refuse = [](const char* kernel, TestCall call, const std::string& text) {
    SCOPED_TRACE(kernel);
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(text));
  };
  for (const char* k : {"gather", "gather_elements"}) {
    auto call = [k](int axis, Shape x, Tensor indices, Shape y) {
      TestCall c(k);
      c.Attr("axis", axis).In(RandomTensor(std::move(x), 1)).In(std::move(indices)).Out(std::move(y));
      return c;
    };
    refuse(k, call(1, {4}, Indices(DType::kS32, {3}, 4), {3}), "axis 1 is not in [0, 1)");
    refuse(k, call(-1, {4}, Indices(DType::kS32, {3}, 4), {3}), "axis -1 is not in [0, 1)");
    refuse(k, call(0, {4}, RandomTensor({3}, 1), {3}), "the indices are f32[3]");
    refuse(k, call(0, {4}, Indices(DType::kS32, {3}, 4), {2}), "y is f32[2]:any, expected f32[3]");
    refuse(k, TestCall(k).Attr("axis", 0).In(RandomTensor({4}, 1)).Out({3}), "has 1 inputs and 1 outputs");
    refuse(k, TestCall(k).In(RandomTensor({4}, 1)).In(Indices(DType::kS32, {3}, 4)).Out({3}), "\"axis\" is missing");
  }
  refuse("", TestCall("gather_elements").Attr("axis", 0).In(RandomTensor({4, 3}, 1)).In(Indices(DType::kS32, {2, 2}, 4))
                 .Out({2, 2}), "indices is s32[2,2]:ab, expected s32[2,3]");
}

// What is added to each element, in the order of the indices.
std::vector<float> Scattered(const Tensor& updates, const Tensor& indices, int64_t outer, int64_t size, int64_t inner,
                             bool elements, int64_t padding) {
  std::vector<float> y(outer * size * inner, 0.0f);
  const int64_t count = updates.num_elements() / (outer * inner);
  for (int64_t i = 0; i < updates.num_elements(); ++i) {
    const int64_t o = i / (count * inner), index = At(indices, elements ? i : i / inner % count);
    if (index != padding) y[(o * size + index) * inner + i % inner] += updates.as<float>()[i];
  }
  return y;
}

TEST(ScatterAdd, AddsInTheOrderOfTheIndicesWhateverTheThreads) {
  for (DType index : {DType::kS32, DType::kS64}) {
    for (const auto& [outer, size, inner, count] : std::vector<std::array<int64_t, 4>>{
             {3, 5, 7, 20},
             {1, 11, 1, 50000},
             {2, 6, 1, 3000},
             {1, 50, 3000, 9},
             {1, 3000, 40, 500},
             {4, 30, 130, 64}}) {
      for (int threads : {1, 2, 3}) {
        for (bool elements : {false, true}) {
          const Shape shape = elements ? Shape{outer, count, inner} : Shape{count};
          Tensor updates = RandomTensor({outer, count, inner}, 1), indices = Indices(index, shape, size);
          const int64_t padding = elements ? -1 : 2;
          TestCall call(elements ? "scatter_elements_add" : "scatter_add");
          call.Attr("axis", 1).In(updates.Clone()).In(indices.Clone()).Out({outer, size, inner}).Threads(threads);
          if (!elements) call.Attr("padding_idx", padding);
          auto run = call.Run();
          ASSERT_TRUE(run.ok()) << run.status();
          const std::vector<float> want = Scattered(updates, indices, outer, size, inner, elements, padding);
          for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(run->outputs[0].as<float>()[i], want[i]) << i;
        }
      }
    }
  }
}

TEST(ScatterAdd, RefusesADamagedCall) {
  auto refuse = [](TestCall call, const std::string& text) {
    auto info = call.Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(text));
  };
  auto call = [](const char* kernel, int axis, Shape updates, Shape indices, Shape y) {
    TestCall c(kernel);
    c.Attr("axis", axis).Attr("padding_idx", -1).In(RandomTensor(std::move(updates), 1))
        .In(Indices(DType::kS32, indices, 2)).Out(std::move(y));
    return c;
  };
  refuse(call("scatter_add", 0, {3, 2}, {4}, {5, 2}), "updates is f32[3,2]:ab, expected f32[4,2]");
  refuse(call("scatter_add", 2, {3, 2}, {3}, {5, 2}), "axis 2 is not in [0, 2)");
  refuse(call("scatter_elements_add", 0, {3, 2}, {3, 1}, {5, 2}), "indices is s32[3,1]:ab, expected s32[3,2]");
  refuse(call("scatter_elements_add", 0, {2, 2}, {3, 2}, {5, 2}), "updates is f32[2,2]:ab, expected f32[3,2]");
  refuse(TestCall("scatter_add").Attr("axis", 0).In(RandomTensor({3}, 1)).In(Indices(DType::kS32, {3}, 2)).Out({4}),
         "\"padding_idx\" is missing");
  refuse(TestCall("scatter_add").Attr("axis", 0).Attr("padding_idx", -1).In(RandomTensor({3}, 1))
             .In(RandomTensor({3}, 1)).Out({4}), "the indices are f32[3]");
}

TEST(OneHot, SetsOneOfEachLine) {
  for (int threads : {1, 2}) {
    for (const auto& [outer, depth, inner] :
         std::vector<std::array<int64_t, 3>>{{5, 3, 4}, {9000, 10, 1}, {1, 7, 9000}}) {
      Tensor indices = Indices(DType::kS64, {outer, inner}, depth);
      auto run = TestCall("one_hot").Attr("axis", 1).Attr("on", 2.0).Attr("off", -1.0).In(indices.Clone())
                     .Out({outer, depth, inner}).Threads(threads).Run();
      ASSERT_TRUE(run.ok()) << run.status();
      for (int64_t i = 0; i < outer * depth * inner; ++i) {
        const int64_t o = i / (depth * inner), d = i / inner % depth;
        ASSERT_EQ(run->outputs[0].as<float>()[i], At(indices, o * inner + i % inner) == d ? 2 : -1) << i;
      }
    }
  }
  auto damaged = TestCall("one_hot").Attr("axis", 1).Attr("on", 1.0).Attr("off", 0.0).In(Indices(DType::kS64, {3}, 2))
                     .Out({4, 2}).Query();
  EXPECT_EQ(ErrorClassOf(damaged.status()), "PLAN");
  EXPECT_THAT(std::string(damaged.status().message()), HasSubstr("indices is s64[3]:a, expected s64[4]"));
}

}  // namespace
}  // namespace athanor
