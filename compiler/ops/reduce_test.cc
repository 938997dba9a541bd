#include <limits>

#include "absl/strings/str_join.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOps[] = {"ReduceSum", "ReduceMean", "ReduceMax"};

TEST(Reduce, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 3}, {1, 2, 3, -4, 5, -6}); };
  OpSpec("ReduceSum").Given(x()).ExpectOutput({}).ExpectValues({1}).Check();
  OpSpec("ReduceMean").Given(x()).Attr("axes", Ints{1}).ExpectOutput({2}).ExpectValues({2, -5.0 / 3}).Check();
  OpSpec("ReduceMax")
      .Given(x())
      .Attr("axes", Ints{0})
      .Attr("keepdims", true)
      .ExpectOutput({1, 3})
      .ExpectValues({1, 5, 3})
      .Check();
  // Equal maxima share the gradient; finite differences know nothing of that.
  OpSpec("ReduceMaxGrad").Attr("axes", Ints{1}).Given(Tensor::Of<float>({2}, {6, 10}))
      .Given(Tensor::Of<float>({2, 3}, {7, 7, 7, 1, 2, 2})).Given(Tensor::Of<float>({2}, {7, 2})).ExpectOutput({2, 3})
      .ExpectValues({2, 2, 2, 0, 5, 5}).NotDifferentiable().Check();
}

TEST(Reduce, EverySetOfAxes) {
  for (const char* op : kOps) {
    for (const Shape& x : std::vector<Shape>{{3, 4, 5}, {2, 1, 6}, {1, 1, 1}, {2, 3, 33}}) {
      for (int mask = 0; mask < 16; ++mask) {
        const bool keepdims = mask & 8;
        Ints axes;
        Shape y;
        for (int d = 0; d < 3; ++d) {
          // The empty list means all.
          const bool reduced = (mask & 7) == 0 || mask & (1 << d);
          if (mask & (1 << d)) axes.push_back(d % 2 == 0 ? d : d - 3);
          if (!reduced || keepdims) y.push_back(reduced ? 1 : x[d]);
        }
        OpSpec spec(op);
        spec.Name("axes " + absl::StrJoin(axes, ",")).Attr("axes", axes).Attr("keepdims", keepdims).Input(x).KinkFree();
        spec.ExpectOutput(y);
        if (!axes.empty() && mask % 2 == 0) spec.SymbolicBatch();
        spec.Check();
      }
    }
  }
}

TEST(Reduce, OtherRanks) {
  for (const char* op : kOps) {
    OpSpec(op).Name("scalar").Input({}).ExpectOutput({}).Check();
    OpSpec(op).Name("vector").Input({100}).KinkFree().ExpectOutput({}).Check();
    OpSpec(op).Name("channels").Attr("axes", Ints{0, 2, 3}).Input({4, 6, 5, 5}).KinkFree().ExpectOutput({6}).Check();
    OpSpec(op).Name("channels of images").Attr("axes", Ints{3, 2}).Input({4, 6, 5, 5}).KinkFree().ExpectOutput({4, 6})
        .SymbolicBatch().Check();
    OpSpec(op)
        .Name("rows")
        .Attr("axes", Ints{-1})
        .Input({64, 300})
        .KinkFree()
        .ExpectOutput({64})
        .SymbolicBatch()
        .Check();
    OpSpec(op).Name("columns").Attr("axes", Ints{0}).Input({300, 64}).KinkFree().ExpectOutput({64}).Check();
  }
}

TEST(Reduce, Errors) {
  for (const char* op : kOps) {
    for (int64_t axis :
         {int64_t{2}, int64_t{-3}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
      OpSpec(op).Input({2, 3}).Attr("axes", Ints{0, axis}).ExpectOutput({3})
          .ExpectError(ErrorClass::kAttr, "axis " + std::to_string(axis) + " is not in [-2, 1]");
    }
    OpSpec(op)
        .Input({2, 3})
        .Attr("axes", Ints{1, -1})
        .ExpectOutput({2})
        .ExpectError(ErrorClass::kAttr, "axes [1,-1] name axis 1 twice");
    OpSpec(op).Input({2, 0}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "\"x\" is f32[2,0]: it is empty");
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({}).ExpectError(ErrorClass::kDtype, "\"x\" is s32[2]");
    OpSpec(op).Input({2}).Attr("axes", 0).ExpectOutput({}).ExpectError(ErrorClass::kAttr, "of type int, expected ints");
  }
}

}  // namespace
}  // namespace athanor
