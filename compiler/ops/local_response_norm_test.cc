#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const Shape& x, int64_t size) {
  OpSpec spec("LocalResponseNorm");
  spec.Name(absl::StrCat(ShapeToString(x), " size ", size)).Input(x).InputRange(-2, 2).Attr("size", size);
  spec.ExpectOutput(x);
  return spec;
}

TEST(LocalResponseNorm, KnownValues) {
  // The sums of squares over windows of 2 are 1, 5, 13: each channel with the one below.
  OpSpec("LocalResponseNorm").Attr("size", 2).Attr("alpha", 2.0).Attr("beta", 1.0).Attr("k", 3.0)
      .Given(Tensor::Of<float>({1, 3}, {1, 2, 3})).ExpectOutput({1, 3}).ExpectValues({1 / 4.0, 2 / 8.0, 3 / 16.0})
      .Check();
  // Windows of 3: 5, 14, 13.
  OpSpec("LocalResponseNorm").Attr("size", 3).Attr("alpha", 3.0).Attr("beta", 0.5).Attr("k", 2.0)
      .Given(Tensor::Of<float>({1, 3, 1}, {1, 2, 3})).ExpectOutput({1, 3, 1})
      .ExpectValues({1 / std::sqrt(7), 0.5, 3 / std::sqrt(15)}).Check();
}

TEST(LocalResponseNorm, SizesShapesAndPowers) {
  for (const Shape& x :
       std::vector<Shape>{{2, 7}, {3, 1}, {2, 5, 3}, {2, 6, 3, 5}, {1, 24, 4, 4}, {2, 1, 3, 3}, {2, 4, 2, 2, 3}}) {
    for (int64_t size : {1, 2, 3, 4, 5, 20}) Case(x, size).Attr("alpha", 0.3).SymbolicBatch().Check();
  }
  for (double beta : {0.0, 0.4, 0.5, 0.75, 1.0, 1.5}) {
    for (double k : {0.5, 1.0, 2.0}) {
      Case({2, 6, 3, 5}, 5).Attr("alpha", 0.3).Attr("beta", beta).Attr("k", k).Check();
    }
  }
  Case({2, 6, 3, 5}, 5).Check();  // the default attributes
  Case({2, 6, 3, 5}, std::numeric_limits<int64_t>::max()).Attr("alpha", 1e20).Check();
}

TEST(LocalResponseNorm, TenThousand) {
  OpSpec("LocalResponseNorm").Attr("size", 5).Given(Tensor::Of<float>({1, 4}, {1e4, -1e4, 0, 1})).ExpectOutput({1, 4})
      .Check();
}

TEST(LocalResponseNorm, GradientOperator) {
  for (const Shape& x : std::vector<Shape>{{2, 7}, {2, 6, 3, 5}, {1, 24, 4, 4}}) {
    OpSpec("LocalResponseNormGrad").Name(ShapeToString(x)).Attr("size", 5).Attr("alpha", 0.3).Input(x).Input(x)
        .InputRange(-2, 2).ExpectOutput(x).NotDifferentiable().SymbolicBatch().Check();
  }
}

TEST(LocalResponseNorm, Errors) {
  for (int64_t size : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    Case({2, 6, 3}, size).ExpectError(ErrorClass::kAttr, "\"size\"");
  }
  OpSpec("LocalResponseNorm").Input({2, 6}).ExpectOutput({2, 6}).ExpectError(ErrorClass::kAttr, "\"size\"");
  Case({2, 6}, 5).Attr("size", 5.0).ExpectError(ErrorClass::kAttr, "of type float, expected int");
  for (const char* name : {"alpha", "beta", "k"}) {
    for (double bad : {-1e-9, std::nan(""), 1e300, std::numeric_limits<double>::infinity()}) {
      Case({2, 6, 3}, 5).Attr(name, bad).ExpectError(ErrorClass::kAttr, absl::StrCat("\"", name, "\""));
    }
  }
  Case({2, 6, 3}, 5).Attr("k", 0.0).ExpectError(ErrorClass::kAttr, "\"k\"");
  Case({2, 6, 3}, 5).Attr("k", 1e-9).Attr("beta", 10.0)
      .ExpectError(ErrorClass::kAttr, "k = 1e-09, beta = 10: k^-beta is more than an f32 holds");
  Case({6}, 5).ExpectError(ErrorClass::kShape, "of rank 1");
  for (const Shape& x : std::vector<Shape>{{0, 6, 3}, {2, 0, 3}, {2, 6, 0}}) {
    Case(x, 5).ExpectError(ErrorClass::kShape, "it is empty");
  }
  OpSpec("LocalResponseNorm").Attr("size", 5).IntInput({2, 6}, 0, 1).ExpectOutput({2, 6})
      .ExpectError(ErrorClass::kDtype, "\"x\" is s32[2,6]");
  OpSpec("LocalResponseNormGrad").Attr("size", 5).Input({2, 5}).Input({2, 6}).ExpectOutput({2, 6})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[2,5], expected f32[2,6] like x");
}

}  // namespace
}  // namespace athanor
