#include "compiler/graph/model_io.h"

#include <flatbuffers/flatbuffers.h>

#include "absl/strings/str_cat.h"
#include "compiler/graph/verify.h"
#include "runtime/container/fbs_io.h"
#include "schema/model_generated.h"

namespace athanor {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

static_assert(static_cast<int>(fbs::ValueKind::MAX) == static_cast<int>(ValueKind::kConstant));

Offset<fbs::Value> WriteValue(FlatBufferBuilder& fbb, const Value& v, TensorTable* tensors) {
  std::vector<Offset<fbs::Dim>> dims;
  for (const Dim& d : v.type.dims) {
    auto symbol = WriteOptional(fbb, d.symbol);
    dims.push_back(fbs::CreateDim(fbb, d.symbolic() ? 0 : d.size, symbol));
  }
  auto name = WriteString(fbb, v.name);
  auto dims_offset = fbb.CreateVector(dims);
  auto init = WriteOptional(fbb, v.init.kind);
  auto init_attrs = WriteAttributes(fbb, v.init.attrs);
  return fbs::CreateValue(fbb, name, static_cast<fbs::ValueKind>(v.kind), static_cast<fbs::DType>(v.type.dtype),
                          dims_offset, init, init_attrs, tensors->Add(v.data.get()));
}

Offset<fbs::Node> WriteNode(FlatBufferBuilder& fbb, const Node& n) {
  auto op = WriteString(fbb, n.op);
  auto name = WriteString(fbb, n.name);
  auto inputs = fbb.CreateVector(n.inputs);
  auto outputs = fbb.CreateVector(n.outputs);
  auto attrs = WriteAttributes(fbb, n.attrs);
  auto post_ops = WritePostOps(fbb, n.post_ops);
  auto where = WriteOptional(fbb, n.where);
  return fbs::CreateNode(fbb, op, name, inputs, outputs, attrs, post_ops, where);
}

FbsTablesOffset<fbs::NamedValue> WriteNamed(FlatBufferBuilder& fbb, const std::vector<NamedValue>& items) {
  std::vector<Offset<fbs::NamedValue>> out;
  for (const NamedValue& v : items) {
    auto name = WriteString(fbb, v.name);
    out.push_back(fbs::CreateNamedValue(fbb, name, v.value));
  }
  return fbb.CreateVector(out);
}

Offset<fbs::GraphEntry> WriteEntry(FlatBufferBuilder& fbb, const GraphEntry& e) {
  std::vector<Offset<fbs::Update>> updates;
  for (const auto& [variable, value] : e.updates) updates.push_back(fbs::CreateUpdate(fbb, variable, value));
  auto name = WriteString(fbb, e.name);
  auto inputs = WriteNamed(fbb, e.inputs);
  auto outputs = WriteNamed(fbb, e.outputs);
  auto updates_offset = fbb.CreateVector(updates);
  return fbs::CreateGraphEntry(fbb, name, e.training, inputs, outputs, e.loss, updates_offset);
}

absl::Status Build(const Graph& graph, FlatBufferBuilder& fbb, TensorTable* tensors) {
  ATH_RETURN_IF_ERROR(VerifyGraph(graph));
  std::vector<Offset<fbs::Value>> values;
  for (const Value& v : graph.values) values.push_back(WriteValue(fbb, v, tensors));
  std::vector<Offset<fbs::Node>> nodes;
  for (const Node& n : graph.nodes) nodes.push_back(WriteNode(fbb, n));
  std::vector<Offset<fbs::GraphEntry>> entries;
  for (const GraphEntry& e : graph.entries) entries.push_back(WriteEntry(fbb, e));
  auto name = WriteString(fbb, graph.name);
  auto metadata = WriteAttributes(fbb, graph.metadata);
  auto values_offset = fbb.CreateVector(values);
  auto nodes_offset = fbb.CreateVector(nodes);
  auto entries_offset = fbb.CreateVector(entries);
  auto refs = tensors->Write(fbb);
  auto root = fbs::CreateModel(fbb, name, metadata, values_offset, nodes_offset, entries_offset, refs);
  fbs::FinishModelBuffer(fbb, root);
  return absl::OkStatus();
}

class ModelParser {
 public:
  ModelParser(FbsReader* reader, LoadedTensors* tensors) : reader_(*reader), tensors_(*tensors) {}

