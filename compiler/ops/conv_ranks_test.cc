// Convolutions of one and three dimensions, and auto_pad; conv_test.cc has those of two.
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Case {
  std::string name;
  Shape x, weight, y;
  Ints strides = {}, pads = {}, dilations = {};
  int64_t groups = 1;
  size_t spatial() const { return x.size() - 2; }
};

// A Conv1d, Conv2d or Conv3d, or one of its gradients.
OpSpec Make(const Case& c, const char* suffix = "") {
  OpSpec spec(absl::StrCat("Conv", c.spatial(), "d", suffix));
  spec.Name(c.name);
  if (!c.strides.empty()) spec.Attr("strides", c.strides);
  if (!c.pads.empty()) spec.Attr("pads", c.pads);
  if (!c.dilations.empty()) spec.Attr("dilations", c.dilations);
  if (c.groups != 1) spec.Attr("groups", c.groups);
  return spec;
}

const std::vector<Case>& Lines() {
  static const auto* cases = new std::vector<Case>{
      {"plain", {2, 3, 11}, {4, 3, 3}, {2, 4, 9}},
      {"same size", {2, 3, 8}, {5, 3, 5}, {2, 5, 8}, {1}, {2, 2}},
      {"one channel", {2, 1, 20}, {3, 1, 7}, {2, 3, 14}},
      {"blocks of channels", {1, 16, 10}, {32, 16, 3}, {1, 32, 10}, {1}, {1, 1}},
      {"kernel of 1", {2, 5, 6}, {7, 5, 1}, {2, 7, 6}},
      {"all of size 1", {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
      {"one position", {2, 3, 4}, {2, 3, 4}, {2, 2, 1}},
      {"strided, a rest left over", {2, 3, 12}, {4, 3, 3}, {2, 4, 4}, {3}},
      {"stride beyond the kernel", {2, 3, 12}, {4, 3, 2}, {2, 4, 3}, {5}},
      {"padded at the beginning: causal", {1, 3, 9}, {4, 3, 3}, {1, 4, 9}, {1}, {4, 0}, {2}},
      {"padded at the end", {1, 3, 9}, {4, 3, 3}, {1, 4, 9}, {1}, {0, 2}},
      {"padding beyond the kernel", {1, 2, 3}, {2, 2, 2}, {1, 2, 9}, {1}, {3, 4}},
      {"dilated, strided, one-sided", {2, 2, 15}, {3, 2, 4}, {2, 3, 4}, {2}, {1, 0}, {3}},
      {"groups", {2, 4, 7}, {6, 2, 3}, {2, 6, 7}, {1}, {1, 1}, {}, 2},
      {"groups of blocks", {1, 32, 6}, {32, 16, 3}, {1, 32, 6}, {1}, {1, 1}, {}, 2},
      {"depthwise", {2, 5, 8}, {5, 1, 3}, {2, 5, 8}, {1}, {1, 1}, {}, 5},
      {"depthwise of a block", {2, 16, 9}, {16, 1, 3}, {2, 16, 5}, {2}, {1, 1}, {}, 16},
      {"depthwise, dilated", {1, 8, 12}, {8, 1, 3}, {1, 8, 8}, {1}, {}, {2}, 8},
      {"depthwise, two a channel", {1, 3, 7}, {6, 1, 2}, {1, 6, 3}, {2}, {}, {}, 3},
  };
  return *cases;
}

const std::vector<Case>& Volumes() {
  static const auto* cases = new std::vector<Case>{
      {"plain", {2, 2, 4, 5, 3}, {3, 2, 2, 3, 2}, {2, 3, 3, 3, 2}},
      {"same size", {1, 3, 3, 4, 5}, {4, 3, 3, 3, 3}, {1, 4, 3, 4, 5}, {1, 1, 1}, {1, 1, 1, 1, 1, 1}},
      {"one channel", {2, 1, 4, 4, 4}, {3, 1, 2, 2, 2}, {2, 3, 3, 3, 3}},
      {"blocks of channels", {1, 16, 2, 3, 3}, {16, 16, 1, 3, 3}, {1, 16, 2, 3, 3}, {1, 1, 1}, {0, 1, 1, 0, 1, 1}},
      {"kernel of 1", {2, 3, 2, 3, 2}, {4, 3, 1, 1, 1}, {2, 4, 2, 3, 2}},
      {"all of size 1", {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}},
      {"depth of 1", {2, 3, 1, 4, 4}, {2, 3, 1, 2, 2}, {2, 2, 1, 3, 3}},
      {"strided apart", {1, 2, 5, 6, 7}, {3, 2, 2, 2, 3}, {1, 3, 2, 5, 2}, {3, 1, 4}},
      {"one-sided padding", {1, 2, 3, 3, 3}, {2, 2, 2, 3, 2}, {1, 2, 3, 3, 4}, {1, 1, 1}, {1, 0, 0, 0, 2, 2}},
      {"dilated", {1, 2, 5, 5, 4}, {2, 2, 2, 3, 2}, {1, 2, 3, 5, 3}, {1, 1, 1}, {0, 2, 0, 0, 2, 0}, {2, 2, 1}},
      {"groups", {1, 4, 3, 3, 3}, {6, 2, 2, 2, 2}, {1, 6, 2, 2, 2}, {}, {}, {}, 2},
      {"depthwise", {1, 5, 3, 4, 3}, {5, 1, 2, 3, 2}, {1, 5, 2, 2, 2}, {}, {}, {}, 5},
      {"depthwise of a block", {1, 16, 3, 3, 3}, {16, 1, 3, 3, 3}, {1, 16, 3, 3, 3}, {}, {1, 1, 1, 1, 1, 1}, {}, 16},
  };
  return *cases;
}

class Convolution : public testing::TestWithParam<int> {
 protected:
  const std::vector<Case>& cases() const { return GetParam() == 1 ? Lines() : Volumes(); }
};
INSTANTIATE_TEST_SUITE_P(Dimensions, Convolution, testing::Values(1, 3));

TEST_P(Convolution, Forward) {
  for (const Case& c : cases()) {
    Make(c).Input(c.x).Parameter(c.weight).Parameter({c.weight[0]}).ExpectOutput(c.y).SymbolicBatch().Check();
    Make(c).Input(c.x).Parameter(c.weight).ExpectOutput(c.y).Check();
  }
}

TEST_P(Convolution, BackwardData) {
  for (const Case& c : cases()) {
    Make(c, "BackwardData").Attr("input_size", Ints(c.x.begin() + 2, c.x.end())).Input(c.y).Parameter(c.weight)
        .ExpectOutput(c.x).SymbolicBatch().NotDifferentiable().Check();
  }
}

TEST_P(Convolution, BackwardWeights) {
  for (const Case& c : cases()) {
    const Ints kernel(c.weight.begin() + 2, c.weight.end());
    Make(c, "BackwardWeights").Attr("kernel", kernel).Input(c.x).Input(c.y).ExpectOutput(c.weight).NotDifferentiable()
        .Check();
    Make(c, "BackwardWeights").Attr("kernel", kernel).Input(c.x).Input(c.y).ExpectOutput(c.weight)
        .ExpectOutput({c.weight[0]}).NotDifferentiable().Check();
  }
}

TEST(Conv1d, KnownValues) {
  auto line = [] { return Tensor::Of<float>({1, 1, 4}, {1, 2, 3, 5}); };
  auto kernel = [] { return Tensor::Of<float>({1, 1, 2}, {1, -10}); };
  OpSpec("Conv1d").Given(line()).GivenParameter(kernel()).ExpectOutput({1, 1, 3}).ExpectValues({-19, -28, -47}).Check();
  OpSpec("Conv1d").Name("causal").Attr("pads", Ints{1, 0}).Given(line()).GivenParameter(kernel())
      .GivenParameter(Tensor::Of<float>({1}, {1})).ExpectOutput({1, 1, 4}).ExpectValues({-9, -18, -27, -46}).Check();
  OpSpec("Conv1d").Name("dilated").Attr("dilations", Ints{3}).Given(line()).GivenParameter(kernel())
      .ExpectOutput({1, 1, 1}).ExpectValues({-49}).Check();
}

TEST(Conv3d, KnownValues) {
  OpSpec("Conv3d").Given(Tensor::Of<float>({1, 1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
      .GivenParameter(Tensor::Of<float>({1, 1, 2, 1, 2}, {1, 10, 100, 1000})).ExpectOutput({1, 1, 1, 2, 1})
      .ExpectValues({6521, 8743}).Check();
}

struct AutoPadCase {
  const char* auto_pad;
  Shape x, weight, y;
  Ints strides, dilations;
  Ints same_as;  // the explicit padding
};

const std::vector<AutoPadCase>& AutoPads() {
  static const auto* cases = new std::vector<AutoPadCase>{
      {"same_upper", {2, 3, 7}, {4, 3, 4}, {2, 4, 7}, {1}, {1}, {1, 2}},
      {"same_lower", {2, 3, 7}, {4, 3, 4}, {2, 4, 7}, {1}, {1}, {2, 1}},
      {"same_upper", {1, 2, 8}, {3, 2, 3}, {1, 3, 3}, {3}, {2}, {1, 2}},
      {"same_lower", {1, 2, 8}, {3, 2, 2}, {1, 3, 3}, {3}, {1}, {0, 0}},
      {"valid", {1, 2, 8}, {3, 2, 3}, {1, 3, 2}, {3}, {2}, {0, 0}},
      {"same_upper", {1, 2, 5, 6}, {3, 2, 2, 3}, {1, 3, 3, 6}, {2, 1}, {1, 1}, {0, 1, 1, 1}},
      {"same_lower", {1, 2, 5, 6}, {3, 2, 2, 4}, {1, 3, 5, 3}, {1, 2}, {1, 1}, {1, 1, 0, 1}},
      {"valid", {1, 2, 5, 6}, {3, 2, 2, 3}, {1, 3, 4, 4}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {"same_upper", {1, 2, 3, 4, 5}, {2, 2, 2, 1, 3}, {1, 2, 3, 2, 5}, {1, 2, 1}, {1, 1, 2}, {0, 0, 2, 1, 0, 2}},
      {"same_lower", {1, 2, 3, 4, 5}, {2, 2, 2, 1, 3}, {1, 2, 3, 2, 5}, {1, 2, 1}, {1, 1, 2}, {1, 0, 2, 0, 0, 2}},
      {"valid", {1, 2, 3, 4, 5}, {2, 2, 2, 1, 3}, {1, 2, 2, 4, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0, 0, 0, 0}},
  };
  return *cases;
}

std::vector<double> Evaluate(Node node, const DoubleTensor& x, const DoubleTensor& weight, const Shape& y) {
  ReferenceContext context(node, {&x, &weight}, {TensorType::Of(DType::kF32, y)});
  EXPECT_TRUE(OpRegistry::Get().Find(node.op)->reference(context).ok());
  return context.outputs()[0].data;
}

TEST(AutoPad, AllCases) {
  for (const AutoPadCase& c : AutoPads()) {
    const std::string op = absl::StrCat("Conv", c.strides.size(), "d");
    OpSpec spec(op);
    spec.Name(c.auto_pad).Attr("auto_pad", c.auto_pad).Attr("strides", c.strides).Attr("dilations", c.dilations)
        .Input(c.x).Parameter(c.weight).Parameter({c.weight[0]}).ExpectOutput(c.y).SymbolicBatch().Check();

    DoubleTensor x(c.x), weight(c.weight);
    x.data = internal::RandomFloats("x", 0, x.size(), -1, 1);
    weight.data = internal::RandomFloats("w", 1, weight.size(), -1, 1);
    const Attributes common = {{"strides", c.strides}, {"dilations", c.dilations}};
    Node found{op, "node", {0, 1}, {2}, common, {}, ""}, given = found;
    found.attrs.Set("auto_pad", c.auto_pad);
    given.attrs.Set("pads", c.same_as);
    EXPECT_EQ(Evaluate(found, x, weight, c.y), Evaluate(given, x, weight, c.y)) << op << " " << c.auto_pad;
  }
}

TEST(AutoPad, Errors) {
  auto spec = [](const char* auto_pad, Ints pads) {
    OpSpec s("Conv2d");
    s.Attr("auto_pad", auto_pad).Attr("pads", std::move(pads)).Input({1, 2, 5, 5}).Parameter({4, 2, 3, 3})
        .ExpectOutput({1, 4, 5, 5});
    return s;
  };
  spec("same_upper", {1, 1, 1, 1}).ExpectError(ErrorClass::kAttr, "auto_pad = \"same_upper\" finds the padding");
  spec("valid", {0, 0, 1, 0}).ExpectError(ErrorClass::kAttr, "pads = [0,0,1,0] must be left out");
  spec("same", {0, 0, 0, 0}).ExpectError(ErrorClass::kAttr, "\"auto_pad\" = \"same\" is not one of");
  spec("same_lower", {0, 0, 0, 0}).Attr("dilations", Ints{1 << 30, 1})
      .ExpectError(ErrorClass::kAttr, "its height overflows: kernel 3, dilation 1073741824");
  OpSpec("Conv1d").Attr("auto_pad", "valid").Input({1, 2, 2}).Parameter({4, 2, 3}).ExpectOutput({1, 4, 1})
      .ExpectError(ErrorClass::kShape, "a length of 3 (size 3, dilation 1), more than the padded input's 2 (2 + 0 + 0");
}

// What an operator of n dimensions refuses, from a case that it takes.
TEST_P(Convolution, AttributeErrors) {
  const size_t n = static_cast<size_t>(GetParam());
  const std::string side = n == 1 ? "length" : "width";
  Shape x = {1, 4}, weight = {4, 4}, y = {1, 4};
  x.resize(n + 2, 6);
  weight.resize(n + 2, 3);
  y.resize(n + 2, 4);
  auto spec = [&](const char* name, AttrValue value) {
    OpSpec s(absl::StrCat("Conv", n, "d"));
    s.Attr(name, std::move(value)).Input(x).Parameter(weight).ExpectOutput(y);
    return s;
  };
  auto last = [&](size_t size, int64_t others, int64_t value) {
    Ints list(size, others);
    list.back() = value;
    return list;
  };
  const int64_t huge = std::numeric_limits<int64_t>::max();
  for (int64_t bad : {int64_t{0}, int64_t{-1}, huge}) {
    spec("strides", last(n, 1, bad)).ExpectError(ErrorClass::kAttr, "\"strides\"");
    spec("dilations", last(n, 1, bad)).ExpectError(ErrorClass::kAttr, "\"dilations\"");
  }
  spec("pads", last(2 * n, 0, -1)).ExpectError(ErrorClass::kAttr, "\"pads\"");
  spec("pads", last(2 * n, 0, (int64_t{1} << 31) - 1)).ExpectError(ErrorClass::kAttr, "\"pads\"");
  spec("strides", Ints(n + 1, 1)).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n, " numbers"));
  spec("strides", Ints{}).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n, " numbers"));
  spec("dilations", Ints(n + 1, 1)).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n, " numbers"));
  spec("pads", Ints(n, 0)).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", 2 * n, " numbers"));
  spec("dilations", last(n, 1, 3))
      .ExpectError(ErrorClass::kShape, absl::StrCat("a ", side, " of 7 (size 3, dilation 3)"));
  spec("dilations", last(n, 1, 1 << 30)).ExpectError(ErrorClass::kShape, "of 2147483649");
  spec("groups", AttrValue(int64_t{0})).ExpectError(ErrorClass::kAttr, "\"groups\" = 0");
  spec("groups", AttrValue(int64_t{-4})).ExpectError(ErrorClass::kAttr, "\"groups\" = -4");
  spec("groups", AttrValue(int64_t{3})).ExpectError(ErrorClass::kAttr, "groups = 3 does not divide the 4 output");
  spec("groups", AttrValue(int64_t{2})).ExpectError(ErrorClass::kShape, "with 2 channels for each of 2 groups");
  spec("strides", AttrValue(int64_t{1})).ExpectError(ErrorClass::kAttr, "of type int, expected ints");
  spec("kernel", Ints(n, 3)).ExpectError(ErrorClass::kAttr, "no attribute \"kernel\"");
}

