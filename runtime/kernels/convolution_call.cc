#include "runtime/kernels/convolution_call.h"

#include <algorithm>
#include <cctype>

#include "runtime/core/checked.h"
#include "runtime/kernels/post_op_operands.h"
#include "runtime/onednn/library.h"

namespace athanor {
namespace {

ConvPass PassOf(const CallSpec& spec) {
  return spec.kernel == "convolution"                 ? ConvPass::kForward
         : spec.kernel == "convolution_backward_data" ? ConvPass::kBackwardData
                                                      : ConvPass::kBackwardWeights;
}

// oneDNN computes with them in 32 bits.
bool AllIn(const Ints& values, int64_t least) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v >= least && v <= int64_t{1} << 30; });
}

absl::Status ReadAttributes(const CallSpec& spec, size_t spatial, ConvolutionCall* c) {
  Ints strides, pads, dilations;
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "strides", &strides));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "pads", &pads));
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "dilations", &dilations));
  if (strides.size() != spatial || pads.size() != 2 * spatial || dilations.size() != spatial) {
    return CallError(spec, "strides %s, pads %s and dilations %s are not for %d spatial dimensions",
                     AttrToString(strides), AttrToString(pads), AttrToString(dilations), spatial);
  }
  if (!AllIn(strides, 1) || !AllIn(dilations, 1) || !AllIn(pads, 0)) {
    return CallError(spec, "strides %s and dilations %s must be in [1, 2^30], pads %s in [0, 2^30]",
                     AttrToString(strides), AttrToString(dilations), AttrToString(pads));
  }
  c->strides = strides;
  for (int64_t d : dilations) c->dilations.push_back(d - 1);
  c->pads_begin.assign(pads.begin(), pads.begin() + spatial);
  c->pads_end.assign(pads.begin() + spatial, pads.end());
  return absl::OkStatus();
}

// The spatial sizes are oneDNN's to check. `w` is [O,I/groups,k..] here.
absl::Status CheckShapes(const CallSpec& spec, const ConvolutionCall& c) {
  const size_t rank = c.x.dims.size();
  if (c.groups < 1 || rank < 3 || rank > 5 || c.y.dims.size() != rank || c.w.dims.size() != rank ||
      c.w.dims[0] % c.groups != 0) {
    return CallError(spec, "%s, %s and %s do not fit a convolution of %d groups", c.x.ToString(), c.w.ToString(),
                     c.y.ToString(), c.groups);
  }
  Shape x = c.x.dims, y = c.y.dims;
  x[1] = CheckedMul(c.w.dims[1], c.groups).value_or(-1);
  y[0] = x[0];
  y[1] = c.w.dims[0];
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "x", c.x, x));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "w", c.w, c.w.dims));
  ATH_RETURN_IF_ERROR(CheckOperand(spec, "y", c.y, y));
  return c.has_bias ? CheckOperand(spec, "bias", c.bias, {c.pass == ConvPass::kBackwardData ? x[1] : y[1]})
                    : absl::OkStatus();
}

// Renames the dimensions from `first` on: "Acde16a" is "Abcd16a" when those from 'c' on move by -1.
std::string Renamed(std::string layout, char first, int by) {
  for (char& letter : layout) {
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    if (lower >= first && lower <= 'z') letter = static_cast<char>(letter + by);
  }
  return layout;
}

// The product of the blocks of dimension a: 16 of "ABcd4b16a4b".
int64_t BlockOfA(const std::string& layout) {
  int64_t block = 1, number = 0;
  for (char letter : layout) {
    if (std::isdigit(static_cast<unsigned char>(letter))) {
      number = number * 10 + (letter - '0');
      continue;
    }
    if (letter == 'a' && number > 0) block *= number;
    number = 0;
  }
  return block;
}

bool HasName(const std::string& layout, size_t rank) {
  return LayoutBytes(MemoryDesc{DType::kF32, Shape(rank, 1), layout}).ok();
}

void ToGrouped(ConvolutionCall* c) {
  if (c->groups == 1) return;
  MemoryDesc& w = c->w;
  const int64_t out_per_group = w.dims[0] / c->groups;
  const bool named = !w.any() && HasName(w.layout, w.dims.size());
  w.layout = named ? GroupedLayout(w.layout, out_per_group).value_or("") : "";
  w.dims[0] = out_per_group;
  w.dims.insert(w.dims.begin(), c->groups);
  if (!w.any() && !HasName(w.layout, w.dims.size())) w.layout = "";
}

}  // namespace