  absl::StatusOr<Graph> Parse(const fbs::Model& from) {
    Graph g;
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &g.name));
    ATH_RETURN_IF_ERROR(AddContext(reader_.ReadAttributes(from.metadata(), &g.metadata), "metadata"));
    ATH_RETURN_IF_ERROR(reader_.Count(from.values()));
    g.values.reserve(from.values()->size());
    for (const fbs::Value* v : *from.values()) ATH_RETURN_IF_ERROR(ParseValue(*v, &g.values.emplace_back()));
    ATH_RETURN_IF_ERROR(reader_.Count(from.nodes()));
    g.nodes.reserve(from.nodes()->size());
    for (const fbs::Node* n : *from.nodes()) ATH_RETURN_IF_ERROR(ParseNode(*n, &g.nodes.emplace_back()));
    ATH_RETURN_IF_ERROR(reader_.Count(from.entries()));
    for (const fbs::GraphEntry* e : *from.entries()) ATH_RETURN_IF_ERROR(ParseEntry(*e, &g.entries.emplace_back()));
    ATH_RETURN_IF_ERROR(tensors_.CheckAllUsed());
    return g;
  }

 private:
  absl::Status ParseValue(const fbs::Value& from, Value* v) {
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &v->name));
    if (from.kind() > fbs::ValueKind::MAX) {
      return reader_.Damage(absl::StrCat("a value of the unknown kind ", static_cast<int>(from.kind())));
    }
    v->kind = static_cast<ValueKind>(from.kind());
    ATH_RETURN_IF_ERROR(reader_.ReadDType(from.dtype(), &v->type.dtype));
    ATH_RETURN_IF_ERROR(reader_.Count(from.dims()));
    if (from.dims() != nullptr) {
      for (const fbs::Dim* d : *from.dims()) {
        Dim& dim = v->type.dims.emplace_back();
        ATH_RETURN_IF_ERROR(reader_.String(d->symbol(), &dim.symbol));
        if (!dim.symbolic()) dim.size = d->size();
      }
    }
    ATH_RETURN_IF_ERROR(reader_.String(from.init(), &v->init.kind));
    ATH_RETURN_IF_ERROR(reader_.ReadAttributes(from.init_attrs(), &v->init.attrs));
    return tensors_.Get(from.tensor(), &v->data);
  }

  absl::Status ParseNode(const fbs::Node& from, Node* n) {
    ATH_RETURN_IF_ERROR(reader_.String(from.op(), &n->op));
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &n->name));
    ATH_RETURN_IF_ERROR(reader_.Numbers(from.inputs(), &n->inputs));
    ATH_RETURN_IF_ERROR(reader_.Numbers(from.outputs(), &n->outputs));
    ATH_RETURN_IF_ERROR(reader_.ReadAttributes(from.attrs(), &n->attrs));
    ATH_RETURN_IF_ERROR(reader_.ReadPostOps(from.post_ops(), &n->post_ops));
    return reader_.String(from.where(), &n->where);
  }

  absl::Status ParseNamed(const FbsTables<fbs::NamedValue>* from, std::vector<NamedValue>* to) {
    ATH_RETURN_IF_ERROR(reader_.Count(from));
    if (from == nullptr) return absl::OkStatus();
    for (const fbs::NamedValue* item : *from) {
      NamedValue& v = to->emplace_back();
      ATH_RETURN_IF_ERROR(reader_.String(item->name(), &v.name));
      v.value = item->value();
    }
    return absl::OkStatus();
  }

  absl::Status ParseEntry(const fbs::GraphEntry& from, GraphEntry* e) {
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &e->name));
    e->training = from.training();
    ATH_RETURN_IF_ERROR(ParseNamed(from.inputs(), &e->inputs));
    ATH_RETURN_IF_ERROR(ParseNamed(from.outputs(), &e->outputs));
    e->loss = from.loss();
    ATH_RETURN_IF_ERROR(reader_.Count(from.updates()));
    if (from.updates() == nullptr) return absl::OkStatus();
    for (const fbs::Update* u : *from.updates()) e->updates.emplace_back(u->variable(), u->value());
    return absl::OkStatus();
  }

  FbsReader& reader_;
  LoadedTensors& tensors_;
};

absl::StatusOr<Graph> ReadFrom(absl::StatusOr<ContainerReader> opened) {
  ATH_ASSIGN_OR_RETURN(ContainerReader file, std::move(opened));
  ATH_ASSIGN_OR_RETURN(const fbs::Model* root, file.VerifyRoot<fbs::Model>(fbs::ModelIdentifier()));
  FbsReader reader(file);
  ATH_ASSIGN_OR_RETURN(LoadedTensors tensors, LoadTensors(file, reader, root->tensors()));
  ATH_ASSIGN_OR_RETURN(Graph graph, ModelParser(&reader, &tensors).Parse(*root));
  ATH_RETURN_IF_ERROR(AddContext(VerifyGraph(graph), file.name()));
  return graph;
}

absl::Span<const uint8_t> BytesOf(const FlatBufferBuilder& fbb) { return {fbb.GetBufferPointer(), fbb.GetSize()}; }

}  // namespace

absl::Status WriteModel(const Graph& graph, const std::string& path) {
  FlatBufferBuilder fbb;
  TensorTable tensors;
  ATH_RETURN_IF_ERROR(Build(graph, fbb, &tensors));
  return WriteContainer(path, FileKind::kModel, BytesOf(fbb), tensors.section());
}

absl::StatusOr<std::string> SerializeModel(const Graph& graph) {
  FlatBufferBuilder fbb;
  TensorTable tensors;
  ATH_RETURN_IF_ERROR(Build(graph, fbb, &tensors));
  return SerializeContainer(FileKind::kModel, BytesOf(fbb), tensors.section());
}

absl::StatusOr<Graph> ReadModel(const std::string& path) {
  return ReadFrom(ContainerReader::Open(path, FileKind::kModel));
}

absl::StatusOr<Graph> ParseModel(absl::string_view bytes, absl::string_view name) {
  return ReadFrom(ContainerReader::FromBytes(bytes, name, FileKind::kModel));
}

}  // namespace athanor
