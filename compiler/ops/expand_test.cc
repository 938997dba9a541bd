#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const Shape& x, const Ints& shape) {
  OpSpec spec("Expand");
  spec.Name(ShapeToString(x) + " with " + ShapeToString(shape)).Input(x).Attr("shape", shape);
  return spec;
}

TEST(Expand, KnownValues) {
  OpSpec("Expand").Given(Tensor::Of<float>({2, 1}, {1.0f, 2.0f})).Attr("shape", Ints{2, 1, 3}).ExpectOutput({2, 2, 3})
      .ExpectValues({1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2}).Check();
}

TEST(Expand, Repeats) {
  Case({3, 1, 5}, {3, 4, 5}).ExpectOutput({3, 4, 5}).Check();
  Case({3, 1, 5}, {1, 4, 1}).ExpectOutput({3, 4, 5}).SymbolicBatch().Check();
  Case({5}, {2, 3, 5}).ExpectOutput({2, 3, 5}).Check();
  Case({3, 1}, {2, 1, 7}).ExpectOutput({2, 3, 7}).Check();
  Case({}, {2, 3}).ExpectOutput({2, 3}).Check();
  Case({}, {}).ExpectOutput({}).Check();
  Case({3, 5}, {1, 1}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  Case({3, 5}, {5}).ExpectOutput({3, 5}).SymbolicBatch().Check();
  Case({1, 17, 1, 1}, {2, 17, 3, 5}).ExpectOutput({2, 17, 3, 5}).Check();
  OpSpec("Expand").IntInput({3, 1}, -9, 9).Attr("shape", Ints{3, 4}).ExpectOutput({3, 4}, DType::kS32).Check();
  OpSpec("Expand").Parameter({16, 1}).Attr("shape", Ints{16, 4}).ExpectOutput({16, 4}).Check();
}

TEST(Expand, RefusesWhatDoesNotBroadcast) {
  Case({3, 5}, {3, 4}).ExpectOutput({3, 5}).ExpectError(
      ErrorClass::kShape, "f32[3,5] and f32[3,4] do not broadcast: dimension 1 from the right is 5 against 4");
  Case({3}, {0}).ExpectOutput({3}).ExpectError(ErrorClass::kAttr, "attribute \"shape\" = [0] is not in [1");
  Case({3}, {-1}).ExpectOutput({3}).ExpectError(ErrorClass::kAttr, "attribute \"shape\" = [-1] is not in [1");
  Case({1, 4}, {int64_t{1} << 62, 1}).ExpectOutput({1}).ExpectError(ErrorClass::kLimit, "output \"y\"");
}

}  // namespace
}  // namespace athanor
