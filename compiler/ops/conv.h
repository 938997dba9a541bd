// What the convolutions of one, two and three spatial dimensions share, and the transposed ones with them.
#ifndef ATHANOR_COMPILER_OPS_CONV_H_
#define ATHANOR_COMPILER_OPS_CONV_H_

#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "compiler/ops/not_empty.h"
#include "compiler/ops/window.h"

namespace athanor {

// A convolution whose shapes fit, however they were found, of x to y. Depth, height and width; those it has not are 1.
struct ConvGeometry {
  ConvGeometry(const Window& w, int64_t groups, const Shape& x_shape, const Shape& weight, const Shape& y_shape)
      : batch(x_shape[0]), in(x_shape[1]), out(y_shape[1]), groups(groups) {
    for (size_t d = 0; d < w.n; ++d) {
      const size_t to = 3 - w.n + d;
      x[to] = x_shape[2 + d];
      y[to] = y_shape[2 + d];
      kernel[to] = weight[2 + d];
      strides[to] = w.strides[d];
      dilations[to] = w.dilations[d];
      pads[to] = w.pads[d];
    }
  }

  int64_t batch, in, out, groups;
  std::array<int64_t, 3> x = {1, 1, 1}, y = {1, 1, 1}, kernel = {1, 1, 1};
  std::array<int64_t, 3> strides = {1, 1, 1}, dilations = {1, 1, 1}, pads = {0, 0, 0};
};

inline int64_t Volume(const std::array<int64_t, 3>& sizes) { return sizes[0] * sizes[1] * sizes[2]; }
inline std::array<int64_t, 3> IndexIn(const std::array<int64_t, 3>& sizes, int64_t offset) {
  return {offset / sizes[2] / sizes[1], offset / sizes[2] % sizes[1], offset % sizes[2]};
}

// Where the kernel's elements fall on x, for the window at position `at` of y: {offset in x's plane, in the kernel}.
// Those on the padding are left out.
inline std::vector<std::pair<int64_t, int64_t>> TapsAt(const ConvGeometry& g, int64_t at) {
  std::vector<std::pair<int64_t, int64_t>> taps;
  const std::array<int64_t, 3> y = IndexIn(g.y, at);
  for (int64_t k = 0; k < Volume(g.kernel); ++k) {
    const std::array<int64_t, 3> tap = IndexIn(g.kernel, k);
    int64_t x = 0;
    for (int d = 0; d < 3 && x >= 0; ++d) {
      const int64_t i = y[d] * g.strides[d] - g.pads[d] + tap[d] * g.dilations[d];
      x = i < 0 || i >= g.x[d] ? -1 : x * g.x[d] + i;
    }
    if (x >= 0) taps.emplace_back(x, k);
  }
  return taps;
}

// f(x offset, weight offset, y offset) for every product; those of one element of y in the order of the weight.
template <typename F>
void ForEachProduct(const ConvGeometry& g, F&& f) {
  const int64_t group_in = g.in / g.groups, group_out = g.out / g.groups;
  const int64_t x_plane = Volume(g.x), y_plane = Volume(g.y), kernel = Volume(g.kernel);
  for (int64_t at = 0; at < y_plane; ++at) {
    const std::vector<std::pair<int64_t, int64_t>> taps = TapsAt(g, at);
    for (int64_t n = 0; n < g.batch; ++n) {
      for (int64_t o = 0; o < g.out; ++o) {
        for (int64_t i = 0; i < group_in; ++i) {
          const int64_t channel = o / group_out * group_in + i;
          for (const auto& [x, k] : taps) {
            f((n * g.in + channel) * x_plane + x, (o * group_in + i) * kernel + k, (n * g.out + o) * y_plane + at);
          }
        }
      }
    }
  }
}

// f(element of y, its channel).
template <typename F>
void ForEachChannel(const Shape& y, F&& f) {
  const int64_t elements = *NumElements(y), plane = elements / y[0] / y[1];
  for (int64_t i = 0; i < elements; ++i) f(i, i / plane % y[1]);
}

// "Conv2d" and so on: of operators with n spatial dimensions.
inline std::string ConvName(size_t n, absl::string_view suffix = "") { return absl::StrCat("Conv", n, "d", suffix); }
// "f32[N,C,H,W]" for ("N,C", "D,H,W", 2).
inline std::string ShapeDoc(absl::string_view channels, std::vector<std::string> sides, size_t n) {
  std::string doc = absl::StrCat("f32[", channels);
  for (size_t d = sides.size() - n; d < sides.size(); ++d) absl::StrAppend(&doc, ",", sides[d]);
  return doc + "]";
}
inline std::string ImageDoc(absl::string_view channels, size_t n) {
  return n == 1 ? absl::StrCat("f32[", channels, ",L]") : ShapeDoc(channels, {"D", "H", "W"}, n);
}
inline std::string PositionsDoc(absl::string_view channels, size_t n) {
  return n == 1 ? absl::StrCat("f32[", channels, ",L']") : ShapeDoc(channels, {"D'", "H'", "W'"}, n);
}
inline std::string WeightDoc(absl::string_view channels, size_t n) {
  return n == 1 ? absl::StrCat("f32[", channels, ",k]") : ShapeDoc(channels, {"kd", "kh", "kw"}, n);
}

inline AttrDef GroupsAttr() {
  return {.name = "groups",
          .type = AttrType::kInt,
          .doc = "the channels are split into so many groups, each convolved apart",
          .default_value = int64_t{1},
          .min = 1};
}
inline std::vector<AttrDef> ConvAttributes(size_t n) {
  return {StridesAttr(n), PadsAttr(n), DilationsAttr(n), GroupsAttr()};
}

// Of kernels "convolution*", and of the backward operators. The window's padding is explicit by now.
inline Attributes ConvKernelAttributes(const OpContext& c, const Window& window) {
  return {{"strides", window.strides},
          {"pads", window.pads},
          {"dilations", window.dilations},
          {"groups", c.attrs().Int("groups", 1)}};
}

inline absl::Status CheckGroups(const InferContext& c, absl::string_view what, int64_t channels) {
  const int64_t groups = c.attrs().Int("groups");
  if (channels % groups == 0) return absl::OkStatus();
  return c.Error(ErrorClass::kAttr, "groups = %d does not divide the %d %s", groups, channels, what);
}

// Weights [O,C/groups,k..] of n spatial dimensions, numbers above 0, and groups divide dimension 0: so many `channels`.
inline absl::StatusOr<Shape> CheckConvWeight(const InferContext& c, int i, size_t n, absl::string_view channels) {
  ATH_RETURN_IF_ERROR(CheckNumbers(c, i, "weight"));
  const int rank = static_cast<int>(n) + 2;
  ATH_RETURN_IF_ERROR(c.CheckRank(i, "weight", rank, rank));
  Shape weight;
  for (int d = 0; d < rank; ++d) {
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(i, d, "weight"));
    weight.push_back(size);
  }
  ATH_RETURN_IF_ERROR(CheckGroups(c, channels, weight[0]));
  return weight;
}

