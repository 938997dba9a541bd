// Gather, GatherElements and Embedding: elements by their indices; ScatterAdd and ScatterElementsAdd, their gradients.
#include "compiler/ops/axis.h"

namespace athanor {
namespace {

// Which elements of x, or of ScatterAdd's y, a node reads or adds to: the indices are in the place of the axis
// (Gather), or there is one for each element of the result (GatherElements).
struct Places {
  AxisLoops of;  // along the axis
  int64_t count = 0;
  bool elements = false;
};

// Calls f(element of the tensor with the axis, element of the one with the indices) in the latter's order. INDEX
// error for the first index that is out of range.
template <typename F>
absl::Status ForEachPlace(const ReferenceContext& c, const Places& p, const DoubleTensor& indices, const F& f) {
  for (int64_t o = 0; o < p.of.outer; ++o) {
    for (int64_t j = 0; j < p.count; ++j) {
      for (int64_t i = 0; i < p.of.inner; ++i) {
        const int64_t at = (o * p.count + j) * p.of.inner + i;
        ATH_ASSIGN_OR_RETURN(int64_t index, IndexAt(c, indices, p.elements ? at : j, p.of.size));
        f((o * p.of.size + index) * p.of.inner + i, at, index);
      }
    }
  }
  return absl::OkStatus();
}

// Nothing of a Gather with an empty result reads its indices there; the kernel checks them all the same.
absl::Status CheckAll(const ReferenceContext& c, const DoubleTensor& indices, int64_t limit) {
  for (int64_t i = 0; i < indices.size(); ++i) ATH_RETURN_IF_ERROR(IndexAt(c, indices, i, limit).status());
  return absl::OkStatus();
}

namespace gather {

absl::Status Infer(InferContext& c) {
  const TensorType &x = c.Input(0), &indices = c.Input(1);
  ATH_RETURN_IF_ERROR(CheckIndices(c, 1, "indices"));
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), x.rank()));
  TensorType y = x;
  y.dims.erase(y.dims.begin() + axis);
  y.dims.insert(y.dims.begin() + axis, indices.dims.begin(), indices.dims.end());
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SizeAlong(const GradientContext& c, int axis) {
  const Dim size = c.TypeOf(c.Input(0)).dims[axis];
  if (!size.symbolic()) return size.size;
  return c.Error(ErrorClass::kShape, "input 0 is %s: dimension %d must be a number to be differentiated",
                 c.TypeOf(c.Input(0)).ToString(), axis);
}

absl::Status Gradient(GradientContext& c) {
  const int axis = AxisOf(c.attrs(), c.TypeOf(c.Input(0)).dims.size());
  ATH_ASSIGN_OR_RETURN(int64_t size, SizeAlong(c, axis));
  ATH_ASSIGN_OR_RETURN(
      ValueId dx, c.Emit("ScatterAdd", {c.OutputGrad(), c.Input(1)}, {{"axis", int64_t{axis}}, {"size", size}}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// Kernel "gather": inputs (x, indices), outputs (y), attributes {axis}.
absl::Status Lower(LowerContext& c) {
  c.Emit("gather", {c.Input(0), c.Input(1)}, {c.Output()},
         {{"axis", int64_t{AxisOf(c.attrs(), c.InputShape(0).size())}}});
  return absl::OkStatus();
}

absl::Status Take(ReferenceContext& c, int axis) {
  const DoubleTensor& x = c.Input(0);
  const Places places{LoopsAlong(x.shape, axis), c.Input(1).size()};
  ATH_RETURN_IF_ERROR(CheckAll(c, c.Input(1), places.of.size));
  return ForEachPlace(c, places, c.Input(1),
                      [&](int64_t from, int64_t at, int64_t) { c.Output()[at] = x[from]; });
}

OpDef Def() {
  OpDef def;
  def.name = "Gather";
  def.doc = "y[o.., j.., i..] = x[o.., indices[j..], i..]: slices of x along an axis, as ONNX's Gather.";
  def.inputs = {{"x", "any type, at least one dimension"}, {"indices", "s32 or s64, any shape, each in [0, dim)"}};
  def.outputs = {{"y", "x's shape with the indices' in the place of the axis"}};
  def.attributes = {AxisAttr(int64_t{0})};
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "gather";
  def.lower = Lower;
  def.reference = [](ReferenceContext& c) { return Take(c, AxisOf(c.attrs(), c.Input(0).shape.size())); };
  return def;
}

}  // namespace gather

namespace embedding {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "weight"));
  ATH_RETURN_IF_ERROR(c.CheckRank(0, "weight", 2, 2));
  ATH_RETURN_IF_ERROR(CheckIndices(c, 1, "ids"));
  ATH_ASSIGN_OR_RETURN(int64_t rows, c.Known(0, 0, "weight"));
  const int64_t padding = c.attrs().Int("padding_idx");
  if (padding >= rows) {
    return c.Error(ErrorClass::kAttr, "padding_idx = %d is not a row of the weight %s", padding,
                   c.Input(0).ToString());
  }
  TensorType y(c.Input(0).dtype, c.Input(1).dims);
  y.dims.push_back(c.Input(0).dims[1]);
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId dw, c.Emit("ScatterAdd", {c.OutputGrad(), c.Input(1)},
                                          {{"size", c.TypeOf(c.Input(0)).dims[0].size},
                                           {"padding_idx", c.attrs().Int("padding_idx")}}));
  c.SetInputGrad(0, dw);
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Embedding";
  def.doc = "y[j.., d] = weight[ids[j..], d], as torch.nn.Embedding. The row padding_idx gets no gradient.";
  def.inputs = {{"weight", "f32[V,D]"}, {"ids", "s32 or s64, any shape, each in [0, V)"}};
  def.outputs = {{"y", "f32: the ids' shape and D"}};
  def.attributes = {{.name = "padding_idx",
                     .type = AttrType::kInt,
                     .doc = "-1: none",
                     .default_value = int64_t{-1},
                     .min = 0}};
  def.infer = Infer;
  def.gradient = Gradient;
  // Kernel "gather": see Gather.
  def.kernels = "gather";
  def.lower = [](LowerContext& c) {
    c.Emit("gather", {c.Input(0), c.Input(1)}, {c.Output()}, {{"axis", int64_t{0}}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) { return gather::Take(c, 0); };
  return def;
}

}  // namespace embedding

namespace scatter_add {

// The dimensions that follow the axis in updates are those behind the indices'.
absl::Status Infer(InferContext& c) {
  const TensorType &updates = c.Input(0), &indices = c.Input(1);
  ATH_RETURN_IF_ERROR(c.CheckFloating(0, "updates"));
  ATH_RETURN_IF_ERROR(CheckIndices(c, 1, "indices"));
  const int rank = updates.rank() - indices.rank() + 1;  // of y
  if (rank < 1) {
    return c.Error(ErrorClass::kShape, "updates %s has fewer dimensions than indices %s", updates.ToString(),
                   indices.ToString());
  }
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), rank));
  auto at = updates.dims.begin() + axis;
  if (!std::equal(indices.dims.begin(), indices.dims.end(), at)) {
    return c.Error(ErrorClass::kShape, "updates %s does not have the dimensions of indices %s from %d on",
                   updates.ToString(), indices.ToString(), axis);
  }
  const int64_t size = c.attrs().Int("size"), padding = c.attrs().Int("padding_idx");
  if (padding >= size) return c.Error(ErrorClass::kAttr, "padding_idx = %d is not in [0, %d)", padding, size);
  TensorType y = updates;
  y.dims.erase(y.dims.begin() + axis, y.dims.begin() + axis + indices.rank());
  y.dims.insert(y.dims.begin() + axis, Dim(size));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

