#include "compiler/compile.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compiler/graph/text.h"
#include "compiler/lowering/group_updates.h"
#include "compiler/lowering/lower.h"
#include "compiler/lowering/propagate_layouts.h"
#include "compiler/passes/pipeline.h"
#include "compiler/planning/plan_memory.h"
#include "compiler/planning/schedule.h"
#include "compiler/program/text.h"
#include "compiler/program/verify.h"
#include "runtime/core/checked.h"
#include "runtime/core/cpu.h"
#include "runtime/onednn/library.h"
#include "runtime/plan/verify_memory.h"

namespace athanor {
namespace {

constexpr int64_t kPage = 4096;  // arenas are whole pages, so that what is mapped is what is printed

// "infer", "evaluate.ema", "train.accumulate", "train.diagnose".
std::string NameWithVariant(const EntryRequest& r) {
  return absl::StrCat(r.name, r.gradients == GradientUse::kAccumulate ? ".accumulate" : "",
                      r.diagnose ? ".diagnose" : "", r.use_ema ? ".ema" : "");
}

// That, or "infer@N=8" where the same is asked for with several sizes.
std::string PlanEntryName(const EntryRequest& request, const CompileOptions& options) {
  const std::string name = NameWithVariant(request);
  auto same = [&](const EntryRequest& r) { return NameWithVariant(r) == name; };
  if (std::count_if(options.entries.begin(), options.entries.end(), same) == 1) return name;
  auto each = [](std::string* out, const auto& item) { absl::StrAppend(out, item.first, "=", item.second); };
  return absl::StrCat(name, "@", absl::StrJoin(request.symbols, ",", each));
}

bool Wanted(const CompileOptions& options, absl::string_view stage) {
  return options.dump != nullptr && std::any_of(options.dump_after.begin(), options.dump_after.end(),
                                                [&](const std::string& s) { return s == "all" || s == stage; });
}

// After each stage: its dump, then its check, so that what a stage got wrong can be read.
absl::Status FinishStage(const CompileOptions& options, absl::string_view stage, const Entry& entry, const Plan& plan) {
  if (Wanted(options, stage)) options.dump(absl::StrCat(entry.name, ".", stage), ToText(entry, plan.variables));
  // The layouts, and with them the kernels, are asked for later.
  const bool lowered_only = stage == "lower" || stage == "group_updates";
  absl::Status verified = VerifyProgram(entry, plan.variables,
                                        {.known_kernels = !lowered_only, .decided_layouts = !lowered_only});
  return AddContext(verified, absl::StrCat("after stage ", stage));
}

constexpr const char* kProgramStages[] = {"lower", "group_updates", "propagate_layouts", "schedule", "plan_memory"};

absl::Status CheckStage(const std::string& stage) {
  std::vector<std::string> known = {"all"};
  for (const GraphPass& pass : GraphPasses()) known.push_back(pass.name);
  known.insert(known.end(), std::begin(kProgramStages), std::end(kProgramStages));
  if (std::find(known.begin(), known.end(), stage) != known.end()) return absl::OkStatus();
  return MakeError(ErrorClass::kReq, "no stage \"%s\" to dump after; there are: %s", stage, absl::StrJoin(known, ", "));
}

absl::Status CheckRequests(const Graph& model, const CompileOptions& options) {
  if (options.entries.empty()) {
    return MakeError(ErrorClass::kReq, "no entry of model \"%s\" was asked for", model.name);
  }
  for (size_t i = 0; i < options.entries.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const EntryRequest &a = options.entries[i], &b = options.entries[j];
      if (NameWithVariant(a) == NameWithVariant(b) && a.symbols == b.symbols) {
        return MakeError(ErrorClass::kReq, "entry \"%s\" is asked for twice with the same sizes", NameWithVariant(a));
      }
    }
    if (options.entries[i].use_ema && options.freeze_parameters) {
      return MakeError(ErrorClass::kReq, "entry \"%s\" is to read averages, which a plan of constants has not",
                       options.entries[i].name);
    }
    if (options.entries[i].gradients == GradientUse::kAccumulate && !options.accumulate_gradients) {
      return MakeError(ErrorClass::kReq, "entry \"%s\" is to accumulate gradients, but the plan is for whole batches",
                       options.entries[i].name);
    }
  }
  if (options.freeze_parameters && options.optimizer.has_value()) {
    return MakeError(ErrorClass::kReq, "parameters cannot be frozen in a plan that has an optimizer");
  }
  if (!(options.ema_decay >= 0 && options.ema_decay < 1)) {
    return MakeError(ErrorClass::kReq, "ema_decay = %g is not in (0, 1) (0: no averages)", options.ema_decay);
  }
  for (const std::string& stage : options.dump_after) ATH_RETURN_IF_ERROR(CheckStage(stage));
  if (options.threads < 0 || options.threads > 1024) {
    return MakeError(ErrorClass::kReq, "threads = %d is not in [1, 1024] (0: all available)", options.threads);
  }
  return absl::OkStatus();
}

// Passes and lowering of every entry, in the order asked for.
absl::Status LowerEntries(const Graph& model, const CompileOptions& options, Plan* plan) {
  for (const EntryRequest& request : options.entries) {
    const std::string name = PlanEntryName(request, options);
    CompileOptions one = options.ForEntry(request);
    if (options.dump != nullptr) {
      one.dump = [&](absl::string_view stage, absl::string_view text) {
        options.dump(absl::StrCat(name, ".", stage), text);
      };
    }
    ATH_ASSIGN_OR_RETURN(Graph graph, RunPipeline(model, one));
    ATH_ASSIGN_OR_RETURN(Entry entry, Lower(graph, name, request.symbols, &plan->variables));
    ATH_RETURN_IF_ERROR(FinishStage(options, "lower", entry, *plan));
    if (options.update == UpdateMode::kGrouped) entry = GroupUpdates(std::move(entry));
    ATH_RETURN_IF_ERROR(FinishStage(options, "group_updates", entry, *plan));
    plan->entries.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

bool WritesVariables(const Entry& e) {
  return std::any_of(e.calls.begin(), e.calls.end(), [&](const KernelCall& c) {
    return std::any_of(c.outputs.begin(), c.outputs.end(),
                       [&](BufferId id) { return e.buffers[id].kind == BufferKind::kVariable; });
  });
}

double TotalElements(const Entry& e) {
  double sum = 0;
  for (const Buffer& b : e.buffers) {
    if (auto n = NumElements(b.desc.dims); n.ok()) sum += static_cast<double>(*n);
  }
  return sum;
}

// Entries that write variables decide the layouts of parameters; the largest of the others comes next.
std::vector<size_t> LayoutOrder(const Plan& plan) {
  std::vector<std::pair<bool, double>> importance;
  for (const Entry& e : plan.entries) importance.emplace_back(WritesVariables(e), TotalElements(e));
  std::vector<size_t> order(plan.entries.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return importance[a] > importance[b]; });
  return order;
}

absl::Status ChooseLayouts(const CompileOptions& options, Plan* plan) {
  for (size_t i : LayoutOrder(*plan)) {
    ATH_RETURN_IF_ERROR(PropagateLayouts(plan->target.threads, &plan->entries[i], &plan->variables));
  }
  ATH_RETURN_IF_ERROR(FinishLayouts(plan));
  for (const Entry& entry : plan->entries) {
    ATH_RETURN_IF_ERROR(FinishStage(options, "propagate_layouts", entry, *plan));
  }
  return absl::OkStatus();
}

absl::Status PlaceBuffers(const CompileOptions& options, Plan* plan) {
  for (Entry& entry : plan->entries) {
    ATH_ASSIGN_OR_RETURN(entry, Schedule(std::move(entry)));
    ATH_RETURN_IF_ERROR(FinishStage(options, "schedule", entry, *plan));
    ATH_ASSIGN_OR_RETURN(entry, PlanMemory(std::move(entry)));
    ATH_RETURN_IF_ERROR(FinishStage(options, "plan_memory", entry, *plan));
    plan->activation_bytes = std::max(plan->activation_bytes, entry.arena_bytes);
  }
  ATH_RETURN_IF_ERROR(PlaceVariables(plan));
  auto activation = CheckedAlignUp(plan->activation_bytes, kPage), weight = CheckedAlignUp(plan->weight_bytes, kPage);
  if (!activation || !weight || !CheckedAdd(*activation, *weight)) {
    return MakeError(ErrorClass::kLimit, "the arenas of model \"%s\" overflow 64 bits", plan->model_name);
  }
  plan->activation_bytes = *activation;
  plan->weight_bytes = *weight;
  if (options.memory_limit > 0 && plan->peak_bytes() > options.memory_limit) {
    return MakeError(ErrorClass::kLimit,
                     "model \"%s\" needs %d bytes (weights %d, activations %d), above the limit of %d",
                     plan->model_name, plan->peak_bytes(), plan->weight_bytes, plan->activation_bytes,
                     options.memory_limit);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> Compile(const Graph& model, const CompileOptions& options) {
  ATH_RETURN_IF_ERROR(CheckRequests(model, options));
  Plan plan;
  plan.model_name = model.name;
  plan.model_hash = HashGraph(model);
  plan.metadata = model.metadata;
  plan.target = {EffectiveIsa(), OneDnnVersion(), options.threads > 0 ? options.threads : AvailableCpus()};
  ATH_RETURN_IF_ERROR(LowerEntries(model, options, &plan));
  ATH_RETURN_IF_ERROR(ChooseLayouts(options, &plan));
  ATH_RETURN_IF_ERROR(PlaceBuffers(options, &plan));
  ATH_RETURN_IF_ERROR(VerifyMemory(plan));
  return plan;
}

}  // namespace athanor
