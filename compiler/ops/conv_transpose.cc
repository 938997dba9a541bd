// ConvTranspose1d, ConvTranspose2d and ConvTranspose3d: the gradient of a convolution by its input, as a layer. The
// convolution from y back to x is here called the mirrored one; its operators are the gradients.
#include <algorithm>

#include "compiler/ops/conv.h"

namespace athanor {
namespace {

absl::Status CheckOutputPadding(const InferContext& c, const Window& window, const Ints& output_padding) {
  for (size_t d = 0; d < window.n; ++d) {
    if (output_padding[d] < window.strides[d]) continue;
    return c.Error(ErrorClass::kAttr, "output_padding = %s must each be smaller than strides = %s: else y is not what "
                   "a convolution makes x of", AttrToString(output_padding), AttrToString(window.strides));
  }
  return absl::OkStatus();
}

// The size of y along dimension d: (size - 1) stride - pads + extent + output_padding. Finds the pads where auto_pad
// says so.
absl::StatusOr<int64_t> OutputSize(const OpContext& c, Window* w, size_t d, int64_t output_padding, int64_t size) {
  ATH_ASSIGN_OR_RETURN(const int64_t extent, w->Extent(c, d));
  int64_t &begin = w->pads[d], &end = w->pads[w->n + d];
  auto reach = CheckedMul(size - 1, w->strides[d]);
  auto covered = reach ? CheckedAdd(*reach, extent) : std::nullopt;
  auto unpadded = covered ? CheckedAdd(*covered, output_padding) : std::nullopt;
  if (!unpadded) {
    return c.Error(ErrorClass::kAttr, "its %s overflows: input %d, stride %d, kernel %d, dilation %d",
                   SideName(w->n, d), size, w->strides[d], w->kernel[d], w->dilations[d]);
  }
  if (absl::StartsWith(w->auto_pad, "same")) {
    const int64_t total = extent + output_padding - w->strides[d];  // so that y is stride times as large as x
    if (total < 0 || total > static_cast<int64_t>(kMaxWindowAttr)) {
      return c.Error(ErrorClass::kAttr, "auto_pad = \"%s\" wants a %s of %d * stride %d, and the kernel covers %d with "
                     "an output_padding of %d", w->auto_pad, SideName(w->n, d), size, w->strides[d], extent,
                     output_padding);
    }
    begin = w->auto_pad == "same_upper" ? total / 2 : total - total / 2;
    end = total - begin;
  }
  if (*unpadded - begin - end >= 1) return *unpadded - begin - end;
  return c.Error(ErrorClass::kShape, "y would have a %s of %d: (input %d - 1) * stride %d - padding (%d + %d) + "
                 "kernel's %d + output_padding %d", SideName(w->n, d), *unpadded - begin - end, size, w->strides[d],
                 begin, end, extent, output_padding);
}

// The sizes of y; the window's padding is explicit afterwards.
absl::StatusOr<Ints> OutputSizes(const OpContext& c, const Ints& x, const Shape& weight, Window* window) {
  window->kernel = KernelOf(weight);
  const Ints output_padding = c.attrs().GetInts("output_padding", Ints(window->n, 0));
  Ints y;
  for (size_t d = 0; d < window->n; ++d) {
    ATH_ASSIGN_OR_RETURN(int64_t size, OutputSize(c, window, d, output_padding[d], x[d]));
    y.push_back(size);
  }
  window->auto_pad = "explicit";
  return y;
}

absl::Status Infer(InferContext& c, size_t n) {
  Window window(c.attrs(), n);
  ATH_RETURN_IF_ERROR(window.Check(c));
  ATH_RETURN_IF_ERROR(CheckOutputPadding(c, window, c.attrs().GetInts("output_padding")));
  const int rank = static_cast<int>(n) + 2;
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x", rank, rank));
  ATH_ASSIGN_OR_RETURN(const Shape weight, CheckConvWeight(c, 1, n, "input channels"));
  const TensorType& x = c.Input(0);
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "weight", x.dtype));
  if (x.dims[1].size != weight[0]) {
    return c.Error(ErrorClass::kShape, "input \"x\" is %s, with %d channels; weight %s expects %d", x.ToString(),
                   x.dims[1].size, c.Input(1).ToString(), weight[0]);
  }
  ATH_ASSIGN_OR_RETURN(const int64_t out, AllGroups(c, weight));
  if (c.HasInput(2)) {
    ATH_RETURN_IF_ERROR(CheckSameType(c, 2, "bias", {x.dtype, {out}}, "the output channels"));
  }
  ATH_ASSIGN_OR_RETURN(const Ints sizes, OutputSizes(c, SpatialSizes(x), weight, &window));
  c.SetOutput(0, ImagesOf(x, out, sizes));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c, size_t n) {
  const ValueId dy = c.OutputGrad();
  Window window(c.attrs(), n);
  ATH_RETURN_IF_ERROR(
      OutputSizes(c, SpatialSizes(c.TypeOf(c.Input(0))), c.TypeOf(c.Input(1)).shape(), &window).status());
  if (c.NeedsGrad(0)) {
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit(ConvName(n), {dy, c.Input(1)}, ConvKernelAttributes(c, window)));
    c.SetInputGrad(0, dx);
  }
  if (c.NeedsGrad(1)) {
    Attributes attrs = ConvKernelAttributes(c, window);
    attrs.Set("kernel", window.kernel);
    ATH_ASSIGN_OR_RETURN(ValueId dw, c.Emit(ConvName(n, "BackwardWeights"), {dy, c.Input(0)}, std::move(attrs)));
    c.SetInputGrad(1, dw);
  }
  if (c.NeedsGrad(2)) {
    ATH_ASSIGN_OR_RETURN(ValueId db, BiasGradient(c, dy));
    c.SetInputGrad(2, db);
  }
  return absl::OkStatus();
}

