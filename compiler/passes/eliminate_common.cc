#include <algorithm>
#include <string>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

// Larger constants are the same only when they share their data.
constexpr int64_t kMaxComparedBytes = 4096;

std::string KeyOf(const Value& constant) {
  std::string key = absl::StrCat(constant.type.ToString(), "|");
  const Tensor& data = *constant.data;
  if (data.bytes() > kMaxComparedBytes) return absl::StrCat(key, "@", absl::Hex(reinterpret_cast<uintptr_t>(&data)));
  key.append(static_cast<const char*>(data.data()), data.bytes());
  return key;
}

std::string KeyOf(const Node& node, const OpTraits& traits) {
  std::vector<ValueId> inputs = node.inputs;
  if (traits.commutative && NumOwnInputs(node) == 2 && inputs[1] < inputs[0]) std::swap(inputs[0], inputs[1]);
  std::string key = absl::StrCat(node.op, node.attrs.ToString());
  for (const PostOp& post : node.post_ops)
    absl::StrAppend(&key, "|", post.op, post.attrs.ToString(), "#", post.operand);
  for (ValueId v : inputs) absl::StrAppend(&key, ",", v);
  return key;
}

class Merger {
 public:
  explicit Merger(Graph* graph) : graph_(*graph), map_(*graph) {}

  void Run() {
    for (size_t v = 0; v < graph_.values.size(); ++v) MergeConstant(static_cast<ValueId>(v));
    for (size_t n = 0; n < graph_.nodes.size(); ++n) MergeNode(static_cast<int>(n));
    for (GraphEntry& entry : graph_.entries) map_.ApplyTo(entry);
    if (changed_) graph_.Compact();
  }

 private:
  void MergeConstant(ValueId v) {
    const Value& value = graph_.value(v);
    if (value.kind != ValueKind::kConstant || value.data == nullptr) return;
    auto [first, is_new] = constants_.try_emplace(KeyOf(value), v);
    if (is_new) return;
    map_.Replace(v, first->second);
    changed_ = true;
  }

  void MergeNode(int n) {
    Node& node = graph_.nodes[n];
    map_.ApplyTo(node);
    const OpDef* def = OpRegistry::Get().Find(node.op);
    if (def == nullptr || !def->traits.pure) return;
    auto [first, is_new] = nodes_.try_emplace(KeyOf(node, def->traits), n);
    if (is_new || !SameTypes(graph_.nodes[first->second], node)) return;
    TakeOver(graph_.nodes[first->second], node);
    Remove(node);
    changed_ = true;
  }

  bool SameTypes(const Node& a, const Node& b) const {
    for (size_t i = 0; i < std::min(a.outputs.size(), b.outputs.size()); ++i) {
      if (a.outputs[i] == kNoValue || b.outputs[i] == kNoValue) continue;
      if (!(graph_.type(a.outputs[i]) == graph_.type(b.outputs[i]))) return false;
    }
    return true;
  }

  // An output that only the later node wants moves to the first one.
  void TakeOver(Node& first, const Node& later) {
    if (first.outputs.size() < later.outputs.size()) first.outputs.resize(later.outputs.size(), kNoValue);
    for (size_t i = 0; i < later.outputs.size(); ++i) {
      if (later.outputs[i] == kNoValue) continue;
      if (first.outputs[i] == kNoValue) {
        first.outputs[i] = later.outputs[i];
      } else {
        map_.Replace(later.outputs[i], first.outputs[i]);
      }
    }
  }

  Graph& graph_;
  ValueMap map_;
  std::unordered_map<std::string, ValueId> constants_;
  std::unordered_map<std::string, int> nodes_;
  bool changed_ = false;
};

}  // namespace

absl::StatusOr<Graph> EliminateCommon(Graph graph, const CompileOptions&) {
  Merger(&graph).Run();
  return graph;
}

}  // namespace athanor
