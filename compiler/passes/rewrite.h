// What several passes need when they rewrite a graph.
#ifndef ATHANOR_COMPILER_PASSES_REWRITE_H_
#define ATHANOR_COMPILER_PASSES_REWRITE_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "compiler/graph/graph.h"
#include "compiler/opdef/name_scope.h"
#include "compiler/opdef/op_def.h"
#include "compiler/options.h"

namespace athanor {

// GRAPH error unless the graph has exactly one entry. The pointer is into `graph`.
absl::StatusOr<GraphEntry*> OnlyEntry(Graph& graph);
// CHECKs that the options hold exactly one entry: see CompileOptions::ForEntry.
const EntryRequest& OnlyRequest(const CompileOptions& options);

// Whether the entry is to get a backward pass.
bool IsDifferentiated(const GraphEntry& entry, const CompileOptions& options);

// Whether the text is what the pattern describes, in which '*' stands for any text and '?' for one character.
bool MatchesPattern(absl::string_view pattern, absl::string_view text);

// The operator for which `trait` holds; VERSION error saying that this build has none that does `what`.
absl::StatusOr<const OpDef*> OpWith(bool OpTraits::*trait, absl::string_view what);

// The scalar input of the only entry with this name, made if it is missing. GRAPH error where it has another type.
absl::StatusOr<ValueId> ScalarInput(Graph& graph, NameScope& names, const std::string& name, DType dtype);

// A new state of the only entry, like `parameter` in type. GRAPH error where the name is taken.
absl::StatusOr<ValueId> AddStateLike(Graph& graph, NameScope& names, ValueId parameter, const std::string& name);

// Adds a node whose outputs are new values named `outputs` (made unique), and gives them.
absl::StatusOr<std::vector<ValueId>> AddNode(Graph& graph, NameScope& names, Node node,
                                             const std::vector<std::string>& outputs);

// Whether a pattern of options.frozen names it.
bool IsFrozen(const CompileOptions& options, absl::string_view parameter);

// One type an input, as InferTypes wants them.
std::vector<TensorType> InputTypes(const Graph& graph, const Node& node);

// How often each value is read: by nodes (each input counts), entry outputs, losses and updates.
std::vector<int> CountUses(const Graph& graph);

// Which values are needed by the outputs, the loss and the updates of any entry. `keep_effects`: and by impure nodes.
std::vector<bool> NeededValues(const Graph& graph, bool keep_effects);

// Many replacements of values at once, in linear time: Graph::ReplaceUses takes that for each.
class ValueMap {
 public:
  explicit ValueMap(const Graph& graph) : to_(graph.values.size(), kNoValue) {}
  // Everyone who reads `from` will read `to`, which must not be replaced itself later.
  void Replace(ValueId from, ValueId to);
  ValueId operator()(ValueId v) const;
  void ApplyTo(Node& node) const;         // its inputs
  void ApplyTo(GraphEntry& entry) const;  // outputs, loss and update sources

 private:
  std::vector<ValueId> to_;
};

// A node that is to go: Graph::Compact drops it.
inline void Remove(Node& node) { node = Node(); }

}  // namespace athanor

#endif  // ATHANOR_COMPILER_PASSES_REWRITE_H_
