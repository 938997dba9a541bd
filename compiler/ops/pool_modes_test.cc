// Pools with ceil_mode, auto_pad and dilations.
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

struct Case {
  std::string name;
  Shape x, y;
  Ints kernel;
  Attributes attrs;
  bool dilated = false;  // not for AvgPool
};

const std::vector<Case>& Cases() {
  static const auto* cases = new std::vector<Case>{
      {"ceil", {2, 3, 6, 7}, {2, 3, 3, 4}, {3, 2}, {{"strides", Ints{2, 2}}, {"ceil_mode", true}}},
      {"ceil, nothing left over", {1, 2, 6, 6}, {1, 2, 3, 3}, {2, 2}, {{"strides", Ints{2, 2}}, {"ceil_mode", true}}},
      {"ceil, a window would begin in the padding", {1, 2, 4, 4}, {1, 2, 2, 2}, {2, 2},
       {{"strides", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}, {"ceil_mode", true}}},
      {"ceil and padding", {1, 3, 5, 8}, {1, 3, 3, 5}, {3, 3},
       {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"ceil_mode", true}}},
      {"ceil, a long overhang", {1, 2, 6, 6}, {1, 2, 2, 2}, {5, 5}, {{"strides", Ints{5, 5}}, {"ceil_mode", true}}},
      {"ceil, 1d", {2, 3, 8}, {2, 3, 3}, {3}, {{"strides", Ints{3}}, {"ceil_mode", true}}},
      {"ceil, 3d", {1, 2, 3, 4, 5}, {1, 2, 2, 2, 3}, {2, 2, 2}, {{"strides", Ints{2, 2, 2}}, {"ceil_mode", true}}},
      {"same upper", {2, 3, 6, 7}, {2, 3, 6, 7}, {2, 4}, {{"auto_pad", std::string("same_upper")}}},
      {"same lower", {2, 3, 6, 7}, {2, 3, 6, 7}, {2, 4}, {{"auto_pad", std::string("same_lower")}}},
      {"same upper, strided", {1, 2, 7, 9}, {1, 2, 4, 3}, {3, 4},
       {{"strides", Ints{2, 3}}, {"auto_pad", std::string("same_upper")}}},
      {"same lower, 1d", {1, 2, 7}, {1, 2, 4}, {4}, {{"strides", Ints{2}}, {"auto_pad", std::string("same_lower")}}},
      {"same upper, 3d", {1, 2, 3, 4, 5}, {1, 2, 3, 2, 2}, {2, 3, 2},
       {{"strides", Ints{1, 2, 3}}, {"auto_pad", std::string("same_upper")}}},
      {"valid", {1, 2, 7, 9}, {1, 2, 3, 3}, {3, 3}, {{"strides", Ints{2, 3}}, {"auto_pad", std::string("valid")}}},
      {"dilated", {2, 3, 7, 8}, {2, 3, 5, 4}, {2, 3}, {{"dilations", Ints{2, 2}}}, true},
      {"dilated, padded, strided", {1, 3, 9, 8}, {1, 3, 4, 3}, {3, 2},
       {{"strides", Ints{2, 3}}, {"pads", Ints{1, 2, 2, 0}}, {"dilations", Ints{2, 3}}}, true},
      {"dilated, a block of channels", {1, 16, 5, 5}, {1, 16, 3, 3}, {2, 2}, {{"dilations", Ints{2, 2}}}, true},
      {"dilated, ceil", {1, 2, 8}, {1, 2, 3}, {2}, {{"strides", Ints{3}}, {"dilations", Ints{2}}, {"ceil_mode", true}},
       true},
      {"dilated, same", {1, 2, 8}, {1, 2, 8}, {3}, {{"dilations", Ints{3}}, {"auto_pad", std::string("same_upper")}},
       true},
      {"dilated, 3d", {1, 2, 4, 5, 4}, {1, 2, 2, 5, 2}, {2, 1, 3}, {{"dilations", Ints{2, 3, 1}}}, true},
  };
  return *cases;
}

OpSpec Make(const char* op, const Case& c) {
  OpSpec spec(op);
  spec.Name(c.name).Attr("kernel", c.kernel);
  for (const auto& [name, value] : c.attrs.items()) spec.Attr(name, value);
  return spec;
}

TEST(MaxPool, Modes) {
  for (const Case& c : Cases()) {
    Make("MaxPool", c).Input(c.x).KinkFree().ExpectOutput(c.y).SymbolicBatch().Check();
    Make("MaxPool", c).Input(c.x).KinkFree().ExpectOutput(c.y).OpaqueOutput(c.y, DType::kU8).Check();
  }
}

TEST(AvgPool, Modes) {
  for (const Case& c : Cases()) {
    if (c.dilated) continue;
    for (bool include : {false, true}) {
      Make("AvgPool", c).Attr("count_include_pad", include).Input(c.x).ExpectOutput(c.y).SymbolicBatch().Check();
    }
  }
}

