#include <cmath>
#include <limits>

#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

constexpr const char* kOps[] = {"Softmax", "LogSoftmax"};

TEST(Softmax, KnownValues) {
  const float log2 = static_cast<float>(std::log(2.0));
  auto x = [&] { return Tensor::Of<float>({1, 3}, {0, log2, 0}); };
  OpSpec("Softmax").Given(x()).ExpectOutput({1, 3}).ExpectValues({0.25, 0.5, 0.25}, 1e-7).Check();
  OpSpec("LogSoftmax").Given(x()).ExpectOutput({1, 3})
      .ExpectValues({std::log(0.25), std::log(0.5), std::log(0.25)}, 1e-7).Check();
}

TEST(Softmax, EveryAxis) {
  for (const char* op : kOps) {
    for (const Shape& shape :
         std::vector<Shape>{{5}, {1}, {64, 10}, {3, 17}, {1, 33}, {2, 3, 4}, {3, 1, 5, 16}, {2, 7, 3, 4}}) {
      const int rank = static_cast<int>(shape.size());
      for (int axis = -rank; axis < rank; ++axis) {
        OpSpec(op).Name("axis " + std::to_string(axis)).Attr("axis", axis).Input(shape).InputRange(-3, 3)
            .ExpectOutput(shape).SymbolicBatch().Check();
        if (axis >= 0) {
          OpSpec(std::string(op) + "Grad")
              .Name("axis " + std::to_string(axis))
              .Attr("axis", axis)
              .Input(shape)
              .Input(shape)
              .InputRange(-1, 0)
              .ExpectOutput(shape)
              .SymbolicBatch()
              .NotDifferentiable()
              .Check();
        }
      }
    }
    OpSpec(op).Name("the last by default").Input({4, 5}).ExpectOutput({4, 5}).Check();
  }
}

TEST(Softmax, LargeValuesNeitherOverflowNorVanish) {
  auto x = [] { return Tensor::Of<float>({2, 3}, {1e4f, 1e4f, -1e4f, -1e4f, -2e4f, -1e4f}); };
  OpSpec("LogSoftmax")
      .Name("large")
      .Given(x())
      .ExpectOutput({2, 3})
      .ExpectValues(
          {-std::log(2.0), -std::log(2.0), -2e4 - std::log(2.0), -std::log(2.0), -1e4 - std::log(2.0), -std::log(2.0)},
          1e-12)
      .Check();
  OpSpec("Softmax").Name("large").Given(x()).ExpectOutput({2, 3}).ExpectValues({0.5, 0.5, 0, 0.5, 0, 0.5}).Check();
}

TEST(Softmax, Errors) {
  for (const char* op : kOps) {
    for (int64_t axis :
         {int64_t{2}, int64_t{-3}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
      OpSpec(op).Input({2, 3}).Attr("axis", AttrValue(axis)).ExpectOutput({2, 3})
          .ExpectError(ErrorClass::kAttr, "axis " + std::to_string(axis) + " is not in [-2, 1]");
    }
    OpSpec(op).Input({}).ExpectOutput({}).ExpectError(ErrorClass::kShape, "of rank 0");
    OpSpec(op).Input({2, 0}).ExpectOutput({2, 0}).ExpectError(ErrorClass::kShape, "it is empty");
    OpSpec(op).IntInput({2, 3}, 0, 1).ExpectOutput({2, 3}).ExpectError(ErrorClass::kDtype, "\"x\" is s32[2,3]");
    OpSpec(std::string(op) + "Grad").Input({2, 3}).Input({3, 2}).ExpectOutput({2, 3})
        .ExpectError(ErrorClass::kShape, "\"y\" is f32[3,2], expected f32[2,3] like dy");
  }
}

}  // namespace
}  // namespace athanor
