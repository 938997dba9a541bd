#include <cmath>

#include "absl/strings/str_cat.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kNorms[] = {"LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm"};

bool HasBias(const std::string& op) { return op != "RMSNorm"; }
bool OverTrailingDims(const std::string& op) { return op == "LayerNorm" || op == "RMSNorm"; }

// The operator with x and all it may have beside. `affine`: the shape of scale and bias; `given`: bit 0 for the scale,
// bit 1 for the bias.
OpSpec Case(const std::string& op, const Shape& x, const Shape& affine, int given = 3) {
  OpSpec spec(op);
  spec.Name(absl::StrCat(op, " ", ShapeToString(x), " given ", given)).Input(x).InputRange(-1, 2);
  if (given & 1) {
    spec.Parameter(affine).InputRange(0.5, 2);
  } else if (given & 2) {
    spec.Absent();
  }
  if ((given & 2) && HasBias(op)) spec.Parameter(affine);
  spec.Attr("epsilon", 1e-3).ExpectOutput(x);
  return spec;
}

TEST(LayerNorm, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 2}, {1, 3, 5, 5}); };
  auto two = [](float a, float b) { return Tensor::Of<float>({2}, {a, b}); };
  // Row 0: mean 2, variance 1. Row 1: mean 5, variance 0.
  OpSpec("LayerNorm").Attr("epsilon", 3.0).Given(x()).GivenParameter(two(4, 2)).GivenParameter(two(10, 20))
      .ExpectOutput({2, 2}).ExpectValues({8, 21, 10, 20}).Check();
  OpSpec("LayerNorm").Attr("epsilon", 3.0).Given(x()).ExpectOutput({2, 2}).ExpectValues({-0.5, 0.5, 0, 0}).Check();
  // Mean squares 5 and 25.
  OpSpec("RMSNorm").Attr("epsilon", 11.0).Given(x()).GivenParameter(two(4, 2)).ExpectOutput({2, 2})
      .ExpectValues({1, 1.5, 20 / 6.0, 10 / 6.0}).Check();
  // One group holds all four numbers: mean 3.5, variance 2.75.
  OpSpec("GroupNorm").Attr("epsilon", 1.25).Attr("num_groups", 1)
      .Given(Tensor::Of<float>({1, 2, 2}, {1, 3, 5, 5})).GivenParameter(two(4, 2)).GivenParameter(two(10, 20))
      .ExpectOutput({1, 2, 2}).ExpectValues({5, 9, 21.5, 21.5}).Check();
  OpSpec("InstanceNorm").Attr("epsilon", 3.0)
      .Given(Tensor::Of<float>({1, 2, 2}, {1, 3, 5, 5})).GivenParameter(two(4, 2)).GivenParameter(two(10, 20))
      .ExpectOutput({1, 2, 2}).ExpectValues({8, 12, 20, 20}).Check();
  // torch.nn.functional.layer_norm([[1, 2, 4]]) with its default epsilon.
  OpSpec("LayerNorm").Given(Tensor::Of<float>({1, 3}, {1, 2, 4})).ExpectOutput({1, 3})
      .ExpectValues({-1.0690415, -0.2672604, 1.3363019}, 1e-6).Check();
}

TEST(LayerNorm, EveryAxisAndOptionalInput) {
  for (const char* op : {"LayerNorm", "RMSNorm"}) {
    for (const Shape& x : std::vector<Shape>{{7}, {5, 3}, {4, 33}, {3, 1, 20}, {2, 3, 4, 5}, {2, 1, 3, 2, 3}}) {
      const int rank = static_cast<int>(x.size());
      for (int axis = -rank; axis < rank; ++axis) {
        const Shape affine(x.begin() + (axis < 0 ? axis + rank : axis), x.end());
        if (*NumElements(affine) < 3) continue;
        OpSpec spec = Case(op, x, affine);
        if (axis != -rank && axis != 0) spec.SymbolicBatch();
        spec.Attr("axis", axis).Tolerance(2e-5).Check();
      }
    }
    for (int given = 0; given < (HasBias(op) ? 4 : 2); ++given) {
      Case(op, {6, 20}, {20}, given).SymbolicBatch().Check();
      Case(op, {40, 9}, {9}, given).Check();
    }
    Case(op, {1, 700}, {700}).Check();
  }
}

