#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min(), kMax64 = std::numeric_limits<int64_t>::max();

template <typename T>
Tensor Row(std::vector<T> x) {
  const int64_t n = static_cast<int64_t>(x.size());
  return Tensor::Of<T>({n}, absl::Span<const T>(x));
}

Tensor Bools(const Shape& shape, uint64_t stream) {
  Tensor x = RandomTensor(shape, stream);
  Tensor b = *Tensor::Create(DType::kBool, shape);
  for (int64_t i = 0; i < b.num_elements(); ++i) b.as<bool>()[i] = x.as<float>()[i] > 0;
  return b;
}

template <typename T>
Tensor Integers(const Shape& shape, uint64_t stream) {
  Tensor x = RandomTensor(shape, stream);
  Tensor t = *Tensor::Create(DTypeOf<T>(), shape);
  for (int64_t i = 0; i < t.num_elements(); ++i) t.as<T>()[i] = static_cast<T>(x.as<float>()[i] * 3);
  return t;
}

// The element of a tensor that broadcasts to `index`.
template <typename T>
T At(const Tensor& t, const Shape& index) {
  Shape own(t.shape().size());
  for (size_t k = 1; k <= own.size(); ++k) {
    own[own.size() - k] = t.shape()[own.size() - k] == 1 ? 0 : index[index.size() - k];
  }
  return t.as<T>()[RowMajorOffset(t.shape(), own)];
}

struct Broadcast {
  Shape a, b, y;
};
const std::vector<Broadcast>& Broadcasts() {
  static const auto* cases = new std::vector<Broadcast>{
      {{}, {}, {}},
      {{1}, {1, 1}, {1, 1}},
      {{7}, {7}, {7}},
      {{3, 5}, {5}, {3, 5}},
      {{3, 1}, {3, 5}, {3, 5}},
      {{3, 1}, {1, 5}, {3, 5}},
      {{}, {3, 5}, {3, 5}},
      {{2, 1, 3, 1, 2}, {4, 1, 5, 1}, {2, 4, 3, 5, 2}},
      {{2, 3, 4, 5, 1, 2}, {3, 1, 5, 1, 1}, {2, 3, 4, 5, 1, 2}},
      {{0}, {1}, {0}},
      {{2, 0, 3}, {3}, {2, 0, 3}},
      {{311, 257}, {257}, {311, 257}},
      {{311, 1}, {311, 257}, {311, 257}},
      {{97, 3, 1, 5}, {3, 31, 5}, {97, 3, 31, 5}}};
  return *cases;
}

template <typename T>
bool Holds(const std::string& relation, T a, T b) {
  if (relation == "eq") return a == b;
  if (relation == "ne") return a != b;
  if (relation == "lt") return a < b;
  if (relation == "le") return a <= b;
  return relation == "gt" ? a > b : a >= b;
}

template <typename T>
void CheckCompare(const std::string& relation, const Broadcast& c, int threads) {
  SCOPED_TRACE(relation + " " + ShapeToString(c.a) + " " + ShapeToString(c.b));
  const Tensor a = Integers<T>(c.a, 1), b = Integers<T>(c.b, 2);
  auto run = TestCall("integer_compare").Attr("relation", relation.c_str()).In(a.Clone()).In(b.Clone())
                 .Out(c.y, DType::kBool).Threads(threads).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ForEachIndex(c.y, [&](const Shape& index, int64_t i) {
    ASSERT_EQ(run->outputs[0].as<bool>()[i], Holds(relation, At<T>(a, index), At<T>(b, index))) << i;
  });
}

TEST(IntegerCompare, EveryRelationTypeAndBroadcast) {
  for (const char* relation : {"eq", "ne", "lt", "le", "gt", "ge"}) {
    for (const Broadcast& c : Broadcasts()) {
      CheckCompare<int32_t>(relation, c, 1);
      CheckCompare<int64_t>(relation, c, 3);
    }
  }
}

TEST(IntegerCompare, TheEndsOf64Bits) {
  auto run = TestCall("integer_compare").Attr("relation", "lt")
                 .In(Row<int64_t>({kMax64 - 1, kMax64, kMin64, kMin64 + 1}))
                 .In(Row<int64_t>({kMax64, kMax64 - 1, kMin64 + 1, kMin64})).Out({4}, DType::kBool).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->outputs[0].as<bool>(), ElementsAre(true, false, true, false));
}

template <typename T>
void CheckWhere(const Shape& condition, const Shape& a, const Shape& b, const Shape& y, int threads) {
  SCOPED_TRACE(ShapeToString(condition) + " " + ShapeToString(a) + " " + ShapeToString(b));
  const Tensor c = Bools(condition, 1), left = Integers<T>(a, 2), right = Integers<T>(b, 3);
  auto run = TestCall("integer_where").In(c.Clone()).In(left.Clone()).In(right.Clone()).Out(y, DTypeOf<T>())
                 .Threads(threads).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  ForEachIndex(y, [&](const Shape& index, int64_t i) {
    ASSERT_EQ(run->outputs[0].template as<T>()[i], At<bool>(c, index) ? At<T>(left, index) : At<T>(right, index)) << i;
  });
}

