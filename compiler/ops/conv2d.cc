// Conv2d, and its gradients as operators of their own, so that each is one kernel call.
#include <algorithm>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"
#include "compiler/ops/window.h"

namespace athanor {
namespace {

// A convolution whose shapes fit, however they were found.
struct Geometry {
  int64_t batch = 0, in = 0, out = 0, groups = 1;
  int64_t height = 0, width = 0;          // of x
  int64_t out_height = 0, out_width = 0;  // of y
  Window window;

  int64_t group_in() const { return in / groups; }
  int64_t group_out() const { return out / groups; }
};

// f(x offset, weight offset, y offset) for every product, in the order of y, then of the weight.
template <typename F>
void ForEachProduct(const Geometry& g, F&& f) {
  const Window& w = g.window;
  const int64_t kernel_h = w.kernel[0], kernel_w = w.kernel[1];
  auto taps = [&](int64_t n, int64_t o, int64_t oh, int64_t ow, int64_t y) {
    for (int64_t i = 0; i < g.group_in(); ++i) {
      const int64_t channel = o / g.group_out() * g.group_in() + i;
      for (int64_t kh = 0; kh < kernel_h; ++kh) {
        const int64_t h = oh * w.strides[0] - w.pads[0] + kh * w.dilations[0];
        if (h < 0 || h >= g.height) continue;
        for (int64_t kw = 0; kw < kernel_w; ++kw) {
          const int64_t v = ow * w.strides[1] - w.pads[1] + kw * w.dilations[1];
          if (v < 0 || v >= g.width) continue;
          const int64_t x = ((n * g.in + channel) * g.height + h) * g.width + v;
          f(x, ((o * g.group_in() + i) * kernel_h + kh) * kernel_w + kw, y);
        }
      }
    }
  };
  int64_t y = 0;
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t o = 0; o < g.out; ++o) {
      for (int64_t oh = 0; oh < g.out_height; ++oh) {
        for (int64_t ow = 0; ow < g.out_width; ++ow) taps(n, o, oh, ow, y++);
      }
    }
  }
}

Geometry GeometryOf(const OpContext& c, const Shape& x, const Shape& weight, const Shape& y) {
  Geometry g{x[0], x[1], y[1], c.attrs().Int("groups", 1), x[2], x[3], y[2], y[3], Window(c.attrs())};
  g.window.kernel = {weight[2], weight[3]};
  return g;
}

absl::Status CheckGroups(const InferContext& c, absl::string_view what, int64_t channels) {
  const int64_t groups = c.attrs().Int("groups");
  if (channels % groups == 0) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "groups = %d does not divide the %d %s", groups, channels, what);
}

// The weight is [O,I/groups,kh,kw], numbers above 0, and groups divide O.
absl::StatusOr<Shape> CheckWeight(const InferContext& c, int i) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "weight"));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, "weight", 4, 4));
  Shape weight;
  for (int d = 0; d < 4; ++d) {
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(i, d, "weight"));
    weight.push_back(size);
  }
  ATH_RETURN_IF_ERROR(CheckGroups(c, "output channels", weight[0]));
  return weight;
}

// What y must be for x and a weight that has this many outputs and `window.kernel`.
absl::StatusOr<TensorType> OutputType(const InferContext& c, const TensorType& x, int64_t out, const Window& window) {
  ATH_ASSIGN_OR_RETURN(int64_t height, window.Positions(c, 0, x.dims[2].size));
  ATH_ASSIGN_OR_RETURN(int64_t width, window.Positions(c, 1, x.dims[3].size));
  return TensorType(x.dtype, {x.dims[0], out, height, width});
}

std::vector<AttrDef> ConvAttributes() {
  AttrDef groups{.name = "groups",
                 .type = AttrType::kInt,
                 .doc = "the channels are split into so many groups, each convolved apart",
                 .default_value = int64_t{1},
                 .min = 1};
  return {StridesAttr(), PadsAttr(), DilationsAttr(), groups};
}

// Of kernels "convolution", "convolution_backward_data" and "convolution_backward_weights".
Attributes KernelAttributes(const OpContext& c) {
  Attributes attrs;
  for (const char* name : {"strides", "pads", "dilations", "groups"}) attrs.Set(name, *c.attrs().Find(name));
  return attrs;
}

