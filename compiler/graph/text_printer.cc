#include <xxhash.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/graph/text.h"

namespace athanor {
namespace {

constexpr int64_t kMaxInlineElements = 64;
constexpr size_t kMaxUpdatesOnOneLine = 2;

bool IsNameChar(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '/' || c == '$'; }

std::string Quoted(absl::string_view s) { return absl::StrCat("\"", absl::CHexEscape(s), "\""); }

std::string NameText(absl::string_view s) {
  bool plain = !s.empty() && !absl::ascii_isdigit(s[0]) && s[0] != '.' && s[0] != '/' && s[0] != '$' &&
               std::all_of(s.begin(), s.end(), IsNameChar);
  return plain ? std::string(s) : Quoted(s);
}

std::string AttrsText(const Attributes& attrs) {
  auto each = [](std::string* out, const auto& item) {
    absl::StrAppend(out, NameText(item.first), "=", AttrToString(item.second));
  };
  return absl::StrCat("{", absl::StrJoin(attrs.items(), ", ", each), "}");
}

std::string TypeText(const TensorType& type) {
  auto each = [](std::string* out, const Dim& d) {
    absl::StrAppend(out, d.symbolic() ? NameText(d.symbol) : absl::StrCat(d.size));
  };
  return absl::StrCat(DTypeName(type.dtype), "[", absl::StrJoin(type.dims, ",", each), "]");
}

absl::string_view KindName(ValueKind kind) {
  constexpr absl::string_view kNames[] = {"value", "input", "parameter", "state", "constant"};
  return kNames[static_cast<int>(kind)];
}

class Printer {
 public:
  Printer(const Graph& graph, const TextOptions& options) : graph_(graph), options_(options) {}

  std::string Print() {
    absl::StrAppend(&out_, "graph ", Quoted(graph_.name), " {\n");
    if (options_.metadata && !graph_.metadata.empty()) {
      absl::StrAppend(&out_, "  metadata ", AttrsText(graph_.metadata), "\n");
    }
    std::vector<int> producers(graph_.values.size(), 0);
    for (const Node& node : graph_.nodes) {
      for (ValueId id : node.outputs) {
        if (Exists(id)) producers[id] = 1;
      }
    }
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& v = graph_.values[i];
      if (v.kind != ValueKind::kNode || !producers[i]) PrintDeclaration(v);
    }
    for (const Node& node : graph_.nodes) PrintNode(node);
    for (const GraphEntry& entry : graph_.entries) PrintEntry(entry);
    return absl::StrCat(out_, "}\n");
  }

 private:
  bool Exists(ValueId id) const { return id >= 0 && id < static_cast<ValueId>(graph_.values.size()); }

  std::string Ref(ValueId id) const {
    if (id == kNoValue) return "_";
    if (!Exists(id)) return absl::StrCat("%\"\"#", id);  // only in a graph that verify refuses
    const std::string& name = graph_.values[id].name;
    bool plain = !name.empty() && std::all_of(name.begin(), name.end(), IsNameChar);
    return absl::StrCat("%", plain ? name : Quoted(name));
  }

  std::string Refs(absl::Span<const ValueId> ids) const {
    return absl::StrJoin(ids, ", ", [&](std::string* out, ValueId id) { absl::StrAppend(out, Ref(id)); });
  }

  std::string Bindings(const std::vector<NamedValue>& items) const {
    return absl::StrJoin(items, ", ", [&](std::string* out, const NamedValue& v) {
      absl::StrAppend(out, NameText(v.name), "=", Ref(v.value));
    });
  }

  void PrintDeclaration(const Value& v) {
    ValueId id = static_cast<ValueId>(&v - graph_.values.data());
    absl::StrAppend(&out_, "  ", Ref(id), " : ", KindName(v.kind), " ", TypeText(v.type));
    if (!v.init.kind.empty() || !v.init.attrs.empty()) {
      absl::StrAppend(&out_, " = ", NameText(v.init.kind), v.init.attrs.empty() ? "" : AttrsText(v.init.attrs));
    }
    if (v.data != nullptr && (options_.variable_data || !IsVariable(v.kind))) PrintData(*v.data);
    out_ += "\n";
  }

  void PrintData(const Tensor& data) {
    int64_t n = data.num_elements();
    if (options_.inline_data == InlineData::kSmall && n > kMaxInlineElements) {
      absl::StrAppend(&out_, " = blob#", absl::Hex(BlobHash(data), absl::kZeroPad16));
      return;
    }
    out_ += " = [";
    const char* element = static_cast<const char*>(data.data());
    for (int64_t i = 0; i < n; ++i, element += DTypeSize(data.dtype())) {
      absl::StrAppend(&out_, i == 0 ? "" : ",", internal::ElementToString(data.dtype(), element));
    }
    out_ += "]";
  }