// Slices of dy; those that were left out are zero.
absl::Status Gradient(GradientContext& c) {
  const TensorType dy = c.TypeOf(c.OutputGrad());
  const int axis = AxisOf(c.attrs(), dy.dims.size());
  ValueId grad = c.OutputGrad();
  const int64_t padding = c.attrs().Int("padding_idx");
  if (padding >= 0) {  // a mask of ones, with a zero for the slice
    Shape shape(dy.dims.size(), 1);
    shape[axis] = dy.dims[axis].size;
    DoubleTensor mask(shape, 1);
    mask[padding] = 0;
    ATH_ASSIGN_OR_RETURN(grad, c.Emit("Mul", {grad, c.Constant(mask.To(dy.dtype))}));
  }
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Gather", {grad, c.Input(1)}, {{"axis", int64_t{axis}}}));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  DoubleTensor& y = c.Output();
  const Places places{LoopsAlong(y.shape, AxisOf(c.attrs(), y.shape.size())), c.Input(1).size()};
  const int64_t padding = c.attrs().Int("padding_idx");
  ATH_RETURN_IF_ERROR(CheckAll(c, c.Input(1), places.of.size));
  return ForEachPlace(c, places, c.Input(1), [&](int64_t to, int64_t at, int64_t index) {
    if (index != padding) y[to] += c.Input(0)[at];
  });
}

