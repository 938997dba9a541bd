#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Case {
  std::string name;
  Shape x, weight, y;  // weight [C,O/groups,k..]
  Ints strides = {}, pads = {}, dilations = {}, output_padding = {};
  int64_t groups = 1;
};

OpSpec Make(const Case& c) {
  OpSpec spec(absl::StrCat("ConvTranspose", c.x.size() - 2, "d"));
  spec.Name(c.name);
  if (!c.strides.empty()) spec.Attr("strides", c.strides);
  if (!c.pads.empty()) spec.Attr("pads", c.pads);
  if (!c.dilations.empty()) spec.Attr("dilations", c.dilations);
  if (!c.output_padding.empty()) spec.Attr("output_padding", c.output_padding);
  if (c.groups != 1) spec.Attr("groups", c.groups);
  return spec;
}

const std::vector<Case>& Cases() {
  static const auto* cases = new std::vector<Case>{
      {"1d", {2, 3, 5}, {3, 4, 3}, {2, 4, 7}},
      {"1d, doubled", {2, 3, 5}, {3, 2, 4}, {2, 2, 10}, {2}, {1, 1}},
      {"1d, gaps in y", {1, 2, 4}, {2, 3, 2}, {1, 3, 11}, {3}},
      {"1d, one-sided", {1, 2, 4}, {2, 3, 3}, {1, 3, 7}, {2}, {2, 0}},
      {"1d, dilated", {1, 2, 4}, {2, 3, 3}, {1, 3, 8}, {}, {}, {2}},
      {"1d, groups", {1, 4, 5}, {4, 3, 3}, {1, 6, 7}, {}, {}, {}, {}, 2},
      {"1d, depthwise", {1, 5, 4}, {5, 1, 3}, {1, 5, 9}, {2}, {}, {}, {}, 5},
      {"1d, output padding", {1, 2, 3}, {2, 2, 2}, {1, 2, 8}, {3}, {1, 1}, {}, {2}},
      {"1d, size 1", {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
      {"2d", {2, 3, 4, 5}, {3, 4, 3, 2}, {2, 4, 6, 6}},
      {"2d, doubled", {2, 3, 4, 3}, {3, 2, 4, 4}, {2, 2, 8, 6}, {2, 2}, {1, 1, 1, 1}},
      {"2d, doubled with output padding", {1, 3, 4, 3}, {3, 2, 3, 3}, {1, 2, 8, 6}, {2, 2}, {1, 1, 1, 1}, {}, {1, 1}},
      {"2d, more inputs than outputs", {1, 7, 3, 3}, {7, 2, 3, 3}, {1, 2, 5, 5}},
      {"2d, more outputs than inputs", {1, 2, 3, 3}, {2, 7, 3, 3}, {1, 7, 5, 5}},
      {"2d, blocks of channels", {1, 32, 3, 3}, {32, 16, 2, 2}, {1, 16, 6, 6}, {2, 2}},
      {"2d, kernel of 1", {2, 3, 4, 3}, {3, 5, 1, 1}, {2, 5, 4, 3}},
      {"2d, kernel of 1, strided", {2, 3, 2, 3}, {3, 5, 1, 1}, {2, 5, 3, 7}, {2, 3}},
      {"2d, one pixel", {2, 3, 1, 1}, {3, 4, 4, 4}, {2, 4, 4, 4}},
      {"2d, padded to one pixel", {1, 2, 3, 3}, {2, 2, 3, 3}, {1, 2, 1, 1}, {}, {2, 2, 2, 2}},
      {"2d, strided apart, one-sided", {1, 2, 3, 4}, {2, 3, 3, 2}, {1, 3, 5, 9}, {2, 3}, {0, 1, 2, 1}},
      {"2d, dilated and strided", {1, 2, 3, 3}, {2, 3, 2, 3}, {1, 3, 7, 8}, {2, 2}, {0, 1, 0, 0}, {2, 2}},
      {"2d, groups", {2, 4, 3, 3}, {4, 2, 3, 3}, {2, 4, 5, 5}, {}, {}, {}, {}, 2},
      {"2d, groups of blocks", {1, 32, 3, 3}, {32, 16, 3, 3}, {1, 32, 5, 5}, {2, 2}, {1, 1, 1, 1}, {}, {}, 2},
      {"2d, depthwise of a block", {1, 16, 4, 4}, {16, 1, 3, 3}, {1, 16, 4, 4}, {}, {1, 1, 1, 1}, {}, {}, 16},
      {"2d, depthwise, two a channel", {1, 3, 3, 3}, {3, 2, 2, 2}, {1, 6, 6, 6}, {2, 2}, {}, {}, {}, 3},
      {"3d", {1, 2, 2, 3, 2}, {2, 3, 2, 2, 3}, {1, 3, 3, 4, 4}},
      {"3d, doubled", {1, 3, 2, 2, 3}, {3, 2, 2, 4, 2}, {1, 2, 4, 4, 6}, {2, 2, 2}, {0, 1, 0, 0, 1, 0}},
      {"3d, groups, dilated, padded", {1, 4, 2, 2, 2}, {4, 1, 2, 2, 1}, {1, 2, 4, 3, 3}, {1, 2, 2}, {0, 1, 0, 0, 0, 0},
       {2, 1, 1}, {0, 0, 0}, 2},
      {"3d, output padding", {1, 2, 2, 1, 2}, {2, 2, 1, 2, 2}, {1, 2, 4, 3, 5}, {3, 2, 2}, {}, {}, {0, 1, 1}},
  };
  return *cases;
}

TEST(ConvTranspose, KnownValues) {
  auto line = [] { return Tensor::Of<float>({1, 1, 2}, {1, 10}); };
  auto kernel = [] { return Tensor::Of<float>({1, 1, 3}, {1, 2, 3}); };
  OpSpec("ConvTranspose1d").Given(line()).GivenParameter(kernel()).ExpectOutput({1, 1, 4})
      .ExpectValues({1, 12, 23, 30}).Check();
  OpSpec("ConvTranspose1d").Name("strided, bias").Attr("strides", Ints{2}).Attr("output_padding", Ints{1})
      .Given(line()).GivenParameter(kernel()).GivenParameter(Tensor::Of<float>({1}, {100})).ExpectOutput({1, 1, 6})
      .ExpectValues({101, 102, 113, 120, 130, 100}).Check();
  OpSpec("ConvTranspose2d").Name("channels").Given(Tensor::Of<float>({1, 2, 1, 1}, {1, 10}))
      .GivenParameter(Tensor::Of<float>({2, 3, 1, 1}, {1, 2, 3, 4, 5, 6})).ExpectOutput({1, 3, 1, 1})
      .ExpectValues({41, 52, 63}).Check();
}

TEST(ConvTranspose, AllCases) {
  for (const Case& c : Cases()) {
    Make(c).Input(c.x).Parameter(c.weight).Parameter({c.y[1]}).ExpectOutput(c.y).SymbolicBatch().Check();
    Make(c).Input(c.x).Parameter(c.weight).ExpectOutput(c.y).Check();
  }
  OpSpec("ConvTranspose2d").Name("a weight that is no variable").Input({1, 2, 3, 3}).Input({2, 3, 2, 2})
      .ExpectOutput({1, 3, 4, 4}).Check();
}

TEST(ConvTranspose, AutoPad) {
  auto spec = [](const char* auto_pad, Shape x, Shape weight, Shape y, Ints strides) {
    OpSpec s(absl::StrCat("ConvTranspose", strides.size(), "d"));
    s.Name(auto_pad).Attr("auto_pad", auto_pad).Attr("strides", strides).Input(std::move(x))
        .Parameter(std::move(weight)).ExpectOutput(std::move(y)).SymbolicBatch();
    return s;
  };
  auto known = [](const char* auto_pad, std::vector<double> values) {
    const int64_t size = static_cast<int64_t>(values.size());
    OpSpec("ConvTranspose1d").Name(auto_pad).Attr("auto_pad", auto_pad).Attr("strides", Ints{2})
        .Given(Tensor::Of<float>({1, 1, 2}, {1, 10})).GivenParameter(Tensor::Of<float>({1, 1, 3}, {1, 2, 3}))
        .ExpectOutput({1, 1, size}).ExpectValues(std::move(values)).Check();
  };
  known("valid", {1, 2, 13, 20, 30});
  known("same_upper", {1, 2, 13, 20});
  known("same_lower", {2, 13, 20, 30});
  spec("same_upper", {1, 2, 3}, {2, 2, 5}, {1, 2, 6}, {2}).Check();
  spec("same_lower", {1, 2, 3, 2}, {2, 3, 3, 4}, {1, 3, 3, 6}, {1, 3}).Check();
  spec("same_upper", {1, 2, 2, 2, 2}, {2, 1, 2, 3, 2}, {1, 1, 2, 4, 4}, {1, 2, 2}).Check();
  spec("valid", {1, 2, 2, 2, 2}, {2, 1, 2, 3, 2}, {1, 1, 3, 5, 4}, {1, 2, 2}).Check();
  spec("same_upper", {1, 2, 3}, {2, 2, 2}, {1, 2, 9}, {3})
      .ExpectError(ErrorClass::kAttr, "\"same_upper\" wants a length of 3 * stride 3, and the kernel covers 2");
  spec("same_upper", {1, 2, 3}, {2, 2, 3}, {1, 2, 9}, {3}).Attr("pads", Ints{1, 0})
      .ExpectError(ErrorClass::kAttr, "finds the padding: pads = [1,0] must be left out");
  spec("SAME", {1, 2, 3}, {2, 2, 3}, {1, 2, 9}, {3}).ExpectError(ErrorClass::kAttr, "is not one of");
}

class ConvTransposeErrors : public testing::TestWithParam<int> {
 protected:
  size_t n() const { return static_cast<size_t>(GetParam()); }
  Shape Sized(int64_t a, int64_t b, int64_t size) const {
    Shape shape = {a, b};
    shape.resize(n() + 2, size);
    return shape;
  }
  OpSpec Spec(Shape x, Shape weight) const {
    OpSpec s(absl::StrCat("ConvTranspose", n(), "d"));
    s.Input(std::move(x)).Parameter(std::move(weight)).ExpectOutput(Sized(1, 6, 7));
    return s;
  }
  OpSpec Good() const { return Spec(Sized(1, 4, 5), Sized(4, 6, 3)); }
};
INSTANTIATE_TEST_SUITE_P(Dimensions, ConvTransposeErrors, testing::Values(1, 2, 3));

TEST_P(ConvTransposeErrors, Attributes) {
  Good().Check();
  auto spec = [&](const char* name, AttrValue value) { return Good().Attr(name, std::move(value)); };
  auto last = [&](size_t size, int64_t others, int64_t value) {
    Ints list(size, others);
    list.back() = value;
    return list;
  };
  const int64_t huge = std::numeric_limits<int64_t>::max();
  for (int64_t bad : {int64_t{0}, int64_t{-2}, huge}) {
    spec("strides", last(n(), 1, bad)).ExpectError(ErrorClass::kAttr, "\"strides\"");
    spec("dilations", last(n(), 1, bad)).ExpectError(ErrorClass::kAttr, "\"dilations\"");
  }
  spec("pads", last(2 * n(), 0, -1)).ExpectError(ErrorClass::kAttr, "\"pads\"");
  spec("output_padding", last(n(), 0, -1)).ExpectError(ErrorClass::kAttr, "\"output_padding\"");
  spec("output_padding", last(n(), 0, 1)).ExpectError(ErrorClass::kAttr, "must each be smaller than strides = [1");
  spec("strides", Ints(n(), 2)).Attr("output_padding", last(n(), 1, 2))
      .ExpectError(ErrorClass::kAttr, "must each be smaller than strides");
  for (const char* name : {"strides", "dilations", "output_padding"}) {
    spec(name, Ints(n() + 1, 1)).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n(), " numbers"));
    spec(name, Ints{}).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", n(), " numbers"));
  }
  spec("pads", Ints(n(), 0)).ExpectError(ErrorClass::kAttr, absl::StrCat("must have ", 2 * n(), " numbers"));
  spec("pads", last(2 * n(), 0, 7))
      .ExpectError(ErrorClass::kShape, " of 0: (input 5 - 1) * stride 1 - padding (0 + 7)");
  spec("pads", last(2 * n(), 0, 1 << 30)).ExpectError(ErrorClass::kShape, "of -1073741817");
  if (n() > 1) spec("strides", Ints(n(), 1 << 30)).ExpectError(ErrorClass::kLimit, "overflows 64 bits");
  spec("groups", AttrValue(int64_t{0})).ExpectError(ErrorClass::kAttr, "\"groups\" = 0");
  spec("groups", AttrValue(int64_t{3}))
      .ExpectError(ErrorClass::kAttr, "groups = 3 does not divide the 4 input channels");
  Good().Attr("groups", 2).Parameter({6}).ExpectError(ErrorClass::kShape, "\"bias\" is f32[6], expected f32[12]");
}

