#include <cmath>
#include <utility>

#include "data/open_data_internal.h"
#include "data/text.h"
#include "data/token_windows.h"

namespace athanor::internal {

absl::StatusOr<OpenedData> OpenText(const DataSpec& spec) {
  ATH_RETURN_IF_ERROR(RefuseImageOptions(spec, "a text"));
  ATH_RETURN_IF_ERROR(RefuseTableOptions(spec));
  OpenedData out;
  out.name = spec.path;
  out.task = "language";
  ATH_ASSIGN_OR_RETURN(Text text, ReadText(spec.path, spec.vocabulary));
  out.vocabulary = std::move(text.symbols);
  out.classes = static_cast<int64_t>(out.vocabulary.size());
  const auto tokens = std::make_shared<const std::vector<int32_t>>(std::move(text.ids));
  const auto n = static_cast<int64_t>(tokens->size());
  out.memory_bytes = n * static_cast<int64_t>(sizeof(int32_t));
  const int64_t held_back = std::llround(spec.validation * static_cast<double>(n));
  TokenWindowsOptions windows{spec.path, 0, n - held_back, spec.sequence, {}};
  ATH_ASSIGN_OR_RETURN(out.train_plain, MakeTokenWindows(tokens, windows));
  windows.phase_seed = spec.seed;
  ATH_ASSIGN_OR_RETURN(out.train, MakeTokenWindows(tokens, windows));
  windows.phase_seed = {};
  if (spec.validation > 0) {
    windows.begin = windows.end;
    windows.end = n;
    ATH_ASSIGN_OR_RETURN(out.validation, MakeTokenWindows(tokens, windows));
  }
  if (!spec.test_path.empty()) {
    ATH_ASSIGN_OR_RETURN(Text other, ReadText(spec.test_path, out.vocabulary));
    const auto test = std::make_shared<const std::vector<int32_t>>(std::move(other.ids));
    out.memory_bytes += static_cast<int64_t>(test->size() * sizeof(int32_t));
    const TokenWindowsOptions whole{spec.test_path, 0, static_cast<int64_t>(test->size()), spec.sequence, {}};
    ATH_ASSIGN_OR_RETURN(out.test, MakeTokenWindows(test, whole));
  }
  return out;
}

}  // namespace athanor::internal
