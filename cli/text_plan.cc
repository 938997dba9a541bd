#include "cli/text_plan.h"

#include <filesystem>

#include "cli/model_file.h"
#include "runtime/container/container.h"
#include "runtime/plan/plan_io.h"
#include "training/text/text_model.h"

namespace athanor {

absl::StatusOr<std::shared_ptr<const Plan>> LoadTextPlan(const std::string& path, int64_t batch, int threads) {
  std::error_code ignored;
  const std::string file =
      std::filesystem::is_directory(path, ignored) ? (std::filesystem::path(path) / "model.ath").string() : path;
  ATH_ASSIGN_OR_RETURN(FileKind kind, ReadFileKind(file));
  Plan plan;
  if (kind == FileKind::kPlan) {
    ATH_ASSIGN_OR_RETURN(plan, ReadPlan(file));
  } else if (kind == FileKind::kModel) {
    ATH_ASSIGN_OR_RETURN(Graph model, LoadModel(file, 1));
    ATH_ASSIGN_OR_RETURN(plan, CompileTextModel(model, batch, threads));
  } else {
    return MakeError(ErrorClass::kFormat, "%s is a %s; a model (.ath) or a plan (.plan) was expected", file,
                     FileKindName(kind));
  }
  return std::make_shared<const Plan>(std::move(plan));
}

}  // namespace athanor
