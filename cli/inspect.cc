#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/json_document.h"
#include "cli/model_file.h"
#include "cli/tables.h"
#include "compiler/graph/model_io.h"
#include "compiler/opdef/receptive_field.h"
#include "runtime/container/checkpoint_io.h"
#include "runtime/container/container.h"
#include "runtime/plan/plan_io.h"

namespace athanor {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string file;
  bool json = false;
};

Json AttributesJson(const Attributes& attrs) {
  Json out = Json::object();
  for (const auto& [name, value] : attrs.items()) {
    std::visit([&](const auto& v) { out[name] = v; }, value);
  }
  return out;
}

// FLOPs of each node for one sample, by the plan that inference would compile to; empty when it cannot be compiled.
std::map<std::string, double> FlopsByNode(const std::string& path) {
  std::map<std::string, double> flops;
  auto plan = LoadPlanOrCompile(path, 1, 1);
  if (!plan.ok()) return flops;
  for (const KernelCall& c : (*plan)->entries[0].calls) flops[c.name] += c.flops;
  return flops;
}

Json ModelJson(const Graph& model, const std::map<std::string, double>& flops) {
  Json out = {{"kind", "model"}, {"name", model.name}, {"parameters", CountParameters(model)}};
  out["metadata"] = AttributesJson(model.metadata);
  for (const Value& v : model.values) {
    if (!IsVariable(v.kind)) continue;
    out["variables"].push_back({{"name", v.name},
                                {"type", v.type.ToString()},
                                {"trained", v.kind == ValueKind::kParameter},
                                {"initializer", v.init.kind},
                                {"has_data", v.data != nullptr}});
  }
  for (const Node& n : model.nodes) {
    Json node = {{"name", n.name}, {"operator", n.op}, {"attributes", AttributesJson(n.attrs)}};
    for (ValueId v : n.inputs) node["inputs"].push_back(v == kNoValue ? "" : model.value(v).name);
    for (ValueId v : n.outputs) node["outputs"].push_back(v == kNoValue ? "" : model.value(v).name + " : " + model.type(v).ToString());
    auto it = flops.find(n.name);
    if (it != flops.end()) node["flops_per_sample"] = it->second;
    out["nodes"].push_back(std::move(node));
  }
  for (const GraphEntry& e : model.entries) {
    Json entry = {{"name", e.name}, {"training", e.training}};
    for (const NamedValue& v : e.inputs) entry["inputs"][v.name] = model.type(v.value).ToString();
    for (const NamedValue& v : e.outputs) entry["outputs"][v.name] = model.type(v.value).ToString();
    out["entries"].push_back(std::move(entry));
  }
  if (auto fields = ReceptiveFields(model); fields.ok()) {
    for (const LayerField& layer : *fields) {
      Json field = {{"node", layer.node}};
      for (const ReceptiveField& f : layer.dims) {
        field["size"].push_back(f.size);
        field["jump"].push_back(f.jump);
        field["start"].push_back(f.start);
      }
      out["receptive_fields"].push_back(std::move(field));
    }
  }
  return out;
}

// Of every convolution and pool, with the same numbers written once where they are the same in all dimensions.
std::string ReceptiveFieldTable(const Graph& model) {
  auto fields = ReceptiveFields(model);
  if (!fields.ok() || fields->empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"layer", "operator", "receptive field", "jump", "start"}};
  for (const LayerField& layer : *fields) {
    auto of = [&](int64_t ReceptiveField::*part) {
      auto each = [&](std::string* out, const ReceptiveField& f) { absl::StrAppend(out, f.*part); };
      auto same = [&](const ReceptiveField& f) { return f.*part == layer.dims[0].*part; };
      if (std::all_of(layer.dims.begin(), layer.dims.end(), same)) return absl::StrCat(layer.dims[0].*part);
      return absl::StrJoin(layer.dims, "x", each);
    };
    rows.push_back({layer.node, layer.op, of(&ReceptiveField::size), of(&ReceptiveField::jump), of(&ReceptiveField::start)});
  }
  return absl::StrCat("\nwhat a position sees of the input, in pixels along a side; jump: to the next position; start: of the first, "
                      "negative in the padding\n", FormatTable(rows));
}

