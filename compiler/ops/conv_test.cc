#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

// The attributes of a convolution; empty lists are left to their defaults.
struct Options {
  Ints strides = {}, pads = {}, dilations = {};
  int64_t groups = 1;
};

OpSpec& With(OpSpec& spec, const Options& o) {
  if (!o.strides.empty()) spec.Attr("strides", o.strides);
  if (!o.pads.empty()) spec.Attr("pads", o.pads);
  if (!o.dilations.empty()) spec.Attr("dilations", o.dilations);
  if (o.groups != 1) spec.Attr("groups", o.groups);
  return spec;
}

struct Case {
  std::string name;
  Shape x, weight, y;
  Options options;
};

const std::vector<Case>& Cases() {
  static const auto* cases = new std::vector<Case>{
      {"plain", {2, 3, 7, 6}, {4, 3, 3, 3}, {2, 4, 5, 4}, {}},
      {"LeNet's first", {2, 1, 12, 12}, {6, 1, 5, 5}, {2, 6, 12, 12}, {.pads = {2, 2, 2, 2}}},
      {"LeNet's second", {2, 6, 9, 9}, {16, 6, 5, 5}, {2, 16, 5, 5}, {}},
      {"blocks of channels", {1, 16, 5, 5}, {32, 16, 3, 3}, {1, 32, 5, 5}, {.pads = {1, 1, 1, 1}}},
      {"1x1", {2, 5, 4, 3}, {7, 5, 1, 1}, {2, 7, 4, 3}, {}},
      {"all of size 1", {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {"one output position", {2, 3, 4, 5}, {2, 3, 4, 5}, {2, 2, 1, 1}, {}},
      {"one row", {1, 2, 1, 9}, {3, 2, 1, 4}, {1, 3, 1, 6}, {}},
      {"strided", {2, 3, 8, 9}, {4, 3, 3, 3}, {2, 4, 4, 5}, {.strides = {2, 2}, .pads = {1, 1, 1, 1}}},
      {"strided apart", {1, 2, 9, 9}, {3, 2, 2, 3}, {1, 3, 3, 7}, {.strides = {3, 1}}},
      {"stride beyond the kernel", {2, 3, 9, 9}, {4, 3, 2, 2}, {2, 4, 2, 3}, {.strides = {5, 3}}},
      {"a rest that no window covers", {1, 2, 8, 8}, {2, 2, 3, 3}, {1, 2, 2, 2}, {.strides = {4, 4}}},
      {"padded below and right", {1, 3, 7, 5}, {2, 3, 3, 2}, {1, 2, 6, 5}, {.pads = {0, 0, 1, 1}}},
      {"padded above and left", {1, 3, 7, 5}, {2, 3, 3, 3}, {1, 2, 7, 4}, {.pads = {2, 1, 0, 0}}},
      {"padding beyond the kernel", {1, 2, 3, 3}, {2, 2, 2, 2}, {1, 2, 8, 8}, {.pads = {3, 3, 3, 3}}},
      {"dilated", {1, 3, 9, 9}, {4, 3, 3, 3}, {1, 4, 9, 9}, {.pads = {2, 2, 2, 2}, .dilations = {2, 2}}},
      {"dilated, strided, one-sided", {2, 2, 11, 10}, {3, 2, 2, 3}, {2, 3, 4, 4},
       {.strides = {2, 3}, .pads = {0, 3, 1, 0}, .dilations = {4, 1}}},
      {"groups", {2, 4, 5, 5}, {6, 2, 3, 3}, {2, 6, 5, 5}, {.pads = {1, 1, 1, 1}, .groups = 2}},
      {"groups of blocks", {1, 32, 4, 4}, {32, 16, 3, 3}, {1, 32, 4, 4}, {.pads = {1, 1, 1, 1}, .groups = 2}},
      {"depthwise", {2, 5, 6, 6}, {5, 1, 3, 3}, {2, 5, 6, 6}, {.pads = {1, 1, 1, 1}, .groups = 5}},
      {"depthwise of a block", {1, 16, 6, 6}, {16, 1, 3, 3}, {1, 16, 3, 3},
       {.strides = {2, 2}, .pads = {1, 1, 1, 1}, .groups = 16}},
      {"depthwise, two a channel", {1, 3, 5, 5}, {6, 1, 2, 2}, {1, 6, 2, 2}, {.strides = {2, 2}, .groups = 3}},
      {"groups, dilated", {1, 6, 8, 8}, {3, 2, 3, 3}, {1, 3, 4, 4}, {.dilations = {2, 2}, .groups = 3}},
  };
  return *cases;
}

Ints KernelOf(const Case& c) { return {c.weight[2], c.weight[3]}; }
Ints SizeOf(const Case& c) { return {c.x[2], c.x[3]}; }

TEST(Conv2d, KnownValues) {
  auto image = [] { return Tensor::Of<float>({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}); };
  auto kernel = [] { return Tensor::Of<float>({1, 1, 2, 2}, {1, 0, 0, -1}); };
  OpSpec("Conv2d").Name("no flip of the kernel").Given(image()).GivenParameter(kernel()).ExpectOutput({1, 1, 2, 2})
      .ExpectValues({-4, -4, -4, -4}).Check();
  OpSpec("Conv2d").Name("bias").Given(image()).GivenParameter(kernel()).GivenParameter(Tensor::Of<float>({1}, {10}))
      .ExpectOutput({1, 1, 2, 2}).ExpectValues({6, 6, 6, 6}).Check();
  OpSpec("Conv2d").Name("padded above only").Attr("pads", Ints{1, 0, 0, 0}).Given(image()).GivenParameter(kernel())
      .ExpectOutput({1, 1, 3, 2}).ExpectValues({-2, -3, -4, -4, -4, -4}).Check();
  OpSpec("Conv2d").Name("two groups").Attr("groups", 2).Given(Tensor::Of<float>({1, 2, 1, 2}, {1, 2, 3, 4}))
      .GivenParameter(Tensor::Of<float>({2, 1, 1, 1}, {10, 100})).ExpectOutput({1, 2, 1, 2})
      .ExpectValues({10, 20, 300, 400}).Check();
}

TEST(Conv2d, WithBias) {
  for (const Case& c : Cases()) {
    OpSpec spec("Conv2d");
    With(spec, c.options).Name(c.name).Input(c.x).Parameter(c.weight).Parameter({c.weight[0]}).ExpectOutput(c.y)
        .SymbolicBatch().Check();
  }
}

TEST(Conv2d, WithoutBias) {
  for (const Case& c : Cases()) {
    OpSpec spec("Conv2d");
    With(spec, c.options).Name(c.name).Input(c.x).Parameter(c.weight).ExpectOutput(c.y).Check();
  }
}

TEST(Conv2d, AWeightThatIsNoVariable) {
  OpSpec("Conv2d").Input({2, 3, 5, 5}).Input({4, 3, 3, 3}).ExpectOutput({2, 4, 3, 3}).Check();
  OpSpec("Conv2d").Name("groups").Attr("groups", 2).Input({2, 4, 5, 5}).Input({4, 2, 3, 3}).Input({4})
      .ExpectOutput({2, 4, 3, 3}).Check();
}

TEST(Conv2dBackwardData, AllCases) {
  for (const Case& c : Cases()) {
    OpSpec spec("Conv2dBackwardData");
    With(spec, c.options).Name(c.name).Attr("input_size", SizeOf(c)).Input(c.y).Parameter(c.weight).ExpectOutput(c.x)
        .SymbolicBatch().NotDifferentiable().Check();
  }
}

TEST(Conv2dBackwardWeights, AllCases) {
  for (const Case& c : Cases()) {
    OpSpec alone("Conv2dBackwardWeights");
    With(alone, c.options).Name(c.name).Attr("kernel", KernelOf(c)).Input(c.x).Input(c.y).ExpectOutput(c.weight)
        .NotDifferentiable().Check();
    OpSpec both("Conv2dBackwardWeights");
    With(both, c.options).Name(c.name).Attr("kernel", KernelOf(c)).Input(c.x).Input(c.y).ExpectOutput(c.weight)
        .ExpectOutput({c.weight[0]}).NotDifferentiable().Check();
  }
}

TEST(Conv2dErrors, Attributes) {
  auto spec = [](const char* name, Ints value) {
    OpSpec s("Conv2d");
    s.Attr(name, std::move(value)).Input({1, 2, 5, 5}).Parameter({4, 2, 3, 3}).ExpectOutput({1, 4, 3, 3});
    return s;
  };
  spec("strides", {0, 1}).ExpectError(ErrorClass::kAttr, "\"strides\" = [0,1]");
  spec("strides", {1, -1}).ExpectError(ErrorClass::kAttr, "\"strides\" = [1,-1]");
  spec("strides", {1}).ExpectError(ErrorClass::kAttr, "\"strides\" = [1] must have 2 numbers");
  spec("dilations", {0, 1}).ExpectError(ErrorClass::kAttr, "\"dilations\" = [0,1]");
  spec("dilations", {std::numeric_limits<int64_t>::max(), 1}).ExpectError(ErrorClass::kAttr, "\"dilations\"");
  spec("dilations", {1 << 30, 1})
      .ExpectError(ErrorClass::kShape, "a height of 2147483649 (size 3, dilation 1073741824)");
  spec("dilations", {1, 1, 1}).ExpectError(ErrorClass::kAttr, "must have 2 numbers");
  spec("pads", {0, 0, -1, 0}).ExpectError(ErrorClass::kAttr, "\"pads\" = [0,0,-1,0]");
  spec("pads", {0, 0, (int64_t{1} << 31) - 1, 0}).ExpectError(ErrorClass::kAttr, "\"pads\"");
  spec("pads", {1, 1}).ExpectError(ErrorClass::kAttr, "\"pads\" = [1,1] must have 4 numbers");
  spec("kernel", {3, 3}).ExpectError(ErrorClass::kAttr, "no attribute \"kernel\"");
  auto groups = [](int64_t groups, Shape x, Shape weight) {
    OpSpec s("Conv2d");
    s.Attr("groups", groups).Input(std::move(x)).Parameter(std::move(weight)).ExpectOutput({1, 4, 3, 3});
    return s;
  };
  groups(0, {1, 4, 5, 5}, {4, 4, 3, 3}).ExpectError(ErrorClass::kAttr, "\"groups\" = 0");
  groups(-2, {1, 4, 5, 5}, {4, 2, 3, 3}).ExpectError(ErrorClass::kAttr, "\"groups\" = -2");
  groups(3, {1, 4, 5, 5}, {6, 1, 3, 3})
      .ExpectError(ErrorClass::kAttr, "groups = 3 does not divide the 4 input channels");
  groups(2, {1, 4, 5, 5}, {5, 2, 3, 3}).ExpectError(ErrorClass::kAttr, "does not divide the 5 output channels");
  groups(2, {1, 4, 5, 5}, {4, 4, 3, 3}).ExpectError(ErrorClass::kShape, "with 2 channels for each of 2 groups");
}

TEST(Conv2dErrors, Shapes) {
  auto spec = [](Shape x, Shape weight) {
    OpSpec s("Conv2d");
    s.Input(std::move(x)).Parameter(std::move(weight)).ExpectOutput({1, 4, 3, 3});
    return s;
  };
  spec({1, 2, 5}, {4, 2, 3, 3}).ExpectError(ErrorClass::kShape, "\"x\" is f32[1,2,5] of rank 3, expected rank 4");
  spec({1, 2, 5, 5}, {4, 2, 3}).ExpectError(ErrorClass::kShape, "\"weight\" is f32[4,2,3] of rank 3");
  spec({1, 3, 5, 5}, {4, 2, 3, 3})
      .ExpectError(ErrorClass::kShape, "with 3 channels for each of 1 groups; weight f32[4,2,3,3]");
  spec({1, 2, 2, 5}, {4, 2, 3, 3}).ExpectError(ErrorClass::kShape, "a height of 3 (size 3, dilation 1), more than");
  spec({1, 2, 5, 2}, {4, 2, 3, 3}).ExpectError(ErrorClass::kShape, "a width of 3");
  spec({0, 2, 5, 5}, {4, 2, 3, 3}).ExpectError(ErrorClass::kShape, "\"x\" is f32[0,2,5,5]: it is empty");
  spec({1, 0, 5, 5}, {4, 0, 3, 3}).ExpectError(ErrorClass::kShape, "it is empty");
  spec({1, 2, 5, 0}, {4, 2, 3, 3}).ExpectError(ErrorClass::kShape, "it is empty");
  spec({1, 2, 5, 5}, {4, 2, 0, 3}).ExpectError(ErrorClass::kShape, "\"weight\" is f32[4,2,0,3]: it is empty");
  spec({1, 2, 5, 5}, {0, 2, 3, 3}).ExpectError(ErrorClass::kShape, "it is empty");
  OpSpec("Conv2d").Input({1, 2, 5, 5}).Parameter({4, 2, 3, 3}).Parameter({3}).ExpectOutput({1, 4, 3, 3})
      .ExpectError(ErrorClass::kShape, "\"bias\" is f32[3], expected f32[4]");
  OpSpec("Conv2d").Input({1, 2, 5, 5}).Parameter({4, 2, 3, 3}).Parameter({1, 4}).ExpectOutput({1, 4, 3, 3})
      .ExpectError(ErrorClass::kShape, "\"bias\" is f32[1,4]");
}

TEST(Conv2dErrors, ElementTypes) {
  OpSpec("Conv2d").IntInput({1, 2, 5, 5}, 0, 3).Parameter({4, 2, 3, 3}).ExpectOutput({1, 4, 3, 3})
      .ExpectError(ErrorClass::kDtype, "\"x\" is s32[1,2,5,5]");
  OpSpec("Conv2d").Input({1, 2, 5, 5}).IntInput({4, 2, 3, 3}, 0, 3).ExpectOutput({1, 4, 3, 3})
      .ExpectError(ErrorClass::kDtype, "\"weight\" is s32[4,2,3,3]");
  OpSpec("Conv2d").Input({1, 2, 5, 5}).Parameter({4, 2, 3, 3}).IntInput({4}, 0, 3).ExpectOutput({1, 4, 3, 3})
      .ExpectError(ErrorClass::kDtype, "\"bias\" is s32[4]");
}

// A gradient that does not fit the forward operator is found when compiled, not by writing beyond the end.
TEST(Conv2dErrors, GradientsThatDoNotFitTheForwardOperator) {
  auto data = [](Shape dy, Shape weight, Ints size) {
    OpSpec s("Conv2dBackwardData");
    s.Attr("input_size", std::move(size)).Input(std::move(dy)).Parameter(std::move(weight)).ExpectOutput({1, 2, 5, 5});
    return s;
  };
  data({1, 4, 3, 4}, {4, 2, 3, 3}, {5, 5})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[1,4,3,4], expected f32[1,4,3,3]");
  data({1, 3, 3, 3}, {4, 2, 3, 3}, {5, 5}).ExpectError(ErrorClass::kShape, "expected f32[1,4,3,3]");
  data({1, 4, 3, 3}, {4, 2, 3, 3}, {5, 6}).ExpectError(ErrorClass::kShape, "expected f32[1,4,3,4]");
  data({1, 4, 3, 3}, {4, 2, 3, 3}, {2, 5}).ExpectError(ErrorClass::kShape, "a height of 3");
  data({1, 4, 3, 3}, {4, 2, 3, 3}, {5}).ExpectError(ErrorClass::kAttr, "\"input_size\" = [5] must have 2 numbers");
  data({1, 4, 3, 3}, {4, 2, 3, 3}, {5, 0}).ExpectError(ErrorClass::kAttr, "\"input_size\"");
  auto weights = [](Shape x, Shape dy, Ints kernel) {
    OpSpec s("Conv2dBackwardWeights");
    s.Attr("kernel", std::move(kernel)).Input(std::move(x)).Input(std::move(dy)).ExpectOutput({4, 2, 3, 3});
    return s;
  };
  weights({1, 2, 5, 5}, {1, 4, 3, 3}, {2, 3})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[1,4,3,3], expected f32[1,4,4,3]");
  weights({1, 2, 5, 5}, {2, 4, 3, 3}, {3, 3}).ExpectError(ErrorClass::kShape, "expected f32[1,4,3,3]");
  weights({1, 2, 5, 5}, {1, 4, 3, 3}, {6, 3}).ExpectError(ErrorClass::kShape, "a height of 6");
  weights({1, 2, 5, 5}, {1, 4, 3, 3}, {0, 3}).ExpectError(ErrorClass::kAttr, "\"kernel\" = [0,3]");
  weights({1, 3, 5, 5}, {1, 4, 3, 3}, {3, 3}).Attr("groups", 2)
      .ExpectError(ErrorClass::kAttr, "groups = 2 does not divide the 3 input channels");
}

}  // namespace
}  // namespace athanor