namespace forward {

absl::Status Infer(InferContext& c) {
  Window window(c.attrs());
  window.kernel = {1, 1};
  ATH_RETURN_IF_ERROR(window.Check(c));
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x"));
  ATH_ASSIGN_OR_RETURN(const Shape weight, CheckWeight(c, 1));
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
  window.kernel = {weight[2], weight[3]};
  ATH_ASSIGN_OR_RETURN(TensorType y, OutputType(c, x, weight[0], window));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const ValueId dy = c.OutputGrad();
  auto size = [&](int input, int d) { return c.TypeOf(c.Input(input)).dims[d].size; };
  if (c.NeedsGrad(0)) {
    Attributes attrs = KernelAttributes(c);
    attrs.Set("input_size", Ints{size(0, 2), size(0, 3)});
    ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("Conv2dBackwardData", {dy, c.Input(1)}, std::move(attrs)));
    c.SetInputGrad(0, dx);
  }
  if (c.NeedsGrad(1)) {
    Attributes attrs = KernelAttributes(c);
    attrs.Set("kernel", Ints{size(1, 2), size(1, 3)});
    const int outputs = c.NeedsGrad(2) ? 2 : 1;
    ATH_ASSIGN_OR_RETURN(std::vector<ValueId> grads,
                         c.EmitMulti("Conv2dBackwardWeights", {c.Input(0), dy}, std::move(attrs), outputs));
    for (int i = 0; i < outputs; ++i) c.SetInputGrad(1 + i, grads[i]);
  } else if (c.NeedsGrad(2)) {
    ATH_ASSIGN_OR_RETURN(ValueId db, c.Emit("ReduceSum", {dy}, {{"axes", Ints{0, 2, 3}}}));
    c.SetInputGrad(2, db);
  }
  return absl::OkStatus();
}

