#include <algorithm>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const Shape& x, const Ints& perm) {
  OpSpec spec("Transpose");
  spec.Name(ShapeToString(perm)).Input(x).Attr("perm", perm);
  return spec;
}

TEST(Transpose, KnownValues) {
  OpSpec("Transpose").Given(Tensor::Of<float>({2, 3}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f})).ExpectOutput({3, 2})
      .ExpectValues({1, 4, 2, 5, 3, 6}).Check();
}

TEST(Transpose, EveryPermutationOfThreeDimensions) {
  const Shape x = {2, 5, 3};
  Ints perm = {0, 1, 2};
  do {
    OpSpec spec = Case(x, perm);
    spec.ExpectOutput({x[perm[0]], x[perm[1]], x[perm[2]]});
    if (perm[0] == 0) spec.SymbolicBatch();
    spec.Check();
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(Transpose, OddShapes) {
  OpSpec("Transpose").Name("reverse").Input({2, 3, 4, 5}).ExpectOutput({5, 4, 3, 2}).Check();
  OpSpec("Transpose").Name("scalar").Input({}).ExpectOutput({}).Check();
  Case({7}, {0}).ExpectOutput({7}).SymbolicBatch().Check();
  Case({1, 7, 1, 4}, {1, 0, 3, 2}).ExpectOutput({7, 1, 4, 1}).Check();  // a view
  Case({2, 3, 1, 5}, {0, 2, 3, 1}).ExpectOutput({2, 1, 5, 3}).SymbolicBatch().Check();
  Case({2, 17, 3, 5}, {0, 2, 3, 1}).ExpectOutput({2, 3, 5, 17}).SymbolicBatch().Check();
  Case({2, 1, 3, 1, 2, 2, 1, 3}, {7, 3, 5, 1, 6, 0, 2, 4}).ExpectOutput({3, 1, 2, 1, 1, 2, 3, 2}).Check();
  OpSpec("Transpose").Name("parameter").Parameter({16, 8, 3, 3}).Attr("perm", Ints{1, 0, 2, 3})
      .ExpectOutput({8, 16, 3, 3}).Check();
}

TEST(Transpose, OfAnyType) {
  OpSpec("Transpose").IntInput({3, 5}, -9, 9).ExpectOutput({5, 3}, DType::kS32).Check();
  OpSpec("Transpose").IntInput({3, 5}, -9, 9, DType::kS64).ExpectOutput({5, 3}, DType::kS64).Check();
  OpSpec("Transpose").IntInput({3, 5}, 0, 255, DType::kU8).ExpectOutput({5, 3}, DType::kU8).Check();
  OpSpec("Transpose").IntInput({3, 5}, 0, 1, DType::kBool).ExpectOutput({5, 3}, DType::kBool).Check();
}

TEST(Transpose, RefusesWhatIsNoPermutation) {
  auto refuse = [](const Ints& perm, const std::string& text) {
    Case({2, 3}, perm).ExpectOutput({2, 3}).ExpectError(ErrorClass::kAttr, text);
  };
  refuse({0, 0}, "perm [0,0] is no permutation of the dimensions 0 to 1");
  refuse({0, 2}, "perm [0,2] is no permutation");
  refuse({-1, 0}, "perm [-1,0] is no permutation");
  refuse({INT64_MIN, 0}, "is no permutation");
  refuse({0}, "perm [0] has 1 entries, but input \"x\" is f32[2,3]");
  refuse({0, 1, 2}, "perm [0,1,2] has 3 entries");
}

}  // namespace
}  // namespace athanor
