// What the pools share.
#ifndef ATHANOR_COMPILER_OPS_POOL_H_
#define ATHANOR_COMPILER_OPS_POOL_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "compiler/opdef/op_def.h"
#include "compiler/ops/window.h"

namespace athanor {

// [N,C,spatial..] of one to three spatial dimensions.
inline constexpr int kMinImageRank = 3, kMaxImageRank = 5;

inline absl::Status CheckPoolImages(const InferContext& c, int i, absl::string_view what) {
  return CheckImages(c, i, what, kMinImageRank, kMaxImageRank);
}

// A pool of images whose shapes fit.
struct PoolWindow {
  Window window;  // its padding explicit, with what ceil_mode adds at the ends
  Ints pads;      // without that: what may count in an average
  std::vector<Dim> positions;
  bool ceil_adds() const { return window.pads != pads; }
};

// SHAPE and ATTR errors for a window that does not fit images of these dimensions, or could lie on padding alone.
inline absl::StatusOr<PoolWindow> SettlePool(const OpContext& c, const std::vector<Dim>& image) {
  const size_t n = image.size() - 2;
  Window window(c.attrs(), n), asked = window;
  ATH_RETURN_IF_ERROR(window.Check(c));
  asked.ceil_mode = false;
  ATH_RETURN_IF_ERROR(asked.AllPositions(c, image).status());
  for (size_t d = 0; d < n; ++d) {
    ATH_ASSIGN_OR_RETURN(const int64_t extent, window.Extent(c, d));
    const int64_t begin = asked.pads[d], end = asked.pads[n + d];
    if (begin >= extent || end >= extent) {
      return c.Error(ErrorClass::kAttr, "pads = %s must each be smaller than the kernel %s", AttrToString(asked.pads),
                     AttrToString(window.kernel));
    }
    if (begin + end > 0 && image[2 + d].size < window.dilations[d]) {
      return c.Error(ErrorClass::kAttr, "pads = %s with dilations = %s: x's %s of %d may fall between the kernel's "
                     "elements", AttrToString(asked.pads), AttrToString(window.dilations), SideName(n, d),
                     image[2 + d].size);
    }
  }
  PoolWindow pool{window, asked.pads, {}};
  ATH_ASSIGN_OR_RETURN(pool.positions, pool.window.AllPositions(c, image));
  return pool;
}

inline std::vector<Dim> DimsOf(const Shape& shape) { return std::vector<Dim>(shape.begin(), shape.end()); }

inline absl::StatusOr<TensorType> PoolOutputType(const OpContext& c, const TensorType& x) {
  ATH_ASSIGN_OR_RETURN(PoolWindow pool, SettlePool(c, x.dims));
  TensorType y(x.dtype, {x.dims[0], x.dims[1]});
  y.dims.insert(y.dims.end(), pool.positions.begin(), pool.positions.end());
  return y;
}

// f(tap, x offset, y offset) for every element of every window in order; x's is -1 for an element of the padding.
template <typename F>
void ForEachPoolElement(const Window& w, const Shape& x, const Shape& y, F&& f) {
  const Shape x_sizes(x.begin() + 2, x.end()), y_sizes(y.begin() + 2, y.end());
  const int64_t x_plane = *NumElements(x_sizes), y_plane = *NumElements(y_sizes), kernel = *NumElements(w.kernel);
  const std::vector<int64_t> y_strides = RowMajorStrides(y_sizes), strides = RowMajorStrides(w.kernel);
  for (int64_t at = 0; at < y_plane; ++at) {
    for (int64_t tap = 0; tap < kernel; ++tap) {
      int64_t offset = 0;
      for (size_t d = 0; d < w.n && offset >= 0; ++d) {
        const int64_t start = at / y_strides[d] % y_sizes[d] * w.strides[d] - w.pads[d];
        const int64_t i = start + tap / strides[d] % w.kernel[d] * w.dilations[d];
        offset = i < 0 || i >= x_sizes[d] ? -1 : offset * x_sizes[d] + i;
      }
      for (int64_t plane = 0; plane < y[0] * y[1]; ++plane) {
        f(tap, offset < 0 ? -1 : plane * x_plane + offset, plane * y_plane + at);
      }
    }
  }
}

// The attributes of `c` with these names, for a gradient operator.
inline Attributes TakeAttributes(const OpContext& c, std::initializer_list<const char*> names) {
  Attributes attrs;
  for (const char* name : names) attrs.Set(name, *c.attrs().Find(name));
  return attrs;
}

// The attributes that say a window to kernels "pooling" and "pooling_backward" and to the gradient operators: dilations
// only where there are any.
inline Attributes PoolAttributes(const Window& window) {
  Attributes attrs = {{"kernel", window.kernel}, {"strides", window.strides}, {"pads", window.pads}};
  if (window.dilations != Ints(window.n, 1)) attrs.Set("dilations", window.dilations);
  return attrs;
}

inline AttrDef CeilModeAttr() {
  return {.name = "ceil_mode",
          .type = AttrType::kBool,
          .doc = "a last window may reach beyond the end, if it begins before",
          .default_value = false};
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_POOL_H_
