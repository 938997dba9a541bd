#include "compiler/opdef/receptive_field.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

using Fields = std::vector<ReceptiveField>;  // empty: not known

int SpatialDims(const TensorType& t) { return IsFloating(t.dtype) && t.rank() >= 3 && t.rank() <= 5 ? t.rank() - 2 : 0; }

bool SameSpatialDims(const TensorType& a, const TensorType& b) {
  return a.rank() == b.rank() && std::equal(a.dims.begin() + 2, a.dims.end(), b.dims.begin() + 2);
}

struct SlidingWindow {
  Ints kernel, strides, pads, dilations;  // pads: before the first element
};

// The attribute, or n times `otherwise` where it is absent or empty.
Ints ListOf(const Node& node, const char* name, size_t n, int64_t otherwise) {
  Ints list = node.attrs.GetInts(name);
  return list.empty() ? Ints(n, otherwise) : list;
}

// The window of a node that makes one position of all: a global pool.
std::optional<SlidingWindow> OverAll(const Graph& graph, const Node& node, size_t n) {
  const TensorType &in = graph.type(node.inputs[0]), &out = graph.type(node.outputs[0]);
  if (node.inputs.size() != 1 || out.rank() != in.rank() || SameSpatialDims(in, out)) return std::nullopt;
  SlidingWindow w{{}, {}, Ints(2 * n, 0), Ints(n, 1)};
  for (size_t d = 0; d < n; ++d) {
    if (in.dims[2 + d].symbolic() || !(out.dims[2 + d] == Dim(1))) return std::nullopt;
    w.kernel.push_back(in.dims[2 + d].size);
  }
  w.strides = w.kernel;
  return w;
}

// What a node whose attributes are checked does along its n spatial dimensions; nullopt for one without a window.
std::optional<SlidingWindow> WindowOf(const Graph& graph, const Node& node, const OpDef& def, size_t n) {
  auto has = [&](const char* name) {
    return std::any_of(def.attributes.begin(), def.attributes.end(), [&](const AttrDef& a) { return a.name == name; });
  };
  if (!has("strides") || !has("pads")) return OverAll(graph, node, n);
  if (has("output_padding") || has("input_size")) return std::nullopt;  // it goes from positions to images
  SlidingWindow w;
  if (has("kernel")) {
    w.kernel = node.attrs.GetInts("kernel");
  } else {
    const int weight = def.traits.weight_input;
    if (weight < 0 || weight >= static_cast<int>(node.inputs.size())) return std::nullopt;
    const TensorType& type = graph.type(node.inputs[weight]);
    if (type.rank() != static_cast<int>(n) + 2) return std::nullopt;
    for (size_t d = 0; d < n; ++d) w.kernel.push_back(type.dims[2 + d].size);
  }
  if (w.kernel.size() != n) return std::nullopt;
  w.strides = ListOf(node, "strides", n, 1);
  w.pads = ListOf(node, "pads", 2 * n, 0);
  w.dilations = ListOf(node, "dilations", n, 1);
  const std::string auto_pad = has("auto_pad") ? node.attrs.String("auto_pad", "explicit") : "explicit";
  if (!absl::StartsWith(auto_pad, "same")) return w;
  for (size_t d = 0; d < n; ++d) {
    const Dim& dim = graph.type(node.inputs[0]).dims[2 + d];
    if (dim.symbolic()) return std::nullopt;
    const int64_t extent = w.dilations[d] * (w.kernel[d] - 1) + 1;
    const int64_t padded = (dim.size - 1) / w.strides[d] * w.strides[d] + extent;
    const int64_t total = std::max<int64_t>(padded - dim.size, 0);
    w.pads[d] = auto_pad == "same_upper" ? total / 2 : total - total / 2;
  }
  return w;
}

Fields Through(const SlidingWindow& w, Fields fields) {
  for (size_t d = 0; d < fields.size(); ++d) {
    ReceptiveField& f = fields[d];
    f.start -= w.pads[d] * f.jump;
    f.size += w.dilations[d] * (w.kernel[d] - 1) * f.jump;
    f.jump *= w.strides[d];
  }
  return fields;
}

// The least that covers both; not known where positions of the two do not lie over one another.
Fields Merged(const Fields& a, const Fields& b) {
  Fields merged = a;
  for (size_t d = 0; d < a.size(); ++d) {
    if (a[d].jump != b[d].jump) return {};
    const int64_t end = std::max(a[d].start + a[d].size, b[d].start + b[d].size);
    merged[d].start = std::min(a[d].start, b[d].start);
    merged[d].size = end - merged[d].start;
  }
  return merged;
}

class Analysis {
 public:
  explicit Analysis(const Graph& graph) : graph_(graph), fields_(graph.values.size()) {}

  absl::StatusOr<std::vector<LayerField>> Run() {
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      if (graph_.values[v].kind == ValueKind::kInput) fields_[v].resize(SpatialDims(graph_.values[v].type));
    }
    for (const Node& node : graph_.nodes) ATH_RETURN_IF_ERROR(Visit(node));
    return std::move(layers_);
  }

 private:
  absl::Status Visit(Node node) {
    ATH_ASSIGN_OR_RETURN(const OpDef* def, FindOp(node));
    ATH_RETURN_IF_ERROR(CheckNode(*def, node));  // fills in the defaults
    if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs.empty() || node.outputs[0] == kNoValue) {
      return absl::OkStatus();
    }
    const int n = SpatialDims(graph_.type(node.inputs[0]));
    if (n == 0 || fields_[node.inputs[0]].empty()) return PassOn(node);
    std::optional<SlidingWindow> window = WindowOf(graph_, node, *def, static_cast<size_t>(n));
    if (!window) return PassOn(node);
    fields_[node.outputs[0]] = Through(*window, fields_[node.inputs[0]]);
    layers_.push_back({node.name, node.op, fields_[node.outputs[0]]});
    return absl::OkStatus();
  }

  absl::Status PassOn(const Node& node) {
    const TensorType& out = graph_.type(node.outputs[0]);
    if (SpatialDims(out) == 0) return absl::OkStatus();
    Fields all;
    for (ValueId v : node.inputs) {
      if (v == kNoValue || fields_[v].empty()) continue;
      if (!SameSpatialDims(graph_.type(v), out)) return absl::OkStatus();
      all = all.empty() ? fields_[v] : Merged(all, fields_[v]);
      if (all.empty()) return absl::OkStatus();
    }
    fields_[node.outputs[0]] = std::move(all);
    return absl::OkStatus();
  }

  const Graph& graph_;
  std::vector<Fields> fields_;  // by value
  std::vector<LayerField> layers_;
};

}  // namespace

absl::StatusOr<std::vector<LayerField>> ReceptiveFields(const Graph& graph) { return Analysis(graph).Run(); }

}  // namespace athanor
