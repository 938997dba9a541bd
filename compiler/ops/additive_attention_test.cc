#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOp = "AdditiveAttention";

OpSpec Spec(const Shape& batch, int64_t queries, int64_t keys, int64_t hidden, int64_t width) {
  auto rows = [&](int64_t count, int64_t columns) {
    Shape shape = batch;
    shape.insert(shape.end(), {count, columns});
    return shape;
  };
  OpSpec spec(kOp);
  spec.Name(absl::StrCat(batch.size(), " batch dimensions, ", queries, " by ", keys));
  spec.Input(rows(queries, hidden)).Input(rows(keys, hidden)).Parameter({hidden}).Input(rows(keys, width));
  return spec;
}

TEST(AdditiveAttention, KnownValues) {
  const float one = static_cast<float>(std::atanh(0.5));
  auto keys = [&] { return Tensor::Of<float>({2, 1}, {one, -one}); };
  auto v = [] { return Tensor::Of<float>({1}, {static_cast<float>(std::log(3.0))}); };
  auto values = [] { return Tensor::Of<float>({2, 2}, {4, 8, 0, 0}); };
  // Scores +-0.5 log 3, weights 3/4 and 1/4. The gradient by the query is 0: the slopes of both keys are equal.
  OpSpec(kOp).Given(Tensor::Of<float>({1, 1}, {0})).Given(keys()).Given(v()).Given(values())
      .ExpectOutput({1, 2}).ExpectValues({3, 6}, 1e-6).ExpectOutput({1, 2}).ExpectValues({0.75, 0.25}, 1e-6)
      .NoGradient(0).Check();
  OpSpec(kOp).Name("bias").Given(Tensor::Of<float>({1, 1}, {0})).Given(keys()).Given(v()).Given(values())
      .Given(Tensor::Of<float>({2}, {0, static_cast<float>(std::log(3.0))}))
      .NoGradient(0).ExpectOutput({1, 2}).ExpectValues({2, 4}, 1e-6).Check();
  OpSpec(kOp).Name("padding").Given(Tensor::Of<float>({1, 1}, {0})).Given(keys()).Given(v()).Given(values())
      // One key is left: the gradients by the scores are what rounding leaves of 0.
      .Given(Tensor::Of<float>({1, 2}, {0, -std::numeric_limits<float>::infinity()}))
      .NoGradient(0).NoGradient(1).NoGradient(2).NoGradient(4)
      .ExpectOutput({1, 2}).ExpectValues({4, 8}, 1e-6).ExpectOutput({1, 2}).ExpectValues({1, 0}, 1e-12).Check();
  OpSpec(kOp).Name("large").Given(Tensor::Of<float>({1, 1}, {1e4f})).Given(Tensor::Of<float>({2, 1}, {0, -2e4f}))
      .Given(Tensor::Of<float>({1}, {1e4f})).Given(values()).ExpectOutput({1, 2}).ExpectValues({4, 8}).Check();
}

TEST(AdditiveAttention, Shapes) {
  struct Case {
    Shape batch;
    int64_t queries, keys, hidden, width;
  };
  for (const Case& k : std::vector<Case>{{{}, 1, 2, 1, 1}, {{}, 3, 5, 4, 2}, {{2}, 1, 4, 7, 3}, {{3}, 4, 2, 16, 17},
                                         {{2, 1, 2}, 2, 3, 3, 1}, {{1}, 5, 33, 3, 2}}) {
    OpSpec spec = Spec(k.batch, k.queries, k.keys, k.hidden, k.width);
    Shape y = k.batch, weights = k.batch;
    y.insert(y.end(), {k.queries, k.width});
    weights.insert(weights.end(), {k.queries, k.keys});
    if (!k.batch.empty()) spec.SymbolicBatch();
    spec.ExpectOutput(y).ExpectOutput(weights).Check();
    Spec(k.batch, k.queries, k.keys, k.hidden, k.width).ExpectOutput(y).Check();
    for (const Shape& bias : {weights, Shape{k.keys}, Shape{k.queries, k.keys}, Shape{1, k.keys}}) {
      Spec(k.batch, k.queries, k.keys, k.hidden, k.width).Input(bias).ExpectOutput(y).ExpectOutput(weights).Check();
    }
  }
}

