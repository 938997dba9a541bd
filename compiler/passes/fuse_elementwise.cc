#include <algorithm>
#include <limits>
#include <map>

#include "compiler/opdef/elementwise.h"
#include "compiler/opdef/op_def.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

constexpr int kMaxInstructions = ElementwiseProgram::kMaxInstructions;
constexpr size_t kMaxInputs = ElementwiseProgram::kMaxInputs, kMaxResults = ElementwiseProgram::kMaxResults;
constexpr int kNone = -1;

bool IsProgramDtype(DType t) {
  return t == DType::kF32 || t == DType::kS32 || t == DType::kS64 || t == DType::kU8 || t == DType::kBool;
}
// Between the instructions of a program all is f32, which does not hold every integer.
bool MayStayInside(DType t) { return t == DType::kF32 || t == DType::kBool; }

int64_t Bytes(const TensorType& type) {
  auto bytes = NumBytes(type.dtype, type.shape());
  return bytes.ok() ? *bytes : std::numeric_limits<int64_t>::max() / 64;
}

struct Group {
  std::vector<int> members;     // node indices, ascending; the group stands where the last one stood
  std::vector<ValueId> inputs;  // read from outside, each once
  int instructions = 0;         // at most
  bool open = true;             // nothing outside has read a result yet
};

// Visits the nodes in order; each one with a formula joins the groups whose results it reads, or begins one.
class ElementwiseFuser {
 public:
  ElementwiseFuser(Graph* graph, const OpDef& program_def)
      : graph_(*graph),
        program_op_(program_def.name),
        uses_(CountUses(*graph)),
        inside_uses_(graph->values.size(), 0),
        producers_(graph->Producers()),
        last_use_(graph->values.size(), kNone),
        updated_(graph->values.size(), false),
        group_of_(graph->nodes.size(), kNone) {
    const int end = static_cast<int>(graph_.nodes.size());
    for (int n = 0; n < end; ++n) {
      for (ValueId v : graph_.nodes[n].inputs) {
        if (v != kNoValue) last_use_[v] = n;
      }
    }
    for (const GraphEntry& entry : graph_.entries) {
      for (const NamedValue& out : entry.outputs) last_use_[out.value] = end;
      if (entry.loss != kNoValue) last_use_[entry.loss] = end;
      for (const auto& [variable, value] : entry.updates) {
        last_use_[value] = end;
        updated_[variable] = true;
      }
    }
  }

  void Run() {
    const int end = static_cast<int>(graph_.nodes.size());
    for (int n = 0; n < end; ++n) {
      const int instructions = InstructionsOf(n);
      other_work_.push_back((n == 0 ? 0 : other_work_.back()) + (instructions == kNone ? 1 : 0));
      Visit(n, instructions);
    }
    bool changed = false;
    for (const Group& group : groups_) changed |= Write(group);
    if (changed) graph_.Compact();
  }

 private:
  // How many instructions a node's formula takes; kNone for a node that can be in no group.
  int InstructionsOf(int n) const {
    const Node& node = graph_.nodes[n];
    const OpDef* def = OpRegistry::Get().Find(node.op);
    if (def == nullptr || !def->elementwise || !node.post_ops.empty() || node.outputs.empty()) return kNone;
    for (ValueId v : node.outputs) {
      if (v == kNoValue) return kNone;
      const TensorType& t = graph_.type(v);
      if (!t.concrete() || !IsProgramDtype(t.dtype) || t.dims != graph_.type(node.outputs[0]).dims) return kNone;
    }
    const Shape shape = graph_.type(node.outputs[0]).shape();
    for (ValueId v : node.inputs) {
      if (v != kNoValue && !FitsAsInput(graph_.type(v), shape)) return kNone;
    }
    Group alone;
    alone.members = {n};
    for (ValueId v : node.inputs) AddInput(v, &alone);
    if (alone.inputs.size() > kMaxInputs || node.outputs.size() > kMaxResults) return kNone;
    return static_cast<int>(ProgramOf(alone, node.outputs).instructions.size());
  }

  static bool FitsAsInput(const TensorType& type, const Shape& shape) {
    if (!type.concrete() || !IsProgramDtype(type.dtype)) return false;
    auto broadcast = BroadcastShapes(type.shape(), shape);
    return broadcast.ok() && *broadcast == shape;
  }

