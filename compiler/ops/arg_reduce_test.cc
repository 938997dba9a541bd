#include <cmath>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kArgs[] = {"ArgMax", "ArgMin"};

TEST(ArgReduce, KnownValues) {
  auto x = [] { return Tensor::Of<float>({2, 4}, {1.0f, 7.0f, 7.0f, 1.0f, -3.0f, -9.0f, 2.0f, 2.0f}); };
  auto spec = [&](const char* op, bool last) {
    OpSpec s(op);
    s.Given(x()).Attr("axis", 1).Attr("select_last_index", last).ExpectOutput({2}, DType::kS64).NotDifferentiable();
    return s;
  };
  spec("ArgMax", false).ExpectValues({1, 2}).Check();
  spec("ArgMax", true).ExpectValues({2, 3}).Check();
  spec("ArgMin", false).ExpectValues({0, 1}).Check();
  spec("ArgMin", true).ExpectValues({3, 1}).Check();
}

TEST(ArgReduce, EveryAxisAndForm) {
  for (const char* op : kArgs) {
    for (int form = 0; form < 4; ++form) {
      auto check = [&](const Shape& x, int axis) {
        const int a = axis < 0 ? axis + static_cast<int>(x.size()) : axis;
        Shape y = x;
        form % 2 == 1 ? (void)(y[a] = 1) : (void)y.erase(y.begin() + a);
        OpSpec spec(op);
        // Whole numbers: many are equal.
        spec.Name(ShapeToString(x)).Given([&] {
          Tensor t = *Tensor::Create(DType::kF32, x);
          uint32_t state = 7;
          for (float& v : t.as<float>()) v = static_cast<float>((state = state * 1664525u + 1013904223u) >> 29);
          return t;
        }());
        spec.Attr("axis", axis).Attr("keepdims", form % 2 == 1).Attr("select_last_index", form / 2 == 1)
            .ExpectOutput(y, DType::kS64).NotDifferentiable();
        if (a > 0) spec.SymbolicBatch();
        spec.Check();
      };
      for (int axis : {0, 1, 2, -1, -2, -3}) check({3, 4, 5}, axis);
      check({1}, 0);
      check({7}, 0);
      check({1000}, 0);
      check({3, 67}, 1);
      check({67, 3}, 0);
      check({9, 300}, 0);
      check({4, 1, 3}, 1);
    }
  }
}

TEST(ArgReduce, NotANumberIsBeyondAll) {
  const float nan = std::nanf("");
  for (const char* op : kArgs) {
    for (bool last : {false, true}) {
      for (int64_t n : {6, 100}) {
        std::vector<float> x(n * 2, 1.0f);
        x[3] = x[n - 1] = nan;
        x[0] = x[n] = INFINITY;
        x[1] = x[n + 1] = -INFINITY;
        OpSpec spec(op);
        spec.Given(Tensor::Of<float>({2, n}, x)).Attr("axis", 1).Attr("select_last_index", last)
            .ExpectOutput({2}, DType::kS64).NotDifferentiable();
        spec.ExpectValues({last ? n - 1.0 : 3.0, std::string(op) == "ArgMax" ? 0.0 : 1.0}).Check();
      }
    }
  }
}

TEST(ArgReduce, Errors) {
  for (const char* op : kArgs) {
    for (int64_t axis : {int64_t{2}, int64_t{-3}, INT64_MIN, INT64_MAX}) {
      OpSpec(op).Input({2, 3}).Attr("axis", axis).ExpectOutput({2}, DType::kS64)
          .ExpectError(ErrorClass::kAttr, "is not in [-2, 1]");
    }
    OpSpec(op).Input({}).ExpectOutput({}, DType::kS64).ExpectError(ErrorClass::kAttr, "axis 0 is not in");
    OpSpec(op).Input({2, 0}).Attr("axis", 1).ExpectOutput({2}, DType::kS64)
        .ExpectError(ErrorClass::kShape, "\"x\" is f32[2,0]: it is empty");
    OpSpec(op).IntInput({2}, 0, 1).ExpectOutput({}, DType::kS64)
        .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[2]");
    OpSpec(op).Input({2}).Attr("keepdims", 1).ExpectOutput({}, DType::kS64)
        .ExpectError(ErrorClass::kAttr, "of type int, expected bool");
  }
}

