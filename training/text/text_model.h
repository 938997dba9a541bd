// What generating and translating have in common: a model over symbols, ready to run, and its vocabulary.
#ifndef ATHANOR_TRAINING_TEXT_TEXT_MODEL_H_
#define ATHANOR_TRAINING_TEXT_TEXT_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "compiler/graph/graph.h"
#include "data/vocabulary.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace athanor {

// Compiles the entries of a language model or of one from sequence to sequence that running it needs ("step" where it
// has one, else "infer"), at this batch, with constant weights. REQ error for a model that is neither (metadata
// "task"), and for one without the metadata "vocabulary", which training on a text adds.
absl::StatusOr<Plan> CompileTextModel(const Graph& model, int64_t batch, int threads);

// The vocabulary of a plan whose metadata "task" is `task`. REQ errors as above, saying what the model is; DATA for a
// vocabulary that is none.
absl::StatusOr<Vocabulary> VocabularyOf(const Plan& plan, absl::string_view task);

// The memory of an input or output of rank `rank`, whose type must be as said. REQ error otherwise.
absl::StatusOr<TensorView> TextInput(const Session& session, int entry, absl::string_view name, DType dtype,
                                     size_t rank);
absl::StatusOr<TensorView> TextOutput(const Session& session, int entry, absl::string_view name, size_t rank);

// The index of the greatest element, the first of several; DATA error if one is not a number.
absl::StatusOr<int64_t> MostProbable(absl::Span<const float> values);

}  // namespace athanor

#endif  // ATHANOR_TRAINING_TEXT_TEXT_MODEL_H_
