#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Case {
  std::string name;
  Shape x, y;
  Ints kernel = {}, strides = {}, pads = {};
};

const std::vector<Case>& Cases() {
  static const auto* cases = new std::vector<Case>{
      {"LeNet", {2, 6, 8, 8}, {2, 6, 4, 4}, {2, 2}, {2, 2}},
      {"a block of channels", {1, 16, 6, 6}, {1, 16, 3, 3}, {2, 2}, {2, 2}},
      {"one channel", {2, 1, 5, 5}, {2, 1, 4, 4}, {2, 2}},
      {"overlapping", {1, 3, 9, 7}, {1, 3, 5, 4}, {3, 3}, {2, 2}, {1, 1, 1, 1}},
      {"odd sizes, padded on one side", {1, 3, 7, 10}, {1, 3, 4, 4}, {3, 2}, {2, 3}, {2, 0, 0, 1}},
      {"a rest that no window covers", {2, 2, 8, 9}, {2, 2, 2, 3}, {3, 3}, {3, 3}},
      {"stride beyond the kernel", {1, 3, 9, 9}, {1, 3, 2, 3}, {2, 2}, {5, 3}},
      {"kernel of 1", {2, 3, 5, 4}, {2, 3, 3, 2}, {1, 1}, {2, 2}},
      {"the whole image", {2, 5, 4, 3}, {2, 5, 1, 1}, {4, 3}},
      {"size 1", {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1}},
      {"padded to the limit", {1, 2, 3, 3}, {1, 2, 5, 5}, {3, 3}, {1, 1}, {2, 2, 2, 2}},
      {"one row", {1, 2, 1, 9}, {1, 2, 1, 4}, {1, 3}, {1, 2}},
      {"window of 255", {1, 2, 16, 18}, {1, 2, 2, 2}, {15, 17}},
      {"window of 256", {1, 2, 17, 16}, {1, 2, 2, 1}, {16, 16}},
      {"1d", {2, 3, 11}, {2, 3, 5}, {3}, {2}},
      {"1d, padded on one side", {2, 3, 7}, {2, 3, 4}, {4}, {2}, {3, 0}},
      {"1d, a block of channels", {1, 16, 8}, {1, 16, 4}, {2}, {2}},
      {"1d, size 1", {1, 1, 1}, {1, 1, 1}, {1}},
      {"1d, window of 256", {1, 2, 258}, {1, 2, 2}, {256}, {2}},
      {"3d", {2, 3, 4, 5, 6}, {2, 3, 2, 2, 3}, {2, 2, 2}, {2, 2, 2}},
      {"3d, overlapping, padded", {1, 2, 3, 4, 3}, {1, 2, 2, 4, 2}, {2, 3, 2}, {2, 1, 2}, {0, 1, 1, 1, 1, 0}},
      {"3d, a block of channels", {1, 16, 2, 4, 4}, {1, 16, 1, 2, 2}, {2, 2, 2}, {2, 2, 2}},
      {"3d, size 1", {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}, {1, 1, 1}},
  };
  return *cases;
}

OpSpec Make(const char* op, const Case& c) {
  OpSpec spec(op);
  spec.Name(c.name).Attr("kernel", c.kernel);
  if (!c.strides.empty()) spec.Attr("strides", c.strides);
  if (!c.pads.empty()) spec.Attr("pads", c.pads);
  return spec;
}

DType WorkspaceOf(const Case& c) { return *NumElements(c.kernel) < 256 ? DType::kU8 : DType::kS32; }
Ints SizeOf(const Case& c) { return Ints(c.x.begin() + 2, c.x.end()); }

Tensor Image() { return Tensor::Of<float>({1, 1, 3, 3}, {1, 2, 3, 6, 5, 4, 7, 8, 9}); }

TEST(MaxPool, KnownValues) {
  OpSpec("MaxPool").Attr("kernel", Ints{2, 2}).Given(Image()).ExpectOutput({1, 1, 2, 2})
      .ExpectValues({6, 5, 8, 9}).Check();
  OpSpec("MaxPool").Name("padding is not 0").Attr("kernel", Ints{2, 2}).Attr("pads", Ints{1, 1, 0, 0})
      .Attr("strides", Ints{2, 2}).Given(Tensor::Of<float>({1, 1, 3, 3}, {-1, -2, -3, -6, -5, -4, -7, -8, -9}))
      .ExpectOutput({1, 1, 2, 2}).ExpectValues({-1, -2, -6, -4}).Check();
}

