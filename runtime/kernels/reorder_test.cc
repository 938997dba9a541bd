#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

bool SameBits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

class Reorder : public testing::TestWithParam<int> {
 protected:
  int threads() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Threads, Reorder, testing::Values(1, 2));

TEST_P(Reorder, AnyLayoutToAnyOther) {
  const std::string layouts[] = {"abcd", "acdb", "aBcd8b", "aBcd16b", "ABcd16b16a", "Acdb16a", "cdba"};
  for (Shape shape : {Shape{3, 6, 5, 7}, Shape{1, 1, 1, 1}, Shape{20, 33, 1, 3}}) {
    Tensor x = RandomTensor(shape, 1);
    for (const std::string& from : layouts) {
      for (const std::string& to : layouts) {
        SCOPED_TRACE(ShapeToString(shape) + " " + from + " to " + to);
        auto y = TestCall("reorder").In(x.Clone(), from).Out(shape, DType::kF32, to).Threads(threads()).Run();
        ASSERT_TRUE(y.ok()) << y.status();
        EXPECT_EQ(y->info.outputs[0].layout, to);
        EXPECT_TRUE(SameBits(y->outputs[0], x));
      }
    }
  }
}

TEST_P(Reorder, PaddingOfBlocksIsZero) {
  Tensor x = RandomTensor({2, 5, 3, 3}, 1, 1, 2);
  auto y = TestCall("reorder").In(x.Clone()).Out({2, 5, 3, 3}, DType::kF32, "aBcd16b").Threads(threads()).Run();
  ASSERT_TRUE(y.ok()) << y.status();
  ASSERT_EQ(y->stored[0].size(), 2u * 16 * 9 * sizeof(float));
  const auto* values = reinterpret_cast<const float*>(y->stored[0].data());
  for (int i = 0; i < 2 * 9 * 16; ++i) EXPECT_EQ(values[i] == 0, i % 16 >= 5) << i;
}

TEST_P(Reorder, CopiesEveryElementType) {
  for (DType dtype : kAllDTypes) {
    // The last is large enough for several threads.
    for (Shape shape : {Shape{}, Shape{0, 3}, Shape{7}, Shape{3, 5, 2}, Shape{311, 1013}}) {
      SCOPED_TRACE(std::string(DTypeName(dtype)) + ShapeToString(shape));
      Tensor x = CountingTensor(dtype, shape);
      auto y = TestCall("reorder").In(x.Clone()).Out(shape, dtype).Threads(threads()).Run();
      ASSERT_TRUE(y.ok()) << y.status();
      EXPECT_TRUE(SameBits(y->outputs[0], x));
    }
  }
}

TEST_P(Reorder, ConvertsBetweenTypesThatOneDnnKnows) {
  Tensor x = Tensor::Of<float>({2, 3}, {0.4f, 1.6f, -2.5f, 300.0f, 127.0f, 5.0f});
  auto s32 = TestCall("reorder").In(x.Clone()).Out({2, 3}, DType::kS32).Threads(threads()).Run();
  ASSERT_TRUE(s32.ok()) << s32.status();
  EXPECT_EQ(std::vector<int32_t>(s32->outputs[0].as<int32_t>().begin(), s32->outputs[0].as<int32_t>().end()),
            (std::vector<int32_t>{0, 2, -2, 300, 127, 5}));
  auto u8 = TestCall("reorder").In(x.Clone()).Out({2, 3}, DType::kU8).Threads(threads()).Run();
  ASSERT_TRUE(u8.ok()) << u8.status();
  EXPECT_EQ(std::vector<int>(u8->outputs[0].as<uint8_t>().begin(), u8->outputs[0].as<uint8_t>().end()),
            (std::vector<int>{0, 2, 0, 255, 127, 5}));
  auto back = TestCall("reorder").In(s32->outputs[0].Clone()).Out({2, 3}).Threads(threads()).Run();
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectClose(back->outputs[0], {0, 2, -2, 300, 127, 5});
}

TEST(ReorderQuery, AnUndecidedSideFollowsTheOther) {
  auto layout = [](const std::string& from, const std::string& to) {
    return TestCall("reorder").In(RandomTensor({2, 3, 4, 5}, 1), from).Out({2, 3, 4, 5}, DType::kF32, to).Query();
  };
  EXPECT_EQ(layout("acdb", "")->outputs[0].layout, "acdb");
  EXPECT_EQ(layout("any", "acdb")->inputs[0].layout, "acdb");
  EXPECT_EQ(layout("any", "")->inputs[0].layout, "abcd");
  EXPECT_EQ(layout("acdb", "")->impl, "ours:copy");
  EXPECT_EQ(layout("acdb", "abcd")->bytes, 2.0 * 120 * sizeof(float));
}

TEST(ReorderErrors, NamesTheCall) {
  auto refused = [](const TestCall& call, const std::string& error_class, const std::string& text) {
    auto r = call.Run();
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(ErrorClassOf(r.status()), error_class) << r.status();
    EXPECT_TRUE(absl::StrContains(r.status().message(), text)) << r.status();
    EXPECT_TRUE(absl::StrContains(r.status().message(), "\"node\"")) << r.status();
  };
  refused(TestCall("reorder").In(RandomTensor({2, 3}, 1)).Out({3, 2}), "PLAN", "f32[2,3]:ab to f32[3,2]:any");
  refused(TestCall("reorder").In(RandomTensor({2, 3}, 1)), "PLAN", "1 inputs and 0 outputs");
  refused(TestCall("reorder").In(CountingTensor(DType::kS64, {2})).Out({2}), "DTYPE", "s64[2]:a into f32[2]:");
  refused(TestCall("reorder").In(RandomTensor({2, 3}, 1)).Out({2, 3}, DType::kF32, "zz"), "PLAN", "no layout \"zz\"");
}

}  // namespace
}  // namespace athanor
