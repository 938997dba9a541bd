// FullyConnected, and its gradients as operators of their own, so that each is one kernel call.
#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

constexpr int kMaxImageRank = 5;  // of x: what the kernel takes

std::vector<Dim> Features(const TensorType& t) { return {t.dims.begin() + 1, t.dims.end()}; }

TensorType WithDim0(TensorType t, const Dim& d) {
  t.dims[0] = d;
  return t;
}

// The weight's dimensions are numbers, none 0, and as many as an input of the layer has.
absl::Status CheckWeight(const InferContext& c, int i) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "weight"));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, "weight", 2, kMaxImageRank));
  for (int d = 0; d < c.Input(i).rank(); ++d) ATH_RETURN_IF_ERROR(c.Known(i, d, "weight").status());
  return absl::OkStatus();
}

absl::Status CheckX(const InferContext& c, int i) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "x"));
  return c.CheckRank(i, "x", 2, kMaxImageRank);
}

int64_t Product(const Shape& dims) {
  auto product = NumElements(dims);
  ATH_CHECK_OK(product);
  return *product;
}

namespace forward {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckX(c, 0));
  ATH_RETURN_IF_ERROR(CheckWeight(c, 1));
  const TensorType &x = c.Input(0), &weight = c.Input(1);
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "weight", x.dtype));
  if (Features(x) != Features(weight)) {
    return c.Error(ErrorClass::kShape, "input \"x\" is %s, weight %s expects %s for its features", x.ToString(),
                   weight.ToString(), WithDim0(weight, x.dims[0]).ToString());
  }
  if (c.HasInput(2)) {
    ATH_RETURN_IF_ERROR(CheckSameType(c, 2, "bias", {x.dtype, {weight.dims[0]}}, "the weight's dimension 0"));
  }
  c.SetOutput(0, {x.dtype, {x.dims[0], weight.dims[0]}});
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  ValueId dy = c.OutputGrad();
  if (c.NeedsGrad(0)) {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("FullyConnectedBackwardData", {dy, c.Input(1)}));
    c.SetInputGrad(0, dx);
  }
  if (c.NeedsGrad(1)) {
    const int outputs = c.NeedsGrad(2) ? 2 : 1;
    ATH_ASSIGN_OR_RETURN(std::vector<ValueId> grads,
                         c.EmitMulti("FullyConnectedBackwardWeights", {c.Input(0), dy}, {}, outputs));
    for (int i = 0; i < outputs; ++i) c.SetInputGrad(1 + i, grads[i]);
  } else if (c.NeedsGrad(2)) {
    ATH_ASSIGN_OR_RETURN(ValueId db, c.Emit("ReduceSum", {dy}, {{"axes", Ints{0}}}));
    c.SetInputGrad(2, db);
  }
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &x = c.Input(0), &w = c.Input(1);
  DoubleTensor& y = c.Output();
  const int64_t rows = y.shape[0], outs = y.shape[1], depth = w.size() / outs;
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t o = 0; o < outs; ++o) {
      double sum = c.HasInput(2) ? c.Input(2)[o] : 0;
      for (int64_t k = 0; k < depth; ++k) sum += x[n * depth + k] * w[o * depth + k];
      y[n * outs + o] = sum;
    }
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "FullyConnected";
  def.doc = "y = x w' + bias, w' the transposed weight, over all dimensions of x but the first.";
  def.inputs = {{"x", "f32[N,K], or images f32[N,C,..] of rank up to 5"},
                {"weight", "f32[O,K], or f32[O,C,..] like x"},
                {.name = "bias", .doc = "f32[O]", .optional = true}};
  def.outputs = {{"y", "f32[N,O]"}};
  def.infer = Infer;
  def.gradient = Gradient;
  // Kernel "inner_product": inputs (x, weight[, bias], post-op operands...), outputs (y), attributes {bias}.
  def.kernels = "inner_product";
  def.lower = [](LowerContext& c) {
    c.Emit("inner_product", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, {{"bias", c.HasInput(2)}},
           /*with_post_ops=*/true);
    return absl::OkStatus();
  };
  def.reference = Reference;
  def.traits.accepts_unary_post_ops = def.traits.accepts_binary_post_ops = true;
  def.traits.weight_input = 1;
  def.traits.bias_input = 2;
  def.traits.weight_channel_axis = 0;
  return def;
}

}  // namespace forward