TEST(MaxPool, AllCases) {
  for (const Case& c : Cases()) {
    Make("MaxPool", c).Input(c.x).KinkFree().ExpectOutput(c.y).SymbolicBatch().Check();
    Make("MaxPool", c).Input(c.x).KinkFree().ExpectOutput(c.y).OpaqueOutput(c.y, WorkspaceOf(c)).SymbolicBatch()
        .Check();
  }
}

// Equal elements are a kink: the gradient goes to the first, in the reference and in the kernel.
TEST(MaxPoolGrad, FollowsTheWorkspace) {
  OpSpec("MaxPoolGrad").Attr("kernel", Ints{2, 2}).Attr("input_size", Ints{3, 3})
      .Given(Tensor::Of<float>({1, 1, 2, 2}, {1, 10, 100, 1000}))
      .Given(Tensor::Of<uint8_t>({1, 1, 2, 2}, {3, 2, 1, 1})).ExpectOutput({1, 1, 3, 3})
      .ExpectValues({0, 0, 0, 0, 111, 1000, 0, 0, 0}).NotDifferentiable().Check();
  for (const Case& c : Cases()) {
    Make("MaxPoolGrad", c).Attr("input_size", SizeOf(c)).Input(c.y)
        .IntInput(c.y, 0, *NumElements(c.kernel) - 1, WorkspaceOf(c)).ExpectOutput(c.x).SymbolicBatch()
        .NotDifferentiable().Check();
  }
}

// As the kernels have it (runtime/kernels/pooling_test.cc).
TEST(MaxPool, TheReferencePassesOverNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), lowest = std::numeric_limits<float>::lowest();
  Node node{"MaxPool", "node", {0}, {1}, {{"kernel", Ints{1, 2}}, {"strides", Ints{1, 2}}}, {}, ""};
  DoubleTensor x({1, 1, 1, 6});
  x.data = {nan, 1, 2, nan, nan, nan};
  ReferenceContext context(node, {&x}, {TensorType::Of(DType::kF32, {1, 1, 1, 3})});
  ASSERT_TRUE(OpRegistry::Get().Find("MaxPool")->reference(context).ok());
  EXPECT_EQ(context.outputs()[0].data, (std::vector<double>{1, 2, lowest}));
}

TEST(AvgPool, KnownValues) {
  auto spec = [](bool count_include_pad) {
    OpSpec s("AvgPool");
    s.Attr("kernel", Ints{2, 2}).Attr("strides", Ints{2, 2}).Attr("pads", Ints{1, 1, 0, 0})
        .Attr("count_include_pad", count_include_pad).Given(Image()).ExpectOutput({1, 1, 2, 2});
    return s;
  };
  spec(true).ExpectValues({0.25, 1.25, 3.25, 6.5}).Check();
  spec(false).ExpectValues({1, 2.5, 6.5, 6.5}).Check();
}

TEST(AvgPool, AllCases) {
  for (const Case& c : Cases()) {
    for (bool count_include_pad : {false, true}) {
      Make("AvgPool", c).Attr("count_include_pad", count_include_pad).Input(c.x).ExpectOutput(c.y).SymbolicBatch()
          .Check();
      Make("AvgPoolGrad", c).Attr("count_include_pad", count_include_pad).Attr("input_size", SizeOf(c)).Input(c.y)
          .ExpectOutput(c.x).SymbolicBatch().NotDifferentiable().Check();
    }
  }
}

