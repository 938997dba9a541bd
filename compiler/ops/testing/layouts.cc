#include "compiler/ops/testing/layouts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "compiler/opdef/op_def.h"
#include "runtime/kernels/kernel.h"

namespace athanor {
namespace {

OpDef LayoutDef() {
  OpDef def;
  def.name = "Test.Layout";
  def.doc = "y = x in another layout.";
  def.inputs = {{"x", "f32"}};
  def.outputs = {{"y", "like x"}};
  def.attributes = {{.name = "layout", .type = AttrType::kString, .doc = "y's"}};
  def.kernels = "test_layout";
  def.infer = [](InferContext& c) {
    c.SetOutput(0, c.Input(0));
    return absl::OkStatus();
  };
  def.lower = [](LowerContext& c) {
    c.Emit("test_layout", {c.Input(0)}, {c.Output()}, c.attrs());
    return absl::OkStatus();
  };
  def.reference = [](ReferenceContext& c) {
    c.Output() = c.Input(0);
    return absl::OkStatus();
  };
  return def;
}

CallSpec AsReorder(CallSpec spec) {
  spec.outputs[0].layout = spec.attrs.String("layout");
  spec.kernel = "reorder";
  spec.attrs = {};
  return spec;
}

absl::StatusOr<KernelInfo> Query(const CallSpec& spec) {
  return KernelRegistry::Get().Find("reorder")->query(AsReorder(spec));
}

absl::StatusOr<std::unique_ptr<Kernel>> Create(const CallSpec& spec) {
  return KernelRegistry::Get().Find("reorder")->create(AsReorder(spec));
}

ATH_REGISTER_OP(LayoutDef());
ATH_REGISTER_KERNEL((KernelDef{"test_layout", &Query, &Create, {}}));

std::string LayoutOf(TestLayout layout, int rank) {
  static constexpr const char* kLast[] = {"ba", "acb", "acdb", "acdeb"};
  static constexpr const char* kBlocked[] = {"", "aBc16b", "aBcd16b", "aBcde16b"};
  return (layout == TestLayout::kChannelsLast ? kLast : kBlocked)[rank - 2];
}

}  // namespace

Graph WithLayouts(Graph graph, TestLayout layout, bool* changed) {
  std::vector<Node> nodes;
  for (size_t v = 0, end = graph.values.size(); v < end; ++v) {
    const TensorType type = graph.values[v].type;
    if (graph.values[v].kind != ValueKind::kInput || type.dtype != DType::kF32) continue;
    if (type.rank() < 2 || type.rank() > 5 || LayoutOf(layout, type.rank()).empty()) continue;
    if (std::any_of(type.dims.begin(), type.dims.end(), [](const Dim& d) { return d.size == 0; })) continue;
    Value value;
    value.name = absl::StrCat(graph.values[v].name, ".laid");
    value.type = type;
    const ValueId laid = graph.AddValue(std::move(value));
    graph.ReplaceUses(static_cast<ValueId>(v), laid);
    Node node;
    node.op = "Test.Layout";
    node.name = absl::StrCat("layout", v);
    node.inputs = {static_cast<ValueId>(v)};
    node.outputs = {laid};
    node.attrs.Set("layout", LayoutOf(layout, type.rank()));
    nodes.push_back(std::move(node));
  }
  *changed = !nodes.empty();
  graph.nodes.insert(graph.nodes.begin(), nodes.begin(), nodes.end());
  return graph;
}

}  // namespace athanor
