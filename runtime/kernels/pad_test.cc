#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/kernels/testing/close.h"
#include "runtime/kernels/testing/data.h"
#include "runtime/kernels/testing/test_call.h"

namespace athanor {
namespace {

using ::testing::HasSubstr;

constexpr const char* kModes[] = {"constant", "reflect", "edge"};

struct Case {
  Shape x;
  Ints pads;
  Shape y() const {
    Shape y = x;
    for (size_t d = 0; d < x.size(); ++d) y[d] += pads[d] + pads[x.size() + d];
    return y;
  }
  // The index in x that stands at this one of y; false: the constant.
  bool Source(const std::string& mode, Shape* index) const {
    for (size_t d = 0; d < x.size(); ++d) {
      int64_t& i = (*index)[d];
      i -= pads[d];
      if (i >= 0 && i < x[d]) continue;
      if (mode == "constant") return false;
      if (mode == "edge") i = i < 0 ? 0 : x[d] - 1;
      if (mode == "reflect") i = i < 0 ? -i : 2 * (x[d] - 1) - i;
    }
    return true;
  }
};

const Case kCases[] = {{{7}, {2, 3}},
                       {{3, 4, 5}, {1, 2, 3, 2, 0, 4}},
                       {{3, 4, 5}, {0, 1, 0, 0, 2, 0}},
                       {{2, 3, 40, 50}, {0, 0, 3, 3, 0, 0, 3, 3}},
                       {{2, 40, 30, 20}, {0, 3, 2, 0, 0, 1, 3, 0}}};

TEST(Pad, EveryModeAndElementType) {
  for (const Case& c : kCases) {
    for (const char* mode : kModes) {
      for (DType dtype : kAllDTypes) {
        SCOPED_TRACE(ShapeToString(c.x) + " " + mode + " " + std::string(DTypeName(dtype)));
        Tensor x = CountingTensor(dtype, c.x);
        auto call = TestCall("pad").Attr("pads", c.pads).Attr("mode", mode).Attr("value", 1.0).In(x.Clone())
                        .Out(c.y(), dtype).Threads(2);
        auto run = call.Run();
        ASSERT_TRUE(run.ok()) << run.status();
        const uint64_t one = ElementBits(CountingTensor(dtype, {1}), 0);  // its first element is 1
        ForEachIndex(c.y(), [&](const Shape& index, int64_t i) {
          Shape source = index;
          const bool inside = c.Source(mode, &source);
          ASSERT_EQ(ElementBits(run->outputs[0], i), inside ? ElementBits(x, RowMajorOffset(c.x, source)) : one) << i;
        });
      }
    }
  }
}

TEST(PadBackward, AddsUpThePlacesWhateverTheThreads) {
  for (const Case& c : kCases) {
    for (const char* mode : {"reflect", "edge"}) {
      SCOPED_TRACE(ShapeToString(c.x) + " " + mode);
      Tensor dy = RandomTensor(c.y(), 1);
      std::vector<double> want(*NumElements(c.x), 0);
      ForEachIndex(c.y(), [&](const Shape& index, int64_t i) {
        Shape source = index;
        c.Source(mode, &source);
        want[RowMajorOffset(c.x, source)] += dy.as<float>()[i];
      });
      auto call = [&] {
        return TestCall("pad_backward").Attr("pads", c.pads).Attr("mode", mode).In(dy.Clone()).Out(c.x);
      };
      auto one = call().Threads(1).Run(), two = call().Threads(2).Run();
      ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
      ExpectClose(one->outputs[0], want, 1e-6);
      EXPECT_EQ(one->stored, two->stored);
    }
  }
}

TEST(Pad, RefusesADamagedCall) {
  auto refuse = [](const char* kernel, const char* mode, const Shape& x, const Ints& pads, const Shape& y,
                   const std::string& text) {
    auto info = TestCall(kernel).Attr("pads", pads).Attr("mode", mode).Attr("value", 0.0).In(RandomTensor(x, 1)).Out(y)
                    .Query();
    ASSERT_FALSE(info.ok());
    EXPECT_EQ(ErrorClassOf(info.status()), "PLAN") << info.status();
    EXPECT_THAT(std::string(info.status().message()), HasSubstr(text));
  };
  refuse("pad", "constant", {3}, {1, 1}, {4}, "dimension 0: 3 elements with 1 before and 1 behind are not 4");
  refuse("pad", "constant", {3}, {-1, 2}, {4}, "dimension 0: 3 elements with -1 before");
  refuse("pad", "constant", {3}, {INT64_MAX, 1}, {4}, "dimension 0");
  refuse("pad", "reflect", {3}, {3, 0}, {6}, "in mode reflect");
  refuse("pad", "edge", {0}, {3, 0}, {3}, "in mode edge");
  refuse("pad", "wrap", {3}, {0, 0}, {3}, "cannot have mode \"wrap\"");
  refuse("pad", "edge", {3}, {0, 0, 0}, {3}, "has 3 pads");
  refuse("pad", "edge", {3}, {0, 0}, {3, 1}, "of [3] to [3,1] has 2 pads");
  refuse("pad_backward", "constant", {3}, {1, 1}, {1}, "cannot have mode \"constant\"");
  refuse("pad_backward", "edge", {3}, {1, 1}, {2}, "2 elements with 1 before and 1 behind are not 3");
  auto value =
      TestCall("pad").Attr("pads", Ints{1, 0}).Attr("mode", "constant").In(RandomTensor({3}, 1)).Out({4}).Query();
  EXPECT_THAT(std::string(value.status().message()), HasSubstr("\"value\" is missing"));
}

}  // namespace
}  // namespace athanor
