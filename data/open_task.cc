#include <utility>

#include "absl/strings/strip.h"
#include "data/open_data_internal.h"
#include "data/subset.h"
#include "data/text_tasks.h"

namespace athanor::internal {

absl::StatusOr<OpenedData> OpenTask(const DataSpec& spec) {
  ATH_RETURN_IF_ERROR(RefuseImageOptions(spec, "a generated text"));
  ATH_RETURN_IF_ERROR(RefuseTableOptions(spec));
  if (!spec.test_path.empty()) {
    return MakeError(ErrorClass::kReq, "%s: test data are generated, \"%s\" cannot be used", spec.path, spec.test_path);
  }
  TextTaskOptions options;
  options.task = std::string(absl::StripPrefix(spec.path, "task:"));
  options.seed = spec.seed;
  ATH_ASSIGN_OR_RETURN(std::shared_ptr<const TextTask> task, TextTask::Create(options));
  OpenedData out;
  out.name = spec.path;
  out.task = "sequence";
  out.vocabulary = task->vocabulary().symbols();
  out.classes = task->vocabulary().size();
  out.train = MakeTextTaskSource(task, /*test=*/false);
  out.test = MakeTextTaskSource(task, /*test=*/true);
  if (spec.validation > 0) {
    ATH_ASSIGN_OR_RETURN(Split split, SplitForValidation(out.train->size(), spec.validation, spec.seed));
    out.validation = MakeSubset(out.train, std::move(split.validation));
    out.train = MakeSubset(out.train, std::move(split.train));
  }
  out.train_plain = out.train;
  return out;
}

}  // namespace athanor::internal
