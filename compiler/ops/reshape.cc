// Reshape: the same elements in row-major order under another shape.
#include "compiler/ops/reshape.h"

#include <algorithm>

#include "runtime/core/checked.h"

namespace athanor {

std::optional<Attributes> ReshapeAttrs(const TensorType& from, const TensorType& to) {
  Ints shape;
  bool computed = false, copied = false, zero = false;
  for (int d = 0; d < to.rank(); ++d) {
    const Dim& dim = to.dims[d];
    zero |= !dim.symbolic() && dim.size == 0;
    if (!dim.symbolic()) {
      shape.push_back(dim.size);
    } else if (d < from.rank() && from.dims[d] == dim) {
      shape.push_back(0);
      copied = true;
    } else if (!computed) {
      shape.push_back(-1);
      computed = true;
    } else {
      return std::nullopt;
    }
  }
  if (zero && (computed || copied)) return std::nullopt;
  return Attributes{{"shape", std::move(shape)}, {"allowzero", zero}};
}

namespace {

template <typename Context>
absl::StatusOr<ValueId> Emit(Context& c, ValueId v, const TensorType& to) {
  const TensorType from = c.TypeOf(v);
  if (from == to) return v;
  auto attrs = ReshapeAttrs(from, to);
  if (attrs) return c.Emit("Reshape", {v}, *std::move(attrs));
  return c.Error(ErrorClass::kShape, "%s cannot be reshaped to %s: too many symbolic dimensions", from.ToString(),
                 to.ToString());
}

}  // namespace

absl::StatusOr<ValueId> EmitReshape(GradientContext& c, ValueId v, const TensorType& to) { return Emit(c, v, to); }
absl::StatusOr<ValueId> EmitReshape(ExpandContext& c, ValueId v, const TensorType& to) { return Emit(c, v, to); }

void MakeView(OpDef* def) {
  def->gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, EmitReshape(c, c.OutputGrad(), c.TypeOf(c.Input(0))));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  def->expand = [](ExpandContext& c) -> absl::Status {
    const TensorType to = c.TypeOf(c.node().outputs[0]);
    if (!ReshapeAttrs(c.TypeOf(c.Input(0)), to)) return absl::OkStatus();  // it is lowered as it is
    ATH_ASSIGN_OR_RETURN(ValueId y, EmitReshape(c, c.Input(0), to));
    c.SetOutput(0, y);
    return absl::OkStatus();
  };
  def->kernels = "reshape";
  def->lower = [](LowerContext& c) {
    c.View(c.Input(0), c.Output());
    return absl::OkStatus();
  };
  def->reference = [](ReferenceContext& c) {
    c.Output().data = c.Input(0).data;
    return absl::OkStatus();
  };
}

namespace {

// The elements of a type as a number times symbols.
struct Count {
  int64_t number = 1;
  std::vector<std::string> symbols;  // sorted
  bool overflow = false;

  void Multiply(const Dim& dim) {
    if (dim.symbolic()) {
      symbols.insert(std::upper_bound(symbols.begin(), symbols.end(), dim.symbol), dim.symbol);
      return;
    }
    auto product = CheckedMul(number, dim.size);
    overflow |= !product;
    number = product.value_or(0);
  }
};

Count CountOf(const std::vector<Dim>& dims) {
  Count count;
  for (const Dim& d : dims) count.Multiply(d);
  return count;
}

// `shape` with its zeros filled in, and where the -1 is (or -1). The dimension there is left as 1.
absl::StatusOr<int> CopyDims(const InferContext& c, const Ints& shape, std::vector<Dim>* dims) {
  const TensorType& x = c.Input(0);
  int computed = -1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == -1) {
      if (computed >= 0) {
        return c.Error(ErrorClass::kShape, "shape %s has more than one -1", ShapeToString(shape));
      }
      computed = static_cast<int>(d);
      dims->push_back(1);
    } else if (shape[d] == 0 && !c.attrs().Bool("allowzero")) {
      if (d >= x.dims.size()) {
        return c.Error(ErrorClass::kShape, "shape %s copies dimension %d of %s, which has none", ShapeToString(shape),
                       d, x.ToString());
      }
      dims->push_back(x.dims[d]);
    } else {
      dims->push_back(shape[d]);
    }
  }
  return computed;
}

absl::StatusOr<Dim> ComputeDim(const InferContext& c, const Ints& shape, const Count& have, const Count& known) {
  auto fails = [&](absl::string_view why) {
    return c.Error(ErrorClass::kShape, "%s cannot be reshaped to %s: %s", c.Input(0).ToString(), ShapeToString(shape),
                   why);
  };
  if (known.number == 0) return fails("the -1 could be any number, for there are no elements");
  std::vector<std::string> rest;
  std::set_difference(have.symbols.begin(), have.symbols.end(), known.symbols.begin(), known.symbols.end(),
                      std::back_inserter(rest));
  if (have.number % known.number != 0) return fails("the -1 would not be a whole number");
  const int64_t quotient = have.number / known.number;
  if (rest.empty()) return Dim(quotient);
  if (rest.size() == 1 && quotient == 1) return Dim(rest[0]);
  return fails("the -1 would stand for a product with a symbolic dimension");
}

absl::Status Infer(InferContext& c) {
  const Ints shape = c.attrs().GetInts("shape");
  std::vector<Dim> dims;
  ATH_ASSIGN_OR_RETURN(int computed, CopyDims(c, shape, &dims));
  const Count have = CountOf(c.Input(0).dims), known = CountOf(dims);
  if (known.overflow || have.overflow) {
    return c.Error(ErrorClass::kShape, "the number of elements of shape %s overflows", ShapeToString(shape));
  }
  if (computed >= 0) {
    ATH_ASSIGN_OR_RETURN(dims[computed], ComputeDim(c, shape, have, known));
  } else if (have.number != known.number || have.symbols != known.symbols) {
    return c.Error(ErrorClass::kShape, "%s cannot be reshaped to %s: the numbers of elements differ",
                   c.Input(0).ToString(), ShapeToString(shape));
  }
  c.SetOutput(0, {c.Input(0).dtype, std::move(dims)});
  return absl::OkStatus();
}

OpDef ReshapeDef() {
  OpDef def;
  def.name = "Reshape";
  def.doc = "The elements of x in row-major order under another shape, as ONNX's Reshape.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "the elements of x"}};
  def.attributes = {
      {.name = "shape",
       .type = AttrType::kInts,
       .doc = "the new dimensions; 0 copies x's dimension in that place, one -1 is computed",
       .min = -1},
      {.name = "allowzero", .type = AttrType::kBool, .doc = "a 0 in shape is the number 0", .default_value = false},
  };
  def.infer = Infer;
  MakeView(&def);
  def.expand = nullptr;  // it is what the others come down to
  return def;
}

ATH_REGISTER_OP(ReshapeDef());

}  // namespace
}  // namespace athanor
