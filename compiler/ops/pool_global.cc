// Pools whose windows follow from the size of the images: GlobalAvgPool, GlobalMaxPool and AdaptiveAvgPool. They are
// MaxPools and AvgPools; the uneven windows of the last are products with a matrix along each dimension.
#include <algorithm>
#include <limits>

#include "compiler/ops/pool.h"

namespace athanor {
namespace {

absl::Status CheckSizes(const InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckPoolImages(c, 0, "x"));
  for (int64_t size : SpatialSizes(c.Input(0))) {
    if (size <= static_cast<int64_t>(kMaxWindowAttr)) continue;
    return c.Error(ErrorClass::kLimit, "input \"x\" is %s, expected sizes up to %d", c.Input(0).ToString(),
                   static_cast<int64_t>(kMaxWindowAttr));
  }
  return absl::OkStatus();
}

// A pool of this kernel without overlap or padding.
Attributes PoolOf(const Ints& kernel, const Ints& strides) {
  return {{"kernel", kernel}, {"strides", strides}, {"pads", Ints(2 * kernel.size(), 0)}};
}
Attributes GlobalPool(const TensorType& x) {
  const Ints sizes = SpatialSizes(x);
  return PoolOf(sizes, Ints(sizes.size(), 1));
}
Attributes Average(Attributes attrs) {
  attrs.Set("count_include_pad", false);
  return attrs;
}
Attributes GradOf(Attributes attrs, const TensorType& x) {
  attrs.Set("input_size", SpatialSizes(x));
  return attrs;
}

absl::Status InferGlobal(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckSizes(c));
  TensorType y = c.Input(0);
  std::fill(y.dims.begin() + 2, y.dims.end(), Dim(1));
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

namespace global_avg_pool {

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("AvgPoolGrad", {c.OutputGrad()}, GradOf(Average(GlobalPool(x)), x)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Expand(ExpandContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("AvgPool", {c.Input(0)}, Average(GlobalPool(c.TypeOf(c.Input(0))))));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  const int64_t area = x.size() / c.Output().size();
  for (int64_t i = 0; i < x.size(); ++i) c.Output()[i / area] += x[i] / static_cast<double>(area);
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "GlobalAvgPool";
  def.doc = "y = the mean of each channel over all spatial dimensions: ONNX's GlobalAveragePool.";
  def.inputs = {{"x", "f32[N,C,spatial..], one to three spatial dimensions"}};
  def.outputs = {{"y", "f32[N,C,1..]"}};
  def.infer = InferGlobal;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  return def;
}

}  // namespace global_avg_pool

namespace global_max_pool {

// Only the MaxPool that it expands to keeps the places of the maxima; this finds them again.
absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  ATH_ASSIGN_OR_RETURN(std::vector<ValueId> max, c.EmitMulti("MaxPool", {c.Input(0)}, GlobalPool(x), 2));
  ATH_ASSIGN_OR_RETURN(ValueId dx, c.Emit("MaxPoolGrad", {c.OutputGrad(), max[1]}, GradOf(GlobalPool(x), x)));
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Expand(ExpandContext& c) {
  ATH_ASSIGN_OR_RETURN(ValueId y, c.Emit("MaxPool", {c.Input(0)}, GlobalPool(c.TypeOf(c.Input(0)))));
  c.SetOutput(0, y);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  const int64_t area = x.size() / y.size();
  std::fill(y.data.begin(), y.data.end(), std::numeric_limits<float>::lowest());
  for (int64_t i = 0; i < x.size(); ++i) {
    if (x[i] > y[i / area]) y[i / area] = x[i];
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "GlobalMaxPool";
  def.doc =
      "y = the maximum of each channel over all spatial dimensions: ONNX's GlobalMaxPool. Equal maxima and NaN as in "
      "MaxPool.";
  def.inputs = {{"x", "f32[N,C,spatial..], one to three spatial dimensions"}};
  def.outputs = {{"y", "f32[N,C,1..]"}};
  def.infer = InferGlobal;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  return def;
}

}  // namespace global_max_pool

namespace adaptive_avg_pool {

// Elements of the largest matrix of averages.
constexpr int64_t kMaxMatrix = int64_t{1} << 24;

int64_t Start(int64_t i, int64_t size, int64_t windows) { return i * size / windows; }
int64_t End(int64_t i, int64_t size, int64_t windows) { return ((i + 1) * size + windows - 1) / windows; }

absl::Status Infer(InferContext& c) {
  ATH_RETURN_IF_ERROR(CheckSizes(c));
  TensorType y = c.Input(0);
  ATH_RETURN_IF_ERROR(Window(c.attrs(), y.dims.size() - 2).Check(c));
  const Ints windows = c.attrs().GetInts("output_size");
  if (windows.size() + 2 != y.dims.size()) {
    return c.Error(ErrorClass::kAttr, "output_size = %s must have %d numbers for x %s", AttrToString(windows),
                   y.dims.size() - 2, y.ToString());
  }
  for (size_t d = 0; d < windows.size(); ++d) {
    const int64_t size = y.dims[2 + d].size;
    if (size % windows[d] != 0 && (size > kMaxMatrix || windows[d] > kMaxMatrix / size)) {
      return c.Error(ErrorClass::kLimit, "%d uneven windows on a %s of %d need a matrix of more than %d elements",
                     windows[d], SideName(windows.size(), d), size, kMaxMatrix);
    }
    y.dims[2 + d] = windows[d];
  }
  c.SetOutput(0, std::move(y));
  return absl::OkStatus();
}

// The pool along the dimensions with even windows; of size 1 along the others.
Attributes EvenPool(const Ints& sizes, const Ints& windows) {
  Ints kernel;
  for (size_t d = 0; d < sizes.size(); ++d) kernel.push_back(sizes[d] % windows[d] == 0 ? sizes[d] / windows[d] : 1);
  return Average(PoolOf(kernel, kernel));
}

// [windows,size]: the weight of each element in each window.
Tensor Averages(int64_t size, int64_t windows) {
  DoubleTensor matrix({windows, size});
  for (int64_t i = 0; i < windows; ++i) {
    const int64_t start = Start(i, size, windows), end = End(i, size, windows);
    for (int64_t k = start; k < end; ++k) matrix[i * size + k] = 1.0 / static_cast<double>(end - start);
  }
  return matrix.To(DType::kF32);
}

// Each window's mean along dimension `axis` of x, or the gradient of that. Both contexts have what it takes.
template <typename Context>
absl::StatusOr<ValueId> Multiply(Context& c, ValueId x, size_t axis, int64_t size, int64_t windows, bool gradient) {
  const ValueId matrix = c.Constant(Averages(size, windows));
  const TensorType type = c.TypeOf(x);
  const size_t rank = type.dims.size();
  if (axis + 1 == rank) return c.Emit("MatMul", {x, matrix}, {{"transpose_b", !gradient}});
  const Attributes transpose = {{"transpose_a", gradient}};
  if (axis + 2 == rank) return c.Emit("MatMul", {matrix, x}, transpose);
  // Behind the axis, all is one dimension.
  const int64_t inner = type.dims[rank - 2].size * type.dims[rank - 1].size;
  ATH_ASSIGN_OR_RETURN(x, c.Emit("Reshape", {x}, {{"shape", Ints{0, 0, 0, inner}}}));
  ATH_ASSIGN_OR_RETURN(x, c.Emit("MatMul", {matrix, x}, transpose));
  return c.Emit("Reshape", {x}, {{"shape", Ints{0, 0, 0, type.dims[rank - 2].size, type.dims[rank - 1].size}}});
}

bool IsUneven(const Ints& sizes, const Ints& windows, size_t d) { return sizes[d] % windows[d] != 0; }
bool AllUneven(const Ints& sizes, const Ints& windows) {
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!IsUneven(sizes, windows, d)) return false;
  }
  return true;
}

absl::Status Expand(ExpandContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  const Ints sizes = SpatialSizes(x), windows = c.attrs().GetInts("output_size");
  ValueId y = c.Input(0);
  if (!AllUneven(sizes, windows)) {
    ATH_ASSIGN_OR_RETURN(y, c.Emit("AvgPool", {y}, EvenPool(sizes, windows)));
  }
  for (size_t d = sizes.size(); d-- > 0;) {
    if (!IsUneven(sizes, windows, d)) continue;
    ATH_ASSIGN_OR_RETURN(y, Multiply(c, y, 2 + d, sizes[d], windows[d], /*gradient=*/false));
  }
  c.SetOutput(0, y);
  return absl::OkStatus();
}

absl::Status Gradient(GradientContext& c) {
  const TensorType x = c.TypeOf(c.Input(0));
  const Ints sizes = SpatialSizes(x), windows = c.attrs().GetInts("output_size");
  ValueId dx = c.OutputGrad();
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!IsUneven(sizes, windows, d)) continue;
    ATH_ASSIGN_OR_RETURN(dx, Multiply(c, dx, 2 + d, sizes[d], windows[d], /*gradient=*/true));
  }
  if (!AllUneven(sizes, windows)) {
    ATH_ASSIGN_OR_RETURN(dx, c.Emit("AvgPoolGrad", {dx}, GradOf(EvenPool(sizes, windows), x)));
  }
  c.SetInputGrad(0, dx);
  return absl::OkStatus();
}