namespace backward_data {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, 0, "dy"));
  ATH_RETURN_IF_ERROR(c.CheckRank(0, "dy", 2, 2));
  ATH_RETURN_IF_ERROR(CheckWeight(c, 1));
  const TensorType &dy = c.Input(0), &weight = c.Input(1);
  ATH_RETURN_IF_ERROR(
      CheckSameType(c, 0, "dy", {weight.dtype, {dy.dims[0], weight.dims[0]}}, "the weight's dimension 0"));
  c.SetOutput(0, WithDim0(weight, dy.dims[0]));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &dy = c.Input(0), &w = c.Input(1);
  const int64_t rows = dy.shape[0], outs = dy.shape[1], depth = w.size() / outs;
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t o = 0; o < outs; ++o) {
      for (int64_t k = 0; k < depth; ++k) c.Output()[n * depth + k] += dy[n * outs + o] * w[o * depth + k];
    }
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "FullyConnectedBackwardData";
  def.doc = "dx = dy weight: the gradient of FullyConnected by x.";
  def.inputs = {{"dy", "f32[N,O]"}, {"weight", "f32[O,K] or f32[O,C,..]"}};
  def.outputs = {{"dx", "f32[N,K] or f32[N,C,..]"}};
  def.infer = Infer;
  // Kernel "inner_product_backward_data": inputs (dy, weight), outputs (dx).
  def.kernels = "inner_product_backward_data";
  def.lower = [](LowerContext& c) {
    c.Emit("inner_product_backward_data", {c.Input(0), c.Input(1)}, {c.Output()}, {});
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace backward_data

namespace backward_weights {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckX(c, 0));
  ATH_RETURN_IF_ERROR(CheckNumbers(c, 1, "dy"));
  ATH_RETURN_IF_ERROR(c.CheckRank(1, "dy", 2, 2));
  const TensorType &x = c.Input(0), &dy = c.Input(1);
  ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "dy", {x.dtype, {x.dims[0], dy.dims[1]}}, "x's batch"));
  for (int d = 1; d < x.rank(); ++d) ATH_RETURN_IF_ERROR(c.Known(0, d, "x").status());
  ATH_RETURN_IF_ERROR(c.Known(1, 1, "dy").status());
  c.SetOutput(0, WithDim0(x, dy.dims[1]));
  c.SetOutput(1, {x.dtype, {dy.dims[1]}});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &x = c.Input(0), &dy = c.Input(1);
  const int64_t rows = dy.shape[0], outs = dy.shape[1], depth = Product(x.shape) / rows;
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t o = 0; o < outs; ++o) {
      if (c.HasOutput(1)) c.Output(1)[o] += dy[n * outs + o];
      for (int64_t k = 0; k < depth; ++k) c.Output(0)[o * depth + k] += dy[n * outs + o] * x[n * depth + k];
    }
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "FullyConnectedBackwardWeights";
  def.doc = "dweight = dy' x and dbias = the sum of dy over the batch: the gradients of FullyConnected.";
  def.inputs = {{"x", "f32[N,K] or f32[N,C,..]"}, {"dy", "f32[N,O]"}};
  def.outputs = {{"dweight", "f32[O,K] or f32[O,C,..]"}, {.name = "dbias", .doc = "f32[O]", .optional = true}};
  def.infer = Infer;
  // Kernel "inner_product_backward_weights": inputs (x, dy), outputs (dweight[, dbias]), attributes {bias}.
  def.kernels = "inner_product_backward_weights";
  def.lower = [](LowerContext& c) {
    c.Emit("inner_product_backward_weights", {c.Input(0), c.Input(1)}, {c.Output(0), c.Output(1)},
           {{"bias", c.HasOutput(1)}});
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace backward_weights

ATH_REGISTER_OP(forward::Def());
ATH_REGISTER_OP(backward_data::Def());
ATH_REGISTER_OP(backward_weights::Def());

}  // namespace
}  // namespace athanor