OpSpec TopK(const Shape& x, int axis, int64_t k, bool largest) {
  OpSpec spec("TopK");
  Shape y = x;
  y[axis < 0 ? axis + static_cast<int>(x.size()) : axis] = k;
  spec.Name(ShapeToString(x) + " " + std::to_string(k)).Input(x).KinkFree().Attr("k", k).Attr("axis", axis)
      .Attr("largest", largest).ExpectOutput(y).ExpectOutput(y, DType::kS64);
  return spec;
}

TEST(TopK, KnownValues) {
  auto spec = [](bool largest) {
    OpSpec s("TopK");
    s.Given(Tensor::Of<float>({2, 4}, {1.0f, 7.0f, 3.0f, 5.0f, -3.0f, -9.0f, 2.0f, 0.0f})).Attr("k", 2)
        .Attr("largest", largest).ExpectOutput({2, 2});
    return s;
  };
  spec(true).ExpectValues({7, 5, 2, 0}).ExpectOutput({2, 2}, DType::kS64).ExpectValues({1, 3, 2, 3}).Check();
  spec(false).ExpectValues({1, 3, -9, -3}).ExpectOutput({2, 2}, DType::kS64).ExpectValues({0, 2, 1, 0}).Check();
}

TEST(TopK, EveryAxisAndCount) {
  for (bool largest : {true, false}) {
    for (int axis : {0, 1, 2, -1, -2, -3}) {
      for (int64_t k : {1, 2, 3}) {
        OpSpec spec = TopK({3, 4, 5}, axis, k, largest);
        if (axis % 3 != 0) spec.SymbolicBatch();
        spec.Check();
      }
    }
    TopK({1}, 0, 1, largest).Check();
    TopK({300}, 0, 300, largest).Check();
    TopK({300}, 0, 7, largest).Check();
    TopK({1000}, 0, 5, largest).Attr("sorted", false).Check();
    TopK({4, 100}, 1, 10, largest).Check();
    TopK({100, 4}, 0, 10, largest).Check();
    TopK({4, 5}, 1, 0, largest).Check();
    TopK({0, 5}, 1, 2, largest).Check();
  }
}

TEST(TopK, Errors) {
  auto refuse = [](int64_t k, int axis, ErrorClass error, const std::string& text) {
    OpSpec("TopK").Input({2, 3}).Attr("k", k).Attr("axis", axis).ExpectOutput({2, 3}).ExpectOutput({2, 3}, DType::kS64)
        .ExpectError(error, text);
  };
  refuse(4, 1, ErrorClass::kAttr, "k = 4 is more than the 3 elements along axis 1 of input \"x\", f32[2,3]");
  refuse(INT64_MAX, 0, ErrorClass::kAttr, "is more than the 2 elements along axis 0");
  refuse(-1, 1, ErrorClass::kAttr, "attribute \"k\" = -1 is not in [0");
  refuse(1, 2, ErrorClass::kAttr, "axis 2 is not in [-2, 1]");
  refuse(1, -3, ErrorClass::kAttr, "axis -3 is not in [-2, 1]");
  OpSpec("TopK").Input({2, 3}).ExpectOutput({2, 3}).ExpectOutput({2, 3}, DType::kS64)
      .ExpectError(ErrorClass::kAttr, "attribute \"k\" is required");
  OpSpec("TopK").IntInput({3}, 0, 1).Attr("k", 1).ExpectOutput({1}).ExpectOutput({1}, DType::kS64)
      .ExpectError(ErrorClass::kDtype, "input \"x\" is s32[3]");
  OpSpec("TopK").Input({3}).Attr("k", 1).ExpectOutput({1}).ExpectError(ErrorClass::kGraph, "has 1 outputs, expected 2");
  OpSpec("TopK").Input({}).Attr("k", 1).ExpectOutput({}).ExpectOutput({}, DType::kS64)
      .ExpectError(ErrorClass::kAttr, "axis -1 is not in");
}

}  // namespace
}  // namespace athanor
