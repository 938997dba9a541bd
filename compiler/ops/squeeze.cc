// Squeeze and Unsqueeze: dimensions of 1 less or more. Reshapes when compiled.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "compiler/ops/reshape.h"

namespace athanor {
namespace {

// Which of `rank` dimensions the attribute "axes" names. ATTR error for one out of range or named twice.
absl::StatusOr<std::vector<bool>> Named(const InferContext& c, int rank) {
  std::vector<bool> named(rank, false);
  const Ints axes = c.attrs().GetInts("axes");
  for (int64_t axis : axes) {
    ATH_ASSIGN_OR_RETURN(int a, c.Axis(axis, rank));
    if (named[a]) {
      return c.Error(ErrorClass::kAttr, "axes [%s] name axis %d twice", absl::StrJoin(axes, ","), a);
    }
    named[a] = true;
  }
  return named;
}

absl::Status InferSqueeze(InferContext& c) {
  const TensorType& x = c.Input(0);
  const bool all = c.attrs().GetInts("axes").empty();
  ATH_ASSIGN_OR_RETURN(std::vector<bool> named, Named(c, x.rank()));
  TensorType y(x.dtype, {});
  for (int d = 0; d < x.rank(); ++d) {
    const bool one = x.dims[d] == Dim(1);
    if (named[d] && !one) {
      return c.Error(ErrorClass::kShape, "input \"x\" is %s: dimension %d is not 1", x.ToString(), d);
    }
    if (!named[d] && !(all && one)) y.dims.push_back(x.dims[d]);
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status InferUnsqueeze(InferContext& c) {
  const TensorType& x = c.Input(0);
  const int rank = x.rank() + static_cast<int>(std::min<size_t>(c.attrs().GetInts("axes").size(), 2 * kMaxRank));
  if (rank > kMaxRank) {
    return c.Error(ErrorClass::kShape, "input \"x\" is %s: %d axes more are beyond rank %d", x.ToString(),
                   c.attrs().GetInts("axes").size(), kMaxRank);
  }
  ATH_ASSIGN_OR_RETURN(std::vector<bool> named, Named(c, rank));
  TensorType y(x.dtype, {});
  auto next = x.dims.begin();
  for (int d = 0; d < rank; ++d) y.dims.push_back(named[d] ? Dim(1) : *next++);
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

OpDef ViewDef(const char* name, const char* doc, AttrDef axes, InferFn infer) {
  OpDef def;
  def.name = name;
  def.doc = doc;
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "the elements of x"}};
  def.attributes = {std::move(axes)};
  def.infer = std::move(infer);
  MakeView(&def);
  return def;
}

ATH_REGISTER_OP(ViewDef("Squeeze", "x without the named dimensions, all of 1, as ONNX's Squeeze.",
                        {.name = "axes", .type = AttrType::kInts, .doc = "in [-rank, rank); empty: all that are 1",
                         .default_value = Ints{}},
                        InferSqueeze));
ATH_REGISTER_OP(ViewDef("Unsqueeze", "x with dimensions of 1 at the named places of the result, as ONNX's Unsqueeze.",
                        {.name = "axes", .type = AttrType::kInts, .doc = "in [-rank, rank) of the result's rank"},
                        InferUnsqueeze));

}  // namespace
}  // namespace athanor
