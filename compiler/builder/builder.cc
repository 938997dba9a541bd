#include "compiler/builder/builder.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "compiler/graph/verify.h"
#include "compiler/opdef/op_def.h"

namespace athanor {
namespace {

// "lenet.cc:41": without folders, so that a model does not tell where it was built.
std::string WhereText(const std::source_location& where) {
  std::string file = where.file_name();
  return absl::StrCat(file.substr(file.find_last_of('/') + 1), ":", where.line());
}

// "Conv2d" -> "conv2d", "MaxPool" -> "max_pool", "ReLU" -> "relu".
std::string NodeName(const std::string& op) {
  std::string name;
  for (size_t i = 0; i < op.size(); ++i) {
    bool upper = std::isupper(static_cast<unsigned char>(op[i])) != 0;
    bool after_lower = i > 0 && !std::isupper(static_cast<unsigned char>(op[i - 1]));
    if (upper && after_lower && op != "ReLU") name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(op[i])));
  }
  return name;
}

}  // namespace

GraphBuilder::GraphBuilder(std::string name) { graph_.name = std::move(name); }

bool GraphBuilder::Fail(const absl::Status& status) {
  if (status_.ok()) status_ = status;
  return false;
}

bool GraphBuilder::Fail(const Layer& layer, const absl::Status& status) {
  Node node;
  node.op = layer.op;
  node.name = layer.name;
  node.where = WhereText(layer.where);
  return Fail(AddContext(status, DescribeNode(node)));
}

bool GraphBuilder::Begin(Layer* layer) {
  if (!status_.ok()) return false;
  if (layer->name.empty()) {
    layer->name = names_.Unique(NodeName(layer->op));
    return true;
  }
  if (names_.Unique(layer->name) == layer->name) return true;
  return Fail(*layer, ErrorClass::kGraph, "the name \"%s\" is taken", layer->name);
}

bool GraphBuilder::CheckVars(const Layer& layer, const std::vector<Var>& vars) {
  if (!status_.ok()) return false;
  for (Var v : vars) {
    if (v.id < kNoValue || v.id >= static_cast<ValueId>(graph_.values.size())) {
      return Fail(layer, ErrorClass::kGraph, "value %d is not of this builder", v.id);
    }
  }
  return true;
}

bool GraphBuilder::CheckRank(const Layer& layer, Var x, int rank) {
  if (!CheckVars(layer, {x})) return false;
  if (x.id == kNoValue) return Fail(layer, ErrorClass::kGraph, "input 0 (\"x\") is required");
  if (TypeOf(x).rank() == rank) return true;
  return Fail(layer, ErrorClass::kShape, "input \"%s\" is %s of rank %d, expected rank %d", graph_.value(x.id).name,
              TypeOf(x).ToString(), TypeOf(x).rank(), rank);
}

int64_t GraphBuilder::Known(const Layer& layer, Var x, int dim) {
  const Dim d = TypeOf(x).dims[dim];
  if (!d.symbolic() && d.size >= 1) return d.size;
  Fail(layer, ErrorClass::kShape, "input \"%s\" is %s: dimension %d must be a number, at least 1, to size the weight",
       graph_.value(x.id).name, TypeOf(x).ToString(), dim);
  return 0;
}

TensorType GraphBuilder::TypeOf(Var v) const {
  return v.id < 0 || v.id >= static_cast<ValueId>(graph_.values.size()) ? TensorType() : graph_.type(v.id);
}

Var GraphBuilder::AddLeaf(Value value, const char* what, Location where) {
  if (!status_.ok()) return {};
  if (names_.Unique(value.name) != value.name) {
    Fail(MakeError(ErrorClass::kGraph, "%s: %s \"%s\": the name is taken", WhereText(where), what, value.name));
    return {};
  }
  return Var{graph_.AddValue(std::move(value))};
}

Var GraphBuilder::Input(const std::string& name, DType dtype, std::vector<Dim> dims, Location where) {
  Value value;
  value.name = name;
  value.type = {dtype, std::move(dims)};
  value.kind = ValueKind::kInput;
  return AddLeaf(std::move(value), "input", where);
}

Var GraphBuilder::Parameter(const std::string& name, Shape shape, Initializer init, Location where) {
  Value value;
  value.name = name;
  value.type = TensorType::Of(DType::kF32, shape);
  value.kind = ValueKind::kParameter;
  value.init = std::move(init);
  return AddLeaf(std::move(value), "parameter", where);
}

Var GraphBuilder::State(const std::string& name, Shape shape, Initializer init, Location where) {
  Value value;
  value.name = name;
  value.type = TensorType::Of(DType::kF32, shape);
  value.kind = ValueKind::kState;
  value.init = std::move(init);
  return AddLeaf(std::move(value), "state", where);
}

Var GraphBuilder::Constant(Tensor data, const std::string& name, Location where) {
  if (!status_.ok()) return {};
  Value value;
  value.name = name.empty() ? names_.Unique("const") : name;
  value.type = TensorType::Of(data.dtype(), data.shape());
  value.kind = ValueKind::kConstant;
  value.data = std::make_shared<const Tensor>(std::move(data));
  if (name.empty()) return Var{graph_.AddValue(std::move(value))};
  return AddLeaf(std::move(value), "constant", where);
}

Var GraphBuilder::Constant(float value, Location where) { return Constant(Tensor::Scalar(value), "", where); }

