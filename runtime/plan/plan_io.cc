#include "runtime/plan/plan_io.h"

#include <flatbuffers/flatbuffers.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "runtime/container/fbs_io.h"
#include "schema/plan_generated.h"

namespace athanor {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

static_assert(static_cast<int>(fbs::VariableKind::MAX) == static_cast<int>(VariableKind::kConstant));
static_assert(static_cast<int>(fbs::BufferKind::MAX) == static_cast<int>(BufferKind::kVariable));

Offset<fbs::MemoryDesc> WriteDesc(FlatBufferBuilder& fbb, const MemoryDesc& desc) {
  auto dims = fbb.CreateVector(desc.dims);
  auto layout = WriteString(fbb, desc.layout);
  return fbs::CreateMemoryDesc(fbb, static_cast<fbs::DType>(desc.dtype), dims, layout);
}

Offset<fbs::Variable> WriteVariable(FlatBufferBuilder& fbb, const Variable& v, TensorTable* tensors) {
  auto name = WriteString(fbb, v.name);
  auto desc = WriteDesc(fbb, v.desc);
  return fbs::CreateVariable(fbb, name, static_cast<fbs::VariableKind>(v.kind), desc, v.offset, v.bytes,
                             tensors->Add(v.data.get()));
}

Offset<fbs::Buffer> WriteBuffer(FlatBufferBuilder& fbb, const Buffer& b) {
  auto name = WriteString(fbb, b.name);
  auto desc = WriteDesc(fbb, b.desc);
  return fbs::CreateBuffer(fbb, name, static_cast<fbs::BufferKind>(b.kind), desc, b.offset, b.bytes, b.variable,
                           b.alias_of);
}

Offset<fbs::KernelCall> WriteCall(FlatBufferBuilder& fbb, const KernelCall& c) {
  auto kernel = WriteString(fbb, c.kernel);
  auto name = WriteString(fbb, c.name);
  auto attrs = WriteAttributes(fbb, c.attrs);
  auto post_ops = WritePostOps(fbb, c.post_ops);
  auto inputs = fbb.CreateVector(c.inputs);
  auto outputs = fbb.CreateVector(c.outputs);
  auto impl = WriteOptional(fbb, c.impl);
  return fbs::CreateKernelCall(fbb, kernel, name, attrs, post_ops, inputs, outputs, c.threads, c.scratch_bytes,
                               c.scratch_offset, impl, c.flops, c.bytes);
}

FbsTablesOffset<fbs::NamedBuffer> WriteNamed(FlatBufferBuilder& fbb, const std::vector<NamedBuffer>& items) {
  std::vector<Offset<fbs::NamedBuffer>> out;
  for (const NamedBuffer& item : items) {
    auto name = WriteString(fbb, item.name);
    out.push_back(fbs::CreateNamedBuffer(fbb, name, item.buffer));
  }
  return fbb.CreateVector(out);
}

Offset<fbs::Entry> WriteEntry(FlatBufferBuilder& fbb, const Entry& e) {
  std::vector<Offset<fbs::Symbol>> symbols;
  for (const auto& [symbol, size] : e.symbols) {
    auto name = WriteString(fbb, symbol);
    symbols.push_back(fbs::CreateSymbol(fbb, name, size));
  }
  std::vector<Offset<fbs::Buffer>> buffers;
  for (const Buffer& b : e.buffers) buffers.push_back(WriteBuffer(fbb, b));
  std::vector<Offset<fbs::KernelCall>> calls;
  for (const KernelCall& c : e.calls) calls.push_back(WriteCall(fbb, c));
  auto name = WriteString(fbb, e.name);
  auto symbols_offset = fbb.CreateVector(symbols);
  auto buffers_offset = fbb.CreateVector(buffers);
  auto calls_offset = fbb.CreateVector(calls);
  auto inputs = WriteNamed(fbb, e.inputs);
  auto outputs = WriteNamed(fbb, e.outputs);
  return fbs::CreateEntry(fbb, name, symbols_offset, buffers_offset, calls_offset, inputs, outputs, e.arena_bytes,
                          e.reorders);
}

absl::Status Build(const Plan& plan, FlatBufferBuilder& fbb, TensorTable* tensors) {
  ATH_RETURN_IF_ERROR(CheckPlan(plan, {.max_memory = std::numeric_limits<int64_t>::max()}));
  std::vector<Offset<fbs::Variable>> variables;
  for (const Variable& v : plan.variables) variables.push_back(WriteVariable(fbb, v, tensors));
  std::vector<Offset<fbs::Entry>> entries;
  for (const Entry& e : plan.entries) entries.push_back(WriteEntry(fbb, e));
  auto isa = WriteString(fbb, plan.target.isa);
  auto version = WriteString(fbb, plan.target.onednn_version);
  auto target = fbs::CreateTarget(fbb, isa, version, plan.target.threads);
  auto model_name = WriteString(fbb, plan.model_name);
  auto metadata = WriteAttributes(fbb, plan.metadata);
  auto variables_offset = fbb.CreateVector(variables);
  auto entries_offset = fbb.CreateVector(entries);
  auto refs = tensors->Write(fbb);
  fbs::FinishPlanBuffer(fbb, fbs::CreatePlan(fbb, model_name, plan.model_hash, metadata, target, variables_offset,
                                             entries_offset, plan.weight_bytes, plan.activation_bytes, refs));
  return absl::OkStatus();
}

class PlanParser {
 public:
  PlanParser(FbsReader* reader, LoadedTensors* tensors) : reader_(*reader), tensors_(*tensors) {}

