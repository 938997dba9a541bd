// How products, convolutions, pools, normalisations, recurrent layers and attention find operands and attributes.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/random/random_graph.h"

namespace athanor {
namespace {

bool MatMul(RandomGraph& g) {
  const ValueId a = g.Pick(2, 5);
  if (a == kNoValue) return false;
  const bool transpose_a = g.OneIn(3), transpose_b = g.OneIn(2);
  const Shape shape = g.ShapeOf(a);
  const size_t rank = shape.size();
  const int64_t k = shape[rank - (transpose_a ? 2 : 1)], n = 1 + g.Below(7);
  Shape right(shape.begin(), shape.end() - 2);
  if (g.OneIn(2)) right = BroadcastSource(g, right);
  right.insert(right.end(), {transpose_b ? n : k, transpose_b ? k : n});
  return g.TryOne("MatMul", {a, g.OneIn(2) ? g.Like(right) : g.Parameter(right)},
                  {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}}) != kNoValue;
}

bool FullyConnected(RandomGraph& g) {
  const ValueId x = g.Pick(2, 4);
  if (x == kNoValue) return false;
  Shape weight = g.ShapeOf(x);
  weight[0] = 1 + g.Below(20);
  std::vector<ValueId> inputs = {x, g.Parameter(weight, -0.5, 0.5)};
  if (g.OneIn(2)) inputs.push_back(g.Parameter({weight[0]}));
  return g.TryOne("FullyConnected", inputs) != kNoValue;
}

// Kernel sizes, strides, pads and dilations of a window over `dims` spatial dimensions.
Attributes WindowAttributes(RandomGraph& g, int dims, bool dilated) {
  Ints kernel, strides, pads(2 * dims), dilations;
  for (int d = 0; d < dims; ++d) {
    kernel.push_back(1 + g.Below(3));
    strides.push_back(g.OneIn(2) ? 1 : 1 + g.Below(3));
    dilations.push_back(g.OneIn(3) ? 2 : 1);
    for (int side : {d, d + dims}) pads[side] = g.Below(static_cast<int>(kernel[d]));
  }
  Attributes attrs = {{"kernel", kernel}, {"strides", strides}, {"pads", pads}};
  if (dilated) attrs.Set("dilations", dilations);
  return attrs;
}

bool Convolution(RandomGraph& g, const std::string& op, int dims, bool transposed) {
  const ValueId x = g.Pick(dims + 2, dims + 2);
  if (x == kNoValue) return false;
  Attributes attrs = WindowAttributes(g, dims, true);
  const Ints kernel = attrs.GetInts("kernel");
  attrs.Erase("kernel");
  const int64_t in = g.ShapeOf(x)[1];
  const int64_t groups = g.OneIn(3) ? in : g.OneIn(3) && in % 2 == 0 ? 2 : 1;
  const int64_t out = groups * (1 + g.Below(groups == 1 ? 17 : 3));
  attrs.Set("groups", groups);
  Shape weight = transposed ? Shape{in, out / groups} : Shape{out, in / groups};
  weight.insert(weight.end(), kernel.begin(), kernel.end());
  std::vector<ValueId> inputs = {x, g.Parameter(weight, -0.5, 0.5)};
  if (g.OneIn(2)) inputs.push_back(g.Parameter({out}));
  return g.TryOne(op, inputs, attrs) != kNoValue;
}

bool Pool(RandomGraph& g, const std::string& op, bool average) {
  const ValueId x = g.Pick(3, 5);
  if (x == kNoValue) return false;
  Attributes attrs = WindowAttributes(g, g.RankOf(x) - 2, false);
  if (average) attrs.Set("count_include_pad", g.OneIn(2));
  return g.TryOne(op, {x}, attrs) != kNoValue;
}

bool Images(RandomGraph& g, const std::string& op) {
  const ValueId x = g.Pick(4, 4);
  return x != kNoValue && g.TryOne(op, {x}) != kNoValue;
}

// Where it is less, a normalisation multiplies rounding errors.
constexpr double kLeastVariance = 0.01;

// All axes from `first` on but dimension 1.
std::vector<int> AxesWithoutChannels(int first, int rank) {
  std::vector<int> axes;
  for (int d = first; d < rank; ++d) {
    if (d != 1) axes.push_back(d);
  }
  return axes;
}

bool BatchNorm(RandomGraph& g) {
  const ValueId x = g.Pick(2, 5);
  if (x == kNoValue || g.LeastVariance(x, AxesWithoutChannels(0, g.RankOf(x))) < kLeastVariance) return false;
  const Shape channels = {g.ShapeOf(x)[1]};
  return g.TryOne("BatchNorm", {x, g.Parameter(channels, 0.5, 1.5), g.Parameter(channels), g.State(channels, -1, 1),
                                g.State(channels, 0.5, 1.5)}) != kNoValue;
}

bool Dropout(RandomGraph& g) {
  const ValueId x = g.Pick(1);
  return x != kNoValue && g.TryOne("Dropout", {x}, {{"ratio", 0.25 * (1 + g.Below(3))}}) != kNoValue;
}

// LayerNorm and RMSNorm over the last dimensions.
bool RowNorm(RandomGraph& g, const std::string& op, bool bias) {
  const ValueId x = g.Pick(1, 5);
  if (x == kNoValue) return false;
  const int rank = g.RankOf(x), axis = g.OneIn(2) ? rank - 1 : g.Below(rank);
  std::vector<int> axes;
  for (int d = axis; d < rank; ++d) axes.push_back(d);
  if (g.LeastVariance(x, axes) < kLeastVariance) return false;
  const Shape shape = g.ShapeOf(x), normalised(shape.begin() + axis, shape.end());
  std::vector<ValueId> inputs = {x};
  if (g.OneIn(2)) inputs.push_back(g.Parameter(normalised));
  if (inputs.size() == 2 && bias) inputs.push_back(g.Parameter(normalised));
  return g.TryOne(op, inputs, {{"axis", int64_t{axis}}}) != kNoValue;
}

bool InstanceNorm(RandomGraph& g) {
  const ValueId x = g.Pick(3, 5);
  if (x == kNoValue || g.LeastVariance(x, AxesWithoutChannels(2, g.RankOf(x))) < kLeastVariance) return false;
  const Shape channels = {g.ShapeOf(x)[1]};
  return g.TryOne("InstanceNorm", {x, g.Parameter(channels), g.Parameter(channels)}) != kNoValue;
}

bool GroupNorm(RandomGraph& g) {
  const ValueId x = g.Pick(3, 5);
  if (x == kNoValue || g.LeastVariance(x, AxesWithoutChannels(2, g.RankOf(x))) < kLeastVariance) return false;
  const int64_t channels = g.ShapeOf(x)[1];
  const int64_t groups = channels % 2 == 0 && g.OneIn(2) ? 2 : 1;
  return g.TryOne("GroupNorm", {x, g.Parameter({channels}), g.Parameter({channels})}, {{"num_groups", groups}}) !=
         kNoValue;
}

bool LocalResponseNorm(RandomGraph& g) {
  const ValueId x = g.Pick(3, 4);
  Attributes attrs = {{"size", int64_t{1 + g.Below(5)}}, {"alpha", 0.5}, {"beta", 0.75}, {"k", 2.0}};
  return x != kNoValue && g.TryOne("LocalResponseNorm", {x}, attrs) != kNoValue;
}

bool Recurrent(RandomGraph& g, const std::string& op, int gates) {
  const ValueId x = g.Pick(3, 3);
  if (x == kNoValue) return false;
  const Shape shape = g.ShapeOf(x);
  const std::string direction = g.Choose(std::vector<std::string>{"forward", "reverse", "bidirectional"});
  const int64_t directions = direction == "bidirectional" ? 2 : 1, hidden = 1 + g.Below(9);
  std::vector<ValueId> inputs = {x, g.Parameter({directions, gates * hidden, shape[2]}, -0.5, 0.5),
                                 g.Parameter({directions, gates * hidden, hidden}, -0.5, 0.5)};
  if (g.OneIn(2)) {
    inputs.push_back(g.Parameter({directions, gates * hidden}));
    inputs.push_back(g.Parameter({directions, gates * hidden}));
  }
  return !g.Try(op, inputs, {{"direction", direction}}, g.OneIn(2) ? 1 : 2).empty();
}

bool Attention(RandomGraph& g) {
  const ValueId q = g.Pick(3, 4);
  if (q == kNoValue) return false;
  Shape keys = g.ShapeOf(q), values;
  keys[keys.size() - 2] = 1 + g.Below(6);
  values = keys;
  values.back() = 1 + g.Below(6);
  return g.TryOne("ScaledDotProductAttention", {q, g.Like(keys), g.Like(values)}, {{"causal", g.OneIn(2)}}) != kNoValue;
}

bool AdaptivePool(RandomGraph& g) {
  const ValueId x = g.Pick(3, 5);
  if (x == kNoValue) return false;
  Ints size;
  for (int d = 2; d < g.RankOf(x); ++d) size.push_back(1 + g.Below(3));
  return g.TryOne("AdaptiveAvgPool", {x}, {{"output_size", size}}) != kNoValue;
}

bool Resize(RandomGraph& g) {
  const ValueId x = g.Pick(4, 4);
  if (x == kNoValue) return false;
  const Ints sizes = {1 + g.Below(6), 1 + g.Below(6)};
  const bool nearest = g.OneIn(2);
  return g.TryOne("Resize", {x},
                  {{"mode", std::string(nearest ? "nearest" : "bilinear")},
                   {"coordinate_transformation_mode", std::string(nearest ? "asymmetric" : "half_pixel")},
                   {"sizes", sizes}}) != kNoValue;
}

bool Prelu(RandomGraph& g) {
  const ValueId x = g.Pick(2, 5);
  return x != kNoValue &&
         g.TryOne("PReLU", {x, g.Parameter({g.OneIn(2) ? 1 : g.ShapeOf(x)[1]}, 0.1, 0.4)}) != kNoValue;
}

}  // namespace

