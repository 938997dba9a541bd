// Trains a network for some steps with a plan that tells what it sees, and says what it found.
//
// To diagnose a training that runs anyway, ask for its train entry once more with EntryRequest::diagnose, run that one in
// the place of the other now and then, and give it to a ProfileCollector (profile.h); Report and FindProblems take what
// that collects.
#ifndef ATHANOR_TRAINING_DIAGNOSIS_DIAGNOSIS_H_
#define ATHANOR_TRAINING_DIAGNOSIS_DIAGNOSIS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/options.h"
#include "training/diagnosis/findings.h"
#include "training/diagnosis/profile.h"
#include "training/diagnosis/report.h"

namespace athanor {

struct DiagnosisConfig {
  OptimizerSpec optimizer;
  std::vector<std::string> frozen = {};         // see CompileOptions
  std::map<std::string, int64_t> symbols = {};  // {"N": 64}: of a batch
  double learning_rate = 1e-3;
  int64_t steps = 20;
  uint64_t seed = 1;  // of weights that the model does not hold, and of dropout
  int threads = 0;    // 0: all that this process may use
};

// Writes the data of step 0, 1, ... to the train entry's inputs, by name; "lr", "step" and "seed" are not among them.
using FillBatch = std::function<absl::Status(int64_t step, const std::map<std::string, TensorView>& inputs)>;

struct DiagnosisResult {
  Profile profile;
  DiagnosisCost cost;
  std::vector<Finding> findings;
  std::string report;
};

// Called once before the first step, with what a step will cost.
using OnCost = std::function<void(const DiagnosisCost&)>;

// Trains a copy of the model's entry "train" for so many steps. Ends early behind the first step in which something is
// not finite, which is then found. Errors: those of Compile, of `fill` and REQ for steps or a learning rate out of range.
absl::StatusOr<DiagnosisResult> RunDiagnosis(Graph model, const DiagnosisConfig& config, const FillBatch& fill,
                                             const OnCost& on_cost = nullptr);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_DIAGNOSIS_DIAGNOSIS_H_