  // The value of a constant of one element that a program can hold.
  const Tensor* NumberIn(ValueId v) const {
    const Value& value = graph_.value(v);
    const bool one = value.kind == ValueKind::kConstant && value.data != nullptr && value.data->num_elements() == 1;
    return one && IsProgramDtype(value.type.dtype) ? value.data.get() : nullptr;
  }

  void AddInput(ValueId v, Group* group) const {
    if (v == kNoValue || NumberIn(v) != nullptr) return;
    const int producer = producers_[v];
    if (producer >= 0 && std::find(group->members.begin(), group->members.end(), producer) != group->members.end()) {
      return;
    }
    if (std::find(group->inputs.begin(), group->inputs.end(), v) == group->inputs.end()) group->inputs.push_back(v);
  }

  // The groups whose results node n reads, each once, the latest first.
  std::vector<int> GroupsBefore(int n) const {
    std::vector<int> found;
    for (ValueId v : graph_.nodes[n].inputs) {
      const int g = v == kNoValue || producers_[v] < 0 ? kNone : group_of_[producers_[v]];
      if (g != kNone && std::find(found.begin(), found.end(), g) == found.end()) found.push_back(g);
    }
    std::sort(found.begin(), found.end(),
              [&](int a, int b) { return groups_[a].members.back() > groups_[b].members.back(); });
    return found;
  }

  void Visit(int n, int instructions) {
    const std::vector<int> before = GroupsBefore(n);
    if (instructions == kNone) {
      for (int g : before) groups_[g].open = false;
      return;
    }
    Group group;
    group.members = {n};
    group.instructions = instructions;
    for (ValueId v : graph_.nodes[n].inputs) AddInput(v, &group);
    for (int g : before) {
      Group joint = group;
      if (MayJoin(groups_[g], n) && Join(groups_[g], &joint)) {
        group = std::move(joint);
        groups_[g] = Group();
      } else {
        groups_[g].open = false;
      }
    }
    groups_.push_back(std::move(group));
    for (int m : groups_.back().members) group_of_[m] = static_cast<int>(groups_.size()) - 1;
    CountInsideUses(n);
  }

  bool MayJoin(const Group& group, int n) const {
    if (!group.open) return false;
    const Node& node = graph_.nodes[n];
    for (ValueId v : node.inputs) {
      if (v == kNoValue || producers_[v] < 0 || !Holds(group, producers_[v])) continue;
      const TensorType& t = graph_.type(v);
      if (!MayStayInside(t.dtype) || t.dims != graph_.type(node.outputs[0]).dims) return false;
    }
    const bool apart = other_work_[n] != other_work_[group.members.back()];
    return !apart || KeepsNoMoreAlive(group, n);
  }

  static bool Holds(const Group& group, int node) {
    return std::binary_search(group.members.begin(), group.members.end(), node);
  }

  // Whether computing the group at node n instead of where it stands keeps no more bytes alive between the two. What a
  // variable holds may change meanwhile; to keep the old content it would be copied.
  bool KeepsNoMoreAlive(const Group& group, int n) const {
    int64_t more = 0, less = 0;
    for (ValueId v : group.inputs) {
      if (updated_[v]) return false;
      if (graph_.value(v).kind == ValueKind::kNode && last_use_[v] < n) more += Bytes(graph_.type(v));
    }
    for (ValueId v : Results(group)) less += Bytes(graph_.type(v));
    return more <= less;
  }

  // What is read outside the group, or not read yet.
  std::vector<ValueId> Results(const Group& group) const {
    std::vector<ValueId> results;
    for (int m : group.members) {
      for (ValueId v : graph_.nodes[m].outputs) {
        if (uses_[v] > inside_uses_[v]) results.push_back(v);
      }
    }
    return results;
  }

  // Adds the other group's nodes to `group`, if a program can still hold them all.
  bool Join(const Group& other, Group* group) const {
    std::vector<int> members;
    std::merge(other.members.begin(), other.members.end(), group->members.begin(), group->members.end(),
               std::back_inserter(members));
    Group joint;
    joint.members = std::move(members);
    joint.instructions = other.instructions + group->instructions;
    if (joint.instructions > kMaxInstructions) return false;
    for (const Group* part : {&other, static_cast<const Group*>(group)}) {
      for (ValueId v : part->inputs) AddInput(v, &joint);
    }
    // The results that the last node reads may still be read by others.
    if (joint.inputs.size() > kMaxInputs || Results(joint).size() > kMaxResults) return false;
    *group = std::move(joint);
    return true;
  }