absl::Status InspectModel(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Graph model, ReadModel(flags.file));
  std::map<std::string, double> flops = FlopsByNode(flags.file);
  if (flags.json) {
    PrintDocument(ModelJson(model, flops));
    return absl::OkStatus();
  }
  std::printf("model \"%s\", %s parameters\n", model.name.c_str(), WithCommas(CountParameters(model)).c_str());
  for (const GraphEntry& e : model.entries) {
    std::printf("\nentry %s%s\n%s", e.name.c_str(), e.training ? " (training)" : "", LayerTable(model, e.name, flops).c_str());
  }
  if (!flops.empty()) {
    std::printf("FLOP/sample: pooling, softmax and the like counted; `athanor models` leaves them out\n");
  }
  std::printf("%s", ReceptiveFieldTable(model).c_str());
  return absl::OkStatus();
}

struct Lifetime {
  int first = -1, last = -1;
};

// First and last call that touches each root buffer.
std::vector<Lifetime> Lifetimes(const Entry& entry) {
  std::vector<Lifetime> lives(entry.buffers.size());
  for (int c = 0; c < static_cast<int>(entry.calls.size()); ++c) {
    auto touch = [&](BufferId id) {
      Lifetime& l = lives[RootBuffer(entry, id)];
      if (l.first < 0) l.first = c;
      l.last = c;
    };
    std::for_each(entry.calls[c].inputs.begin(), entry.calls[c].inputs.end(), touch);
    std::for_each(entry.calls[c].outputs.begin(), entry.calls[c].outputs.end(), touch);
  }
  return lives;
}

std::string PlaceOf(const Plan& plan, const Entry& entry, BufferId id) {
  const Buffer& root = entry.buffers[RootBuffer(entry, id)];
  if (root.kind == BufferKind::kVariable) return absl::StrCat("w+", plan.variables[root.variable].offset);
  return absl::StrCat("a+", root.offset);
}

std::string CallTable(const Plan& plan, const Entry& entry) {
  std::vector<Lifetime> lives = Lifetimes(entry);
  std::vector<std::vector<std::string>> rows = {
      {"#", "node", "kernel", "implementation", "post-ops", "output", "at", "bytes", "live", "threads", "MFLOP", "scratch"}};
  for (size_t c = 0; c < entry.calls.size(); ++c) {
    const KernelCall& call = entry.calls[c];
    auto post = [](std::string* out, const PostOp& p) { out->append(p.op); };
    BufferId out = call.outputs.empty() ? kNoBuffer : call.outputs[0];
    Lifetime life = out == kNoBuffer ? Lifetime{} : lives[RootBuffer(entry, out)];
    rows.push_back({absl::StrCat(c), call.name, call.kernel, call.impl, absl::StrJoin(call.post_ops, "+", post),
                    out == kNoBuffer ? "" : entry.buffers[out].desc.ToString(),
                    out == kNoBuffer ? "" : PlaceOf(plan, entry, out),
                    out == kNoBuffer ? "" : WithCommas(entry.buffers[out].bytes), absl::StrCat(life.first, "-", life.last),
                    absl::StrCat(call.threads), absl::StrFormat("%.3f", call.flops * 1e-6), WithCommas(call.scratch_bytes)});
  }
  return FormatTable(rows);
}

Json PlanJson(const Plan& plan) {
  Json out = {{"kind", "plan"},
              {"model", plan.model_name},
              {"target", {{"isa", plan.target.isa}, {"onednn", plan.target.onednn_version}, {"threads", plan.target.threads}}},
              {"weight_bytes", plan.weight_bytes},
              {"activation_bytes", plan.activation_bytes},
              {"peak_bytes", plan.peak_bytes()}};
  out["metadata"] = AttributesJson(plan.metadata);
  for (const Variable& v : plan.variables) {
    out["variables"].push_back({{"name", v.name}, {"desc", v.desc.ToString()}, {"offset", v.offset}, {"bytes", v.bytes}});
  }
  for (const Entry& e : plan.entries) {
    Json entry = {{"name", e.name}, {"symbols", e.symbols}, {"arena_bytes", e.arena_bytes}, {"reorders", e.reorders}};
    std::vector<Lifetime> lives = Lifetimes(e);
    for (size_t i = 0; i < e.buffers.size(); ++i) {
      const Buffer& b = e.buffers[i];
      BufferId root = RootBuffer(e, static_cast<BufferId>(i));
      entry["buffers"].push_back({{"name", b.name},
                                  {"desc", b.desc.ToString()},
                                  {"at", PlaceOf(plan, e, static_cast<BufferId>(i))},
                                  {"bytes", b.bytes},
                                  {"live", {lives[root].first, lives[root].last}}});
    }
    for (const KernelCall& c : e.calls) {
      entry["calls"].push_back({{"node", c.name}, {"kernel", c.kernel}, {"implementation", c.impl}, {"inputs", c.inputs},
                                {"outputs", c.outputs}, {"attributes", AttributesJson(c.attrs)}, {"threads", c.threads},
                                {"flops", c.flops}, {"bytes_moved", c.bytes}, {"scratch_bytes", c.scratch_bytes}});
      for (const PostOp& p : c.post_ops) entry["calls"].back()["post_ops"].push_back(p.op);
    }
    out["entries"].push_back(std::move(entry));
  }
  return out;
}