absl::Status Reference(ReferenceContext& c) {
  const DoubleTensor& x = c.Input(0);
  DoubleTensor& y = c.Output();
  const std::vector<int64_t> x_strides = RowMajorStrides(x.shape), y_strides = RowMajorStrides(y.shape);
  for (int64_t at = 0; at < y.size(); ++at) {
    Shape first, lengths;
    int64_t elements = 1;
    for (size_t d = 0; d < x.shape.size(); ++d) {
      const int64_t i = at / y_strides[d] % y.shape[d];
      first.push_back(Start(i, x.shape[d], y.shape[d]));
      lengths.push_back(End(i, x.shape[d], y.shape[d]) - first[d]);
      elements *= lengths[d];
    }
    const std::vector<int64_t> strides = RowMajorStrides(lengths);
    for (int64_t tap = 0; tap < elements; ++tap) {
      int64_t offset = 0;
      for (size_t d = 0; d < lengths.size(); ++d) offset += (first[d] + tap / strides[d] % lengths[d]) * x_strides[d];
      y[at] += x[offset] / static_cast<double>(elements);
    }
  }
  return absl::OkStatus();
}

OpDef Def() {
  OpDef def;
  def.name = "AdaptiveAvgPool";
  def.doc =
      "y has output_size positions; number i is the mean of x from floor(i size / positions) to ceil((i + 1) size / "
      "positions), as torch.nn.functional.adaptive_avg_pool1d, 2d and 3d have it. Where these windows are uneven, a "
      "NaN or infinity makes NaN of all positions along that dimension.";
  def.inputs = {{"x", "f32[N,C,spatial..], one to three spatial dimensions"}};
  def.outputs = {{"y", "f32[N,C,output_size..]"}};
  def.attributes = {WindowAttr("output_size", SideNames(0), std::nullopt, 1)};
  def.infer = Infer;
  def.gradient = Gradient;
  def.expand = Expand;
  def.reference = Reference;
  return def;
}

}  // namespace adaptive_avg_pool

ATH_REGISTER_OP(global_avg_pool::Def());
ATH_REGISTER_OP(global_max_pool::Def());
ATH_REGISTER_OP(adaptive_avg_pool::Def());

}  // namespace
}  // namespace athanor