TEST_P(ConvTransposeErrors, Shapes) {
  auto with = [](Shape shape, size_t d, int64_t size) {
    shape[d] = size;
    return shape;
  };
  const Shape x = Sized(1, 4, 5), weight = Sized(4, 6, 3);
  Spec({1, 4}, weight).ExpectError(ErrorClass::kShape, absl::StrCat("of rank 2, expected rank ", n() + 2));
  Spec({1, 4, 5, 5, 5, 5}, weight).ExpectError(ErrorClass::kShape, "of rank 6");
  Spec(x, {4, 6}).ExpectError(ErrorClass::kShape, "\"weight\" is f32[4,6] of rank 2");
  Spec(with(x, 1, 6), weight).ExpectError(ErrorClass::kShape, "with 6 channels; weight f32[4,6,3");
  Spec(with(x, 1, 3), weight).ExpectError(ErrorClass::kShape, "with 3 channels; weight f32[4,6,3");
  for (size_t d = 0; d < n() + 2; ++d) {
    Spec(with(x, d, 0), weight).ExpectError(ErrorClass::kShape, "it is empty");
    Spec(x, with(weight, d, 0)).ExpectError(ErrorClass::kShape, "it is empty");
  }
  Good().Parameter({4}).ExpectError(ErrorClass::kShape, "\"bias\" is f32[4], expected f32[6] like the output channels");
  Good().Parameter({6, 1}).ExpectError(ErrorClass::kShape, "\"bias\" is f32[6,1]");
  Good().IntInput({6}, 0, 1).ExpectError(ErrorClass::kDtype, "\"bias\" is s32[6]");
  const std::string op = absl::StrCat("ConvTranspose", n(), "d");
  OpSpec(op).IntInput(x, 0, 3).Parameter(weight).ExpectOutput(x).ExpectError(ErrorClass::kDtype, "\"x\" is s32");
  OpSpec(op).Input(x).IntInput(weight, 0, 3).ExpectOutput(x).ExpectError(ErrorClass::kDtype, "\"weight\" is s32");
}

TEST(ConvTransposeOverflows, OfSizes) {
  auto error = [](Attributes attrs, Shape x, Shape weight) {
    Node node{"ConvTranspose1d", "node", {0, 1}, {2}, std::move(attrs), {}, ""};
    auto types =
        InferTypes(**FindOp(node), node, {TensorType::Of(DType::kF32, x), TensorType::Of(DType::kF32, weight)});
    return types.ok() ? "accepted" : std::string(types.status().message());
  };
  const int64_t huge = int64_t{1} << 40;
  EXPECT_THAT(error({{"strides", Ints{1 << 30}}}, {1, 1, huge}, {1, 1, 1}),
              testing::HasSubstr("its length overflows: input 1099511627776, stride 1073741824"));
  EXPECT_THAT(error({{"groups", huge}}, {1, huge, 1}, {huge, huge, 1}), testing::HasSubstr("overflows"));
}

}  // namespace
}  // namespace athanor
