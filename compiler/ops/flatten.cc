// Flatten: to two dimensions. A Reshape when compiled.
#include "compiler/ops/reshape.h"
#include "runtime/core/checked.h"

namespace athanor {
namespace {

// The product of dims[begin, end), where it is a number or a symbol.
absl::StatusOr<Dim> Product(const InferContext& c, int begin, int end) {
  int64_t number = 1;
  std::string symbol;
  bool good = true;
  for (int d = begin; d < end; ++d) {
    const Dim& dim = c.Input(0).dims[d];
    if (dim.symbolic()) {
      good &= symbol.empty();
      symbol = dim.symbol;
      continue;
    }
    auto product = CheckedMul(number, dim.size);
    if (!product) return c.Error(ErrorClass::kShape, "the number of elements of %s overflows", c.Input(0).ToString());
    number = *product;
  }
  if (symbol.empty()) return Dim(number);
  if (good && number == 1) return Dim(symbol);
  return c.Error(ErrorClass::kShape, "input \"x\" is %s: dimensions %d to %d would become a product with a symbol",
                 c.Input(0).ToString(), begin, end - 1);
}

absl::Status Infer(InferContext& c) {
  const int rank = c.Input(0).rank();
  int64_t axis = c.attrs().Int("axis");
  if (axis < -rank || axis > rank) {
    return c.Error(ErrorClass::kAttr, "axis %d is not in [%d, %d], for input \"x\" is %s", axis, -rank, rank,
                   c.Input(0).ToString());
  }
  if (axis < 0) axis += rank;
  ATH_ASSIGN_OR_RETURN(Dim rows, Product(c, 0, static_cast<int>(axis)));
  ATH_ASSIGN_OR_RETURN(Dim columns, Product(c, static_cast<int>(axis), rank));
  c.SetOutput(0, {c.Input(0).dtype, {std::move(rows), std::move(columns)}});
  return absl::OkStatus();
}

OpDef FlattenDef() {
  OpDef def;
  def.name = "Flatten";
  def.doc = "x as a matrix: the dimensions before axis are the rows, the others the columns, as ONNX's Flatten.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "two dimensions"}};
  def.attributes = {{.name = "axis",
                     .type = AttrType::kInt,
                     .doc = "the first dimension of the columns, in [-rank, rank]",
                     .default_value = int64_t{1}}};
  def.infer = Infer;
  MakeView(&def);
  return def;
}

ATH_REGISTER_OP(FlattenDef());

}  // namespace
}  // namespace athanor
