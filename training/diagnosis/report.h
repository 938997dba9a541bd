// A diagnosis in words and tables.
#ifndef ATHANOR_TRAINING_DIAGNOSIS_REPORT_H_
#define ATHANOR_TRAINING_DIAGNOSIS_REPORT_H_

#include <string>

#include "runtime/plan/plan.h"
#include "training/diagnosis/findings.h"
#include "training/diagnosis/profile.h"

namespace athanor {

// What a diagnosed step costs more than a plain one. Known from the plan, before anything runs.
struct DiagnosisCost {
  double bytes = 0, flops = 0;              // that the diagnosed step moves and computes more
  double plain_bytes = 0, plain_flops = 0;  // of the plain one
  int64_t memory = 0, plain_memory = 0;     // of the activation arena
  int calls = 0, plain_calls = 0;
};
DiagnosisCost CostOfDiagnosis(const Entry& diagnosed, const Entry& plain);
// "a diagnosed step: 12 calls more, 3.1 MB moved more (+14 %), ..."
std::string CostText(const DiagnosisCost& cost);

// The findings, the depth profile with a chart of the gradients' norms, and the parameters. Lines of at most 120
// columns; ASCII.
std::string Report(const Profile& profile);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_DIAGNOSIS_REPORT_H_
