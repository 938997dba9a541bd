#include "cli/model_file.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_join.h"
#include "compiler/compile.h"
#include "compiler/graph/initializers.h"
#include "compiler/graph/model_io.h"
#include "runtime/container/container.h"
#include "runtime/plan/plan_io.h"

namespace athanor {

absl::StatusOr<Graph> LoadModel(const std::string& path, uint64_t seed) {
  ATH_ASSIGN_OR_RETURN(Graph model, ReadModel(path));
  ATH_RETURN_IF_ERROR(AddContext(InitializeVariables(&model, seed), path));
  return model;
}

absl::StatusOr<std::vector<EntryRequest>> MakeRequests(const Graph& model, const std::vector<std::string>& entries,
                                                       const std::vector<int64_t>& batches) {
  std::vector<EntryRequest> requests;
  for (const std::string& name : entries) {
    const GraphEntry* entry = model.FindEntry(name);
    if (entry == nullptr) {
      auto each = [](std::string* out, const GraphEntry& e) { out->append(e.name); };
      return MakeError(ErrorClass::kReq, "model \"%s\" has no entry \"%s\"; it has: %s", model.name, name,
                       absl::StrJoin(model.entries, ", ", each));
    }
    std::set<std::string> symbols;
    for (const NamedValue& in : entry->inputs) {
      for (const Dim& d : model.type(in.value).dims) {
        if (d.symbolic()) symbols.insert(d.symbol);
      }
    }
    if (symbols.size() > 1) {
      return MakeError(ErrorClass::kReq, "entry \"%s\" has several symbolic dimensions (%s); only the batch can be set",
                       name, absl::StrJoin(symbols, ", "));
    }
    if (symbols.empty()) {
      requests.push_back({name, {}});
      continue;
    }
    for (int64_t batch : batches) {
      if (batch < 1) return MakeError(ErrorClass::kReq, "batch = %d is below 1", batch);
      requests.push_back({name, {{*symbols.begin(), batch}}});
    }
  }
  return requests;
}

absl::StatusOr<std::shared_ptr<const Plan>> LoadPlanOrCompile(const std::string& path, int64_t batch, int threads) {
  ATH_ASSIGN_OR_RETURN(FileKind kind, ReadFileKind(path));
  Plan plan;
  if (kind == FileKind::kPlan) {
    ATH_ASSIGN_OR_RETURN(plan, ReadPlan(path));
  } else if (kind == FileKind::kModel) {
    ATH_ASSIGN_OR_RETURN(Graph model, LoadModel(path, 1));
    CompileOptions options;
    ATH_ASSIGN_OR_RETURN(options.entries, MakeRequests(model, {"infer"}, {batch}));
    options.threads = threads;
    options.freeze_parameters = true;
    ATH_ASSIGN_OR_RETURN(plan, Compile(model, options));
  } else {
    return MakeError(ErrorClass::kFormat, "%s is a %s; a model (.ath) or a plan (.plan) was expected", path,
                     FileKindName(kind));
  }
  return std::make_shared<const Plan>(std::move(plan));
}

}  // namespace athanor