// Kernel "convolution": inputs (x, weight[, bias], post-op operands...), outputs (y), attributes {strides, pads,
// dilations, groups, bias}.
absl::Status Lower(LowerContext& c) {
  Attributes attrs = KernelAttributes(c);
  attrs.Set("bias", c.HasInput(2));
  c.Emit("convolution", {c.Input(0), c.Input(1), c.Input(2)}, {c.Output()}, std::move(attrs), /*with_post_ops=*/true);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &x = c.Input(0), &weight = c.Input(1);
  DoubleTensor& y = c.Output();
  const Geometry g = GeometryOf(c, x.shape, weight.shape, y.shape);
  if (c.HasInput(2)) {
    const int64_t area = g.out_height * g.out_width;
    for (int64_t i = 0; i < y.size(); ++i) y[i] = c.Input(2)[i / area % g.out];
  }
  ForEachProduct(g, [&](int64_t xi, int64_t wi, int64_t yi) { y[yi] += x[xi] * weight[wi]; });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Conv2d";
  def.doc =
      "y[n,o,h,w] = bias[o] + the sum over c, i, j of x[n,c,h s - p + i d,w s - p + j d] weight[o,c,i,j], zero outside "
      "of x: cross-correlation, as torch.nn.functional.conv2d has it.";
  def.inputs = {{"x", "f32[N,C,H,W]"},
                {"weight", "f32[O,C/groups,kh,kw]"},
                {.name = "bias", .doc = "f32[O]", .optional = true}};
  def.outputs = {{"y", "f32[N,O,H',W'], H' = floor((H + pads - dilation (kh - 1) - 1) / stride) + 1"}};
  def.attributes = ConvAttributes();
  def.infer = Infer;
  def.gradient = Gradient;
  def.lower = Lower;
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
  Window window(c.attrs());
  window.kernel = {1, 1};
  ATH_RETURN_IF_ERROR(window.Check(c));
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "dy"));
  ATH_ASSIGN_OR_RETURN(const Shape weight, CheckWeight(c, 1));
  const TensorType& dy = c.Input(0);
  ATH_RETURN_IF_ERROR(c.CheckDtype(1, "weight", dy.dtype));
  auto in = CheckedMul(weight[1], c.attrs().Int("groups"));
  if (!in) {
    return c.Error(ErrorClass::kAttr, "groups = %d times the weight's %d channels overflows", c.attrs().Int("groups"),
                   weight[1]);
  }
  const Ints size = c.attrs().GetInts("input_size");
  TensorType dx(dy.dtype, {dy.dims[0], *in, size[0], size[1]});
  window.kernel = {weight[2], weight[3]};
  ATH_ASSIGN_OR_RETURN(TensorType y, OutputType(c, dx, weight[0], window));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", y, "the forward operator's output"));
  c.SetOutput(0, std::move(dx));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &dy = c.Input(0), &weight = c.Input(1);
  DoubleTensor& dx = c.Output();
  ForEachProduct(GeometryOf(c, dx.shape, weight.shape, dy.shape),
                 [&](int64_t xi, int64_t wi, int64_t yi) { dx[xi] += dy[yi] * weight[wi]; });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Conv2dBackwardData";
  def.doc = "dx[x] = the sum of dy[y] weight[w] over all products x w of a Conv2d's y: its gradient by x.";
  def.inputs = {{"dy", "f32[N,O,H',W']"}, {"weight", "f32[O,C/groups,kh,kw]"}};
  def.outputs = {{"dx", "f32[N,C,H,W]"}};
  def.attributes = ConvAttributes();
  def.attributes.push_back(InputSizeAttr());
  def.infer = Infer;
  // Kernel "convolution_backward_data": inputs (dy, weight), outputs (dx), attributes {strides, pads, dilations,
  // groups}.
  def.lower = [](LowerContext& c) {
    c.Emit("convolution_backward_data", {c.Input(0), c.Input(1)}, {c.Output()}, KernelAttributes(c));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace backward_data

namespace backward_weights {

absl::Status Infer(InferContext& c) {
  const Window window(c.attrs());
  ATH_RETURN_IF_ERROR(window.Check(c));
  ATH_RETURN_IF_ERROR(CheckImages(c, 0, "x"));
  ATH_RETURN_IF_ERROR(CheckImages(c, 1, "dy"));
  const TensorType &x = c.Input(0), &dy = c.Input(1);
  const int64_t in = x.dims[1].size, out = dy.dims[1].size;
  ATH_RETURN_IF_ERROR(CheckGroups(c, "input channels", in));
  ATH_RETURN_IF_ERROR(CheckGroups(c, "output channels", out));
  ATH_ASSIGN_OR_RETURN(TensorType y, OutputType(c, x, out, window));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "dy", y, "the forward operator's output"));
  c.SetOutput(0, {x.dtype, {out, in / c.attrs().Int("groups"), window.kernel[0], window.kernel[1]}});
  c.SetOutput(1, {x.dtype, {out}});
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &x = c.Input(0), &dy = c.Input(1);
  DoubleTensor& dw = c.Output();
  const Geometry g = GeometryOf(c, x.shape, dw.shape, dy.shape);
  ForEachProduct(g, [&](int64_t xi, int64_t wi, int64_t yi) { dw[wi] += dy[yi] * x[xi]; });
  if (c.HasOutput(1)) {
    const int64_t area = g.out_height * g.out_width;
    for (int64_t i = 0; i < dy.size(); ++i) c.Output(1)[i / area % g.out] += dy[i];
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "Conv2dBackwardWeights";
  def.doc =
      "dweight[w] = the sum of dy[y] x[x] over all products x w of a Conv2d's y, and dbias = the sum of dy over batch, "
      "height and width: its gradients.";
  def.inputs = {{"x", "f32[N,C,H,W]"}, {"dy", "f32[N,O,H',W']"}};
  def.outputs = {{"dweight", "f32[O,C/groups,kh,kw]"}, {.name = "dbias", .doc = "f32[O]", .optional = true}};
  def.attributes = ConvAttributes();
  def.attributes.push_back(KernelAttr());
  def.infer = Infer;
  // Kernel "convolution_backward_weights": inputs (x, dy), outputs (dweight[, dbias]), attributes {strides, pads,
  // dilations, groups, bias}.
  def.lower = [](LowerContext& c) {
    Attributes attrs = KernelAttributes(c);
    attrs.Set("bias", c.HasOutput(1));
    c.Emit("convolution_backward_weights", {c.Input(0), c.Input(1)}, {c.Output(0), c.Output(1)}, std::move(attrs));
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