  // The number of inputs that are the operator's own, when the operands of the post-ops are just those behind them, in
  // order; otherwise all of them, and the operands are printed as indices.
  size_t OwnInputs(const Node& node) const {
    size_t binary = 0;
    for (const PostOp& p : node.post_ops) binary += p.operand >= 0;
    if (binary > node.inputs.size()) return node.inputs.size();
    size_t next = node.inputs.size() - binary;
    for (const PostOp& p : node.post_ops) {
      if (p.operand >= 0 && p.operand != static_cast<int>(next++)) return node.inputs.size();
    }
    return node.inputs.size() - binary;
  }

  void PrintPostOps(const Node& node, size_t own) {
    if (node.post_ops.empty()) return;
    auto each = [&](std::string* out, const PostOp& p) {
      absl::StrAppend(out, NameText(p.op));
      if (p.operand >= static_cast<int>(own) && own < node.inputs.size()) {
        absl::StrAppend(out, "(", Ref(node.inputs[p.operand]), ")");
      } else if (p.operand >= 0) {
        absl::StrAppend(out, "(#", p.operand, ")");
      }
      if (!p.attrs.empty()) absl::StrAppend(out, AttrsText(p.attrs));
    };
    absl::StrAppend(&out_, " post_ops [", absl::StrJoin(node.post_ops, ", ", each), "]");
  }

  void PrintNode(const Node& node) {
    size_t own = OwnInputs(node);
    absl::StrAppend(&out_, "  ", node.outputs.empty() ? "()" : Refs(node.outputs), " = ", NameText(node.op), "(",
                    Refs(absl::MakeConstSpan(node.inputs).subspan(0, own)), ")");
    if (!node.attrs.empty()) absl::StrAppend(&out_, " ", AttrsText(node.attrs));
    PrintPostOps(node, own);
    absl::StrAppend(&out_, " @", Quoted(node.name));
    if (!node.outputs.empty()) {
      absl::StrAppend(&out_, " : ", absl::StrJoin(node.outputs, ", ", [&](std::string* out, ValueId id) {
        absl::StrAppend(out, Exists(id) ? TypeText(graph_.values[id].type) : "_");
      }));
    }
    if (options_.where && !node.where.empty()) absl::StrAppend(&out_, " ; ", absl::CHexEscape(node.where));
    out_ += "\n";
  }

  void PrintEntry(const GraphEntry& e) {
    absl::StrAppend(&out_, "  entry ", Quoted(e.name), e.training ? " training" : "", " (", Bindings(e.inputs),
                    ") -> (", Bindings(e.outputs), ")");
    if (e.loss != kNoValue) absl::StrAppend(&out_, " loss ", Ref(e.loss));
    if (!e.updates.empty()) {
      bool one_line = e.updates.size() <= kMaxUpdatesOnOneLine;
      auto each = [&](std::string* out, const auto& update) {
        absl::StrAppend(out, one_line ? "" : "\n      ", Ref(update.first), " <- ", Ref(update.second));
      };
      absl::StrAppend(&out_, " update (", absl::StrJoin(e.updates, one_line ? ", " : ",", each), ")");
    }
    out_ += "\n";
  }

  const Graph& graph_;
  const TextOptions& options_;
  std::string out_;
};

}  // namespace

std::string ToText(const Graph& graph, const TextOptions& options) { return Printer(graph, options).Print(); }

uint64_t BlobHash(const Tensor& tensor) {
  std::string type = absl::StrCat(DTypeName(tensor.dtype()), ShapeToString(tensor.shape()));
  return XXH3_64bits_withSeed(tensor.data(), tensor.bytes(), XXH3_64bits(type.data(), type.size()));
}

Blobs CollectBlobs(const Graph& graph) {
  Blobs blobs;
  std::set<const Tensor*> seen;
  for (const Value& v : graph.values) {
    if (v.data == nullptr || v.data->num_elements() <= kMaxInlineElements || !seen.insert(v.data.get()).second) {
      continue;
    }
    blobs.emplace(BlobHash(*v.data), v.data);
  }
  return blobs;
}

uint64_t HashGraph(const Graph& graph) {
  TextOptions structure;
  structure.metadata = structure.where = structure.variable_data = false;
  std::string text = ToText(graph, structure);
  return XXH3_64bits(text.data(), text.size());
}

}  // namespace athanor