TEST(LayerNorm, OneElementARow) {
  Case("LayerNorm", {4, 1}, {1}).NoGradient(0).Check();  // which is 0 but for rounding
  Case("RMSNorm", {4, 1}, {1}).Tolerance(1e-3).Check();
}

TEST(GroupNorm, GroupsShapesAndOptionalInputs) {
  for (const Shape& x :
       std::vector<Shape>{{3, 12}, {2, 6, 5}, {2, 6, 3, 4}, {1, 6, 7, 7}, {2, 6, 1, 4}, {2, 6, 2, 3, 2}, {3, 30, 2}}) {
    for (int groups : {1, 2, 3, 6}) {
      if (*NumElements(x) / (x[0] * groups) < 3) continue;
      Case("GroupNorm", x, {x[1]}).Attr("num_groups", groups).SymbolicBatch().Tolerance(2e-5).Check();
    }
  }
  for (int given = 0; given < 4; ++given) {
    Case("GroupNorm", {2, 6, 3, 4}, {6}, given).Attr("num_groups", 3).Check();
    Case("GroupNorm", {5, 12}, {12}, given).Attr("num_groups", 3).Check();
  }
}

TEST(InstanceNorm, ShapesAndOptionalInputs) {
  for (const Shape& x : std::vector<Shape>{{2, 3, 7}, {2, 3, 4, 5}, {1, 1, 3, 3}, {1, 8, 7, 7}, {2, 3, 2, 3, 2}}) {
    for (int given = 0; given < 4; ++given) {
      Case("InstanceNorm", x, {x[1]}, given).SymbolicBatch().Tolerance(2e-5).Check();
    }
  }
}

// Rounding the mean to one float would lose three digits.
TEST(Norms, MeansOfTenThousand) {
  for (const std::string op : kNorms) {
    for (double mean : {1e4, -1e4}) {
      const Shape x = {3, 4, 50}, affine = {OverTrailingDims(op) ? 50 : 4};
      OpSpec spec(op);
      spec.Name(absl::StrCat(op, " ", mean)).Input(x).InputRange(mean - 1, mean + 1).NoGradient(0);
      spec.Parameter(affine).InputRange(0.5, 2);
      if (HasBias(op)) spec.Parameter(affine);
      if (op == "GroupNorm") spec.Attr("num_groups", 2);
      spec.ExpectOutput(x).Check();
    }
  }
}

TEST(Norms, GradientOperators) {
  for (const std::string op : kNorms) {
    const Shape x = {3, 6, 20}, affine = {OverTrailingDims(op) ? 20 : 6};
    for (int wanted = 1; wanted < (HasBias(op) ? 8 : 4); ++wanted) {
      for (bool scale : {true, false}) {
        OpSpec spec(op + "Grad");
        spec.Name(absl::StrCat(op, " outputs ", wanted, scale ? "" : " no scale")).Input(x).Input(x).InputRange(-1, 2);
        if (scale) spec.Parameter(affine);
        if (op == "GroupNorm") spec.Attr("num_groups", 3);
        for (int i = 0; i < 3 && wanted >> i != 0; ++i) {
          wanted >> i & 1 ? spec.ExpectOutput(i == 0 ? x : affine) : spec.OmitOutput();
        }
        spec.NotDifferentiable().Check();
      }
    }
  }
}

