// Runs single steps of a model's entries train and evaluate: what a training loop, a learning-rate range test and a
// diagnosis have in common.
#ifndef ATHANOR_TRAINING_STEP_RUNNER_H_
#define ATHANOR_TRAINING_STEP_RUNNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "compiler/graph/graph.h"
#include "compiler/options.h"
#include "runtime/core/tensor.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace athanor {

struct StepRunnerOptions {
  // The tensors of a batch, in their order: each goes to the entries' input of the same name.
  std::vector<std::string> fields = {"x", "labels"};
  // Sizes of the symbolic dimensions besides the batch N: {"T", 64}.
  std::map<std::string, int64_t> symbols;
  // The numbers of rows that steps and evaluations will have: the batch, and what is left at the end of an epoch. Each
  // gets an entry of its own over the same weights. Zeros and repetitions do not count.
  std::vector<int64_t> train_rows, evaluate_rows;
  bool infer = true;       // the entry infer for one row too, where the model has one
  // Optimizer, update, threads, frozen, ...; its entries are ignored. With ema_decay, evaluations read the averages; with
  // accumulate_gradients, a step may be made of several parts.
  CompileOptions compile;
};

struct StepScalars {
  double lr = 1e-3;
  int64_t step = 1;   // from 1: for bias corrections, and the random numbers of dropout
  uint64_t seed = 1;  // of dropout
  // With accumulate_gradients: the rows of this part over those of all parts, and whether it is the last one, which
  // updates the parameters.
  double share = 1;
  bool last = true;
};

// Valid until the next run of the same runner.
struct StepOutput {
  float loss = 0;        // before the update; mean over the rows
  TensorView logits;     // [rows, ..., classes]; data is null if the entry has none
  float grad_norm = -1;  // before clipping; -1 if it was not asked for (OptimizerSpec::grad_norm_output)
};

// Not thread-safe.
class StepRunner {
 public:
  // Compiles the model, whose variables have data. Errors of Compile and Session::Create; REQ error when the entries'
  // inputs are not the fields.
  static absl::StatusOr<std::unique_ptr<StepRunner>> Create(const Graph& model, const StepRunnerOptions& options);

  // One step, or one part of a step: loss, gradients, update. `fields` are in the order of the options, each
  // [at least rows, ...]; `rows` is one of train_rows. SHAPE or DTYPE error for a field that does not fit, REQ error for
  // another number of rows. The loss is given as it is: whether it is finite is the caller's to look at.
  absl::StatusOr<StepOutput> Train(absl::Span<const Tensor> fields, int64_t rows, const StepScalars& scalars);
  // Loss and logits without an update.
  absl::StatusOr<StepOutput> Evaluate(absl::Span<const Tensor> fields, int64_t rows);

  std::shared_ptr<const Plan> plan() const { return plan_; }
  Session& session() { return *session_; }
  Weights& weights() { return session_->weights(); }

 private:
  // Where an entry takes and gives. data == nullptr where the entry has none.
  struct Views {
    int entry = 0;
    int64_t rows = 0;
    std::vector<TensorView> fields;
    TensorView loss, logits, grad_norm;
    TensorView lr, step, seed, share;
  };
  absl::Status Bind(const Entry& entry);
  static absl::StatusOr<const Views*> Find(const std::vector<Views>& all, int64_t rows, absl::string_view what);
  absl::StatusOr<StepOutput> Run(const Views& views, absl::Span<const Tensor> fields);

  std::vector<std::string> field_names_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Session> session_;
  std::vector<Views> train_, accumulate_, evaluate_;
};

// What a model is trained for, by its metadata "task"; without it, classification if the entry train has logits, else
// regression. GRAPH error for another word.
enum class Task {
  kClassification,  // labels s32 [N], logits [N,classes]
  kLanguage,        // labels s32 [N,T], logits of every place
  kSequence,        // the same, where negative labels are padding and do not count
  kRegression,      // a loss and no logits
};
absl::StatusOr<Task> TaskOf(const Graph& model);

// The model with the weights as they are in the session.
absl::StatusOr<Graph> WithWeights(const Graph& model, const Weights& weights);

// The name of the first variable of the plan, in its order, that holds a NaN or infinity; empty when there is none.
std::string FirstNonFiniteVariable(const Weights& weights);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_STEP_RUNNER_H_
