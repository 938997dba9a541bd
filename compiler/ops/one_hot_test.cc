#include <cmath>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(OneHot, KnownValues) {
  auto indices = [] { return Tensor::Of<int64_t>({3}, {0, 2, 1}); };
  OpSpec("OneHot").Given(indices()).Attr("depth", 3).ExpectOutput({3, 3}).ExpectValues({1, 0, 0, 0, 0, 1, 0, 1, 0})
      .NotDifferentiable().Check();
  OpSpec("OneHot").Given(indices()).Attr("depth", 4).Attr("axis", 0).Attr("on_value", 5.0).Attr("off_value", -1.0)
      .ExpectOutput({4, 3}).ExpectValues({5, -1, -1, -1, -1, 5, -1, 5, -1, -1, -1, -1}).NotDifferentiable().Check();
}

TEST(OneHot, EveryAxisAndRank) {
  for (DType dtype : {DType::kS32, DType::kS64}) {
    for (const Shape& indices : std::vector<Shape>{{}, {1}, {33}, {4, 5}, {2, 3, 4}, {0}, {3, 0}}) {
      const int rank = static_cast<int>(indices.size()) + 1;
      for (int axis = -rank; axis < rank; ++axis) {
        Shape y = indices;
        y.insert(y.begin() + (axis < 0 ? axis + rank : axis), 7);
        OpSpec spec("OneHot");
        spec.Name("axis " + std::to_string(axis)).IntInput(indices, 0, 6, dtype).Attr("depth", 7).Attr("axis", axis)
            .ExpectOutput(y).NotDifferentiable();
        if (!indices.empty() && axis % rank != 0) spec.SymbolicBatch();
        spec.Check();
      }
    }
  }
}

TEST(OneHot, Errors) {
  auto spec = [] { return OpSpec("OneHot").IntInput({3}, 0, 1).ExpectOutput({3, 2}); };
  for (int64_t depth : {int64_t{0}, int64_t{-1}, int64_t{1} << 31, INT64_MAX}) {
    spec().Attr("depth", depth).ExpectError(ErrorClass::kAttr, "attribute \"depth\" = " + std::to_string(depth));
  }
  spec().ExpectError(ErrorClass::kAttr, "attribute \"depth\" is required");
  for (int64_t axis : {int64_t{2}, int64_t{-3}, INT64_MIN, INT64_MAX}) {
    spec().Attr("depth", 2).Attr("axis", axis).ExpectError(ErrorClass::kAttr, "is not in [-2, 1]");
  }
  spec().Attr("depth", 2).Attr("on_value", INFINITY).ExpectError(ErrorClass::kAttr, "attribute \"on_value\" = inf");
  spec().Attr("depth", 2).Attr("off_value", NAN).ExpectError(ErrorClass::kAttr, "attribute \"off_value\" = nan");
  OpSpec("OneHot").Input({3}).Attr("depth", 2).ExpectOutput({3, 2})
      .ExpectError(ErrorClass::kDtype, "input \"indices\" is f32[3], expected element type s32 or s64");
  OpSpec("OneHot").IntInput({1, 1, 1, 1, 1, 1, 1, 1}, 0, 0).Attr("depth", 2).ExpectOutput({1})
      .ExpectError(ErrorClass::kShape, "rank 9");
}

TEST(OneHot, AnIndexOutOfRangeIsRefusedWhenItRuns) {
  for (int64_t bad : {int64_t{3}, int64_t{-1}, int64_t{1} << 40}) {
    OpSpec("OneHot").Given(Tensor::Of<int64_t>({2, 2}, {0, 1, bad, 2})).Attr("depth", 3).ExpectOutput({2, 2, 3})
        .NotDifferentiable()
        .ExpectRunError(ErrorClass::kIndex, "indices[1,0] = " + std::to_string(bad) + " is not in [0, 3)");
  }
}

}  // namespace
}  // namespace athanor