TEST(AdditiveAttention, Errors) {
  const ErrorClass shape = ErrorClass::kShape;
  auto expect = [](const std::vector<Shape>& shapes, ErrorClass error, const std::string& text) {
    OpSpec spec(kOp);
    for (const Shape& s : shapes) spec.Input(s);
    spec.ExpectOutput({1}).ExpectError(error, text);
  };
  expect({{4}, {3, 4}, {4}, {3, 2}}, shape, "input \"query\" is f32[4] of rank 1, expected rank 2 to 7");
  expect({{2, 4}, {4}, {4}, {3, 2}}, shape, "input \"keys\" is f32[4] of rank 1");
  expect({{2, 4}, {3, 4}, {4, 1}, {3, 2}}, shape, "input \"v\" is f32[4,1] of rank 2, expected rank 1");
  expect({{2, 4}, {3, 4}, {4}, {3}}, shape, "input \"values\" is f32[3] of rank 1");
  expect({{1, 1, 1, 1, 1, 1, 2, 4}, {3, 4}, {4}, {3, 2}}, shape, "of rank 8");
  expect({{2, 4}, {3, 5}, {4}, {3, 2}}, shape,
         "input \"query\" is f32[2,4] and input \"keys\" is f32[3,5]: their last dimensions must be equal");
  expect({{2, 4}, {3, 4}, {5}, {3, 2}}, shape,
         "input \"query\" is f32[2,4] and input \"v\" is f32[5]: their last dimensions must be equal");
  expect({{2, 4}, {3, 4}, {4}, {2, 2}}, shape,
         "input \"keys\" is f32[3,4] and input \"values\" is f32[2,2]: their numbers of keys must be equal");
  expect({{2, 2, 4}, {3, 3, 4}, {4}, {3, 3, 2}}, shape,
         "input \"query\" is f32[2,2,4] and input \"keys\" is f32[3,3,4]: their batch dimensions must be equal");
  expect({{2, 2, 4}, {2, 3, 4}, {4}, {3, 2}}, shape,
         "input \"keys\" is f32[2,3,4] and input \"values\" is f32[3,2]: their batch dimensions must be equal");
  expect({{2, 4}, {3, 4}, {4}, {3, 2}, {2}}, shape,
         "input \"bias\" is f32[2], which does not broadcast to the scores f32[2,3]");
  expect({{2, 4}, {3, 4}, {4}, {3, 2}, {5, 2, 3}}, shape, "which does not broadcast to the scores f32[2,3]");
  expect({{2, 4}, {3, 4}, {4}, {3, 2}, {0}}, shape, "input \"bias\" is f32[0]: it is empty");
  expect({{2, 0}, {3, 0}, {0}, {3, 2}}, shape, "input \"query\" is f32[2,0]: it is empty");
  expect({{2, 4}, {0, 4}, {4}, {0, 2}}, shape, "input \"keys\" is f32[0,4]: it is empty");
  expect({{2, 4}, {3, 4}, {4}, {3, 0}}, shape, "input \"values\" is f32[3,0]: it is empty");
  expect({{2, 4}, {3, 4}, {4}}, ErrorClass::kGraph, "3 inputs");
  OpSpec(kOp).Input({2, 4}).Input({3, 4}).Input({4}).Input({3, 2}).IntInput({2, 3}, 0, 1, DType::kBool)
      .ExpectOutput({2, 2}).ExpectError(ErrorClass::kDtype, "input \"bias\" is bool[2,3], expected element type f32");
  OpSpec(kOp).IntInput({2, 4}, 0, 1).Input({3, 4}).Input({4}).Input({3, 2}).ExpectOutput({2, 2})
      .ExpectError(ErrorClass::kDtype, "input \"query\" is s32[2,4]");
  Spec({}, 2, 3, 4, 2).Attr("scale", 1.0).ExpectOutput({2, 2}).ExpectError(ErrorClass::kAttr, "scale");
}

}  // namespace
}  // namespace athanor