TEST_P(Convolution, ShapeErrors) {
  const size_t n = static_cast<size_t>(GetParam());
  Shape x = {1, 2}, weight = {4, 2}, y = {1, 4};
  x.resize(n + 2, 5);
  weight.resize(n + 2, 3);
  y.resize(n + 2, 3);
  auto spec = [&](Shape x, Shape weight) {
    OpSpec s(absl::StrCat("Conv", n, "d"));
    s.Input(std::move(x)).Parameter(std::move(weight)).ExpectOutput(y);
    return s;
  };
  auto with = [](Shape shape, size_t d, int64_t size) {
    shape[d] = size;
    return shape;
  };
  spec({1, 2}, weight).ExpectError(ErrorClass::kShape, absl::StrCat("of rank 2, expected rank ", n + 2));
  spec({1, 2, 5, 5, 5, 5}, weight).ExpectError(ErrorClass::kShape, "of rank 6");
  spec(x, {4, 2}).ExpectError(ErrorClass::kShape, "\"weight\" is f32[4,2] of rank 2");
  spec(with(x, 1, 3), weight).ExpectError(ErrorClass::kShape, "with 3 channels for each of 1 groups");
  spec(with(x, n + 1, 2), weight).ExpectError(ErrorClass::kShape, "more than the padded input's 2");
  for (size_t d = 0; d < n + 2; ++d) {
    spec(with(x, d, 0), weight).ExpectError(ErrorClass::kShape, "it is empty");
    spec(x, with(weight, d, 0)).ExpectError(ErrorClass::kShape, "it is empty");
  }
  spec(x, weight).Parameter({5}).ExpectError(ErrorClass::kShape, "\"bias\" is f32[5], expected f32[4]");
  spec(x, weight).Parameter({4, 1}).ExpectError(ErrorClass::kShape, "\"bias\" is f32[4,1]");
  spec(x, weight).IntInput({4}, 0, 1).ExpectError(ErrorClass::kDtype, "\"bias\" is s32[4]");
  OpSpec(absl::StrCat("Conv", n, "d")).IntInput(x, 0, 3).Parameter(weight).ExpectOutput(y)
      .ExpectError(ErrorClass::kDtype, "\"x\" is s32");
  OpSpec(absl::StrCat("Conv", n, "d")).Input(x).IntInput(weight, 0, 3).ExpectOutput(y)
      .ExpectError(ErrorClass::kDtype, "\"weight\" is s32");
}