// The channels that all groups of dimension 1 of the weight make together.
inline absl::StatusOr<int64_t> AllGroups(const InferContext& c, const Shape& weight) {
  const int64_t groups = c.attrs().Int("groups");
  auto channels = CheckedMul(weight[1], groups);
  if (channels) return *channels;
  return c.Error(ErrorClass::kAttr, "groups = %d times the weight's %d channels overflows", groups, weight[1]);
}

inline Ints KernelOf(const Shape& weight) { return Ints(weight.begin() + 2, weight.end()); }

// The type of y for x and a weight that has this many outputs and `window->kernel`. The window's padding is explicit
// afterwards.
inline absl::StatusOr<TensorType> ConvOutputType(const InferContext& c, const TensorType& x, int64_t out,
                                                 Window* window) {
  TensorType y(x.dtype, {x.dims[0], out});
  ATH_ASSIGN_OR_RETURN(std::vector<Dim> positions, window->AllPositions(c, x.dims));
  y.dims.insert(y.dims.end(), positions.begin(), positions.end());
  return y;
}

inline TensorType ImagesOf(const TensorType& like, int64_t channels, const Ints& sizes) {
  TensorType images(like.dtype, {like.dims[0], channels});
  images.dims.insert(images.dims.end(), sizes.begin(), sizes.end());
  return images;
}

// The gradient of a bias [O]: dy summed over everything but dimension 1.
inline absl::StatusOr<ValueId> BiasGradient(GradientContext& c, ValueId dy) {
  Ints axes = {0};
  for (int d = 2; d < c.TypeOf(dy).rank(); ++d) axes.push_back(d);
  return c.Emit("ReduceSum", {dy}, {{"axes", std::move(axes)}});
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_CONV_H_
