#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

Tensor Image() { return Tensor::Of<float>({1, 1, 3, 3}, {1, 2, 3, 6, 5, 4, 7, 8, 9}); }

const std::vector<Shape>& Images() {
  static const auto* images = new std::vector<Shape>{
      {3, 20, 7, 7}, {2, 16, 1, 9}, {2, 3, 1, 1}, {2, 3, 11}, {1, 1, 1}, {1, 16, 6}, {2, 3, 2, 4, 3}, {1, 16, 2, 2, 2}};
  return *images;
}

Shape ToOne(Shape x) {
  std::fill(x.begin() + 2, x.end(), 1);
  return x;
}

TEST(GlobalAvgPool, AllCases) {
  OpSpec("GlobalAvgPool").Given(Image()).ExpectOutput({1, 1, 1, 1}).ExpectValues({5}).Check();
  for (const Shape& x : Images()) {
    OpSpec("GlobalAvgPool").Name(ShapeToString(x)).Input(x).ExpectOutput(ToOne(x)).SymbolicBatch().Check();
  }
}

TEST(GlobalMaxPool, AllCases) {
  OpSpec("GlobalMaxPool").Given(Image()).ExpectOutput({1, 1, 1, 1}).ExpectValues({9}).Check();
  for (const Shape& x : Images()) {
    OpSpec("GlobalMaxPool").Name(ShapeToString(x)).Input(x).KinkFree().ExpectOutput(ToOne(x)).SymbolicBatch().Check();
  }
  OpSpec("GlobalMaxPool").Name("window of 256").Input({1, 2, 16, 16}).KinkFree().ExpectOutput({1, 2, 1, 1}).Check();
}

TEST(AdaptiveAvgPool, KnownValues) {
  OpSpec("AdaptiveAvgPool").Attr("output_size", Ints{2, 3}).Given(Image()).ExpectOutput({1, 1, 2, 3})
      .ExpectValues({3.5, 3.5, 3.5, 6.5, 6.5, 6.5}).Check();
  OpSpec("AdaptiveAvgPool").Name("more than there are").Attr("output_size", Ints{4})
      .Given(Tensor::Of<float>({1, 1, 3}, {1, 2, 6})).ExpectOutput({1, 1, 4}).ExpectValues({1, 1.5, 4, 6}).Check();
}

TEST(AdaptiveAvgPool, AllCases) {
  struct Case {
    Shape x;
    Ints output_size;
  };
  const Case cases[] = {
      {{2, 3, 6, 8}, {3, 4}},  {{2, 3, 6, 8}, {6, 8}},  {{2, 3, 6, 8}, {1, 1}},      {{2, 3, 7, 5}, {3, 2}},
      {{2, 3, 7, 6}, {3, 2}},  {{2, 3, 6, 7}, {2, 3}},  {{1, 16, 13, 13}, {6, 6}},   {{1, 2, 3, 4}, {5, 7}},
      {{2, 3, 1, 1}, {2, 3}},  {{1, 1, 1, 1}, {1, 1}},  {{2, 3, 10}, {5}},           {{2, 3, 10}, {4}},
      {{2, 3, 4}, {9}},        {{1, 1, 1}, {1}},        {{1, 2, 5, 4, 3}, {2, 3, 2}}, {{1, 2, 5, 4, 3}, {2, 2, 3}},
      {{2, 3, 4, 4, 4}, {2, 2, 2}}, {{1, 2, 4, 5, 6}, {2, 2, 3}}, {{1, 2, 4, 4, 5}, {2, 4, 3}}};
  for (const Case& c : cases) {
    Shape y = {c.x[0], c.x[1]};
    y.insert(y.end(), c.output_size.begin(), c.output_size.end());
    OpSpec("AdaptiveAvgPool").Name(absl::StrCat(ShapeToString(c.x), " to ", ShapeToString(c.output_size)))
        .Attr("output_size", c.output_size).Input(c.x).ExpectOutput(y).SymbolicBatch().Check();
  }
}

TEST(PoolErrors, OfPoolsOfWholeImages) {
  for (const char* op : {"GlobalAvgPool", "GlobalMaxPool", "AdaptiveAvgPool"}) {
    auto spec = [&](Shape x) {
      OpSpec s(op);
      if (op == std::string("AdaptiveAvgPool")) s.Attr("output_size", Ints{1, 1});
      s.Input(std::move(x)).ExpectOutput({1, 2, 1, 1});
      return s;
    };
    spec({1, 2}).ExpectError(ErrorClass::kShape, "of rank 2, expected rank 3 to 5");
    spec({1, 2, 5, 5, 5, 5}).ExpectError(ErrorClass::kShape, "of rank 6");
    for (int d = 0; d < 4; ++d) {
      Shape x = {1, 2, 5, 5};
      x[d] = 0;
      spec(x).ExpectError(ErrorClass::kShape, "it is empty");
    }
    spec({1, 2, 5, 5}).Attr("kernel", Ints{2, 2}).ExpectError(ErrorClass::kAttr, "no attribute \"kernel\"");
    OpSpec ints(op);
    if (op == std::string("AdaptiveAvgPool")) ints.Attr("output_size", Ints{1, 1});
    ints.IntInput({1, 2, 5, 5}, 0, 3).ExpectOutput({1, 2, 1, 1}).ExpectError(ErrorClass::kDtype, "\"x\" is s32");
  }
  auto adaptive = [](Ints output_size) {
    OpSpec s("AdaptiveAvgPool");
    s.Attr("output_size", std::move(output_size)).Input({1, 2, 5, 5}).ExpectOutput({1, 2, 1, 1});
    return s;
  };
  adaptive({0, 1}).ExpectError(ErrorClass::kAttr, "\"output_size\" = [0,1]");
  adaptive({1, -1}).ExpectError(ErrorClass::kAttr, "\"output_size\" = [1,-1]");
  adaptive({3}).ExpectError(ErrorClass::kAttr, "output_size = [3] must have 2 numbers for x f32[1,2,5,5]");
  adaptive({}).ExpectError(ErrorClass::kAttr, "output_size = ints[] must have 2 numbers");
  adaptive({1, 1 << 30}).ExpectError(ErrorClass::kLimit, "1073741824 uneven windows on a width of 5 need a matrix");
  OpSpec("AdaptiveAvgPool").Input({1, 2, 5, 5}).ExpectOutput({1, 2, 1, 1})
      .ExpectError(ErrorClass::kAttr, "\"output_size\" is required");
}

// A size for which there can be no data: by its type alone.
TEST(PoolErrors, HugeImages) {
  for (const char* op : {"GlobalAvgPool", "GlobalMaxPool"}) {
    Node node{op, "node", {0}, {1}, {}, {}, ""};
    auto types = InferTypes(**FindOp(node), node, {TensorType::Of(DType::kF32, {1, 1, int64_t{1} << 31})});
    EXPECT_EQ(ErrorClassOf(types.status()), "LIMIT") << types.status();
  }
}

}  // namespace
}  // namespace athanor
