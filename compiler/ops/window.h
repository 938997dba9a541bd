// What convolutions and pools share: a window that slides over the spatial dimensions of images [N,C,spatial..], one to
// three of them: [length], [height, width] or [depth, height, width].
#ifndef ATHANOR_COMPILER_OPS_WINDOW_H_
#define ATHANOR_COMPILER_OPS_WINDOW_H_

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "runtime/core/checked.h"

namespace athanor {

// oneDNN computes with them in 32 bits.
inline constexpr double kMaxWindowAttr = 1 << 30;

// "length", "height", "depth": of spatial dimension d of n.
inline const char* SideName(size_t n, size_t d) {
  static constexpr const char* kNames[] = {"depth", "height", "width"};
  return n == 1 ? "length" : kNames[3 - n + d];
}
// "[height, width]"; n = 0: of as many as x has.
inline std::string SideNames(size_t n) {
  if (n == 0) return "[one a spatial dimension]";
  return n == 1 ? "[length]" : n == 2 ? "[height, width]" : "[depth, height, width]";
}

inline AttrDef WindowAttr(std::string name, std::string doc, std::optional<AttrValue> default_value, double min) {
  return {.name = std::move(name), .type = AttrType::kInts, .doc = std::move(doc),
          .default_value = std::move(default_value), .min = min, .max = kMaxWindowAttr};
}
// Of operators with n spatial dimensions. With n = 0, as many as x has: an empty list then stands for the default.
inline AttrDef StridesAttr(size_t n) { return WindowAttr("strides", SideNames(n), Ints(n, 1), 1); }
inline AttrDef PadsAttr(size_t n) {
  return WindowAttr("pads", n == 2 ? "[top, left, bottom, right]" : "all beginnings, then all ends", Ints(2 * n, 0), 0);
}
inline AttrDef DilationsAttr(size_t n) { return WindowAttr("dilations", SideNames(n) + "; 1: dense", Ints(n, 1), 1); }
inline AttrDef KernelAttr(size_t n) { return WindowAttr("kernel", SideNames(n), std::nullopt, 1); }
inline AttrDef InputSizeAttr(size_t n) { return WindowAttr("input_size", SideNames(n) + " of x", std::nullopt, 1); }
inline AttrDef AutoPadAttr() {
  return {.name = "auto_pad",
          .type = AttrType::kString,
          .doc = "ONNX's: explicit: pads; valid: none; same_upper, same_lower: so that y has ceil(size / stride) "
                 "positions, an odd one at the end or at the beginning",
          .default_value = "explicit",
          .choices = {"explicit", "same_upper", "same_lower", "valid"}};
}

// The attributes of a node with n spatial dimensions, or their values for a dense window.
struct Window {
  Window(const Attributes& attrs, size_t n)
      : n(n), strides(Or(attrs, "strides", Ints(n, 1))), pads(Or(attrs, "pads", Ints(2 * n, 0))),
        dilations(Or(attrs, "dilations", Ints(n, 1))), kernel(Or(attrs, "kernel", Ints(n, 1))),
        auto_pad(attrs.String("auto_pad", "explicit")), ceil_mode(attrs.Bool("ceil_mode")) {}

