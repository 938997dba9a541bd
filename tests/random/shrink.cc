// Shrinking: of all the ways to make a case smaller, take each that still fails, until none does.
#include <algorithm>
#include <set>

#include "compiler/interpreter/interpreter.h"
#include "tests/random/differential.h"

namespace athanor {
namespace {

// Drops what no output or loss depends on.
void DropUnneeded(RandomCase* c) {
  Graph& g = c->graph;
  std::vector<bool> needed(g.values.size(), false);
  for (const GraphEntry& entry : g.entries) {
    for (const NamedValue& out : entry.outputs) needed[out.value] = true;
    if (entry.loss != kNoValue) needed[entry.loss] = true;
  }
  for (auto node = g.nodes.rbegin(); node != g.nodes.rend(); ++node) {
    const bool used = std::any_of(node->outputs.begin(), node->outputs.end(),
                                  [&](ValueId v) { return v != kNoValue && needed[v]; });
    if (!used) node->op.clear();
    for (ValueId v : node->inputs) {
      if (used && v != kNoValue) needed[v] = true;
    }
  }
  for (GraphEntry& entry : g.entries) {
    std::erase_if(entry.inputs, [&](const NamedValue& in) { return !needed[in.value]; });
  }
  g.Compact();
  std::set<std::string> names;
  for (const Value& v : g.values) names.insert(v.name);
  std::erase_if(c->inputs, [&](const auto& input) { return !names.contains(input.first); });
}

// The value becomes a parameter that holds what it was.
bool CutOff(RandomCase* c, ValueId value, const Interpreter& run) {
  const Value& v = c->graph.value(value);
  const DoubleTensor* data = run.Value(v.name);
  if (data == nullptr || v.type.dtype != DType::kF32) return false;
  Value leaf;
  leaf.name = c->graph.UniqueValueName(v.name + ".cut");
  leaf.type = v.type;
  leaf.kind = ValueKind::kParameter;
  leaf.data = std::make_shared<const Tensor>(data->To(DType::kF32));
  const ValueId id = c->graph.AddValue(std::move(leaf));
  c->graph.ReplaceUses(value, id);
  return true;
}

class Shrinker {
 public:
  Shrinker(RandomCase c, const std::function<bool(const RandomCase&)>& fails)
      : case_(std::move(c)), fails_(fails) {}

  RandomCase Run() {
    DropUnneeded(&case_);
    while (DropEntries() || DropOutputs() || Bypass() || CutNodes()) {
    }
    return std::move(case_);
  }

 private:
  static RandomCase Copy(const RandomCase& c) {
    RandomCase copy;
    copy.graph = c.graph;
    for (const auto& [name, data] : c.inputs) copy.inputs[name] = data.Clone();
    return copy;
  }

  bool Keep(RandomCase candidate) {
    DropUnneeded(&candidate);
    if (!fails_(candidate)) return false;
    case_ = std::move(candidate);
    return true;
  }

  bool DropEntries() {
    for (size_t e = 0; case_.graph.entries.size() > 1 && e < case_.graph.entries.size(); ++e) {
      RandomCase candidate = Copy(case_);
      candidate.graph.entries.erase(candidate.graph.entries.begin() + static_cast<std::ptrdiff_t>(e));
      if (Keep(std::move(candidate))) return true;
    }
    return false;
  }

  bool DropOutputs() {
    for (size_t e = 0; e < case_.graph.entries.size(); ++e) {
      for (size_t o = 1; o < case_.graph.entries[e].outputs.size(); ++o) {
        RandomCase candidate = Copy(case_);
        auto& outputs = candidate.graph.entries[e].outputs;
        outputs.erase(outputs.begin() + static_cast<std::ptrdiff_t>(o));
        if (Keep(std::move(candidate))) return true;
      }
    }
    return false;
  }

  // A node vanishes into an input of its output's type.
  bool Bypass() {
    for (size_t n = case_.graph.nodes.size(); n-- > 0;) {
      const Node& node = case_.graph.nodes[n];
      for (ValueId in : node.inputs) {
        if (in == kNoValue || !(case_.graph.type(in) == case_.graph.type(node.outputs[0]))) continue;
        RandomCase candidate = Copy(case_);
        candidate.graph.ReplaceUses(node.outputs[0], in);
        if (Keep(std::move(candidate))) return true;
      }
    }
    return false;
  }

  bool CutNodes() {
    auto run = Interpreter::Create(case_.graph, case_.graph.entries[0].name);
    if (!run.ok()) return false;
    std::map<std::string, DoubleTensor> inputs;
    for (const auto& [name, data] : case_.inputs) inputs[name] = DoubleTensor::From(data);
    if (!run->Run(inputs).ok()) return false;
    for (size_t n = 0; n < case_.graph.nodes.size(); ++n) {
      RandomCase candidate = Copy(case_);
      bool cut = true;
      for (ValueId v : case_.graph.nodes[n].outputs) cut = cut && (v == kNoValue || CutOff(&candidate, v, *run));
      if (cut && candidate.graph.entries[0].loss < static_cast<ValueId>(case_.graph.values.size()) &&
          Keep(std::move(candidate))) {
        return true;
      }
    }
    return false;
  }

  RandomCase case_;
  const std::function<bool(const RandomCase&)>& fails_;
};

}  // namespace

RandomCase Shrink(RandomCase c, const std::function<bool(const RandomCase&)>& fails) {
  return Shrinker(std::move(c), fails).Run();
}

}  // namespace athanor
