#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

TEST(MatMul, KnownValues) {
  auto a = [] { return Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6}); };
  OpSpec("MatMul").Given(a()).Given(Tensor::Of<float>({3, 2}, {7, 8, 9, 10, 11, 12})).ExpectOutput({2, 2})
      .ExpectValues({58, 64, 139, 154}).Check();
  OpSpec("MatMul").Name("transposed").Given(a()).Given(a()).Attr("transpose_b", true).ExpectOutput({2, 2})
      .ExpectValues({14, 32, 32, 77}).Check();
}

TEST(MatMul, EveryTransposition) {
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      auto mat = [](bool t, Shape batch, int64_t rows, int64_t columns) {
        batch.push_back(t ? columns : rows);
        batch.push_back(t ? rows : columns);
        return batch;
      };
      auto check = [&](const std::string& name, const Shape& batch_a, const Shape& batch_b, int64_t m, int64_t k,
                       int64_t n, Shape result) {
        OpSpec("MatMul").Name(name).Attr("transpose_a", ta).Attr("transpose_b", tb).Input(mat(ta, batch_a, m, k))
            .Parameter(mat(tb, batch_b, k, n)).ExpectOutput(std::move(result)).Check();
      };
      check("matrices", {}, {}, 3, 4, 5, {3, 5});
      check("ones", {}, {}, 1, 1, 1, {1, 1});
      check("rows", {}, {}, 1, 17, 3, {1, 3});
      check("columns", {}, {}, 7, 5, 1, {7, 1});
      check("outer product", {}, {}, 4, 1, 3, {4, 3});
      check("batch", {3}, {3}, 2, 3, 4, {3, 2, 4});
      check("linear layer of sequences", {2, 3}, {}, 4, 5, 3, {2, 3, 4, 3});
      check("shared left operand", {}, {3}, 2, 3, 2, {3, 2, 2});
      check("broadcast batch", {2, 1}, {1, 3}, 2, 3, 2, {2, 3, 2, 2});
      check("batch of one", {1}, {2, 1}, 2, 2, 2, {2, 1, 2, 2});
    }
  }
}

TEST(MatMul, SymbolicBatch) {
  OpSpec("MatMul").Input({4, 3}).Parameter({3, 5}).ExpectOutput({4, 5}).SymbolicBatch().Check();
  OpSpec("MatMul")
      .Input({2, 4, 3})
      .Parameter({5, 3})
      .Attr("transpose_b", true)
      .ExpectOutput({2, 4, 5})
      .SymbolicBatch()
      .Check();
  OpSpec("MatMul").Input({3, 2, 2}).Input({3, 2, 3}).ExpectOutput({3, 2, 3}).SymbolicBatch().Check();
}

TEST(MatMul, LargeEnoughForTheFastKernels) {
  OpSpec("MatMul").Input({64, 400}).Parameter({400, 120}).ExpectOutput({64, 120}).Check();
  OpSpec("MatMul").Input({5, 33, 65}).Input({5, 65, 47}).ExpectOutput({5, 33, 47}).Check();
}

TEST(MatMul, Errors) {
  OpSpec("MatMul").Input({2, 3}).Input({4, 5}).ExpectOutput({2, 5})
      .ExpectError(ErrorClass::kShape, "a f32[2,3] has 3 columns, b f32[4,5] has 4 rows");
  OpSpec("MatMul").Input({2, 3}).Input({3, 5}).Attr("transpose_b", true).ExpectOutput({2, 5})
      .ExpectError(ErrorClass::kShape, "b f32[3,5] transposed has 5 rows");
  OpSpec("MatMul").Input({3}).Input({3, 5}).ExpectOutput({5}).ExpectError(ErrorClass::kShape,
                                                                          "\"a\" is f32[3] of rank 1");
  OpSpec("MatMul").Input({2, 3}).Input({3}).ExpectOutput({2}).ExpectError(ErrorClass::kShape,
                                                                          "\"b\" is f32[3] of rank 1");
  OpSpec("MatMul").Input({2, 2, 3}).Input({3, 3, 5}).ExpectOutput({2, 2, 5}).ExpectError(ErrorClass::kShape,
                                                                                         "do not broadcast");
  OpSpec("MatMul").Input({2, 0}).Input({0, 5}).ExpectOutput({2, 5}).ExpectError(ErrorClass::kShape,
                                                                                "\"a\" is f32[2,0]: it is empty");
  OpSpec("MatMul")
      .Input({2, 3})
      .IntInput({3, 5}, 0, 1)
      .ExpectOutput({2, 5})
      .ExpectError(ErrorClass::kDtype, "\"b\" is s32[3,5]");
  OpSpec("MatMul").Input({2, 3}).ExpectOutput({2, 5}).ExpectError(ErrorClass::kGraph, "has 1 inputs, expected 2");
  OpSpec("MatMul")
      .Input({2, 3})
      .Input({3, 5})
      .Attr("transpose_a", 1)
      .ExpectOutput({2, 5})
      .ExpectError(ErrorClass::kAttr, "of type int");
}

}  // namespace
}  // namespace athanor