  // ATTR error for a list of the wrong length, and for explicit pads beside an auto_pad.
  absl::Status Check(const OpContext& c) const {
    for (const char* name : {"strides", "dilations", "kernel", "input_size", "output_padding"}) {
      ATH_RETURN_IF_ERROR(CheckLength(c, name, n));
    }
    ATH_RETURN_IF_ERROR(CheckLength(c, "pads", 2 * n));
    if (auto_pad == "explicit" || std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; })) {
      return absl::OkStatus();
    }
    return c.Error(ErrorClass::kAttr, "auto_pad = \"%s\" finds the padding: pads = %s must be left out", auto_pad,
                   AttrToString(pads));
  }

  // How much of dimension d the kernel covers: dilation (kernel - 1) + 1. ATTR error when that overflows.
  absl::StatusOr<int64_t> Extent(const OpContext& c, size_t d) const {
    auto reach = CheckedMul(kernel[d] - 1, dilations[d]);
    auto extent = reach ? CheckedAdd(*reach, 1) : std::nullopt;
    if (extent) return *extent;
    return c.Error(ErrorClass::kAttr, "its %s overflows: kernel %d, dilation %d", SideName(n, d), kernel[d],
                   dilations[d]);
  }

  // Positions of the window along dimension d of an image of this size: floor((size + pads - extent) / stride) + 1, or
  // the ceiling, then without a last window that would begin behind the image. Where pads are to be found or the
  // ceiling counts, `pads` and auto_pad then say explicitly and for the floor what it is. SHAPE error when the kernel
  // does not fit even once, ATTR error when that overflows.
  absl::StatusOr<int64_t> Positions(const OpContext& c, size_t d, int64_t size) {
    ATH_ASSIGN_OR_RETURN(int64_t extent, Extent(c, d));
    int64_t &begin = pads[d], &end = pads[n + d];
    if (absl::StartsWith(auto_pad, "same")) {
      const int64_t positions = (size - 1) / strides[d] + 1;
      auto padded = CheckedAdd((positions - 1) * strides[d], extent);
      if (!padded || *padded - size > static_cast<int64_t>(kMaxWindowAttr)) return Overflows(c, d, size);
      const int64_t total = std::max<int64_t>(*padded - size, 0);
      begin = auto_pad == "same_upper" ? total / 2 : total - total / 2;
      end = total - begin;
      return positions;
    }
    auto padded = CheckedAdd(size, begin + end);
    if (!padded) return Overflows(c, d, size);
    if (extent > *padded) {
      return c.Error(ErrorClass::kShape, "the kernel covers a %s of %d (size %d, dilation %d), more than the padded "
                     "input's %d (%d + %d + %d)", SideName(n, d), extent, kernel[d], dilations[d], *padded, size, begin,
                     end);
    }
    int64_t positions = (*padded - extent) / strides[d] + 1;
    if (ceil_mode && (*padded - extent) % strides[d] != 0 && positions * strides[d] < size + begin) {
      end = positions * strides[d] + extent - size - begin;
      ++positions;
    }
    return positions;
  }

  // Positions() along each dimension of [N,C,spatial..].
  absl::StatusOr<std::vector<Dim>> AllPositions(const OpContext& c, const std::vector<Dim>& image) {
    std::vector<Dim> positions;
    for (size_t d = 0; d < n; ++d) {
      ATH_ASSIGN_OR_RETURN(int64_t size, Positions(c, d, image[2 + d].size));
      positions.emplace_back(size);
    }
    auto_pad = "explicit";
    ceil_mode = false;
    return positions;
  }

  size_t n;
  Ints strides, pads, dilations;
  Ints kernel;  // of a convolution: from its weight
  std::string auto_pad;
  bool ceil_mode;

 private:
  static Ints Or(const Attributes& attrs, absl::string_view name, Ints otherwise) {
    Ints given = attrs.GetInts(name);
    return given.empty() ? otherwise : given;
  }
  absl::Status CheckLength(const OpContext& c, absl::string_view name, size_t length) const {
    const AttrValue* v = c.attrs().Find(name);
    // Of these, an empty list is the default of operators for any number of dimensions.
    const bool may_be_empty = c.attrs().Has("kernel") && (name == "strides" || name == "pads" || name == "dilations");
    if (v == nullptr || std::get<Ints>(*v).size() == length) return absl::OkStatus();
    if (may_be_empty && std::get<Ints>(*v).empty()) return absl::OkStatus();
    return c.Error(ErrorClass::kAttr, "attribute \"%s\" = %s must have %d numbers", name, AttrToString(*v), length);
  }
  absl::Status Overflows(const OpContext& c, size_t d, int64_t size) const {
    return c.Error(ErrorClass::kAttr, "its %s overflows: kernel %d, dilation %d, padding %d + %d, input %d",
                   SideName(n, d), kernel[d], dilations[d], pads[d], pads[n + d], size);
  }
};

// SHAPE or DTYPE error unless the input is floating [N,C,spatial..] of this rank with known numbers but for N, none of
// them 0.
inline absl::Status CheckImages(const InferContext& c, int i, absl::string_view what, int min_rank, int max_rank) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(i, what));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, what, min_rank, max_rank));
  for (int d = 0; d < c.Input(i).rank(); ++d) {
    if (d == 0 && c.Input(i).dims[0].symbolic()) continue;
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(i, d, what));
    if (size > 0) continue;
    return c.Error(ErrorClass::kShape, "input \"%s\" is %s: it is empty", what, c.Input(i).ToString());
  }
  return absl::OkStatus();
}

// The numbers behind batch and channels.
inline Ints SpatialSizes(const TensorType& images) {
  Ints sizes;
  for (int d = 2; d < images.rank(); ++d) sizes.push_back(images.dims[d].size);
  return sizes;
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_WINDOW_H_