TEST_P(Convolution, GradientsThatDoNotFitTheForwardOperator) {
  const size_t n = static_cast<size_t>(GetParam());
  Shape x = {1, 2}, weight = {4, 2}, y = {1, 4};
  x.resize(n + 2, 5);
  weight.resize(n + 2, 3);
  y.resize(n + 2, 3);
  auto data = [&](Shape dy, Ints size) {
    OpSpec s(absl::StrCat("Conv", n, "dBackwardData"));
    s.Attr("input_size", std::move(size)).Input(std::move(dy)).Parameter(weight).ExpectOutput(x);
    return s;
  };
  Shape longer = y, other = y;
  ++longer.back();
  other[1] = 3;
  data(longer, Ints(n, 5)).ExpectError(ErrorClass::kShape, "expected f32[1,4,3");
  data(other, Ints(n, 5)).ExpectError(ErrorClass::kShape, "expected f32[1,4,3");
  data(y, Ints(n, 2)).ExpectError(ErrorClass::kShape, "more than the padded input's 2");
  data(y, Ints(n + 1, 5)).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n, " numbers"));
  data(y, Ints(n, 0)).ExpectError(ErrorClass::kAttr, "\"input_size\"");
  auto weights = [&](Shape dy, Ints kernel) {
    OpSpec s(absl::StrCat("Conv", n, "dBackwardWeights"));
    s.Attr("kernel", std::move(kernel)).Input(x).Input(std::move(dy)).ExpectOutput(weight);
    return s;
  };
  weights(y, Ints(n, 2)).ExpectError(ErrorClass::kShape, "expected f32[1,4,4");
  weights(longer, Ints(n, 3)).ExpectError(ErrorClass::kShape, "expected f32[1,4,3");
  weights(y, Ints(n, 6)).ExpectError(ErrorClass::kShape, "more than the padded input's 5");
  weights(y, Ints(n, 0)).ExpectError(ErrorClass::kAttr, "\"kernel\"");
  weights(y, Ints{}).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n, " numbers"));
  weights(other, Ints(n, 3)).Attr("groups", 2)
      .ExpectError(ErrorClass::kAttr, "groups = 2 does not divide the 3 output channels");
}

}  // namespace
}  // namespace athanor
