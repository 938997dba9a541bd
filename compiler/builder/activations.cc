#include "compiler/builder/activations.h"

#include "absl/strings/str_cat.h"

namespace athanor {

Var PRelu(GraphBuilder& b, Var x, PReluOptions options, GraphBuilder::Location where) {
  const std::string name = b.LayerName("PRelu", options.name, where);
  if (!b.status().ok()) return {};
  const int64_t count = options.num_parameters;
  const TensorType type = b.TypeOf(x);
  const bool fits = count == 1 || (count > 1 && type.rank() >= 2 && type.dims[1] == Dim(count));
  if (!fits) {
    b.Reject("PReLU", name,
             MakeError(ErrorClass::kAttr, "num_parameters = %d is neither 1 nor the size of dimension 1 of %s", count,
                       type.ToString()),
             where);
    return {};
  }
  Var slope = b.Parameter(absl::StrCat(name, ".weight"), {count}, {"constant", {{"value", options.init}}}, where);
  if (count != 1 && type.rank() > 2) {
    Ints shape(type.rank() - 1, 1);
    shape[0] = count;
    slope = b.Op("Reshape", {slope}, {{"shape", shape}}, 1, absl::StrCat(name, ".slope"), where)[0];
  }
  return b.Op("PReLU", {x, slope}, {}, 1, absl::StrCat(name, ".y"), where)[0];
}

}  // namespace athanor
