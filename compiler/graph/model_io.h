// A graph as a .ath file: everything in it (weights, initialisers, metadata, entries, source positions).
#ifndef ATHANOR_COMPILER_GRAPH_MODEL_IO_H_
#define ATHANOR_COMPILER_GRAPH_MODEL_IO_H_

#include <string>

#include "absl/strings/string_view.h"
#include "compiler/graph/graph.h"

namespace athanor {

// Atomically (see runtime/core/file.h). The graph must pass VerifyGraph: its errors, and PATH and LIMIT.
absl::Status WriteModel(const Graph& graph, const std::string& path);
absl::StatusOr<std::string> SerializeModel(const Graph& graph);

// The graph has passed VerifyGraph; its operators are not known here. Errors name the file (or `name`): FORMAT,
// VERSION, LIMIT, PATH for the file, GRAPH, SHAPE, DTYPE for what it says.
absl::StatusOr<Graph> ReadModel(const std::string& path);
absl::StatusOr<Graph> ParseModel(absl::string_view bytes, absl::string_view name);

}  // namespace athanor

#endif  // ATHANOR_COMPILER_GRAPH_MODEL_IO_H_
