// MaxPool, AvgPool and their gradients as operators of their own; pool_global.cc and pool_lp.cc have what is made of
// them.
#include "compiler/ops/pool.h"

#include <algorithm>
#include <limits>

#include "compiler/ops/not_empty.h"

namespace athanor {
namespace {

std::vector<AttrDef> ForwardAttributes() {
  return {KernelAttr(0), StridesAttr(0), PadsAttr(0), AutoPadAttr(), CeilModeAttr()};
}
std::vector<AttrDef> GradAttributes() { return {KernelAttr(0), StridesAttr(0), PadsAttr(0), InputSizeAttr(0)}; }

AttrDef CountIncludePadAttr() {
  return {.name = "count_include_pad",
          .type = AttrType::kBool,
          .doc = "padding counts in the divisor; what ceil_mode adds does not",
          .default_value = true};
}

constexpr const char* kPositionsDoc =
    "f32[N,C,positions..], each floor((size + pads - dilation (kernel - 1) - 1) / stride) + 1";

// For the gradient operators: x's type by dy and the attribute input_size.
absl::StatusOr<TensorType> InputType(const InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckPoolImages(c, 0, "dy"));
  const TensorType& dy = c.Input(0);
  ATH_RETURN_IF_ERROR(Window(c.attrs(), dy.dims.size() - 2).Check(c));
  TensorType x(dy.dtype, {dy.dims[0], dy.dims[1]});
  for (int64_t size : c.attrs().GetInts("input_size")) x.dims.emplace_back(size);
  ATH_ASSIGN_OR_RETURN(TensorType y, PoolOutputType(c, x));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 0, "dy", y, "the forward operator's output"));
  return x;
}

// Where in its window each maximum lies: as oneDNN stores it.
absl::StatusOr<TensorType> WorkspaceType(const OpContext& c, TensorType y) {
  auto elements = NumElements(c.attrs().GetInts("kernel"));
  if (!elements.ok()) {
    return c.Error(ErrorClass::kAttr, "kernel = %s has too many elements", AttrToString(c.attrs().GetInts("kernel")));
  }
  y.dtype = *elements < 256 ? DType::kU8 : DType::kS32;
  return y;
}

Attributes KernelAttributes(const Window& window, std::string algorithm) {
  Attributes attrs = PoolAttributes(window);
  attrs.Set("algorithm", AttrValue(std::move(algorithm)));
  return attrs;
}

std::string AverageAlgorithm(const OpContext& c) {
  return c.attrs().Bool("count_include_pad") ? "avg_include_padding" : "avg_exclude_padding";
}

namespace max_pool {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckPoolImages(c, 0, "x"));
  ATH_ASSIGN_OR_RETURN(TensorType y, PoolOutputType(c, c.Input(0)));
  ATH_ASSIGN_OR_RETURN(TensorType workspace, WorkspaceType(c, y));
  c.SetOutput(0, std::move(y));
  c.SetOutput(1, std::move(workspace));
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  if (!c.HasOutput(1)) return c.Error(ErrorClass::kGraph, "its gradient needs the output \"workspace\"");
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, x.dims));
  Attributes attrs = PoolAttributes(pool.window);
  attrs.Set("input_size", SpatialSizes(x));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("MaxPoolGrad", {c.OutputGrad(), c.Output(1)}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

// Kernel "pooling": inputs (x), outputs (y[, workspace]), attributes {algorithm, kernel, strides, pads[, dilations],
// training}.
absl::Status Lower(LowerContext& c) {
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, DimsOf(c.InputShape(0))));
  Attributes attrs = KernelAttributes(pool.window, "max");
  attrs.Set("training", c.HasOutput(1));
  c.Emit("pooling", {c.Input(0)}, {c.Output(0), c.Output(1)}, std::move(attrs));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, DimsOf(x.shape)));
  std::fill(y.data.begin(), y.data.end(), std::numeric_limits<float>::lowest());
  ForEachPoolElement(pool.window, x.shape, y.shape, [&](int64_t tap, int64_t xi, int64_t yi) {
    if (xi < 0 || !(x[xi] > y[yi])) return;
    y[yi] = x[xi];
    if (c.HasOutput(1)) c.Output(1)[yi] = static_cast<double>(tap);
  });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "MaxPool";
  def.doc =
      "y = the maximum of each window of x, without its padding, as torch.nn.functional.max_pool1d, 2d and 3d and "
      "ONNX's MaxPool have it. Of equal maxima the first gets the gradient. A NaN is passed over; a window of nothing "
      "else gives the lowest float.";
  def.inputs = {{"x", "f32[N,C,spatial..], one to three spatial dimensions"}};
  def.outputs = {{"y", kPositionsDoc},
                 {.name = "workspace",
                  .doc = "like y, u8 or (windows of 256 elements and more) s32: where the maximum is, for the gradient",
                  .optional = true}};
  def.attributes = ForwardAttributes();
  def.attributes.push_back(DilationsAttr(0));
  def.infer = Infer;
  def.gradient = Gradient;
  def.kernels = "pooling";
  def.lower = Lower;
  def.reference = Reference;
  def.traits.gradient_outputs = {1};
  return def;
}

}  // namespace max_pool