ConvolutionPlaces PlacesOf(ConvPass pass) {
  constexpr auto in = PrimitiveArg::kInput, out = PrimitiveArg::kOutput;
  switch (pass) {
    case ConvPass::kForward:
      return {in, in, out, in, 0, 1, 0, 2, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
    case ConvPass::kBackwardData:
      return {out, in, in, in, 0, 1, 0, 2, DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, 0};
    case ConvPass::kBackwardWeights:
      return {in, out, in, out, 0, 0, 1, 1, DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_BIAS};
  }
  ATH_CHECK(false);
}

std::optional<std::string> GroupedLayout(const std::string& layout, int64_t out_per_group) {
  if (layout.empty() || (layout[0] != 'a' && layout[0] != 'A')) return std::nullopt;  // groups are not outermost
  if (layout[0] == 'A' && out_per_group == 1) return "Ab" + Renamed(layout.substr(1), 'b', 1);
  if (out_per_group % BlockOfA(layout) != 0) return std::nullopt;  // a block of outputs would span groups
  return "a" + Renamed(layout, 'a', 1);
}

std::optional<std::string> UngroupedLayout(const std::string& layout, int64_t out_per_group) {
  if (layout.size() < 2) return std::nullopt;
  std::string result;
  if (layout[0] == 'a' && (layout[1] == 'b' || layout[1] == 'B')) {
    result = Renamed(layout.substr(1), 'b', -1);
    if (out_per_group % BlockOfA(result) != 0) return std::nullopt;  // each group is padded
  } else if (out_per_group == 1 && layout.substr(0, 2) == "Ab" && layout.find_first_of("bB", 2) == layout.npos) {
    result = "A" + Renamed(layout.substr(2), 'c', -1);
  } else {
    return std::nullopt;
  }
  size_t rank = 0;
  for (char letter : result) {
    if (std::isalpha(static_cast<unsigned char>(letter))) rank = std::max<size_t>(rank, std::tolower(letter) - 'a' + 1);
  }
  if (!HasName(result, rank)) return std::nullopt;
  return result;
}

absl::StatusOr<ConvolutionCall> ReadConvolution(const CallSpec& spec) {
  ConvolutionCall c;
  c.pass = PassOf(spec);
  if (c.pass != ConvPass::kBackwardData || spec.attrs.Has("bias")) {
    ATH_RETURN_IF_ERROR(ReadAttr(spec, "bias", &c.has_bias));
  }
  ATH_RETURN_IF_ERROR(ReadAttr(spec, "groups", &c.groups));
  if (c.pass == ConvPass::kForward) {
    ATH_RETURN_IF_ERROR(CheckOperandCounts(spec, c.has_bias ? 3 : 2, 1));
  } else {
    const bool bias_in = c.has_bias && c.pass == ConvPass::kBackwardData;
    ATH_RETURN_IF_ERROR(CheckOperands(spec, bias_in ? 3 : 2, c.has_bias && !bias_in ? 2 : 1));
  }
  const ConvolutionPlaces p = PlacesOf(c.pass);
  auto at = [&](PrimitiveArg::Source s, int i) { return s == PrimitiveArg::kInput ? spec.inputs[i] : spec.outputs[i]; };
  c.x = at(p.x_source, p.x);
  c.w = at(p.w_source, p.w);
  c.y = at(p.y_source, p.y);
  if (c.has_bias) {
    c.bias = at(p.bias_source, p.bias);
    c.bias.layout = "a";
  }
  if (c.x.dims.size() < 3) return CallError(spec, "x is %s, expected spatial dimensions", c.x.ToString());
  ATH_RETURN_IF_ERROR(ReadAttributes(spec, c.x.dims.size() - 2, &c));
  ATH_RETURN_IF_ERROR(CheckShapes(spec, c));
  ToGrouped(&c);
  return c;
}

std::optional<std::string> WeightLayout(const ConvolutionCall& c) {
  if (c.groups == 1) return c.w.layout;
  return UngroupedLayout(c.w.layout, c.w.dims[1]);
}

void WriteConvolution(const ConvolutionCall& c, std::vector<MemoryDesc>* inputs, std::vector<MemoryDesc>* outputs) {
  const ConvolutionPlaces p = PlacesOf(c.pass);
  auto at = [&](PrimitiveArg::Source s, int i) -> MemoryDesc& {
    return s == PrimitiveArg::kInput ? (*inputs)[i] : (*outputs)[i];
  };
  at(p.x_source, p.x) = c.x;
  MemoryDesc& w = at(p.w_source, p.w);
  w.layout = WeightLayout(c).value_or("");
  at(p.y_source, p.y) = c.y;
  if (c.has_bias) at(p.bias_source, p.bias) = c.bias;
}

}  // namespace athanor