void AddLayerMakers(std::vector<RandomMaker>* makers) {
  auto add = [&](const std::string& op, auto make) { makers->push_back({op, make}); };
  add("MatMul", MatMul);
  add("FullyConnected", FullyConnected);
  for (int dims : {1, 2, 3}) {
    for (bool transposed : {false, true}) {
      const std::string op = absl::StrCat(transposed ? "ConvTranspose" : "Conv", dims, "d");
      add(op, [=](RandomGraph& g) { return Convolution(g, op, dims, transposed); });
    }
  }
  add("MaxPool", [](RandomGraph& g) { return Pool(g, "MaxPool", false); });
  add("AvgPool", [](RandomGraph& g) { return Pool(g, "AvgPool", true); });
  add("GlobalAvgPool", [](RandomGraph& g) { return Images(g, "GlobalAvgPool"); });
  add("GlobalMaxPool", [](RandomGraph& g) { return Images(g, "GlobalMaxPool"); });
  add("AdaptiveAvgPool", AdaptivePool);
  add("Resize", Resize);
  add("BatchNorm", BatchNorm);
  add("LayerNorm", [](RandomGraph& g) { return RowNorm(g, "LayerNorm", true); });
  add("RMSNorm", [](RandomGraph& g) { return RowNorm(g, "RMSNorm", false); });
  add("InstanceNorm", InstanceNorm);
  add("GroupNorm", GroupNorm);
  add("LocalResponseNorm", LocalResponseNorm);
  add("Dropout", Dropout);
  add("PReLU", Prelu);
  add("RNN", [](RandomGraph& g) { return Recurrent(g, "RNN", 1); });
  add("LSTM", [](RandomGraph& g) { return Recurrent(g, "LSTM", 4); });
  add("GRU", [](RandomGraph& g) { return Recurrent(g, "GRU", 3); });
  add("ScaledDotProductAttention", Attention);
}

}  // namespace athanor