// Kernel "convolution_backward_data": inputs (x, weight[, bias]), outputs (y), attributes {strides, pads, dilations,
// groups, bias}.
absl::Status Lower(LowerContext& c, size_t n) {
  Window window(c.attrs(), n);
  const Shape x = c.InputShape(0);
  ATH_RETURN_IF_ERROR(OutputSizes(c, Ints(x.begin() + 2, x.end()), c.InputShape(1), &window).status());
  Attributes attrs = ConvKernelAttributes(c, window);
  attrs.Set("bias", c.HasInput(2));
  c.Emit("convolution_backward_data", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, std::move(attrs));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c, size_t n) {
  const DoubleTensor &x = c.Input(0), &weight = c.Input(1);
  DoubleTensor& y = c.Output();
  Window window(c.attrs(), n);
  ATH_RETURN_IF_ERROR(OutputSizes(c, Ints(x.shape.begin() + 2, x.shape.end()), weight.shape, &window).status());
  if (c.HasInput(2)) ForEachChannel(y.shape, [&](int64_t i, int64_t channel) { y[i] = c.Input(2)[channel]; });
  const ConvGeometry mirrored(window, c.attrs().Int("groups", 1), y.shape, weight.shape, x.shape);
  ForEachProduct(mirrored, [&](int64_t yi, int64_t wi, int64_t xi) { y[yi] += x[xi] * weight[wi]; });
  return absl::OkStatus();
}

AttrDef OutputPaddingAttr(size_t n) {
  return WindowAttr("output_padding", SideNames(n) + ": so much larger is y at its ends; smaller than the strides",
                    Ints(n, 0), 0);
}

OpDef Def(size_t n) {
  OpDef def;
  def.name = absl::StrCat("ConvTranspose", n, "d");
  def.doc = absl::StrCat(
      "Each element of x adds itself times the kernel to y, at its position times the stride: y[n,o,h s - p + i d,..] "
      "sums x[n,c,h,..] weight[c,o,i,..], plus bias[o]. As torch.nn.functional.conv_transpose", n,
      "d and ONNX's ConvTranspose have it.");
  def.inputs = {{"x", ImageDoc("N,C", n)},
                {"weight", WeightDoc("C,O/groups", n)},
                {.name = "bias", .doc = "f32[O]", .optional = true}};
  def.outputs = {{"y", PositionsDoc("N,O", n) +
                           ", each size (size - 1) stride - pads + dilation (k - 1) + 1 + output_padding"}};
  def.attributes = ConvAttributes(n);
  def.attributes.push_back(OutputPaddingAttr(n));
  AttrDef auto_pad = AutoPadAttr();
  auto_pad.doc = "ONNX's: explicit: pads; valid: none; same_upper, same_lower: so that y is stride times as large as "
                 "x, an odd one at the end or at the beginning";
  def.attributes.push_back(std::move(auto_pad));
  def.infer = [n](InferContext& c) { return Infer(c, n); };
  def.gradient = [n](GradientContext& c) { return Gradient(c, n); };
  def.kernels = "convolution_backward_data";
  def.lower = [n](LowerContext& c) { return Lower(c, n); };
  def.reference = [n](ReferenceContext& c) { return Reference(c, n); };
  // With groups, the weight's axis 1 has fewer channels than y, and fold_batch_norm leaves the node alone.
  def.traits.weight_input = 1;
  def.traits.bias_input = 2;
  def.traits.weight_channel_axis = 1;
  return def;
}

ATH_REGISTER_OP(Def(1));
ATH_REGISTER_OP(Def(2));
ATH_REGISTER_OP(Def(3));

}  // namespace
}  // namespace athanor
