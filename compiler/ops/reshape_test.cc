#include "compiler/ops/reshape.h"

#include "compiler/opdef/op_def.h"
#include "compiler/ops/testing/op_spec.h"
#include "gtest/gtest.h"

namespace athanor {
namespace {

OpSpec Case(const std::string& name, const Shape& x, const Ints& shape) {
  OpSpec spec("Reshape");
  spec.Name(name).Input(x).Attr("shape", shape);
  return spec;
}

// The inferred type, or the error.
std::string Inferred(TensorType x, const Ints& shape) {
  Node node{"Reshape", "r", {0}, {1}, {{"shape", shape}}, {}, ""};
  auto types = InferTypes(**FindOp(node), node, {x});
  return types.ok() ? (*types)[0].ToString() : std::string(types.status().message());
}

TEST(Reshape, KeepsTheElementsInOrder) {
  OpSpec("Reshape").Given(Tensor::Of<float>({2, 3}, {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f})).Attr("shape", Ints{3, 2})
      .ExpectOutput({3, 2}).ExpectValues({1, 2, 3, 4, 5, 6}).Check();
}

TEST(Reshape, CopiesAndComputesDimensions) {
  Case("numbers", {2, 6, 5}, {4, 15}).ExpectOutput({4, 15}).Check();
  Case("computed", {2, 6, 5}, {3, -1}).ExpectOutput({3, 20}).Check();
  Case("copied", {7, 6, 5}, {0, 30}).ExpectOutput({7, 30}).SymbolicBatch().Check();
  Case("batch computed", {7, 6, 5}, {-1, 30}).ExpectOutput({7, 30}).SymbolicBatch().Check();
  Case("copied and computed", {7, 6, 5}, {0, -1}).ExpectOutput({7, 30}).Check();
  Case("to more dimensions", {7, 30}, {0, 2, 1, 3, 5}).ExpectOutput({7, 2, 1, 3, 5}).SymbolicBatch().Check();
  Case("the same", {7, 3}, {0, 3}).ExpectOutput({7, 3}).SymbolicBatch().Check();
  Case("to a scalar", {1, 1}, {}).ExpectOutput({}).Check();
  Case("from a scalar", {}, {1, 1}).ExpectOutput({1, 1}).Check();
  Case("eight dimensions", {2, 3, 4}, {1, 2, 1, 3, 1, 2, 2, 1}).ExpectOutput({1, 2, 1, 3, 1, 2, 2, 1}).Check();
}

TEST(Reshape, OfAParameterIsACopy) {
  OpSpec("Reshape").Parameter({16, 3, 3, 3}).Attr("shape", Ints{16, 27}).ExpectOutput({16, 27}).Check();
}

TEST(Reshape, OfAnyType) {
  OpSpec("Reshape").IntInput({2, 6}, -9, 9).Attr("shape", Ints{3, 4}).ExpectOutput({3, 4}, DType::kS32).Check();
  OpSpec("Reshape")
      .IntInput({2, 6}, -9, 9, DType::kS64)
      .Attr("shape", Ints{12})
      .ExpectOutput({12}, DType::kS64)
      .Check();
  OpSpec("Reshape").IntInput({2, 6}, 0, 9, DType::kU8).Attr("shape", Ints{12}).ExpectOutput({12}, DType::kU8).Check();
}

TEST(Reshape, SymbolsArePassedOn) {
  const TensorType x(DType::kF32, {"N", 16, 5, 5});
  EXPECT_EQ(Inferred(x, {0, 400}), "f32[N,400]");
  EXPECT_EQ(Inferred(x, {-1, 400}), "f32[N,400]");
  EXPECT_EQ(Inferred(x, {4, -1, 100}), "f32[4,N,100]");
  EXPECT_EQ(Inferred(x, {0, -1}), "f32[N,400]");
  EXPECT_EQ(Inferred({DType::kF32, {"N", "T", 6}}, {0, 0, 2, -1}), "f32[N,T,2,3]");
  EXPECT_EQ(Inferred({DType::kF32, {"N", "T", 6}}, {0, -1, 6}), "f32[N,T,6]");
  EXPECT_NE(Inferred(x, {-1, 200}).find("the -1 would stand for a product with a symbolic dimension"),
            std::string::npos);
  EXPECT_NE(Inferred(x, {8, 400}).find("f32[N,16,5,5] cannot be reshaped to [8,400]"), std::string::npos);
  EXPECT_NE(Inferred({DType::kF32, {"N", "T"}}, {-1}).find("a product with a symbolic dimension"), std::string::npos);
}

TEST(Reshape, AttributesForAnyTypeThatOneReshapeCanMake) {
  using Dims = std::vector<Dim>;
  auto shape = [](const Dims& from, const Dims& to) {
    auto attrs = ReshapeAttrs({DType::kF32, from}, {DType::kF32, to});
    return attrs ? attrs->ToString() : "none";
  };
  EXPECT_EQ(shape({4, 6}, {2, 12}), "{allowzero=false, shape=[2,12]}");
  EXPECT_EQ(shape({"N", 6}, {"N", 2, 3}), "{allowzero=false, shape=[0,2,3]}");
  EXPECT_EQ(shape({6, "N"}, {"N", 2, 3}), "{allowzero=false, shape=[-1,2,3]}");
  EXPECT_EQ(shape({"N", "T"}, {"N", 1, "T"}), "{allowzero=false, shape=[0,1,-1]}");
  EXPECT_EQ(shape({"N", "T"}, {"T", "N"}), "none");
  EXPECT_EQ(shape({0, 6}, {3, 0}), "{allowzero=true, shape=[3,0]}");
  EXPECT_EQ(shape({"N", 0}, {"N", 0, 2}), "none");
}

TEST(Reshape, RefusesWhatDoesNotFit) {
  auto refuse = [](const Shape& x, const Ints& shape, const std::string& text) {
    Case("", x, shape).ExpectOutput({}).ExpectError(ErrorClass::kShape, text);
  };
  refuse({2, 6}, {-1, -1}, "shape [-1,-1] has more than one -1");
  refuse({2, 0}, {0, 0, -1}, "the -1 could be any number, for there are no elements");
  refuse({2, 6}, {5, -1}, "f32[2,6] cannot be reshaped to [5,-1]: the -1 would not be a whole number");
  refuse({2, 6}, {5, 2}, "f32[2,6] cannot be reshaped to [5,2]: the numbers of elements differ");
  refuse({12}, {3, 0}, "copies dimension 1 of f32[12], which has none");
  refuse({2}, {INT64_MAX, INT64_MAX},
         "the number of elements of shape [9223372036854775807,9223372036854775807] overflows");
  refuse({2}, {2, 1, 1, 1, 1, 1, 1, 1, 1}, "rank");
  Case("", {2, 6}, {-2, 6})
      .ExpectOutput({})
      .ExpectError(ErrorClass::kAttr, "attribute \"shape\" = [-2,6] is not in [-1");
  OpSpec("Reshape").Input({2}).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "attribute \"shape\" is required");
  OpSpec("Reshape").Input({2}).Attr("shape", 2).ExpectOutput({2}).ExpectError(ErrorClass::kAttr, "is of type int");
}

}  // namespace
}  // namespace athanor
