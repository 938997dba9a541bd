#include <cmath>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kCoordinates[] = {"half_pixel", "align_corners", "asymmetric"};

OpSpec Case(const char* mode, const char* coordinate, const Shape& x) {
  OpSpec spec("Resize");
  spec.Name(std::string(mode) + " " + coordinate + ShapeToString(x)).Input(x).Attr("mode", mode)
      .Attr("coordinate_transformation_mode", coordinate);
  return spec;
}

Tensor Square() { return Tensor::Of<float>({1, 1, 2, 2}, {1.0f, 2.0f, 3.0f, 4.0f}); }

// The examples of ONNX's Resize.
TEST(Resize, KnownValues) {
  auto spec = [](Tensor x, const char* mode, const char* coordinate) {
    OpSpec s("Resize");
    s.Given(std::move(x)).Attr("mode", mode).Attr("coordinate_transformation_mode", coordinate);
    return s;
  };
  spec(Square(), "bilinear", "half_pixel").Attr("scales", Floats{2, 2}).ExpectOutput({1, 1, 4, 4})
      .ExpectValues({1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4}).Check();
  spec(Square(), "bilinear", "align_corners").Attr("sizes", Ints{4, 4}).ExpectOutput({1, 1, 4, 4})
      .ExpectValues({1, 4.0 / 3, 5.0 / 3, 2, 5.0 / 3, 2, 7.0 / 3, 8.0 / 3, 7.0 / 3, 8.0 / 3, 3, 10.0 / 3, 3, 10.0 / 3,
                     11.0 / 3, 4}, 1e-12).Check();
  spec(Square(), "nearest", "half_pixel").Attr("scales", Floats{2, 3}).ExpectOutput({1, 1, 4, 6})
      .ExpectValues({1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4}).Check();
  auto wide = [] { return Tensor::Of<float>({1, 1, 2, 4}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f}); };
  spec(wide(), "bilinear", "half_pixel").Attr("scales", Floats{0.6, 0.6}).ExpectOutput({1, 1, 1, 2})
      .ExpectValues({8.0 / 3, 13.0 / 3}, 1e-6).Check();
  spec(wide(), "nearest", "half_pixel").Attr("scales", Floats{0.6, 0.6}).ExpectOutput({1, 1, 1, 2})
      .ExpectValues({1, 3}).Check();
  spec(wide(), "bilinear", "align_corners").Attr("scales", Floats{0.6, 0.6}).ExpectOutput({1, 1, 1, 2})
      .ExpectValues({1, 4}).Check();
}

// Halving asks for the places 0.5, 2.5: each way to round gives another pixel.
TEST(Resize, NearestRoundsAsItIsTold) {
  auto check = [](const char* rounding, const char* coordinate, const std::vector<double>& want) {
    OpSpec("Resize").Given(Tensor::Of<float>({1, 1, 1, 4}, {0.0f, 1.0f, 2.0f, 3.0f})).Attr("nearest_mode", rounding)
        .Attr("coordinate_transformation_mode", coordinate).Attr("scales", Floats{1, 0.5}).ExpectOutput({1, 1, 1, 2})
        .ExpectValues(want).Check();
  };
  check("round_prefer_floor", "half_pixel", {0, 2});
  check("floor", "half_pixel", {0, 2});
  check("round_prefer_ceil", "half_pixel", {1, 3});
  check("ceil", "half_pixel", {1, 3});
  for (const char* rounding : {"round_prefer_floor", "floor", "round_prefer_ceil", "ceil"}) {
    check(rounding, "asymmetric", {0, 2});
    check(rounding, "align_corners", {0, 3});
  }
}

TEST(Resize, EveryModeUpAndDown) {
  for (const char* mode : {"nearest", "bilinear"}) {
    for (const char* coordinate : kCoordinates) {
      for (const Ints& sizes : std::vector<Ints>{{1, 1}, {3, 5}, {5, 3}, {7, 9}, {13, 33}, {4, 6}}) {
        Case(mode, coordinate, {2, 3, 4, 6}).Attr("sizes", sizes).ExpectOutput({2, 3, sizes[0], sizes[1]})
            .SymbolicBatch().Check();
      }
      for (const Floats& scales : std::vector<Floats>{{2, 2}, {0.5, 0.5}, {1.7, 0.4}, {1, 3.3}}) {
        Case(mode, coordinate, {1, 2, 5, 7}).Attr("scales", scales)
            .ExpectOutput({1, 2, static_cast<int64_t>(5 * scales[0]), static_cast<int64_t>(7 * scales[1])})
            .SymbolicBatch().Check();
      }
      Case(mode, coordinate, {1, 1, 1, 1}).Attr("sizes", Ints{3, 2}).ExpectOutput({1, 1, 3, 2}).Check();
      Case(mode, coordinate, {2, 16, 3, 3}).Attr("sizes", Ints{6, 6}).ExpectOutput({2, 16, 6, 6}).Check();
    }
  }
}

