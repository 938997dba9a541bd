#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

constexpr absl::string_view kFuseAttr = "fuse_relu";

// x -> norm -> relu -> y, and dy -> relu_backward -> norm_backward -> dx: node indices, and the norm_backward input
// that relu_backward feeds.
struct Match {
  int norm, relu, relu_backward, norm_backward;
  int grad_input;
};

class NormReluFuser {
 public:
  explicit NormReluFuser(Graph* graph)
      : graph_(*graph),
        names_(*graph),
        uses_(CountUses(*graph)),
        users_(graph->Users()),
        producers_(graph->Producers()) {}

  absl::Status Run() {
    bool changed = false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      std::optional<Match> match = Find(static_cast<int>(n));
      if (!match) continue;
      ATH_RETURN_IF_ERROR(Fuse(*match));
      changed = true;
    }
    if (changed) graph_.Compact();
    return absl::OkStatus();
  }

 private:
  // Of a node that is gone: those of an operator that can nothing.
  const OpTraits& TraitsOf(int node) const {
    static const OpTraits none;
    const OpDef* def = OpRegistry::Get().Find(graph_.nodes[node].op);
    return def == nullptr ? none : def->traits;
  }

  // The only reader of a value: kNone when it is read twice, or by an entry.
  static constexpr int kNone = -1;
  int OnlyReader(ValueId v) const {
    return v != kNoValue && uses_[v] == 1 && !users_[v].empty() ? users_[v][0] : kNone;
  }

  std::optional<Match> Find(int n) const {
    const Node& norm = graph_.nodes[n];
    if (TraitsOf(n).fused_relu_workspace_output < 0 || norm.attrs.Bool(kFuseAttr) || !norm.post_ops.empty())
      return std::nullopt;
    int r = OnlyReader(norm.outputs[0]);
    if (r == kNone || !TraitsOf(r).is_relu || !graph_.nodes[r].post_ops.empty()) return std::nullopt;
    // Its backward operator is known by the statistics it reads, which nothing else computes.
    for (size_t i = 1; i < norm.outputs.size(); ++i) {
      if (norm.outputs[i] == kNoValue) continue;
      for (int b : users_[norm.outputs[i]]) {
        std::optional<Match> match = FindBackward(n, r, b);
        if (match) return match;
      }
    }
    return std::nullopt;
  }

  std::optional<Match> FindBackward(int n, int r, int b) const {
    const Node& backward = graph_.nodes[b];
    if (TraitsOf(b).fused_relu_workspace_input < 0 || backward.attrs.Bool(kFuseAttr)) return std::nullopt;
    for (size_t i = 0; i < backward.inputs.size(); ++i) {
      ValueId v = backward.inputs[i];
      int p = v == kNoValue ? kNone : producers_[v];
      if (p == kNone || OnlyReader(v) != b) continue;
      if (IsBackwardOf(graph_.nodes[p], TraitsOf(p), graph_.nodes[r].outputs[0])) {
        return Match{n, r, p, b, static_cast<int>(i)};
      }
    }
    return std::nullopt;
  }

  static bool IsBackwardOf(const Node& node, const OpTraits& traits, ValueId relu_output) {
    int grad = traits.relu_backward_grad_input;
    if (grad < 0 || !node.post_ops.empty()) return false;
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
      if (i != grad && node.inputs[i] == relu_output) return true;
    }
    return false;
  }

  absl::Status Fuse(const Match& match) {
    Node& norm = graph_.nodes[match.norm];
    Node& backward = graph_.nodes[match.norm_backward];
    Node& relu_backward = graph_.nodes[match.relu_backward];
    size_t output = TraitsOf(match.norm).fused_relu_workspace_output;
    size_t input = TraitsOf(match.norm_backward).fused_relu_workspace_input;

    norm.attrs.Set(kFuseAttr, AttrValue(true));
    norm.outputs[0] = graph_.nodes[match.relu].outputs[0];
    if (norm.outputs.size() <= output) norm.outputs.resize(output + 1, kNoValue);
    ATH_ASSIGN_OR_RETURN(norm.outputs[output], AddWorkspace(norm, output));

    backward.attrs.Set(kFuseAttr, AttrValue(true));
    backward.inputs[match.grad_input] = relu_backward.inputs[TraitsOf(match.relu_backward).relu_backward_grad_input];
    if (backward.inputs.size() <= input) backward.inputs.resize(input + 1, kNoValue);
    backward.inputs[input] = norm.outputs[output];

    Remove(graph_.nodes[match.relu]);
    Remove(relu_backward);
    return absl::OkStatus();
  }

  absl::StatusOr<ValueId> AddWorkspace(Node norm, size_t output) {
    const OpDef& def = *OpRegistry::Get().Find(norm.op);
    norm.outputs[output] = static_cast<ValueId>(graph_.values.size());
    ATH_ASSIGN_OR_RETURN(std::vector<TensorType> types, InferTypes(def, norm, InputTypes(graph_, norm)));
    Value workspace;
    workspace.name = names_.Unique(absl::StrCat(norm.name, ".", def.outputs[output].name));
    workspace.type = types[output];
    return graph_.AddValue(std::move(workspace));
  }

  Graph& graph_;
  NameScope names_;
  std::vector<int> uses_;
  std::vector<std::vector<int>> users_;
  std::vector<int> producers_;
};

}  // namespace

absl::StatusOr<Graph> FuseNormRelu(Graph graph, const CompileOptions&) {
  bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    const OpDef* def = OpRegistry::Get().Find(node.op);
    return def != nullptr && def->traits.fused_relu_workspace_output >= 0;
  });
  if (any) ATH_RETURN_IF_ERROR(NormReluFuser(&graph).Run());
  return graph;
}

}  // namespace athanor
