#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(LpPool, KnownValues) {
  auto line = [] { return Tensor::Of<float>({1, 1, 5}, {3, -4, 0, 0, 5}); };
  OpSpec("LpPool").Attr("kernel", Ints{2}).Given(line()).ExpectOutput({1, 1, 4}).ExpectValues({5, 4, 0, 5}).Check();
}

TEST(LpPool, AllCases) {
  struct Case {
    const char* name;
    Shape x, y;
    Attributes attrs;
  };
  const Case cases[] = {
      {"2d", {2, 3, 6, 8}, {2, 3, 3, 4}, {{"kernel", Ints{2, 2}}, {"strides", Ints{2, 2}}}},
      {"overlapping, padded", {1, 2, 5, 6}, {1, 2, 3, 6},
       {{"kernel", Ints{3, 2}}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 1}}}},
      {"ceil", {1, 2, 5, 6}, {1, 2, 3, 3}, {{"kernel", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", true}}},
      {"same", {1, 2, 5}, {1, 2, 3},
       {{"kernel", Ints{3}}, {"strides", Ints{2}}, {"auto_pad", std::string("same_upper")}}},
      {"a block of channels", {1, 16, 4, 4}, {1, 16, 2, 2}, {{"kernel", Ints{3, 3}}}},
      {"3d", {1, 2, 3, 4, 3}, {1, 2, 2, 2, 2}, {{"kernel", Ints{2, 3, 2}}}},
      {"size 1", {1, 1, 1}, {1, 1, 1}, {{"kernel", Ints{1}}}},
  };
  for (const Case& c : cases) {
    for (int64_t p : {1, 2, 3, 4, 5}) {
      OpSpec spec("LpPool");
      spec.Name(absl::StrCat(c.name, ", p = ", p)).Attr("p", p).Input(c.x).KinkFree();
      for (const auto& [name, value] : c.attrs.items()) spec.Attr(name, value);
      spec.ExpectOutput(c.y).SymbolicBatch().Check();
    }
  }
}

TEST(LpPool, TheGradientIsZeroWhereThereIsNothing) {
  for (int64_t p : {2, 3, 7}) {
    OpSpec("LpPoolRootGrad").Attr("p", p).Attr("scale", 4.0).Given(Tensor::Of<float>({2}, {1, -3}))
        .Given(Tensor::Of<float>({2}, {0, 0})).ExpectOutput({2}).ExpectValues({0, 0}).NotDifferentiable().Check();
    OpSpec("LpPoolPowerGrad").Attr("p", p).Given(Tensor::Of<float>({2}, {1, -3}))
        .Given(Tensor::Of<float>({2}, {0, 0})).ExpectOutput({2}).ExpectValues({0, 0}).NotDifferentiable().Check();
  }
}

TEST(LpPool, Parts) {
  for (int64_t p : {1, 2, 3, 4, 5, 9}) {
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{37}, Shape{2, 16, 3, 5}, Shape{2, 0}}) {
      auto spec = [&](const char* op, bool root) {
        OpSpec s(op);
        s.Name(absl::StrCat(p, ShapeToString(shape))).Attr("p", p).ExpectOutput(shape);
        if (root) s.Attr("scale", 2.0);
        return s;
      };
      spec("LpPoolPower", false).Input(shape).KinkFree().Check();
      spec("LpPoolPowerGrad", false).Input(shape).Input(shape).NotDifferentiable().Check();
      spec("LpPoolRoot", true).Input(shape).InputRange(0.25, 1).Check();
      spec("LpPoolRootGrad", true).Input(shape).Input(shape).InputRange(0.25, 1).NotDifferentiable().Check();
    }
  }
}

TEST(LpPool, Errors) {
  auto spec = [](const char* name, AttrValue value) {
    OpSpec s("LpPool");
    s.Attr("kernel", Ints{2, 2}).Attr(name, std::move(value)).Input({1, 2, 5, 5}).ExpectOutput({1, 2, 4, 4});
    return s;
  };
  spec("p", int64_t{0}).ExpectError(ErrorClass::kAttr, "\"p\" = 0");
  spec("p", int64_t{-2}).ExpectError(ErrorClass::kAttr, "\"p\" = -2");
  spec("p", 2.0).ExpectError(ErrorClass::kAttr, "of type float, expected int");
  spec("p", int64_t{1} << 40).ExpectError(ErrorClass::kAttr, "\"p\"");
  spec("kernel", Ints{2}).ExpectError(ErrorClass::kAttr, "must have 2 numbers");
  spec("kernel", Ints{0, 2}).ExpectError(ErrorClass::kAttr, "\"kernel\" = [0,2]");
  spec("kernel", Ints{6, 2}).ExpectError(ErrorClass::kShape, "a height of 6");
  spec("strides", Ints{0, 1}).ExpectError(ErrorClass::kAttr, "\"strides\" = [0,1]");
  spec("pads", Ints{0, 2, 0, 0}).ExpectError(ErrorClass::kAttr, "must each be smaller than the kernel");
  spec("auto_pad", std::string("same_upper")).Attr("pads", Ints{0, 1, 0, 0}).ExpectError(ErrorClass::kAttr, "finds");
  spec("dilations", Ints{1, 1}).ExpectError(ErrorClass::kAttr, "no attribute \"dilations\"");
  auto of = [](Shape x) {
    OpSpec s("LpPool");
    s.Attr("kernel", Ints{2, 2}).Input(std::move(x)).ExpectOutput({1, 2, 4, 4});
    return s;
  };
  of({1, 2}).ExpectError(ErrorClass::kShape, "of rank 2, expected rank 3 to 5");
  of({1, 0, 5, 5}).ExpectError(ErrorClass::kShape, "it is empty");
  of({0, 2, 5, 5}).ExpectError(ErrorClass::kShape, "it is empty");
  OpSpec("LpPool").Attr("kernel", Ints{2, 2}).IntInput({1, 2, 5, 5}, 0, 3).ExpectOutput({1, 2, 4, 4})
      .ExpectError(ErrorClass::kDtype, "\"x\" is s32");
  OpSpec("LpPool").Input({1, 2, 5, 5}).ExpectOutput({1, 2, 4, 4})
      .ExpectError(ErrorClass::kAttr, "\"kernel\" is required");
  OpSpec("LpPoolPowerGrad").Input({2}).Input({3}).ExpectOutput({2})
      .ExpectError(ErrorClass::kShape, "\"x\" is f32[3], expected f32[2] like dy");
  OpSpec("LpPoolRootGrad").Attr("scale", 1.0).Input({2}).Input({2, 1}).ExpectOutput({2})
      .ExpectError(ErrorClass::kShape, "\"y\" is f32[2,1]");
  OpSpec("LpPoolRoot").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "\"scale\" is required");
  OpSpec("LpPoolRoot").Attr("scale", 0.5).Input({2}).ExpectOutput({2})
      .ExpectError(ErrorClass::kAttr, "\"scale\" = 0.5");
  OpSpec("LpPoolPower").IntInput({2}, 0, 3).ExpectOutput({2}).ExpectError(ErrorClass::kDtype, "\"x\" is s32");
}

}  // namespace
}  // namespace athanor
