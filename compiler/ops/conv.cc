// Conv1d, Conv2d and Conv3d, and their gradients as operators of their own, so that each is one kernel call.
#include "compiler/ops/conv.h"

#include <algorithm>

namespace athanor {
namespace {

// The window of a node whose types are known, its padding explicit.
absl::StatusOr<Window> SettledWindow(const OpContext& c, size_t n, const TensorType& x, const Shape& weight) {
  Window window(c.attrs(), n);
  window.kernel = KernelOf(weight);
  ATH_RETURN_IF_ERROR(window.AllPositions(c, x.dims).status());
  return window;
}

TensorType TypeOfShape(const Shape& shape) { return TensorType::Of(DType::kF32, shape); }

namespace forward {

absl::Status Infer(InferContext& c, size_t n) {
  Window window(c.attrs(), n);
  ATH_RETURN_IF_ERROR(window.Check(c));
  const int rank = static_cast<int>(n) + 2;
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x", rank, rank));
  ATH_ASSIGN_OR_RETURN(const Shape weight, CheckConvWeight(c, 1, n, "output channels"));
  const TensorType& x = c.Input(0);
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "weight", x.dtype));
  const int64_t in = x.dims[1].size, groups = c.attrs().Int("groups");
  ATH_RETURN_IF_ERROR(CheckGroups(c, "input channels", in));
  if (in / groups != weight[1]) {
    return c.Error(ErrorClass::kShape,
                   "input \"x\" is %s, with %d channels for each of %d groups; weight %s expects %d", x.ToString(),
                   in / groups, groups, c.Input(1).ToString(), weight[1]);
  }
  if (c.HasInput(2)) {
    ATH_RETURN_IF_ERROR(CheckSameType(c, 2, "bias", {x.dtype, {weight[0]}}, "the weight's dimension 0"));
  }
  window.kernel = KernelOf(weight);
  ATH_ASSIGN_OR_RETURN(TensorType y, ConvOutputType(c, x, weight[0], &window));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c, size_t n) {
  const ValueId dy = c.OutputGrad();
  const TensorType x = c.TypeOf(c.Input(0)), weight = c.TypeOf(c.Input(1));
  ATH_ASSIGN_OR_RETURN(const Window window, SettledWindow(c, n, x, weight.shape()));
  if (c.NeedsGrad(0)) {
    Attributes attrs = ConvKernelAttributes(c, window);
    attrs.Set("input_size", SpatialSizes(x));
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(ConvName(n, "BackwardData"), {dy, c.Input(1)}, std::move(attrs)));
    c.SetInputGrad(0, dx);
  }
  if (c.NeedsGrad(1)) {
    Attributes attrs = ConvKernelAttributes(c, window);
    attrs.Set("kernel", window.kernel);
    const int outputs = c.NeedsGrad(2) ? 2 : 1;
    ATH_ASSIGN_OR_RETURN(
        std::vector<ValueId> grads,
        c.EmitMulti(ConvName(n, "BackwardWeights"), {c.Input(0), dy}, std::move(attrs), outputs));
    for (int i = 0; i < outputs; ++i) c.SetInputGrad(1 + i, grads[i]);
  } else if (c.NeedsGrad(2)) {
    ATH_ASSIGN_OR_RETURN(ValueId db, BiasGradient(c, dy));
    c.SetInputGrad(2, db);
  }
  return absl::OkStatus();
}

// Kernel "convolution": inputs (x, weight[, bias], post-op operands...), outputs (y), attributes {strides, pads,
// dilations, groups, bias}.
absl::Status Lower(LowerContext& c, size_t n) {
  ATH_ASSIGN_OR_RETURN(const Window window, SettledWindow(c, n, TypeOfShape(c.InputShape(0)), c.InputShape(1)));
  Attributes attrs = ConvKernelAttributes(c, window);
  attrs.Set("bias", c.HasInput(2));
  c.Emit("convolution", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, std::move(attrs), /*with_post_ops=*/true);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c, size_t n) {
  const DoubleTensor &x = c.Input(0), &weight = c.Input(1);
  DoubleTensor& y = c.Output();
  ATH_ASSIGN_OR_RETURN(const Window window, SettledWindow(c, n, TypeOfShape(x.shape), weight.shape));
  if (c.HasInput(2)) ForEachChannel(y.shape, [&](int64_t i, int64_t channel) { y[i] = c.Input(2)[channel]; });
  ForEachProduct(ConvGeometry(window, c.attrs().Int("groups", 1), x.shape, weight.shape, y.shape),
                 [&](int64_t xi, int64_t wi, int64_t yi) { y[yi] += x[xi] * weight[wi]; });
  return absl::OkStatus();
}