TEST(Norms, ShapeErrors) {
  for (const std::string op : kNorms) {
    const Shape x = {2, 6, 5}, affine = {OverTrailingDims(op) ? 5 : 6};
    auto with = [&](const Shape& x, const Shape& scale, const Shape& bias) {
      OpSpec spec(op);
      spec.Input(x).Parameter(scale);
      if (HasBias(op)) spec.Parameter(bias);
      if (op == "GroupNorm") spec.Attr("num_groups", 3);
      spec.ExpectOutput(x);
      return spec;
    };
    const std::string expected =
        OverTrailingDims(op) ? "expected f32[5] like x from the axis on" : "expected f32[6] like the channels of x";
    with(x, {4}, affine).ExpectError(ErrorClass::kShape, "\"scale\" is f32[4], " + expected);
    with(x, {}, affine).ExpectError(ErrorClass::kShape, "\"scale\" is f32[], " + expected);
    with(x, {1, affine[0]}, affine).ExpectError(ErrorClass::kShape, "\"scale\"");
    if (HasBias(op)) with(x, affine, {7}).ExpectError(ErrorClass::kShape, "\"bias\" is f32[7], " + expected);
    with({2, 6, 0}, affine, affine).ExpectError(ErrorClass::kShape, "\"x\" is f32[2,6,0]: it is empty");
    with({0, 6, 5}, affine, affine).ExpectError(ErrorClass::kShape, "it is empty");
    with({}, affine, affine).ExpectError(ErrorClass::kShape, "of rank 0");
    OpSpec(op).IntInput({2, 6, 5}, 0, 1).Attr("epsilon", 1e-5).ExpectOutput(x).ExpectError(
        op == "GroupNorm" ? ErrorClass::kAttr : ErrorClass::kDtype, op == "GroupNorm" ? "num_groups" : "\"x\" is s32");
    OpSpec grad(op + "Grad");
    grad.Input({2, 6, 4}).Input(x);
    if (op == "GroupNorm") grad.Attr("num_groups", 3);
    grad.ExpectOutput(x).ExpectError(ErrorClass::kShape, "\"dy\" is f32[2,6,4], expected f32[2,6,5] like x");
    OpSpec bad_scale(op + "Grad");
    bad_scale.Input(x).Input(x).Parameter({9});
    if (op == "GroupNorm") bad_scale.Attr("num_groups", 3);
    bad_scale.ExpectOutput(x).ExpectError(ErrorClass::kShape, "\"scale\" is f32[9], " + expected);
  }
  for (const Shape& x : std::vector<Shape>{{2, 3, 1}, {1, 3, 1, 1}}) {
    Case("InstanceNorm", x, {3}).ExpectError(ErrorClass::kShape, "one element a channel has no variance");
  }
  Case("InstanceNorm", {2, 3}, {3}).ExpectError(ErrorClass::kShape, "of rank 2");
}

TEST(Norms, AttributeErrors) {
  for (const std::string op : kNorms) {
    const Shape x = {2, 6, 5}, affine = {OverTrailingDims(op) ? 5 : 6};
    auto with = [&] {
      OpSpec spec = Case(op, x, affine);
      if (op == "GroupNorm") spec.Attr("num_groups", 3);
      return spec;
    };
    for (double epsilon : {0.0, -1e-5, std::nan(""), 1e300}) {
      with().Attr("epsilon", epsilon).ExpectError(ErrorClass::kAttr, "\"epsilon\"");
    }
    with().Attr("epsilon", "small").ExpectError(ErrorClass::kAttr, "of type string, expected float");
    with().Attr("momentum", 0.1).ExpectError(ErrorClass::kAttr, "\"momentum\"");
    if (!OverTrailingDims(op)) continue;
    for (int64_t axis : {int64_t{3}, int64_t{-4}, std::numeric_limits<int64_t>::min()}) {
      with().Attr("axis", axis).ExpectError(ErrorClass::kAttr, absl::StrCat("axis ", axis, " is not in [-3, 2]"));
    }
  }
  for (int64_t groups : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    Case("GroupNorm", {2, 6, 5}, {6}).Attr("num_groups", groups).ExpectError(ErrorClass::kAttr, "\"num_groups\"");
  }
  for (int64_t groups : {int64_t{4}, int64_t{12}, std::numeric_limits<int64_t>::max()}) {
    Case("GroupNorm", {2, 6, 5}, {6}).Attr("num_groups", groups)
        .ExpectError(ErrorClass::kAttr, absl::StrCat("num_groups = ", groups, " does not divide the 6 channels of x"));
  }
  Case("GroupNorm", {2, 6, 5}, {6}).ExpectError(ErrorClass::kAttr, "\"num_groups\"");
}

}  // namespace
}  // namespace athanor
