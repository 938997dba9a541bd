#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kModes[] = {"constant", "reflect", "edge"};

OpSpec Case(const char* mode, const Shape& x, const Ints& pads) {
  OpSpec spec("Pad");
  Shape y = x;
  for (size_t d = 0; d < x.size(); ++d) y[d] += pads[d] + pads[x.size() + d];
  spec.Name(std::string(mode) + " " + ShapeToString(pads)).Input(x).Attr("pads", pads).Attr("mode", mode)
      .ExpectOutput(y);
  return spec;
}

TEST(Pad, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 3}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}); };
  auto spec = [&](const char* mode) {
    OpSpec s("Pad");
    s.Given(x()).Attr("mode", mode).Attr("pads", Ints{1, 2, 0, 1}).ExpectOutput({3, 6});
    return s;
  };
  spec("constant").Attr("value", 9.0)
      .ExpectValues({9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9}).Check();
  spec("reflect").ExpectValues({6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}).Check();
  spec("edge").ExpectValues({1, 1, 1, 2, 3, 3, 1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6}).Check();
  OpSpec("PadGrad").Given(Tensor::Of<float>({5}, {1.0f, 2.0f, 4.0f, 8.0f, 16.0f})).Attr("mode", "reflect")
      .Attr("pads", Ints{1, 1}).ExpectOutput({3}).ExpectValues({2, 1 + 4 + 16, 8}).Check();
  OpSpec("PadGrad").Given(Tensor::Of<float>({5}, {1.0f, 2.0f, 4.0f, 8.0f, 16.0f})).Attr("mode", "edge")
      .Attr("pads", Ints{2, 1}).ExpectOutput({2}).ExpectValues({7, 24}).Check();
}

TEST(Pad, EveryDimension) {
  for (const char* mode : kModes) {
    const Shape x = {3, 4, 5};
    for (int d = 0; d < 3; ++d) {
      for (const auto& [before, behind] : std::vector<std::pair<int64_t, int64_t>>{{1, 0}, {0, 2}, {2, 1}}) {
        Ints pads(6, 0);
        pads[d] = before, pads[3 + d] = behind;
        OpSpec spec = Case(mode, x, pads);
        if (d > 0) spec.SymbolicBatch();
        spec.Check();
      }
    }
    Case(mode, x, {2, 1, 3, 1, 3, 4}).Check();
    Case(mode, x, {0, 0, 0, 0, 0, 0}).SymbolicBatch().Check();
    Case(mode, {2, 3, 5, 7}, {0, 0, 1, 2, 0, 0, 2, 1}).SymbolicBatch().Check();
    Case(mode, {2, 3, 33, 17}, {0, 0, 3, 3, 0, 0, 3, 3}).SymbolicBatch().Check();
    Case(mode, {2, 16, 4, 4}, {0, 1, 0, 0, 0, 2, 0, 0}).SymbolicBatch().Check();
    Case(mode, {9}, {8, 8}).Check();
    Case(mode, {2, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 0, 1, 0, 1}).Check();
    Case(mode, {}, {}).Check();
    Case(mode, {0, 3}, {0, 1, 0, 2}).Check();
  }
}

TEST(Pad, OneElementCannotBeReflectedButRepeated) {
  Case("edge", {1}, {3, 4}).Check();
  Case("edge", {1, 1}, {30, 2, 1, 0}).Check();
  Case("constant", {1}, {3, 4}).Attr("value", -2.5).Check();
}

TEST(Pad, ConstantsAroundNothing) {
  Case("constant", {0}, {2, 1}).Attr("value", 3.0).ExpectValues({3, 3, 3}).Check();
  Case("constant", {2, 0}, {0, 1, 1, 1}).Attr("value", 1.5).ExpectValues({1.5, 1.5, 1.5, 1.5, 1.5, 1.5}).Check();
}

TEST(Pad, OfAnyType) {
  for (DType dtype : {DType::kS32, DType::kS64, DType::kU8, DType::kS8, DType::kBool}) {
    for (const char* mode : kModes) {
      OpSpec("Pad").IntInput({2, 3}, 0, 1, dtype).Attr("mode", mode).Attr("pads", Ints{1, 2, 1, 0}).Attr("value", 1.0)
          .ExpectOutput({4, 5}, dtype).Check();
    }
  }
  OpSpec("Pad").IntInput({2}, 0, 1, DType::kS64).Attr("pads", Ints{1, 0}).Attr("value", -9007199254740992.0)
      .ExpectOutput({3}, DType::kS64).Check();
}

