// What the tests of whole models share.
#ifndef ATHANOR_TESTS_TESTING_H_
#define ATHANOR_TESTS_TESTING_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/options.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace athanor {

// A model of models/ with weights of seed 1.
Graph InitializedModel(const std::string& name);

struct TestPlanOptions {
  std::vector<EntryRequest> entries;
  int threads = 2;
  bool gradients_as_outputs = false;
};
std::shared_ptr<const Plan> CompileForTest(const Graph& model, const TestPlanOptions& options);

// Uniform floats in [-1, 1), labels below 10, lr 0.01, step 1: the same for the same seed.
std::map<std::string, Tensor> RandomInputs(const Entry& entry, uint64_t seed);
void SetInputs(Session& session, int entry, const std::map<std::string, Tensor>& inputs);
// A copy of an output's bytes.
Tensor CopyOutput(Session& session, int entry, const std::string& name);
bool SameBits(const Tensor& a, const Tensor& b);

}  // namespace athanor

#endif  // ATHANOR_TESTS_TESTING_H_