namespace max_pool_grad {

absl::Status Infer(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(TensorType x, InputType(c));
  ATH_ASSIGN_OR_RETURN(const TensorType workspace, WorkspaceType(c, c.Input(0)));
  ATH_RETURN_IF_ERROR(CheckSameType(c, 1, "workspace", workspace, "dy"));
  c.SetOutput(0, std::move(x));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor &dy = c.Input(0), &workspace = c.Input(1);
  DoubleTensor& dx = c.Output();
  const Window window(c.attrs(), dx.shape.size() - 2);
  ForEachPoolElement(window, dx.shape, dy.shape, [&](int64_t tap, int64_t xi, int64_t yi) {
    if (xi >= 0 && workspace[yi] == static_cast<double>(tap)) dx[xi] += dy[yi];
  });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "MaxPoolGrad";
  def.doc = "dx = dy where the maximum of its window was, else 0: the gradient of MaxPool.";
  def.inputs = {{"dy", "f32[N,C,positions..]"}, {"workspace", "u8 or s32 like dy: the forward operator's"}};
  def.outputs = {{"dx", "f32[N,C,spatial..]"}};
  def.attributes = GradAttributes();
  def.attributes.push_back(DilationsAttr(0));
  def.infer = Infer;
  // Kernel "pooling_backward": inputs (dy, workspace), outputs (dx), attributes {algorithm, kernel, strides, pads[,
  // dilations]}.
  def.kernels = "pooling_backward";
  def.lower = [](LowerContext& c) {
    c.Emit("pooling_backward", {c.Input(0), c.Input(1)}, {c.Output()},
           KernelAttributes(Window(c.attrs(), c.InputShape(0).size() - 2), "max"));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace max_pool_grad

// What the sum of each window of a plane is divided by.
DoubleTensor Divisors(const OpContext& c, const PoolWindow& pool, const Ints& sizes) {
  const bool include = c.attrs().Bool("count_include_pad");
  Shape positions;
  for (const Dim& d : pool.positions) positions.push_back(d.size);
  DoubleTensor divisors(positions, 1);
  const std::vector<int64_t> strides = RowMajorStrides(positions);
  for (size_t d = 0; d < sizes.size(); ++d) {
    const int64_t least = include ? -pool.pads[d] : 0;
    const int64_t most = include ? sizes[d] + pool.pads[sizes.size() + d] : sizes[d];
    for (int64_t i = 0; i < divisors.size(); ++i) {
      const int64_t start = i / strides[d] % positions[d] * pool.window.strides[d] - pool.pads[d];
      const int64_t end = std::min(start + pool.window.kernel[d], most);
      divisors[i] *= static_cast<double>(end - std::max(start, least));
    }
  }
  return divisors;
}

namespace avg_pool {

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckPoolImages(c, 0, "x"));
  ATH_ASSIGN_OR_RETURN(TensorType y, PoolOutputType(c, c.Input(0)));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

// The kernel's divisor with padding is always its size. Where ceil_mode makes others of the last windows, they are
// corrected by this factor, [1,1,positions..]; nullopt: nothing to correct.
std::optional<Tensor> Correction(const OpContext& c, const PoolWindow& pool, const Ints& sizes) {
  if (!c.attrs().Bool("count_include_pad") || !pool.ceil_adds()) return std::nullopt;
  DoubleTensor factors = Divisors(c, pool, sizes);
  double all = 1;
  for (int64_t size : pool.window.kernel) all *= static_cast<double>(size);
  for (double& v : factors.data) v = all / v;
  factors.shape.insert(factors.shape.begin(), 2, 1);
  return factors.To(DType::kF32);
}

Attributes ExplicitAttributes(const OpContext& c, const Window& window) {
  Attributes attrs = PoolAttributes(window);
  attrs.Set("count_include_pad", c.attrs().Bool("count_include_pad"));
  return attrs;
}

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, x.dims));
  ValueId dy = c.OutputGrad();
  if (std::optional<Tensor> factors = Correction(c, pool, SpatialSizes(x))) {
    ATH_ASSIGN_OR_RETURN(dy, c.Emit("Mul", {dy, c.Constant(*std::move(factors))}));
  }
  Attributes attrs = ExplicitAttributes(c, pool.window);
  attrs.Set("input_size", SpatialSizes(x));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("AvgPoolGrad", {dy}, std::move(attrs)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Expand(ExpandContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, x.dims));
  std::optional<Tensor> factors = Correction(c, pool, SpatialSizes(x));
  if (!factors) return absl::OkStatus();
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("AvgPool", {c.Input(0)}, ExplicitAttributes(c, pool.window)));
  ATH_ASSIGN_OR_RETURN(y, c.Emit("Mul", {y, c.Constant(*std::move(factors))}));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

