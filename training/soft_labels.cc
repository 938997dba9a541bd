#include "training/soft_labels.h"

#include <algorithm>
#include <map>

namespace athanor {
namespace {

constexpr char kHard[] = "SoftmaxCrossEntropy", kSoft[] = "CategoricalCrossEntropy";
constexpr int kLogits = 0, kTarget = 1;

// Copies what depends on the labels for the entry train: other entries share the nodes.
class Softener {
 public:
  Softener(Graph* graph, NamedValue* input) : graph_(*graph), input_(*input) {}

  absl::Status Run() {
    const size_t nodes = graph_.nodes.size();
    std::vector<Node> copies;
    for (size_t n = 0; n < nodes; ++n) {
      const Node& node = graph_.nodes[n];
      const bool on_labels = Uses(node, [&](ValueId v) { return v == input_.value; });
      if (!on_labels && !Uses(node, [&](ValueId v) { return copy_of_.count(v) > 0; })) continue;
      Node copy = node;
      if (on_labels) ATH_RETURN_IF_ERROR(Soften(&copy));
      for (ValueId& v : copy.inputs) {
        if (auto it = copy_of_.find(v); it != copy_of_.end()) v = it->second;
      }
      copy.name = Unique(node.name);
      for (ValueId& v : copy.outputs) {
        if (v != kNoValue) v = Copy(v);
      }
      copies.push_back(std::move(copy));
    }
    for (Node& copy : copies) graph_.nodes.push_back(std::move(copy));
    return absl::OkStatus();
  }

  ValueId soft() const { return soft_; }  // kNoValue: nothing takes the labels

  // Of a value that depends on the labels: its copy.
  ValueId Renamed(ValueId v) const {
    auto it = copy_of_.find(v);
    return it == copy_of_.end() ? v : it->second;
  }

 private:
  template <typename Predicate>
  static bool Uses(const Node& node, Predicate predicate) {
    return std::any_of(node.inputs.begin(), node.inputs.end(), predicate);
  }

  absl::Status Soften(Node* node) {
    const bool fits = node->op == kHard && node->inputs.size() > kTarget && node->inputs[kTarget] == input_.value;
    if (!fits) {
      return MakeError(ErrorClass::kGraph, "%s takes the labels; with shares of the classes only %s can", DescribeNode(*node),
                       kHard);
    }
    node->op = kSoft;
    node->attrs.Erase("ignore_index");
    const ValueId logits = node->inputs[kLogits];
    if (soft_ == kNoValue) {
      Value labels;
      labels.name = graph_.UniqueValueName("labels.soft");
      labels.type = graph_.type(logits);
      labels.kind = ValueKind::kInput;
      soft_ = graph_.AddValue(std::move(labels));
    } else if (!(graph_.type(soft_) == graph_.type(logits))) {
      return MakeError(ErrorClass::kGraph, "%s has logits %s, another loss of the same labels %s", DescribeNode(*node),
                       graph_.type(logits).ToString(), graph_.type(soft_).ToString());
    }
    node->inputs[kTarget] = soft_;
    return absl::OkStatus();
  }

  ValueId Copy(ValueId v) {
    Value value = graph_.value(v);
    value.name = graph_.UniqueValueName(value.name + ".soft");
    return copy_of_[v] = graph_.AddValue(std::move(value));
  }

  std::string Unique(const std::string& name) const {
    std::string unique = name + ".soft";
    auto taken = [&](const Node& n) { return n.name == unique; };
    while (std::any_of(graph_.nodes.begin(), graph_.nodes.end(), taken)) unique += "_";
    return unique;
  }

  Graph& graph_;
  NamedValue& input_;
  std::map<ValueId, ValueId> copy_of_;
  ValueId soft_ = kNoValue;
};

}  // namespace

absl::StatusOr<Graph> WithSoftLabels(Graph model) {
  auto entry = std::find_if(model.entries.begin(), model.entries.end(), [](const auto& e) { return e.name == "train"; });
  if (entry == model.entries.end()) {
    return MakeError(ErrorClass::kGraph, "model \"%s\" has no entry \"train\"", model.name);
  }
  auto input = std::find_if(entry->inputs.begin(), entry->inputs.end(), [](const auto& i) { return i.name == "labels"; });
  if (input == entry->inputs.end()) {
    return MakeError(ErrorClass::kGraph, "model \"%s\" has no input \"labels\"", model.name);
  }
  Softener softener(&model, &*input);
  ATH_RETURN_IF_ERROR(softener.Run());
  if (softener.soft() == kNoValue) {
    return MakeError(ErrorClass::kGraph, "model \"%s\" does nothing with its labels", model.name);
  }
  input->value = softener.soft();
  for (NamedValue& output : entry->outputs) output.value = softener.Renamed(output.value);
  if (entry->loss != kNoValue) entry->loss = softener.Renamed(entry->loss);
  for (auto& [variable, value] : entry->updates) value = softener.Renamed(value);
  return model;
}

absl::StatusOr<Graph> WithLabelsOf(absl::Span<const FieldSpec> fields, Graph model) {
  const int64_t labels = FindField(fields, "labels");
  if (labels < 0 || fields[labels].dtype != DType::kF32) return model;
  return WithSoftLabels(std::move(model));
}

}  // namespace athanor
