// Expand: a tensor repeated along its dimensions of 1.
#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/broadcast.h"

namespace athanor {
namespace {

absl::Status Infer(InferContext& c) {
  const TensorType& x = c.Input(0);
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> dims, c.Broadcast(x, TensorType::Of(x.dtype, c.attrs().GetInts("shape"))));
  c.SetOutput(0, {x.dtype, std::move(dims)});
  return absl::OkStatus();
}

OpDef ExpandDef() {
  OpDef def;
  def.name = "Expand";
  def.doc = "x broadcast together with shape, as ONNX's Expand.";
  def.inputs = {{"x", "any type and shape"}};
  def.outputs = {{"y", "the broadcast shape"}};
  def.attributes = {{.name = "shape",
                     .type = AttrType::kInts,
                     .doc = "the dimensions to repeat to, aligned at the last; 1 keeps x's",
                     .min = 1}};
  def.infer = Infer;
  def.gradient = [](GradientContext& c) -> absl::Status {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.ReduceTo(c.OutputGrad(), c.TypeOf(c.Input(0))));
    c.SetInputGrad(0, dx);
    return absl::OkStatus();
  };
  def.expand = [](ExpandContext& c) {
    if (c.TypeOf(c.Input(0)) == c.TypeOf(c.node().outputs[0])) c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  // Alone, kernel "expand": inputs (x), outputs (y). Beside elementwise operators it is never written out.
  def.elementwise = [](const Node&, absl::Span<const Elem> x) { return std::vector<Elem>{x[0]}; };
  def.kernels = "expand";
  def.lower = [](LowerContext& c) {
    c.Emit("expand", {c.Input(0)}, {c.Output()}, {});
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    const DoubleTensor& x = c.Input(0);
    DoubleTensor& y = c.Output();
    ForEachBroadcast(y.shape, x.shape, x.shape, [&](int64_t i, int64_t from, int64_t) { y[i] = x[from]; });
    return absl::OkStatus();
  };
  return def;
}

ATH_REGISTER_OP(ExpandDef());

}  // namespace
}  // namespace athanor
