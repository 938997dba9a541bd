// OneHot: indices as vectors.
#include "compiler/ops/axis.h"

namespace athanor {
namespace {

// In the result's rank, one more than the indices'.
absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckIndices(c, 0, "indices"));
  TensorType y(DType::kF32, c.Input(0).dims);
  ATH_ASSIGN_OR_RETURN(int axis, c.Axis(c.attrs().Int("axis"), y.rank() + 1));
  y.dims.insert(y.dims.begin() + axis, Dim(c.attrs().Int("depth")));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  DoubleTensor& y = c.Output();
  const AxisLoops loops = LoopsAlong(y.shape, AxisOf(c.attrs(), y.shape.size()));
  y.data.assign(y.data.size(), c.attrs().Float("off_value"));
  for (int64_t line = 0; line < loops.lines(); ++line) {
    ATH_ASSIGN_OR_RETURN(int64_t index, IndexAt(c, c.Input(0), line, loops.size));
    y[(line / loops.inner * loops.size + index) * loops.inner + line % loops.inner] = c.attrs().Float("on_value");
  }
  return absl::OkStatus();
}

OpDef OneHotDef() {
  OpDef def;
  def.name = "OneHot";
  def.doc =
      "y is on_value where its index along the axis is the one in indices, else off_value, as torch.nn.functional."
      "one_hot and ONNX's OneHot; an index out of range is an error, as PyTorch has it.";
  def.inputs = {{"indices", "s32 or s64, any shape, each in [0, depth)"}};
  def.outputs = {{"y", "f32: the indices' shape with depth at the axis"}};
  def.attributes = {
      {.name = "depth", .type = AttrType::kInt, .doc = "the new dimension", .min = 1, .max = 2147483647},
      AxisAttr(int64_t{-1}, "the new dimension's place, in [-rank - 1, rank]"),
      {.name = "on_value", .type = AttrType::kFloat, .doc = "finite", .default_value = 1.0, .min = -3.4e38,
       .max = 3.4e38},
      {.name = "off_value", .type = AttrType::kFloat, .doc = "finite", .default_value = 0.0, .min = -3.4e38,
       .max = 3.4e38},
  };
  def.infer = Infer;
  // Kernel "one_hot": inputs (indices), outputs (y), attributes {axis, on, off}.
  def.kernels = "one_hot";
  def.lower = [](LowerContext& c) {
    c.Emit("one_hot", {c.Input(0)}, {c.Output()},
           {{"axis", int64_t{AxisOf(c.attrs(), c.OutputShape().size())}},
            {"on", c.attrs().Float("on_value")},
            {"off", c.attrs().Float("off_value")}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

ATH_REGISTER_OP(OneHotDef());

}  // namespace
}  // namespace athanor