TEST(Pad, Errors) {
  auto refuse = [](const char* mode, const Shape& x, const Ints& pads, ErrorClass error, const std::string& text) {
    OpSpec("Pad").Input(x).Attr("pads", pads).Attr("mode", mode).ExpectOutput(x).ExpectError(error, text);
  };
  for (const char* mode : kModes) {
    refuse(mode, {2, 3}, {-1, 0, 0, 0}, ErrorClass::kAttr, "attribute \"pads\" = [-1,0,0,0] is not in [0");
    refuse(mode, {2, 3}, {1, 1}, ErrorClass::kAttr,
           "pads [1,1] has 2 entries, expected two a dimension of input \"x\"");
    refuse(mode, {2, 3}, {1, 1, 1}, ErrorClass::kAttr, "has 3 entries");
    refuse(mode, {}, {1, 1}, ErrorClass::kAttr, "has 2 entries");
  }
  for (const char* mode : {"constant", "edge"}) {
    refuse(mode, {2}, {INT64_MAX, 1}, ErrorClass::kLimit,
           "dimension 0, 2 with 9223372036854775807 before and 1 behind");
    refuse(mode, {2, 2}, {int64_t{1} << 40, int64_t{1} << 40, 0, 0}, ErrorClass::kLimit, "y");
  }
  refuse("reflect", {2, 3}, {2, 0, 0, 0}, ErrorClass::kAttr,
         "pads of dimension 0, 2 and 0, must be smaller than the dimension in mode reflect, but input \"x\" is "
         "f32[2,3]");
  refuse("reflect", {2, 3}, {0, 0, 0, 3}, ErrorClass::kAttr, "pads of dimension 1, 0 and 3");
  refuse("reflect", {1}, {1, 0}, ErrorClass::kAttr, "must be smaller than the dimension");
  refuse("reflect", {0}, {1, 0}, ErrorClass::kAttr, "must be smaller than the dimension");
  refuse("reflect", {3}, {INT64_MAX, 0}, ErrorClass::kAttr, "must be smaller than the dimension");
  refuse("edge", {0, 2}, {1, 0, 0, 0}, ErrorClass::kShape, "dimension 0 has no edge to repeat");
  refuse("wrap", {2}, {1, 1}, ErrorClass::kAttr, "\"wrap\" is not one of constant, reflect, edge");
  OpSpec("Pad").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "attribute \"pads\" is required");
  OpSpec("Pad").IntInput({2}, 0, 1).Attr("pads", Ints{1, 0}).Attr("value", 0.5).ExpectOutput({3}, DType::kS32)
      .ExpectError(ErrorClass::kAttr, "value = 0.5 is no s32");
  OpSpec("Pad").IntInput({2}, 0, 1, DType::kU8).Attr("pads", Ints{1, 0}).Attr("value", 256.0)
      .ExpectOutput({3}, DType::kU8).ExpectError(ErrorClass::kAttr, "value = 256 is no u8");
}

TEST(PadGrad, Errors) {
  auto refuse = [](const char* mode, const Shape& dy, const Ints& pads, ErrorClass error, const std::string& text) {
    OpSpec("PadGrad").Input(dy).Attr("pads", pads).Attr("mode", mode).ExpectOutput(dy).ExpectError(error, text);
  };
  refuse("edge", {4}, {3, 2}, ErrorClass::kShape,
         "input \"dy\" is f32[4]: dimension 0 is smaller than its pads, 3 and 2");
  refuse("edge", {4}, {INT64_MAX, INT64_MAX}, ErrorClass::kShape, "is smaller than its pads");
  refuse("edge", {4}, {2, 2}, ErrorClass::kShape, "has no edge to repeat");
  refuse("reflect", {4}, {2, 0}, ErrorClass::kAttr, "must be smaller than the dimension");
  refuse("reflect", {4}, {1}, ErrorClass::kAttr, "pads [1] has 1 entries");
  refuse("constant", {4}, {1, 1}, ErrorClass::kAttr, "\"constant\" is not one of reflect, edge");
  OpSpec("PadGrad").IntInput({4}, 0, 1).Attr("pads", Ints{1, 1}).Attr("mode", "edge").ExpectOutput({2})
      .ExpectError(ErrorClass::kDtype, "input \"dy\" is s32[4]");
}

}  // namespace
}  // namespace athanor