TEST(Resize, Errors) {
  auto refuse = [](const Shape& x, const Ints& sizes, const Floats& scales, ErrorClass error, const std::string& text) {
    OpSpec("Resize").Input(x).Attr("sizes", sizes).Attr("scales", scales).ExpectOutput(x).ExpectError(error, text);
  };
  const Shape x = {1, 2, 4, 4};
  refuse(x, {}, {}, ErrorClass::kAttr, "needs two sizes or two scales (height, width), has 0 sizes and 0 scales");
  refuse(x, {2, 2}, {1, 1}, ErrorClass::kAttr, "has 2 sizes and 2 scales");
  refuse(x, {2}, {}, ErrorClass::kAttr, "has 1 sizes and 0 scales");
  refuse(x, {2}, {1.0}, ErrorClass::kAttr, "has 1 sizes and 1 scales");
  refuse(x, {2, 2, 2}, {}, ErrorClass::kAttr, "has 3 sizes");
  refuse(x, {}, {1, 1, 2, 2}, ErrorClass::kAttr, "and 4 scales");
  refuse(x, {0, 2}, {}, ErrorClass::kAttr, "attribute \"sizes\" = [0,2] is not in [1");
  refuse(x, {-1, 2}, {}, ErrorClass::kAttr, "attribute \"sizes\" = [-1,2]");
  refuse(x, {}, {0.0, 1.0}, ErrorClass::kAttr, "attribute \"scales\" = [0.0,1.0] is not in (0");
  refuse(x, {}, {1.0, -2.0}, ErrorClass::kAttr, "attribute \"scales\"");
  refuse(x, {}, {1.0, NAN}, ErrorClass::kAttr, "attribute \"scales\"");
  refuse(x, {}, {INFINITY, 1.0}, ErrorClass::kAttr, "attribute \"scales\"");
  refuse(x, {}, {0.1, 1.0}, ErrorClass::kShape, "4 pixels by the scale 0.1 are none");
  refuse(x, {}, {1e9, 1.0}, ErrorClass::kLimit, "is beyond 2147483647");
  refuse(x, {int64_t{1} << 31, 1}, {}, ErrorClass::kLimit, "is beyond 2147483647");
  refuse(x, {INT64_MAX, 1}, {}, ErrorClass::kLimit, "is beyond 2147483647");
  refuse({1, 2, 4}, {2, 2}, {}, ErrorClass::kShape, "input \"x\" is f32[1,2,4] of rank 3, expected rank 4");
  refuse({1, 2, 4, 4, 4}, {2, 2}, {}, ErrorClass::kShape, "of rank 5, expected rank 4");
  refuse({1, 2, 0, 4}, {2, 2}, {}, ErrorClass::kShape, "it is empty");
  OpSpec("Resize").IntInput(x, 0, 1).Attr("sizes", Ints{2, 2}).ExpectOutput(x)
      .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[1,2,4,4]");
  for (const char* attr : {"mode", "coordinate_transformation_mode", "nearest_mode"}) {
    OpSpec("Resize").Input(x).Attr("sizes", Ints{2, 2}).Attr(attr, "cubic").ExpectOutput(x)
        .ExpectError(ErrorClass::kAttr, "\"cubic\" is not one of");
  }
}

TEST(ResizeGrad, Errors) {
  auto refuse = [](const Shape& dy, const Ints& sizes, const Floats& scales, ErrorClass error,
                   const std::string& text) {
    OpSpec("ResizeGrad").Input(dy).Attr("input_sizes", sizes).Attr("scales", scales).ExpectOutput(dy)
        .ExpectError(error, text);
  };
  refuse({1, 1, 2, 2}, {2}, {1, 1}, ErrorClass::kAttr,
         "needs two input_sizes and two scales (height, width), has 1 and 2");
  refuse({1, 1, 2, 2}, {2, 2}, {1.0}, ErrorClass::kAttr, "has 2 and 1");
  refuse({1, 1, 2, 2}, {0, 2}, {1, 1}, ErrorClass::kAttr, "attribute \"input_sizes\"");
  refuse({1, 2, 2}, {2, 2}, {1, 1}, ErrorClass::kShape, "of rank 3");
  refuse({1, 0, 2, 2}, {2, 2}, {1, 1}, ErrorClass::kShape, "it is empty");
}

}  // namespace
}  // namespace athanor
