#include "absl/strings/str_join.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace athanor {
namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 31;

absl::StatusOr<int64_t> SizeOf(const std::string& symbol, const Value& value, const EntryRequest& request) {
  auto found = request.symbols.find(symbol);
  if (found == request.symbols.end()) {
    auto each = [](std::string* out, const auto& size) { absl::StrAppend(out, size.first, "=", size.second); };
    return MakeError(ErrorClass::kReq, "entry \"%s\": dimension \"%s\" of %s %s has no size; sizes given: %s",
                     request.name, symbol, value.name, value.type.ToString(),
                     request.symbols.empty() ? "none" : absl::StrJoin(request.symbols, ", ", each));
  }
  if (found->second < 1 || found->second > kMaxDimension) {
    return MakeError(ErrorClass::kReq, "entry \"%s\": dimension \"%s\" = %d is not in [1, %d]", request.name, symbol,
                     found->second, kMaxDimension);
  }
  return found->second;
}

}  // namespace

absl::StatusOr<Graph> FixSymbols(Graph graph, const CompileOptions& options) {
  const EntryRequest& request = OnlyRequest(options);
  for (Value& value : graph.values) {
    for (Dim& dim : value.type.dims) {
      if (!dim.symbolic()) continue;
      ATH_ASSIGN_OR_RETURN(int64_t size, SizeOf(dim.symbol, value, request));
      dim = Dim(size);
    }
  }
  return graph;
}

}  // namespace athanor