OpDef Def(size_t n) {
  OpDef def;
  def.name = ConvName(n);
  def.doc = absl::StrCat(
      "y[n,o,h,..] = bias[o] + the sum over c, i, .. of x[n,c,h s - p + i d,..] weight[o,c,i,..], zero outside of x: "
      "cross-correlation, as torch.nn.functional.conv", n, "d and ONNX's Conv have it.");
  def.inputs = {{"x", ImageDoc("N,C", n)},
                {"weight", WeightDoc("O,C/groups", n)},
                {.name = "bias", .doc = "f32[O]", .optional = true}};
  def.outputs = {
      {"y", PositionsDoc("N,O", n) + ", each size floor((size + pads - dilation (k - 1) - 1) / stride) + 1"}};
  def.attributes = ConvAttributes(n);
  def.attributes.push_back(AutoPadAttr());
  def.infer = [n](InferContext& c) { return Infer(c, n); };
  def.gradient = [n](GradientContext& c) { return Gradient(c, n); };
  def.kernels = "convolution";
  def.lower = [n](LowerContext& c) { return Lower(c, n); };
  def.reference = [n](ReferenceContext& c) { return Reference(c, n); };
  def.traits.accepts_unary_post_ops = def.traits.accepts_binary_post_ops = true;
  def.traits.weight_input = 1;
  def.traits.bias_input = 2;
  def.traits.weight_channel_axis = 0;
  return def;
}

}  // namespace forward

namespace backward_data {

absl::Status Infer(InferContext& c, size_t n) {
  Window window(c.attrs(), n);
  ATH_RETURN_IF_ERROR(window.Check(c));
  const int rank = static_cast<int>(n) + 2;
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "dy", rank, rank));
  ATH_ASSIGN_OR_RETURN(const Shape weight, CheckConvWeight(c, 1, n, "output channels"));
  const TensorType& dy = c.Input(0);
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "weight", dy.dtype));
  ATH_ASSIGN_OR_RETURN(const int64_t in, AllGroups(c, weight));
  TensorType dx = ImagesOf(dy, in, c.attrs().GetInts("input_size"));
  window.kernel = KernelOf(weight);
  ATH_ASSIGN_OR_RETURN(TensorType y, ConvOutputType(c, dx, weight[0], &window));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", y, "the forward operator's output"));
  c.SetOutput(0, std::move(dx));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c, size_t n) {
  const DoubleTensor &dy = c.Input(0), &weight = c.Input(1);
  DoubleTensor& dx = c.Output();
  const ConvGeometry g(Window(c.attrs(), n), c.attrs().Int("groups", 1), dx.shape, weight.shape, dy.shape);
  ForEachProduct(g, [&](int64_t xi, int64_t wi, int64_t yi) { dx[xi] += dy[yi] * weight[wi]; });
  return absl::OkStatus();
}

OpDef Def(size_t n) {
  OpDef def;
  def.name = ConvName(n, "BackwardData");
  def.doc = absl::StrCat("dx[x] = the sum of dy[y] weight[w] over all products x w of a ", ConvName(n),
                         "'s y: its gradient by x.");
  def.inputs = {{"dy", PositionsDoc("N,O", n)}, {"weight", WeightDoc("O,C/groups", n)}};
  def.outputs = {{"dx", ImageDoc("N,C", n)}};
  def.attributes = ConvAttributes(n);
  def.attributes.push_back(InputSizeAttr(n));
  def.infer = [n](InferContext& c) { return Infer(c, n); };
  // Kernel "convolution_backward_data": inputs (dy, weight), outputs (dx), attributes {strides, pads, dilations,
  // groups}.
  def.kernels = "convolution_backward_data";
  def.lower = [n](LowerContext& c) {
    c.Emit("convolution_backward_data", {c.Input(0), c.Input(1)}, {c.Output()},
           ConvKernelAttributes(c, Window(c.attrs(), n)));
    return absl::OkStatus();
  };
  def.reference = [n](ReferenceContext& c) { return Reference(c, n); };
  return def;
}

}  // namespace backward_data

