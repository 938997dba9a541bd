#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const Shape& x, const Ints& repeats) {
  OpSpec spec("Tile");
  Shape y = x;
  for (size_t d = 0; d < x.size(); ++d) y[d] *= repeats[d];
  spec.Name(ShapeToString(x) + " by " + ShapeToString(repeats)).Input(x).Attr("repeats", repeats).ExpectOutput(y);
  return spec;
}

TEST(Tile, KnownValues) {
  OpSpec("Tile").Given(Tensor::Of<float>({2, 2}, {1.0f, 2.0f, 3.0f, 4.0f})).Attr("repeats", Ints{2, 3})
      .ExpectOutput({4, 6})
      .ExpectValues({1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4, 1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}).Check();
}

TEST(Tile, EverySetOfDimensions) {
  for (int mask = 0; mask < 8; ++mask) {
    Ints repeats;
    for (int d = 0; d < 3; ++d) repeats.push_back(mask & (1 << d) ? 2 + d : 1);
    OpSpec spec = Case({3, 2, 5}, repeats);
    if (repeats[0] == 1) spec.SymbolicBatch();
    spec.Check();
    Case({1, 4, 1}, repeats).Check();
    Case({2, 0, 3}, repeats).Check();
  }
}

TEST(Tile, EveryRank) {
  Case({}, {}).Check();
  Case({1}, {7}).Check();
  Case({5}, {3}).Check();
  Case({2, 3, 2, 3}, {2, 1, 3, 2}).Check();
  Case({2, 1, 2, 1, 2}, {2, 3, 2, 1, 2}).Check();
  Case({2, 1, 2, 1, 2, 1, 2, 1}, {1, 2, 1, 2, 2, 1, 2, 2}).Check();
  Case({1, 1, 1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 2, 2, 2, 2}).Check();
  Case({2, 1, 1, 1, 1, 1, 1, 2}, {1, 1, 1, 1, 1, 1, 1, 3}).SymbolicBatch().Check();
}

TEST(Tile, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8}) {
    OpSpec("Tile").IntInput({2, 3}, 0, 9, dtype).Attr("repeats", Ints{2, 2}).ExpectOutput({4, 6}, dtype).Check();
  }
}

TEST(Tile, Errors) {
  auto refuse = [](const Shape& x, const Ints& repeats, ErrorClass error, const std::string& text) {
    OpSpec("Tile").Input(x).Attr("repeats", repeats).ExpectOutput(x).ExpectError(error, text);
  };
  refuse({2, 3}, {2}, ErrorClass::kAttr, "repeats [2] has 1 entries, but input \"x\" is f32[2,3]");
  refuse({2, 3}, {2, 2, 2}, ErrorClass::kAttr, "repeats [2,2,2] has 3 entries");
  refuse({}, {2}, ErrorClass::kAttr, "has 1 entries");
  refuse({2, 3}, {0, 1}, ErrorClass::kAttr, "attribute \"repeats\" = [0,1] is not in [1");
  refuse({2, 3}, {-1, 1}, ErrorClass::kAttr, "attribute \"repeats\" = [-1,1]");
  refuse({2, 3}, {INT64_MAX, 1}, ErrorClass::kLimit, "dimension 0, 2 repeated 9223372036854775807 times, overflows");
  refuse({2, 3}, {int64_t{1} << 40, int64_t{1} << 40}, ErrorClass::kLimit, "y");
  OpSpec("Tile").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "attribute \"repeats\" is required");
}

TEST(Tile, ASymbolIsNotRepeated) {
  Node node{"Tile", "t", {0}, {1}, {{"repeats", Ints{2, 1}}}, {}, ""};
  auto types = InferTypes(**FindOp(node), node, {TensorType(DType::kF32, {"N", 3})});
  ASSERT_FALSE(types.ok());
  EXPECT_NE(types.status().message().find("dimension 0 must be a number here"), absl::string_view::npos);
}

}  // namespace
}  // namespace athanor
