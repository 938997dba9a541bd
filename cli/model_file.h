// What several sub-commands do with files.
#ifndef ATHANOR_CLI_MODEL_FILE_H_
#define ATHANOR_CLI_MODEL_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/options.h"
#include "runtime/plan/plan.h"

namespace athanor {

// Reads a .ath file; weights that it does not hold are initialised by the seed.
absl::StatusOr<Graph> LoadModel(const std::string& path, uint64_t seed);

// One request for each entry and batch size. REQ error for an entry that the model lacks, a batch below 1, or a model
// with another symbolic dimension than its batch.
absl::StatusOr<std::vector<EntryRequest>> MakeRequests(const Graph& model, const std::vector<std::string>& entries,
                                                       const std::vector<int64_t>& batches);

// A plan file as it is, or a model file compiled for inference at this batch.
absl::StatusOr<std::shared_ptr<const Plan>> LoadPlanOrCompile(const std::string& path, int64_t batch, int threads);

}  // namespace athanor

#endif  // ATHANOR_CLI_MODEL_FILE_H_