OpDef Def() {
  OpDef def;
  def.name = "ScatterAdd";
  def.doc = "Zeros, and y[o.., indices[j..], i..] += updates[o.., j.., i..] for each j: the gradient of Gather.";
  def.inputs = {{"updates", "f32: y's shape with the indices' in the place of the axis"},
                {"indices", "s32 or s64, any shape, each in [0, size)"}};
  def.outputs = {{"y", "f32"}};
  def.attributes = {
      AxisAttr(int64_t{0}, "the dimension of y, in [-rank, rank)"),
      {.name = "size", .type = AttrType::kInt, .doc = "y's dimension there", .min = 0},
      {.name = "padding_idx", .type = AttrType::kInt, .doc = "updates at this index are left out; -1: none",
       .default_value = int64_t{-1}, .min = 0},
  };
  def.infer = Infer;
  def.gradient = Gradient;
  // Kernel "scatter_add": inputs (updates, indices), outputs (y), attributes {axis, padding_idx}.
  def.kernels = "scatter_add";
  def.lower = [](LowerContext& c) {
    c.Emit("scatter_add", {c.Input(0), c.Input(1)}, {c.Output()},
           {{"axis", int64_t{AxisOf(c.attrs(), c.OutputShape().size())}},
            {"padding_idx", c.attrs().Int("padding_idx")}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace scatter_add

namespace elements {

// SHAPE error unless the indices have x's dimensions but for the axis.
absl::StatusOr<int> CheckIndicesLike(const InferContext& c, const char* name) {
  const TensorType &x = c.Input(0), &indices = c.Input(1);
  ATH_RETURN_IF_ERROR(CheckIndices(c, 1, "indices"));
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), x.rank()));
  TensorType wanted = x;
  if (indices.rank() == x.rank()) wanted.dims[axis] = indices.dims[axis];
  if (wanted.dims == indices.dims) return axis;
  return c.Error(ErrorClass::kShape, "indices %s do not have the dimensions of \"%s\" %s but for %d",
                 indices.ToString(), name, x.ToString(), axis);
}

Places PlacesIn(const ReferenceContext& c, const Shape& shape) {
  const int axis = AxisOf(c.attrs(), shape.size());
  return {LoopsAlong(shape, axis), c.Input(1).shape[axis], true};
}

OpDef GatherDef() {
  OpDef def;
  def.name = "GatherElements";
  def.doc = "y[o.., j, i..] = x[o.., indices[o.., j, i..], i..], as torch.gather and ONNX's GatherElements.";
  def.inputs = {{"x", "any type"}, {"indices", "s32 or s64: x's dimensions but for the axis, each in [0, dim)"}};
  def.outputs = {{"y", "the indices' shape"}};
  def.attributes = {AxisAttr(int64_t{0})};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(CheckIndicesLike(c, "x").status());
    c.SetOutput(0, {c.Input(0).dtype, c.Input(1).dims});
    return absl::OkStatus();
  };
  def.gradient = [](GradientContext& c) -> absl::Status {
    const int axis = AxisOf(c.attrs(), c.TypeOf(c.Input(0)).dims.size());
    ATH_ASSIGN_OR_RETURN(int64_t size, gather::SizeAlong(c, axis));
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("ScatterElementsAdd", {c.OutputGrad(), c.Input(1)},
                                            {{"axis", int64_t{axis}}, {"size", size}}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  // Kernel "gather_elements": inputs (x, indices), outputs (y), attributes {axis}.
  def.kernels = "gather_elements";
  def.lower = [](LowerContext& c) {
    c.Emit("gather_elements", {c.Input(0), c.Input(1)}, {c.Output()},
           {{"axis", int64_t{AxisOf(c.attrs(), c.OutputShape().size())}}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    return ForEachPlace(c, PlacesIn(c, x.shape), c.Input(1),
                        [&](int64_t from, int64_t at, int64_t) { c.Output()[at] = x[from]; });
  };
  return def;
}

OpDef ScatterDef() {
  OpDef def;
  def.name = "ScatterElementsAdd";
  def.doc =
      "Zeros, and y[o.., indices[o.., j, i..], i..] += updates[o.., j, i..]: the gradient of GatherElements and TopK, "
      "ONNX's ScatterElements with reduction add.";
  def.inputs = {{"updates", "f32"}, {"indices", "s32 or s64, like updates, each in [0, size)"}};
  def.outputs = {{"y", "f32"}};
  def.attributes = {AxisAttr(int64_t{0}),
                    {.name = "size", .type = AttrType::kInt, .doc = "y's dimension there", .min = 0}};
  def.infer = [](InferContext& c) -> absl::Status {
    ATH_RETURN_IF_ERROR(c.CheckFloating(0, "updates"));
    ATH_ASSIGN_OR_RETURN(int axis, CheckIndicesLike(c, "updates"));
    if (!(c.Input(0).dims == c.Input(1).dims)) {
      return c.Error(ErrorClass::kShape, "updates %s and indices %s must have one shape", c.Input(0).ToString(),
                     c.Input(1).ToString());
    }
    TensorType y = c.Input(0);
    y.dims[axis] = c.attrs().Int("size");
    c.SetOutput(0, std::move(y));
    return absl::OkStatus();
  };
  def.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("GatherElements", {c.OutputGrad(), c.Input(1)},
                                            {{"axis", c.attrs().Int("axis")}}));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  // Kernel "scatter_elements_add": inputs (updates, indices), outputs (y), attributes {axis}.
  def.kernels = "scatter_elements_add";
  def.lower = [](LowerContext& c) {
    c.Emit("scatter_elements_add", {c.Input(0), c.Input(1)}, {c.Output()},
           {{"axis", int64_t{AxisOf(c.attrs(), c.OutputShape().size())}}});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    DoubleTensor& y = c.Output();
    return ForEachPlace(c, PlacesIn(c, y.shape), c.Input(1),
                        [&](int64_t to, int64_t at, int64_t) { y[to] += c.Input(0)[at]; });
  };
  return def;
}

}  // namespace elements

ATH_REGISTER_OP(gather::Def());
ATH_REGISTER_OP(embedding::Def());
ATH_REGISTER_OP(scatter_add::Def());
ATH_REGISTER_OP(elements::GatherDef());
ATH_REGISTER_OP(elements::ScatterDef());

}  // namespace
}  // namespace athanor