  absl::StatusOr<Plan> Parse(const fbs::Plan& from) {
    Plan plan;
    ATH_RETURN_IF_ERROR(reader_.String(from.model_name(), &plan.model_name));
    plan.model_hash = from.model_hash();
    ATH_RETURN_IF_ERROR(AddContext(reader_.ReadAttributes(from.metadata(), &plan.metadata), "metadata"));
    ATH_RETURN_IF_ERROR(reader_.String(from.target()->isa(), &plan.target.isa));
    ATH_RETURN_IF_ERROR(reader_.String(from.target()->onednn_version(), &plan.target.onednn_version));
    plan.target.threads = from.target()->threads();
    ATH_RETURN_IF_ERROR(reader_.Count(from.variables()));
    for (const fbs::Variable* v : *from.variables()) {
      ATH_RETURN_IF_ERROR(ParseVariable(*v, &plan.variables.emplace_back()));
    }
    ATH_RETURN_IF_ERROR(reader_.Count(from.entries()));
    for (const fbs::Entry* e : *from.entries()) ATH_RETURN_IF_ERROR(ParseEntry(*e, &plan.entries.emplace_back()));
    plan.weight_bytes = from.weight_bytes();
    plan.activation_bytes = from.activation_bytes();
    ATH_RETURN_IF_ERROR(tensors_.CheckAllUsed());
    return plan;
  }

 private:
  absl::Status ParseDesc(const fbs::MemoryDesc& from, MemoryDesc* desc) {
    ATH_RETURN_IF_ERROR(reader_.ReadDType(from.dtype(), &desc->dtype));
    ATH_RETURN_IF_ERROR(reader_.Numbers(from.dims(), &desc->dims));
    return reader_.String(from.layout(), &desc->layout);
  }