absl::Status InspectPlan(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Plan plan, ReadPlan(flags.file));
  if (flags.json) {
    PrintDocument(PlanJson(plan));
    return absl::OkStatus();
  }
  std::printf("plan of model \"%s\" for %s, oneDNN %s, %d threads\n%s", plan.model_name.c_str(), plan.target.isa.c_str(),
              plan.target.onednn_version.c_str(), plan.target.threads, MemorySummary(plan).c_str());
  for (const Entry& e : plan.entries) {
    double flops = 0;
    for (const KernelCall& c : e.calls) flops += c.flops;
    std::printf("\nentry %s: %zu calls, %d reorders, %.6f GFLOP, arena %s\n%s", e.name.c_str(), e.calls.size(), e.reorders,
                flops * 1e-9, FormatBytes(e.arena_bytes).c_str(), CallTable(plan, e).c_str());
  }
  std::printf("\nat: a+ offset in the activation arena, w+ offset in the weight arena; live: first and last call\n");
  return absl::OkStatus();
}

absl::Status InspectCheckpoint(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(Checkpoint ckpt, ReadCheckpoint(flags.file));
  int64_t bytes = 0;
  for (const auto& [name, tensor] : ckpt.tensors) bytes += tensor.bytes();
  if (flags.json) {
    Json out = {{"kind", "checkpoint"}, {"model", ckpt.model_name}, {"step", ckpt.step}, {"epoch", ckpt.epoch},
                {"batch_index", ckpt.batch_index}, {"seed", ckpt.seed}, {"bytes", bytes}};
    out["meta"] = AttributesJson(ckpt.meta);
    for (const auto& [name, t] : ckpt.tensors) {
      out["tensors"].push_back({{"name", name}, {"dtype", std::string(DTypeName(t.dtype()))}, {"shape", t.shape()}});
    }
    PrintDocument(out);
    return absl::OkStatus();
  }
  std::printf("checkpoint of model \"%s\" after step %lld: next epoch %lld, batch %lld; seed %llu\n",
              ckpt.model_name.c_str(), static_cast<long long>(ckpt.step), static_cast<long long>(ckpt.epoch + 1),
              static_cast<long long>(ckpt.batch_index + 1), static_cast<unsigned long long>(ckpt.seed));
  for (const auto& [name, value] : ckpt.meta.items()) std::printf("  %s = %s\n", name.c_str(), AttrToString(value).c_str());
  std::vector<std::vector<std::string>> rows = {{"tensor", "type", "bytes"}};
  for (const auto& [name, t] : ckpt.tensors) {
    rows.push_back({name, absl::StrCat(DTypeName(t.dtype()), ShapeToString(t.shape())), WithCommas(t.bytes())});
  }
  rows.push_back({"total", "", WithCommas(bytes)});
  std::printf("%s", FormatTable(rows).c_str());
  return absl::OkStatus();
}

absl::StatusOr<int> Inspect(const Flags& flags) {
  ATH_ASSIGN_OR_RETURN(FileKind kind, ReadFileKind(flags.file));
  absl::Status status = kind == FileKind::kModel  ? InspectModel(flags)
                        : kind == FileKind::kPlan ? InspectPlan(flags)
                                                  : InspectCheckpoint(flags);
  if (!status.ok()) return status;
  return kExitOk;
}

}  // namespace

void AddInspect(CLI::App& app, Action* action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* sub = app.add_subcommand("inspect", "Show what a model, plan or checkpoint file holds");
  sub->add_option("file", flags->file, "model (.ath), plan (.plan) or checkpoint (.ckpt)")->required();
  sub->add_flag("--json", flags->json, "everything, as JSON");
  sub->footer("Example: athanor inspect runs/lenet5/model.plan");
  sub->callback([flags, action] { *action = [flags] { return Inspect(*flags); }; });
}

}  // namespace athanor
