#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(FullyConnected, KnownValues) {
  OpSpec("FullyConnected").Given(Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6}))
      .Given(Tensor::Of<float>({2, 3}, {1, 0, -1, 0.5, 0.5, 0.5})).Given(Tensor::Of<float>({2}, {10, 20}))
      .ExpectOutput({2, 2}).ExpectValues({8, 23, 8, 27.5}).Check();
}

TEST(FullyConnected, OddAndUsualSizes) {
  struct Sizes {
    int64_t n, k, o;
  };
  for (Sizes s :
       {Sizes{1, 1, 1}, {3, 5, 7}, {1, 400, 120}, {64, 120, 84}, {64, 84, 10}, {2, 17, 1}, {7, 1, 9}, {33, 65, 31}}) {
    OpSpec("FullyConnected").Input({s.n, s.k}).Parameter({s.o, s.k}).Parameter({s.o}).ExpectOutput({s.n, s.o})
        .SymbolicBatch().Check();
    OpSpec("FullyConnected").Name("no bias").Input({s.n, s.k}).Parameter({s.o, s.k}).ExpectOutput({s.n, s.o})
        .SymbolicBatch().Check();
  }
}

TEST(FullyConnected, ImagesWithoutFlattening) {
  OpSpec("FullyConnected")
      .Input({2, 3, 4})
      .Parameter({5, 3, 4})
      .Parameter({5})
      .ExpectOutput({2, 5})
      .SymbolicBatch()
      .Check();
  OpSpec("FullyConnected").Input({4, 16, 5, 5}).Parameter({12, 16, 5, 5}).Parameter({12}).ExpectOutput({4, 12})
      .SymbolicBatch().Check();
  OpSpec("FullyConnected")
      .Input({2, 3, 2, 2, 2})
      .Parameter({4, 3, 2, 2, 2})
      .ExpectOutput({2, 4})
      .SymbolicBatch()
      .Check();
}

TEST(FullyConnected, GradientOperators) {
  OpSpec("FullyConnectedBackwardData")
      .Given(Tensor::Of<float>({1, 2}, {1, 2}))
      .Given(Tensor::Of<float>({2, 2}, {1, 2, 3, 4}))
      .ExpectOutput({1, 2})
      .ExpectValues({7, 10})
      .NotDifferentiable()
      .Check();
  OpSpec("FullyConnectedBackwardData").Name("images").Input({3, 5}).Parameter({5, 2, 3, 3}).ExpectOutput({3, 2, 3, 3})
      .SymbolicBatch().NotDifferentiable().Check();
  OpSpec("FullyConnectedBackwardWeights").Given(Tensor::Of<float>({2, 2}, {1, 2, 3, 4}))
      .Given(Tensor::Of<float>({2, 1}, {1, 10})).ExpectOutput({1, 2}).ExpectValues({31, 42}).ExpectOutput({1})
      .ExpectValues({11}).NotDifferentiable().Check();
  OpSpec("FullyConnectedBackwardWeights").Name("images").Input({3, 2, 3, 3}).Input({3, 5}).ExpectOutput({5, 2, 3, 3})
      .NotDifferentiable().Check();
}

TEST(FullyConnected, Errors) {
  OpSpec("FullyConnected").Input({2, 77}).Parameter({10, 4096}).ExpectOutput({2, 10})
      .ExpectError(ErrorClass::kShape, "input \"x\" is f32[2,77], weight f32[10,4096] expects f32[2,4096]");
  OpSpec("FullyConnected")
      .Input({2, 0})
      .Parameter({10, 0})
      .ExpectOutput({2, 10})
      .ExpectError(ErrorClass::kShape, "it is empty");
  OpSpec("FullyConnected").Input({2, 3}).Parameter({0, 3}).ExpectOutput({2, 0})
      .ExpectError(ErrorClass::kShape, "\"weight\" is f32[0,3]: it is empty");
  OpSpec("FullyConnected")
      .Input({0, 3})
      .Parameter({2, 3})
      .ExpectOutput({0, 2})
      .ExpectError(ErrorClass::kShape, "\"x\" is f32[0,3]");
  OpSpec("FullyConnected")
      .Input({3})
      .Parameter({10, 3})
      .ExpectOutput({10})
      .ExpectError(ErrorClass::kShape, "of rank 1, expected rank 2 to 5");
  OpSpec("FullyConnected")
      .Input({2, 3, 4})
      .Parameter({10, 12})
      .ExpectOutput({2, 10})
      .ExpectError(ErrorClass::kShape, "expects f32[2,12]");
  OpSpec("FullyConnected").Input({2, 3}).Parameter({10, 3}).Parameter({3}).ExpectOutput({2, 10})
      .ExpectError(ErrorClass::kShape, "\"bias\" is f32[3], expected f32[10]");
  OpSpec("FullyConnected").Input({2, 3}).Parameter({10, 3}).IntInput({10}, 0, 1).ExpectOutput({2, 10})
      .ExpectError(ErrorClass::kDtype, "\"bias\" is s32[10]");
  OpSpec("FullyConnected").IntInput({2, 3}, 0, 1).Parameter({10, 3}).ExpectOutput({2, 10})
      .ExpectError(ErrorClass::kDtype, "\"x\" is s32[2,3]");
  OpSpec("FullyConnectedBackwardData").Input({2, 3}).Parameter({4, 3}).ExpectOutput({2, 3})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[2,3], expected f32[2,4]");
  OpSpec("FullyConnectedBackwardWeights").Input({2, 3}).Input({3, 4}).ExpectOutput({4, 3})
      .ExpectError(ErrorClass::kShape, "\"dy\" is f32[3,4], expected f32[2,4] like x's batch");
}

}  // namespace
}  // namespace athanor