// The name has been settled by Begin.
std::vector<Var> GraphBuilder::AddNode(const Layer& layer, std::vector<Var> inputs, Attributes attrs,
                                       int num_outputs) {
  std::vector<Var> vars(num_outputs);
  if (!CheckVars(layer, inputs)) return vars;
  Node node;
  node.op = layer.op;
  node.name = layer.name;
  node.attrs = std::move(attrs);
  node.where = WhereText(layer.where);
  std::vector<TensorType> types;
  for (Var v : inputs) {
    node.inputs.push_back(v.id);
    types.push_back(TypeOf(v));
  }
  for (int i = 0; i < num_outputs; ++i) node.outputs.push_back(static_cast<ValueId>(graph_.values.size()) + i);
  auto def = FindOp(node);
  if (!def.ok()) return Fail(def.status()), vars;
  auto outputs = InferTypes(**def, node, types);
  if (!outputs.ok()) return Fail(outputs.status()), vars;
  for (int i = 0; i < num_outputs; ++i) {
    Value value;
    value.name = num_outputs == 1 ? node.name : names_.Unique(absl::StrCat(node.name, ".", OutputPort(**def, i).name));
    value.type = std::move((*outputs)[i]);
    vars[i].id = graph_.AddValue(std::move(value));
  }
  graph_.nodes.push_back(std::move(node));
  return vars;
}

std::vector<Var> GraphBuilder::Op(const std::string& op, std::vector<Var> inputs, Attributes attrs, int num_outputs,
                                  const std::string& name, Location where) {
  Layer layer{op, name, where};
  if (!Begin(&layer)) return std::vector<Var>(num_outputs);
  return AddNode(layer, std::move(inputs), std::move(attrs), num_outputs);
}

std::string GraphBuilder::LayerName(const std::string& op, const std::string& name, Location where) {
  Layer layer{op, name, where};
  return Begin(&layer) ? layer.name : "";
}

void GraphBuilder::Reject(const std::string& op, const std::string& name, const absl::Status& error, Location where) {
  Fail(Layer{op, name, where}, error);
}

void GraphBuilder::Update(Var variable, Var value, Location where) {
  if (!status_.ok()) return;
  if (!IsVariable(TypeOf(variable).dtype == DType::kUndefined ? ValueKind::kNode : graph_.value(variable.id).kind)) {
    Fail(MakeError(ErrorClass::kGraph, "%s: update of value %d, which is no variable", WhereText(where), variable.id));
  } else if (!(TypeOf(variable) == TypeOf(value))) {
    Fail(MakeError(ErrorClass::kShape, "%s: update of \"%s\" %s with %s", WhereText(where),
                   graph_.value(variable.id).name, TypeOf(variable).ToString(), TypeOf(value).ToString()));
  } else {
    updates_.emplace_back(variable.id, value.id);
  }
}

void GraphBuilder::Metadata(const std::string& key, AttrValue value) { graph_.metadata.Set(key, std::move(value)); }

void GraphBuilder::Entry(const std::string& name, EntryOptions options, Location where) {
  if (!status_.ok()) return;
  GraphEntry entry{name, options.training, {}, {}, options.loss.id, {}};
  auto require = [&](Var v, const std::string& what) {
    if (TypeOf(v).dtype != DType::kUndefined) return true;
    return Fail(MakeError(ErrorClass::kGraph, "%s: entry \"%s\": %s is not a value of this builder", WhereText(where),
                          name, what));
  };
  for (size_t i = 0; i < options.inputs.size(); ++i) {
    if (!require(options.inputs[i], absl::StrCat("input ", i))) return;
    entry.inputs.push_back({graph_.value(options.inputs[i].id).name, options.inputs[i].id});
  }
  if (options.loss.id != kNoValue) {
    if (!require(options.loss, "the loss")) return;
    entry.outputs.push_back({"loss", options.loss.id});
  }
  for (const NamedVar& out : options.outputs) {
    if (!require(out.var, absl::StrCat("output \"", out.name, "\""))) return;
    entry.outputs.push_back({out.name, out.var.id});
  }
  graph_.entries.push_back(std::move(entry));
}

namespace {

// Values that the entry's outputs depend on, and whatever the same nodes compute.
std::vector<bool> Computed(const Graph& graph, const GraphEntry& entry) {
  std::vector<bool> needed(graph.values.size(), false);
  for (const NamedValue& out : entry.outputs) needed[out.value] = true;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    auto is_needed = [&](ValueId v) { return v != kNoValue && needed[v]; };
    if (std::none_of(node.outputs.begin(), node.outputs.end(), is_needed)) continue;
    for (ValueId v : node.inputs) {
      if (v != kNoValue) needed[v] = true;
    }
    for (ValueId v : node.outputs) {
      if (v != kNoValue) needed[v] = true;
    }
  }
  return needed;
}

}  // namespace

absl::StatusOr<Graph> GraphBuilder::Build() {
  Graph graph = std::move(graph_);
  absl::Status status = std::move(status_);
  std::vector<std::pair<ValueId, ValueId>> updates = std::move(updates_);
  *this = GraphBuilder(graph.name);
  ATH_RETURN_IF_ERROR(status);
  for (GraphEntry& entry : graph.entries) {
    if (!entry.training || updates.empty()) continue;
    std::vector<bool> computed = Computed(graph, entry);
    for (const auto& update : updates) {
      if (computed[update.second]) entry.updates.push_back(update);
    }
  }
  ATH_RETURN_IF_ERROR(AddContext(VerifyGraph(graph), absl::StrCat("model \"", graph.name, "\"")));
  return graph;
}

}  // namespace athanor