TEST(MaxPoolGrad, Dilated) {
  OpSpec("MaxPoolGrad").Attr("kernel", Ints{2}).Attr("dilations", Ints{3}).Attr("input_size", Ints{5})
      .Given(Tensor::Of<float>({1, 1, 2}, {1, 10})).Given(Tensor::Of<uint8_t>({1, 1, 2}, {1, 0}))
      .ExpectOutput({1, 1, 5}).ExpectValues({0, 10, 0, 1, 0}).NotDifferentiable().Check();
}

// Values of torch.nn.functional.max_pool1d and avg_pool1d, and 2d.
TEST(PoolModes, KnownValues) {
  auto line = [] { return Tensor::Of<float>({1, 1, 6}, {1, 5, 2, 8, 3, 4}); };
  auto spec = [&](const char* op) {
    OpSpec s(op);
    s.Attr("kernel", Ints{3}).Attr("strides", Ints{2}).Attr("ceil_mode", true);
    return s;
  };
  spec("MaxPool").Given(line()).ExpectOutput({1, 1, 3}).ExpectValues({5, 8, 4}).Check();
  spec("AvgPool").Given(line()).ExpectOutput({1, 1, 3}).ExpectValues({8.0 / 3, 13.0 / 3, 3.5}).Check();
  spec("AvgPool").Name("padding counts, the ceiling does not").Attr("pads", Ints{1, 1}).Given(line())
      .ExpectOutput({1, 1, 4}).ExpectValues({2, 5, 5, 2}).Check();
  spec("AvgPool").Name("nothing of it counts").Attr("pads", Ints{1, 1}).Attr("count_include_pad", false).Given(line())
      .ExpectOutput({1, 1, 4}).ExpectValues({3, 5, 5, 4}).Check();
  OpSpec("MaxPool").Name("dilated").Attr("kernel", Ints{2}).Attr("dilations", Ints{3}).Given(line())
      .ExpectOutput({1, 1, 3}).ExpectValues({8, 5, 4}).Check();
  OpSpec("AvgPool").Name("same").Attr("kernel", Ints{2}).Attr("auto_pad", "same_lower").Given(line())
      .ExpectOutput({1, 1, 6}).ExpectValues({0.5, 3, 3.5, 5, 5.5, 3.5}).Check();
}

TEST(PoolModes, Errors) {
  for (const char* op : {"MaxPool", "AvgPool"}) {
    auto spec = [&](const char* name, AttrValue value) {
      OpSpec s(op);
      s.Attr("kernel", Ints{2, 2}).Attr(name, std::move(value)).Input({1, 2, 5, 5}).ExpectOutput({1, 2, 4, 4});
      return s;
    };
    spec("auto_pad", std::string("same_upper")).Attr("pads", Ints{0, 1, 0, 0})
        .ExpectError(ErrorClass::kAttr, "auto_pad = \"same_upper\" finds the padding: pads = [0,1,0,0]");
    spec("auto_pad", std::string("valid")).Attr("pads", Ints{0, 1, 0, 0}).ExpectError(ErrorClass::kAttr, "finds the");
    spec("auto_pad", std::string("SAME")).ExpectError(ErrorClass::kAttr, "is not one of");
    spec("ceil_mode", int64_t{1}).ExpectError(ErrorClass::kAttr, "of type int, expected bool");
    spec("kernel", Ints{6, 1}).Attr("ceil_mode", true).ExpectError(ErrorClass::kShape, "a height of 6");
  }
  auto max = [](Ints dilations, Ints pads = {}) {
    OpSpec s("MaxPool");
    s.Attr("kernel", Ints{3, 2}).Attr("dilations", std::move(dilations)).Attr("pads", std::move(pads))
        .Input({1, 2, 5, 5}).ExpectOutput({1, 2, 3, 4});
    return s;
  };
  max({0, 1}).ExpectError(ErrorClass::kAttr, "\"dilations\" = [0,1]");
  max({1, -1}).ExpectError(ErrorClass::kAttr, "\"dilations\" = [1,-1]");
  max({1}).ExpectError(ErrorClass::kAttr, "\"dilations\" = [1] must have 2 numbers");
  max({3, 1}).ExpectError(ErrorClass::kShape, "a height of 7 (size 3, dilation 3), more than the padded input's 5");
  max({1, 3}, {0, 4, 0, 0}).ExpectError(ErrorClass::kAttr, "pads = [0,4,0,0] must each be smaller than the kernel");
  max({6, 1}, {6, 0, 6, 0}).ExpectError(ErrorClass::kAttr, "x's height of 5 may fall between the kernel's elements");
  OpSpec("AvgPool").Attr("kernel", Ints{2, 2}).Attr("dilations", Ints{1, 1}).Input({1, 2, 5, 5})
      .ExpectOutput({1, 2, 4, 4}).ExpectError(ErrorClass::kAttr, "no attribute \"dilations\"");
}

}  // namespace
}  // namespace athanor
