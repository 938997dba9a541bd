// What a caller may ask of the compiler. Plain data: copied into every pass, never changed by one.
#ifndef ATHANOR_COMPILER_OPTIONS_H_
#define ATHANOR_COMPILER_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/core/attributes.h"

namespace athanor {

// One entry of the plan: an entry of the model and the sizes of its symbolic dimensions.
struct EntryRequest {
  std::string name;                        // "train", "evaluate", "infer"
  std::map<std::string, int64_t> symbols;  // {"N": 64}; each in [1, 2^31]
};

// The operator that updates each trained parameter ("SGD", "Adam") and its attributes ("weight_decay", ...).
struct OptimizerSpec {
  std::string op;
  Attributes attrs;
};

// Receives the text of the graph or program after a stage, or "(unchanged)".
using DumpSink = std::function<void(absl::string_view stage, absl::string_view text)>;

struct CompileOptions {
  std::vector<EntryRequest> entries;
  int threads = 0;  // 0: all that this process may use

  // Training entries get a backward pass and, for each parameter, an update. Without it they only run forward.
  std::optional<OptimizerSpec> optimizer;
  // Parameters that are not trained: names, or patterns with * (any text) and ? (one character).
  std::vector<std::string> frozen;
  // Gradients become outputs "grad:<parameter>": of every entry with a loss, with or without an optimizer.
  bool gradients_as_outputs = false;

  // Plans that never train: parameters become constants, so that they can be folded into one another.
  bool freeze_parameters = false;

  // Refuse a plan whose peak is above it, in bytes. 0: no limit.
  int64_t memory_limit = 0;

  // Stages to dump by name, or "all".
  std::vector<std::string> dump_after;
  DumpSink dump;  // null: no dumps

  // The same options for one of the entries: what passes are given.
  CompileOptions ForEntry(const EntryRequest& entry) const {
    CompileOptions one = *this;
    one.entries = {entry};
    return one;
  }
};

}  // namespace athanor

#endif  // ATHANOR_COMPILER_OPTIONS_H_