// Kernel "pooling": inputs (x), outputs (y), attributes {algorithm, kernel, strides, pads, training}.
absl::Status Lower(LowerContext& c) {
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, DimsOf(c.InputShape(0))));
  Attributes attrs = KernelAttributes(pool.window, AverageAlgorithm(c));
  attrs.Set("training", false);
  c.Emit("pooling", {c.Input(0)}, {c.Output()}, std::move(attrs));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, DimsOf(x.shape)));
  ForEachPoolElement(pool.window, x.shape, y.shape, [&](int64_t, int64_t xi, int64_t yi) {
    if (xi >= 0) y[yi] += x[xi];
  });
  const DoubleTensor divisors = Divisors(c, pool, Ints(x.shape.begin() + 2, x.shape.end()));
  for (int64_t i = 0; i < y.size(); ++i) y[i] /= divisors[i % divisors.size()];
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AvgPool";
  def.doc =
      "y = the mean of each window of x, as torch.nn.functional.avg_pool1d, 2d and 3d and ONNX's AveragePool have it. "
      "Padding is zeros, which count in the divisor or do not.";
  def.inputs = {{"x", "f32[N,C,spatial..], one to three spatial dimensions"}};
  def.outputs = {{"y", kPositionsDoc}};
  def.attributes = ForwardAttributes();
  def.attributes.push_back(CountIncludePadAttr());
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.kernels = "pooling";
  def.lower = Lower;
  def.reference = Reference;
  return def;
}

}  // namespace avg_pool

namespace avg_pool_grad {

absl::Status Infer(InferContext& c) {
  ATH_ASSIGN_OR_RETURN(TensorType x, InputType(c));
  c.SetOutput(0, std::move(x));
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& dy = c.Input(0);
  DoubleTensor& dx = c.Output();
  ATH_ASSIGN_OR_RETURN(const PoolWindow pool, SettlePool(c, DimsOf(dx.shape)));
  const DoubleTensor divisors = Divisors(c, pool, Ints(dx.shape.begin() + 2, dx.shape.end()));
  ForEachPoolElement(pool.window, dx.shape, dy.shape, [&](int64_t, int64_t xi, int64_t yi) {
    if (xi >= 0) dx[xi] += dy[yi] / divisors[yi % divisors.size()];
  });
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AvgPoolGrad";
  def.doc = "dx = the sum of dy / divisor over the windows that hold an element: the gradient of AvgPool.";
  def.inputs = {{"dy", "f32[N,C,positions..]"}};
  def.outputs = {{"dx", "f32[N,C,spatial..]"}};
  def.attributes = GradAttributes();
  def.attributes.push_back(CountIncludePadAttr());
  def.infer = Infer;
  // Kernel "pooling_backward": inputs (dy), outputs (dx), attributes {algorithm, kernel, strides, pads}.
  def.kernels = "pooling_backward";
  def.lower = [](LowerContext& c) {
    c.Emit("pooling_backward", {c.Input(0)}, {c.Output()},
           KernelAttributes(Window(c.attrs(), c.InputShape(0).size() - 2), AverageAlgorithm(c)));
    return absl::OkStatus();
  };
  def.reference = Reference;
  return def;
}

}  // namespace avg_pool_grad

ATH_REGISTER_OP(max_pool::Def());
ATH_REGISTER_OP(max_pool_grad::Def());
ATH_REGISTER_OP(avg_pool::Def());
ATH_REGISTER_OP(avg_pool_grad::Def());

}  // namespace
}  // namespace athanor
