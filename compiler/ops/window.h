// What convolutions and pools share: a window that slides over the height and width of images [N,C,H,W].
#ifndef ATHANOR_COMPILER_OPS_WINDOW_H_
#define ATHANOR_COMPILER_OPS_WINDOW_H_

#include <string>

#include "compiler/opdef/op_def.h"
#include "runtime/core/checked.h"

namespace athanor {

// oneDNN computes with them in 32 bits.
inline constexpr double kMaxWindowAttr = 1 << 30;

inline AttrDef WindowAttr(std::string name, std::string doc, std::optional<AttrValue> default_value, double min) {
  return {.name = std::move(name), .type = AttrType::kInts, .doc = std::move(doc),
          .default_value = std::move(default_value), .min = min, .max = kMaxWindowAttr};
}
inline AttrDef StridesAttr() { return WindowAttr("strides", "[height, width]", Ints{1, 1}, 1); }
inline AttrDef PadsAttr() { return WindowAttr("pads", "[top, left, bottom, right]", Ints{0, 0, 0, 0}, 0); }
inline AttrDef DilationsAttr() { return WindowAttr("dilations", "[height, width]; 1: dense", Ints{1, 1}, 1); }
inline AttrDef KernelAttr() { return WindowAttr("kernel", "[height, width]", std::nullopt, 1); }
inline AttrDef InputSizeAttr() { return WindowAttr("input_size", "[height, width] of x", std::nullopt, 1); }

// The attributes of a node, or their values for a dense window.
struct Window {
  explicit Window(const Attributes& attrs)
      : strides(attrs.GetInts("strides", {1, 1})), pads(attrs.GetInts("pads", {0, 0, 0, 0})),
        dilations(attrs.GetInts("dilations", {1, 1})), kernel(attrs.GetInts("kernel")) {}

  // ATTR error for a list of the wrong length.
  absl::Status Check(const OpContext& c) const {
    ATH_RETURN_IF_ERROR(CheckLength(c, "strides", 2));
    ATH_RETURN_IF_ERROR(CheckLength(c, "pads", 4));
    ATH_RETURN_IF_ERROR(CheckLength(c, "dilations", 2));
    ATH_RETURN_IF_ERROR(CheckLength(c, "kernel", 2));
    return CheckLength(c, "input_size", 2);
  }

  // Positions of the window along dimension `d` (0 height, 1 width) of an image of this size:
  // floor((size + pads - dilation (kernel - 1) - 1) / stride) + 1. SHAPE error when it does not fit even once, ATTR
  // error when that overflows.
  absl::StatusOr<int64_t> Positions(const OpContext& c, int d, int64_t size) const {
    const char* side = d == 0 ? "height" : "width";
    auto reach = CheckedMul(kernel[d] - 1, dilations[d]);
    auto extent = reach ? CheckedAdd(*reach, 1) : std::nullopt;
    auto padded = CheckedAdd(size, pads[d] + pads[2 + d]);
    if (!extent || !padded) {
      return c.Error(ErrorClass::kAttr, "its %s overflows: kernel %d, dilation %d, padding %d + %d, input %d", side,
                     kernel[d], dilations[d], pads[d], pads[2 + d], size);
    }
    if (*extent > *padded) {
      return c.Error(ErrorClass::kShape, "the kernel covers a %s of %d (size %d, dilation %d), more than the padded "
                     "input's %d (%d + %d + %d)", side, *extent, kernel[d], dilations[d], *padded, size, pads[d],
                     pads[2 + d]);
    }
    return (*padded - *extent) / strides[d] + 1;
  }

  Ints strides, pads, dilations;
  Ints kernel;  // of a convolution: from its weight

 private:
  static absl::Status CheckLength(const OpContext& c, absl::string_view name, size_t length) {
    const AttrValue* v = c.attrs().Find(name);
    if (v == nullptr || std::get<Ints>(*v).size() == length) return absl::OkStatus();
    return c.Error(ErrorClass::kAttr, "attribute \"%s\" = %s must have %d numbers", name, AttrToString(*v), length);
  }
};

// SHAPE or DTYPE error unless the input is floating [N,C,H,W] with known numbers but for N, none of them 0.
inline absl::Status CheckImages(const InferContext& c, int i, absl::string_view what) {
  ATH_RETURN_IF_ERROR(c.CheckFloating(i, what));
  ATH_RETURN_IF_ERROR(c.CheckRank(i, what, 4, 4));
  for (int d = 0; d < 4; ++d) {
    if (d == 0 && c.Input(i).dims[0].symbolic()) continue;
    ATH_ASSIGN_OR_RETURN(int64_t size, c.Known(i, d, what));
    if (size > 0) continue;
    return c.Error(ErrorClass::kShape, "input \"%s\" is %s: it is empty", what, c.Input(i).ToString());
  }
  return absl::OkStatus();
}

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPS_WINDOW_H_