TEST(IntegerWhere, EveryTypeAndBroadcast) {
  for (const Broadcast& c : Broadcasts()) {
    CheckWhere<int32_t>(c.y, c.a, c.b, c.y, 1);
    CheckWhere<int32_t>(c.a, c.b, c.a, c.y, 2);
    CheckWhere<int64_t>(c.b, c.y, c.a, c.y, 3);
    CheckWhere<int64_t>(c.a, c.a, c.b, c.y, 1);
  }
}

TEST(IntegerWhere, KeepsAllBits) {
  auto run = TestCall("integer_where").In(Tensor::Of<bool>({2}, {true, false})).In(Row<int64_t>({kMax64 - 1, 0}))
                 .In(Row<int64_t>({0, kMin64 + 1})).Out({2}, DType::kS64).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->outputs[0].as<int64_t>(), ElementsAre(kMax64 - 1, kMin64 + 1));
}

TEST(IntegerCast, HoldsWhatItCan) {
  auto run = TestCall("integer_cast").In(Row<int64_t>({0, -7, INT32_MAX, INT32_MIN, int64_t{1} << 31, kMax64, kMin64}))
                 .Out({7}, DType::kS32).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->outputs[0].as<int32_t>(),
              ElementsAre(0, -7, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MAX, INT32_MIN));
  run = TestCall("integer_cast").In(Row<int32_t>({0, -7, INT32_MAX, INT32_MIN})).Out({4}, DType::kS64).Run();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->outputs[0].as<int64_t>(), ElementsAre(0, -7, INT32_MAX, INT32_MIN));
}

TEST(IntegerCast, EverySize) {
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{2, 0, 3}, Shape{3, 5, 7}, Shape{311, 257}}) {
    Tensor x = Integers<int64_t>(shape, 4);
    auto run = TestCall("integer_cast").In(x.Clone()).Out(shape, DType::kS32).Threads(3).Run();
    ASSERT_TRUE(run.ok()) << run.status();
    for (int64_t i = 0; i < x.num_elements(); ++i) ASSERT_EQ(run->outputs[0].as<int32_t>()[i], x.as<int64_t>()[i]);
  }
}

TEST(IntegerElementwise, RefuseADamagedCall) {
  auto refuse = [](const TestCall& call, const std::string& text) {
    auto run = call.Run();
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(ErrorClassOf(run.status()), "PLAN") << run.status();
    EXPECT_THAT(std::string(run.status().message()), HasSubstr(text));
  };
  auto s32 = [](int64_t n = 3) { return Integers<int32_t>({n}, 1); };
  auto s64 = [](int64_t n = 3) { return Integers<int64_t>({n}, 1); };
  auto compare = [] { return TestCall("integer_compare").Attr("relation", "eq"); };
  refuse(compare().In(s32()).Out({3}, DType::kBool), "has 1 inputs");
  refuse(compare().In(s32()).In(s64()).Out({3}, DType::kBool), "the second operand is s64[3]:a, expected s32[3]");
  refuse(compare().In(RandomTensor({3}, 1)).In(RandomTensor({3}, 1)).Out({3}, DType::kBool), "expected s32 or s64");
  refuse(compare().In(s32()).In(s32()).Out({3}, DType::kS32), "the result is s32[3]:any, expected bool[3]");
  refuse(compare().In(s32()).In(s32()).Out({4}, DType::kBool), "the result is bool[4]:any, expected bool[3]");
  refuse(compare().In(s32()).In(s32(4)).Out({4}, DType::kBool), "does not broadcast");
  refuse(TestCall("integer_compare").In(s32()).In(s32()).Out({3}, DType::kBool), "attribute \"relation\" is missing");
  refuse(TestCall("integer_compare").Attr("relation", "=").In(s32()).In(s32()).Out({3}, DType::kBool),
         "unknown relation \"=\"");
  refuse(compare().In(s32()).In(s32()).Fuse({"ReLU", {}, -1}).Out({3}, DType::kBool), "takes no post-ops");
  refuse(TestCall("integer_where").In(s32()).In(s32()).In(s32()).Out({3}, DType::kS32), "the condition is s32[3]:a");
  refuse(TestCall("integer_where").In(Bools({3}, 1)).In(s32()).In(s64()).Out({3}, DType::kS32),
         "the third operand is s64");
  refuse(TestCall("integer_where").In(Bools({3}, 1)).In(s32()).In(s32()).Out({3}, DType::kS64), "the result is s64[3]");
  refuse(TestCall("integer_where").In(Bools({4}, 1)).In(s32()).In(s32()).Out({4}, DType::kS32), "does not broadcast");
  refuse(TestCall("integer_cast").In(s32()).Out({3}, DType::kS32), "the result is s32[3]:any, expected s64[3]");
  refuse(TestCall("integer_cast").In(s64()).Out({4}, DType::kS32), "the result is s32[4]:any, expected s32[3]");
  refuse(TestCall("integer_cast").In(RandomTensor({3}, 1)).Out({3}, DType::kS32), "expected s32 or s64");
}

}  // namespace
}  // namespace athanor