namespace backward_weights {

absl::Status Infer(InferContext& c, size_t n) {
  Window window(c.attrs(), n);
  ATH_RETURN_IF_ERROR(window.Check(c));
  const int rank = static_cast<int>(n) + 2;
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x", rank, rank));
  ATH_RETURN_IF_ERROR(CheckImages(c, 1, "dy", rank, rank));
  const TensorType &x = c.Input(0), &dy = c.Input(1);
  const int64_t in = x.dims[1].size, out = dy.dims[1].size;
  ATH_RETURN_IF_ERROR(CheckGroups(c, "input channels", in));
  ATH_RETURN_IF_ERROR(CheckGroups(c, "output channels", out));
  ATH_ASSIGN_OR_RETURN(TensorType y, ConvOutputType(c, x, out, &window));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "dy", y, "the forward operator's output"));
  TensorType weight(x.dtype, {out, in / c.attrs().Int("groups")});
  weight.dims.insert(weight.dims.end(), window.kernel.begin(), window.kernel.end());
  c.SetOutput(0, std::move(weight));
  c.SetOutput(1, {x.dtype, {out}});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c, size_t n) {
  const DoubleTensor &x = c.Input(0), &dy = c.Input(1);
  DoubleTensor& dw = c.Output();
  const ConvGeometry g(Window(c.attrs(), n), c.attrs().Int("groups", 1), x.shape, dw.shape, dy.shape);
  ForEachProduct(g, [&](int64_t xi, int64_t wi, int64_t yi) { dw[wi] += dy[yi] * x[xi]; });
  if (c.HasOutput(1)) ForEachChannel(dy.shape, [&](int64_t i, int64_t channel) { c.Output(1)[channel] += dy[i]; });
  return absl::OkStatus();
}

OpDef Def(size_t n) {
  OpDef def;
  def.name = ConvName(n, "BackwardWeights");
  def.doc = absl::StrCat("dweight[w] = the sum of dy[y] x[x] over all products x w of a ", ConvName(n),
                         "'s y, and dbias = the sum of dy over all but the channels: its gradients.");
  def.inputs = {{"x", ImageDoc("N,C", n)}, {"dy", PositionsDoc("N,O", n)}};
  def.outputs = {{"dweight", WeightDoc("O,C/groups", n)}, {.name = "dbias", .doc = "f32[O]", .optional = true}};
  def.attributes = ConvAttributes(n);
  def.attributes.push_back(KernelAttr(n));
  def.infer = [n](InferContext& c) { return Infer(c, n); };
  // Kernel "convolution_backward_weights": inputs (x, dy), outputs (dweight[, dbias]), attributes {strides, pads,
  // dilations, groups, bias}.
  def.kernels = "convolution_backward_weights";
  def.lower = [n](LowerContext& c) {
    Attributes attrs = ConvKernelAttributes(c, Window(c.attrs(), n));
    attrs.Set("bias", c.HasOutput(1));
    c.Emit("convolution_backward_weights", {c.Input(0), c.Input(1)}, {c.Output(0), c.Output(1)}, std::move(attrs));
    return absl::OkStatus();
  };
  def.reference = [n](ReferenceContext& c) { return Reference(c, n); };
  return def;
}

}  // namespace backward_weights

ATH_REGISTER_OP(forward::Def(1));
ATH_REGISTER_OP(forward::Def(2));
ATH_REGISTER_OP(forward::Def(3));
ATH_REGISTER_OP(backward_data::Def(1));
ATH_REGISTER_OP(backward_data::Def(2));
ATH_REGISTER_OP(backward_data::Def(3));
ATH_REGISTER_OP(backward_weights::Def(1));
ATH_REGISTER_OP(backward_weights::Def(2));
ATH_REGISTER_OP(backward_weights::Def(3));

}  // namespace
}  // namespace athanor