  absl::Status ParseVariable(const fbs::Variable& from, Variable* v) {
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &v->name));
    v->kind = static_cast<VariableKind>(from.kind());  // CheckPlan finds unknown ones
    ATH_RETURN_IF_ERROR(ParseDesc(*from.desc(), &v->desc));
    v->offset = from.offset();
    v->bytes = from.bytes();
    return tensors_.Get(from.tensor(), &v->data);
  }

  absl::Status ParseBuffer(const fbs::Buffer& from, Buffer* b) {
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &b->name));
    b->kind = static_cast<BufferKind>(from.kind());
    ATH_RETURN_IF_ERROR(ParseDesc(*from.desc(), &b->desc));
    b->offset = from.offset();
    b->bytes = from.bytes();
    b->variable = from.variable();
    b->alias_of = from.alias_of();
    return absl::OkStatus();
  }

  absl::Status ParseCall(const fbs::KernelCall& from, KernelCall* c) {
    ATH_RETURN_IF_ERROR(reader_.String(from.kernel(), &c->kernel));
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &c->name));
    ATH_RETURN_IF_ERROR(reader_.ReadAttributes(from.attrs(), &c->attrs));
    ATH_RETURN_IF_ERROR(reader_.ReadPostOps(from.post_ops(), &c->post_ops));
    ATH_RETURN_IF_ERROR(reader_.Numbers(from.inputs(), &c->inputs));
    ATH_RETURN_IF_ERROR(reader_.Numbers(from.outputs(), &c->outputs));
    c->threads = from.threads();
    c->scratch_bytes = from.scratch_bytes();
    c->scratch_offset = from.scratch_offset();
    c->flops = from.flops();
    c->bytes = from.bytes();
    return reader_.String(from.impl(), &c->impl);
  }

  absl::Status ParseNamed(const FbsTables<fbs::NamedBuffer>* from, std::vector<NamedBuffer>* to) {
    ATH_RETURN_IF_ERROR(reader_.Count(from));
    if (from == nullptr) return absl::OkStatus();
    for (const fbs::NamedBuffer* item : *from) {
      NamedBuffer& b = to->emplace_back();
      ATH_RETURN_IF_ERROR(reader_.String(item->name(), &b.name));
      b.buffer = item->buffer();
    }
    return absl::OkStatus();
  }

  absl::Status ParseEntry(const fbs::Entry& from, Entry* e) {
    ATH_RETURN_IF_ERROR(reader_.String(from.name(), &e->name));
    ATH_RETURN_IF_ERROR(reader_.Count(from.symbols()));
    if (from.symbols() != nullptr) {
      for (const fbs::Symbol* s : *from.symbols()) {
        std::string name;
        ATH_RETURN_IF_ERROR(reader_.String(s->name(), &name));
        if (!e->symbols.emplace(name, s->size()).second) return reader_.Damage("a symbol is there twice");
      }
    }
    ATH_RETURN_IF_ERROR(reader_.Count(from.buffers()));
    for (const fbs::Buffer* b : *from.buffers()) ATH_RETURN_IF_ERROR(ParseBuffer(*b, &e->buffers.emplace_back()));
    ATH_RETURN_IF_ERROR(reader_.Count(from.calls()));
    for (const fbs::KernelCall* c : *from.calls()) ATH_RETURN_IF_ERROR(ParseCall(*c, &e->calls.emplace_back()));
    ATH_RETURN_IF_ERROR(ParseNamed(from.inputs(), &e->inputs));
    ATH_RETURN_IF_ERROR(ParseNamed(from.outputs(), &e->outputs));
    e->arena_bytes = from.arena_bytes();
    e->reorders = from.reorders();
    return absl::OkStatus();
  }

  FbsReader& reader_;
  LoadedTensors& tensors_;
};

absl::StatusOr<Plan> ReadFrom(absl::StatusOr<ContainerReader> opened, const PlanLimits& limits) {
  ATH_ASSIGN_OR_RETURN(ContainerReader file, std::move(opened));
  ATH_ASSIGN_OR_RETURN(const fbs::Plan* root, file.VerifyRoot<fbs::Plan>(fbs::PlanIdentifier()));
  FbsReader reader(file);
  ATH_ASSIGN_OR_RETURN(LoadedTensors tensors, LoadTensors(file, reader, root->tensors()));
  ATH_ASSIGN_OR_RETURN(Plan plan, PlanParser(&reader, &tensors).Parse(*root));
  ATH_RETURN_IF_ERROR(AddContext(CheckPlan(plan, limits), file.name()));
  return plan;
}

absl::Span<const uint8_t> BytesOf(const FlatBufferBuilder& fbb) { return {fbb.GetBufferPointer(), fbb.GetSize()}; }

}  // namespace

absl::Status WritePlan(const Plan& plan, const std::string& path) {
  FlatBufferBuilder fbb;
  TensorTable tensors;
  ATH_RETURN_IF_ERROR(Build(plan, fbb, &tensors));
  return WriteContainer(path, FileKind::kPlan, BytesOf(fbb), tensors.section());
}

absl::StatusOr<std::string> SerializePlan(const Plan& plan) {
  FlatBufferBuilder fbb;
  TensorTable tensors;
  ATH_RETURN_IF_ERROR(Build(plan, fbb, &tensors));
  return SerializeContainer(FileKind::kPlan, BytesOf(fbb), tensors.section());
}

absl::StatusOr<Plan> ReadPlan(const std::string& path, const PlanLimits& limits) {
  return ReadFrom(ContainerReader::Open(path, FileKind::kPlan), limits);
}

absl::StatusOr<Plan> ParsePlan(absl::string_view bytes, absl::string_view name, const PlanLimits& limits) {
  return ReadFrom(ContainerReader::FromBytes(bytes, name, FileKind::kPlan), limits);
}

std::vector<TensorSpec> CheckpointSpecs(const Plan& plan) {
  std::vector<TensorSpec> specs;
  for (const Variable& v : plan.variables) {
    if (v.kind != VariableKind::kConstant) specs.push_back({v.name, v.desc.dtype, v.desc.dims});
  }
  return specs;
}

}  // namespace athanor