  void CountInsideUses(int n) {
    const int own = group_of_[n];
    for (ValueId v : graph_.nodes[n].inputs) {
      if (v != kNoValue && producers_[v] >= 0 && group_of_[producers_[v]] == own) ++inside_uses_[v];
    }
  }

  ElementwiseProgram ProgramOf(const Group& group, const std::vector<ValueId>& results) const {
    ElementwiseWriter writer;
    std::map<ValueId, Elem> values;
    for (size_t i = 0; i < group.inputs.size(); ++i) {
      values.emplace(group.inputs[i], Elem(&writer, {MicroOperand::kInput, static_cast<int>(i), 0}));
    }
    for (int m : group.members) {
      const Node& node = graph_.nodes[m];
      std::vector<Elem> args;
      for (ValueId v : node.inputs) {
        const Tensor* number = v == kNoValue ? nullptr : NumberIn(v);
        if (v == kNoValue || number != nullptr) {
          args.push_back(number == nullptr ? 0 : DoubleTensor::From(*number)[0]);
        } else {
          args.push_back(values.at(v));
        }
      }
      const std::vector<Elem> outputs = OpRegistry::Get().Find(node.op)->elementwise(node, args);
      ATH_CHECK(outputs.size() >= node.outputs.size());
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const bool is_bool = graph_.type(node.outputs[i]).dtype == DType::kBool;
        values.emplace(node.outputs[i], is_bool ? Truth(outputs[i]) : outputs[i]);
      }
    }
    std::vector<MicroOperand> operands;
    for (ValueId v : results) operands.push_back(values.at(v).operand);
    return writer.Finish(operands);
  }

  // 1 or 0, as a bool would be read back.
  static Elem Truth(const Elem& e) {
    return e.writer != nullptr && e.writer->IsTruth(e.operand) ? e : Ne(e, 0);
  }

  // Puts the group's node in the place of its last one. A node alone stays as it is unless it takes in a number.
  bool Write(const Group& group) {
    if (group.members.empty()) return false;
    Node& last = graph_.nodes[group.members.back()];
    auto is_number = [&](ValueId v) { return v != kNoValue && NumberIn(v) != nullptr; };
    if (group.members.size() == 1 && std::none_of(last.inputs.begin(), last.inputs.end(), is_number)) return false;
    if (group.inputs.empty()) return false;
    std::vector<ValueId> results = Results(group);
    if (results.empty()) return false;
    const ElementwiseProgram program = ProgramOf(group, results);
    Node node;
    node.op = program_op_;
    node.name = last.name;
    node.where = last.where;
    node.inputs = group.inputs;
    node.attrs = {{"program", program.ToString()}, {"shape", graph_.type(results[0]).shape()}};
    Strings dtypes;
    for (ValueId v : results) dtypes.emplace_back(DTypeName(graph_.type(v).dtype));
    node.attrs.Set("dtypes", AttrValue(std::move(dtypes)));
    node.outputs = std::move(results);
    if (program.instructions.size() > static_cast<size_t>(kMaxInstructions)) return false;
    for (int m : group.members) Remove(graph_.nodes[m]);
    graph_.nodes[group.members.back()] = std::move(node);
    return true;
  }

  Graph& graph_;
  const std::string program_op_;
  const std::vector<int> uses_;
  std::vector<int> inside_uses_;  // by nodes of the group that makes the value
  const std::vector<int> producers_;
  std::vector<int> last_use_;    // by value: the last node that reads it
  std::vector<bool> updated_;    // variables that the entry writes
  std::vector<int> other_work_;  // by node: how many before it, itself included, have no formula
  std::vector<int> group_of_;    // by node
  std::vector<Group> groups_;    // one that joined another is empty
};

}  // namespace

absl::StatusOr<Graph> FuseElementwise(Graph graph, const CompileOptions&) {
  for (const Node& node : graph.nodes) ATH_RETURN_IF_ERROR(FindOp(node).status());
  for (const OpDef* def : OpRegistry::Get().All()) {
    if (!def->traits.computes_program) continue;
    ElementwiseFuser(&graph, *def).Run();
    break;
  }
  return graph;
}

}  // namespace athanor
