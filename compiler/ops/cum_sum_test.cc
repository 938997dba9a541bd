#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(CumSum, KnownValues) {
  auto spec = [](bool exclusive, bool reverse) {
    OpSpec s("CumSum");
    s.Given(Tensor::Of<float>({4}, {1.0f, 2.0f, 4.0f, 8.0f})).Attr("axis", 0).Attr("exclusive", exclusive)
        .Attr("reverse", reverse).ExpectOutput({4});
    return s;
  };
  spec(false, false).ExpectValues({1, 3, 7, 15}).Check();
  spec(true, false).ExpectValues({0, 1, 3, 7}).Check();
  spec(false, true).ExpectValues({15, 14, 12, 8}).Check();
  spec(true, true).ExpectValues({14, 12, 8, 0}).Check();
}

TEST(CumSum, EveryAxisAndForm) {
  for (int form = 0; form < 4; ++form) {
    auto check = [form](const Shape& x, int axis) {
      OpSpec spec("CumSum");
      spec.Name(ShapeToString(x) + " " + std::to_string(axis)).Input(x).Attr("axis", axis)
          .Attr("exclusive", form % 2 == 1).Attr("reverse", form / 2 == 1).ExpectOutput(x).SymbolicBatch().Check();
    };
    for (int axis : {0, 1, 2, -1, -2, -3}) check({3, 4, 5}, axis);
    check({1}, 0);
    check({2, 301}, 1);
    check({5, 700}, 0);
    check({4, 1, 3}, 1);
    check({0, 3}, 1);
    check({3, 0}, 1);
    check({2, 16, 3, 3}, 1);
  }
}

TEST(CumSum, LongLinesStayExact) {
  OpSpec("CumSum").Input({3000}).InputRange(0, 1).Attr("axis", 0).ExpectOutput({3000}).Check();
}

TEST(CumSum, Errors) {
  for (int64_t axis : {int64_t{2}, int64_t{-3}, INT64_MIN, INT64_MAX}) {
    OpSpec("CumSum").Input({2, 3}).Attr("axis", axis).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kAttr, "is not in [-2, 1]");
  }
  OpSpec("CumSum").Input({}).Attr("axis", 0).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "axis 0 is not in");
  OpSpec("CumSum").Input({3}).ExpectOutput({3}).ExpectError(ErrorClass::kAttr, "attribute \"axis\" is required");
  OpSpec("CumSum").IntInput({3}, 0, 1).Attr("axis", 0).ExpectOutput({3})
      .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[3]");
  OpSpec("CumSum").Input({3}).Attr("axis", 0).Attr("exclusive", 1).ExpectOutput({3})
      .ExpectError(ErrorClass::kAttr, "attribute \"exclusive\" = 1 is of type int");
}

}  // namespace
}  // namespace athanor
