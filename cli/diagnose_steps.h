// What `athanor diagnose` and `athanor train --diagnose` do.
#ifndef ATHANOR_CLI_DIAGNOSE_STEPS_H_
#define ATHANOR_CLI_DIAGNOSE_STEPS_H_

#include <memory>

#include "compiler/graph/graph.h"
#include "data/sample_source.h"
#include "training/diagnosis/diagnosis.h"

namespace athanor {

// Trains a copy of the model for config.steps batches of these samples, in an order by config.seed, and prints what that
// costs, then what was found. config.symbols is filled in: the batch, and what the samples' shapes say. SHAPE and DATA
// errors for fields that the model's entry "train" does not take, and those of RunDiagnosis.
absl::Status DiagnoseSteps(Graph model, std::shared_ptr<const SampleSource> samples, int64_t batch,
                           DiagnosisConfig config);

}  // namespace athanor

#endif  // ATHANOR_CLI_DIAGNOSE_STEPS_H_