TEST(PoolErrors, Attributes) {
  for (const char* op : {"MaxPool", "AvgPool"}) {
    auto spec = [&](Ints kernel, Ints strides = {1, 1}, Ints pads = {0, 0, 0, 0}) {
      OpSpec s(op);
      s.Attr("kernel", kernel).Attr("strides", strides).Attr("pads", pads).Input({1, 2, 5, 5});
      return s.ExpectOutput({1, 2, 4, 4});
    };
    spec({0, 2}).ExpectError(ErrorClass::kAttr, "\"kernel\" = [0,2]");
    spec({2}).ExpectError(ErrorClass::kAttr, "\"kernel\" = [2] must have 2 numbers");
    spec({2, 2}, {0, 1}).ExpectError(ErrorClass::kAttr, "\"strides\" = [0,1]");
    spec({2, 2}, {1, -3}).ExpectError(ErrorClass::kAttr, "\"strides\" = [1,-3]");
    spec({2, 2}, {1, 1}, {0, 0, -1, 0}).ExpectError(ErrorClass::kAttr, "\"pads\" = [0,0,-1,0]");
    spec({2, 2}, {1, 1}, {0, 0}).ExpectError(ErrorClass::kAttr, "\"pads\" = [0,0] must have 4 numbers");
    spec({2, 2}, {1, 1}, {0, 2, 0, 0}).ExpectError(ErrorClass::kAttr, "must each be smaller than the kernel [2,2]");
    spec({2, 2}, {1, 1}, {0, 0, (int64_t{1} << 31) - 1, 0}).ExpectError(ErrorClass::kAttr, "\"pads\"");
    spec({6, 2}).ExpectError(ErrorClass::kShape, "a height of 6 (size 6, dilation 1), more than the padded input's 5");
    spec({2, 9}, {1, 1}, {0, 1, 0, 1}).ExpectError(ErrorClass::kShape, "a width of 9");
    OpSpec(op).Input({1, 2, 5, 5}).ExpectOutput({1, 2, 4, 4}).ExpectError(ErrorClass::kAttr, "\"kernel\" is required");
  }
}

TEST(PoolErrors, ShapesAndTypes) {
  for (const char* op : {"MaxPool", "AvgPool"}) {
    auto spec = [&](Shape x) {
      OpSpec s(op);
      s.Attr("kernel", Ints{2, 2}).Input(std::move(x)).ExpectOutput({1, 2, 4, 4});
      return s;
    };
    spec({1, 2}).ExpectError(ErrorClass::kShape, "of rank 2, expected rank 3 to 5");
    spec({1, 2, 5, 5, 5, 5}).ExpectError(ErrorClass::kShape, "of rank 6");
    spec({1, 2, 5}).ExpectError(ErrorClass::kAttr, "\"kernel\" = [2,2] must have 1 numbers");
    spec({1, 2, 5, 5, 5}).ExpectError(ErrorClass::kAttr, "\"kernel\" = [2,2] must have 3 numbers");
    spec({0, 2, 5, 5}).ExpectError(ErrorClass::kShape, "it is empty");
    spec({1, 0, 5, 5}).ExpectError(ErrorClass::kShape, "it is empty");
    spec({1, 2, 0, 5}).ExpectError(ErrorClass::kShape, "it is empty");
    OpSpec(op).Attr("kernel", Ints{2, 2}).IntInput({1, 2, 5, 5}, 0, 3).ExpectOutput({1, 2, 4, 4})
        .ExpectError(ErrorClass::kDtype, "\"x\" is s32");
  }
}

TEST(PoolErrors, GradientsThatDoNotFitTheForwardOperator) {
  auto max = [](Shape dy, Shape workspace, DType dtype, Ints size) {
    OpSpec s("MaxPoolGrad");
    s.Attr("kernel", Ints{2, 2}).Attr("input_size", std::move(size)).Input(std::move(dy))
        .IntInput(std::move(workspace), 0, 3, dtype).ExpectOutput({1, 2, 5, 5});
    return s;
  };
  max({1, 2, 4, 5}, {1, 2, 4, 5}, DType::kU8, {5, 5})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[1,2,4,5], expected f32[1,2,4,4]");
  max({1, 2, 4, 4}, {1, 2, 4, 3}, DType::kU8, {5, 5}).ExpectError(ErrorClass::kShape, "\"workspace\" is u8[1,2,4,3]");
  max({1, 2, 4, 4}, {1, 2, 4, 4}, DType::kS32, {5, 5}).ExpectError(ErrorClass::kDtype, "\"workspace\" is s32[1,2,4,4]");
  max({1, 2, 4, 4}, {1, 2, 4, 4}, DType::kU8, {5}).ExpectError(ErrorClass::kAttr, "\"input_size\" = [5]");
  max({1, 2, 4, 4}, {1, 2, 4, 4}, DType::kU8, {1, 5}).ExpectError(ErrorClass::kShape, "a height of 2");
  OpSpec("AvgPoolGrad").Attr("kernel", Ints{2, 2}).Attr("input_size", Ints{6, 5}).Input({1, 2, 4, 4})
      .ExpectOutput({1, 2, 6, 5}).ExpectError(ErrorClass::kShape, "expected f32[1,2,5,4]");
}

}  // namespace
}  // namespace athanor
